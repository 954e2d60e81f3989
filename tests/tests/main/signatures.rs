//! Only what a trusted key has signed is applied; keys are rotated, revoked and broken while plumb runs.

use lab::{
    ControlPlane,
    git::{SigningKey, WorkingCopy},
};
use serde_json::{Value, json};
use system_tests::{
    daemon::{self, Daemon},
    site::{Site, config_map},
    wait,
};

const EMAIL: &str = "lab@example.com";

/// A site whose Repository takes signed commits only.
struct Signed {
    site: Site,
    key: SigningKey,
}

impl Signed {
    /// Makes the site; the first commit is signed and applied.
    fn new(plane: &'static ControlPlane, name: &str, mode: &str) -> (Self, String) {
        let mut site = Site::new(plane, name);
        let key = SigningKey::ed25519().expect("a key");
        site.copy.sign_with(Some(&key));
        let signed = Self { site, key };
        signed.trust(&json!({ "allowed_signers": signed.line() }));
        signed.verify(&json!({ "mode": mode, "secretRef": { "name": "trusted-keys" } }));
        let first = signed.push("1");
        signed.site.environment("app", "app", json!({}));
        signed.site.wait_applied("app", &first);
        signed.wait("Fetched", &first[..7]);
        (signed, first)
    }

    /// Returns the line of `allowed_signers` that trusts the key.
    fn line(&self) -> String {
        format!("{EMAIL} {}\n", self.key.public().expect("a public key"))
    }

    fn trust(&self, data: &Value) {
        self.site.apply(&json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": { "name": "trusted-keys", "namespace": self.site.namespace },
            "stringData": data,
        }));
    }

    fn verify(&self, verify: &Value) {
        self.site.apply(&json!({
            "apiVersion": "plumb.dev/v1alpha1",
            "kind": "Repository",
            "metadata": { "name": "repo", "namespace": self.site.namespace },
            "spec": { "url": self.site.repository.url(), "interval": "5s", "verify": verify },
        }));
    }

    fn sign(&mut self) {
        self.site.copy.sign_with(Some(&self.key));
    }

    fn sign_nothing(&mut self) {
        self.site.copy.sign_with(None);
    }

    fn push(&self, value: &str) -> String {
        self.site.push(&[("app/a.yaml", &config_map("a", "k", value))], &format!("Set {value}"))
    }

    fn status(&self) -> Value {
        self.site.get("repositories.plumb.dev", "repo").unwrap_or_default()["status"].clone()
    }

    /// Waits until the Repository gives this reason and its message holds the text; returns the message.
    fn wait(&self, reason: &str, text: &str) -> String {
        wait::until(&format!("the repository to say {reason}: {text}"), || {
            let condition = self.status()["conditions"][0].clone();
            let message = condition["message"].as_str().unwrap_or_default().to_owned();
            if condition["reason"] == reason && message.contains(text) {
                Ok(message)
            } else {
                Err(condition.to_string())
            }
        })
    }

    fn value(&self) -> Value {
        self.site.get("configmap", "a").unwrap_or_default()["data"]["k"].clone()
    }

    /// Changes the object by hand, and expects it to be put back.
    fn expect_correction(&self, expected: &str) {
        let patch = r#"{"data":{"k":"by hand"}}"#;
        self.site.kubectl(&["patch", "configmap", "a", "--type=merge", "--patch", patch]).expect("a patch");
        wait::until_equal("the drift to be put back", &json!(expected), || self.value());
    }
}

#[test]
fn an_unsigned_commit_is_not_applied_and_the_last_good_one_stays_also_after_a_restart() {
    let plane = lab::own();
    let mut daemon = Daemon::start(plane);
    let (mut signed, first) = Signed::new(plane, "signed", "Head");
    let signer = signed.status()["revision"]["signer"].as_str().unwrap_or_default().to_owned();
    assert!(signer.starts_with("lab@example.com (SHA256:"), "{signer}");

    signed.sign_nothing();
    let unsigned = signed.push("2");
    let message = signed.wait("UntrustedCommit", &unsigned[..7]);
    for part in ["Lab <lab@example.com>", "\"Set 2\"", "it is not signed", "git commit", &first[..7]] {
        assert!(message.contains(part), "{part:?} is missing: {message}");
    }
    assert_eq!(signed.status()["revision"]["commit"], json!(first));
    signed.expect_correction("1");
    assert_eq!(signed.site.condition("app", "Ready").0, "True", "the environment is as the last good commit says");
    wait::until("an Event to say so", || {
        let events = signed.site.kubectl(&["get", "events", "--output", "json"]).expect("events");
        if events.contains("\"Untrusted\"") && events.contains(&unsigned[..7]) { Ok(()) } else { Err(events) }
    });
    assert!(daemon.metrics().contains("plumb_records_total{kind=\"Untrusted\"} 1"), "{}", daemon.metrics());

    daemon.kill();
    signed.site.kubectl(&["delete", "configmap", "a"]).expect("a deletion");
    daemon.start_again();
    wait::until_equal("the object to be back as it was", &json!("1"), || signed.value());
    signed.wait("UntrustedCommit", &unsigned[..7]);
    assert_eq!(signed.status()["revision"]["commit"], json!(first));

    signed.sign();
    let healed = signed.push("3");
    signed.site.wait_applied("app", &healed);
    signed.wait("Fetched", &healed[..7]);
    assert_eq!(signed.value(), json!("3"));
}

#[test]
fn a_commit_that_was_changed_or_is_signed_by_somebody_else_is_not_applied() {
    daemon::shared();
    let (mut signed, _) = Signed::new(lab::shared(), "somebody", "Head");
    let stranger = SigningKey::ed25519().expect("a key");
    signed.site.copy.sign_with(Some(&stranger));
    signed.push("2");
    signed.wait("UntrustedCommit", "not among the trusted keys");

    // The right key under another name.
    let mut copy = WorkingCopy::clone(&signed.site.repository.url()).expect("a copy").author("Eve", "eve@example.com");
    copy.sign_with(Some(&signed.key));
    copy.commit_and_push(&[("app/a.yaml", &config_map("a", "k", "3"))], "By Eve").expect("a push");
    signed.wait("UntrustedCommit", "not trusted for eve@example.com");

    // A good signature on other content.
    signed.site.copy.pull().expect("a pull");
    signed.sign();
    signed.site.copy.commit(&[("app/a.yaml", &config_map("a", "k", "4"))], "Four").expect("a commit");
    let raw = signed.site.copy.git(&["cat-file", "commit", "HEAD"]).expect("a commit");
    let file = signed.site.copy.path().join(".git/forged");
    std::fs::write(&file, raw.replace("\n\nFour", "\n\nFive") + "\n").expect("a file");
    let forged = signed.site.copy.git(&["hash-object", "-t", "commit", "-w", ".git/forged"]).expect("a commit");
    signed.site.copy.git(&["push", "--quiet", "origin", &format!("{forged}:refs/heads/main")]).expect("a push");
    signed.wait("UntrustedCommit", "does not fit its content");
    assert_eq!(signed.value(), json!("1"));
}

#[test]
fn with_each_commit_nothing_unsigned_comes_in_below_a_signed_one() {
    daemon::shared();
    let (mut signed, first) = Signed::new(lab::shared(), "each", "EachCommit");
    signed.sign_nothing();
    let unsigned =
        signed.site.copy.commit(&[("app/a.yaml", &config_map("a", "k", "2"))], "Unsigned").expect("a commit");
    signed.sign();
    let head = signed.push("3");
    let message = signed.wait("UntrustedCommit", &unsigned[..7]);
    assert!(message.contains(&head[..7]) && message.contains("brings with it"), "{message}");
    assert_eq!(signed.value(), json!("1"));

    // Of a merged branch, too.
    signed.site.copy.reset(&first).expect("a reset");
    signed.site.copy.branch("side").expect("a branch");
    signed.sign_nothing();
    let side = signed.site.copy.commit(&[("app/b.yaml", &config_map("b", "k", "1"))], "Beside").expect("a commit");
    signed.sign();
    signed.site.copy.switch("main").expect("the branch");
    signed.site.copy.git(&["merge", "--quiet", "--no-ff", "-m", "Merge", "side"]).expect("a merge");
    signed.site.copy.force_push().expect("a push");
    signed.wait("UntrustedCommit", &side[..7]);
    assert!(signed.site.get("configmap", "b").is_none());

    // Signed all the way, it is applied; each step is a commit of its own.
    signed.site.copy.reset(&first).expect("a reset");
    signed.site.copy.commit(&[("app/a.yaml", &config_map("a", "k", "4"))], "Four").expect("a commit");
    signed.site.copy.commit(&[("app/a.yaml", &config_map("a", "k", "5"))], "Five").expect("a commit");
    signed.site.copy.force_push().expect("a push");
    let good = signed.site.copy.head().expect("a head");
    signed.site.wait_applied("app", &good);

    // Where only the head counts, what it brings with it does not.
    signed.sign_nothing();
    signed.site.copy.commit(&[("app/a.yaml", &config_map("a", "k", "6"))], "Unsigned").expect("a commit");
    signed.sign();
    let head = signed.push("7");
    signed.wait("UntrustedCommit", "not signed");
    signed.verify(&json!({ "mode": "Head", "secretRef": { "name": "trusted-keys" } }));
    signed.site.wait_applied("app", &head);
}

#[test]
fn keys_that_are_rotated_revoked_or_broken_are_noticed_at_once() {
    daemon::shared();
    let (mut signed, first) = Signed::new(lab::shared(), "keys", "Head");
    let newer = SigningKey::ed25519().expect("a key");
    signed.site.copy.sign_with(Some(&newer));
    let second = signed.push("2");
    signed.wait("UntrustedCommit", &second[..7]);
    let both = format!("{}{EMAIL} {}\n", signed.line(), newer.public().expect("a public key"));
    signed.trust(&json!({ "allowed_signers": both }));
    signed.site.wait_applied("app", &second);

    // A Secret that can't be read: nothing new is trusted, and what is applied stays.
    signed.trust(&json!({ "allowed_signers": format!("{both}{EMAIL} ssh-ed25519 nonsense\n") }));
    let message = signed.wait("TrustedKeysInvalid", "allowed_signers line 3");
    assert!(message.contains("trusted-keys"), "{message}");
    let third = signed.push("3");
    signed.expect_correction("2");
    signed.trust(&json!({ "allowed_signers": both }));
    signed.site.wait_applied("app", &third);

    // A revoked key takes back what it has signed: the cluster stays, and nothing is put back.
    let revoked = newer.public().expect("a public key");
    signed.trust(&json!({ "allowed_signers": both, "revoked_keys": revoked }));
    let message = signed.wait("UntrustedCommit", "revoked");
    assert!(message.contains("nothing is corrected"), "{message}");
    let message = signed.site.wait_reason("app", "SourceNotReady");
    assert!(message.contains("revoked"), "{message}");
    assert_eq!(signed.value(), json!("3"));
    let patch = r#"{"data":{"k":"by hand"}}"#;
    signed.site.kubectl(&["patch", "configmap", "a", "--type=merge", "--patch", patch]).expect("a patch");

    signed.sign();
    let healed = signed.push("4");
    signed.site.wait_applied("app", &healed);
    assert_eq!(signed.value(), json!("4"));
    assert_ne!(healed, first);
}

#[test]
fn without_its_keys_nothing_is_trusted_and_rules_that_are_added_count_from_then_on() {
    daemon::shared();
    let site = Site::new(lab::shared(), "added");
    let mut signed = Signed { site, key: SigningKey::ed25519().expect("a key") };
    signed.site.copy.commit(&[("other/b.yaml", &config_map("b", "k", "1"))], "Another").expect("a commit");
    let unsigned = signed.push("1");
    signed.site.environment("app", "app", json!({}));
    signed.site.wait_applied("app", &unsigned);
    signed.verify(&json!({ "secretRef": { "name": "trusted-keys" } }));
    let message = signed.wait("TrustedKeysInvalid", "does not exist");
    assert!(message.contains("allowed_signers"), "{message}");
    signed.trust(&json!({ "allowed_signers": signed.line() }));
    signed.wait("UntrustedCommit", "it is not signed");
    assert_eq!(signed.value(), json!("1"), "what was applied before stays");
    // Nothing new is made from it.
    signed.site.environment("second", "other", json!({}));
    signed.site.wait_reason("second", "SourceNotReady");
    assert!(signed.site.get("configmap", "b").is_none());
    signed.sign();
    let good = signed.push("2");
    signed.site.wait_applied("app", &good);
    signed.site.wait_applied("second", &good);
}

#[test]
fn a_commit_that_stays_in_force_until_a_newer_one_may_begin_is_judged_anew() {
    daemon::shared();
    let (mut signed, _) = Signed::new(lab::shared(), "kept", "Head");
    let leaver = SigningKey::ed25519().expect("a key");
    signed.site.copy.sign_with(Some(&leaver));
    let both = format!("{}{EMAIL} {}\n", signed.line(), leaver.public().expect("a public key"));
    signed.trust(&json!({ "allowed_signers": both }));
    let by_leaver = signed.push("2");
    signed.site.wait_applied("app", &by_leaver);
    let closed = json!([{ "schedule": "0 0 29 2 *", "duration": "1m", "timeZone": "Europe/Berlin" }]);
    signed.site.environment("app", "app", json!({ "sync": { "windows": closed } }));
    signed.sign();
    let waiting = signed.push("3");
    signed.site.wait_reason("app", "WindowClosed");
    signed.wait("Fetched", &waiting[..7]);
    signed.expect_correction("2");

    // The commit that waits is trusted; the one that is kept until then no longer is.
    signed.trust(&json!({ "allowed_signers": both, "revoked_keys": leaver.public().expect("a public key") }));
    let message = signed.site.wait_reason("app", "SourceNotReady");
    for part in [&by_leaver[..7], "revoked", &waiting[..7], "nothing is corrected"] {
        assert!(message.contains(part), "{part:?} is missing: {message}");
    }
    signed.wait("Fetched", &waiting[..7]);
    let patch = r#"{"data":{"k":"by hand"}}"#;
    signed.site.kubectl(&["patch", "configmap", "a", "--type=merge", "--patch", patch]).expect("a patch");
    signed.site.sync("app");
    assert_eq!(signed.value(), json!("by hand"));

    signed.trust(&json!({ "allowed_signers": both, "revoked_keys": "" }));
    wait::until_equal("the drift to be put back", &json!("2"), || signed.value());
    signed.site.wait_reason("app", "WindowClosed");
}
