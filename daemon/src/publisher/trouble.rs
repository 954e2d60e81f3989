//! Why records wait though they could be published: what the condition `RecordsUnpublished` says.

use plumb_core::{class::Class, operation::Failure};

/// What stands in the way; in the order of what a person should look at first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Obstacle {
    /// The notes ref no longer leads to where it was.
    History,
    /// Nothing can be pushed.
    Push,
    /// Numbers are in Git already, for other records.
    Number,
    /// The note on a commit takes no more.
    Note,
    /// What is published can't be taken out of a status.
    Status,
}

impl Obstacle {
    /// Returns the reason of the condition.
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::History => "HistoryRewritten",
            Self::Push => "PushFailed",
            Self::Number => "NumberTaken",
            Self::Note => "NoteUnwritable",
            Self::Status => "StatusUnwritten",
        }
    }
}

/// Why records wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Trouble {
    pub(crate) obstacle: Obstacle,
    pub(crate) failure: Failure,
}

impl Trouble {
    pub(super) fn new(obstacle: Obstacle, class: Class, message: String) -> Self {
        Self { obstacle, failure: Failure { class, message } }
    }

    /// Returns all trouble as one, the worst first; nothing if there is none.
    pub(super) fn all(mut troubles: Vec<Self>) -> Option<Self> {
        /// Lines that a condition shows.
        const LINES_MAX: usize = 10;
        troubles
            .sort_by(|one, other| (one.obstacle, &one.failure.message).cmp(&(other.obstacle, &other.failure.message)));
        let (first, more) = (troubles.first()?.clone(), troubles.len().saturating_sub(LINES_MAX));
        let mut lines: Vec<String> = troubles.into_iter().take(LINES_MAX).map(|one| one.failure.message).collect();
        if more > 0 {
            lines.push(format!("and {more} more"));
        }
        Some(Self { failure: Failure { message: lines.join("\n"), ..first.failure }, ..first })
    }
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        Self { obstacle: Obstacle::Push, failure }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_is_said_first_and_not_everything() {
        let trouble = |obstacle, number: usize| Trouble::new(obstacle, Class::Wait, format!("line {number:02}"));
        assert_eq!(Trouble::all(Vec::new()), None);
        let many = (0..11).map(|number| trouble(Obstacle::Status, number)).chain([trouble(Obstacle::Note, 99)]);
        let all = Trouble::all(many.collect()).expect("some");
        assert_eq!(all.obstacle.reason(), "NoteUnwritable");
        let lines: Vec<&str> = all.failure.message.lines().collect();
        assert_eq!((lines.len(), lines[0], lines[10]), (11, "line 99", "and 2 more"));
    }
}
