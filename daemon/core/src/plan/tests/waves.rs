//! Waves: what of a commit is planned now, what waits, and for which objects.

use super::fixture::{Situation, applied, config, key, manifest, refused};
use crate::{
    health::{Health, HealthStatus},
    object::ObjectKey,
    plan::Plan,
    policy::DriftMode,
    problem::Problem,
};

const WAVES: [(&str, &str); 3] = [("a", "-1"), ("b", "0"), ("c", "1")];

/// Three waves of one object each, all applied and healthy, which a commit changes; all else is as in Git, and `old` is to
/// be pruned.
fn changed(also: impl FnOnce(&mut Situation)) -> Plan {
    let mut situation = Situation::usual();
    for (name, wave) in WAVES {
        situation.no_longer_desire(&config(name));
        situation.manifests.push(of_wave(&config(name), wave));
    }
    also(&mut situation);
    situation.plan()
}

fn of_wave(key: &ObjectKey, wave: &str) -> crate::object::Manifest {
    let mut manifest = manifest(key, "2");
    let mut value = manifest.value.as_ref().clone();
    value["metadata"]["annotations"] = serde_json::json!({"plumb.dev/wave": wave});
    manifest.value = value.into();
    manifest
}

fn unhealthy(situation: &mut Situation, name: &str) {
    let health = Health { status: HealthStatus::InProgress, message: "0 of 1 ready".into(), unseen: false };
    situation.live(&config(name)).health = health;
}

/// As if the last commit had been applied in full: what was changed is as in Git now.
fn all_applied(situation: &mut Situation) {
    for (name, _) in WAVES {
        applied_one(situation, name);
    }
}

fn applied_one(situation: &mut Situation, name: &str) {
    let fingerprint = situation.desired().objects[&config(name)].fingerprint;
    situation.applied.insert(config(name), crate::plan::Applied { manifest: fingerprint, left: fingerprint });
    situation.live(&config(name)).fingerprint = Some(fingerprint);
}

/// Expects what is applied, what is awaited, and how many applies and prunes wait.
#[track_caller]
fn check(plan: &Plan, applies: &[&str], awaited: &str, waiting: (usize, usize)) {
    assert_eq!(applied(plan), applies);
    let wait = plan.wait.clone().expect("a wait");
    let keys: Vec<_> = wait.awaited.iter().map(ToString::to_string).collect();
    assert_eq!(format!("{wait}: {}", keys.join(", ")), awaited);
    assert_eq!((wait.applies.values().flatten().count(), wait.prunes.len()), waiting);
    assert_eq!(plan.prunes, [], "prunes come last");
}

#[test]
fn a_commit_is_planned_up_to_the_first_wave_that_it_changes() {
    check(&changed(|_| {}), &["ConfigMap shop/a Change forced"], "wave -1 (1 of 3): ConfigMap shop/a", (2, 1));
    let second = changed(|s| applied_one(s, "a"));
    check(&second, &["ConfigMap shop/b Change forced"], "wave 0 (2 of 3): ConfigMap shop/b", (1, 1));
    let done = changed(all_applied);
    assert_eq!((&done.wait, applied(&done)), (&None, Vec::new()));
    assert_eq!(done.prunes.len(), 1, "all waves are applied and healthy");
}

#[test]
fn what_is_not_healthy_is_waited_for_whether_or_not_the_commit_changes_it() {
    let sick = changed(|s| (applied_one(s, "a"), unhealthy(s, "a")).1);
    check(&sick, &[], "wave -1 (1 of 3): ConfigMap shop/a", (2, 1));
    let other = changed(|s| (applied_one(s, "a"), unhealthy(s, "d")).1);
    check(&other, &["ConfigMap shop/b Change forced"], "wave 0 (2 of 3): ConfigMap shop/b, ConfigMap shop/d", (1, 1));
    let last = changed(|s| (all_applied(s), unhealthy(s, "c")).1);
    check(&last, &[], "wave 1 (3 of 3): ConfigMap shop/c", (0, 1));
    let going = changed(|s| (applied_one(s, "a"), s.live(&config("a")).deleting = true).1);
    check(&going, &[], "wave -1 (1 of 3): ConfigMap shop/a", (2, 0));
    assert!(going.wait.as_ref().is_some_and(|wait| wait.stuck), "nothing but its end helps");
    assert!(refused(&going).contains(&"ConfigMap shop/old: Incomplete".to_owned()));
}

#[test]
fn an_environment_in_git_counts_only_as_there_or_not() {
    let environment = key("Environment.plumb.dev shop/inner");
    let mut situation = Situation::usual();
    let served = super::fixture::kind("Environment.plumb.dev", "environments", crate::kinds::Scope::Namespaced);
    situation.kinds = crate::kinds::Kinds::new(
        [served, super::fixture::kind("ConfigMap", "configmaps", crate::kinds::Scope::Namespaced)],
        [],
    );
    situation.add(&environment);
    situation.live(&environment).health.status = HealthStatus::Failed;
    assert_eq!(situation.plan().wait, None);
    situation.live.objects.remove(&environment);
    check(&situation.plan(), &["Environment shop/inner Correct"], "this commit: Environment shop/inner", (0, 1));
}

#[test]
fn drift_waits_for_no_wave() {
    let drift = |s: &mut Situation| {
        unhealthy(s, "d");
        s.live(&config("t")).fingerprint = None;
    };
    let plan = changed(|s| {
        let last = of_wave(&config("t"), "9");
        s.add(&config("t"));
        s.no_longer_desire(&config("t"));
        s.manifests.push(last);
        applied_one(s, "t");
        applied_one(s, "a");
        drift(s);
    });
    let expected = ["ConfigMap shop/b Change forced", "ConfigMap shop/t Correct forced"];
    check(&plan, &expected, "wave 0 (2 of 4): ConfigMap shop/b, ConfigMap shop/d", (1, 1));
}

#[test]
fn what_drifted_away_waits_for_its_namespace() {
    let plan = changed(|s| {
        s.settled = true;
        s.manifests.push(of_wave(&key("Namespace away"), "9"));
        s.desire(&key("ConfigMap away/x"));
        let fingerprint = s.fingerprint(&key("Namespace away"), "1");
        s.applied.insert(key("Namespace away"), crate::plan::Applied { manifest: fingerprint, left: fingerprint });
    });
    check(&plan, &["ConfigMap shop/a Change forced"], "wave -1 (1 of 4): ConfigMap shop/a", (3, 1));
}

#[test]
fn drift_is_left_where_what_it_stands_on_is_held_back() {
    let definition = key("CustomResourceDefinition.apiextensions.k8s.io databases.example.com");
    let instance = key("Database.example.com shop/db");
    let plan = |wave: &'static str| {
        changed(|s| {
            s.manifests.push(of_wave(&definition, wave));
            s.desire(&instance);
            let manifest = s.desired().objects[&instance].fingerprint;
            s.applied.insert(instance.clone(), crate::plan::Applied { manifest, left: manifest });
        })
    };
    let waits = plan("1");
    assert_eq!(applied(&waits), ["ConfigMap shop/a Change forced"]);
    assert_eq!(waits.drifts.iter().map(|drift| drift.corrected).collect::<Vec<_>>(), [false]);
    let made = plan("-1");
    assert!(applied(&made).contains(&"Database shop/db Correct".to_owned()), "its definition comes with this plan");
}

#[test]
fn what_drifted_away_and_is_only_reported_holds_up_what_comes_later() {
    let plan = changed(|s| {
        s.policy.drift = DriftMode::Report;
        applied_one(s, "a");
        s.live.objects.remove(&config("a"));
    });
    check(&plan, &[], "wave -1 (1 of 3): ConfigMap shop/a", (2, 1));
}

#[test]
fn an_object_that_is_not_settled_holds_up_later_waves() {
    let unsettled = |wave: &'static str| {
        changed(move |s| {
            let mut stranger = of_wave(&key("Stranger.example.com shop/x"), wave);
            stranger.origin.line = 3;
            s.manifests.push(stranger);
        })
    };
    let same = unsettled("0");
    check(&same, &["ConfigMap shop/a Change forced"], "wave -1 (1 of 3): ConfigMap shop/a", (2, 0));
    let first = unsettled("-7");
    check(&first, &[], "wave -7 (1 of 4): ", (3, 0));
    assert!(first.wait.is_some_and(|wait| wait.stuck));
    let unreadable = unsettled("soon");
    assert_eq!(applied(&unreadable), [""; 0], "the order is not known");
    let held = unreadable.wait.as_ref().and_then(crate::plan::Wait::held);
    assert_eq!(
        held.as_deref(),
        Some("as long as the wave of an object can't be read, 3 object(s) of later waves are not applied")
    );
}

#[test]
fn a_problem_that_names_no_object_waits_for_nothing() {
    let problem = |s: &mut Situation| {
        let origin = s.manifests[0].origin.clone();
        s.problems.push(Problem { origin, message: "twice".into(), remedy: String::new() });
    };
    check(&changed(problem), &["ConfigMap shop/a Change forced"], "wave -1 (1 of 3): ConfigMap shop/a", (2, 0));
}

#[test]
fn suspended_nothing_waits() {
    let plan = changed(|s| s.policy.suspended = true);
    assert_eq!((plan.wait.clone(), refused(&plan)), (None, vec!["*: Suspended".to_owned()]));
    assert_eq!(plan.refusals[0].why.to_string(), "suspended: 4 write(s) wait (plumb resume)");
}

#[test]
fn what_waits_is_said_in_a_sentence() {
    let held = |plan: Plan| plan.wait.and_then(|wait| wait.held()).unwrap_or_default();
    let both = "until wave -1 (1 of 3) is applied and healthy, 2 object(s) of later waves are not applied, and 1 that left Git \
                are not pruned";
    assert_eq!(held(changed(|_| {})), both);
    let prunes = "until wave 1 (3 of 3) is applied and healthy, 1 object(s) that left Git are not pruned";
    assert_eq!(held(changed(|s| (all_applied(s), unhealthy(s, "c")).1)), prunes);
    let nothing = changed(|s| (all_applied(s), unhealthy(s, "c"), s.policy.prune = false).1);
    assert_eq!(held(nothing), "");
}
