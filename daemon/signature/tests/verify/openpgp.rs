//! OpenPGP signatures: commits and certificates that the real `git` and `gpg` made (`data/make.sh`).

use std::{fs, path::Path};

use plumb_signature::{Signer, TrustedKeys, Untrusted, verify_commit, verify_tag};

use crate::{at, keys, secret};

/// Later than everything in the data.
const NOW: &str = "2028-01-01T00:00:00Z";

fn data(name: &str) -> Vec<u8> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)).expect("test data")
}

fn text(name: &str) -> String {
    String::from_utf8(data(name)).expect("text")
}

fn verify(commit: &str, certificate: &str) -> Result<Signer, Untrusted> {
    verify_commit(
        &data(&format!("{commit}.commit")),
        &keys(&[("ada.asc", &text(&format!("{certificate}.asc")))]),
        at(NOW),
    )
}

/// Expects a commit to be trusted, or the name and words of the reason why not.
fn check(commit: &str, certificate: &str, expected: &str) {
    let verdict = match verify(commit, certificate) {
        Ok(signer) => format!("trusted: {signer}"),
        Err(why) => format!("{why:?} {why}"),
    };
    assert!(verdict.starts_with(expected) || verdict.contains(expected), "{commit} by {certificate}: {verdict}");
}

const TRUSTED: &str = "trusted: Ada Lovelace <ada@example.com> (";

#[test]
fn a_good_commit_names_its_signer() {
    let signer = verify("good", "expiring").expect("a good commit");
    assert_eq!(signer.name, "Ada Lovelace <ada@example.com>");
    let hexadecimal = |byte: u8| byte.is_ascii_digit() || byte.is_ascii_uppercase();
    assert!(signer.fingerprint.len() == 40 && signer.fingerprint.bytes().all(hexadecimal), "{signer}");
}

#[test]
fn every_sort_of_key_that_gpg_signs_with_is_verified_unless_it_is_weak() {
    for sort in ["nistp256", "nistp384", "nistp521", "rsa4096"] {
        check(sort, sort, TRUSTED);
    }
    check("rsa1024", "rsa1024", "an RSA key of 1024 bits");
    check("dsa2048", "dsa2048", "a DSA key");
    check("sha1", "expiring", "a signature by SHA1");
    check("sha1-binding", "sha1-binding", "the self-signature");
}

#[test]
fn a_key_is_valid_by_the_time_of_the_signature() {
    check("late", "expiring", "Expired");
    // The owner has given it more time since.
    check("late", "extended", TRUSTED);
    check("good", "extended", TRUSTED);
    check("brief", "expiring", "SignatureExpired");
    let brief =
        verify_commit(&data("brief.commit"), &keys(&[("ada.asc", &text("expiring.asc"))]), at("2024-06-05T00:00:00Z"));
    brief.expect("a signature that still holds");
    let keys = keys(&[("ada.asc", &text("expiring.asc"))]);
    let future = verify_commit(&data("good.commit"), &keys, at("2024-05-31T00:00:00Z"));
    assert!(matches!(future, Err(Untrusted::FromTheFuture { .. })), "{future:?}");
}

#[test]
fn a_revocation_takes_back_what_its_reason_says() {
    for (reason, before) in [
        ("superseded", TRUSTED),
        ("retired", TRUSTED),
        ("compromised", "(compromised)"),
        ("unexplained", "no reason given, so taken for compromised"),
    ] {
        check(&format!("{reason}-before"), reason, before);
        check(&format!("{reason}-after"), reason, "Revoked");
    }
}

#[test]
fn a_subkey_has_its_own_time_and_revocation() {
    check("subkey", "subkey", TRUSTED);
    check("subkey-late", "subkey", "Expired");
    check("subkey", "subkey-revoked", "Revoked");
}

#[test]
fn a_changed_commit_and_an_unknown_key_are_refused() {
    check("good", "rsa4096", "UnknownKey");
    let changed = text("good.commit").replace("author Ada", "author Eve");
    let verdict = verify_commit(changed.as_bytes(), &keys(&[("ada.asc", &text("expiring.asc"))]), at(NOW));
    assert!(matches!(verdict, Err(Untrusted::BadSignature { .. })), "{verdict:?}");
    // A signature of another commit of the same person.
    let (other, good) = (text("late.commit"), text("good.commit"));
    let signature = |commit: &str| {
        let from = commit.find("gpgsig ").expect("a signature");
        commit[from..commit.find("\n\n").expect("a header")].to_owned()
    };
    let moved = good.replace(&signature(&good), &signature(&other));
    let verdict = verify_commit(moved.as_bytes(), &keys(&[("ada.asc", &text("extended.asc"))]), at(NOW));
    assert!(matches!(verdict, Err(Untrusted::BadSignature { .. })), "{verdict:?}");
}

#[test]
fn a_signed_tag_is_verified() {
    let verdict = verify_tag(&data("good.tag"), &keys(&[("ada.asc", &text("expiring.asc"))]), at(NOW));
    assert_eq!(verdict.expect("a good tag").name, "Ada Lovelace <ada@example.com>");
}

#[test]
fn one_entry_holds_several_certificates_and_an_entry_need_not_be_armored() {
    let both = format!("Ada's keys\n{}and a newer one\n{}", text("expiring.asc"), text("rsa4096.asc"));
    let keys = keys(&[("ada.asc", &both)]);
    for commit in ["good.commit", "rsa4096.commit"] {
        verify_commit(&data(commit), &keys, at(NOW)).expect(commit);
    }
    let binary = [("ada.gpg".to_owned(), data("nistp256.gpg"))].into();
    let keys = TrustedKeys::parse(&binary).expect("a binary certificate");
    verify_commit(&data("nistp256.commit"), &keys, at(NOW)).expect("a good commit");
}

#[test]
fn a_secret_that_can_not_be_read_names_key_and_line() {
    let check = |entries: &[(&str, &str)], expected: &str| {
        let error = TrustedKeys::parse(&secret(entries)).expect_err("keys that can't be read").to_string();
        assert!(error.contains(expected), "{entries:?}: {error}");
    };
    let good = text("expiring.asc");
    let lines: Vec<&str> = good.lines().collect();
    let cut = lines[..lines.len() - 2].join("\n");
    check(&[], "allowed_signers: there is no key to trust");
    check(&[("revoked_keys", "")], "there is no key to trust");
    check(&[("ada.asc", &good), ("revoked-keys", "")], "revoked-keys: this key is not understood");
    check(&[("ada.asc", "ada")], "ada.asc: ");
    check(&[("ada.asc", &format!("{good}{cut}"))], &format!("ada.asc line {}: this block has no end", lines.len() + 1));
    check(&[("ada.asc", &good.replace("PUBLIC KEY", "PRIVATE KEY"))], "ada.asc line 1: this is a private key");
    check(&[("ada.asc", &good.replace("PUBLIC KEY BLOCK", "SIGNATURE"))], "ada.asc line 1: ");
    check(&[("ada.asc", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")], "no OpenPGP certificate");
    check(&[("allowed_signers", "# Ada\n\nada@example.com ssh-ed25519 AAAA\n")], "allowed_signers line 3: ");
    check(&[("ada.asc", &good), ("revoked_keys", "nobody\n")], "revoked_keys line 1: ");
    let no_text = [("allowed_signers".to_owned(), b"# one\n\xff".to_vec())].into();
    let error = TrustedKeys::parse(&no_text).expect_err("no text").to_string();
    assert!(error.contains("allowed_signers line 2: this is not UTF-8"), "{error}");
}
