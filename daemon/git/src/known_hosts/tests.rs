//! Lines as `ssh-keyscan` and `ssh-keygen -H` write them, and those that nobody should write.

use super::*;

const ONE: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIC/N8fT/QIBhH3sgvwAiznLzt3tOITRAOgS9EGU9Gjqz";
const OTHER: &str = "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBKR85tRbNWC1qYWtaK+XjLJpnF5r3P4sUcyVpR4V/ezw6cNXpL8pq8r11cqnipq5R6DamE0IZiWiJ0tBk2y7Hnk=";

fn host(name: &str, port: u16) -> SshHost {
    SshHost { name: name.to_owned(), port, user: "git".to_owned() }
}

#[test]
fn lines_are_for_the_hosts_that_they_name() {
    let check = |names: &str, name: &str, port: u16, expected: bool| {
        let read = KnownHosts::parse(&format!("{names} {ONE} a comment\n")).expect(names);
        assert_eq!(!read.of(&host(name, port)).accepted.is_empty(), expected, "{names}: {name}:{port}");
    };
    check("git.example.com", "git.example.com", 22, true);
    check("GIT.example.com", "git.example.com", 22, true);
    check("git.example.com", "git.example.com", 2222, false);
    check("git.example.com", "git.example.org", 22, false);
    check("[git.example.com]:2222", "git.example.com", 2222, true);
    check("[git.example.com]:2222", "git.example.com", 22, false);
    check("git.example.org,git.example.com,192.0.2.1", "git.example.com", 22, true);
    check("*.example.com", "git.example.com", 22, true);
    check("*.example.com", "example.com", 22, false);
    check("*.example.com,!git.example.com", "git.example.com", 22, false);
    check("git?.example.com", "git1.example.com", 22, true);
    check("git?.example.com", "git.example.com", 22, false);
    check("*e*a*m*.com", "git.example.com", 22, true);
    check("[*.example.com]:2222", "git.example.com", 2222, true);
    // By `ssh-keygen -H`.
    check("|1|JsnenbuHbPgL84ZR/61f3AE3NSA=|2aD6WU5oBkV2caa1YocajCpC2Zs=", "git.example.com", 22, true);
    check("|1|JsnenbuHbPgL84ZR/61f3AE3NSA=|2aD6WU5oBkV2caa1YocajCpC2Zs=", "git.example.com", 2222, false);
    check("|1|HkRMT+zHrJOsS/9UEnaIVlw4ioA=|Yne8vCEc/0JTcbIJ0aI4YaP0ydc=", "git.example.com", 2222, true);
    check("|1|HkRMT+zHrJOsS/9UEnaIVlw4ioA=|Yne8vCEc/0JTcbIJ0aI4YaP0ydc=", "git.example.org", 2222, false);
}

#[test]
fn keys_of_several_types_are_accepted_and_revoked_ones_are_not() {
    let text =
        format!("# git.example.com:22 SSH-2.0\n\nh {ONE}\n  h {OTHER}\n@revoked * {ONE}\n@cert-authority * {ONE}\n");
    let known = KnownHosts::parse(&text).expect("good lines").of(&host("h", 22));
    let kinds: Vec<_> = known.accepted.iter().map(HostKey::kind).collect();
    assert_eq!(kinds, ["ssh-ed25519", "ecdsa-sha2-nistp256"]);
    assert_eq!(known.revoked, known.accepted[..1]);
    assert_eq!(known.accepted[0].fingerprint(), "ssh-ed25519 SHA256:w/v78LyauYIH8KfYoPTI6emOTLz2OpvdWPgtXg+ZqDI");
    assert_eq!(known.accepted[0].line(&host("h", 2222)), format!("[h]:2222 {ONE}\n"));
}

#[test]
fn a_line_that_cannot_be_read_is_named() {
    let check = |line: &str, words: &str| {
        let bad = KnownHosts::parse(&format!("h {ONE}\n{line}\n")).expect_err(line);
        assert_eq!(bad.number, 2, "{line}");
        assert!(bad.why.contains(words), "{line}: {}", bad.why);
    };
    check("h ssh-ed25519", "a host, a key type and a key");
    check("h ssh-ed25519 ???", "base64");
    check(&format!("h ssh-rsa {}", &ONE[12..]), "not of the type");
    check("h ssh-ed25519 AAAA", "not of the type");
    check(&format!("@unknown h {ONE}"), "marker");
    check(&format!("|1|onlysalt {ONE}"), "hashed name");
    check(&format!("|2|a|b {ONE}"), "hashed name");
    check("-----BEGIN OPENSSH PRIVATE KEY-----", "base64");
}

#[test]
fn patterns_cost_no_more_than_the_product_of_the_lengths() {
    let (pattern, name) = ("*a".repeat(200), "a".repeat(10_000) + "b");
    assert!(!Names::Patterns(vec![pattern]).cover(&name));
}
