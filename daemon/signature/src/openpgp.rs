//! OpenPGP signatures (RFC 9580) by trusted certificates.
//!
//! A signature counts as made when it says, and is judged by what its key was then: valid from its creation to its
//! expiry as the newest self-signature has it, until it was retired; never, if it was compromised.

mod certificate;
mod packets;

use jiff::Timestamp;
use pgp::packet::{Signature, SignatureType};

pub(crate) use certificate::Certificate;
pub(crate) use packets::certificates;

use crate::{Signer, check_made, object::Signed, untrusted::Untrusted};
use certificate::{Component, Facts};

pub(crate) fn verify(signed: &Signed, certificates: &[Certificate], now: Timestamp) -> Result<Signer, Untrusted> {
    let signature = packets::signature(&signed.signature)?;
    let fingerprint = issuer(&signature).ok_or_else(|| Untrusted::malformed("its OpenPGP signature names no key"))?;
    if signature.typ() != Some(SignatureType::Binary) {
        let what = "an OpenPGP one of a sort that Git does not make".to_owned();
        return Err(Untrusted::Unsupported { what });
    }
    let mut refused = Untrusted::UnknownKey { fingerprint };
    for certificate in certificates {
        for component in certificate.components.iter().filter(|component| issued(&signature, component)) {
            match verify_by(signed, &signature, certificate, component, now) {
                Ok(()) => return Ok(Signer::new(&certificate.name, certificate.fingerprint.clone())),
                Err(why) => refused = why,
            }
        }
    }
    Err(refused)
}

/// Verifies a signature by one key of one certificate.
fn verify_by(
    signed: &Signed,
    signature: &Signature,
    certificate: &Certificate,
    component: &Component,
    now: Timestamp,
) -> Result<(), Untrusted> {
    let fingerprint = component.fingerprint.clone();
    if let Some(what) = component.weak.clone() {
        return Err(Untrusted::Weak { what });
    }
    if !certificate::is_strong(signature) {
        let hash = signature.hash_alg().map_or_else(|| "an unknown hash".to_owned(), |hash| hash.to_string());
        return Err(Untrusted::Weak { what: format!("a signature by {hash} ({fingerprint})") });
    }
    if signature.verify(&component.key, signed.payload.as_slice()).is_err() {
        return Err(Untrusted::BadSignature { fingerprint });
    }
    if certificate::has_unknown_demands(signature) {
        return Err(Untrusted::malformed(
            "its OpenPGP signature makes a demand (critical subpacket) that plumb does not know",
        ));
    }
    let made = signature.created().map(certificate::time);
    let made = made.ok_or_else(|| Untrusted::malformed("its OpenPGP signature says no time"))?;
    check_made(made, now)?;
    // Who revokes the primary key revokes all; what ends with it ends all.
    let primary = certificate.components.first().ok_or_else(|| Untrusted::malformed("its certificate has no key"))?;
    for key in [primary, component] {
        check_revoked(key, made)?;
    }
    for key in [primary, component] {
        let facts = key.facts.as_ref().map_err(|what| Untrusted::Weak { what: what.clone() })?;
        check_time(key, facts, made)?;
    }
    if !component.facts.as_ref().is_ok_and(|facts| facts.signs) {
        return Err(Untrusted::NotForSigning { fingerprint });
    }
    let lasts = signature.signature_expiration_time().map(|lasts| lasts.as_secs()).filter(|seconds| *seconds > 0);
    match lasts.map(|seconds| certificate::later(made, seconds)) {
        Some(end) if end <= now => Err(Untrusted::SignatureExpired { fingerprint, end }),
        _ => Ok(()),
    }
}

fn check_revoked(key: &Component, made: Timestamp) -> Result<(), Untrusted> {
    let counts = |revocation: &&certificate::Revocation| revocation.since.is_none_or(|since| since <= made);
    match key.revocations.iter().find(counts) {
        Some(revocation) => {
            let (fingerprint, reason) = (key.fingerprint.clone(), revocation.reason.clone());
            Err(Untrusted::Revoked { fingerprint, reason })
        }
        None => Ok(()),
    }
}

fn check_time(key: &Component, facts: &Facts, made: Timestamp) -> Result<(), Untrusted> {
    let fingerprint = key.fingerprint.clone();
    match facts.expires {
        _ if made < key.created => Err(Untrusted::NotYetValid { fingerprint, made, start: key.created }),
        Some(end) if made >= end => Err(Untrusted::Expired { fingerprint, made, end }),
        _ => Ok(()),
    }
}

/// Returns the key that a signature names.
fn issuer(signature: &Signature) -> Option<String> {
    let fingerprint = signature.issuer_fingerprint().first().map(|fingerprint| format!("{fingerprint:X}"));
    fingerprint.or_else(|| signature.issuer_key_id().first().map(|id| id.to_string().to_uppercase()))
}

fn issued(signature: &Signature, component: &Component) -> bool {
    let named = signature.issuer_fingerprint();
    if named.is_empty() {
        signature.issuer_key_id().contains(&&component.id)
    } else {
        named.iter().any(|fingerprint| format!("{fingerprint:X}") == component.fingerprint)
    }
}
