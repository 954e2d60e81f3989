//! Repositories behind https with an authority of one's own, bearer tokens, and certificates with faults.

use std::fs;

use lab::git::{Access, Certificate, HttpServer, TlsAuthority};
use plumb_core::class::Class;
use plumb_git::{
    mirror::Mirror,
    remote::{Credentials, FileUrls, Login, RefSelector, Remote, RemoteUrl},
    workers::Workers,
};

use crate::{
    pool::{at_most, processes, remote},
    repository::TestRepository,
};

/// A repository that servers can serve.
struct Source {
    repository: TestRepository,
    workers: Workers,
    authority: TlsAuthority,
}

impl Source {
    fn new() -> Self {
        let repository = TestRepository::new();
        repository.change("a.yaml", "one");
        let homes = repository.beside("homes");
        fs::create_dir(&homes).expect("a directory");
        let authority = TlsAuthority::new("lab authority").expect("an authority");
        Self { workers: processes(homes, 2), repository, authority }
    }

    fn serve(&self, access: Access, certificate: Certificate) -> HttpServer {
        let root = self.repository.path().parent().expect("the home of the repository");
        HttpServer::start_tls(root, access, &self.authority, certificate).expect("a server")
    }
}

fn at(server: &HttpServer, login: Option<Login>, authority: Option<String>) -> Remote {
    let url = RemoteUrl::parse(&server.url("repository/"), FileUrls::Refused).expect("an https address");
    Remote { credentials: Credentials { login, known_hosts: None, authority }, ..remote(url) }
}

fn bearer(token: &str) -> Option<Login> {
    Some(Login::Bearer { token: token.to_owned() })
}

#[tokio::test]
async fn a_repository_is_followed_with_a_bearer_token_behind_an_authority_of_ones_own() {
    let source = Source::new();
    let server = source.serve(Access::Bearer("t0ken".into()), Certificate::Good);
    let mirror = Mirror::open_or_create(&source.repository.beside("mirror")).expect("a mirror");
    let remote = at(&server, bearer("t0ken"), Some(source.authority.pem()));
    for content in ["two", "three"] {
        let commit = source.repository.change("a.yaml", content);
        let found = source.workers.advertised(&remote, &RefSelector::Head).await.expect("HEAD is there");
        assert_eq!(found.commit, commit);
        source.workers.fetch(&remote, mirror.path(), &found).await.expect("it can be fetched");
        assert!(mirror.holds(&commit).expect("a readable mirror"));
    }
    let password = Credentials::password("ada", "t0ken").login;
    for login in [None, bearer("another"), password] {
        let remote = at(&server, login, Some(source.authority.pem()));
        let error = source.workers.advertised(&remote, &RefSelector::Head).await.expect_err("not let in");
        assert!(error.reason().starts_with("Credentials"), "{error}");
        assert!(!format!("{error} {error:?} {remote:?}").contains("t0ken"), "{error}");
    }
}

#[tokio::test]
async fn a_certificate_that_does_not_convince_says_what_is_wrong_with_it() {
    let source = Source::new();
    let good = source.serve(Access::Anyone, Certificate::Good);
    let expired = source.serve(Access::Anyone, Certificate::Expired);
    let elsewhere = source.serve(Access::Anyone, Certificate::OtherHost);
    let pem = source.authority.pem();
    let stranger = TlsAuthority::new("another authority").expect("an authority").pem();
    // libgit2 compares names only where the address has one.
    let mut named = at(&elsewhere, None, Some(pem.clone()));
    let url = elsewhere.url("repository/").replace("127.0.0.1", "localhost");
    named.url = RemoteUrl::parse(&url, FileUrls::Refused).expect("an https address");
    let cases = [
        (at(&good, None, None), "CertificateNotTrusted", "signed by lab authority, which is unknown here"),
        (at(&good, None, Some(stranger)), "CertificateNotTrusted", "into the key ca.crt"),
        (at(&expired, None, Some(pem.clone())), "CertificateExpired", "ended on Dec 31"),
        (at(&expired, None, None), "CertificateExpired", "have it renewed"),
        (named, "CertificateForOtherHost", "is for git.example.com"),
        (at(&good, None, Some("hunter2".into())), "AuthorityInvalid", "there is none in it"),
        (at(&good, None, Some(pem.replace("MII", "???"))), "AuthorityInvalid", "no certificate in PEM"),
    ];
    for (remote, reason, words) in cases {
        let error = source.workers.advertised(&remote, &RefSelector::Head).await.expect_err(words);
        assert_eq!((error.reason(), error.class()), (reason, Class::Wait), "{error}");
        assert!(error.to_string().contains(words), "{words}: {error}");
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
    assert_eq!(good.requests(), [], "nothing was asked of a server that could be anybody");
}

#[tokio::test]
async fn an_authority_is_trusted_for_its_own_repository_only() {
    let source = Source::new();
    let server = source.serve(Access::Anyone, Certificate::Good);
    let trusting = at(&server, None, Some(source.authority.pem()));
    let plain = at(&server, None, None);
    // The same workers, one after the other: what one Secret trusts is nothing to another.
    for _ in 0..3 {
        source.workers.advertised(&trusting, &RefSelector::Head).await.expect("the authority is known");
        let error = source.workers.advertised(&plain, &RefSelector::Head).await.expect_err("it is not");
        assert_eq!(error.reason(), "CertificateNotTrusted", "{error}");
    }
    let many = TlsAuthority::new("another authority").expect("an authority");
    for number in 0..5 {
        let both = format!("# {number}\n{}{}", many.pem(), source.authority.pem());
        source
            .workers
            .advertised(&at(&server, None, Some(both)), &RefSelector::Head)
            .await
            .expect("one of them is known");
    }
    at_most(&source.repository.beside("homes"), 2, "at most two may run").await;
}
