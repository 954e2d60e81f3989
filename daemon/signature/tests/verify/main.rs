//! Signatures that the real `git`, `ssh-keygen` and `gpg` make, good and bad, and bytes that nobody made.

mod hostile;
mod openpgp;
mod signing;
mod ssh;

use std::collections::BTreeMap;

use jiff::Timestamp;
use plumb_signature::TrustedKeys;

/// Returns a Secret's data.
fn secret(entries: &[(&str, &str)]) -> BTreeMap<String, Vec<u8>> {
    entries.iter().map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec())).collect()
}

/// Returns the keys of a Secret that can be read.
fn keys(entries: &[(&str, &str)]) -> TrustedKeys {
    TrustedKeys::parse(&secret(entries)).expect("keys that can be read")
}

fn at(text: &str) -> Timestamp {
    text.parse().expect("a time")
}
