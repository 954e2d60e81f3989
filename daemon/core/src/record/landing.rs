//! Which records of a write have arrived whose answer was lost, or that met somebody else's.

use super::{RecordKind, ledger::Ledger, line::Line, repetition::REPEATED_MAX};

/// Returns how many of the last `records` that a ledger was tried to be written with are in what was read: the first ones,
/// which must not be numbered again; nothing if others have their numbers.
///
/// *Assumptions:* one replica at a time appends; whoever publishes only takes out. A write of the replica before may still
/// arrive: it has used the same numbers for other records.
pub fn landed(attempted: &Ledger, records: usize, read: &Ledger) -> Option<usize> {
    if attempted.series != read.series {
        return Some(0);
    }
    let records = u64::try_from(records).unwrap_or(u64::MAX);
    // Numbers that the write may have given: to its records, and to lines that had counted repetitions.
    let start = attempted.next.saturating_sub(records.saturating_add(REPEATED_MAX as u64));
    let is_new = |line: &Line| line.series() == attempted.series && line.sequence >= start;
    let number = |text: &String| Line::parse(text).ok().filter(is_new).map(|line| line.sequence);
    let ours = |wanted: u64| attempted.pending.iter().find(|text| number(text) == Some(wanted));
    // Whoever publishes may have had one line stand for ours.
    let stands = |text: &String| Line::parse(text).is_ok_and(|line| line.kind == RecordKind::RolledUp);
    let foreign = |text: &&String| {
        number(text).and_then(ours).is_some_and(|ours| ours != *text && (stands(ours) || !stands(text)))
    };
    if read.pending.iter().any(|text| foreign(&text)) {
        return None;
    }
    let landed = read.recorded.saturating_sub(attempted.recorded.saturating_sub(records));
    Some(usize::try_from(landed.min(records)).unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{commit::CommitId, record::example};

    #[test]
    fn numbers_that_count_for_something_else_are_not_taken_for_ours() {
        let record = example::record("shop", CommitId::parse(&"1".repeat(40)).expect("an id"), "x");
        let mut ledger = Ledger::default();
        ledger.append(&record, &example::origin("env", "before"));
        let read = ledger.clone();
        ledger.append(&record, &example::origin("env", "now"));
        assert_eq!(landed(&ledger, 1, &ledger), Some(1), "it has arrived");
        assert_eq!(landed(&ledger, 1, &read), Some(0), "it has not");
    }
}
