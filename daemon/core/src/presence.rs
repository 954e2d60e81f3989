//! Three answers to "is it there?": not knowing is a value, and it blocks creates and prunes.

use serde::Serialize;

/// What is known about something that may or may not exist.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum Presence<T> {
    /// It is there.
    Present(T),
    /// It was looked for, completely, and is not there.
    Absent,
    /// It could not be looked for: never read this as absent.
    Unknown,
}

impl<T> Presence<T> {
    /// Returns the value if it is there; both other answers give nothing, so use it only where they mean the same.
    pub fn present(self) -> Option<T> {
        match self {
            Self::Present(value) => Some(value),
            Self::Absent | Self::Unknown => None,
        }
    }
}
