//! Lines that ssh-keygen takes, and lines that it does not.

use super::*;

const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f";

fn read(line: &str) -> Result<AllowedSigner, String> {
    let (mut found, mut wrong) = allowed_signers(line);
    match (found.pop(), wrong.pop()) {
        (Some(signer), None) => Ok(signer),
        (_, Some((1, what))) => Err(what),
        other => panic!("{other:?}"),
    }
}

#[test]
fn lines_are_read_as_ssh_keygen_reads_them() {
    let signer = read(&format!("ada@example.com,*@lab.example.com {KEY} a comment")).expect("a line");
    assert!(
        signer.principals.fit("bob@lab.example.com")
            && !signer.options.authority
            && signer.options.namespaces.is_none()
    );
    let options = "CERT-AUTHORITY,namespaces=\"git,file\",valid-after=\"20240101\",valid-before=\"202502011230Z\"";
    let signer = read(&format!("\"ada@example.com\"\t{options} {KEY}")).expect("a line");
    let Options { authority, namespaces, valid_after, valid_before } = signer.options;
    assert!(authority && namespaces.expect("some").fit("git"));
    assert_eq!(valid_after.expect("a time").to_string(), "2024-01-01T00:00:00Z");
    assert_eq!(valid_before.expect("a time").to_string(), "2025-02-01T12:30:00Z");
}

#[test]
fn comments_and_empty_lines_are_passed_over() {
    let (found, wrong) = allowed_signers(&format!("# trusted\n\n  \nada@example.com {KEY}\n"));
    assert_eq!((found.len(), wrong.len()), (1, 0));
}

#[test]
fn a_wrong_line_is_named() {
    let check = |line: &str, expected: &str| {
        let what = read(line).expect_err(line);
        assert!(what.contains(expected), "{line}: {what}");
    };
    check("ada@example.com", "write: principals");
    check("ada@example.com ssh-ed25519", "write: key-type");
    check("ada@example.com ssh-ed25519 AAAA", "no SSH public key");
    check(&format!("ada@example.com,, {KEY}"), "no list of patterns");
    check(&format!("ada@example.com valid-after=20240101 {KEY}"), "in quotes");
    check(&format!("ada@example.com valid-after=\"2024-01-01\" {KEY}"), "is no time");
    check(&format!("ada@example.com valid-after=\"20241301\" {KEY}"), "is no time");
    check(&format!("ada@example.com valid-after=\"20240102\",valid-before=\"20240101\" {KEY}"), "not later");
    check(&format!("ada@example.com valid-after=\"20240102\",valid-after=\"20240101\" {KEY}"), "twice");
    check(&format!("ada@example.com no-such-option {KEY}"), "neither a key nor an option");
    check("ada@example.com namespaces=\"git\"", "no key");
    check("ada@example.com ssh-dss AAAAB3NzaC1kc3MAAAAA", "no SSH public key");
    check("-----BEGIN OPENSSH PRIVATE KEY-----", "");
}

#[test]
fn a_binary_revocation_list_is_refused_by_name() {
    let (_, wrong) = keys("SSHKRL\n\0\u{1}");
    assert!(wrong[0].1.contains("binary revocation list"), "{wrong:?}");
}
