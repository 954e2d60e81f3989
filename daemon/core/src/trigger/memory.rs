//! What a trigger's status keeps, so that nothing is built twice when runs are gone.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use super::{
    name::ComponentName,
    run::{Build, Outcome},
};

/// What is known of every component.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Memory {
    /// By name.
    pub components: BTreeMap<ComponentName, Known>,
}

/// What is known of one component.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Known {
    /// The number of its last attempt; 0: there was none.
    pub attempt: u32,
    /// What was last attempted, or passed over.
    pub attempted: Option<Attempted>,
    /// The last attempt that succeeded.
    pub succeeded: Option<Attempted>,
}

/// One attempt to build a component.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Attempted {
    /// What was built.
    pub build: Build,
    /// The number of the attempt; 0 where nothing was built: the commit asked to be passed over.
    pub number: u32,
    /// The last run of it; absent where nothing was built.
    pub run: Option<String>,
    /// How it ended; absent as long as it has not.
    pub outcome: Option<(Outcome, Timestamp)>,
    /// Why, in words; empty where there is nothing to say.
    pub message: String,
}
