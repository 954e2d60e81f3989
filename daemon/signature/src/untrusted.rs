//! Why a commit or a tag is not trusted, in words that say what to do.

use jiff::Timestamp;

/// Why a commit or a tag is not trusted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Untrusted {
    /// There is no signature.
    #[error("it is not signed; sign it (git commit --amend -S, or a new commit with -S) and push it")]
    Unsigned,
    /// The object is larger than any honest one.
    #[error("it is larger than {limit_kibibytes} KiB, so its signature is not looked at; make a smaller one")]
    TooLarge {
        /// The limit.
        limit_kibibytes: usize,
    },
    /// The object or its signature does not follow its format.
    #[error("it can't be verified: {detail}; make it anew with git")]
    Malformed {
        /// What is wrong.
        detail: String,
    },
    /// A sort of signature that plumb does not verify.
    #[error("its signature is {what}, which plumb does not verify; sign with an SSH or an OpenPGP key")]
    Unsupported {
        /// What it is.
        what: String,
    },
    /// No trusted key has this fingerprint.
    #[error(
        "it is signed by {fingerprint}, which is not among the trusted keys; add the key, or sign with a trusted one"
    )]
    UnknownKey {
        /// The key.
        fingerprint: String,
    },
    /// The signature does not fit the content.
    #[error("its signature does not fit its content (key {fingerprint}): one of them was changed; sign it anew")]
    BadSignature {
        /// The key that it claims.
        fingerprint: String,
    },
    /// The key is trusted for somebody else.
    #[error(
        "it is signed by {fingerprint}, which is not trusted for {email}; commit under one of the key's principals, or add \
         this one to its line"
    )]
    WrongPrincipal {
        /// The key.
        fingerprint: String,
        /// The committer's or tagger's email.
        email: String,
    },
    /// The signature was made for something else, or the key is not trusted for Git.
    #[error(
        "it is signed by {fingerprint} for {namespace:?}, not for \"git\"; sign with git, and allow the namespace \"git\""
    )]
    WrongNamespace {
        /// The key.
        fingerprint: String,
        /// The namespace of the signature.
        namespace: String,
    },
    /// It was signed after the key's end.
    #[error(
        "it was signed at {made}, after the end of the key {fingerprint} at {end}; extend the key, or sign with another"
    )]
    Expired {
        /// The key.
        fingerprint: String,
        /// When it was signed.
        made: Timestamp,
        /// When the key's time ended.
        end: Timestamp,
    },
    /// It was signed before the key's time.
    #[error("it was signed at {made}, before the key {fingerprint} became valid at {start}; check the signer's clock")]
    NotYetValid {
        /// The key.
        fingerprint: String,
        /// When it was signed.
        made: Timestamp,
        /// When the key's time began.
        start: Timestamp,
    },
    /// The signature said that it holds for some time only, which is over.
    #[error("its signature by {fingerprint} was to hold until {end}; sign it anew")]
    SignatureExpired {
        /// The key.
        fingerprint: String,
        /// When that was over.
        end: Timestamp,
    },
    /// It claims to be signed later than now.
    #[error("it claims to be signed at {made}, which is in the future; correct the signer's clock and sign it anew")]
    FromTheFuture {
        /// When it claims to be signed.
        made: Timestamp,
    },
    /// The key was revoked.
    #[error("the key {fingerprint} that signed it is revoked ({reason}); sign with another key")]
    Revoked {
        /// The key.
        fingerprint: String,
        /// Why, as far as the revocation says so.
        reason: String,
    },
    /// The key or the signature is too weak to prove anything.
    #[error(
        "{what} is too weak to prove who signed; use SHA-256 or better, and Ed25519, ECDSA or RSA of 2048 to 4096 bits"
    )]
    Weak {
        /// What is.
        what: String,
    },
    /// The key is not made for signing.
    #[error("the key {fingerprint} that signed it is not meant for signing; sign with a key that is")]
    NotForSigning {
        /// The key.
        fingerprint: String,
    },
}

impl Untrusted {
    pub(crate) fn malformed(detail: impl Into<String>) -> Self {
        Self::Malformed { detail: detail.into() }
    }
}
