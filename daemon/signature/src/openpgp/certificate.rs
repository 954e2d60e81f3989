//! A certificate: its keys, and what their owner says of them.
//!
//! What self-signatures say is worked out once, when the certificate is read.

use jiff::{SignedDuration, Timestamp};
use pgp::{
    composed::{SignedPublicKey, SignedPublicSubKey},
    crypto::hash::HashAlgorithm,
    errors::Result,
    packet::{PublicKey, RevocationCode, Signature, SignatureType, SignatureVersion, SubpacketData},
    ser::Serialize as _,
    types::{Fingerprint, KeyDetails, KeyId, KeyVersion, PublicParams, SignatureBytes, Tag, VerifyingKey},
};

/// Fewest and most bits of an RSA key, as for SSH.
const RSA_BITS: std::ops::RangeInclusive<u16> = 2048..=4096;

/// A certificate with all that its owner says of its keys.
#[derive(Debug, Clone)]
pub(crate) struct Certificate {
    /// A user id that its owner has signed.
    pub(crate) name: String,
    /// Of the primary key.
    pub(crate) fingerprint: String,
    /// The primary key first.
    pub(crate) components: Vec<Component>,
}

/// One key of a certificate.
#[derive(Debug, Clone)]
pub(crate) struct Component {
    pub(crate) key: Key,
    pub(crate) fingerprint: String,
    pub(crate) id: KeyId,
    pub(crate) created: Timestamp,
    /// Why it proves nothing.
    pub(crate) weak: Option<String>,
    pub(crate) revocations: Vec<Revocation>,
    /// What its newest self-signature says; else why there is none that counts.
    pub(crate) facts: std::result::Result<Facts, String>,
}

/// What a self-signature says of a key.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Facts {
    pub(crate) expires: Option<Timestamp>,
    pub(crate) signs: bool,
}

/// A revocation that holds.
#[derive(Debug, Clone)]
pub(crate) struct Revocation {
    /// Signatures before this stay good; absent: none is.
    pub(crate) since: Option<Timestamp>,
    pub(crate) reason: String,
}

/// Either sort of key.
#[derive(Debug, Clone)]
pub(crate) enum Key {
    Primary(Box<PublicKey>),
    Sub(Box<SignedPublicSubKey>),
}

impl Key {
    fn details(&self) -> &dyn KeyDetails {
        match self {
            Self::Primary(key) => key.as_ref(),
            Self::Sub(key) => key.as_ref(),
        }
    }
}

impl KeyDetails for Key {
    fn version(&self) -> KeyVersion {
        self.details().version()
    }
    fn legacy_key_id(&self) -> KeyId {
        self.details().legacy_key_id()
    }
    fn fingerprint(&self) -> Fingerprint {
        self.details().fingerprint()
    }
    fn algorithm(&self) -> pgp::crypto::public_key::PublicKeyAlgorithm {
        self.details().algorithm()
    }
    fn created_at(&self) -> pgp::types::Timestamp {
        self.details().created_at()
    }
    fn legacy_v3_expiration_days(&self) -> Option<u16> {
        self.details().legacy_v3_expiration_days()
    }
    fn public_params(&self) -> &PublicParams {
        self.details().public_params()
    }
}

impl VerifyingKey for Key {
    fn verify(&self, hash: HashAlgorithm, data: &[u8], signature: &SignatureBytes) -> Result<()> {
        match self {
            Self::Primary(key) => key.verify(hash, data, signature),
            Self::Sub(key) => key.verify(hash, data, signature),
        }
    }
}

impl Certificate {
    /// Works out what a certificate says.
    pub(crate) fn of(certificate: &SignedPublicKey) -> Self {
        let primary = &certificate.primary_key;
        let fingerprint = format!("{:X}", primary.fingerprint());
        let mut components = vec![self::primary(certificate)];
        components.extend(certificate.public_subkeys.iter().map(|subkey| self::subkey(primary, subkey)));
        let name = name(certificate).unwrap_or_else(|| "an OpenPGP key without a user id".to_owned());
        Self { name, fingerprint, components }
    }
}

fn primary(certificate: &SignedPublicKey) -> Component {
    let key = &certificate.primary_key;
    let details = &certificate.details;
    let direct = details.direct_signatures.iter();
    let direct = direct.filter(|signature| signature.typ() == Some(SignatureType::Key) && holds(signature));
    let direct = direct.filter(|signature| signature.verify_key(key).is_ok());
    let users = details.users.iter().filter_map(|user| self_signature(certificate, user));
    let newest = direct.chain(users).max_by_key(|signature| signature.created());
    let facts = newest.map(|signature| Facts { expires: expiry(key, signature), signs: signature.key_flags().sign() });
    let revocations = details.revocation_signatures.iter().filter(|signature| signature.verify_key(key).is_ok());
    component(Key::Primary(Box::new(key.clone())), revocations, facts)
}

fn subkey(primary: &PublicKey, subkey: &SignedPublicSubKey) -> Component {
    let bound = |kind: SignatureType| {
        let of_kind = subkey.signatures.iter().filter(move |signature| signature.typ() == Some(kind));
        of_kind.filter(|signature| signature.verify_subkey_binding(primary, &subkey.key).is_ok())
    };
    let newest = bound(SignatureType::SubkeyBinding).filter(|signature| holds(signature));
    let facts = newest.max_by_key(|signature| signature.created()).map(|signature| {
        // Without the subkey's own word, anybody's signing key could be claimed.
        let back = signature.embedded_signature().filter(|back| holds(back));
        let back = back.is_some_and(|back| back.verify_primary_key_binding(&subkey.key, primary).is_ok());
        Facts { expires: expiry(&subkey.key, signature), signs: signature.key_flags().sign() && back }
    });
    component(Key::Sub(Box::new(subkey.clone())), bound(SignatureType::SubkeyRevocation), facts)
}

fn component<'a>(key: Key, revocations: impl Iterator<Item = &'a Signature>, facts: Option<Facts>) -> Component {
    let fingerprint = format!("{:X}", key.fingerprint());
    let none = || format!("the self-signature of {fingerprint} (missing, broken or by SHA-1)");
    Component {
        id: key.legacy_key_id(),
        created: time(key.created_at()),
        weak: weakness(&key).map(|what| format!("{what} ({fingerprint})")),
        revocations: revocations.map(revocation).collect(),
        facts: facts.ok_or_else(none),
        fingerprint,
        key,
    }
}

/// Returns the newest self-signature of a user id, unless that was revoked since.
fn self_signature<'a>(certificate: &SignedPublicKey, user: &'a pgp::types::SignedUser) -> Option<&'a Signature> {
    let key = &certificate.primary_key;
    let own =
        user.signatures.iter().filter(|signature| signature.verify_certification(key, Tag::UserId, &user.id).is_ok());
    let newest = own.filter(|signature| holds(signature)).max_by_key(|signature| signature.created())?;
    (newest.typ() != Some(SignatureType::CertRevocation)).then_some(newest)
}

/// Returns the user id that its owner calls the primary one, else the first.
fn name(certificate: &SignedPublicKey) -> Option<String> {
    let users = || certificate.details.users.iter().filter_map(|user| Some((user, self_signature(certificate, user)?)));
    let (user, _) = users().find(|(_, signature)| signature.is_primary()).or_else(|| users().next())?;
    Some(String::from_utf8_lossy(user.id.id()).into_owned())
}

/// Returns what a revocation takes back (RFC 9580, section 5.2.3.31): only a key that was replaced or retired keeps its
/// older signatures.
fn revocation(signature: &Signature) -> Revocation {
    let code = signature.revocation_reason_code().copied();
    let (soft, reason) = match code {
        Some(RevocationCode::KeySuperseded) => (true, "superseded"),
        Some(RevocationCode::KeyRetired) => (true, "retired"),
        Some(RevocationCode::KeyCompromised) => (false, "compromised"),
        _ => (false, "no reason given, so taken for compromised"),
    };
    let since = signature.created().map(time).filter(|_| soft);
    let reason = since.map_or_else(|| reason.to_owned(), |since| format!("{reason} since {since}"));
    Revocation { since, reason }
}

fn expiry(key: &impl KeyDetails, signature: &Signature) -> Option<Timestamp> {
    let seconds = signature.key_expiration_time()?.as_secs();
    (seconds > 0).then(|| later(time(key.created_at()), seconds))
}

/// Returns why a key proves nothing.
fn weakness(key: &Key) -> Option<String> {
    match key.public_params() {
        PublicParams::RSA(_) => {
            // The wire format begins with the modulus, and that with its length in bits (RFC 9580, section 3.2).
            let bytes = key.public_params().to_bytes().unwrap_or_default();
            let bits = bytes.first_chunk::<2>().map_or(0, |bits| u16::from_be_bytes(*bits));
            (!RSA_BITS.contains(&bits)).then(|| format!("an RSA key of {bits} bits"))
        }
        PublicParams::DSA(_) => Some("a DSA key".to_owned()),
        _ => None,
    }
}

/// Returns whether a signature uses a hash that can't be made to collide.
pub(super) fn is_strong(signature: &Signature) -> bool {
    use HashAlgorithm::{Sha3_256, Sha3_512, Sha224, Sha256, Sha384, Sha512};
    matches!(signature.hash_alg(), Some(Sha224 | Sha256 | Sha384 | Sha512 | Sha3_256 | Sha3_512))
}

/// Returns whether a signature asks for something to be understood that is not (RFC 9580, section 5.2.3.7).
pub(super) fn has_unknown_demands(signature: &Signature) -> bool {
    use SubpacketData::{Experimental, Notation, Other};
    let hashed = signature.config().into_iter().flat_map(|config| config.hashed_subpackets());
    hashed
        .filter(|packet| packet.is_critical)
        .any(|packet| matches!(packet.data, Experimental(..) | Other(..) | Notation(_)))
}

/// Returns whether a self-signature may be believed, once it is verified.
fn holds(signature: &Signature) -> bool {
    let modern = matches!(signature.version(), SignatureVersion::V4 | SignatureVersion::V6);
    modern && is_strong(signature) && signature.created().is_some() && !has_unknown_demands(signature)
}

/// Returns a time of OpenPGP as ours.
pub(super) fn time(time: pgp::types::Timestamp) -> Timestamp {
    Timestamp::from_second(i64::from(time.as_secs())).unwrap_or(Timestamp::MAX)
}

/// Returns a time so many seconds later.
pub(super) fn later(time: Timestamp, seconds: u32) -> Timestamp {
    time.checked_add(SignedDuration::from_secs(i64::from(seconds))).unwrap_or(Timestamp::MAX)
}
