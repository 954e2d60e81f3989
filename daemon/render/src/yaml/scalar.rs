//! What a scalar means: null, boolean, number or text.

use std::borrow::Cow;

use base64::{
    Engine as _,
    engine::{GeneralPurpose, GeneralPurposeConfig},
};
use serde_json::{Number as JsonNumber, Value};

use super::{
    event::{Style, Tag},
    number::{self, Number},
};

/// 2⁶³: the first float that is no `i64` any more.
const I64_END: f64 = 9_223_372_036_854_775_808.0;

/// Base64 as Go's decoder takes it: padded, but spare bits at the end may be anything.
const BASE64: GeneralPurpose =
    GeneralPurpose::new(&base64::alphabet::STANDARD, GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true));

/// Why a scalar has no value, and what to write instead.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unreadable {
    pub(super) message: String,
    pub(super) remedy: String,
}

/// The plain scalars that are no text, before they become JSON.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Plain {
    Null,
    Bool(bool),
    Number(Number),
    Text,
}

/// Returns the value of a scalar; `lossy` allows what does not survive the way to JSON (binary that is no text).
pub(super) fn value(text: Cow<'_, str>, style: Style, tag: Option<Tag>, lossy: bool) -> Result<Value, Unreadable> {
    match (style, tag) {
        (Style::Literal, _) => literal(&text),
        (Style::Plain, None) if surely_text(&text) => Ok(Value::String(text.into_owned())),
        (Style::Plain, None) => match plain(&text) {
            Plain::Text => Ok(Value::String(text.into_owned())),
            known => json(known, &text),
        },
        (_, None | Some(Tag::Text | Tag::Merge)) => Ok(Value::String(text.into_owned())),
        (_, Some(Tag::Binary)) => binary(&text, lossy),
        (_, Some(tag)) => tagged(&text, tag),
    }
}

/// Returns what a plain scalar without a tag is.
pub(crate) fn plain(text: &str) -> Plain {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Plain::Null,
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => Plain::Bool(true),
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => Plain::Bool(false),
        ".nan" | ".NaN" | ".NAN" => Plain::Number(Number::Float(f64::NAN)),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => Plain::Number(Number::Float(f64::INFINITY)),
        "-.inf" | "-.Inf" | "-.INF" => Plain::Number(Number::Float(f64::NEG_INFINITY)),
        _ if text.starts_with(['+', '-', '.']) || text.as_bytes()[0].is_ascii_digit() => {
            number::parse(text).map_or(Plain::Text, Plain::Number)
        }
        _ => Plain::Text,
    }
}

/// Returns whether no plain scalar with this first character is anything but text: spares most texts the comparisons.
pub(super) fn surely_text(text: &str) -> bool {
    let special = |first: &u8| first.is_ascii_digit() || b"+-.~yYnNtTfFoO".contains(first);
    text.as_bytes().first().is_some_and(|first| !special(first))
}

fn json(plain: Plain, text: &str) -> Result<Value, Unreadable> {
    let float = match plain {
        Plain::Null => return Ok(Value::Null),
        Plain::Bool(value) => return Ok(Value::Bool(value)),
        Plain::Text => return Ok(Value::String(text.to_owned())),
        Plain::Number(Number::Signed(value)) => return Ok(Value::Number(value.into())),
        #[expect(clippy::cast_precision_loss, reason = "kubectl passes these on as floats")]
        Plain::Number(Number::Unsigned(value)) => value as f64,
        Plain::Number(Number::Float(value)) => value,
    };
    // Go writes integral floats without a point and reads them back as integers; an int32 field refuses 1.0.
    if float.fract() == 0.0 && float.abs() < I64_END {
        #[expect(clippy::cast_possible_truncation, reason = "integral and in range")]
        return Ok(Value::Number((float as i64).into()));
    }
    JsonNumber::from_f64(float).map(Value::Number).ok_or_else(|| Unreadable {
        message: "infinity and .nan are numbers that JSON does not have".to_owned(),
        remedy: "put it in quotes if it is text".to_owned(),
    })
}

fn literal(text: &str) -> Result<Value, Unreadable> {
    match text {
        "null" => return Ok(Value::Null),
        "true" => return Ok(Value::Bool(true)),
        "false" => return Ok(Value::Bool(false)),
        _ => {}
    }
    let number = text.parse().map(Number::Signed).ok().or_else(|| text.parse().map(Number::Float).ok());
    match number {
        Some(number) => json(Plain::Number(number), text).map_err(|_| Unreadable {
            message: "the number is too large".to_owned(),
            remedy: "write a smaller one, or put it in quotes".to_owned(),
        }),
        None => {
            Err(Unreadable { message: "the value is not a number".to_owned(), remedy: "put it in quotes".to_owned() })
        }
    }
}

fn tagged(text: &str, tag: Tag) -> Result<Value, Unreadable> {
    let plain = plain(text);
    let (fits, name) = match tag {
        Tag::Int => (matches!(plain, Plain::Number(Number::Signed(_) | Number::Unsigned(_))), "int"),
        Tag::Float => (matches!(plain, Plain::Number(Number::Signed(_) | Number::Float(_))), "float"),
        Tag::Bool => (matches!(plain, Plain::Bool(_)), "bool"),
        Tag::Null => (plain == Plain::Null, "null"),
        Tag::Binary | Tag::Merge | Tag::Text => (true, "str"),
    };
    if fits {
        return json(plain, text);
    }
    Err(Unreadable {
        message: format!("the value can't be read as !!{name}"),
        remedy: "remove the tag or correct the value".to_owned(),
    })
}

fn binary(text: &str, lossy: bool) -> Result<Value, Unreadable> {
    let symbols: Vec<u8> = text.bytes().filter(|symbol| !matches!(symbol, b'\n' | b'\r')).collect();
    let bytes = BASE64.decode(symbols).map_err(|_| Unreadable {
        message: "the value of !!binary is not base64".to_owned(),
        remedy: "correct the value or remove the tag".to_owned(),
    })?;
    match String::from_utf8(bytes) {
        Ok(text) => Ok(Value::String(text)),
        Err(error) if lossy => Ok(Value::String(String::from_utf8_lossy(error.as_bytes()).into_owned())),
        Err(_) => Err(Unreadable {
            message: "the value of !!binary is not text, and JSON holds only text: kubectl would damage it".to_owned(),
            remedy: "remove the tag and keep it in base64, as Secret.data and ConfigMap.binaryData expect it"
                .to_owned(),
        }),
    }
}
