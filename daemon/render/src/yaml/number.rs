//! Numbers as Go's strconv and goyaml v2 read them.

use std::borrow::Cow;

/// A number before it becomes JSON.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Number {
    Signed(i64),
    /// Above the range of `i64`: kubectl passes it on as a float.
    Unsigned(u64),
    Float(f64),
}

/// Reads a plain scalar that starts with a sign, a digit or a dot; returns nothing if it is text.
///
/// Underscores are ignored wherever they stand behind the first character, except in a number that starts with a dot.
pub(super) fn parse(text: &str) -> Option<Number> {
    if text.starts_with('.') {
        return float(text).map(Number::Float);
    }
    let digits: Cow<'_, str> = if text.contains('_') { text.replace('_', "").into() } else { text.into() };
    integer(&digits).or_else(|| float(&digits).map(Number::Float))
}

/// `strconv.ParseInt` and `ParseUint` with base 0: `0x`, `0o`, `0b` and a leading zero choose the base.
fn integer(text: &str) -> Option<Number> {
    let (sign, magnitude) = match text.as_bytes().first()? {
        sign @ (b'-' | b'+') => (Some(*sign), &text[1..]),
        _ => (None, text),
    };
    let (base, digits) = match magnitude.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, &magnitude[2..]),
        [b'0', b'o' | b'O', ..] => (8, &magnitude[2..]),
        [b'0', b'b' | b'B', ..] => (2, &magnitude[2..]),
        [b'0', _, ..] => (8, &magnitude[1..]),
        _ => (10, magnitude),
    };
    if digits.is_empty() || !digits.bytes().all(|digit| char::from(digit).is_digit(base)) {
        return None;
    }
    let value = u64::from_str_radix(digits, base).ok()?;
    match (sign, i64::try_from(value)) {
        (Some(b'-'), _) => 0_i64.checked_sub_unsigned(value).map(Number::Signed),
        (_, Ok(value)) => Some(Number::Signed(value)),
        (None, Err(_)) => Some(Number::Unsigned(value)),
        (Some(_), Err(_)) => None,
    }
}

/// `[-+]?(\.\d+|\d+(\.\d*)?)([eE][-+]?\d+)?`; what overflows is text.
fn float(text: &str) -> Option<f64> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent.strip_prefix(['-', '+']).unwrap_or(exponent))),
        None => (unsigned, None),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let has_digit = !whole.is_empty() || fraction.is_some_and(|fraction| !fraction.is_empty());
    let well_formed = has_digit
        && digits(whole)
        && fraction.is_none_or(digits)
        && exponent.is_none_or(|exponent| !exponent.is_empty() && digits(exponent));
    if !well_formed {
        return None;
    }
    text.parse().ok().filter(|value: &f64| value.is_finite())
}

/// Writes a float key: `strconv.FormatFloat(x, 'g', -1, 32)`, as sigs.k8s.io/yaml does.
pub(super) fn float_key(value: f64) -> String {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "kubectl narrows the key to 32 bits, so that is what it is called"
    )]
    let narrow = value as f32;
    if narrow.is_nan() {
        return ".nan".to_owned();
    }
    if narrow.is_infinite() {
        return if narrow > 0.0 { ".inf" } else { "-.inf" }.to_owned();
    }
    let scientific = format!("{narrow:e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..21).contains(&exponent) {
        return narrow.to_string();
    }
    format!("{mantissa}e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_go_reads_them() {
        let check = |text: &str, expected: Option<Number>| assert_eq!(parse(text), expected, "{text:?}");
        check("0", Some(Number::Signed(0)));
        check("0644", Some(Number::Signed(420)));
        check("0o644", Some(Number::Signed(420)));
        check("0x_ff", Some(Number::Signed(255)));
        check("-0b11", Some(Number::Signed(-3)));
        check("1_000", Some(Number::Signed(1000)));
        check("089", Some(Number::Float(89.0)));
        check("-9223372036854775808", Some(Number::Signed(i64::MIN)));
        check("18446744073709551615", Some(Number::Unsigned(u64::MAX)));
        check("+9223372036854775808", Some(Number::Float(9_223_372_036_854_775_808.0)));
        check(".5", Some(Number::Float(0.5)));
        check("1.", Some(Number::Float(1.0)));
        check("1.e3", Some(Number::Float(1000.0)));
        check("1e400", None);
        for text in [
            ".",
            "-",
            "+",
            "0x",
            "0b2",
            "1e",
            "1e+",
            "--1",
            "1:30",
            "2001-01-01",
            "1.2.3",
            "._5",
            "-0xffffffffffffffff",
        ] {
            check(text, None);
        }
    }

    #[test]
    fn float_keys_are_written_as_go_writes_them() {
        let check = |value: f64, expected: &str| assert_eq!(float_key(value), expected);
        check(1.0, "1");
        check(1.5, "1.5");
        check(1e3, "1000");
        check(1e30, "1e+30");
        check(1e-7, "1e-07");
        check(f64::INFINITY, ".inf");
        check(1e300, ".inf");
    }
}
