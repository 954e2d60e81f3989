//! What a remote asks for, and what plumb asks of it in turn: logins, host keys, authorities.
//!
//! Must never do: show any of it; `Debug` says only that it is there. It is written to one place, a worker's input.

use std::fmt;

use openssl::base64;
use serde::{Deserialize, Serialize};

/// Everything of a Secret that concerns one remote; empty for a public repository.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Credentials {
    /// As whom to ask; absent: as nobody.
    pub login: Option<Login>,
    /// The host keys that an ssh server may show, as OpenSSH writes them; without them none is trusted.
    pub known_hosts: Option<String>,
    /// Certificates (PEM) of authorities that are trusted besides the system's.
    pub authority: Option<String>,
}

/// How to prove who asks.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Login {
    /// For http and https, sent when the server asks.
    Password {
        /// The user name; many servers take any with a token as password.
        username: String,
        /// The password or token.
        password: String,
    },
    /// For http and https, sent with every request.
    Bearer {
        /// The token.
        token: String,
    },
    /// For ssh.
    Key {
        /// The private key, in OpenSSH's format or PEM.
        identity: String,
        /// What the key is encrypted with.
        passphrase: Option<String>,
    },
}

impl fmt::Debug for Credentials {
    /// Shows that there are credentials, and nothing of them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if *self == Self::default() { "Credentials(none)" } else { "Credentials(redacted)" })
    }
}

impl fmt::Debug for Login {
    /// Shows nothing of it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Login(redacted)")
    }
}

impl Credentials {
    /// Returns a user name and a password, and nothing else.
    pub fn password(username: &str, password: &str) -> Self {
        let login = Login::Password { username: username.to_owned(), password: password.to_owned() };
        Self { login: Some(login), ..Self::default() }
    }

    /// Returns the texts that must never be shown: what is secret, also as it is sent (RFC 7617).
    pub(crate) fn secrets(&self) -> impl Iterator<Item = String> {
        let secrets = match &self.login {
            None => Vec::new(),
            Some(Login::Password { username, password }) => {
                vec![password.clone(), base64::encode_block(format!("{username}:{password}").as_bytes())]
            }
            Some(Login::Bearer { token }) => vec![token.clone()],
            Some(Login::Key { identity, passphrase }) => [identity].into_iter().chain(passphrase).cloned().collect(),
        };
        secrets.into_iter().filter(|secret| !secret.is_empty())
    }
}
