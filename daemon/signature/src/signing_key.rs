//! The key with which plumb signs its own commits: a private SSH key, as a Secret holds it.
//!
//! Must never do: show anything of the private half, sign what is not for Git.

use std::fmt;

use openssl::{bn::BigNum, error::ErrorStack, hash::MessageDigest, pkey::PKey, rsa::RsaPrivateKeyBuilder, sign};
use signature::Signer as _;
use ssh_key::{
    Algorithm, HashAlg, LineEnding, PrivateKey, Signature, SshSig,
    private::{KeypairData, RsaKeypair},
};

use crate::ssh::{self, NAMESPACE};

/// A private key that can't be used to sign.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSigningKey {
    /// It is in another format, or nothing at all.
    #[error(
        "it is no private key in OpenSSH's format; make one with `ssh-keygen -t ed25519`, or convert it with `ssh-keygen -p -f KEY`"
    )]
    Foreign,
    /// It needs a passphrase.
    #[error("it is encrypted; add its passphrase as the key password")]
    Encrypted,
    /// The passphrase is wrong.
    #[error("the key password does not open it; correct the passphrase")]
    WrongPassphrase,
    /// It is of a type that can't sign, or that nobody should trust.
    #[error("{0}; use a key of the type ed25519, ecdsa, or rsa of 2048 to 4096 bits")]
    Unsuitable(String),
}

/// A signature that could not be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the key {fingerprint} does not sign: {detail}")]
pub struct SigningFailed {
    /// Which key.
    fingerprint: String,
    /// What the library said.
    detail: String,
}

/// A key that signs commits.
#[derive(Clone)]
pub struct SigningKey {
    key: PrivateKey,
}

impl fmt::Debug for SigningKey {
    /// Shows the public half only.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.fingerprint())
    }
}

impl SigningKey {
    /// Reads a private key in OpenSSH's format, and opens it if it is encrypted.
    ///
    /// # Errors
    /// Why it can't sign, and what to do.
    pub fn parse(identity: &str, passphrase: Option<&str>) -> Result<Self, InvalidSigningKey> {
        // A Secret that was written by hand may lack the last line break, or have more than one.
        let text = format!("{}\n", identity.trim());
        let key = PrivateKey::from_openssh(text).map_err(|_| InvalidSigningKey::Foreign)?;
        let key = match (key.is_encrypted(), passphrase) {
            (false, _) => key,
            (true, None) => return Err(InvalidSigningKey::Encrypted),
            (true, Some(passphrase)) => key.decrypt(passphrase).map_err(|_| InvalidSigningKey::WrongPassphrase)?,
        };
        let signs = matches!(key.key_data(), KeypairData::Ed25519(_) | KeypairData::Ecdsa(_) | KeypairData::Rsa(_));
        if !signs {
            return Err(InvalidSigningKey::Unsuitable(format!("a key of the type {} does not sign", key.algorithm())));
        }
        ssh::check_strength(key.public_key()).map_err(|weak| InvalidSigningKey::Unsuitable(weak.to_string()))?;
        Ok(Self { key })
    }

    /// Returns `SHA256:…` of the public half.
    pub fn fingerprint(&self) -> String {
        self.key.public_key().fingerprint(HashAlg::Sha256).to_string()
    }

    /// Returns the public half as `allowed_signers` and `authorized_keys` write it, without a comment.
    pub fn public(&self) -> String {
        let mut key = self.key.public_key().clone();
        key.set_comment("");
        key.to_openssh().map(|text| text.trim().to_owned()).unwrap_or_default()
    }

    /// Signs the bytes of a commit or a tag (PROTOCOL.sshsig, namespace `git`), and returns the armored signature.
    ///
    /// # Errors
    /// The key's numbers don't fit together.
    pub fn sign(&self, payload: &[u8]) -> Result<String, SigningFailed> {
        let failed = |detail: String| SigningFailed { fingerprint: self.fingerprint(), detail };
        let hash = HashAlg::Sha512;
        let data = SshSig::signed_data(NAMESPACE, hash, payload).map_err(|error| failed(error.to_string()))?;
        let signature = match self.key.key_data() {
            KeypairData::Rsa(pair) => rsa(pair, &data).map_err(|error| failed(error.to_string()))?,
            _ => self.key.try_sign(&data).map_err(|error| failed(error.to_string()))?,
        };
        let public = self.key.public_key().key_data().clone();
        let signed = SshSig::new(public, NAMESPACE, hash, signature).and_then(|signed| signed.to_pem(LineEnding::LF));
        signed.map_err(|error| failed(error.to_string()))
    }
}

/// Signs with OpenSSL: what the library does with a private RSA key shows in the time it takes (RUSTSEC-2023-0071).
fn rsa(pair: &RsaKeypair, data: &[u8]) -> Result<Signature, ErrorStack> {
    let number = |bytes: Option<&[u8]>| BigNum::from_slice(bytes.unwrap_or_default());
    let (public, private) = (&pair.public, &pair.private);
    let (n, e) = (number(public.n.as_positive_bytes())?, number(public.e.as_positive_bytes())?);
    let d = number(private.d.as_positive_bytes())?;
    let (p, q) = (number(private.p.as_positive_bytes())?, number(private.q.as_positive_bytes())?);
    let key = RsaPrivateKeyBuilder::new(n, e, d)?.set_factors(p, q)?.build();
    let key = PKey::from_rsa(key)?;
    let mut signer = sign::Signer::new(MessageDigest::sha512(), &key)?;
    signer.update(data)?;
    let bytes = signer.sign_to_vec()?;
    let algorithm = Algorithm::Rsa { hash: Some(HashAlg::Sha512) };
    Ok(Signature::new(algorithm, bytes).expect("because a signature of RSA may have any length"))
}
