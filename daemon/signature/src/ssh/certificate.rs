//! Certificates of SSH keys (OpenSSH's PROTOCOL.certkeys).
//!
//! Read here, because the library refuses those that are valid forever, as `ssh-keygen` makes them when told nothing.

use jiff::Timestamp;
use signature::Verifier as _;
use ssh_key::{PublicKey, Signature};

use super::strings::Strings;

/// The end of the names of certified types.
pub(super) const SUFFIX: &str = "-cert-v01@openssh.com";

/// What says that a certificate is for a person rather than a host.
const USER: u32 = 1;

/// An authority's word on a key; not verified yet.
#[derive(Debug, Clone)]
pub(super) struct Certificate {
    /// The key that it speaks for.
    pub(super) key: PublicKey,
    pub(super) authority: PublicKey,
    pub(super) for_users: bool,
    pub(super) principals: Vec<String>,
    pub(super) start: Timestamp,
    pub(super) end: Timestamp,
    /// Whether it holds under conditions only.
    pub(super) conditional: bool,
    /// What the authority has signed, and its signature.
    signed: Vec<u8>,
    signature: Signature,
}

impl Certificate {
    /// Reads a certificate; nothing if it is not one.
    pub(super) fn read(blob: &[u8]) -> Option<Self> {
        let mut rest = Strings(blob);
        let certified = std::str::from_utf8(rest.next()?).ok()?.strip_suffix(SUFFIX)?;
        let (plain, fields) = match certified {
            "ssh-ed25519" => ("ssh-ed25519", 1),
            "ssh-rsa" | "ecdsa-sha2-nistp256" | "ecdsa-sha2-nistp384" | "ecdsa-sha2-nistp521" => (certified, 2),
            "sk-ssh-ed25519" => ("sk-ssh-ed25519@openssh.com", 2),
            "sk-ecdsa-sha2-nistp256" => ("sk-ecdsa-sha2-nistp256@openssh.com", 3),
            _ => return None,
        };
        let _nonce = rest.next()?;
        let from = rest.0;
        for _ in 0..fields {
            rest.next()?;
        }
        let mut key = u32::try_from(plain.len()).ok()?.to_be_bytes().to_vec();
        key.extend_from_slice(plain.as_bytes());
        key.extend_from_slice(&from[..from.len() - rest.0.len()]);
        let key = PublicKey::from_bytes(&key).ok()?;
        let _serial = rest.number()?;
        let for_users = rest.short_number()? == USER;
        let _key_id = rest.next()?;
        let mut names = Strings(rest.next()?);
        let mut principals = Vec::new();
        while !names.0.is_empty() {
            principals.push(String::from_utf8(names.next()?.to_vec()).ok()?);
        }
        let (start, end) = (time(rest.number()?), time(rest.number()?));
        let conditional = !rest.next()?.is_empty();
        let (_extensions, _reserved) = (rest.next()?, rest.next()?);
        let authority = PublicKey::from_bytes(rest.next()?).ok()?;
        let signed = blob[..blob.len() - rest.0.len()].to_vec();
        let signature = Signature::try_from(rest.next()?).ok()?;
        let whole = rest.0.is_empty();
        let read = Self { key, authority, for_users, principals, start, end, conditional, signed, signature };
        whole.then_some(read)
    }

    /// Returns whether the authority that it names has signed it.
    pub(super) fn is_genuine(&self) -> bool {
        self.authority.key_data().verify(&self.signed, &self.signature).is_ok()
    }
}

/// Returns a time; those past any calendar stand for ever.
fn time(seconds: u64) -> Timestamp {
    i64::try_from(seconds).ok().and_then(|seconds| Timestamp::from_second(seconds).ok()).unwrap_or(Timestamp::MAX)
}
