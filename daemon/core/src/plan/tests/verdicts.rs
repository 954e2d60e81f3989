//! What happens to each desired object.

use super::fixture::{Situation, applied, config, key, manifest, other, refused};
use crate::{
    claims::Stance,
    kinds::Kinds,
    plan::{Applied, Drift, DriftKind, judge},
    policy::DriftMode,
};

/// Changes the usual situation without anything to prune and expects these applies and refusals.
#[track_caller]
fn check(applies: &[&str], refusals: &[&str], change: impl FnOnce(&mut Situation)) {
    let mut situation = Situation::usual();
    situation.live.objects.remove(&config("old"));
    change(&mut situation);
    let plan = situation.plan();
    assert_eq!((applied(&plan), refused(&plan)), (owned(applies), owned(refusals)));
    assert_eq!(plan.refused, refusals.len());
    let counted = plan.unchanged + applies.len() + refusals.len();
    let left = plan.drifts.iter().filter(|drift| !drift.corrected).count();
    assert_eq!(counted + left, situation.desired().objects.len(), "every object has one verdict");
}

fn owned(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

fn change(situation: &mut Situation, content: &str) {
    situation.no_longer_desire(&config("a"));
    situation.manifests.push(manifest(&config("a"), content));
}

fn remember(situation: &mut Situation, manifest: &str, left: &str) {
    let fingerprint = |content| situation.fingerprint(&config("a"), content);
    let applied = Applied { manifest: fingerprint(manifest), left: fingerprint(left) };
    situation.applied.insert(config("a"), applied);
}

/// The live object `a` looks like this.
fn looks(situation: &mut Situation, content: &str) {
    let fingerprint = situation.fingerprint(&config("a"), content);
    situation.live(&config("a")).fingerprint = Some(fingerprint);
}

fn gone(situation: &mut Situation) {
    situation.live.objects.remove(&config("a"));
}

#[test]
fn an_object_is_created_changed_or_left() {
    check(&[], &[], |_| {});
    check(&["ConfigMap shop/new Create"], &[], |s| s.desire(&config("new")));
    check(&["ConfigMap shop/a Change forced"], &[], |s| change(s, "2"));
    check(&["ConfigMap shop/a Create"], &[], |s| {
        change(s, "2");
        gone(s);
    });
    // Nobody remembers it, and it looks as Git says.
    check(&[], &[], |s| s.applied.clear());
    check(&["ConfigMap shop/a Change forced"], &[], |s| {
        s.applied.remove(&config("a"));
        looks(s, "2");
    });
    // Applied as Git says, and the server made something else of it.
    check(&[], &[], |s| {
        remember(s, "1", "defaulted");
        looks(s, "defaulted");
    });
}

#[test]
fn a_first_apply_is_never_forced_nor_is_one_under_a_foreign_label() {
    check(&["ConfigMap shop/a Change"], &[], |s| {
        change(s, "2");
        s.live(&config("a")).label_is_ours = false;
    });
    check(&["ConfigMap shop/a Change"], &[], |s| {
        change(s, "2");
        s.live(&config("a")).part_of = other().applyset_id();
    });
    check(&["ConfigMap shop/a Correct"], &[], |s| {
        looks(s, "2");
        s.live(&config("a")).label_is_ours = false;
    });
}

#[test]
fn what_is_not_known_or_not_ours_is_not_touched() {
    let all: Vec<String> = ('a'..'t').map(|letter| format!("ConfigMap shop/{letter}: Unknown")).collect();
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    check(&[], &all, |s| s.unknown(&config("a")));
    check(&[], &["Service shop/new: Unknown"], |s| {
        s.desire(&key("Service shop/new"));
        s.unknown(&key("Service shop/new"));
    });
    check(&[], &["ConfigMap shop/new: Claimed"], |s| {
        s.desire(&config("new"));
        s.claim(config("new"), &[other()], true);
    });
    check(&[], &["ConfigMap shop/a: Claimed"], |s| {
        change(s, "2");
        s.live(&config("a")).claimants = vec![other().applyset_id().manager()];
    });
    check(&["ConfigMap shop/a Change forced"], &[], |s| {
        change(s, "2");
        s.environments.clear();
        s.live(&config("a")).claimants = vec![other().applyset_id().manager()];
    });
    check(&[], &["ConfigMap shop/a: Deleting"], |s| {
        change(s, "2");
        s.live(&config("a")).deleting = true;
    });
}

#[test]
fn a_definition_and_its_instances_come_in_one_commit() {
    const DEFINITION: &str = "CustomResourceDefinition.apiextensions.k8s.io databases.example.com";
    let database = key("Database.example.com shop/db");
    let both = |s: &mut Situation| {
        s.desire(&database);
        s.desire(&key(DEFINITION));
    };
    let created = ["CustomResourceDefinition databases.example.com Create", "Database shop/db Create"];
    check(&created, &[], both);
    // The cluster has objects of the kind at another version, and they are not known.
    check(&created[..1], &["Database shop/db: Unknown"], |s| {
        both(s);
        s.unknown(&database);
    });
    let mut failed = Situation::usual();
    both(&mut failed);
    failed.kinds = Kinds::new(failed.kinds.all_preferred().cloned(), [("example.com".into(), String::new())]);
    let desired = failed.desired();
    assert!(desired.unknown && !desired.objects.contains_key(&database), "{:?}", desired.problems);
}

/// Expects the drift of `a`, and whether it is corrected, after a change of the usual situation.
#[track_caller]
fn check_drift(expected: Option<(DriftKind, bool)>, change: impl FnOnce(&mut Situation)) {
    let mut situation = Situation::usual();
    situation.live.objects.remove(&config("old"));
    change(&mut situation);
    let plan = situation.plan();
    let found = situation.live.objects.get(&config("a")).and_then(|live| live.fingerprint);
    let drift = expected.map(|(what, corrected)| Drift { key: config("a"), what, corrected, resting: false, found });
    assert_eq!(plan.drifts, Vec::from_iter(drift));
    let force = if found.is_some() { " forced" } else { "" };
    let applies = expected.filter(|(_, corrected)| *corrected).map(|_| format!("ConfigMap shop/a Correct{force}"));
    assert_eq!(applied(&plan), Vec::from_iter(applies));
}

#[test]
fn drift_is_what_differs_without_a_commit() {
    use DriftKind::{Changed, Missing};
    let report = |s: &mut Situation| s.policy.drift = DriftMode::Report;
    check_drift(Some((Changed, true)), |s| looks(s, "2"));
    check_drift(Some((Missing, true)), gone);
    check_drift(Some((Changed, false)), |s| {
        looks(s, "2");
        report(s);
    });
    check_drift(Some((Missing, false)), |s| {
        gone(s);
        report(s);
    });
    // Nobody remembers it, but these very inputs were applied before.
    for (what, change) in [(Missing, gone as fn(&mut Situation)), (Changed, |s| looks(s, "2"))] {
        check_drift(Some((what, true)), |s| {
            change(s);
            s.applied.clear();
            s.settled = true;
            let applied = s.fingerprint(&config("a"), "1");
            s.predictions.insert(config("a"), applied);
        });
    }
    check_drift(None, |s| s.settled = true);
    check_drift(Some((Changed, false)), |s| {
        looks(s, "2");
        s.policy.suspended = true;
    });
}

#[test]
fn a_dry_run_that_failed_makes_no_drift() {
    let forgotten = |s: &mut Situation| {
        looks(s, "2");
        s.applied.clear();
        s.settled = true;
    };
    check(&["ConfigMap shop/a Change forced"], &[], forgotten);
    check(&[], &["ConfigMap shop/a: Unknown"], |s| {
        forgotten(s);
        s.policy.drift = DriftMode::Report;
    });
}

#[test]
fn a_commit_that_touches_a_drifted_object_applies_it_even_where_drift_is_only_reported() {
    check(&["ConfigMap shop/a Change forced"], &[], |s| {
        looks(s, "3");
        change(s, "2");
        s.policy.drift = DriftMode::Report;
    });
}

#[test]
fn what_needed_no_write_is_learned() {
    let mut situation = Situation::usual();
    let plan = situation.plan();
    assert!(plan.learned.is_empty(), "it is remembered already");
    let expected = situation.applied.remove(&config("a")).expect("it was remembered");
    assert_eq!(situation.plan().learned, [(config("a"), expected)].into());
    // A dry-run says that nothing would change, though the server made something else of the manifest.
    looks(&mut situation, "defaulted");
    let left = situation.fingerprint(&config("a"), "defaulted");
    situation.predictions.insert(config("a"), left);
    let manifest = situation.fingerprint(&config("a"), "1");
    assert_eq!(situation.plan().learned, [(config("a"), Applied { manifest, left })].into());
    assert_eq!(applied(&situation.plan()), [""; 0]);
    situation.predictions.insert(config("a"), situation.fingerprint(&config("a"), "3"));
    assert_eq!(applied(&situation.plan()), ["ConfigMap shop/a Change forced"]);
}

#[test]
fn a_dry_run_is_asked_only_where_nothing_else_decides() {
    let check = |expected: bool, change: fn(&mut Situation)| {
        let mut situation = Situation::usual();
        situation.applied.remove(&config("a"));
        looks(&mut situation, "defaulted");
        change(&mut situation);
        assert_eq!(situation.with(judge::to_predict), Vec::from_iter(expected.then(|| config("a"))));
    };
    check(true, |_| {});
    check(false, |s| looks(s, "1"));
    check(false, |s| s.live(&config("a")).fingerprint = None);
    check(false, |s| remember(s, "1", "1"));
    check(false, gone);
    check(false, |s| s.unknown(&config("a")));
    check(false, |s| s.live(&config("a")).deleting = true);
    check(false, |s| s.hold(config("a"), Stance::Keeps));
    check(true, |s| s.claim(config("a"), &[other()], true));
    check(false, |s| s.policy.suspended = true);
}

#[test]
fn a_plan_and_what_it_is_made_from_can_be_kept_as_json() {
    let mut situation = Situation::usual();
    situation.applied.remove(&config("a"));
    situation.unknown(&key("Service shop/s"));
    situation.desire(&key("Service shop/s"));
    let plan = situation.plan();
    let json = serde_json::to_value(&plan).expect("JSON");
    assert_eq!(json["learned"][0][0]["name"], "a");
    assert_eq!(json["prunes"], serde_json::json!([]));
    assert_eq!(json["refusals"][0]["key"]["kind"], "Service");
    let live = serde_json::to_value(&situation.live).expect("JSON");
    assert_eq!(
        (live["objects"].as_array().map(Vec::len), &live["unknown"][0][0]["kind"]),
        (Some(20), &"Service".into())
    );
}
