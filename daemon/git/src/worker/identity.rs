//! A private key as far as its outside shows, so that what is wrong with it can be said in words.
//!
//! libssh2 reads the key itself and has one message for everything that can be wrong.

use openssl::base64;

/// How OpenSSH's own format begins once it is decoded (PROTOCOL.key of OpenSSH).
const MAGIC: &[u8] = b"openssh-key-v1\0";

const FOREIGN: &str = "it is no private key in OpenSSH's format or PEM; make one with `ssh-keygen -t ed25519`";

/// Returns why a private key cannot be used at all, and what to do.
pub(super) fn check(identity: &str, passphrase: Option<&str>) -> Result<(), &'static str> {
    let identity = identity.trim_start();
    if identity.starts_with("ssh-") || identity.starts_with("ecdsa-") || identity.starts_with("-----BEGIN PUBLIC") {
        return Err("it is a public key; put the private one there");
    }
    if identity.starts_with("PuTTY-User-Key-File") {
        return Err("it is in PuTTY's format; convert it with `puttygen KEY -O private-openssh`");
    }
    if !identity.starts_with("-----BEGIN ") || !identity.contains("PRIVATE KEY-----") {
        return Err(FOREIGN);
    }
    match (is_encrypted(identity)?, passphrase) {
        (true, None) => Err("it is encrypted; add its passphrase as the key password"),
        _ => Ok(()),
    }
}

/// Returns what to say when libssh2 could not read the key.
pub(super) fn unreadable(identity: &str) -> &'static str {
    match is_encrypted(identity) {
        Ok(true) => "the key password does not open it; correct the passphrase",
        Ok(false) | Err(_) => "it cannot be read; use a key of the type ed25519, ecdsa or rsa",
    }
}

fn is_encrypted(identity: &str) -> Result<bool, &'static str> {
    if !identity.contains("BEGIN OPENSSH PRIVATE KEY") {
        return Ok(identity.contains("BEGIN ENCRYPTED PRIVATE KEY") || identity.contains("Proc-Type: 4,ENCRYPTED"));
    }
    let body: String = identity.lines().map(str::trim).filter(|line| !line.starts_with("-----")).collect();
    let body = base64::decode_block(&body).map_err(|_| FOREIGN)?;
    // The name of the cipher comes first: a length of four bytes, then the text.
    let cipher = body.strip_prefix(MAGIC).and_then(|rest| rest.get(4..)).ok_or(FOREIGN)?;
    Ok(!cipher.starts_with(b"none"))
}
