//! libgit2's errors in plumb's words.
//!
//! libgit2 has few codes and many messages, so the messages of the bundled version are matched; what matches none is shown
//! as it is, without what is secret.

use git2::{ErrorClass, ErrorCode};
use plumb_core::text;

use crate::{
    error::GitError,
    remote::{Credentials, Remote},
};

/// Longest text taken from a server or from libgit2: a hostile server must not fill the status.
const MAX_DETAIL_CHARS: usize = 300;

/// What servers write on standard error over ssh when there is no such repository, or none that may be read: Git, Gitea and
/// Forgejo, GitHub and Bitbucket, GitLab.
const NOT_THERE: [&str; 5] = [
    "does not appear to be a git repository",
    "does not exist",
    "epository not found",
    "could not be found",
    "No such repository",
];

/// Translates a failure of a request to a server.
pub(super) fn of_server(error: &git2::Error, remote: &Remote) -> GitError {
    let url = remote.url.to_string();
    let detail = cleaned(error.message(), &remote.credentials);
    let has = |words: &str| detail.contains(words);
    let unauthorized = |url| match (&remote.credentials.login, remote.url.ssh_host()) {
        (Some(_), Some(host)) => GitError::KeyRefused { url, user: host.user.clone() },
        (Some(_), None) => GitError::CredentialsRefused { url },
        (None, _) => GitError::CredentialsMissing { url },
    };
    if error.class() == ErrorClass::Ssh && NOT_THERE.iter().any(|words| has(words)) {
        return GitError::RepositoryNotFound { url };
    }
    match (error.code(), error.class()) {
        (ErrorCode::Timeout, _) => timed_out(remote),
        _ if has("timed out") || has("Timed out") || has("timeout expired") => timed_out(remote),
        (ErrorCode::Auth, _) => unauthorized(url),
        _ if has("http status code: 401") || has("http status code: 403") => unauthorized(url),
        _ if has("http status code: 404") || has("http status code: 410") => GitError::RepositoryNotFound { url },
        _ if has("cannot redirect from") => GitError::Redirected { url, detail },
        _ if has("object format") => GitError::Unsupported { url, format: "SHA-256".into() },
        _ if has("failed to connect to") || has("failed to resolve address") => GitError::Unreachable { url, detail },
        // The code is not kept by every path through libgit2; other failures of TLS are the network's or the server's.
        (ErrorCode::Certificate, _) => GitError::Certificate { url, detail },
        (_, ErrorClass::Ssl) if has("certificate is invalid") || has("hostname does not match") => {
            GitError::Certificate { url, detail }
        }
        _ => GitError::Server { url, detail },
    }
}

/// Returns the error for a deadline that passed.
pub(super) fn timed_out(remote: &Remote) -> GitError {
    GitError::TimedOut { url: remote.url.to_string(), seconds: remote.timeout.as_secs().max(1) }
}

/// Translates a failure to open a local repository, which a `file://` address names.
pub(super) fn of_local(error: &git2::Error, remote: &Remote) -> GitError {
    let url = remote.url.to_string();
    let detail = cleaned(error.message(), &Credentials::default());
    if let Some((_, extension)) = detail.split_once("unsupported extension name extensions.") {
        let format = match extension {
            "objectformat" => "SHA-256",
            "refstorage" => "reftable",
            other => return GitError::Unsupported { url, format: format!("the extension {other}") },
        };
        return GitError::Unsupported { url, format: format.to_owned() };
    }
    if detail.contains("object format") {
        return GitError::Unsupported { url, format: "SHA-256".into() };
    }
    match error.code() {
        ErrorCode::NotFound => GitError::RepositoryNotFound { url },
        _ => GitError::Unreadable { path: url, detail },
    }
}

/// Returns libgit2's words, bounded, on one line and without what is secret.
pub(super) fn cleaned(message: &str, credentials: &Credentials) -> String {
    let text = credentials.secrets().fold(message.to_owned(), |text, secret| text.replace(&secret, "…"));
    text::line(&text, MAX_DETAIL_CHARS)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::remote::{FileUrls, RemoteUrl};

    fn remote(credentials: Option<&str>) -> Remote {
        Remote {
            url: RemoteUrl::parse("https://git.example.com/a", FileUrls::Refused).expect("a good address"),
            credentials: credentials.map(|password| Credentials::password("robot", password)).unwrap_or_default(),
            timeout: Duration::from_secs(60),
        }
    }

    #[test]
    fn what_a_server_repeats_of_a_login_is_not_shown() {
        let check = |login: &str| {
            let error =
                git2::Error::new(ErrorCode::GenericError, ErrorClass::Net, format!("you are {login}, aren't you"));
            let found = of_server(&error, &remote(Some("hunter2"))).to_string();
            assert!(found.contains("you are …, aren't you") || found.contains("you are Basic …"), "{found}");
        };
        check("hunter2");
        // As a header holds it: robot:hunter2.
        check("Basic cm9ib3Q6aHVudGVyMg==");
    }

    #[test]
    fn messages_of_the_server_become_reasons() {
        let check = |code, class, message: &str, credentials: Option<&str>, expected: &str| {
            let found = of_server(&git2::Error::new(code, class, message), &remote(credentials));
            assert_eq!(found.reason(), expected, "{message}: {found}");
            assert!(!found.to_string().contains("hunter2"), "{found}");
        };
        let (generic, http, net) = (ErrorCode::GenericError, ErrorClass::Http, ErrorClass::Net);
        check(ErrorCode::Auth, http, "remote authentication required", None, "CredentialsMissing");
        check(ErrorCode::Auth, http, "hunter2 is wrong", Some("hunter2"), "CredentialsRefused");
        check(generic, http, "unexpected http status code: 403", Some("hunter2"), "CredentialsRefused");
        check(generic, http, "unexpected http status code: 403", None, "CredentialsMissing");
        check(generic, http, "unexpected http status code: 404", None, "RepositoryNotFound");
        check(generic, http, "unexpected http status code: 502", None, "ServerFailed");
        check(generic, http, "invalid content-type: 'text/html' hunter2", Some("hunter2"), "ServerFailed");
        check(generic, net, "failed to resolve address for x: Name or service not known", None, "Unreachable");
        check(generic, ErrorClass::Os, "failed to connect to x: Connection refused", None, "Unreachable");
        check(generic, net, "failed to connect to x: Operation timed out", None, "TimedOut");
        check(ErrorCode::Timeout, net, "could not read from socket: timed out", None, "TimedOut");
        check(generic, ErrorClass::Ssl, "the SSL certificate is invalid", None, "CertificateNotTrusted");
        check(ErrorCode::Eof, ErrorClass::Ssl, "SSL error: received early EOF", None, "ServerFailed");
        check(generic, net, "cannot redirect from 'a' to 'b'", Some("x"), "Redirected");
        check(
            ErrorCode::Invalid,
            ErrorClass::Invalid,
            "the local object format 'sha1' does not match the remote object format 'sha256'",
            None,
            "UnsupportedRepository",
        );
    }

    #[test]
    fn messages_of_a_local_repository_become_reasons() {
        let check = |code, message: &str, expected: &str| {
            let found = of_local(&git2::Error::new(code, ErrorClass::Repository, message), &remote(None));
            assert!(found.to_string().contains(expected), "{message}: {found}");
        };
        check(ErrorCode::NotFound, "could not find repository at '/a'", "there is no repository");
        check(ErrorCode::GenericError, "unsupported extension name extensions.refstorage", "uses reftable");
        check(ErrorCode::GenericError, "unsupported extension name extensions.objectformat", "uses SHA-256");
        check(ErrorCode::GenericError, "unsupported extension name extensions.other", "uses the extension other");
        check(ErrorCode::GenericError, "failed to open: Permission denied", "cannot read");
    }
}
