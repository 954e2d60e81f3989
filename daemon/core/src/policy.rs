//! What an Environment's spec asks of the planner, checked.

use serde::Serialize;

use crate::{commit::CommitId, foreign::ForeignPolicy, ignore::Rule};

/// Plans that prune no more objects than this are never held back by the limit.
pub const PRUNE_LIMIT_FREE: usize = 5;

/// The largest share of an inventory that one plan may prune, in percent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct PruneLimit(u8);

impl PruneLimit {
    /// The limit that lets no more through than is always free.
    pub const NOTHING: Self = Self(0);

    /// Parses `0%` to `100%`.
    pub fn parse(text: &str) -> Option<Self> {
        let percent: u8 = text.strip_suffix('%')?.parse().ok()?;
        (percent <= 100).then_some(Self(percent))
    }

    /// Returns whether pruning `count` of `inventory` objects needs a person's word first.
    pub fn exceeded(self, count: usize, inventory: usize) -> bool {
        count > PRUNE_LIMIT_FREE && count * 100 > inventory * usize::from(self.0)
    }

    /// Returns the percentage.
    pub fn percent(self) -> u8 {
        self.0
    }
}

/// What to do about drift.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum DriftMode {
    /// Apply what Git says.
    Correct,
    /// Say what differs, and leave it until the next commit.
    Report,
}

/// What becomes of a commit of which something is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum OnError {
    /// The rest is applied.
    Partial,
    /// Nothing is applied; all of it is tried by dry-run first.
    Transactional,
}

/// The settings that a plan depends on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Policy {
    /// Whether owned objects that are no longer desired are deleted.
    pub prune: bool,
    /// How many at once.
    pub prune_limit: PruneLimit,
    /// The commit whose prunes a person has allowed, whatever the limit says.
    pub prune_allowed: Option<CommitId>,
    /// What becomes of a commit of which something is refused.
    pub on_error: OnError,
    /// The namespace that is made if it is not there.
    pub create_namespace: Option<String>,
    /// What to do about drift.
    pub drift: DriftMode,
    /// What is not looked at.
    pub ignore: Vec<Rule>,
    /// What happens to fields that others added.
    pub foreign: ForeignPolicy,
    /// Nothing is written: a person has suspended the environment.
    pub suspended: bool,
    /// Nothing is written: the commit may not begin yet, and none was begun before.
    pub waiting: bool,
    /// Nothing is pruned: the environment was rolled back, and what Git does not have at this commit came with later ones.
    pub rolled_back: bool,
}

impl Policy {
    /// Returns whether nothing may be written.
    pub fn is_held(&self) -> bool {
        self.suspended || self.waiting
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_exceeded_by_share_and_number_together() {
        let check = |limit: &str, count, inventory, expected| {
            let limit = PruneLimit::parse(limit).expect("a limit");
            assert_eq!(limit.exceeded(count, inventory), expected, "{limit:?} {count}/{inventory}");
        };
        check("25%", 5, 5, false);
        check("25%", 6, 6, true);
        check("25%", 6, 24, false);
        check("25%", 7, 24, true);
        check("100%", 50, 50, false);
        check("0%", 6, 1000, true);
    }

    #[test]
    fn limits_are_whole_percentages() {
        for bad in ["25", "101%", "-1%", "%", "2.5%"] {
            assert_eq!(PruneLimit::parse(bad), None, "{bad}");
        }
    }
}
