//! Key pairs for ssh: of people who log in, and of servers.

use std::fmt;

use openssl::ec::{EcGroup, EcKey};
use openssl::error::ErrorStack;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Rsa;
use openssl::symm::Cipher;
use russh::keys::ssh_key::LineEnding;
use russh::keys::{PrivateKey, decode_secret_key};

use super::GitError;

/// Size of RSA keys: the least that servers take, so that making one takes no time.
const RSA_BITS: u32 = 2048;

/// The types of keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SshKeyKind {
    /// Edwards curve 25519.
    Ed25519,
    /// The curve P-256.
    Ecdsa,
    /// RSA, whose signatures are made with SHA-2.
    Rsa,
}

/// A new key pair.
#[derive(Clone)]
pub struct SshKey {
    pub(super) private: PrivateKey,
    plain: PKey<Private>,
}

impl fmt::Debug for SshKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SshKey({})", self.public())
    }
}

impl SshKey {
    /// Makes a key pair.
    ///
    /// # Errors
    /// When the machine's OpenSSL can't.
    pub fn generate(kind: SshKeyKind) -> Result<Self, GitError> {
        let plain = pair(kind).map_err(|error| GitError::Key(error.to_string()))?;
        let pem = plain.private_key_to_pem_pkcs8().map_err(|error| GitError::Key(error.to_string()))?;
        let pem = String::from_utf8_lossy(&pem);
        let private = decode_secret_key(&pem, None).map_err(|error| GitError::Key(error.to_string()))?;
        Ok(Self { private, plain })
    }

    /// Returns the public half, as `authorized_keys` and `known_hosts` write it.
    pub fn public(&self) -> String {
        let mut key = self.private.public_key().clone();
        key.set_comment("");
        key.to_openssh().expect("because this key was made here").trim().to_owned()
    }

    /// Returns the private half in OpenSSH's format.
    pub fn identity(&self) -> String {
        self.private.to_openssh(LineEnding::LF).expect("because this key was made here").to_string()
    }

    /// Returns the private half in OpenSSH's format, encrypted.
    pub fn encrypted(&self, passphrase: &str) -> String {
        let encrypted = self.private.encrypt(&mut rand::rng(), passphrase).expect("because this key is not encrypted");
        encrypted.to_openssh(LineEnding::LF).expect("because this key was made here").to_string()
    }

    /// Returns the private half as PEM (PKCS #8), as the command line of Flux writes it.
    pub fn pem(&self) -> String {
        text(self.plain.private_key_to_pem_pkcs8())
    }

    /// Returns the private half as PEM (PKCS #8), encrypted.
    pub fn encrypted_pem(&self, passphrase: &str) -> String {
        text(self.plain.private_key_to_pem_pkcs8_passphrase(Cipher::aes_256_cbc(), passphrase.as_bytes()))
    }
}

fn pair(kind: SshKeyKind) -> Result<PKey<Private>, ErrorStack> {
    match kind {
        SshKeyKind::Ed25519 => PKey::generate_ed25519(),
        SshKeyKind::Ecdsa => {
            let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?;
            PKey::from_ec_key(EcKey::generate(&group)?)
        }
        SshKeyKind::Rsa => PKey::from_rsa(Rsa::generate(RSA_BITS)?),
    }
}

fn text(pem: Result<Vec<u8>, ErrorStack>) -> String {
    String::from_utf8(pem.expect("because this key was made here")).expect("because PEM is text")
}
