//! Commits that build nothing: those that ask not to be built, and plumb's own.

use serde::Serialize;

use crate::{rollback::revert::ENVIRONMENT_TRAILER, trailer};

/// The trailer of a write-back that names the run whose image it writes.
pub const RUN_TRAILER: &str = "Plumb-Run";
/// The trailer of a write-back that names the commit that was built.
pub const SOURCE_TRAILER: &str = "Plumb-Source";

/// What asks, anywhere in a message and in any case, not to build a commit (Pipelines-as-Code knows the same ones).
pub const MARKERS: [&str; 4] = ["[skip ci]", "[ci skip]", "[skip tkn]", "[tkn skip]"];

/// What a commit is to triggers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum Part {
    /// A person's: what it changes is built.
    Change,
    /// A person's who asks not to build it.
    Skip,
    /// plumb's own that puts images into an environment: what was there counts the same as what is there now.
    WriteBack,
    /// plumb's own that takes a person's commit back: what is there now was there before.
    Revert,
}

impl Part {
    /// Returns what a commit is by its message. plumb's own repeat the subjects of others, so what these ask for does not count.
    pub fn of(message: &str) -> Self {
        if trailer::has(message, ENVIRONMENT_TRAILER) {
            Self::Revert
        } else if trailer::has(message, RUN_TRAILER) || trailer::has(message, SOURCE_TRAILER) {
            Self::WriteBack
        } else if asks_to_skip(message) {
            Self::Skip
        } else {
            Self::Change
        }
    }

    /// Returns whether the commit is plumb's own.
    pub fn is_own(self) -> bool {
        match self {
            Self::Change | Self::Skip => false,
            Self::WriteBack | Self::Revert => true,
        }
    }
}

/// Returns whether a message is that of a commit of plumb's own.
pub fn is_own(message: &str) -> bool {
    Part::of(message).is_own()
}

/// Returns whether a message asks not to build its commit.
pub fn asks_to_skip(message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    MARKERS.iter().any(|marker| message.contains(marker))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_says_what_its_commit_is() {
        #[track_caller]
        fn check(message: &str, expected: Part) {
            assert_eq!(Part::of(message), expected, "{message:?}");
            assert_eq!(is_own(message), expected.is_own());
        }
        for marker in MARKERS {
            check(marker, Part::Skip);
            check(&format!("docs: a word {}\n\nText", marker.to_uppercase()), Part::Skip);
            check(&format!("docs: a word\n\nText {marker}"), Part::Skip);
            check(&format!("cart: more\n\n{RUN_TRAILER}: a {marker}"), Part::WriteBack);
            check(&format!("Revert \"x {marker}\"\n\n{ENVIRONMENT_TRAILER}: shop/web"), Part::Revert);
        }
        check("", Part::Change);
        check("skip ci", Part::Change);
        check("[skip  ci]", Part::Change);
        check("[skipci]", Part::Change);
        check("cart: 1.2\n\nPlumb-Source: 1\nPlumb-Run: a", Part::WriteBack);
        check("cart: 1.2\n\nText.\n\nplumb-source: 1\nPlumb-Environment: a/b", Part::Revert);
        check("cart: 1.2\n\nPlumb-Run: a\n\nA person goes on.", Part::Change);
        check("cart: about Plumb-Run: a", Part::Change);
        check("Plumb-Run: a", Part::Change);
        check("Revert \"cart: 1.2\"\n\nThis reverts commit 1.\n", Part::Change);
        check("cart: 1.2\n\nIt said\nPlumb-Run: a", Part::Change);
        check("all of it (#12)\n\n* cart: 1.2\n\nPlumb-Run: a\n\nCo-authored-by: plumb <p@example.com>", Part::Change);
    }
}
