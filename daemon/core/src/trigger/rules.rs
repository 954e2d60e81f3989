//! What a trigger's specification asks of its runs: how many, which give way, how often again, and how long they stay.

use std::time::Duration;

use serde::Serialize;

/// The rules of one trigger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Rules {
    /// How many of its runs may be under way at a time.
    pub limit: usize,
    /// What a newer commit does to an older one.
    pub supersede: Supersede,
    /// What becomes of a component that was never seen.
    pub initial: Initial,
    /// How often a build is tried again by itself where what it ran on failed.
    pub retries: u32,
    /// Which runs stay after their end.
    pub history: History,
    /// Nothing is begun, cancelled or removed.
    pub suspended: bool,
}

/// What a newer commit does to an older one of the same component.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Supersede {
    /// Nothing: each commit that was seen is built.
    None,
    /// Of those that wait only the newest stays.
    DropQueued,
    /// The same, and a run that is under way ends when that of a newer commit takes its place.
    CancelRunning,
}

/// What becomes of a component that was never seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Initial {
    /// It is built.
    Build,
    /// It is built from the next change on.
    Skip,
}

/// Which runs of one component stay after their end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct History {
    /// How many that succeeded; the newest of them stays in any case.
    pub succeeded: usize,
    /// How many that did not.
    pub failed: usize,
    /// How long after their end.
    pub age: Duration,
}

impl Supersede {
    /// Returns whether of what waits only the newest stays.
    pub fn drops(self) -> bool {
        match self {
            Self::None => false,
            Self::DropQueued | Self::CancelRunning => true,
        }
    }
}
