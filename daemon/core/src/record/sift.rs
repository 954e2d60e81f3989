//! Which of the lines that wait can be published, as the notes are that they belong into.
//!
//! The numbers of one environment are published in their order: what comes after a line that can't be published waits for it,
//! and nobody else's. Must never do: take a number for published whose text in the note is another one.

use std::collections::BTreeMap;

use super::{
    batch::{self, Batch},
    line::{Line, Series, Subject},
};
use crate::commit::CommitId;

/// Largest note that is added to, some thousands of records: all of it is read, written and pushed with each one more.
pub const NOTE_BYTES_MAX: usize = 4 << 20;

/// Why a line can't be published now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hindrance {
    /// Its note takes no more, for this reason.
    Unwritable(String),
    /// Its number is in its note already, with another text.
    Taken,
    /// A line of the same environment with a lower number can't be published.
    Behind,
}

/// What can be published, and what can't.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Sifted {
    /// Lines that are added, or are there already.
    pub batch: Batch,
    /// Lines that wait on.
    pub held: Vec<(Line, Hindrance)>,
}

impl Sifted {
    /// Returns the commits whose notes take no more, and why.
    pub fn unwritable(&self) -> BTreeMap<&CommitId, &str> {
        let unwritable = self.held.iter().filter_map(|(line, hindrance)| match hindrance {
            Hindrance::Unwritable(why) => Some((&line.commit, why.as_str())),
            Hindrance::Taken | Hindrance::Behind => None,
        });
        unwritable.collect()
    }
}

/// Sifts the lines that wait; `notes` has what the notes on their commits hold, or why they can't be read.
pub fn sift(lines: impl IntoIterator<Item = Line>, notes: &BTreeMap<CommitId, Result<Vec<u8>, String>>) -> Sifted {
    let mut series: BTreeMap<(Subject, Series), Vec<Line>> = BTreeMap::new();
    for line in lines {
        series.entry((line.environment.clone(), line.series())).or_default().push(line);
    }
    let mut notes: BTreeMap<&CommitId, Note<'_>> =
        notes.iter().map(|(commit, note)| (commit, Note::of(note))).collect();
    let (mut fit, mut held) = (Vec::new(), Vec::new());
    for mut lines in series.into_values() {
        lines.sort_by_key(|line| line.sequence);
        let mut behind = false;
        for line in lines {
            match notes.get_mut(&line.commit).and_then(|note| note.hindrance(&line, behind)) {
                Some(hindrance) => {
                    behind = true;
                    held.push((line, hindrance));
                }
                None => fit.push(line),
            }
        }
    }
    Sifted { batch: Batch::of(fit), held }
}

/// One note while it is filled.
struct Note<'a> {
    texts: std::collections::BTreeSet<&'a [u8]>,
    records: Vec<Line>,
    /// Bytes that it has with what was let through.
    bytes: usize,
    /// Why nothing is added any more.
    closed: Option<String>,
}

impl<'a> Note<'a> {
    fn of(note: &'a Result<Vec<u8>, String>) -> Self {
        let bytes = note.as_deref().unwrap_or_default();
        let texts = batch::texts(bytes);
        let records = texts.iter().filter_map(|text| Line::parse(std::str::from_utf8(text).ok()?).ok()).collect();
        Self { texts, records, bytes: bytes.len(), closed: note.as_ref().err().cloned() }
    }

    fn hindrance(&mut self, line: &Line, behind: bool) -> Option<Hindrance> {
        let text = line.text();
        if self.texts.contains(text.as_bytes()) {
            return None;
        }
        if self.records.iter().any(|record| record.overlaps(line)) {
            return Some(Hindrance::Taken);
        }
        let more = text.len() + 2;
        if self.closed.is_none() && self.bytes + more > NOTE_BYTES_MAX {
            let why = format!("it has {} bytes, and plumb lets none grow past {NOTE_BYTES_MAX}", self.bytes);
            self.closed = Some(why);
        }
        if let Some(why) = &self.closed {
            return Some(Hindrance::Unwritable(why.clone()));
        }
        if behind {
            return Some(Hindrance::Behind);
        }
        self.bytes += more;
        None
    }
}

#[cfg(test)]
mod tests;
