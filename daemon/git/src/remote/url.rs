//! The address of a repository, checked: a scheme that plumb speaks, no secret inside.

use std::{
    ffi::OsString,
    fmt,
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::{Path, PathBuf},
};

/// Whether `file://` addresses are allowed: on a shared cluster they would read the daemon's own disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileUrls {
    /// They are, as on a laptop (`--allow-file-repositories`).
    Allowed,
    /// They are not.
    Refused,
}

/// Why an address is refused; the address is shown without what stands before its `@`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidUrl {
    /// Neither of the known schemes.
    #[error("{0:?} is not the address of a repository; write https://…, http://… or file://…")]
    Scheme(String),
    /// An ssh address, in either of its forms.
    #[error("{0:?} is an ssh address, which plumb does not speak yet; use https with a secretRef")]
    Ssh(String),
    /// A file address where they are not allowed.
    #[error("{0:?} is a file address; start plumb with --allow-file-repositories to allow them")]
    File(String),
    /// A user name or password inside the address.
    #[error(
        "{0:?} holds a user name or password, which everyone can read there; move it to the Secret of spec.secretRef"
    )]
    UserInfo(String),
    /// No host, a query, a blank or something else that no repository has.
    #[error("{0:?} is not a complete address: {1}")]
    Malformed(String, &'static str),
}

/// The address of a repository.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RemoteUrl {
    text: String,
    place: Place,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Place {
    Host(String),
    Path(PathBuf),
}

impl RemoteUrl {
    /// Parses an address; see [`InvalidUrl`] for what is refused.
    pub fn parse(text: &str, file_urls: FileUrls) -> Result<Self, InvalidUrl> {
        let shown = || without_user_info(text);
        let Some((scheme, rest)) = text.split_once("://") else {
            let scp_like = text.split_once(':').is_some_and(|(host, _)| !host.is_empty() && !host.contains('/'));
            return Err(if scp_like { InvalidUrl::Ssh(shown()) } else { InvalidUrl::Scheme(shown()) });
        };
        if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(InvalidUrl::Malformed(shown(), "it holds a blank or a control character"));
        }
        let (authority, path) = rest.find('/').map_or((rest, ""), |slash| rest.split_at(slash));
        if authority.contains('@') && !matches!(scheme, "ssh" | "git+ssh" | "ssh+git") {
            return Err(InvalidUrl::UserInfo(shown()));
        }
        if rest.contains(['?', '#']) {
            return Err(InvalidUrl::Malformed(without_query(&shown()), "it has a query or a fragment"));
        }
        let place = match scheme {
            "http" | "https" => Place::Host(host(authority, path).map_err(|why| InvalidUrl::Malformed(shown(), why))?),
            "file" if file_urls == FileUrls::Refused => return Err(InvalidUrl::File(shown())),
            "file" => Place::Path(local_path(authority, path).map_err(|why| InvalidUrl::Malformed(shown(), why))?),
            "ssh" | "git+ssh" | "ssh+git" => return Err(InvalidUrl::Ssh(shown())),
            _ => return Err(InvalidUrl::Scheme(shown())),
        };
        Ok(Self { text: text.to_owned(), place })
    }

    /// Returns the address as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns the directory of a `file://` address.
    pub fn local_path(&self) -> Option<&Path> {
        match &self.place {
            Place::Host(_) => None,
            Place::Path(path) => Some(path),
        }
    }

    /// Returns what fails together: the host and port, or the local directory.
    pub fn server(&self) -> String {
        match &self.place {
            Place::Host(host) => host.clone(),
            Place::Path(path) => path.display().to_string(),
        }
    }
}

impl fmt::Display for RemoteUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn host(authority: &str, path: &str) -> Result<String, &'static str> {
    let (name, port) = match authority.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => (name, Some(port)),
        _ => (authority, None),
    };
    if name.is_empty() {
        return Err("it names no host");
    }
    if port.is_some_and(|port| port.parse::<u16>().is_err()) {
        return Err("its port is not a number");
    }
    if path.trim_matches('/').is_empty() {
        return Err("it names a host and no repository");
    }
    Ok(authority.to_ascii_lowercase())
}

fn local_path(authority: &str, path: &str) -> Result<PathBuf, &'static str> {
    if !matches!(authority, "" | "localhost") {
        return Err("a file address has three slashes: file:///path");
    }
    let bytes = percent_decoded(path.as_bytes()).ok_or("a percent sign is not followed by two hexadecimal digits")?;
    if bytes.contains(&0) {
        return Err("it holds a blank or a control character");
    }
    let path = PathBuf::from(OsString::from_vec(bytes));
    if path.as_os_str().as_bytes().len() < 2 { Err("it names no directory") } else { Ok(path) }
}

fn percent_decoded(text: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&first, after)) = rest.split_first() {
        if first == b'%' {
            let digits = std::str::from_utf8(after.get(..2)?).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = &after[2..];
        } else {
            bytes.push(first);
            rest = after;
        }
    }
    Some(bytes)
}

/// Cuts user name and password out of an address that is about to be shown as refused.
fn without_user_info(text: &str) -> String {
    let (scheme, rest) = text.split_once("://").map_or(("", text), |(scheme, rest)| (&text[..scheme.len() + 3], rest));
    let authority = rest.find('/').map_or(rest, |slash| &rest[..slash]);
    match authority.rfind('@') {
        Some(at) => format!("{scheme}…@{}", &rest[at + 1..]),
        // A password with a slash in it would look like a path, so nothing before the last @ is shown.
        None => match rest.rfind('@') {
            Some(at) if rest[..at].contains(':') => format!("{scheme}…@{}", &rest[at + 1..]),
            _ => text.to_owned(),
        },
    }
}

/// Cuts off a query, which may hold a token.
fn without_query(text: &str) -> String {
    text.find(['?', '#']).map_or_else(|| text.to_owned(), |start| format!("{}…", &text[..start]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_or_refused_with_a_reason() {
        let check = |text: &str, expected: Result<&str, &str>| {
            let found = RemoteUrl::parse(text, FileUrls::Allowed);
            match expected {
                Ok(server) => assert_eq!(found.as_ref().map(RemoteUrl::server).as_deref(), Ok(server), "{text}"),
                Err(words) => {
                    let message = found.expect_err(text).to_string();
                    assert!(message.contains(words), "{text}: {message}");
                }
            }
        };
        check("https://git.example.com/a/b.git", Ok("git.example.com"));
        check("http://GIT.example.com:8080/a", Ok("git.example.com:8080"));
        check("https://[::1]:8080/a", Ok("[::1]:8080"));
        check("https://[::1]/a", Ok("[::1]"));
        check("file:///srv/my%20repo", Ok("/srv/my repo"));
        check("file://localhost/srv/repo", Ok("/srv/repo"));
        check("file://srv/repo", Err("three slashes"));
        check("file:///", Err("names no directory"));
        check("file:///a%0", Err("percent sign"));
        check("https://", Err("no host"));
        check("https://git.example.com", Err("no repository"));
        check("https://git.example.com:x/a", Err("port"));
        check("https://git.example.com/a b", Err("blank"));
        check("https://git.example.com/a\nb", Err("blank"));
        check("git@git.example.com:a/b.git", Err("ssh address"));
        check("ssh://git@git.example.com/a", Err("ssh address"));
        check("git://git.example.com/a", Err("not the address"));
        check("/srv/repo", Err("not the address"));
        check("", Err("not the address"));
        check("https://user@git.example.com/a", Err("secretRef"));
    }

    #[test]
    fn file_addresses_need_permission() {
        let refused = RemoteUrl::parse("file:///srv/repo", FileUrls::Refused).expect_err("file addresses are refused");
        assert!(refused.to_string().contains("--allow-file-repositories"));
    }

    #[test]
    fn no_refusal_shows_a_secret() {
        for text in [
            "https://user:hunter2@git.example.com/a",
            "https://hunter2@git.example.com/a",
            "https://user:hun/ter2@git.example.com/a",
            "https://git.example.com/a?private_token=hunter2",
            "https://user:hunter2@git.example.com/a?x",
            "ssh://user:hunter2@git.example.com/a",
            "gopher://user:hunter2@git.example.com/a",
            "user:hunter2@git.example.com:a",
            "https://user:hunter2@git.example.com/a b",
        ] {
            let error = RemoteUrl::parse(text, FileUrls::Allowed).expect_err(text);
            assert!(!format!("{error} {error:?}").contains("ter2"), "{text}: {error}");
        }
    }
}
