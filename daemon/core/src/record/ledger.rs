//! The records of one environment that are not in Git yet: numbered without a gap, bounded, each of them final.
//!
//! A ledger is part of the Environment's status and is written with it. From that write on a record is neither lost nor
//! doubled: a line that is pending never changes, so whoever publishes can tell whether it is in Git already. What no longer
//! fits is counted in one line apart, `overflow`, which may still change and so is never published; it becomes pending when
//! there is room again.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::{
    Record,
    line::{Line, Origin, Series},
    repetition,
};
use crate::commit::CommitId;

/// Lines that a status keeps.
pub const PENDING_MAX: usize = 64;
/// Bytes of lines that a status keeps: a quarter of what plumb allows itself for a status, and far from the limit of etcd.
pub const PENDING_BYTES_MAX: usize = 64 * 1024;
/// Lines beyond those, each for all that did not fit for a former Repository, or under a former name.
const FORMER_LINES_MAX: usize = 8;
/// Room for such a line, and for the one in `overflow`: their messages are short.
const OVERFLOW_BYTES: usize = 4 * 1024;
/// Repositories, and names of the cluster, that an environment remembers to have had, so that going back to one goes on counting.
const FORMER_MAX: usize = 16;

/// What became of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// It is a line of its own.
    Whole,
    /// It is counted in the line that stands for what did not fit.
    Counted,
    /// It is counted in a line that has no number yet.
    Repeated,
    /// It is not kept, and has no number: it is about no commit.
    Nowhere,
    /// It is not kept, and has no number: too much waits for former Repositories, or under former names.
    Crowded,
}

/// What is numbered, and what waits to be published.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ledger {
    /// For what `next` counts; empty before the first record.
    pub series: Series,
    /// The number of the next record; the first is 1, and 0 says that there was none.
    pub next: u64,
    /// Lines as they will stand in notes, in the order of their numbers, those of a former Repository first.
    pub pending: Vec<String>,
    /// One line that stands for what did not fit.
    pub overflow: Option<String>,
    /// Lines that count repetitions and have no number yet.
    pub repeated: Vec<String>,
    /// How many records were ever kept, those included that share a line: it tells which of them a write has brought.
    pub recorded: u64,
    /// The next numbers of what was counted for before, the latest last.
    pub former: Vec<(Series, u64)>,
}

impl Ledger {
    /// Numbers a record and keeps it. One that is about no commit can't be in a note and is left out; one that repeats what
    /// was recorded is counted with others, and gets a number with them.
    pub fn append(&mut self, record: &Record, origin: &Origin) -> Kept {
        let Some(line) = Line::of(record, origin, 0) else { return Kept::Nowhere };
        let series = line.series();
        // What is about another commit shall not come after this one.
        self.settle_those(|open| open.series() != series || open.commit != line.commit);
        self.make_way(&series);
        if self.is_crowded(&series) {
            return Kept::Crowded;
        }
        // Of what another ref has, this one has nothing yet.
        let goes_on = self.series.is(&series);
        self.turn_to(series);
        self.recorded += 1;
        if record.again && goes_on && self.repeat(&line) {
            return Kept::Repeated;
        }
        self.number(line)
    }

    /// Numbers the lines that have counted repetitions for long enough; from then on they never change.
    pub fn settle(&mut self, now: Timestamp) {
        self.settle_those(|open| repetition::ends_at(open) <= now);
    }

    /// Numbers all lines that count repetitions: nothing comes after them.
    pub fn settle_all(&mut self) {
        self.settle_those(|_| true);
    }

    /// Returns when the next line that counts repetitions gets its number.
    pub fn settles_at(&self) -> Option<Timestamp> {
        self.repeated.iter().filter_map(|text| Line::parse(text).ok()).map(|line| repetition::ends_at(&line)).min()
    }

    /// Takes out the lines that are published, and makes what did not fit pending.
    pub fn published(&mut self, series: &Series, sequences: &BTreeSet<u64>) {
        self.pending.retain(|text| {
            !Line::parse(text).is_ok_and(|line| line.series() == *series && sequences.contains(&line.sequence))
        });
        self.close();
    }

    /// Has one line stand for those of a notes ref whose notes take no more, on the commit of the line after them: what comes
    /// later does not wait for ever, and the numbers stay without a gap. The last ones wait on, since nothing waits for them.
    ///
    /// *Assumptions:* none of these lines is in a note, and nobody else publishes.
    pub fn step_over(&mut self, series: &Series, unwritable: &BTreeSet<CommitId>) {
        let stuck = |line: &Line| unwritable.contains(&line.commit);
        let mut texts = Vec::new();
        // Lines that take no more so far, as they stand and as they are read.
        let mut waiting: Vec<(String, Line)> = Vec::new();
        let end = self.overflow.as_ref().and_then(|text| Line::parse(text).ok());
        for text in std::mem::take(&mut self.pending) {
            match Line::parse(&text).ok().filter(|line| line.series() == *series) {
                Some(line) if stuck(&line) => waiting.push((text, line)),
                Some(line) => {
                    texts.extend(replaced(&mut waiting, &line));
                    texts.push(text);
                }
                None => texts.push(text),
            }
        }
        if let Some(end) = end.filter(|end| end.series() == *series && !stuck(end)) {
            texts.extend(replaced(&mut waiting, &end));
        }
        texts.extend(waiting.into_iter().map(|(text, _)| text));
        self.pending = texts;
        self.close();
    }

    /// Takes out and returns the lines for a Repository that is no more: nobody can publish them.
    pub fn abandon(&mut self, repository: &str) -> Vec<String> {
        let of_it = |text: &str| Line::parse(text).is_ok_and(|line| line.repository == repository);
        let mut gone: Vec<String> = self.pending.extract_if(.., |text| of_it(text)).collect();
        gone.extend(self.overflow.take_if(|text| of_it(text)));
        gone.extend(self.repeated.extract_if(.., |text| of_it(text)));
        self.close();
        gone
    }

    /// Returns the UIDs of the Repositories for which something waits.
    pub fn awaited(&self) -> BTreeSet<String> {
        let lines = self.pending.iter().chain(&self.overflow).chain(&self.repeated);
        lines.filter_map(|text| Line::parse(text).ok()).map(|line| line.repository).collect()
    }

    /// Returns the lines that wait for one Repository, in the order of their numbers.
    pub fn of(&self, repository: &str) -> Vec<Line> {
        let lines = self.pending.iter().filter_map(|text| Line::parse(text).ok());
        lines.filter(|line| line.repository == repository).collect()
    }

    /// Returns, for all that is counted for, the highest number up to which all records are published.
    pub fn reached(&self) -> Vec<(&Series, u64)> {
        let lines = self.pending.iter().chain(&self.overflow).filter_map(|text| Line::parse(text).ok());
        let waiting: Vec<(Series, u64)> = lines.map(|line| (line.series(), line.first())).collect();
        let counted = self.former.iter().map(|(series, next)| (series, *next));
        let counted = counted.chain((self.next > 0).then_some((&self.series, self.next)));
        let reached = counted.map(|(series, next)| {
            let first = waiting.iter().filter(|(of, _)| series.is(of)).map(|(_, first)| *first).min();
            (series, first.unwrap_or(next) - 1)
        });
        reached.collect()
    }

    /// Returns whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.pending.is_empty() && self.overflow.is_none() && self.repeated.is_empty()
    }

    fn settle_those(&mut self, ends: impl Fn(&Line) -> bool) {
        if self.repeated.is_empty() || self.is_crowded(&self.series) {
            return;
        }
        for text in std::mem::take(&mut self.repeated) {
            match Line::parse(&text) {
                Ok(line) if ends(&line) => drop(self.number(repetition::end(line))),
                Ok(_) => self.repeated.push(text),
                // Nobody can tell what it was.
                Err(_) => {}
            }
        }
    }

    /// Counts a line with others that say the same; returns whether there is room for that.
    fn repeat(&mut self, line: &Line) -> bool {
        let Some(place) = repetition::find(&self.repeated, line) else {
            let begun = repetition::begin(line).text();
            let room = self.repeated.len() < repetition::REPEATED_MAX && self.overflow.is_none() && self.fits(&begun);
            if room {
                self.repeated.push(begun);
            }
            return room;
        };
        if let Ok(known) = Line::parse(&self.repeated[place]) {
            self.repeated[place] = repetition::count(&known, line).text();
        }
        true
    }

    /// Gives a line the next number of what is counted for.
    fn number(&mut self, mut line: Line) -> Kept {
        line.sequence = self.next;
        self.next += 1;
        let (before, text) = (self.overflow.as_deref().and_then(|text| Line::parse(text).ok()), line.text());
        if before.is_none() && self.fits(&text) {
            self.pending.push(text);
            return Kept::Whole;
        }
        self.overflow = Some(line.rolled_up(before.as_ref()).text());
        Kept::Counted
    }

    /// Returns whether what did not fit for another ref stands in the way.
    fn is_crowded(&self, series: &Series) -> bool {
        let overflow = self.overflow.as_deref().and_then(|text| Line::parse(text).ok());
        overflow.is_some_and(|line| !series.is(&line.series()))
    }

    /// Has what did not fit for another ref end here, so that it does not stand in the way of this one's.
    fn make_way(&mut self, series: &Series) {
        let theirs = |text: &mut String| Line::parse(text).is_ok_and(|line| line.series() != *series);
        if self.pending.len() < PENDING_MAX + FORMER_LINES_MAX {
            self.pending.extend(self.overflow.take_if(theirs));
        }
    }

    fn next_of(&self, series: &Series) -> u64 {
        self.former.iter().find(|(former, _)| former.is(series)).map_or(1, |(_, next)| *next)
    }

    fn turn_to(&mut self, series: Series) {
        if self.series.is(&series) {
            // An older plumb has not said the name of the cluster.
            self.series = series;
            return;
        }
        let next = self.next_of(&series);
        self.former.retain(|(former, _)| !former.is(&series));
        let before = std::mem::replace(&mut self.series, series);
        let last = std::mem::replace(&mut self.next, next);
        if !before.repository.is_empty() {
            self.former.push((before, last));
        }
        let too_many = self.former.len().saturating_sub(FORMER_MAX);
        self.former.drain(..too_many);
    }

    /// Makes what did not fit pending as soon as it fits: from then on it never changes.
    fn close(&mut self) {
        if self.overflow.as_ref().is_some_and(|text| self.fits(text)) {
            self.pending.extend(self.overflow.take());
        }
    }

    /// Returns whether there is room for one more line, and for the one that stands for what does not fit.
    fn fits(&self, text: &str) -> bool {
        let bytes: usize = self.pending.iter().chain(&self.repeated).map(String::len).sum();
        self.pending.len() < PENDING_MAX && bytes + text.len() + OVERFLOW_BYTES <= PENDING_BYTES_MAX
    }
}

/// Takes the lines that wait out, and returns the one that stands for them.
fn replaced(waiting: &mut Vec<(String, Line)>, next: &Line) -> Option<String> {
    let lines: Vec<Line> = waiting.drain(..).map(|(_, line)| line).collect();
    Line::standing_for(&lines, next).map(|line| line.text())
}

#[cfg(test)]
mod tests;
