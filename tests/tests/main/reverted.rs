//! Reverts as Git and auditors see them: what they name, that each is recorded once, and who has to have signed them.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    process::{Command, Stdio},
};

use lab::{
    ControlPlane,
    git::{Behaviour, SigningKey, WorkingCopy},
};
use serde_json::{Value, json};
use system_tests::{
    daemon::{self, Daemon},
    site::{Site, deployment},
    wait,
};

use super::records::records;
use crate::served::Served;

const GOOD: &str = "registry.example.com/web:1";
const BAD: &str = "lab/broken:2";

/// Makes a site whose environment is healthy and reverts what breaks it; with a key everything that is pushed is signed. `more` is
/// merged into the Repository's spec. Returns the healthy commit.
fn site(plane: &'static ControlPlane, name: &str, key: Option<&SigningKey>, more: Value) -> (Site, String) {
    let mut site = Site::new(plane, name);
    if let Some(key) = key {
        site.copy.sign_with(Some(key));
        trust(&site, key);
    }
    site.follow(more);
    let first = push(&site, GOOD);
    site.environment("app", "app", json!({ "rollback": { "mode": "Revert", "failFast": { "after": "1s" } } }));
    site.wait_applied("app", &first);
    (site, first)
}

fn push(site: &Site, image: &str) -> String {
    site.push(&[("app/web.yaml", &deployment("web", image, 1))], &format!("Use {image}"))
}

/// Waits until the branch holds another commit than this one, and returns it.
fn moved_on(site: &Site, from: &str) -> String {
    wait::until("the branch to move", || {
        let tip = site.repository.branch("main").expect("a branch");
        let told = site.condition("app", "Ready");
        if tip == from { Err(format!("{told:?}")) } else { Ok(tip) }
    })
}

/// Waits until this many records are published, and nothing waits.
fn published(site: &Site, more_than: u64) -> u64 {
    wait::until("the records to be published", || {
        let records = site.status("app")["records"].clone();
        let waits = records.get("pending").is_some() || records.get("overflow").is_some();
        let next = records["next"].as_u64().filter(|next| !waits && *next > more_than);
        next.ok_or_else(|| format!("{records:#}"))
    })
}

/// Returns the records of this kind on a commit, once all are published.
fn of_kind(site: &Site, commit: &str, kind: &str) -> Vec<Value> {
    wait::until(&format!("a record {kind} on {commit}"), || {
        published(site, 1);
        let found: Vec<Value> = records(site, commit).into_iter().filter(|record| record["kind"] == kind).collect();
        if found.is_empty() { Err(format!("{:#}", site.status("app")["records"])) } else { Ok(found) }
    })
}

fn plumb(site: &Site, clone: &WorkingCopy, arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(lab::process::plumb());
    command.args(arguments).arg("--kubeconfig").arg(site.kubeconfig()).args(["--namespace", &site.namespace]);
    let output = command.current_dir(clone.path()).stdin(Stdio::null()).output().expect("plumb runs");
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.code(), said)
}

#[test]
fn what_a_commit_was_taken_back_by_is_recorded_on_it_and_anchors_the_records() {
    daemon::shared();
    let (site, first) = site(lab::shared(), "reverted", None, json!({ "records": "Notes" }));
    // The notes have a past that can be cut off.
    let before = published(&site, 1);
    site.kubectl(&["patch", "deployment", "web", "--type=merge", "--patch", r#"{"spec":{"replicas":3}}"#])
        .expect("a drift");
    published(&site, before);
    let bad = push(&site, BAD);
    let revert = moved_on(&site, &bad);
    site.wait_applied("app", &revert);
    let found = of_kind(&site, &bad, "Reverted");
    assert_eq!(found.len(), 1, "{found:#?}");
    assert_eq!((&found[0]["related"], &found[0]["commit"]), (&json!(revert), &json!(bad)));
    let message = format!("{}: reverted in Git by {} on main", &bad[..7], &revert[..7]);
    assert_eq!(found[0]["message"], json!(message), "{found:#?}");

    let clone = WorkingCopy::clone(&site.repository.url()).expect("a clone");
    clone.git(&["fetch", "-q", "--force", "origin", "refs/notes/plumb/*:refs/notes/plumb/*"]).expect("a fetch");
    let row = |json: &str, id: &dyn Fn(&Value) -> Value| {
        let rows: Vec<Value> = serde_json::from_str(json).unwrap_or_else(|error| panic!("{error}: {json}"));
        rows.into_iter().filter(|row| id(row) == bad).map(|row| row["rolledBackBy"].clone()).collect::<Vec<_>>()
    };
    let (_, from_notes) = plumb(&site, &clone, &["history", "app", "--repo", ".", "-o", "json"]);
    assert_eq!(row(&from_notes, &|row| row["commit"].clone()), [json!(revert)], "{from_notes}");
    let (_, from_status) = plumb(&site, &clone, &["history", "app", "-o", "json"]);
    let shown = row(&from_status, &|row| row["revision"]["commit"].clone());
    assert!(!shown.is_empty() && shown.iter().all(|by| *by == json!(revert)), "{from_status}");
    let (_, table) = plumb(&site, &clone, &["history", "app"]);
    let line = table.lines().find(|line| line.contains("RolledBack")).expect("a line");
    assert!(table.starts_with("COMMIT") && line.trim_end().ends_with(&revert[..7]), "{table}");

    // The trailer names the end of the notes as the rollback was decided: whoever cuts off more is found out.
    let message =
        clone.git(&["log", "-1", "--format=%(trailers:key=Plumb-Records,valueonly)", &revert]).expect("a log");
    let (reference, anchor) = message.trim().split_once(' ').expect("a ref and a commit");
    clone.git(&["merge-base", "--is-ancestor", anchor, reference]).expect("a commit of the notes");
    let (code, said) = plumb(&site, &clone, &["audit", "verify"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("although trailers Plumb-Records name them"), "nobody signed it: {said}");
    clone.git(&["update-ref", reference, &format!("{anchor}^")]).expect("an older link");
    let (code, said) = plumb(&site, &clone, &["audit", "verify"]);
    assert_eq!(code, Some(1), "{said}");
    let words = format!("Plumb-Records of commit {}", &revert[..7]);
    assert!(said.contains("Truncated") && said.contains(&words), "{said}");
    assert!(records(&site, &first).iter().any(|record| record["kind"] == "Restored"));
}

/// Returns the mirror of the only repository that a daemon follows.
fn mirror(daemon: &Daemon) -> PathBuf {
    let mut folders = vec![daemon.data()];
    while let Some(folder) = folders.pop() {
        if folder.join("HEAD").is_file() && folder.join("objects").is_dir() {
            return folder;
        }
        folders.extend(fs::read_dir(&folder).into_iter().flatten().flatten().map(|entry| entry.path()));
    }
    panic!("there is no mirror");
}

/// Has a plumb of its own killed while it pushes two reverts, and brings them to the branch when nobody is there to hear of it.
/// Returns the commits and the branch then.
fn killed_while_pushing(daemon: &mut Daemon, site: &Site) -> [String; 3] {
    published(site, 1);
    let lock = site.repository.path().join("refs/heads/main.lock");
    let (one, two) = (push(site, BAD), push(site, "lab/broken:3"));
    fs::write(&lock, "").expect("a lock");
    wait::until("the reverts to wait for the lock", || {
        let reverting = site.status("app")["rollback"]["reverting"].clone();
        let told = reverting["message"].as_str().unwrap_or_default();
        let tried = reverting["progress"] == "Begun" && told.starts_with("not reverted in Git yet");
        if tried { Ok(()) } else { Err(format!("{:#}", site.status("app"))) }
    });
    daemon.kill();
    fs::remove_file(&lock).expect("a lock");
    let mirror = mirror(daemon);
    let mirror = mirror.to_str().expect("a path in UTF-8");
    let dangling = site.repository.git(&["-C", mirror, "fsck", "--no-reflogs", "--no-progress"]).expect("a list");
    let tips: Vec<&str> = dangling.lines().filter_map(|line| line.strip_prefix("dangling commit ")).collect();
    let is_revert = |tip: &&&str| {
        let shown = site.repository.git(&["-C", mirror, "log", "-1", "--format=%B", tip]).expect("a message");
        shown.contains("Plumb-Environment")
    };
    let tip = (*tips.iter().find(is_revert).expect("the reverts")).to_owned();
    let target = format!("{tip}:refs/heads/main");
    site.repository.git(&["-C", mirror, "push", "-q", &site.repository.url(), &target]).expect("a push");
    [one, two, tip]
}

/// Waits until each of both is recorded once as taken back, by what is on the branch.
fn is_recorded(site: &Site, [one, two, tip]: [&String; 3]) {
    let newest = site.repository.git(&["rev-parse", &format!("{tip}^")]).expect("a commit");
    for (commit, by) in [(one, tip), (two, &newest)] {
        let found = of_kind(site, commit, "Reverted");
        assert_eq!(found.len(), 1, "{found:#?}");
        assert_eq!(found[0]["related"], json!(by));
    }
    assert_eq!(of_kind(site, tip, "Released").len(), 1);
    assert_eq!(site.repository.branch("main").expect("a branch"), *tip, "nothing more was pushed");
}

#[test]
fn killed_after_the_push_a_revert_is_recorded_once_when_plumb_is_back() {
    let plane = lab::own();
    let mut daemon = Daemon::start_with(plane, &["--cluster-name", "lab"]);
    let (site, _) = site(plane, "reverted-killed", None, json!({ "records": "Notes" }));
    let [one, two, tip] = killed_while_pushing(&mut daemon, &site);
    daemon.start_again();
    site.wait_applied("app", &tip);
    is_recorded(&site, [&one, &two, &tip]);
}

#[test]
fn reverts_that_arrived_are_recorded_although_nobody_wants_rollbacks_any_more() {
    let plane = lab::own();
    let mut daemon = Daemon::start_with(plane, &["--cluster-name", "lab"]);
    let (site, _) = site(plane, "reverted-unwanted", None, json!({ "records": "Notes" }));
    let [one, two, tip] = killed_while_pushing(&mut daemon, &site);
    let none = json!({ "spec": { "rollback": { "mode": "None" } } });
    site.kubectl(&["patch", "environments.plumb.dev", "app", "--type=merge", "--patch", &none.to_string()])
        .expect("a patch");
    daemon.start_again();
    site.wait_applied("app", &tip);
    is_recorded(&site, [&one, &two, &tip]);
    assert!(site.status("app")["rollback"]["pushes"].is_array(), "what was pushed of late still counts");
}

/// Waits until what becomes of a rollback in Git is this for a state of the branch.
fn told(site: &Site, head: &str, progress: &str) -> Value {
    wait::until(&format!("{head} to be {progress}"), || {
        let reverting = site.status("app")["rollback"]["reverting"].clone();
        let met = reverting["head"] == head && reverting["progress"] == progress;
        if met { Ok(reverting) } else { Err(format!("{:#}", site.status("app")["rollback"])) }
    })
}

#[test]
fn what_was_never_pushed_does_not_count_as_a_push() {
    daemon::shared();
    let commit = json!({ "author": "plumb <plumb@example.com>", "signingSecretRef": { "name": "signing" } });
    let (site, _) = site(lab::shared(), "reverted-unsent", None, json!({ "commit": commit }));
    let bad = push(&site, BAD);
    let message = told(&site, &bad, "Hindered")["message"].clone();
    assert!(message.as_str().unwrap_or_default().contains("that spec.commit.signingSecretRef names"), "{message}");
    // People go on meanwhile, more often than reverts may be pushed.
    let mut head = bad;
    for number in 0..3 {
        head = site.push(&[("readme.md", &format!("{number}\n"))], "Beside the path");
        told(&site, &head, "Hindered");
        // Between one try and the next, nothing counts.
        wait::until_equal("nothing to count", &Value::Null, || site.status("app")["rollback"]["pushes"].clone());
    }
    // The next try finds the key; a person is not to be faster then.
    trust(&site, &SigningKey::ed25519().expect("a key"));
    let revert = moved_on(&site, &head);
    site.wait_applied("app", &revert);
    let counted = site.status("app")["rollback"]["pushes"].clone();
    assert_eq!((&counted[0]["head"], &counted[1]), (&json!(head), &Value::Null), "{counted}");
}

#[test]
fn what_was_left_to_a_person_is_tried_again_when_asked_for_and_told_once() {
    daemon::shared();
    let (site, _) = site(lab::shared(), "reverted-sync", None, json!({}));
    // plumb pushes to no local repository that has a hook, since it runs none.
    let hook = site.repository.path().join("hooks/update");
    fs::write(&hook, "#!/bin/sh\nexit 0\n").expect("a hook");
    fs::set_permissions(&hook, fs::Permissions::from_mode(0o755)).expect("a hook that runs");
    let bad = push(&site, BAD);
    let stalled = told(&site, &bad, "Stalled");
    let refusals = || {
        let list = ["get", "events", "--field-selector", "involvedObject.name=app,reason=Refused", "--output", "json"];
        let list: Value = serde_json::from_str(&site.kubectl(&list).expect("Events")).expect("JSON");
        list["items"].as_array().expect("a list").len()
    };
    wait::until_equal("the refusal to be told", &1, refusals);

    let clone = WorkingCopy::clone(&site.repository.url()).expect("a clone");
    let handled = || site.status("app")["handled"].clone();
    let before = handled();
    plumb(&site, &clone, &["sync", "app"]);
    wait::until("the request to be handled", || if handled() == before { Err(before.to_string()) } else { Ok(()) });
    assert_eq!(told(&site, &bad, "Stalled"), stalled);
    assert_eq!(refusals(), 1);
    fs::remove_file(&hook).expect("a hook");
    plumb(&site, &clone, &["sync", "app"]);
    let revert = moved_on(&site, &bad);
    site.wait_applied("app", &revert);
    assert_eq!(refusals(), 1);
}

/// Makes the Secrets with a key, and with the trust in what the tests and plumb sign with it.
fn trust(site: &Site, key: &SigningKey) {
    let identity = fs::read_to_string(key.path()).expect("a key file");
    let public = key.public().expect("its public half");
    let allowed = format!("lab@example.com {public}\nplumb@example.com {public}\n");
    for (name, data) in
        [("signing", json!({ "identity": identity })), ("trusted-keys", json!({ "allowed_signers": allowed }))]
    {
        site.apply(&json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": { "name": name, "namespace": site.namespace },
            "stringData": data,
        }));
    }
}

#[test]
fn under_verify_a_signed_revert_is_trusted_and_applied() {
    daemon::shared();
    let key = SigningKey::ed25519().expect("a key");
    let commit = json!({ "author": "plumb <plumb@example.com>", "signingSecretRef": { "name": "signing" } });
    let verify = json!({ "mode": "EachCommit", "secretRef": { "name": "trusted-keys" } });
    let (site, _) = site(lab::shared(), "reverted-signed", Some(&key), json!({ "commit": commit, "verify": verify }));
    let bad = push(&site, BAD);
    let revert = moved_on(&site, &bad);
    site.wait_applied("app", &revert);
    let signer = site.get("repositories.plumb.dev", "repo").expect("it")["status"]["revision"]["signer"].clone();
    assert!(signer.as_str().unwrap_or_default().starts_with("plumb@example.com (SHA256:"), "{signer}");
}

#[test]
fn under_verify_a_revert_that_would_not_be_trusted_is_not_pushed_and_says_what_to_do() {
    daemon::shared();
    let key = SigningKey::ed25519().expect("a key");
    let verify = json!({ "mode": "Head", "secretRef": { "name": "trusted-keys" } });
    let more = json!({ "verify": verify, "records": "Notes" });
    let (site, first) = site(lab::shared(), "reverted-unsigned", Some(&key), more);
    let bad = push(&site, BAD);
    let reverting = wait::until("the revert to be left to a person", || {
        let reverting = site.status("app")["rollback"]["reverting"].clone();
        if reverting["progress"] == "Stalled" { Ok(reverting) } else { Err(format!("{:#}", site.status("app"))) }
    });
    let message = reverting["message"].as_str().unwrap_or_default();
    for words in ["the revert would not be trusted", "it is not signed", "to do it by hand: git fetch origin", &first] {
        assert!(message.contains(words), "{words:?} is missing: {message}");
    }
    assert_eq!(site.repository.branch("main").expect("a branch"), bad, "nothing was pushed");
    assert_eq!(site.condition("app", "Stalled").0, "True");
    let (_, reason, message) = site.condition("app", "Ready");
    assert_eq!(reason, "RolledBack", "{message}");
    assert!(message.contains("the revert would not be trusted"), "{message}");
    // Whatever else comes onto the branch, it is tried again in vain, and that is no news.
    for text in ["One.", "Two."] {
        let newest = site.push(&[("readme.md", text)], text);
        wait::until("the revert to be left to a person again", || {
            let reverting = site.status("app")["rollback"]["reverting"].clone();
            let again = reverting["progress"] == "Stalled" && reverting["head"] == newest;
            if again { Ok(()) } else { Err(format!("{reverting:#}")) }
        });
    }
    let refused = of_kind(&site, &bad, "Refused");
    assert_eq!(refused.len(), 1, "{refused:#?}");
    wait::until_equal("the healthy image", &json!(GOOD), || {
        let web = site.get("deployment", "web").unwrap_or_default();
        web["spec"]["template"]["spec"]["containers"][0]["image"].clone()
    });
    // Whoever names a key need do nothing else.
    let commit = json!({ "author": "plumb <plumb@example.com>", "signingSecretRef": { "name": "signing" } });
    let newest = site.repository.branch("main").expect("a branch");
    site.follow(json!({ "commit": commit, "verify": verify }));
    let revert = moved_on(&site, &newest);
    site.wait_applied("app", &revert);
}

#[test]
fn a_person_rolls_back_by_hand_after_a_look_at_what_would_happen() {
    daemon::shared();
    let (site, first) = site(lab::shared(), "reverted-by-hand", None, json!({ "records": "Notes" }));
    let clone = WorkingCopy::clone(&site.repository.url()).expect("a clone");
    let rollback = |more: &[&str]| plumb(&site, &clone, &[&["rollback", "app"], more].concat());
    let (code, said) = rollback(&[]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("has nothing healthy to go back to") && said.contains("--to"), "{said}");

    let second = push(&site, "registry.example.com/web:2");
    site.wait_applied("app", &second);
    let aside = clone.commit(&[("readme.md", "Nothing.")], "Aside").expect("a commit that is nowhere else");
    for (target, why) in
        [(&second, "has the content of"), (&aside, "is none of the commits that led to the newest one")]
    {
        let (code, said) = rollback(&["--to", target]);
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains("is not rolled back") && said.contains(why), "{said}");
    }
    let (code, said) = rollback(&["--dry-run"]);
    assert_eq!(code, Some(0), "{said}");
    let back = format!("app would go back to {} \"Use {GOOD}\" by Lab <lab@example.com>", &first[..7]);
    let reverts = format!("in Git: 1 commit(s) reverted on main, newest first:\n  {} \"Use ", &second[..7]);
    for words in
        [&back, &reverts, "-      - image: registry.example.com/web:2", "+      - image: registry.example.com/web:1"]
    {
        assert!(said.contains(words), "{words:?} is missing: {said}");
    }
    assert_eq!(site.repository.branch("main").expect("a branch"), second, "it was only shown");
    assert!(site.status("app")["rollback"]["held"].is_null());

    let (code, said) = rollback(&["--to", &first[..7], "--reason", "the checkout is slow"]);
    assert_eq!(code, Some(0), "{said}");
    let revert = moved_on(&site, &second);
    site.wait_applied("app", &revert);
    let message = site.repository.git(&["log", "-1", "--format=%B", &revert]).expect("a log");
    let held = of_kind(&site, &second, "Held").remove(0);
    let who = held["who"].as_str().expect("a user");
    assert!(message.contains(&format!("Plumb-Reason: rolled back by {who}: the checkout is slow\n")), "{message}");
    let reverted = of_kind(&site, &second, "Reverted").remove(0);
    assert_eq!((&reverted["who"], &reverted["related"]), (&json!(who), &json!(revert)));

    // Nothing is written for an environment that a person has stopped, whoever asks the daemon.
    site.copy.git(&["pull", "--quiet"]).expect("the reverts");
    let third = push(&site, "registry.example.com/web:3");
    site.wait_applied("app", &third);
    let (_, said) = plumb(&site, &clone, &["suspend", "app"]);
    assert!(said.contains("suspended"), "{said}");
    let (code, said) = rollback(&["--to", &first]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("it is suspended"), "{said}");
    let request = json!({ "id": "by-hand", "user": "ann", "commit": first });
    site.kubectl(&[
        "annotate",
        "environments.plumb.dev",
        "app",
        "--overwrite",
        &format!("plumb.dev/rollback={request}"),
    ])
    .expect("a request");
    let refused = wait::until("the request to be refused", || {
        let refused = site.status("app")["rollback"]["refused"].clone();
        if refused["id"] == "by-hand" { Ok(refused) } else { Err(format!("{:#}", site.status("app"))) }
    });
    assert!(refused["message"].as_str().unwrap_or_default().contains("it is suspended"), "{refused}");
    assert!(site.status("app")["rollback"]["held"].is_null());
    assert_eq!(of_kind(&site, &third, "Refused").remove(0)["who"], "ann");
}

#[test]
fn who_wants_no_rollback_ends_a_push_under_way_and_nothing_is_taken_back() {
    let served = Served::new("reverted-asked", None);
    served.repository(json!({ "records": "Notes", "timeout": "5m" }));
    let push = |image: &str| {
        let files = [("app/web.yaml", &*deployment("web", image, 1))];
        served.copy.commit_and_push(&files, &format!("Use {image}")).expect("a push")
    };
    let first = push(GOOD);
    served.site.environment("app", "app", json!({ "rollback": { "mode": "Revert", "failFast": { "after": "2s" } } }));
    served.site.wait_applied("app", &first);
    let bad = push(BAD);
    wait::until_equal("the commit to be tried", &json!(bad), || {
        served.site.status("app")["lastAttempted"]["commit"].clone()
    });
    served.server.set(Behaviour::Hang).expect("a server that hangs");
    wait::until_equal("the push to begin", &json!("Begun"), || {
        served.site.status("app")["rollback"]["reverting"]["progress"].clone()
    });
    // Far sooner than the push would end by itself.
    served.site.environment("app", "app", json!({ "rollback": { "mode": "None" } }));
    wait::until("the push to be ended", || {
        let told = served.site.status("app")["rollback"]["reverting"]["message"].clone();
        let ended = told.as_str().unwrap_or_default().contains("the push was ended");
        if ended { Ok(()) } else { Err(format!("{:#}", served.site.status("app"))) }
    });
    assert!(
        served.site.status("app")["rollback"]["held"].is_object(),
        "it may have arrived: the branch is asked first"
    );
    served.server.set(Behaviour::Serve).expect("a server that answers");
    served.repository(json!({ "records": "Notes", "timeout": "10s" }));
    wait::until("the commit to be in force again", || {
        let status = served.site.status("app");
        let free = status["lastAttempted"]["commit"] == bad && status["rollback"]["held"].is_null();
        if free { Ok(()) } else { Err(format!("{status:#}")) }
    });
    assert_eq!(served.bare.branch("main").expect("a branch"), bad, "nothing was taken back");
}
