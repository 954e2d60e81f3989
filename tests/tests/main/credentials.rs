//! Environments that follow repositories over ssh and https, while keys, tokens, host keys and authorities are rotated.

use lab::{
    ControlPlane,
    git::{Access, BareRepository, Certificate, HttpServer, SshKey, SshKeyKind, SshServer, TlsAuthority, WorkingCopy},
};
use serde_json::{Value, json};
use system_tests::{
    daemon,
    site::{Site, config_map},
    wait,
};
use tempfile::TempDir;

/// A site whose Repository `repo` is served by a server that asks for credentials.
pub(super) struct Guarded {
    pub(super) site: Site,
    copy: WorkingCopy,
    pub(super) folder: TempDir,
}

impl Guarded {
    fn new(name: &str) -> Self {
        daemon::shared();
        Self::on(lab::shared(), name)
    }

    /// Makes one on a control plane on which plumb runs.
    pub(super) fn on(plane: &'static ControlPlane, name: &str) -> Self {
        let folder = TempDir::new().expect("a folder");
        let bare = BareRepository::create_in(folder.path(), "shop").expect("a repository");
        let copy = WorkingCopy::clone(&bare.url()).expect("a working copy");
        Self { site: Site::new(plane, name), copy, folder }
    }

    pub(super) fn follow(&self, url: &str) {
        self.site.apply(&json!({
            "apiVersion": "plumb.dev/v1alpha1",
            "kind": "Repository",
            "metadata": { "name": "repo", "namespace": self.site.namespace },
            "spec": { "url": url, "interval": "1s", "timeout": "10s", "secretRef": { "name": "git" } },
        }));
        self.site.environment("app", "app", json!({}));
    }

    pub(super) fn secret(&self, keys: Value) {
        self.site.apply(&json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": { "name": "git", "namespace": self.site.namespace },
            "stringData": keys,
        }));
    }

    pub(super) fn push(&self, value: &str) -> String {
        let file = config_map("a", "k", value);
        self.copy.commit_and_push(&[("app/a.yaml", &file)], value).expect("a push")
    }

    fn ready(&self) -> Value {
        let repository = self.site.get("repositories.plumb.dev", "repo").unwrap_or_default();
        let conditions = repository["status"]["conditions"].as_array().cloned().unwrap_or_default();
        conditions.into_iter().find(|condition| condition["type"] == "Ready").unwrap_or_default()
    }

    pub(super) fn wait_failed(&self, words: &str) -> String {
        wait::until(&format!("the repository to fail: {words}"), || {
            let ready = self.ready();
            let message = ready["message"].as_str().unwrap_or_default().to_owned();
            if ready["status"] == "False" && message.contains(words) { Ok(message) } else { Err(ready.to_string()) }
        })
    }
}

fn key(kind: SshKeyKind) -> SshKey {
    SshKey::generate(kind).expect("a key")
}

#[test]
fn a_repository_over_ssh_is_followed_while_its_keys_are_rotated() {
    let guarded = Guarded::new("ssh");
    let server = SshServer::start(guarded.folder.path(), &[key(SshKeyKind::Ed25519), key(SshKeyKind::Ecdsa)]);
    let server = server.expect("a server");
    let (old, new) = (key(SshKeyKind::Ed25519), key(SshKeyKind::Rsa));
    server.allow(&old);
    let known = server.known_hosts();
    guarded.secret(
        json!({ "identity": old.encrypted("correct horse"), "password": "correct horse", "known_hosts": known }),
    );
    let first = guarded.push("1");
    guarded.follow(&server.url("shop"));
    guarded.site.wait_applied("app", &first);
    let since = guarded.ready()["lastTransitionTime"].clone();

    // A new key: the Secret first, then the server, as one does it.
    server.allow(&new);
    guarded.secret(json!({ "identity": new.identity(), "password": "", "known_hosts": known }));
    server.forbid(&old);
    let second = guarded.push("2");
    guarded.site.wait_applied("app", &second);
    assert_eq!(guarded.ready()["lastTransitionTime"], since, "it never stopped being ready");
    let login = server.logins().pop().expect("somebody logged in");
    assert!(login.algorithm.starts_with("rsa-sha2-"), "{login:?}");

    // Another host key: nothing is fetched until somebody says that it is right.
    server.set_host_keys(&[key(SshKeyKind::Ed25519)]);
    let third = guarded.push("3");
    let message = guarded.wait_failed("shows the host key");
    assert!(message.contains("ssh-keyscan -p") && message.contains("SHA256:"), "{message}");
    assert_eq!(guarded.site.get("configmap", "a").expect("it")["data"]["k"], "2");
    guarded.secret(json!({ "identity": new.identity(), "known_hosts": server.known_hosts() }));
    guarded.site.wait_applied("app", &third);

    let log = daemon::shared().log();
    for identity in [old.identity(), new.identity(), "x\ncorrect horse".to_owned()] {
        let secret = identity.lines().nth(1).expect("a second line");
        assert!(!log.contains(secret), "a secret is in the log");
    }
}

#[test]
fn a_repository_over_https_is_followed_while_its_token_is_rotated() {
    let guarded = Guarded::new("https");
    let authority = TlsAuthority::new("shop authority").expect("an authority");
    let stranger = TlsAuthority::new("another authority").expect("an authority");
    let access = Access::Bearer("t0ken-one".into());
    let server = HttpServer::start_tls(guarded.folder.path(), access, &authority, Certificate::Good);
    let server = server.expect("a server");
    let first = guarded.push("1");
    guarded.secret(json!({ "bearerToken": "t0ken-one", "ca.crt": stranger.pem() }));
    guarded.follow(&server.url("shop"));
    let message = guarded.wait_failed("is not trusted");
    assert!(message.contains("shop authority") && message.contains("ca.crt"), "{message}");
    assert_eq!(server.requests(), [], "no token was sent to a server that could be anybody");

    guarded.secret(json!({ "bearerToken": "t0ken-one", "ca.crt": authority.pem() }));
    guarded.site.wait_applied("app", &first);
    let since = guarded.ready()["lastTransitionTime"].clone();
    guarded.secret(json!({ "bearerToken": "t0ken-two", "ca.crt": authority.pem() }));
    server.set_access(Access::Bearer("t0ken-two".into()));
    let second = guarded.push("2");
    guarded.site.wait_applied("app", &second);
    assert_eq!(guarded.ready()["lastTransitionTime"], since, "it never stopped being ready");

    server.set_access(Access::Bearer("t0ken-three".into()));
    let message = guarded.wait_failed("refused the credentials");
    assert!(!message.contains("t0ken"), "{message}");
    assert!(!daemon::shared().log().contains("t0ken"), "a token is in the log");
}
