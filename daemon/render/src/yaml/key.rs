//! Mapping keys: kubectl resolves them like values and then makes text of them.

use std::borrow::Cow;

use serde_json::Value;

use super::{
    event::{Style, Tag},
    number::{Number, float_key},
    scalar::{self, Plain, Unreadable},
};

/// The key under which a mapping takes over the entries of others.
const MERGE: &str = "<<";

/// A key of a mapping.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Key {
    /// The name under which the value is kept.
    Name(String),
    /// A name that was written otherwise, such as `80` or `yes`, and how it was written.
    Converted {
        /// The name under which the value is kept.
        name: String,
        /// What the file says.
        written: String,
    },
    /// `<<`: the value's entries become entries of this mapping.
    Merge,
}

impl Key {
    /// Returns what a scalar is as a key.
    pub(crate) fn of_scalar(text: Cow<'_, str>, style: Style, tag: Option<Tag>) -> Result<Self, Unreadable> {
        let merge = match tag {
            None => style == Style::Plain,
            Some(tag) => tag == Tag::Merge,
        };
        if merge && text == MERGE {
            return Ok(Self::Merge);
        }
        if tag.is_none() && (style != Style::Plain || scalar::surely_text(&text)) {
            return Ok(Self::Name(text.into_owned()));
        }
        if tag.is_none() {
            return Self::of_plain(text);
        }
        let written = text.clone().into_owned();
        let name = Self::name_of(&scalar::value(text, style, tag, false)?)?;
        Ok(if name == written { Self::Name(name) } else { Self::Converted { name, written } })
    }

    /// Returns what the value of an alias is as a key.
    pub(super) fn of_value(value: &Value) -> Result<Self, Unreadable> {
        Self::name_of(value).map(Self::Name)
    }

    fn of_plain(text: Cow<'_, str>) -> Result<Self, Unreadable> {
        let name = match scalar::plain(&text) {
            Plain::Text => return Ok(Self::Name(text.into_owned())),
            Plain::Null => return Err(no_name(if text.is_empty() { "an empty key" } else { "the key null" })),
            Plain::Bool(value) => value.to_string(),
            Plain::Number(Number::Signed(value)) => value.to_string(),
            Plain::Number(Number::Float(value)) => float_key(value),
            Plain::Number(Number::Unsigned(value)) => return Err(no_name(&format!("the key {value}"))),
        };
        let written = text.into_owned();
        Ok(if name == written { Self::Name(name) } else { Self::Converted { name, written } })
    }

    fn name_of(value: &Value) -> Result<String, Unreadable> {
        match value {
            Value::String(text) => Ok(text.clone()),
            Value::Bool(value) => Ok(value.to_string()),
            Value::Number(number) => match (number.as_i64(), number.as_f64()) {
                (Some(value), _) => Ok(value.to_string()),
                (None, Some(value)) => Ok(float_key(value)),
                (None, None) => Err(no_name("this key")),
            },
            Value::Null => Err(no_name("the key null")),
            Value::Array(_) | Value::Object(_) => Err(collection()),
        }
    }
}

/// The problem of a sequence or mapping used as a key; an unquoted template `{{ … }}` is one.
pub(super) fn collection() -> Unreadable {
    Unreadable {
        message: "a key must be text, not a sequence or a mapping".to_owned(),
        remedy: "put the key in quotes; {{ … }} is a template, which has to be rendered first".to_owned(),
    }
}

fn no_name(what: &str) -> Unreadable {
    Unreadable { message: format!("{what} has no name in JSON"), remedy: "put the key in quotes".to_owned() }
}
