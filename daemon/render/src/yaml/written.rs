//! Which keys of a mapping were written where, for the messages about those that are written twice.

use std::{
    collections::BTreeSet,
    hash::{DefaultHasher, Hash as _, Hasher as _},
};

use super::Position;

/// What is known about the keys of one mapping beyond the mapping itself.
#[derive(Default)]
pub(super) struct Written {
    /// A digest and the line of every key that was written; only for messages, so a collision costs a wrong number.
    lines: Vec<(u64, u32)>,
    /// The keys that came from `<<` and were not written since.
    pub(super) merged: BTreeSet<String>,
    /// The line of the last `<<`.
    pub(super) merge: Option<u32>,
}

impl Written {
    /// Notes that a key is written here.
    pub(super) fn note(&mut self, key: &str, at: Position) {
        self.lines.push((Self::digest(key), at.line));
    }

    /// Returns the line on which a key was written first; 0 if it was not.
    pub(super) fn line(&self, key: &str) -> u32 {
        let digest = Self::digest(key);
        self.lines.iter().find(|(other, _)| *other == digest).map_or(0, |(_, line)| *line)
    }

    fn digest(key: &str) -> u64 {
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        hasher.finish()
    }
}
