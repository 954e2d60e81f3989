//! What is wrong with input that people wrote: where it stands, what it is, what to do about it.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::object::Origin;

/// One problem of one file. Reading never stops at the first: all of them are reported.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Problem {
    /// Where it stands.
    pub origin: Origin,
    /// What is wrong, naming the object where one is known; no full stop.
    pub message: String,
    /// What to do about it; empty only where the message says it.
    pub remedy: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.origin, self.message)?;
        if !self.remedy.is_empty() {
            write!(f, " ({})", self.remedy)?;
        }
        Ok(())
    }
}
