//! The keys that are trusted, as a Secret holds them.

use std::{collections::BTreeMap, fmt};

use crate::{
    allowed_signers::{self, Wrong},
    openpgp::{self, Certificate},
    ssh::SshKeys,
};

/// The Secret's key with the SSH keys that are trusted.
pub const ALLOWED_SIGNERS: &str = "allowed_signers";
/// The Secret's key with the SSH keys that are trusted no more.
pub const REVOKED_KEYS: &str = "revoked_keys";

/// Problems that are told of one Secret; a person corrects a few at a time.
const PROBLEMS_MAX: usize = 10;

/// Keys that are trusted to sign.
#[derive(Debug, Clone, Default)]
pub struct TrustedKeys {
    pub(crate) ssh: SshKeys,
    pub(crate) certificates: Vec<Certificate>,
}

/// Something wrong in a Secret of trusted keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyProblem {
    /// The Secret's key.
    pub entry: String,
    /// The line in it, from 1; absent where no line is to blame.
    pub line: Option<usize>,
    /// What is wrong, and what to do.
    pub what: String,
}

impl fmt::Display for KeyProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{} line {line}: {}", self.entry, self.what),
            None => write!(f, "{}: {}", self.entry, self.what),
        }
    }
}

/// A Secret of trusted keys that can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", listed(.0))]
pub struct InvalidKeys(pub Vec<KeyProblem>);

fn listed(problems: &[KeyProblem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

impl TrustedKeys {
    /// Parses the data of a Secret: OpenPGP certificates in `*.asc` and `*.gpg`, SSH keys in `allowed_signers`, and those
    /// that are trusted no more in `revoked_keys`.
    ///
    /// # Errors
    /// Everything that is wrong, at most ten problems. A key that is not understood is an error too: a misspelt
    /// `revoked_keys` must not go unnoticed.
    pub fn parse(data: &BTreeMap<String, Vec<u8>>) -> Result<Self, InvalidKeys> {
        let mut keys = Self::default();
        let mut problems = Vec::new();
        for (entry, bytes) in data {
            let wrong = keys.read(entry, bytes);
            let problem = |(line, what): Wrong| KeyProblem {
                entry: entry.clone(),
                line: Some(line).filter(|line| *line > 0),
                what,
            };
            problems.extend(wrong.into_iter().map(problem));
        }
        if problems.is_empty() && keys.ssh.allowed.is_empty() && keys.certificates.is_empty() {
            let what = "there is no key to trust: add lines here, or OpenPGP certificates as *.asc".to_owned();
            problems.push(KeyProblem { entry: ALLOWED_SIGNERS.to_owned(), line: None, what });
        }
        problems.truncate(PROBLEMS_MAX);
        if problems.is_empty() { Ok(keys) } else { Err(InvalidKeys(problems)) }
    }

    /// Reads one entry, and returns what is wrong in it; line 0 stands for none.
    fn read(&mut self, entry: &str, bytes: &[u8]) -> Vec<Wrong> {
        let text = std::str::from_utf8(bytes);
        let no_text = |error: std::str::Utf8Error| {
            let line = bytes[..error.valid_up_to()].iter().filter(|byte| **byte == b'\n').count() + 1;
            vec![(line, "this is not UTF-8 text".to_owned())]
        };
        if entry == ALLOWED_SIGNERS {
            let (found, wrong) = match text {
                Ok(text) => allowed_signers::allowed_signers(text),
                Err(error) => return no_text(error),
            };
            self.ssh.allowed = found;
            wrong
        } else if entry == REVOKED_KEYS {
            let (found, wrong) = match text {
                Ok(text) => allowed_signers::keys(text),
                Err(_) if bytes.starts_with(b"SSHKRL") => allowed_signers::keys("SSHKRL"),
                Err(error) => return no_text(error),
            };
            self.ssh.revoked = found;
            wrong
        } else if entry.ends_with(".asc") || entry.ends_with(".gpg") {
            let (found, wrong) = openpgp::certificates(bytes);
            self.certificates.extend(found);
            wrong
        } else {
            let what = format!(
                "this key is not understood: name OpenPGP certificates *.asc or *.gpg, trusted SSH keys {ALLOWED_SIGNERS}, \
                 revoked ones {REVOKED_KEYS}"
            );
            vec![(0, what)]
        }
    }
}
