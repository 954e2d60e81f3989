//! Keys to sign commits with: made by the real `ssh-keygen`, used by the real `git`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::GitError;

/// An SSH key without a passphrase, in a folder of its own, which is removed with this value.
#[derive(Debug)]
pub struct SigningKey {
    folder: TempDir,
}

impl SigningKey {
    /// Makes an Ed25519 key.
    ///
    /// # Errors
    /// When `ssh-keygen` is missing or fails.
    pub fn ed25519() -> Result<Self, GitError> {
        Self::make(&["-t", "ed25519"])
    }

    /// Makes a key as these arguments of `ssh-keygen` say, such as `-t rsa -b 3072`.
    ///
    /// # Errors
    /// When `ssh-keygen` is missing or fails.
    pub fn make(sort: &[&str]) -> Result<Self, GitError> {
        let folder = TempDir::with_prefix("lab-key-");
        let folder = folder.map_err(|source| GitError::Io { doing: "creating", path: std::env::temp_dir(), source })?;
        let key = Self { folder };
        let mut arguments = vec!["-q", "-N", "", "-C", "lab", "-f", "key"];
        arguments.extend(sort);
        keygen(key.folder.path(), &arguments)?;
        Ok(key)
    }

    /// Returns the public key as its file has it: type, base64 and comment.
    ///
    /// # Errors
    /// When the file can't be read.
    pub fn public(&self) -> Result<String, GitError> {
        let path = self.folder.path().join("key.pub");
        let read = fs::read_to_string(&path).map_err(|source| GitError::Io { doing: "reading", path, source })?;
        Ok(read.trim_end().to_owned())
    }

    /// Certifies this key for principals by another's, as these further arguments of `ssh-keygen` say; it is signed with
    /// the certificate from then on.
    ///
    /// # Errors
    /// When `ssh-keygen` fails.
    pub fn certify(&self, authority: &Self, principals: &str, more: &[&str]) -> Result<(), GitError> {
        let authority = authority.folder.path().join("key");
        let authority = authority.to_string_lossy();
        let mut arguments = vec!["-q", "-s", &authority, "-I", "lab", "-n", principals];
        arguments.extend(more);
        arguments.push("key.pub");
        keygen(self.folder.path(), &arguments)
    }

    /// Returns the file that Git's `user.signingKey` names: the certificate where there is one, else the key.
    pub fn path(&self) -> PathBuf {
        let certificate = self.folder.path().join("key-cert.pub");
        if certificate.exists() { certificate } else { self.folder.path().join("key") }
    }
}

fn keygen(folder: &Path, arguments: &[&str]) -> Result<(), GitError> {
    let mut command = Command::new("ssh-keygen");
    let output = command.current_dir(folder).args(arguments).stdin(Stdio::null()).output();
    let output = output.map_err(GitError::StartKeygen)?;
    if output.status.success() {
        return Ok(());
    }
    let stderr = String::from_utf8_lossy(&output.stderr).trim_end().to_owned();
    Err(GitError::Keygen { arguments: arguments.join(" "), stderr })
}
