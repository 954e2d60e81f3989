//! The two forms of an ssh address: `ssh://user@host:port/path` and `user@host:path`.

/// The port of ssh where an address names none.
const DEFAULT_PORT: u16 = 22;

/// The user of every Git service, where an address names none.
const DEFAULT_USER: &str = "git";

/// Where an ssh address leads, and as whom.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SshHost {
    /// Host name or address, in lower case, without brackets.
    pub name: String,
    /// The port, 22 where the address names none.
    pub port: u16,
    /// The user, `git` where the address names none.
    pub user: String,
}

impl SshHost {
    /// Returns the host as `known_hosts` writes it: with the port where it is not the usual one.
    pub(crate) fn known_as(&self) -> String {
        match self.port {
            DEFAULT_PORT => self.name.clone(),
            port => format!("[{}]:{port}", self.name),
        }
    }

    /// Returns the command that asks the server for its host keys.
    pub(crate) fn scan(&self) -> String {
        match self.port {
            DEFAULT_PORT => format!("ssh-keyscan {}", self.name),
            port => format!("ssh-keyscan -p {port} {}", self.name),
        }
    }
}

/// Why an ssh address is refused.
pub(super) enum Fault {
    /// There is a password in it.
    Secret,
    /// It is not complete.
    Malformed(&'static str),
}

/// Reads `user@host:port` and `/path`.
pub(super) fn long_form(authority: &str, path: &str) -> Result<SshHost, Fault> {
    let (user, address) = user_and_address(authority)?;
    let bracketed = address.strip_prefix('[').and_then(|rest| rest.split_once(']'));
    let (name, port) = match (bracketed, address.rsplit_once(':')) {
        (Some((name, rest)), _) => (name, rest.strip_prefix(':')),
        (None, Some((name, port))) => (name, Some(port)),
        (None, None) => (address, None),
    };
    let port = port.map_or(Some(DEFAULT_PORT), |port| port.parse().ok().filter(|port| *port != 0));
    let port = port.ok_or(Fault::Malformed("its port is not a number"))?;
    host(name, port, user, path.trim_matches('/'))
}

/// Reads `user@host:path`, where the user may be missing; nothing where it is no such address at all.
pub(super) fn short_form(text: &str) -> Option<Result<SshHost, Fault>> {
    let (authority, path) = text.split_once(':')?;
    if authority.is_empty() || authority.contains('/') {
        return None;
    }
    if path.split('/').next().is_some_and(|first| first.contains('@')) {
        // `user:password@host:path`.
        return Some(Err(Fault::Secret));
    }
    Some(user_and_address(authority).and_then(|(user, name)| host(name, DEFAULT_PORT, user, path)))
}

fn user_and_address(authority: &str) -> Result<(&str, &str), Fault> {
    let Some((user, address)) = authority.rsplit_once('@') else { return Ok((DEFAULT_USER, authority)) };
    if user.contains(':') {
        return Err(Fault::Secret);
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || "._+-".contains(c);
    if user.is_empty() || user.starts_with('-') || !user.chars().all(plain) {
        return Err(Fault::Malformed("its user name is empty or holds unusual characters"));
    }
    Ok((user, address))
}

fn host(name: &str, port: u16, user: &str, path: &str) -> Result<SshHost, Fault> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-:".contains(c);
    // Neither a host nor a path may look like an option to whoever runs a command with it.
    if name.is_empty() || name.starts_with('-') || !name.chars().all(plain) {
        return Err(Fault::Malformed("it names no host"));
    }
    if path.is_empty() {
        return Err(Fault::Malformed("it names a host and no repository"));
    }
    if path.starts_with('-') {
        return Err(Fault::Malformed("its path begins with a dash"));
    }
    Ok(SshHost { name: name.to_ascii_lowercase(), port, user: user.to_owned() })
}
