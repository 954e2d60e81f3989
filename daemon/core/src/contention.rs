//! Quarrels: corrections that somebody undoes again and again.
//!
//! Owns: when a series of corrections of one object is a quarrel, how long plumb holds back then, and when it is over.
//! A state machine without a clock. Must never do: hold back the correction of anything else, or a commit.

#[cfg(test)]
mod tests;

use std::{collections::BTreeSet, time::Duration};

use jiff::Timestamp;
use serde::Serialize;

/// Corrections of one field within [`WINDOW`] that make a quarrel: a person who tries something gives up sooner, a
/// controller does not.
pub const CORRECTIONS_FREE: usize = 5;
/// How close together corrections have to be: a controller that resyncs writes at least this often when it is opposed.
pub const WINDOW: Duration = Duration::from_secs(60);
/// How long the first pause is: long enough that six of them make fewer writes than the free corrections do.
pub const PAUSE_FIRST: Duration = Duration::from_secs(10);
/// The longest pause: Git still gets the field back some times an hour, so that it wins once the other side stops.
pub const PAUSE_LONGEST: Duration = Duration::from_secs(600);
/// Fields of a quarrel that are named.
const FIELDS_NAMED: usize = 3;

/// What is remembered of the corrections of one object.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Corrections {
    recent: Vec<(Timestamp, BTreeSet<String>)>,
    quarrel: Option<Quarrel>,
}

/// An object over which plumb and somebody else quarrel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Quarrel {
    /// Who writes the fields back, as far as it is known.
    pub by: String,
    /// The fields, as the API server writes paths; empty for the object as a whole.
    pub fields: BTreeSet<String>,
    /// When plumb began to hold back.
    pub since: Timestamp,
    /// How often the fields were put back, the free corrections included.
    pub corrections: usize,
    /// Pauses so far.
    pauses: u32,
    /// The last correction.
    last: Timestamp,
}

/// What a correction is part of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// Nothing: it stands for itself.
    Usual,
    /// It is the one that makes a quarrel.
    Began,
    /// A quarrel that is known already.
    Went,
}

impl Quarrel {
    /// Returns the fields in words.
    pub fn fields(&self) -> String {
        let named: Vec<&str> =
            self.fields.iter().map(String::as_str).filter(|field| !field.is_empty()).take(FIELDS_NAMED).collect();
        let more = self.fields.len().saturating_sub(FIELDS_NAMED);
        match (named.is_empty(), more) {
            (true, _) => "the object".to_owned(),
            (false, 0) => named.join(", "),
            (false, more) => format!("{} and {more} more", named.join(", ")),
        }
    }

    /// Returns how long plumb holds back after the last correction.
    pub fn pause(&self) -> Duration {
        let doubled = PAUSE_FIRST.saturating_mul(2_u32.saturating_pow(self.pauses.saturating_sub(1).min(20)));
        doubled.min(PAUSE_LONGEST)
    }

    fn next(&self) -> Timestamp {
        later(self.last, self.pause())
    }

    /// Whatever is undone during a pause is corrected at its end, so that peace shows some time after that.
    fn peace(&self) -> Timestamp {
        later(self.next(), WINDOW)
    }
}

impl Corrections {
    /// Returns whether the object has to wait for its correction.
    pub fn rest(&self, now: Timestamp) -> bool {
        self.quarrel.as_ref().is_some_and(|quarrel| now < quarrel.next())
    }

    /// Returns the quarrel, while there is one.
    pub fn quarrel(&self) -> Option<&Quarrel> {
        self.quarrel.as_ref()
    }

    /// Returns when to look again, while there is a quarrel.
    pub fn due(&self, now: Timestamp) -> Option<Timestamp> {
        let quarrel = self.quarrel.as_ref()?;
        Some(if now < quarrel.next() { quarrel.next() } else { quarrel.peace() })
    }

    /// Takes a correction of these fields, which somebody had changed.
    pub fn correct(&mut self, now: Timestamp, fields: BTreeSet<String>, by: &str) -> Turn {
        if let Some(quarrel) = &mut self.quarrel {
            if quarrel.fields.is_disjoint(&fields) {
                return Turn::Usual;
            }
            quarrel.corrections += 1;
            quarrel.pauses += 1;
            quarrel.last = now;
            by.clone_into(&mut quarrel.by);
            return Turn::Went;
        }
        self.forget(now);
        self.recent.push((now, fields.clone()));
        let again = |field: &&String| self.recent.iter().filter(|(_, fields)| fields.contains(*field)).count();
        let disputed: BTreeSet<String> =
            fields.iter().filter(|field| again(field) >= CORRECTIONS_FREE).cloned().collect();
        if disputed.is_empty() {
            return Turn::Usual;
        }
        let corrections = self.recent.len();
        self.recent.clear();
        self.quarrel =
            Some(Quarrel { by: by.to_owned(), fields: disputed, since: now, corrections, pauses: 1, last: now });
        Turn::Began
    }

    /// Returns the quarrel if it is over: nobody has undone anything for a while.
    pub fn settle(&mut self, now: Timestamp) -> Option<Quarrel> {
        self.forget(now);
        self.quarrel.take_if(|quarrel| now >= quarrel.peace())
    }

    /// Returns whether nothing is worth remembering.
    pub fn is_empty(&self) -> bool {
        self.recent.is_empty() && self.quarrel.is_none()
    }

    fn forget(&mut self, now: Timestamp) {
        self.recent.retain(|(at, _)| now < later(*at, WINDOW));
    }
}

fn later(at: Timestamp, by: Duration) -> Timestamp {
    at.saturating_add(by).unwrap_or(Timestamp::MAX)
}
