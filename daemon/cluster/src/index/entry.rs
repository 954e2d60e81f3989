//! What the index keeps of one object.

use std::fmt;

use plumb_core::live::LiveObject;
use serde_json::Value;

/// Where the kept state came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// A list or an event.
    Event,
    /// The answer to a write of ours, later than the last list began: events may be older.
    Answer,
}

/// One object.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) live: LiveObject,
    /// The whole object, only while it is not as expected.
    pub(super) raw: Option<RawObject>,
    pub(super) source: Source,
    /// Whether its health was judged by the rules that its environment has now.
    pub(super) is_judged: bool,
}

/// A whole object as text, which takes a tenth of the memory of a parsed one; never printed.
pub(super) struct RawObject(Box<str>);

impl RawObject {
    pub(super) fn of(object: &Value) -> Self {
        Self(object.to_string().into())
    }

    pub(super) fn parse(&self) -> Option<Value> {
        serde_json::from_str(&self.0).ok()
    }
}

impl fmt::Debug for RawObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RawObject({} bytes)", self.0.len())
    }
}
