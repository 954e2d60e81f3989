//! What is published at once: the lines that wait, by commit, and what becomes of a note.
//!
//! Owns: which line is added to which note. Must never do: change or drop what a note holds already, whoever wrote it.

use std::collections::{BTreeMap, BTreeSet};

use super::line::Line;
use crate::commit::CommitId;

/// The lines that are to be in notes, each on its commit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Batch {
    /// In the order in which they are added.
    pub notes: BTreeMap<CommitId, Vec<Line>>,
}

impl Batch {
    /// Sorts lines of any environments by commit; on one commit by environment and number.
    pub fn of(lines: impl IntoIterator<Item = Line>) -> Self {
        let mut notes: BTreeMap<CommitId, Vec<Line>> = BTreeMap::new();
        for line in lines {
            notes.entry(line.commit.clone()).or_default().push(line);
        }
        for lines in notes.values_mut() {
            lines.sort_by(|one, other| {
                (&one.environment, &one.repository, one.sequence).cmp(&(
                    &other.environment,
                    &other.repository,
                    other.sequence,
                ))
            });
            lines.dedup();
        }
        Self { notes }
    }

    /// Returns how many lines there are.
    pub fn len(&self) -> usize {
        self.notes.values().map(Vec::len).sum()
    }

    /// Returns whether there is none.
    pub fn is_empty(&self) -> bool {
        self.notes.is_empty()
    }

    /// Returns the lines of one environment, which its UID names.
    pub fn of_environment(&self, uid: &str) -> impl Iterator<Item = &Line> {
        self.notes.values().flatten().filter(move |line| line.environment.uid == uid)
    }

    /// Returns the numbers of one environment's lines.
    pub fn sequences(&self, environment: &str) -> BTreeSet<u64> {
        self.of_environment(environment).map(|line| line.sequence).collect()
    }
}

/// Returns a note with the lines added that it lacks; nothing if it has them all.
///
/// *Guarantees:* what the note holds stays as it is, byte for byte, also what is no record and what is no text.
pub fn append(note: &[u8], lines: &[Line]) -> Option<Vec<u8>> {
    let there = texts(note);
    let mut grown = note.to_vec();
    for text in lines.iter().map(Line::text).filter(|text| !there.contains(text.as_bytes())) {
        // Somebody's editor may have taken the last line break.
        if !grown.is_empty() && !grown.ends_with(b"\n") {
            grown.push(b'\n');
        }
        grown.extend_from_slice(text.as_bytes());
        grown.push(b'\n');
    }
    (grown.len() != note.len()).then_some(grown)
}

/// Returns the lines of a note, whatever they are.
pub(super) fn texts(note: &[u8]) -> BTreeSet<&[u8]> {
    note.split(|byte| *byte == b'\n').map(|text| text.strip_suffix(b"\r").unwrap_or(text)).collect()
}

#[cfg(test)]
mod tests;
