//! Which records of a write have arrived whose answer was lost, or that met somebody else's.

use super::{ledger::Ledger, line::Line};

/// Returns how many of the last `records` that a ledger was tried to be written with are in what was read: the first ones,
/// which must not be numbered again; nothing if others have their numbers.
///
/// *Assumptions:* one replica at a time appends; whoever publishes only takes out. A write of the replica before may still
/// arrive: it has used the same numbers for other records.
pub fn landed(attempted: &Ledger, records: usize, read: &Ledger) -> Option<usize> {
    if attempted.repository != read.repository {
        return Some(0);
    }
    let start = attempted.next.saturating_sub(u64::try_from(records).unwrap_or(u64::MAX));
    let number = |text: &String| Line::parse(text).ok().map(|line| line.sequence).filter(|number| *number >= start);
    let ours = |wanted: u64| attempted.pending.iter().find(|text| number(text) == Some(wanted));
    let foreign = |text: &&String| number(text).and_then(ours).is_some_and(|ours| ours != *text);
    if read.pending.iter().any(|text| foreign(&text)) {
        return None;
    }
    Some(usize::try_from(read.next.saturating_sub(start)).unwrap_or(usize::MAX).min(records))
}
