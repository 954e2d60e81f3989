//! A repository as its resource describes it: address, credentials, deadline, wanted ref.
//!
//! Owns: what may be asked of a remote. Must never do: show a password.

mod url;

use std::{fmt, time::Duration};

use plumb_core::commit::{CommitId, InvalidName, RefName};
use serde::{Deserialize, Serialize};

pub use self::url::{FileUrls, InvalidUrl, RemoteUrl};

/// User name and password for http and https.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The user name; many servers take any with a token as password.
    pub username: String,
    /// The password or token.
    pub password: String,
}

impl fmt::Debug for Credentials {
    /// Shows that there are credentials, and nothing of them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(redacted)")
    }
}

/// Where to ask, as whom, and for how long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remote {
    /// The address.
    pub url: RemoteUrl,
    /// Sent only to the address's own host, and only when it asks.
    pub credentials: Option<Credentials>,
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
