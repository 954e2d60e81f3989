//! What the daemon and a worker say to each other: one JSON object per line.
//!
//! Owns: the shape of both lines and their greatest length. A request holds the password, which is why the pipe is the
//! only place where these types are written.

use std::{fmt, path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{
    error::GitError,
    remote::{Advertised, Credentials, FileUrls, RefSelector, Remote, RemoteUrl},
};

/// Longest line of either side. Addresses, paths and passwords together stay far below; anything longer is not ours.
pub(crate) const MAX_LINE_BYTES: usize = 256 << 10;

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
}

/// The answer to the request with the same id.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Response {
    pub(crate) id: u64,
    pub(crate) outcome: Result<Advertised, GitError>,
}

/// A [`Remote`] as it crosses the pipe.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Target {
    url: String,
    login: Option<Login>,
    timeout_milliseconds: u64,
}

#[derive(Serialize, Deserialize)]
struct Login {
    username: String,
    password: String,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Login(redacted)")
    }
}

impl From<&Remote> for Target {
    fn from(remote: &Remote) -> Self {
        let Remote { url, credentials, timeout } = remote;
        let login = credentials
            .as_ref()
            .map(|Credentials { username, password }| Login { username: username.clone(), password: password.clone() });
        let timeout_milliseconds = u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX);
        Self { url: url.as_str().to_owned(), login, timeout_milliseconds }
    }
}

impl Target {
    /// Returns the remote; file addresses pass, because the daemon has already decided about them.
    pub(crate) fn into_remote(self) -> Result<Remote, GitError> {
        let url = RemoteUrl::parse(&self.url, FileUrls::Allowed)
            .map_err(|error| GitError::Worker { detail: error.to_string() })?;
        let credentials = self.login.map(|Login { username, password }| Credentials { username, password });
        Ok(Remote { url, credentials, timeout: Duration::from_millis(self.timeout_milliseconds) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_keeps_the_password_out_of_debug_and_brings_it_over() {
        let remote = Remote {
            url: RemoteUrl::parse("https://git.example.com/a", FileUrls::Refused).expect("a good address"),
            credentials: Some(Credentials { username: "robot".into(), password: "hunter2".into() }),
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
