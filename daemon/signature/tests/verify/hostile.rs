//! Bytes that nobody made: whatever they are, there is no panic and no trust.

use std::{fs, path::Path, sync::LazyLock};

use plumb_signature::{OBJECT_BYTES_MAX, SIGNATURE_BYTES_MAX, TrustedKeys, Untrusted, verify_commit, verify_tag};
use proptest::prelude::*;

use crate::{at, keys, secret};

const NOW: &str = "2028-01-01T00:00:00Z";

/// A commit that an SSH key has signed, and the key: made by git and ssh-keygen.
const SSH_COMMIT: &str = include_str!("../data/ssh.commit");
const SSH_SIGNERS: &str = include_str!("../data/ssh.allowed_signers");

fn data(name: &str) -> Vec<u8> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)).expect("test data")
}

static TRUSTED: LazyLock<TrustedKeys> = LazyLock::new(|| {
    let certificate = String::from_utf8(data("expiring.asc")).expect("text");
    keys(&[("ada.asc", &certificate), ("allowed_signers", SSH_SIGNERS)])
});

/// Returns where the signature of a commit stands, its header included.
fn signature(commit: &[u8]) -> std::ops::Range<usize> {
    let text = std::str::from_utf8(commit).expect("text");
    text.find("gpgsig ").expect("a signature")..text.find("\n\n").expect("a header")
}

proptest! {
    #[test]
    fn no_change_outside_of_the_signature_is_trusted(ssh: bool, at_byte: prop::sample::Index, bit in 0u8..8) {
        let good = if ssh { SSH_COMMIT.as_bytes().to_vec() } else { data("good.commit") };
        let outside: Vec<usize> = (0..good.len()).filter(|at| !signature(&good).contains(at)).collect();
        let mut changed = good.clone();
        changed[outside[at_byte.index(outside.len())]] ^= 1 << bit;
        prop_assert!(verify_commit(&changed, &TRUSTED, at(NOW)).is_err());
    }

    #[test]
    fn a_changed_signature_does_no_harm(ssh: bool, changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
        let good = if ssh { SSH_COMMIT.as_bytes().to_vec() } else { data("good.commit") };
        let inside = signature(&good);
        let mut changed = good.clone();
        for (index, byte) in changes {
            changed[inside.start + index.index(inside.len())] = byte;
        }
        // Comments of the armor are not signed, so some of these stay good; none may cause a panic.
        let _ = verify_commit(&changed, &TRUSTED, at(NOW));
    }

    #[test]
    fn base64_of_anything_is_no_signature(bytes in prop::collection::vec(any::<u8>(), 0..600), ssh: bool) {
        use base64::Engine as _;
        let label = if ssh { "SSH SIGNATURE" } else { "PGP SIGNATURE" };
        let blank = if ssh { "" } else { " \n" };
        let bytes = if ssh { [b"SSHSIG\0\0\0\x01".as_slice(), &bytes].concat() } else { bytes };
        let encoded = base64::engine::general_purpose::STANDARD.encode(bytes);
        let header = format!("gpgsig -----BEGIN {label}-----\n{blank} {encoded}\n -----END {label}-----");
        let commit = SSH_COMMIT.replace(&SSH_COMMIT[signature(SSH_COMMIT.as_bytes())], &header);
        prop_assert!(verify_commit(commit.as_bytes(), &TRUSTED, at(NOW)).is_err());
    }

    #[test]
    fn anything_is_no_commit_and_no_tag(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(verify_commit(&bytes, &TRUSTED, at(NOW)).is_err());
        prop_assert!(verify_tag(&bytes, &TRUSTED, at(NOW)).is_err());
    }

    #[test]
    fn changed_certificates_are_read_without_harm(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6), cut: prop::sample::Index) {
        let mut bytes = data("nistp256.gpg");
        for (index, byte) in changes {
            let at = index.index(bytes.len());
            bytes[at] = byte;
        }
        bytes.truncate(1 + cut.index(bytes.len()));
        if let Ok(keys) = TrustedKeys::parse(&[("ada.gpg".to_owned(), bytes)].into()) {
            let _ = verify_commit(&data("nistp256.commit"), &keys, at(NOW));
        }
    }

    #[test]
    fn any_text_is_read_as_allowed_signers_without_harm(text in "(\\PC{0,40}\n){0,8}") {
        let _ = TrustedKeys::parse(&secret(&[("allowed_signers", &text), ("revoked_keys", &text), ("a.asc", &text)]));
    }
}

#[test]
fn the_commit_of_the_properties_is_good() {
    verify_commit(SSH_COMMIT.as_bytes(), &TRUSTED, at(NOW)).expect("a good commit");
    verify_commit(&data("good.commit"), &TRUSTED, at(NOW)).expect("a good commit");
}

#[test]
fn what_could_be_read_in_two_ways_is_refused() {
    let check = |from: &str, to: &str, expected: &str| {
        let changed = SSH_COMMIT.replacen(from, to, 1);
        assert_ne!(changed, SSH_COMMIT, "{from:?} is not in the commit");
        let why = verify_commit(changed.as_bytes(), &TRUSTED, at(NOW)).expect_err(to);
        assert!(why.to_string().contains(expected), "{to:?}: {why}");
    };
    let signature = &SSH_COMMIT[signature(SSH_COMMIT.as_bytes())];
    check("gpgsig ", &format!("{signature}\ngpgsig "), "two signatures");
    check("gpgsig ", "gpgsig-sha512 ", "a signature header that Git does not know");
    check("gpgsig ", "gpgsig-sha256 ", "not signed");
    check("gpgsig ", "committer Eve <eve@example.com> 1700000000 +0000\ngpgsig ", "twice or out of order");
    check("author ", "author Eve <eve@example.com> 1700000000 +0000\nauthor ", "committer is missing");
    check("\ncommitter Lab <lab@example.com>", "\ncommitter Lab <lab@example.com> <eve@example.com>", "its committer");
    check("committer Lab", "committer Lab\0", "NUL");
    check("tree ", " tree ", "begins with a space");
    check("tree ", "tree 0", "its tree is no id");
    check("-----BEGIN SSH SIGNATURE-----", "-----BEGIN SIGNED MESSAGE-----", "X.509");
    check("-----BEGIN SSH SIGNATURE-----", "SSH", "no known line");
    check(
        " -----END SSH SIGNATURE-----",
        &format!(" -----END SSH SIGNATURE-----\n {}", &signature[7..]),
        "no single block",
    );
}

#[test]
fn what_is_too_large_is_not_looked_at() {
    let large = SSH_COMMIT.to_owned() + &"a".repeat(OBJECT_BYTES_MAX);
    assert!(matches!(verify_commit(large.as_bytes(), &TRUSTED, at(NOW)), Err(Untrusted::TooLarge { .. })));
    let long = SSH_COMMIT.replacen(
        "gpgsig ",
        &format!("gpgsig -----BEGIN SSH SIGNATURE-----\n {}\n ", "A".repeat(SIGNATURE_BYTES_MAX)),
        1,
    );
    assert!(matches!(verify_commit(long.as_bytes(), &TRUSTED, at(NOW)), Err(Untrusted::TooLarge { .. })));
}
