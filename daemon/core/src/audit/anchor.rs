//! What is known of a chain of notes from outside of it, so that cutting off its end or rewriting all of it shows.

use super::verdict::{Finding, Tampering};
use crate::commit::{CommitId, RefName};

/// What is to be done before anybody is accused: branches and statuses that are newer than the notes name newer ones. Git
/// refuses to fetch notes that were written anew, and so tells them.
const FIRST: &str = "first run git fetch origin 'refs/notes/plumb/*:refs/notes/plumb/*'";

/// A commit that was the chain's newest once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Anchor {
    /// The commit.
    pub id: CommitId,
    /// Who says so.
    pub witness: Witness,
    /// Where the commit is, if it is none of the chain's.
    pub whereabouts: Option<Whereabouts>,
}

/// Who says that a chain ended at a commit once.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Witness {
    /// The person who asks.
    Head,
    /// The cluster.
    Status {
        /// The Environment, as namespace and name.
        environment: String,
    },
    /// A trailer of a commit.
    Trailer {
        /// The commit.
        commit: CommitId,
        /// Whether a trusted key signed it; else whoever may push can have written it.
        trusted: bool,
    },
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

impl Witness {
    /// Returns whether what it names is the history that plumb wrote; what anybody can say may accuse, and proves nothing.
    pub(super) fn vouches(&self) -> bool {
        !matches!(self, Self::Trailer { trusted: false, .. })
    }

    /// Returns who it is, in words.
    fn name(&self) -> String {
        match self {
            Self::Head => "--head".to_owned(),
            Self::Status { environment } => format!("status.records.head of {environment}"),
            Self::Trailer { commit, .. } => format!("Plumb-Records of commit {}", commit.short()),
        }
    }

    /// Returns what else is to be looked at before anybody is accused on its word.
    fn caution(&self, id: &CommitId) -> String {
        match self {
            Self::Head => format!("see whether it is an id of these notes: git log -1 {id}"),
            Self::Status { .. } => "see whether this is a clone of what that cluster reads".to_owned(),
            Self::Trailer { commit, trusted: true } => {
                format!("see whether that commit was made for this repository: git show {}", commit.short())
            }
            Self::Trailer { commit, trusted: false } => format!(
                "see whether plumb made that commit, since no trusted key signed it and whoever may push can write such a \
                 trailer: git show {}",
                commit.short()
            ),
        }
    }
}

impl Anchor {
    /// Returns what it means that a chain does not have this commit; the subject is the chain, or those of which it is one.
    pub fn missing(&self, subject: &str) -> Finding {
        let (what, how) = match self.whereabouts {
            Some(Whereabouts::Beyond) => (Tampering::Truncated, "and was cut off before, or not fetched since"),
            Some(Whereabouts::Beside) => (Tampering::Rewritten, "which is none of its commits now"),
            Some(Whereabouts::Nowhere) | None => {
                (Tampering::Truncated, "which the repository does not have: cut off or rewritten, or fetched before")
            }
        };
        let Self { id, witness, .. } = self;
        self.finding(what, format!("{subject} ended at {id} once ({}), {how}", witness.name()))
    }

    /// Returns what it means that there is no ref of this name.
    pub fn without(&self, reference: &RefName) -> Finding {
        let Self { id, witness, .. } = self;
        let why =
            format!("there is no {reference}, which ended at {id} once ({}): removed, or not fetched", witness.name());
        self.finding(Tampering::Truncated, why)
    }

    fn finding(&self, what: Tampering, why: String) -> Finding {
        let why = format!("{why}; {FIRST}, and {}", self.witness.caution(&self.id));
        Finding { what, link: None, note: None, why }
    }
}
