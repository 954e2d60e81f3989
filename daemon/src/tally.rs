//! How many objects an operation created, changed, corrected, pruned and left alone.
//!
//! An operation that has to wait goes on in the next pass; its counts go on with it. Plain data.

use std::fmt;

use crate::act::Deeds;

/// What was done to how many objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Tally {
    pub(crate) created: usize,
    pub(crate) changed: usize,
    pub(crate) corrected: usize,
    pub(crate) replaced: usize,
    pub(crate) pruned: usize,
    pub(crate) handed_over: usize,
    pub(crate) unchanged: usize,
}

impl Tally {
    /// Counts what one pass did.
    pub(crate) fn of(deeds: &Deeds, unchanged: usize) -> Self {
        Self {
            created: deeds.created.len(),
            changed: deeds.changed.len(),
            corrected: deeds.corrected.len(),
            replaced: deeds.recreated.len(),
            pruned: deeds.pruned.len(),
            handed_over: deeds.handed.len(),
            unchanged,
        }
    }

    /// Returns whether anything that a commit asks for was written.
    pub(crate) fn wrote(&self) -> bool {
        self.created + self.changed + self.replaced + self.pruned + self.handed_over > 0
    }

    /// Returns the counts of an operation that this pass ends: what the passes before it wrote, it found unchanged.
    pub(crate) fn after(self, before: Self) -> Self {
        let written = before.created + before.changed + before.corrected + before.replaced;
        Self {
            created: self.created + before.created,
            changed: self.changed + before.changed,
            corrected: self.corrected + before.corrected,
            replaced: self.replaced + before.replaced,
            pruned: self.pruned + before.pruned,
            handed_over: self.handed_over + before.handed_over,
            unchanged: self.unchanged.saturating_sub(written),
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { created, changed, corrected, replaced, pruned, handed_over, unchanged } = *self;
        let counts = [
            (created, "created"),
            (changed, "changed"),
            (corrected, "corrected"),
            (replaced, "replaced"),
            (pruned, "pruned"),
            (handed_over, "handed over"),
            (unchanged, "unchanged"),
        ];
        let named = counts.iter().filter(|(count, _)| *count > 0).map(|(count, name)| format!("{count} {name}"));
        let named: Vec<_> = named.collect();
        f.write_str(if named.is_empty() { "nothing was done" } else { "" })?;
        f.write_str(&named.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_said_in_words() {
        let check = |tally: Tally, expected: &str| assert_eq!(tally.to_string(), expected);
        check(Tally::default(), "nothing was done");
        check(Tally { created: 2, unchanged: 1, ..Tally::default() }, "2 created, 1 unchanged");
        check(Tally { changed: 1, corrected: 2, pruned: 3, ..Tally::default() }, "1 changed, 2 corrected, 3 pruned");
    }

    #[test]
    fn an_operation_that_waited_counts_no_object_twice() {
        let waited = Tally { created: 1, changed: 2, unchanged: 4, ..Tally::default() };
        let ended = Tally { pruned: 3, unchanged: 7, ..Tally::default() };
        let whole =
            Tally { created: 1, changed: 2, corrected: 0, replaced: 0, pruned: 3, handed_over: 0, unchanged: 4 };
        assert_eq!(ended.after(waited), whole);
    }
}
