//! Cuts values out of the API server's words about Secrets.
//!
//! Owns: the two places where the server is known to quote a value: Go's `%#v` of a typed-patch error
//! (`got &value.valueUnstructured{…}`) and `Invalid value: …` of a validation error; and every value that was sent, wherever a
//! webhook, a policy or another version of the server repeats it.

use std::{fmt, sync::Arc};

use plumb_core::redact;
use serde_json::Value;

/// What stands in for a value.
const HIDDEN: &str = "(not shown)";

/// The values of a Secret that a request sends; never printed.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Values(Arc<Vec<String>>);

impl Values {
    /// Returns those of an object, none unless it is a Secret.
    pub(super) fn of(object: &Value) -> Self {
        Self(Arc::new(redact::values(object)))
    }

    /// Returns the text without them.
    pub(crate) fn hide(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, value| text.replace(value, HIDDEN))
    }
}

impl fmt::Debug for Values {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Values({})", self.0.len())
    }
}

/// Returns the message without the values that it quotes.
pub(super) fn redact(message: &str, values: &Values) -> String {
    message.lines().map(|line| values.hide(&redact_line(line))).collect::<Vec<_>>().join("\n")
}

fn redact_line(line: &str) -> String {
    if let Some(start) = line.find("got &") {
        return format!("{}{HIDDEN}", &line[..start + "got ".len()]);
    }
    for mark in ["Invalid value: ", "Unsupported value: ", "Duplicate value: "] {
        if let Some(start) = line.find(mark) {
            let after = start + mark.len();
            // What follows the value is worth keeping only if it can't be part of it.
            let rest = line[after..].rfind("\": ").map_or("", |end| &line[after + end + 1..]);
            return format!("{}{HIDDEN}{rest}", &line[..after]);
        }
    }
    line.to_owned()
}
