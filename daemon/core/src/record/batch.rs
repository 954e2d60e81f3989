//! What is published at once: the lines that wait, by commit, and what becomes of a note.
//!
//! Owns: which line is added to which note. Must never do: change or drop what a note holds already, whoever wrote it.

use std::collections::{BTreeMap, BTreeSet};

use super::line::{Line, Subject};
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

    /// Returns the numbers of one environment's lines.
    pub fn sequences(&self, environment: &str) -> BTreeSet<u64> {
        let lines = self.notes.values().flatten().filter(|line| line.environment.uid == environment);
        lines.map(|line| line.sequence).collect()
    }
}

/// Returns a note with the lines added that it lacks; nothing if it has them all.
///
/// *Guarantees:* what the note holds stays as it is, byte for byte, also what is no record; a number that is there is not added
/// again, even if its text should differ.
pub fn append(note: &str, lines: &[Line]) -> Option<String> {
    let there: BTreeSet<(Subject, String, u64)> =
        note.lines().filter_map(|text| Line::parse(text).ok()).map(identity).collect();
    let mut text = note.to_owned();
    for line in lines.iter().filter(|line| !there.contains(&identity((*line).clone()))) {
        // Somebody's editor may have taken the last line break.
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        text.push_str(&line.text());
        text.push('\n');
    }
    (text != note).then_some(text)
}

/// Returns what no two records share.
fn identity(line: Line) -> (Subject, String, u64) {
    (line.environment, line.repository, line.sequence)
}

#[cfg(test)]
mod tests;
