//! SSH signatures, made by `git commit` with `gpg.format=ssh` in a working copy.

use std::process::{Command, Stdio};

use jiff::Timestamp;
use lab::git::{BareRepository, SigningKey, WorkingCopy};
use plumb_signature::{Signer, Untrusted, verify_commit, verify_tag};

use crate::{at, keys};

const EMAIL: &str = "lab@example.com";

/// A repository to commit to, and a key to sign with.
struct Desk {
    copy: WorkingCopy,
    key: SigningKey,
    _bare: BareRepository,
}

impl Desk {
    fn new(key: SigningKey) -> Self {
        let bare = BareRepository::create().expect("a repository");
        let mut copy = WorkingCopy::clone(&bare.url()).expect("a working copy");
        copy.sign_with(Some(&key));
        Self { copy, key, _bare: bare }
    }

    fn commit(&self) -> Vec<u8> {
        let id = self.copy.commit(&[("a", "1")], "Signed\n\nWith a body.\n").expect("a signed commit");
        self.raw("commit", &id)
    }

    fn commit_at(&self, date: &str) -> Vec<u8> {
        // Git takes the committer's date from its environment only, and the laboratory clears that.
        let raw = String::from_utf8(self.commit()).expect("text");
        let at = at(date).as_second();
        let payload: Vec<&str> =
            raw.lines().filter(|line| !line.starts_with("gpgsig") && !line.starts_with(' ')).collect();
        let payload: Vec<String> = payload
            .iter()
            .map(|line| match line.strip_prefix("committer ") {
                Some(identity) => format!("committer {} {at} +0000", identity.rsplitn(3, ' ').last().expect("a name")),
                None => (*line).to_owned(),
            })
            .collect();
        self.signed(&(payload.join("\n") + "\n"), "git")
    }

    /// Returns a commit with this payload, signed by `ssh-keygen`.
    fn signed(&self, payload: &str, namespace: &str) -> Vec<u8> {
        let file = self.copy.path().join("payload");
        std::fs::write(&file, payload).expect("a file");
        let mut sign = Command::new("ssh-keygen");
        sign.args(["-q", "-Y", "sign", "-n", namespace, "-f"]).arg(self.key.path()).arg(&file);
        let signed = sign.stdin(Stdio::null()).output().expect("ssh-keygen");
        assert!(signed.status.success(), "{}", String::from_utf8_lossy(&signed.stderr));
        let signature = std::fs::read_to_string(self.copy.path().join("payload.sig")).expect("a signature");
        std::fs::remove_file(self.copy.path().join("payload.sig")).expect("a file to remove");
        let (header, body) = payload.split_once("\n\n").expect("a commit");
        format!("{header}\ngpgsig {}\n\n{body}", signature.trim_end().replace('\n', "\n ")).into_bytes()
    }

    fn raw(&self, kind: &str, id: &str) -> Vec<u8> {
        let output = Command::new("git").args(["cat-file", kind, id]).current_dir(self.copy.path()).output();
        output.expect("git").stdout
    }

    fn public(&self) -> String {
        self.key.public().expect("a public key")
    }

    /// Verifies a commit with these lines of `allowed_signers`; `KEY` stands for the key.
    fn verify(&self, raw: &[u8], lines: &str) -> Result<Signer, Untrusted> {
        verify_commit(raw, &keys(&[("allowed_signers", &lines.replace("KEY", &self.public()))]), Timestamp::now())
    }
}

fn ed25519() -> Desk {
    Desk::new(SigningKey::ed25519().expect("a key"))
}

#[test]
fn every_type_of_key_that_git_signs_with_is_verified() {
    let check = |sort: &[&str]| {
        let desk = Desk::new(SigningKey::make(sort).expect("a key"));
        let raw = desk.commit();
        let signer = desk.verify(&raw, &format!("{EMAIL} KEY")).unwrap_or_else(|why| panic!("{sort:?}: {why}"));
        assert_eq!(signer.name, EMAIL);
        assert!(signer.fingerprint.starts_with("SHA256:"), "{signer}");
        let mut changed = raw.clone();
        let last = changed.len() - 2;
        changed[last] ^= 1;
        let why = desk.verify(&changed, &format!("{EMAIL} KEY")).expect_err("a changed commit");
        assert!(matches!(why, Untrusted::BadSignature { .. }), "{why}");
    };
    check(&["-t", "ed25519"]);
    check(&["-t", "ecdsa", "-b", "256"]);
    check(&["-t", "ecdsa", "-b", "384"]);
    check(&["-t", "ecdsa", "-b", "521"]);
    check(&["-t", "rsa", "-b", "2048"]);
    check(&["-t", "rsa", "-b", "4096"]);
}

#[test]
fn an_rsa_key_that_is_too_small_is_refused() {
    let desk = Desk::new(SigningKey::make(&["-t", "rsa", "-b", "1024"]).expect("a key"));
    let why = desk.verify(&desk.commit(), &format!("{EMAIL} KEY")).expect_err("a weak key");
    assert!(matches!(&why, Untrusted::Weak { what } if what.contains("1024 bits")), "{why}");
}

#[test]
fn an_unsigned_commit_is_refused() {
    let mut desk = ed25519();
    desk.copy.sign_with(None);
    assert_eq!(desk.verify(&desk.commit(), &format!("{EMAIL} KEY")), Err(Untrusted::Unsigned));
}

#[test]
fn a_line_says_whom_its_key_is_trusted_for() {
    let desk = ed25519();
    let raw = desk.commit();
    let other = SigningKey::ed25519().expect("a key").public().expect("its public part");
    let check = |lines: &str, expected: &str| {
        let verdict = match desk.verify(&raw, lines) {
            Ok(signer) => signer.name,
            Err(why) => format!("{why:?}"),
        };
        assert!(verdict.starts_with(expected), "{lines}: {verdict}");
    };
    check("lab@example.com KEY", EMAIL);
    check("*@example.com KEY", EMAIL);
    check("\"ada@example.com,lab@example.com\" KEY", EMAIL);
    check("ada@example.com KEY", "WrongPrincipal");
    check("*@example.com,!lab@example.com KEY", "WrongPrincipal");
    check(&format!("lab@example.com {other}"), "UnknownKey");
    check(&format!("lab@example.com {other}\nlab@example.com KEY"), EMAIL);
    check("ada@example.com KEY\nlab@example.com KEY", EMAIL);
    check("lab@example.com namespaces=\"git\" KEY", EMAIL);
    check("lab@example.com namespaces=\"file\" KEY", "WrongNamespace");
    check("lab@example.com valid-after=\"20240101\" KEY", EMAIL);
    check("lab@example.com valid-before=\"20240101\" KEY", "Expired");
    check("lab@example.com valid-after=\"29990101\" KEY", "NotYetValid");
    check("lab@example.com valid-before=\"20240101\" KEY\nada@example.com KEY", "Expired");
    // An authority's key signs certificates, not commits.
    check("lab@example.com cert-authority KEY", "UnknownKey");
}

#[test]
fn a_key_is_valid_by_the_committers_time() {
    let desk = ed25519();
    let lines = "lab@example.com valid-after=\"20240101\",valid-before=\"20241231\" KEY";
    let check = |date: &str, expected: &str| {
        let verdict = desk.verify(&desk.commit_at(date), lines).map(|signer| signer.name);
        assert!(format!("{verdict:?}").contains(expected), "{date}: {verdict:?}");
    };
    check("2023-12-31T23:59:59Z", "NotYetValid");
    check("2024-01-01T00:00:00Z", EMAIL);
    check("2024-12-31T00:00:00Z", EMAIL);
    check("2024-12-31T00:00:01Z", "Expired");
}

#[test]
fn a_commit_from_the_future_is_refused() {
    let desk = ed25519();
    let keys = keys(&[("allowed_signers", &format!("{EMAIL} {}", desk.public()))]);
    let raw = desk.commit_at("2024-06-01T12:00:00Z");
    let check = |now: &str, trusted: bool| {
        let verdict = verify_commit(&raw, &keys, at(now));
        assert_eq!(verdict.is_ok(), trusted, "{now}: {verdict:?}");
    };
    check("2024-06-01T11:00:00Z", true);
    check("2024-06-01T10:59:59Z", false);
}

#[test]
fn a_signature_for_something_else_is_refused() {
    let desk = ed25519();
    let payload = "tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\nauthor L <lab@example.com> 1700000000 +0000\n\
                   committer L <lab@example.com> 1700000000 +0000\n\nOne\n";
    let line = format!("{EMAIL} KEY");
    desk.verify(&desk.signed(payload, "git"), &line).expect("a good signature");
    let why = desk.verify(&desk.signed(payload, "file"), &line).expect_err("a file's signature");
    assert!(matches!(&why, Untrusted::WrongNamespace { namespace, .. } if namespace == "file"), "{why}");
}

#[test]
fn a_revoked_key_is_refused_and_so_are_certificates_of_a_revoked_authority() {
    let desk = ed25519();
    let line = format!("{EMAIL} {}", desk.public());
    let revoked = keys(&[("allowed_signers", &line), ("revoked_keys", &format!("# stolen\n{}\n", desk.public()))]);
    let why = verify_commit(&desk.commit(), &revoked, Timestamp::now()).expect_err("a revoked key");
    assert!(matches!(why, Untrusted::Revoked { .. }), "{why}");

    let authority = SigningKey::ed25519().expect("a key");
    let key = SigningKey::ed25519().expect("a key");
    key.certify(&authority, EMAIL, &[]).expect("a certificate");
    let desk = Desk::new(key);
    let public = authority.public().expect("a public key");
    let line = format!("{EMAIL} cert-authority {public}");
    let revoked = keys(&[("allowed_signers", &line), ("revoked_keys", &public)]);
    let why = verify_commit(&desk.commit(), &revoked, Timestamp::now()).expect_err("a revoked authority");
    assert!(matches!(why, Untrusted::Revoked { .. }), "{why}");
}

#[test]
fn a_certificate_counts_as_its_authority_says() {
    let authority = SigningKey::ed25519().expect("a key");
    let public = authority.public().expect("a public key");
    let check = |principals: &str, more: &[&str], line: &str, expected: &str| {
        let key = SigningKey::make(&["-t", "ecdsa"]).expect("a key");
        key.certify(&authority, principals, more).expect("a certificate");
        let desk = Desk::new(key);
        let keys = keys(&[("allowed_signers", &line.replace("AUTHORITY", &public))]);
        let verdict = verify_commit(&desk.commit(), &keys, Timestamp::now()).map(|signer| signer.name);
        assert!(format!("{verdict:?}").contains(expected), "{principals} {more:?} {line}: {verdict:?}");
    };
    check(EMAIL, &[], "*@example.com cert-authority AUTHORITY", EMAIL);
    check(EMAIL, &["-V", "-1w:+1w"], "*@example.com cert-authority AUTHORITY", EMAIL);
    check("ada@example.com", &[], "*@example.com cert-authority AUTHORITY", "WrongPrincipal");
    check(EMAIL, &[], "*@example.org cert-authority AUTHORITY", "WrongPrincipal");
    check(EMAIL, &["-V", "-2w:-1w"], "*@example.com cert-authority AUTHORITY", "Expired");
    check(EMAIL, &["-V", "+1w:+2w"], "*@example.com cert-authority AUTHORITY", "NotYetValid");
    check(EMAIL, &["-h"], "*@example.com cert-authority AUTHORITY", "NotForSigning");
    check(EMAIL, &["-O", "force-command=true"], "*@example.com cert-authority AUTHORITY", "NotForSigning");
    // Without the word, the authority's key is nobody's but its own.
    check(EMAIL, &[], "*@example.com AUTHORITY", "UnknownKey");
}

#[test]
fn a_signed_tag_is_verified() {
    let desk = ed25519();
    desk.copy.commit(&[("a", "1")], "One").expect("a commit");
    desk.copy.git(&["tag", "--message", "Version one", "v1"]).expect("a signed tag");
    desk.copy.git(&["-c", "tag.gpgSign=false", "tag", "--message", "Version two", "--no-sign", "v2"]).expect("a tag");
    let keys = keys(&[("allowed_signers", &format!("{EMAIL} {}", desk.public()))]);
    let verify = |raw: &[u8]| verify_tag(raw, &keys, Timestamp::now());
    let signed = desk.raw("tag", "v1");
    assert_eq!(verify(&signed).expect("a good tag").name, EMAIL);
    assert_eq!(verify(&desk.raw("tag", "v2")), Err(Untrusted::Unsigned));
    let changed = String::from_utf8(signed).expect("text").replace("Version one", "Version 0ne");
    assert!(matches!(verify(changed.as_bytes()), Err(Untrusted::BadSignature { .. })));
}
