//! The address of a repository, checked: a scheme that plumb speaks, no secret inside.

mod ssh;
#[cfg(test)]
mod tests;

use std::{
    ffi::OsString,
    fmt,
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::{Path, PathBuf},
};

pub use self::ssh::SshHost;

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
    /// None of the known schemes.
    #[error("{0:?} is not the address of a repository; write https://…, ssh://…, git@host:path, http://… or file://…")]
    Scheme(String),
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
    Ssh(SshHost),
    Path(PathBuf),
}

impl RemoteUrl {
    /// Parses an address; see [`InvalidUrl`] for what is refused.
    pub fn parse(text: &str, file_urls: FileUrls) -> Result<Self, InvalidUrl> {
        let shown = || without_user_info(text);
        if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(InvalidUrl::Malformed(without_query(&shown()), "it holds a blank or a control character"));
        }
        let Some((scheme, rest)) = text.split_once("://") else {
            return match ssh::short_form(text) {
                Some(Ok(host)) => Ok(Self { text: text.to_owned(), place: Place::Ssh(host) }),
                Some(Err(ssh::Fault::Secret)) => Err(InvalidUrl::UserInfo(shown())),
                Some(Err(ssh::Fault::Malformed(why))) => Err(InvalidUrl::Malformed(shown(), why)),
                None => Err(InvalidUrl::Scheme(shown())),
            };
        };
        let (authority, path) = rest.find('/').map_or((rest, ""), |slash| rest.split_at(slash));
        if authority.contains('@') && scheme != "ssh" {
            return Err(InvalidUrl::UserInfo(shown()));
        }
        if rest.contains(['?', '#']) {
            return Err(InvalidUrl::Malformed(without_query(&shown()), "it has a query or a fragment"));
        }
        let place = match scheme {
            "http" | "https" => Place::Host(host(authority, path).map_err(|why| InvalidUrl::Malformed(shown(), why))?),
            "file" if file_urls == FileUrls::Refused => return Err(InvalidUrl::File(shown())),
            "file" => Place::Path(local_path(authority, path).map_err(|why| InvalidUrl::Malformed(shown(), why))?),
            "ssh" => match ssh::long_form(authority, path) {
                Ok(host) => Place::Ssh(host),
                Err(ssh::Fault::Secret) => return Err(InvalidUrl::UserInfo(shown())),
                Err(ssh::Fault::Malformed(why)) => return Err(InvalidUrl::Malformed(shown(), why)),
            },
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
            Place::Host(_) | Place::Ssh(_) => None,
            Place::Path(path) => Some(path),
        }
    }

    /// Returns host, port and user of an ssh address, in either of its forms.
    pub fn ssh_host(&self) -> Option<&SshHost> {
        match &self.place {
            Place::Ssh(host) => Some(host),
            Place::Host(_) | Place::Path(_) => None,
        }
    }

    /// Returns what fails together: the host and port, or the local directory.
    pub fn server(&self) -> String {
        match &self.place {
            Place::Host(host) => host.clone(),
            Place::Ssh(host) => format!("{}:{}", host.name, host.port),
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
