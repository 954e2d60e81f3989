//! Pull requests for reverts that wait on a branch, at a forge that takes down what it is asked.

use std::{collections::BTreeSet, fs};

use lab::{
    ControlPlane,
    git::{Asked, Fate, Forge, TlsAuthority},
};
use serde_json::{Value, json};
use system_tests::{
    daemon::{self, Daemon},
    schema,
    site::{Site, deployment},
    wait,
};

const TOKEN: &str = "hunter2-of-the-forge";

/// An environment that puts reverts onto a branch, with a forge for them, and what was pushed last.
struct Proposing {
    site: Site,
    forge: Forge,
    bad: Option<String>,
}

impl Proposing {
    /// Has it healthy; pull requests are opened as `wanted` says, which is merged into the rest, `secret` into the Secret.
    fn new(plane: &'static ControlPlane, name: &str, forge: Forge, wanted: Value, secret: Value) -> Self {
        let site = Site::new(plane, name);
        let mut data = json!({ "token": format!("{TOKEN}\n") });
        let mut requests =
            json!({ "secretRef": { "name": "forge" }, "url": format!("{}/api", forge.url()), "project": "team/envs" });
        for (all, more) in [(&mut data, secret), (&mut requests, wanted)] {
            for (key, value) in more.as_object().expect("a map") {
                all[key] = value.clone();
            }
        }
        site.apply(&json!({
            "apiVersion": "v1", "kind": "Secret", "stringData": data,
            "metadata": { "name": "forge", "namespace": site.namespace },
        }));
        site.follow(json!({ "pullRequests": requests, "records": "Notes", "timeout": "5s" }));
        let first = push(&site, "registry.example.com/web:1");
        site.environment("app", "app", json!({ "rollback": { "mode": "Branch", "failFast": { "after": "1s" } } }));
        site.wait_applied("app", &first);
        Self { site, forge, bad: None }
    }

    /// Has it broken; the daemon is the one that all tests share.
    fn broken(name: &str, forge: Forge, wanted: Value, secret: Value) -> Self {
        daemon::shared();
        let mut proposing = Self::new(lab::shared(), name, forge, wanted, secret);
        proposing.break_it();
        proposing
    }

    fn break_it(&mut self) {
        self.bad = Some(push(&self.site, "lab/broken:2"));
    }

    /// Waits until the pull request is as far as this, and returns the status.
    fn wait(&self, state: &str, words: &str) -> Value {
        wait::until(&format!("the pull request to be {state}: {words}"), || {
            let status = self.site.status("app");
            let reverting = &status["rollback"]["reverting"];
            let request = &reverting["pullRequest"];
            let message = request["message"].as_str().unwrap_or_default();
            if request["state"] == state && message.contains(words) {
                Ok(status)
            } else {
                Err(format!("{reverting:#}"))
            }
        })
    }

    /// Returns the branch that waits, once it is seen that it is pushed, takes back the commit, and says so.
    fn branch(&self, status: &Value) -> String {
        let reverting = &status["rollback"]["reverting"];
        assert_eq!(reverting["progress"], "Proposed", "{reverting:#}");
        let branch = reverting["branch"].as_str().expect("a branch").to_owned();
        assert!(branch.starts_with("plumb/revert-main-"), "{branch}");
        let message = reverting["message"].as_str().unwrap_or_default();
        assert_eq!(
            message,
            format!(
                "1 revert(s) wait on branch {branch} for somebody to merge them, since spec.rollback.mode is Branch"
            )
        );
        let revert = self.site.repository.branch(&branch).expect("the revert");
        let history = status["history"].as_array().cloned().unwrap_or_default();
        let marked = history.iter().find(|entry| entry["revision"]["commit"] == json!(self.bad)).cloned();
        assert_eq!(marked.unwrap_or_default()["rolledBackBy"], revert, "{history:#?}");
        branch
    }

    /// Returns the messages of the records of a kind on the commit that was rolled back, once there are some.
    fn records(&self, kind: &str) -> Vec<String> {
        let bad = self.bad.as_deref().expect("because it was broken");
        wait::until(&format!("records {kind}"), || {
            let shown = self.site.repository.git(&["log", "-1", "--notes=plumb/*", "--format=%N", bad]).expect("a log");
            let lines = shown.lines().filter(|line| line.starts_with('{'));
            let records = lines.map(schema::record);
            let message = |record: Value| record["message"].as_str().unwrap_or_default().to_owned();
            let found: Vec<String> = records.filter(|record| record["kind"] == kind).map(message).collect();
            if found.is_empty() { Err(shown) } else { Ok(found) }
        })
    }

    /// Checks that a request asks for this branch to be merged into main, and says why, in fields of these names besides its title:
    /// a forge passes over fields that it does not know, so there are no others.
    fn check_content(&self, asked: &Asked, [branch, base, text]: [&str; 3], expected: &str) {
        let content: Value = serde_json::from_str(&asked.content).expect("JSON");
        let names: BTreeSet<&str> = content.as_object().expect("a map").keys().map(String::as_str).collect();
        assert_eq!(names, BTreeSet::from(["title", branch, base, text]));
        assert_eq!((&content[branch], &content[base]), (&json!(expected), &json!("main")));
        let (title, text) = (content["title"].as_str().expect("a title"), content[text].as_str().expect("a text"));
        assert!(title.starts_with("Put ") && title.contains("/app back to "), "{title}");
        let bad = self.bad.as_deref().expect("because it was broken");
        for words in ["ImagePullBackOff", &bad[..7]] {
            assert!(text.contains(words), "{words}: {text}");
        }
    }

    /// Checks that an Event says this.
    fn check_event(&self, reason: &str, words: &str) {
        wait::until(&format!("an Event {reason}: {words}"), || {
            let events = self.site.kubectl(&["get", "events", "--output", "json"]).expect("Events");
            let events: Value = serde_json::from_str(&events).expect("JSON");
            let says = |event: &Value| event["message"].as_str().is_some_and(|message| message.contains(words));
            let events = events["items"].as_array().cloned().unwrap_or_default();
            let found = events.iter().any(|event| event["reason"] == reason && says(event));
            if found { Ok(()) } else { Err(format!("{events:#?}")) }
        });
    }

    /// Checks that the token is nowhere that anybody reads: not in resources, Events, notes, the log, or arguments.
    fn check_hidden(&self, daemon: &Daemon) {
        let kinds = "environments.plumb.dev,repositories.plumb.dev,events";
        let shown = self.site.kubectl(&["get", kinds, "--output", "yaml"]).expect("objects");
        let notes = self.site.repository.git(&["log", "--all", "--notes=plumb/*", "--format=%B%N"]).expect("a log");
        let processes = daemon.workers().into_iter().chain([daemon.id()]);
        let arguments = processes.map(|id| fs::read_to_string(format!("/proc/{id}/cmdline")).unwrap_or_default());
        let places = [shown, notes, daemon.log(), arguments.collect()];
        assert!(places.iter().all(|text| !text.is_empty()), "each of them says something");
        for text in places {
            assert!(!text.contains(TOKEN), "the token is shown: {text}");
        }
    }
}

fn push(site: &Site, image: &str) -> String {
    site.push(&[("app/web.yaml", &deployment("web", image, 1))], &format!("Use {image}"))
}

fn plain() -> Forge {
    Forge::start(None).expect("a forge")
}

fn refused(status: u16, content: &str) -> Fate {
    Fate::Refused(status, content.to_owned())
}

#[test]
fn the_push_counts_while_the_forge_is_down_and_the_pull_request_follows_once() {
    let forge = plain();
    (0..5).for_each(|_| forge.fate(refused(503, "<html>down</html>")));
    let proposing = Proposing::broken("pulls", forge, json!({ "provider": "Gitea" }), json!({}));
    let down = proposing.wait("Retried", "Gitea opened no pull request (503)");
    let branch = proposing.branch(&down);
    assert!(proposing.records("Reverted")[0].contains(&branch));
    let up = proposing.wait("Opened", "pull request https://git.example.com/pulls/7");
    assert_eq!(proposing.branch(&up), branch);
    let posts = proposing.forge.posts();
    assert_eq!(posts.len(), 6, "one more after each answer that promised nothing: {posts:#?}");
    for asked in &posts {
        assert_eq!(asked.line, "POST /api/repos/team/envs/pulls");
        assert_eq!(asked.tokens, [format!("authorization: token {TOKEN}")]);
        proposing.check_content(asked, ["head", "base", "body"], &branch);
    }
    assert_eq!(proposing.forge.opened(), [branch.as_str()]);
    let opened = format!("pull request https://git.example.com/pulls/7 for branch {branch}");
    assert_eq!(proposing.records("PullRequested"), [opened.as_str()]);
    let told = [format!("branch {branch} waits without a pull request: Gitea opened no pull request (503)")];
    assert_eq!(proposing.records("Refused"), told, "told once, however often it is tried");
    assert_eq!(proposing.records("Reverted").len(), 1);
    proposing.check_event("Refused", &told[0]);
    proposing.check_event("PullRequested", &opened);
    let ready = proposing.site.condition("app", "Ready").2;
    assert!(ready.contains("https://git.example.com/pulls/7"), "{ready}");
    proposing.check_hidden(daemon::shared());
}

#[test]
fn what_a_forge_refuses_is_said_with_what_helps_and_tried_again_when_a_person_has_helped() {
    let forge = plain();
    // Twice the token: once where it would be cut in two.
    let echo = format!(r#"{{"message":"{TOKEN} may not write: {}{TOKEN}"}}"#, ".".repeat(170));
    (0..3).for_each(|_| forge.fate(refused(403, &echo)));
    let proposing = Proposing::broken("pulls-refused", forge, json!({ "provider": "GitHub" }), json!({}));
    let status = proposing.wait("Stalled", "GitHub opened no pull request (403: … may not write");
    let branch = proposing.branch(&status);
    let message = status["rollback"]["reverting"]["pullRequest"]["message"].to_string();
    assert!(!message.contains("hunter"), "not even a part: {message}");
    proposing.check_event("Refused", "; give the token the right to do so");
    // It takes the fourth, which a person needn't wait for.
    wait::until("the pull request", || {
        proposing.site.sync("app");
        if proposing.forge.opened() == [branch.as_str()] {
            Ok(())
        } else {
            Err(format!("{:?}", proposing.forge.asked()))
        }
    });
    proposing.wait("Opened", "pull request https://git.example.com/pulls/7");
    let posts = proposing.forge.posts();
    assert_eq!(posts.len(), 4, "{posts:#?}");
    for asked in &posts {
        assert_eq!(asked.line, "POST /api/repos/team/envs/pulls");
        assert_eq!(asked.tokens, [format!("authorization: Bearer {TOKEN}")]);
        proposing.check_content(asked, ["head", "base", "body"], &branch);
    }
    proposing.check_hidden(daemon::shared());
}

#[test]
fn a_merge_request_that_somebody_else_has_opened_counts_over_tls_of_ones_own_authority() {
    let authority = TlsAuthority::new("Forge").expect("an authority");
    let forge = Forge::start(Some(&authority)).expect("a forge");
    forge.fate(refused(409, r#"{"message":["Another open merge request already exists for this source branch: !1"]}"#));
    let wanted = json!({ "provider": "GitLab" });
    let proposing = Proposing::broken("pulls-tls", forge, wanted, json!({ "ca.crt": authority.pem() }));
    let status = proposing.wait("Opened", "the merge request is there already");
    let branch = proposing.branch(&status);
    let asked = proposing.forge.asked();
    proposing.check_content(&asked[1], ["source_branch", "target_branch", "description"], &branch);
    let branch = branch.replace('/', "%2F");
    let at = "/api/projects/team%2Fenvs/merge_requests";
    let expected = [format!("GET {at}?state=all&source_branch={branch}&target_branch=main"), format!("POST {at}")];
    assert_eq!(asked.iter().map(|asked| asked.line.clone()).collect::<Vec<_>>(), expected);
    assert!(asked.iter().all(|asked| asked.tokens == [format!("private-token: {TOKEN}")]), "{asked:#?}");
    proposing.check_hidden(daemon::shared());
}

#[test]
fn a_server_that_nobody_vouches_for_never_sees_the_token() {
    let authority = TlsAuthority::new("Stranger").expect("an authority");
    let forge = Forge::start(Some(&authority)).expect("a forge");
    let proposing = Proposing::broken("pulls-stranger", forge, json!({ "provider": "GitHub" }), json!({}));
    let status = proposing.wait("Stalled", "is not trusted: ");
    assert!(status.to_string().contains("into the key ca.crt of the Secret that spec.pullRequests.secretRef names"));
    proposing.branch(&status);
    assert_eq!(proposing.forge.asked(), []);
}

#[test]
fn a_redirect_is_not_followed() {
    let (forge, elsewhere) = (plain(), plain());
    (0..9).for_each(|_| forge.fate(Fate::Redirected(format!("{}/api/repos/team/envs/pulls", elsewhere.url()))));
    let proposing = Proposing::broken("pulls-moved", forge, json!({ "provider": "Gitea" }), json!({}));
    let status = proposing.wait("Stalled", "(302); say its address in spec.pullRequests.url, no redirect is followed");
    proposing.branch(&status);
    assert_eq!(elsewhere.asked(), []);
}

#[test]
fn an_answer_that_is_late_or_too_long_is_none() {
    let forge = plain();
    forge.fate(Fate::Hangs);
    (0..2).for_each(|_| forge.fate(refused(200, &" ".repeat(2 << 20))));
    let proposing = Proposing::broken("pulls-late", forge, json!({ "provider": "Gitea" }), json!({}));
    proposing.wait("Retried", "did not answer within 5 s");
    let status = proposing.wait("Stalled", "answers with more than 1048576 bytes");
    let branch = proposing.branch(&status);
    proposing.wait("Opened", "pull request https://git.example.com/pulls/7");
    assert_eq!(proposing.forge.opened(), [branch]);
}

#[test]
fn one_whose_answer_was_lost_is_found() {
    let forge = plain();
    forge.fate(Fate::Lost);
    let proposing = Proposing::broken("pulls-lost", forge, json!({ "provider": "GitLab" }), json!({}));
    let status = proposing.wait("Opened", "merge request https://git.example.com/merge/7");
    assert_eq!(proposing.forge.opened(), [proposing.branch(&status)]);
    assert_eq!(proposing.forge.posts().len(), 1, "{:#?}", proposing.forge.asked());
}

/// Aborts plumb at the request, and starts it again.
#[track_caller]
fn check_crash(daemon: &mut Daemon, plane: &'static ControlPlane, moment: &str, opened: usize) {
    let forge = plain();
    let mut proposing = Proposing::new(plane, "pulls-crash", forge, json!({ "provider": "Gitea" }), json!({}));
    daemon.crash(moment, 1, &["/api/repos/team/envs/pulls"]);
    proposing.break_it();
    wait::until_equal("the crash", &true, || daemon.has_ended());
    assert!(daemon.log().contains("effect 1: POST "), "{}", daemon.log());
    assert_eq!(proposing.forge.opened().len(), opened, "{moment}: {:#?}", proposing.forge.asked());
    daemon.start_again();
    let status = proposing.wait("Opened", "pull request https://git.example.com/pulls/7");
    assert_eq!(proposing.forge.opened(), [proposing.branch(&status)], "{moment}");
    assert_eq!(proposing.forge.posts().len(), 1, "{moment}: {:#?}", proposing.forge.asked());
    for kind in ["Held", "Reverted", "PullRequested"] {
        assert_eq!(proposing.records(kind).len(), 1, "{moment}: {kind}");
    }
    proposing.check_hidden(daemon);
}

#[test]
fn killed_before_or_after_the_request_plumb_opens_one() {
    let plane = lab::own();
    let mut daemon = Daemon::start(plane);
    check_crash(&mut daemon, plane, "before", 0);
    check_crash(&mut daemon, plane, "after", 1);
}
