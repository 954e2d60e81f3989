//! What the daemon and a worker say to each other: one JSON object per line.
//!
//! Owns: the shape of both lines and their greatest length. A request holds the credentials, which is why the pipe is the
//! only place where these types are written.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use plumb_core::commit::{CommitId, RefName};
use serde::{Deserialize, Serialize};

use crate::{
    error::GitError,
    push::{PushOutcome, RefUpdate},
    remote::{Advertised, Credentials, FileUrls, RefSelector, Remote, RemoteUrl},
};

/// Longest line of either side. What a request holds of a Secret (authorities, known hosts) is at most 1 MiB, which JSON
/// makes a little longer; anything beyond is not ours.
pub(crate) const MAX_LINE_BYTES: usize = 2 << 20;

/// One thing to do.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Request {
    /// Returned with the answer, so that a late answer is never taken for the next one.
    pub(crate) id: u64,
    pub(crate) target: Target,
    pub(crate) job: Job,
}

/// What to do at the remote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Job {
    /// Look up one ref.
    Advertise(RefSelector),
    /// Bring one ref's commits into the mirror.
    Fetch { mirror: PathBuf, what: Advertised },
    /// Make sure that the mirror holds a commit, and that a ref which the server lists leads to it.
    Pin { mirror: PathBuf, commit: CommitId },
    /// Bring one ref of any name into the mirror, if it is there.
    FetchRef { mirror: PathBuf, name: RefName },
    /// Move refs of the remote to commits of the mirror.
    Push { mirror: PathBuf, updates: Vec<RefUpdate> },
}

impl Job {
    /// Returns the mirror that the job writes into.
    pub(crate) fn writes(&self) -> Option<&Path> {
        match self {
            Self::Fetch { mirror, .. } | Self::Pin { mirror, .. } | Self::FetchRef { mirror, .. } => Some(mirror),
            // A push only reads it.
            Self::Advertise(_) | Self::Push { .. } => None,
        }
    }
}

/// What a job led to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Answer {
    /// What the remote's ref holds: of the first three jobs.
    Advertised(Advertised),
    /// What the ref holds and the mirror now has, if it is there.
    Held(Option<CommitId>),
    /// What became of a push.
    Push(PushOutcome),
}

/// The answer to the request with the same id.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Response {
    pub(crate) id: u64,
    pub(crate) outcome: Result<Answer, GitError>,
}

/// A [`Remote`] as it crosses the pipe.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Target {
    url: String,
    credentials: Credentials,
    timeout_milliseconds: u64,
}

impl From<&Remote> for Target {
    fn from(remote: &Remote) -> Self {
        let Remote { url, credentials, timeout } = remote;
        let timeout_milliseconds = u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX);
        Self { url: url.as_str().to_owned(), credentials: credentials.clone(), timeout_milliseconds }
    }
}

impl Target {
    /// Returns the remote; file addresses pass, because the daemon has already decided about them.
    pub(crate) fn into_remote(self) -> Result<Remote, GitError> {
        let url = RemoteUrl::parse(&self.url, FileUrls::Allowed)
            .map_err(|error| GitError::Worker { detail: error.to_string() })?;
        Ok(Remote { url, credentials: self.credentials, timeout: Duration::from_millis(self.timeout_milliseconds) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_keeps_the_password_out_of_debug_and_brings_it_over() {
        let remote = Remote {
            url: RemoteUrl::parse("https://git.example.com/a", FileUrls::Refused).expect("a good address"),
            credentials: Credentials::password("robot", "hunter2"),
            timeout: Duration::from_secs(60),
        };
        let request = Request { id: 7, target: Target::from(&remote), job: Job::Advertise(RefSelector::Head) };
        assert!(!format!("{request:?} {remote:?}").contains("hunter2"));
        let line = serde_json::to_string(&request).expect("a request is JSON");
        let back: Request = serde_json::from_str(&line).expect("and back");
        assert_eq!((back.id, back.target.into_remote()), (7, Ok(remote)));
        assert_eq!(back.job, Job::Advertise(RefSelector::Head));
    }
}
