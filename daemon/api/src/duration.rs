//! Durations as Kubernetes people write them: `30s`, `5m`, `1h30m`, `250ms`.

use std::{borrow::Cow, fmt, time::Duration};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// A text that is not a duration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidDuration(String);

impl fmt::Display for InvalidDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is not a duration: write numbers with units, such as 30s, 5m or 1h30m", self.0)
    }
}

impl std::error::Error for InvalidDuration {}

/// A duration that keeps the text it was written as.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DurationText {
    text: String,
    value: Duration,
}

/// What the schema lets through; [`DurationText::parse`] accepts exactly this.
const PATTERN: &str = "^([0-9]{1,9}(ms|s|m|h))+$";

impl DurationText {
    /// Parses one or more numbers with units `ms`, `s`, `m`, `h`.
    pub fn parse(text: &str) -> Result<Self, InvalidDuration> {
        let invalid = || InvalidDuration(text.to_owned());
        let mut rest = text;
        let mut milliseconds: u64 = 0;
        while !rest.is_empty() {
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            if digits == 0 || digits > 9 {
                return Err(invalid());
            }
            let number: u64 = rest[..digits].parse().map_err(|_| invalid())?;
            rest = &rest[digits..];
            let units: [(&str, u64); 4] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000)];
            let (unit, factor) = units.into_iter().find(|(unit, _)| rest.starts_with(unit)).ok_or_else(invalid)?;
            rest = &rest[unit.len()..];
            milliseconds = milliseconds.saturating_add(number.saturating_mul(factor));
        }
        if text.is_empty() {
            return Err(invalid());
        }
        Ok(Self { text: text.to_owned(), value: Duration::from_millis(milliseconds) })
    }

    /// Returns the length.
    pub fn get(&self) -> Duration {
        self.value
    }
}

impl TryFrom<String> for DurationText {
    type Error = InvalidDuration;
    fn try_from(text: String) -> Result<Self, InvalidDuration> {
        Self::parse(&text)
    }
}

impl From<DurationText> for String {
    fn from(duration: DurationText) -> String {
        duration.text
    }
}

impl fmt::Display for DurationText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl JsonSchema for DurationText {
    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": PATTERN, "maxLength": 40 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_with_units_only() {
        let check = |text: &str, seconds: Option<f64>| {
            assert_eq!(DurationText::parse(text).ok().map(|d| d.get().as_secs_f64()), seconds, "{text:?}");
        };
        check("30s", Some(30.0));
        check("1h30m", Some(5400.0));
        check("250ms", Some(0.25));
        check("5m", Some(300.0));
        check("5", None);
        check("", None);
        check("-5s", None);
        check("5 s", None);
        check("5d", None);
    }
}
