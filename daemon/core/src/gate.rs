//! The gate before a new commit: may it begin now, or does the environment stay at the one that it has begun?
//!
//! While the gate is closed, the commit that was begun last is kept true: its waves go on, its drift is corrected.

use std::fmt;

use jiff::Timestamp;
use serde::Serialize;

use crate::{commit::CommitId, dependency::Unmet, rollback::hold::Hold, window::Opening};

/// The reason of a condition while a rollback keeps an environment where it is.
pub const ROLLED_BACK: &str = "RolledBack";

/// What a new commit waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum Wait {
    /// An environment that this one depends on.
    Dependency(Unmet),
    /// The next sync window; absent: none opens within four years.
    Window(Option<Timestamp>),
    /// Its content was rolled back, and the environment is held: it waits for a commit with another one, or a person's word.
    RolledBack(Box<Hold>),
    /// Its content was rolled back before, with this commit.
    Quarantined(CommitId),
}

/// What the gate looks at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Approach {
    /// Whether this very commit was begun before, for the spec as it is.
    pub begun: bool,
    /// What of its dependencies is missing.
    pub unmet: Option<Unmet>,
    /// How its windows stand.
    pub opening: Opening,
    /// Whether a person asked for it now, whatever the windows say.
    pub pressed: bool,
}

/// Returns what keeps a commit from beginning; what was begun is carried through.
pub fn wait(approach: Approach) -> Option<Wait> {
    let Approach { begun, unmet, opening, pressed } = approach;
    if begun {
        return None;
    }
    if let Some(unmet) = unmet {
        return Some(Wait::Dependency(unmet));
    }
    match opening {
        Opening::Closed(opens) if !pressed => Some(Wait::Window(opens)),
        Opening::Closed(_) | Opening::Open => None,
    }
}

impl Wait {
    /// Returns the word for a condition.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Dependency(_) => "DependencyNotReady",
            Self::Window(_) => "WindowClosed",
            Self::RolledBack(_) | Self::Quarantined(_) => ROLLED_BACK,
        }
    }

    /// Returns whether it comes right without a person.
    pub fn passes(&self) -> bool {
        match self {
            Self::Dependency(unmet) => unmet.passes(),
            Self::Window(opens) => opens.is_some(),
            Self::RolledBack(_) | Self::Quarantined(_) => false,
        }
    }

    /// Returns whether its content was rolled back.
    pub fn is_rollback(&self) -> bool {
        matches!(self, Self::RolledBack(_) | Self::Quarantined(_))
    }

    /// Returns when to look again, if a time is all that is waited for.
    pub fn until(&self) -> Option<Timestamp> {
        match self {
            Self::Dependency(_) | Self::RolledBack(_) | Self::Quarantined(_) => None,
            Self::Window(opens) => *opens,
        }
    }
}

impl fmt::Display for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dependency(unmet) => unmet.fmt(f),
            Self::Window(Some(opens)) => write!(f, "waits for its window, which opens at {opens} (plumb sync --now)"),
            Self::RolledBack(hold) => rolled_back(f, &hold.commit),
            Self::Quarantined(commit) => rolled_back(f, commit),
            Self::Window(None) => f.write_str("waits for a window that never opens: correct spec.sync.windows"),
        }
    }
}

fn rolled_back(f: &mut fmt::Formatter<'_>, commit: &CommitId) -> fmt::Result {
    write!(f, "has the content of {}, which was rolled back", commit.short())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::environment::EnvironmentName;

    #[test]
    fn a_commit_begins_when_nothing_stands_in_its_way() {
        let opens: Timestamp = "2026-11-21T09:00:00Z".parse().expect("a time");
        let unmet = || Some(Unmet::Behind(EnvironmentName::new("team", "base")));
        let free = Approach { begun: false, unmet: None, opening: Opening::Open, pressed: false };
        let closed = Opening::Closed(Some(opens));
        #[track_caller]
        fn check(approach: Approach, reason: Option<&str>) {
            assert_eq!(wait(approach.clone()).map(|wait| wait.reason()), reason, "{approach:?}");
        }
        check(free.clone(), None);
        check(Approach { opening: closed, ..free.clone() }, Some("WindowClosed"));
        check(Approach { opening: closed, pressed: true, ..free.clone() }, None);
        // Half a commit is worse than one that is carried through after hours.
        check(Approach { opening: closed, unmet: unmet(), begun: true, ..free.clone() }, None);
        check(Approach { unmet: unmet(), ..free.clone() }, Some("DependencyNotReady"));
        // What another environment has yet to bring can't be pressed for.
        check(Approach { unmet: unmet(), pressed: true, ..free }, Some("DependencyNotReady"));
    }
}
