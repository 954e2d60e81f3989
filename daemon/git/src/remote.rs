//! A repository as its resource describes it: address, credentials, deadline, wanted ref.
//!
//! Owns: what may be asked of a remote. Must never do: show a password.

mod credentials;
mod url;

use std::time::Duration;

use plumb_core::commit::{CommitId, InvalidName, RefName};
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
    /// How long one request may take in all; then its worker is killed.
    pub timeout: Duration,
}

/// Which ref is wanted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum RefSelector {
    /// Whatever the remote's HEAD points at.
    Head,
    /// One branch, by its full name below `refs/heads/`.
    Branch(RefName),
}

impl RefSelector {
    /// Returns the selector of a branch by its short name, such as `main`.
    pub fn branch(name: &str) -> Result<Self, InvalidName> {
        RefName::branch(name).map(Self::Branch)
    }
}

/// What a remote says that a ref holds.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Advertised {
    /// The ref; absent where the remote's HEAD is a commit and no branch.
    pub reference: Option<RefName>,
    /// The commit it holds.
    pub commit: CommitId,
}
