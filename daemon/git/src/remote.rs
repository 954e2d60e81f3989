//! A repository as its resource describes it: address, credentials, deadline, wanted ref.
//!
//! Owns: what may be asked of a remote. Must never do: show a password.

mod credentials;
mod url;

use std::time::Duration;

use plumb_core::{
    commit::{CommitId, InvalidName, RefName},
    version_range::VersionRange,
};
use serde::{Deserialize, Serialize};

pub use self::{
    credentials::{Credentials, Login},
    url::{FileUrls, InvalidUrl, RemoteUrl, SshHost},
};

/// Where to ask, as whom, and for how long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remote {
    /// The address.
    pub url: RemoteUrl,
    /// Sent only to the address's own host.
    pub credentials: Credentials,
    /// How long one request may take in all; then its worker ends.
    pub timeout: Duration,
}

/// What a Repository follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// Whatever one ref holds.
    Ref(RefSelector),
    /// One commit for ever, as long as the remote lists a ref that it can be reached from.
    Commit(CommitId),
}

/// Which ref is wanted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum RefSelector {
    /// Whatever the remote's HEAD points at.
    Head,
    /// One branch, by its full name below `refs/heads/`.
    Branch(RefName),
    /// One tag, by its full name below `refs/tags/`.
    Tag(RefName),
    /// The newest tag that is a version in this range.
    Newest(VersionRange),
}

impl RefSelector {
    /// Returns the selector of a branch by its short name, such as `main`.
    pub fn branch(name: &str) -> Result<Self, InvalidName> {
        RefName::branch(name).map(Self::Branch)
    }

    /// Returns the selector of a tag by its short name, such as `v1.2.0`.
    pub fn tag(name: &str) -> Result<Self, InvalidName> {
        RefName::tag(name).map(Self::Tag)
    }

    /// Returns the selector of a ref that was found before; of HEAD where there was none.
    pub(crate) fn again(found: Option<&RefName>) -> Self {
        match found {
            None => Self::Head,
            Some(name) if name.as_str().starts_with("refs/tags/") => Self::Tag(name.clone()),
            Some(name) => Self::Branch(name.clone()),
        }
    }
}

/// What a remote says that a ref holds.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Advertised {
    /// The ref; absent where the remote's HEAD is a commit and no branch, and where a commit was asked for.
    pub reference: Option<RefName>,
    /// The commit it holds; of a tag with a message, the commit behind it.
    pub commit: CommitId,
}
