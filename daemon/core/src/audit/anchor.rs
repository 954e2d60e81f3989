//! What is known of a chain of notes from outside of it, so that cutting off its end or rewriting all of it shows.

use super::verdict::{Finding, Tampering};
use crate::commit::CommitId;

/// A commit that was the chain's newest once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Anchor {
    /// The commit.
    pub id: CommitId,
    /// Who says so, such as `--head`.
    pub source: String,
    /// Where the commit is, if it is none of the chain's.
    pub whereabouts: Whereabouts,
}

/// Where a commit is that a chain should have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whereabouts {
    /// The repository has it, and the chain's newest is one of its ancestors.
    Beyond,
    /// The repository has it, and it has nothing to do with the chain's newest.
    Beside,
    /// The repository does not have it.
    Nowhere,
}

/// How many records of one environment have been published once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Count {
    /// Namespace and name of the Environment.
    pub name: String,
    /// Its UID.
    pub environment: String,
    /// The UID of the Repository.
    pub repository: String,
    /// The highest number that is published.
    pub published: u64,
}

impl Anchor {
    /// Returns what it means that the chain does not have this commit.
    pub(super) fn missing(&self) -> Finding {
        let (id, source) = (&self.id, &self.source);
        let (what, why) = match self.whereabouts {
            Whereabouts::Beyond => {
                (Tampering::Truncated, format!("it ended at {id} once ({source}), and was cut off before"))
            }
            Whereabouts::Beside => {
                (Tampering::Rewritten, format!("it ended at {id} once ({source}), which is none of its commits"))
            }
            Whereabouts::Nowhere => {
                let why = format!(
                    "it ended at {id} once ({source}), which the repository does not have: cut off or rewritten"
                );
                (Tampering::Truncated, why)
            }
        };
        Finding { what, link: None, note: None, why }
    }
}
