//! Which host keys an ssh server may show: `known_hosts` as `sshd(8)` describes it.
//!
//! Owns: reading and matching of plain, wildcard and hashed names, ports, and revoked keys. Like Flux, and unlike OpenSSH,
//! a name without a port is for port 22 only.
//! Must never do: trust a key because it was seen before, take part of a line that it cannot read.

#[cfg(test)]
mod tests;

use openssl::{base64, hash::MessageDigest, pkey::PKey, sha, sign::Signer};
use wildmatch::WildMatch;

use crate::remote::SshHost;

/// All lines that name keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KnownHosts(Vec<Line>);

/// A line that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BadLine {
    /// Counted from 1.
    pub(crate) number: usize,
    pub(crate) why: &'static str,
}

/// A host key as servers show it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct HostKey(Vec<u8>);

/// What is known of one host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Known {
    /// Any of these will do.
    pub(crate) accepted: Vec<HostKey>,
    /// None of these ever.
    pub(crate) revoked: Vec<HostKey>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Line {
    revoked: bool,
    names: Names,
    key: HostKey,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Names {
    Patterns(Vec<String>),
    Hashed { salt: Vec<u8>, digest: Vec<u8> },
}

impl KnownHosts {
    /// Reads the lines; empty ones, comments and authorities of certificates are passed over.
    pub(crate) fn parse(text: &str) -> Result<Self, BadLine> {
        let mut lines = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            // A server that shows a certificate is not supported by libssh2, so its authority can vouch for nothing.
            if line.is_empty() || line.starts_with('#') || line.starts_with("@cert-authority") {
                continue;
            }
            lines.push(Line::parse(line).map_err(|why| BadLine { number: index + 1, why })?);
        }
        Ok(Self(lines))
    }

    /// Returns what is known of a host.
    pub(crate) fn of(&self, host: &SshHost) -> Known {
        let name = host.known_as();
        let mut known = Known::default();
        for line in self.0.iter().filter(|line| line.names.cover(&name)) {
            let keys = if line.revoked { &mut known.revoked } else { &mut known.accepted };
            keys.push(line.key.clone());
        }
        known
    }
}

impl Line {
    fn parse(line: &str) -> Result<Self, &'static str> {
        let mut words = line.split_ascii_whitespace().peekable();
        let marker = words.next_if(|word| word.starts_with('@'));
        let revoked = match marker {
            None => false,
            Some("@revoked") => true,
            Some(_) => return Err("its marker is neither @revoked nor @cert-authority"),
        };
        let (Some(names), Some(kind), Some(encoded)) = (words.next(), words.next(), words.next()) else {
            return Err("it is not a host, a key type and a key, with blanks between them");
        };
        let key = HostKey(base64::decode_block(encoded).map_err(|_| "its key is not in base64")?);
        if key.kind() != kind {
            return Err("its key is not of the type that it names");
        }
        Ok(Self { revoked, names: Names::parse(names)?, key })
    }
}

impl Names {
    fn parse(text: &str) -> Result<Self, &'static str> {
        let Some(hashed) = text.strip_prefix('|') else {
            return Ok(Self::Patterns(text.split(',').map(str::to_ascii_lowercase).collect()));
        };
        let wrong = "its hashed name is not |1|salt|digest";
        let (salt, digest) = hashed.strip_prefix("1|").and_then(|rest| rest.split_once('|')).ok_or(wrong)?;
        let decoded = |text: &str| base64::decode_block(text).map_err(|_| wrong);
        Ok(Self::Hashed { salt: decoded(salt)?, digest: decoded(digest)? })
    }

    fn cover(&self, name: &str) -> bool {
        match self {
            Self::Patterns(patterns) => {
                let covers = |pattern: &str| WildMatch::new(pattern).matches(name);
                let excluded = patterns.iter().any(|pattern| pattern.strip_prefix('!').is_some_and(covers));
                !excluded && patterns.iter().any(|pattern| !pattern.starts_with('!') && covers(pattern))
            }
            Self::Hashed { salt, digest } => hashed(salt, name).is_some_and(|found| found == *digest),
        }
    }
}

/// Computes HMAC-SHA1 of a name, as `ssh-keygen -H` hides names.
fn hashed(salt: &[u8], name: &str) -> Option<Vec<u8>> {
    let key = PKey::hmac(salt).ok()?;
    let mut signer = Signer::new(MessageDigest::sha1(), &key).ok()?;
    signer.sign_oneshot_to_vec(name.as_bytes()).ok()
}

impl HostKey {
    /// Takes a key as it came over the network.
    pub(crate) fn new(bytes: &[u8]) -> Self {
        Self(bytes.to_owned())
    }

    /// Returns its type, such as `ssh-ed25519`, which is the first string inside (RFC 4253, section 6.6).
    pub(crate) fn kind(&self) -> &str {
        let text = self.0.split_first_chunk::<4>().and_then(|(length, rest)| {
            let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
            std::str::from_utf8(rest.get(..length)?).ok()
        });
        text.filter(|text| text.bytes().all(|byte| byte.is_ascii_graphic())).unwrap_or("unknown")
    }

    /// Returns type and fingerprint as OpenSSH shows them to people.
    pub(crate) fn fingerprint(&self) -> String {
        let digest = base64::encode_block(&sha::sha256(&self.0));
        format!("{} SHA256:{}", self.kind(), digest.trim_end_matches('='))
    }

    /// Returns the line that names this key for one host.
    pub(crate) fn line(&self, host: &SshHost) -> String {
        format!("{} {} {}\n", host.known_as(), self.kind(), base64::encode_block(&self.0))
    }
}
