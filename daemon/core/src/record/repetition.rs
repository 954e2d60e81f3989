//! Corrections of the same fields that follow each other within an hour: one line counts them.
//!
//! Owns: which lines say the same, and the line that stands for them while it may still change. Such a line has no number, and is
//! never published; it gets one when it changes no more. Must never do: change a line that has a number.

use jiff::{SignedDuration, Timestamp};

use super::line::Line;

/// Lines that count repetitions side by side, in one status.
pub(super) const REPEATED_MAX: usize = 16;
/// How long one line counts: what somebody changes every few seconds costs a note a line in an hour, and not one each time.
pub(super) const COUNTS_FOR: SignedDuration = SignedDuration::from_hours(1);

/// Returns whether both tell of the same fields of the same object, changed by the same writer, on the same commit.
fn says_the_same(one: &Line, other: &Line) -> bool {
    let told = |line: &Line| {
        let paths: Vec<String> = line.fields.iter().map(|field| field.path.clone()).collect();
        (
            line.kind,
            line.commit.clone(),
            line.objects.clone(),
            line.more_objects,
            paths,
            line.more_fields,
            line.who.clone(),
        )
    };
    one.environment == other.environment && one.series() == other.series() && told(one) == told(other)
}

/// Returns the place of the line that counts what this one says.
pub(super) fn find(repeated: &[String], line: &Line) -> Option<usize> {
    repeated.iter().position(|text| Line::parse(text).is_ok_and(|known| says_the_same(&known, line)))
}

/// Returns a line that begins to count.
pub(super) fn begin(line: &Line) -> Line {
    Line { sequence: 0, count: Some(1), since: Some(line.time), ..line.clone() }
}

/// Returns the line that counts one more: with the newest values, since the first of them.
pub(super) fn count(known: &Line, line: &Line) -> Line {
    let count = known.count.unwrap_or(1) + 1;
    Line { sequence: 0, count: Some(count), since: known.since.or(Some(known.time)), ..line.clone() }
}

/// Returns the line as it will stand in a note; one that counted to one is like any other.
pub(super) fn end(known: Line) -> Line {
    let often = known.count.filter(|count| *count > 1);
    let since = known.since.filter(|_| often.is_some());
    let line = Line { count: often, since, ..known };
    match (often, since) {
        (Some(often), Some(since)) => {
            line.with_message(&format!("{often} times since {since}; the last one: {}", line.message))
        }
        _ => line,
    }
}

/// Returns when a line ends that counts.
pub(super) fn ends_at(line: &Line) -> Timestamp {
    line.since.unwrap_or(line.time).saturating_add(COUNTS_FOR).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests;
