//! Who signed a commit or a tag, and whether that is somebody trusted.
//!
//! Owns: the bytes that a signature covers, trusted keys as a Secret holds them, SSH and OpenPGP signatures with their
//! validity and revocation, the reason in words when one is refused, and plumb's own signatures.
//! Must never do: I/O, read a clock (time is an argument), run `gpg` or `ssh-keygen`, panic at hostile bytes.

mod allowed_signers;
mod armor;
mod object;
mod openpgp;
mod patterns;
mod signing_key;
mod ssh;
mod trusted_keys;
mod untrusted;

use std::fmt;

use jiff::{SignedDuration, Timestamp};

pub use object::{OBJECT_BYTES_MAX, SIGNATURE_BYTES_MAX};
pub use signing_key::{InvalidSigningKey, SigningFailed, SigningKey};
pub use trusted_keys::{ALLOWED_SIGNERS, InvalidKeys, KeyProblem, REVOKED_KEYS, TrustedKeys};
pub use untrusted::Untrusted;

/// How far ahead of ours a clock may be that signs: more is a wrong clock or a wish to use a key before its time.
pub const CLOCK_SKEW_MAX: SignedDuration = SignedDuration::from_mins(60);

/// Longest name of a signer that is shown, in characters: it goes into a status.
const NAME_CHARS_MAX: usize = 256;

/// Who signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signer {
    /// The principal of an SSH key, or the user id of an OpenPGP certificate.
    pub name: String,
    /// `SHA256:…` of an SSH key, or the hexadecimal fingerprint of an OpenPGP certificate.
    pub fingerprint: String,
}

impl Signer {
    /// Returns a signer whose name is one line of a bounded length.
    fn new(name: &str, fingerprint: String) -> Self {
        Self { name: one_line(name), fingerprint }
    }
}

impl fmt::Display for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name, self.fingerprint)
    }
}

/// Verifies a raw commit object: its signature has to be by a trusted key that was valid when it was made.
///
/// An SSH signature says no time, so the committer's counts, and the committer's email has to be one of the key's
/// principals (ssh-keygen(1), ALLOWED SIGNERS). An OpenPGP signature counts as made when it says (RFC 9580).
///
/// # Errors
/// Why the commit is not trusted.
pub fn verify_commit(raw: &[u8], keys: &TrustedKeys, now: Timestamp) -> Result<Signer, Untrusted> {
    verify(&object::commit(raw)?, keys, now)
}

/// Verifies a raw tag object, as [`verify_commit`] does a commit; the tagger stands for the committer.
///
/// # Errors
/// Why the tag is not trusted.
pub fn verify_tag(raw: &[u8], keys: &TrustedKeys, now: Timestamp) -> Result<Signer, Untrusted> {
    verify(&object::tag(raw)?, keys, now)
}

fn verify(signed: &object::Signed, keys: &TrustedKeys, now: Timestamp) -> Result<Signer, Untrusted> {
    match signed.format {
        object::Format::Ssh => ssh::verify(signed, &keys.ssh, now),
        object::Format::OpenPgp => openpgp::verify(signed, &keys.certificates, now),
    }
}

/// Returns an error if something was made in the future, give or take a wrong clock.
fn check_made(made: Timestamp, now: Timestamp) -> Result<(), Untrusted> {
    let latest = now.checked_add(CLOCK_SKEW_MAX).unwrap_or(Timestamp::MAX);
    if made > latest { Err(Untrusted::FromTheFuture { made }) } else { Ok(()) }
}

fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(NAME_CHARS_MAX).collect()
}
