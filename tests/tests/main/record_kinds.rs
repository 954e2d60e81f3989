//! Every kind of record comes out of a real plumb, as a note on the commit that it is about.

use std::collections::{BTreeMap, BTreeSet};

use plumb_core::record::RecordKind;
use serde_json::{Value, json};
use system_tests::{
    canary::plumb,
    daemon, schema,
    site::{Site, config_map, deployment},
    wait,
};

use super::records::{check_gapless, notes_ref, site, wait_published};

/// What people and commits do to objects.
const OF_OBJECTS: [RecordKind; 15] = [
    RecordKind::Applied,
    RecordKind::Failed,
    RecordKind::Refused,
    RecordKind::Blocked,
    RecordKind::Pruned,
    RecordKind::Adopted,
    RecordKind::HandedOver,
    RecordKind::DriftFound,
    RecordKind::DriftCorrected,
    RecordKind::Contended,
    RecordKind::Allowed,
    RecordKind::Suspended,
    RecordKind::Resumed,
    RecordKind::LetGo,
    RecordKind::Replaced,
];
/// What comes of health.
const OF_HEALTH: [RecordKind; 6] = [
    RecordKind::Superseded,
    RecordKind::HealthLost,
    RecordKind::Held,
    RecordKind::Restored,
    RecordKind::Reverted,
    RecordKind::Released,
];
/// What other tests show: a backlog that is full (`records`), a forge (`pull_requests`), a commit that nobody trusts (`signatures`)
/// and a history that was rewritten (`unpublished`), the last two about no Environment, so in no note.
const ELSEWHERE: [RecordKind; 4] =
    [RecordKind::RolledUp, RecordKind::PullRequested, RecordKind::Untrusted, RecordKind::NotesRewritten];

#[test]
fn every_kind_is_shown_by_a_test() {
    let shown: Vec<RecordKind> = [&OF_OBJECTS[..], &OF_HEALTH, &ELSEWHERE].concat();
    assert_eq!(shown.iter().copied().collect::<BTreeSet<_>>(), RecordKind::ALL.into_iter().collect());
    assert_eq!(shown.len(), RecordKind::ALL.len());
}

/// Returns the records of an environment in all notes of a site, on the commits that carry them; each keeps to the schema.
fn noted(site: &Site, environment: &str) -> BTreeMap<String, Vec<Value>> {
    let format = "--format=%x00%H%n%N";
    let shown = site.repository.git(&["log", "--all", "--notes=plumb/*", format]).expect("a log");
    let commits = shown.split('\0').filter_map(|part| part.split_once('\n'));
    let records = |notes: &str| -> Vec<Value> {
        let lines = notes.lines().filter(|line| line.starts_with('{'));
        lines.map(schema::record).filter(|record| record["environment"]["name"] == environment).collect()
    };
    commits.map(|(commit, notes)| (commit.to_owned(), records(notes))).collect()
}

/// Waits until notes hold a record of this kind of an environment, and returns it.
fn wait_noted(site: &Site, environment: &str, kind: RecordKind) -> Value {
    wait::until(&format!("a record {} of {environment}", kind.label()), || {
        let noted = noted(site, environment);
        let mut all = noted.values().flatten();
        let found = all.find(|record| record["kind"] == kind.label()).cloned();
        found.ok_or_else(|| {
            let kinds: Vec<_> = noted.values().flatten().map(|record| record["kind"].to_string()).collect();
            format!("{}; {:#}", kinds.join(" "), site.status(environment))
        })
    })
}

/// Checks that the notes hold each of these kinds, each record on its commit, its numbers without a gap, and returns the kinds.
fn check(site: &Site, environments: &[&str]) -> BTreeSet<String> {
    let mut kinds = BTreeSet::new();
    for environment in environments {
        let status = wait_published(site, environment);
        let noted = noted(site, environment);
        for (commit, records) in &noted {
            assert!(records.iter().all(|record| record["commit"] == *commit), "{commit}: {records:#?}");
            kinds.extend(records.iter().map(|record| record["kind"].as_str().unwrap_or_default().to_owned()));
        }
        let commits: Vec<&str> = noted.keys().map(String::as_str).collect();
        check_gapless(site, (&commits, environment), &status);
    }
    kinds
}

fn patch(site: &Site, name: &str, value: &str) {
    let patch = json!({ "data": { "k": value } }).to_string();
    site.kubectl(&["patch", "configmap", name, "--field-manager=ann", "--type=merge", "--patch", &patch])
        .expect("a drift");
}

fn wait_value(site: &Site, name: &str, value: &str) {
    wait::until_equal(&format!("{name} to be put back"), &json!(value), || {
        site.get("configmap", name).map(|object| object["data"]["k"].clone()).unwrap_or_default()
    });
}

fn job(image: &str) -> String {
    format!(
        "apiVersion: batch/v1\nkind: Job\nmetadata:\n  name: job\n  annotations: {{plumb.dev/replace: enabled}}\nspec:\n  \
         template:\n    spec:\n      restartPolicy: Never\n      containers: [{{name: job, image: {image:?}}}]\n"
    )
}

#[test]
fn what_people_and_commits_do_to_objects_is_noted() {
    daemon::shared();
    let site = site(lab::shared(), "kinds-of-objects", json!({}));
    site.kubectl(&["create", "configmap", "theirs", "--from-literal=k=1"]).expect("somebody's object");
    let kept =
        config_map("kept", "k", "1").replace("metadata:\n", "metadata:\n  annotations: {plumb.dev/prune: disabled}\n");
    let many: Vec<String> = (0..6).map(|number| config_map(&format!("many{number}"), "k", "1")).collect();
    let (a, moved) = (config_map("a", "k", "true"), config_map("moved", "k", "1"));
    let first = site.push(
        &[
            ("app/a.yaml", &a),
            ("app/many.yaml", &many.join("---\n")),
            ("app/theirs.yaml", &config_map("theirs", "k", "2")),
            ("app/kept.yaml", &kept),
            ("app/moved.yaml", &moved),
            ("app/job.yaml", &job("registry.example.com/job:1")),
            ("report/b.yaml", &config_map("b", "k", "1")),
        ],
        "One",
    );
    site.environment("app", "app", json!({}));
    site.environment("report", "report", json!({ "drift": { "mode": "Report" } }));
    site.wait_applied("app", &first);
    site.wait_applied("report", &first);
    assert_eq!(wait_noted(&site, "app", RecordKind::Adopted)["objects"][0]["name"], "theirs");

    patch(&site, "b", "2");
    assert_eq!(wait_noted(&site, "report", RecordKind::DriftFound)["who"], "ann");
    for _ in 0..5 {
        patch(&site, "a", "by hand");
        wait_value(&site, "a", "true");
    }
    assert_eq!(wait_noted(&site, "app", RecordKind::Contended)["who"], "ann");

    // Six of ten objects go, which has to be allowed; one moves, one can't be changed in place, one may not be deleted.
    for gone in ["app/many.yaml", "app/moved.yaml", "app/kept.yaml"] {
        std::fs::remove_file(site.copy.path().join(gone)).expect("a file");
    }
    let second =
        site.push(&[("app/job.yaml", &job("registry.example.com/job:2")), ("report/moved.yaml", &moved)], "Two");
    let blocked = wait_noted(&site, "app", RecordKind::Blocked);
    assert_eq!(blocked["commit"], second);
    plumb(&site, &["allow", "app", "--prune", &second, "--reason", "meant so"]);
    let allowed = wait_noted(&site, "app", RecordKind::Allowed);
    assert!(allowed["who"].is_string() && allowed["message"].to_string().contains("meant so"), "{allowed}");
    for kind in [RecordKind::Pruned, RecordKind::HandedOver, RecordKind::Replaced, RecordKind::Refused] {
        assert_eq!(wait_noted(&site, "app", kind)["commit"], second);
    }

    plumb(&site, &["suspend", "app", "--reason", "a look"]);
    assert!(wait_noted(&site, "app", RecordKind::Suspended)["who"].is_string());
    plumb(&site, &["resume", "app"]);
    wait_noted(&site, "app", RecordKind::Resumed);
    let third = site.push(&[("app/a.yaml", "kind: [")], "Three");
    assert_eq!(wait_noted(&site, "app", RecordKind::Failed)["commit"], third);
    let mut kinds = check(&site, &["app", "report"]);
    site.kubectl(&["delete", "environments.plumb.dev", "report"]).expect("a deletion");
    let gone = wait_noted(&site, "report", RecordKind::LetGo);
    kinds.extend(gone["kind"].as_str().map(str::to_owned));
    let missing: Vec<_> = OF_OBJECTS.iter().filter(|kind| !kinds.contains(kind.label())).collect();
    assert!(missing.is_empty(), "{missing:?} of {kinds:?}");
}

#[test]
fn what_comes_of_health_is_noted_and_a_rollback_at_once() {
    daemon::shared();
    let site = site(lab::shared(), "kinds-of-health", json!({}));
    let web = |tag: &str| deployment("web", &format!("registry.example.com/web:{tag}"), 1);
    let after =
        config_map("after", "k", "1").replace("metadata:\n", "metadata:\n  annotations: {plumb.dev/wave: \"1\"}\n");
    let first = site.push(
        &[
            ("back/web.yaml", &web("1")),
            ("waves/first.yaml", &deployment("first", "lab/broken:1", 1)),
            ("waves/after.yaml", &after),
            ("sick/sick.yaml", &deployment("sick", "lab/crashing:1", 1)),
        ],
        "One",
    );
    let policy = json!({ "mode": "Revert", "failFast": { "after": "10s" } });
    site.environment("back", "back", json!({ "rollback": policy }));
    site.wait_applied("back", &first);
    wait_published(&site, "back");
    let bad = site.push(&[("back/web.yaml", &deployment("web", "lab/broken:2", 1))], "Two");
    let held = wait_noted(&site, "back", RecordKind::Held);
    assert_eq!(held["commit"], bad);
    assert_eq!(wait_noted(&site, "back", RecordKind::Restored)["commit"], first);
    assert_eq!(wait_noted(&site, "back", RecordKind::Reverted)["commit"], bad);
    let released = wait_noted(&site, "back", RecordKind::Released);
    assert_eq!(released["subject"], "Revert \"Two\"", "{released:#}");

    site.environment("sick", "sick", json!({ "rollback": policy }));
    site.environment("waves", "waves", json!({}));
    assert_eq!(wait_noted(&site, "sick", RecordKind::HealthLost)["class"], "Wait");
    site.wait_reason("waves", "Progressing");
    site.copy.git(&["pull", "--quiet", "--rebase"]).expect("the revert");
    let fixed = site.push(&[("waves/first.yaml", &deployment("first", "registry.example.com/first:2", 1))], "Three");
    let superseded = wait_noted(&site, "waves", RecordKind::Superseded);
    assert_eq!((&superseded["related"], superseded["commit"] == fixed), (&json!(fixed), false));
    let kinds = check(&site, &["back", "sick", "waves"]);
    let missing: Vec<_> = OF_HEALTH.iter().filter(|kind| !kinds.contains(kind.label())).collect();
    assert!(missing.is_empty(), "{missing:?} of {kinds:?}");
    check_pace(&site);
}

/// Checks that commits of the notes ref are ten seconds apart, but for those that tell of a rollback.
fn check_pace(site: &Site) {
    let (name, _) = notes_ref(site).expect("a notes ref");
    let log = site.repository.git(&["log", "--reverse", "--format=%x00%ct", "--patch", &name]).expect("a log");
    let commits = log.split('\0').filter_map(|part| part.split_once('\n'));
    let commits: Vec<(i64, bool)> = commits
        .map(|(time, patch)| {
            let added = patch.lines().filter_map(|line| line.strip_prefix("+{"));
            let kinds = added.filter_map(|line| serde_json::from_str::<Value>(&format!("{{{line}")).ok());
            let urgent = kinds.filter_map(|record| serde_json::from_value(record["kind"].clone()).ok());
            (time.parse().expect("a time"), urgent.into_iter().any(RecordKind::is_urgent))
        })
        .collect();
    assert!(commits.iter().any(|(_, urgent)| *urgent), "{commits:?}");
    for pair in commits.windows(2) {
        let ((before, _), (time, urgent)) = (pair[0], pair[1]);
        // Git knows whole seconds.
        assert!(urgent || time - before >= 9, "{commits:?}");
    }
}
