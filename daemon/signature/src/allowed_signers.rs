//! SSH keys as `ssh-keygen` lists them: `allowed_signers` (ssh-keygen(1), ALLOWED SIGNERS) and a plain list of revoked
//! keys.
//!
//! One difference: a time without `Z` is UTC, because the place where plumb runs means nothing to the signers.

use jiff::{Timestamp, civil::DateTime, tz::TimeZone};
use ssh_key::PublicKey;

use crate::patterns::Patterns;

/// One line: whom a key is trusted for, for what and when.
#[derive(Debug, Clone)]
pub(crate) struct AllowedSigner {
    pub(crate) principals: Patterns,
    pub(crate) options: Options,
    pub(crate) key: PublicKey,
}

/// What stands between principals and key.
#[derive(Debug, Clone, Default)]
pub(crate) struct Options {
    /// The key signs certificates rather than commits.
    pub(crate) authority: bool,
    /// What it may sign; absent: anything.
    pub(crate) namespaces: Option<Patterns>,
    pub(crate) valid_after: Option<Timestamp>,
    pub(crate) valid_before: Option<Timestamp>,
}

/// What is wrong with a line, with its number from 1.
pub(crate) type Wrong = (usize, String);

/// Reads `allowed_signers`.
pub(crate) fn allowed_signers(text: &str) -> (Vec<AllowedSigner>, Vec<Wrong>) {
    each_line(text, allowed_signer)
}

/// Reads a list of keys, one to a line, with or without a comment.
pub(crate) fn keys(text: &str) -> (Vec<PublicKey>, Vec<Wrong>) {
    if text.starts_with("SSHKRL") {
        let binary = "this is a binary revocation list; write the revoked public keys, one to a line".to_owned();
        return (Vec::new(), vec![(1, binary)]);
    }
    each_line(text, key)
}

fn each_line<T>(text: &str, read: impl Fn(&str) -> Result<T, String>) -> (Vec<T>, Vec<Wrong>) {
    let (mut found, mut wrong) = (Vec::new(), Vec::new());
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        match read(line) {
            Ok(value) => found.push(value),
            Err(what) => wrong.push((number + 1, what)),
        }
    }
    (found, wrong)
}

fn allowed_signer(line: &str) -> Result<AllowedSigner, String> {
    let (principals, rest) = first_field(line)?;
    let principals = Patterns::parse(principals).ok_or("the principals are no list of patterns")?;
    let begins_key = ["ssh-", "ecdsa-", "sk-"].iter().any(|begin| rest.starts_with(begin));
    let (options, rest) = if begins_key { (Options::default(), rest) } else { Options::read(rest)? };
    Ok(AllowedSigner { principals, options, key: key(rest)? })
}

impl Options {
    /// Reads options, and returns what follows them.
    fn read(mut rest: &str) -> Result<(Self, &str), String> {
        let mut options = Self::default();
        loop {
            let end = rest.find([',', '=', ' ', '\t']).ok_or("there is no key")?;
            let name = rest[..end].to_ascii_lowercase();
            rest = &rest[end..];
            let value = match rest.strip_prefix('=') {
                Some(quoted) => {
                    let inside = quoted.strip_prefix('"').and_then(|inside| inside.split_once('"'));
                    let (value, after) = inside.ok_or_else(|| format!("write {name}=\"…\", in quotes"))?;
                    rest = after;
                    Some(value)
                }
                None => None,
            };
            options.set(&name, value)?;
            match rest.strip_prefix(',') {
                Some(next) => rest = next,
                None if rest.starts_with([' ', '\t']) => break,
                None => return Err("there is no key after the options".to_owned()),
            }
        }
        if let (Some(after), Some(before)) = (options.valid_after, options.valid_before)
            && before <= after
        {
            return Err("valid-before is not later than valid-after".to_owned());
        }
        Ok((options, rest.trim_start()))
    }

    fn set(&mut self, name: &str, value: Option<&str>) -> Result<(), String> {
        match (name, value) {
            ("cert-authority", None) => self.authority = true,
            ("namespaces", Some(list)) if self.namespaces.is_none() => {
                self.namespaces = Some(Patterns::parse(list).ok_or("the namespaces are no list of patterns")?);
            }
            ("valid-after", Some(text)) if self.valid_after.is_none() => self.valid_after = Some(time(text)?),
            ("valid-before", Some(text)) if self.valid_before.is_none() => self.valid_before = Some(time(text)?),
            ("namespaces" | "valid-after" | "valid-before", Some(_)) => return Err(format!("{name} stands twice")),
            _ => {
                return Err(format!(
                    "{name:?} is neither a key nor an option: cert-authority, namespaces=\"…\", valid-after=\"…\", \
                     valid-before=\"…\""
                ));
            }
        }
        Ok(())
    }
}

/// Returns the first field, which may stand in quotes, and what follows it.
fn first_field(line: &str) -> Result<(&str, &str), String> {
    let found = match line.strip_prefix('"') {
        Some(inside) => inside.split_once('"').filter(|(_, rest)| rest.starts_with([' ', '\t'])),
        None => line.split_once([' ', '\t']),
    };
    let (field, rest) = found.ok_or("write: principals [options] key-type base64-key")?;
    Ok((field, rest.trim_start()))
}

fn key(text: &str) -> Result<PublicKey, String> {
    if text.contains("PRIVATE KEY") {
        return Err("this is a private key; put only public keys here, and replace this one, it was shown".to_owned());
    }
    let mut fields = text.split_ascii_whitespace();
    let (Some(kind), Some(encoded)) = (fields.next(), fields.next()) else {
        return Err("write: key-type base64-key".to_owned());
    };
    let parsed = PublicKey::from_openssh(&format!("{kind} {encoded}"));
    let key = parsed.map_err(|error| format!("this is no SSH public key ({error}); copy it from its .pub file"))?;
    match key.key_data() {
        ssh_key::public::KeyData::Other(_) | ssh_key::public::KeyData::Dsa(_) => {
            Err(format!("keys of type {kind} can't be trusted; use ssh-ed25519, ecdsa-sha2-…, sk-… or ssh-rsa"))
        }
        _ => Ok(key),
    }
}

/// Reads `YYYYMMDD`, `YYYYMMDDHHMM` or `YYYYMMDDHHMMSS`, each with or without `Z`.
fn time(text: &str) -> Result<Timestamp, String> {
    let wrong = || format!("{text:?} is no time; write YYYYMMDD, YYYYMMDDHHMM or YYYYMMDDHHMMSS (UTC)");
    let digits = text.strip_suffix(['Z', 'z']).unwrap_or(text);
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) || ![8, 12, 14].contains(&digits.len()) {
        return Err(wrong());
    }
    let number =
        |from: usize, to: usize| -> i8 { digits.get(from..to).and_then(|part| part.parse().ok()).unwrap_or(0) };
    let year = digits[..4].parse().map_err(|_| wrong())?;
    let civil = DateTime::new(year, number(4, 6), number(6, 8), number(8, 10), number(10, 12), number(12, 14), 0);
    let zoned = civil.and_then(|civil| TimeZone::UTC.to_timestamp(civil));
    zoned.map_err(|_| wrong())
}

#[cfg(test)]
mod tests;
