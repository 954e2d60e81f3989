//! Addresses that are taken, and those that are refused.

use super::*;

#[test]
fn addresses_are_taken_or_refused_with_a_reason() {
    let check = |text: &str, expected: Result<&str, &str>| {
        let found = RemoteUrl::parse(text, FileUrls::Allowed);
        match expected {
            Ok(server) => assert_eq!(found.as_ref().map(RemoteUrl::server).as_deref(), Ok(server), "{text}"),
            Err(words) => {
                let message = found.expect_err(text).to_string();
                assert!(message.contains(words), "{text}: {message}");
            }
        }
    };
    check("https://git.example.com/a/b.git", Ok("git.example.com"));
    check("http://GIT.example.com:8080/a", Ok("git.example.com:8080"));
    check("https://[::1]:8080/a", Ok("[::1]:8080"));
    check("https://[::1]/a", Ok("[::1]"));
    check("file:///srv/my%20repo", Ok("/srv/my repo"));
    check("file://localhost/srv/repo", Ok("/srv/repo"));
    check("file://srv/repo", Err("three slashes"));
    check("file:///", Err("names no directory"));
    check("file:///a%0", Err("percent sign"));
    check("https://", Err("no host"));
    check("https://git.example.com", Err("no repository"));
    check("https://git.example.com:x/a", Err("port"));
    check("https://git.example.com/a b", Err("blank"));
    check("https://git.example.com/a\nb", Err("blank"));
    check("git@git.example.com:a/b.git", Ok("git.example.com:22"));
    check("git.example.com:a/b.git", Ok("git.example.com:22"));
    check("ssh://git@GIT.example.com/a", Ok("git.example.com:22"));
    check("ssh://git.example.com:2222/a", Ok("git.example.com:2222"));
    check("ssh://git@[::1]:2222/a", Ok("::1:2222"));
    check("ssh://git@git.example.com", Err("no repository"));
    check("ssh://git@git.example.com:x/a", Err("port"));
    check("ssh://git@git.example.com:0/a", Err("port"));
    check("ssh://@git.example.com/a", Err("user name"));
    check("ssh://git@-oProxyCommand=x/a", Err("no host"));
    check("git@-oProxyCommand=x:a", Err("no host"));
    check("git@git.example.com:", Err("no repository"));
    check("git@git.example.com:-a", Err("begins with a dash"));
    check("git@git_example:a", Ok("git_example:22"));
    check("git+ssh://git@git.example.com/a", Err("secretRef"));
    check("git+ssh://git.example.com/a", Err("not the address"));
    check("git://git.example.com/a", Err("not the address"));
    check("/srv/repo", Err("not the address"));
    check("", Err("not the address"));
    check("https://user@git.example.com/a", Err("secretRef"));
}

#[test]
fn file_addresses_need_permission() {
    let refused = RemoteUrl::parse("file:///srv/repo", FileUrls::Refused).expect_err("file addresses are refused");
    assert!(refused.to_string().contains("--allow-file-repositories"));
}

#[test]
fn no_refusal_shows_a_secret() {
    for text in [
        "https://user:hunter2@git.example.com/a",
        "https://hunter2@git.example.com/a",
        "https://user:hun/ter2@git.example.com/a",
        "https://git.example.com/a?private_token=hunter2",
        "https://user:hunter2@git.example.com/a?x",
        "ssh://user:hunter2@git.example.com/a",
        "gopher://user:hunter2@git.example.com/a",
        "user:hunter2@git.example.com:a",
        "https://user:hunter2@git.example.com/a b",
    ] {
        let error = RemoteUrl::parse(text, FileUrls::Allowed).expect_err(text);
        assert!(!format!("{error} {error:?}").contains("ter2"), "{text}: {error}");
    }
}
