//! SSH signatures (OpenSSH's PROTOCOL.sshsig) and the certificates of signing keys (PROTOCOL.certkeys).

mod certificate;
mod strings;

use jiff::Timestamp;
use ssh_key::{HashAlg, PublicKey, Signature, SshSig, public::KeyData};

use crate::{Signer, allowed_signers::AllowedSigner, armor, check_made, object::Signed, untrusted::Untrusted};
use certificate::Certificate;
use strings::Strings;

/// What Git has its signatures made for.
pub(crate) const NAMESPACE: &str = "git";
/// Fewest and most bits of an RSA key: fewer can be broken, more are not verified by the library.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=4096;

/// The SSH keys that are trusted, and those that are not any more.
#[derive(Debug, Clone, Default)]
pub(crate) struct SshKeys {
    pub(crate) allowed: Vec<AllowedSigner>,
    pub(crate) revoked: Vec<PublicKey>,
}

/// A signature, taken apart.
struct Parsed {
    /// The key that signed.
    key: PublicKey,
    /// Its certificate, if an authority speaks for it.
    certificate: Option<Certificate>,
    /// As the library verifies it.
    signature: SshSig,
}

pub(crate) fn verify(signed: &Signed, keys: &SshKeys, now: Timestamp) -> Result<Signer, Untrusted> {
    let Parsed { key, certificate, signature } = parse(&signed.signature)?;
    let fingerprint = fingerprint(&key);
    let authority = certificate.as_ref().map(|certificate| &certificate.authority);
    for used in [Some(&key), authority].into_iter().flatten() {
        if keys.revoked.iter().any(|revoked| revoked.key_data() == used.key_data()) {
            let reason = "it is listed in revoked_keys".to_owned();
            return Err(Untrusted::Revoked { fingerprint: self::fingerprint(used), reason });
        }
    }
    let lines = keys.allowed.iter().filter(|line| match authority {
        Some(authority) if line.options.authority => line.key.key_data() == authority.key_data(),
        _ => !line.options.authority && line.key.key_data() == key.key_data(),
    });
    let lines: Vec<_> = lines.collect();
    if lines.is_empty() {
        return Err(Untrusted::UnknownKey { fingerprint });
    }
    [Some(&key), authority].into_iter().flatten().try_for_each(check_strength)?;
    if key.verify(signature.namespace(), &signed.payload, &signature).is_err() {
        return Err(Untrusted::BadSignature { fingerprint });
    }
    if signature.namespace() != NAMESPACE {
        return Err(Untrusted::WrongNamespace { fingerprint, namespace: signature.namespace().to_owned() });
    }
    check_made(signed.time, now)?;
    let mut refused = None;
    for line in lines {
        let certificate = certificate.as_ref().filter(|_| line.options.authority);
        match check_line(line, certificate, signed, &fingerprint) {
            Ok(()) => return Ok(Signer::new(&signed.email, fingerprint)),
            // The line that came furthest says most about what is missing.
            Err(why) if refused.as_ref().is_none_or(|before| distance(before) > distance(&why)) => refused = Some(why),
            Err(_) => {}
        }
    }
    Err(refused.unwrap_or(Untrusted::UnknownKey { fingerprint }))
}

/// Checks what one line demands beyond its key.
fn check_line(
    line: &AllowedSigner,
    certificate: Option<&Certificate>,
    signed: &Signed,
    fingerprint: &str,
) -> Result<(), Untrusted> {
    let (fingerprint, made) = (fingerprint.to_owned(), signed.time);
    let wrong_principal =
        || Untrusted::WrongPrincipal { fingerprint: fingerprint.clone(), email: signed.email.clone() };
    if !line.principals.fit(&signed.email) {
        return Err(wrong_principal());
    }
    if line.options.namespaces.as_ref().is_some_and(|namespaces| !namespaces.fit(NAMESPACE)) {
        let namespace = line.options.namespaces.as_ref().map(ToString::to_string).unwrap_or_default();
        return Err(Untrusted::WrongNamespace { fingerprint, namespace });
    }
    if let Some(certificate) = certificate {
        check_certificate(certificate, signed, &fingerprint)?;
    }
    match (line.options.valid_after, line.options.valid_before) {
        (Some(start), _) if made < start => Err(Untrusted::NotYetValid { fingerprint, made, start }),
        (_, Some(end)) if made > end => Err(Untrusted::Expired { fingerprint, made, end }),
        _ => Ok(()),
    }
}

fn check_certificate(certificate: &Certificate, signed: &Signed, fingerprint: &str) -> Result<(), Untrusted> {
    let (fingerprint, made) = (fingerprint.to_owned(), signed.time);
    let Certificate { start, end, .. } = *certificate;
    if !certificate.is_genuine() {
        return Err(Untrusted::BadSignature { fingerprint });
    }
    if !certificate.for_users || certificate.conditional {
        return Err(Untrusted::NotForSigning { fingerprint });
    }
    if !certificate.principals.contains(&signed.email) {
        return Err(Untrusted::WrongPrincipal { fingerprint, email: signed.email.clone() });
    }
    if made < start {
        return Err(Untrusted::NotYetValid { fingerprint, made, start });
    }
    if made >= end {
        return Err(Untrusted::Expired { fingerprint, made, end });
    }
    Ok(())
}

/// Returns how far from trusted a refusal is.
fn distance(why: &Untrusted) -> u8 {
    match why {
        Untrusted::Expired { .. } | Untrusted::NotYetValid { .. } => 0,
        Untrusted::WrongNamespace { .. } => 1,
        _ => 2,
    }
}

fn fingerprint(key: &PublicKey) -> String {
    key.fingerprint(HashAlg::Sha256).to_string()
}

/// Returns an error for a key that can be broken.
pub(crate) fn check_strength(key: &PublicKey) -> Result<(), Untrusted> {
    let KeyData::Rsa(rsa) = key.key_data() else { return Ok(()) };
    let modulus = rsa.n.as_positive_bytes().unwrap_or_default();
    let leading = modulus.first().map_or(0, |byte| byte.leading_zeros() as usize);
    let bits = (modulus.len() * 8).saturating_sub(leading);
    if RSA_BITS.contains(&bits) {
        Ok(())
    } else {
        Err(Untrusted::Weak { what: format!("an RSA key of {bits} bits ({})", fingerprint(key)) })
    }
}

/// Reads the blob of PROTOCOL.sshsig: the library can't, where the key comes with a certificate.
fn parse(text: &str) -> Result<Parsed, Untrusted> {
    let broken = |what: &str| Untrusted::malformed(format!("its SSH signature {what}"));
    let blob = armor::decode(text, "SSH SIGNATURE").ok_or_else(|| broken("is no single block of base64"))?;
    let rest = blob.strip_prefix(b"SSHSIG\0\0\0\x01").ok_or_else(|| broken("is not of version 1"))?;
    let mut rest = Strings(rest);
    let mut next = || rest.next().ok_or_else(|| broken("is cut off"));
    let (public, namespace, reserved, hash, signature) = (next()?, next()?, next()?, next()?, next()?);
    if !rest.0.is_empty() || !reserved.is_empty() {
        return Err(broken("holds more than it should"));
    }
    let kind = Strings(public).next().unwrap_or_default();
    let (key, certificate) = if kind.ends_with(certificate::SUFFIX.as_bytes()) {
        let read = Certificate::read(public).ok_or_else(|| broken("has a certificate that can't be read"))?;
        (read.key.clone(), Some(read))
    } else {
        (PublicKey::from_bytes(public).map_err(|_| broken("has a key that can't be read"))?, None)
    };
    if Strings(signature).next() == Some(b"ssh-rsa") {
        return Err(Untrusted::Weak { what: format!("a SHA-1 signature by {}", fingerprint(&key)) });
    }
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).map_err(|_| broken("is not text where it should be"));
    let hash = HashAlg::new(&text(hash)?).map_err(|_| broken("uses an unknown hash"))?;
    let signature = Signature::try_from(signature).map_err(|_| broken("is of an unknown algorithm"))?;
    let signature = SshSig::new(key.key_data().clone(), text(namespace)?, hash, signature);
    let signature = signature.map_err(|_| broken("has no namespace"))?;
    Ok(Parsed { key, certificate, signature })
}
