//! Signatures that plumb makes, as the real `ssh-keygen` and plumb itself verify them.

use std::{
    fs,
    io::Write as _,
    process::{Command, Stdio},
};

use jiff::Timestamp;
use lab::git::{SigningKey as MadeKey, SshKey, SshKeyKind};
use plumb_signature::{InvalidSigningKey, SigningKey, verify_commit};

use crate::keys;

const EMAIL: &str = "plumb@example.com";

/// A commit without its signature.
fn payload() -> String {
    let at = Timestamp::now().as_second();
    let person = format!("plumb <{EMAIL}> {at} +0000");
    format!("tree {}\nauthor {person}\ncommitter {person}\n\nNotes\n", "1".repeat(40))
}

/// Returns the commit as Git stores it.
fn commit(payload: &str, signature: &str) -> Vec<u8> {
    let (header, body) = payload.split_once("\n\n").expect("a commit");
    format!("{header}\ngpgsig {}\n\n{body}", signature.trim_end().replace('\n', "\n ")).into_bytes()
}

/// Asks `ssh-keygen`, as `git verify-commit` does.
fn ssh_keygen_verifies(key: &SigningKey, payload: &str, signature: &str) -> bool {
    let folder = tempfile::tempdir().expect("a folder");
    let (allowed, file) = (folder.path().join("allowed_signers"), folder.path().join("commit.sig"));
    fs::write(&allowed, format!("{EMAIL} {}\n", key.public())).expect("a file");
    fs::write(&file, signature).expect("a file");
    let mut verify = Command::new("ssh-keygen");
    verify.args(["-q", "-Y", "verify", "-n", "git", "-I", EMAIL, "-f"]).arg(&allowed).arg("-s").arg(&file);
    let mut child =
        verify.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("ssh-keygen");
    child.stdin.take().expect("piped").write_all(payload.as_bytes()).expect("a reader");
    child.wait().expect("an end").success()
}

fn check(what: &str, identity: &str, passphrase: Option<&str>) {
    let key = SigningKey::parse(identity, passphrase).unwrap_or_else(|error| panic!("{what}: {error}"));
    assert!(format!("{key:?}").starts_with("SigningKey(SHA256:"), "{key:?}");
    let payload = payload();
    let signature = key.sign(payload.as_bytes()).unwrap_or_else(|error| panic!("{what}: {error}"));
    let trusted = keys(&[("allowed_signers", &format!("{EMAIL} {}", key.public()))]);
    let signer = verify_commit(&commit(&payload, &signature), &trusted, Timestamp::now());
    let signer = signer.unwrap_or_else(|why| panic!("{what}: {why}"));
    assert_eq!((signer.name.as_str(), signer.fingerprint), (EMAIL, key.fingerprint()), "{what}");
    assert!(ssh_keygen_verifies(&key, &payload, &signature), "{what}");
    assert!(!ssh_keygen_verifies(&key, &payload.replace("Notes", "notes"), &signature), "{what}");
}

#[test]
fn every_type_of_key_signs_as_ssh_keygen_does() {
    for sort in [
        &["-t", "ed25519"][..],
        &["-t", "ecdsa", "-b", "256"],
        &["-t", "ecdsa", "-b", "384"],
        &["-t", "rsa", "-b", "2048"],
        &["-t", "rsa", "-b", "4096"],
    ] {
        let made = MadeKey::make(sort).expect("a key");
        let identity = fs::read_to_string(made.path()).expect("a key file");
        check(&format!("{sort:?}"), &identity, None);
        check(&format!("{sort:?} without its last line break"), identity.trim_end(), None);
    }
}

#[test]
fn an_encrypted_key_is_opened_with_its_passphrase() {
    for kind in [SshKeyKind::Ed25519, SshKeyKind::Rsa] {
        let key = SshKey::generate(kind).expect("a key");
        check(&format!("{kind:?}"), &key.encrypted("correct horse"), Some("correct horse"));
    }
}

#[test]
fn a_key_that_does_not_sign_says_what_to_do() {
    let check = |identity: &str, passphrase: Option<&str>, expected: &str| {
        let error = SigningKey::parse(identity, passphrase).expect_err("a key that can't sign").to_string();
        assert!(error.contains(expected), "{error}");
        assert!(!error.contains("battery"), "{error}");
    };
    let key = SshKey::generate(SshKeyKind::Ed25519).expect("a key");
    let weak = MadeKey::make(&["-t", "rsa", "-b", "1024"]).expect("a key");
    check("", None, "no private key in OpenSSH's format");
    check(&key.public(), None, "no private key in OpenSSH's format");
    check(&key.pem(), None, "`ssh-keygen -p -f KEY`");
    check(&key.encrypted("correct horse"), None, "add its passphrase");
    check(&key.encrypted("correct horse"), Some("battery"), "correct the passphrase");
    check(&fs::read_to_string(weak.path()).expect("a key file"), None, "1024 bits");
    assert_eq!(SigningKey::parse("x", None).expect_err("no key"), InvalidSigningKey::Foreign);
}
