//! All or nothing: what is tried first, what is made so that the rest can be tried, and what a refusal stops.

use super::fixture::{Situation, applied, config, key, manifest, pruned, refused};
use crate::{
    class::Class,
    object::ObjectKey,
    plan::{
        Apply, Plan,
        namespace::NamespaceState,
        transaction::{self, Trial},
    },
    policy::OnError,
};

/// A commit that changes `a`, creates `new`, and drops `old`.
fn commit(also: impl FnOnce(&mut Situation)) -> Situation {
    let mut situation = Situation::usual();
    situation.policy.on_error = OnError::Transactional;
    situation.no_longer_desire(&config("a"));
    situation.manifests.push(manifest(&config("a"), "2"));
    situation.desire(&config("new"));
    also(&mut situation);
    situation
}

fn to_try(situation: &Situation) -> Vec<String> {
    let text = |apply: Apply| format!("{}{}", apply.key, if apply.force { " forced" } else { "" });
    situation.with(transaction::to_try).into_iter().map(text).collect()
}

fn accept(situation: &mut Situation, keys: &[&ObjectKey]) {
    situation.trials.extend(keys.iter().map(|key| ((*key).clone(), Trial::Accepted)));
}

fn refuse(situation: &mut Situation, key: &ObjectKey, class: Class) {
    let message = format!("a.yaml:1:1: apply {key}: refused");
    situation.trials.insert(key.clone(), Trial::Refused { class, message });
}

fn held(plan: &Plan) -> usize {
    plan.wait.as_ref().map_or(0, |wait| wait.applies.values().flatten().count())
}

#[test]
fn everything_that_a_commit_writes_is_tried_as_it_would_be_applied() {
    assert_eq!(to_try(&commit(|_| {})), ["ConfigMap shop/a forced", "ConfigMap shop/new"]);
    assert_eq!(to_try(&commit(|s| accept(s, &[&config("a")]))), ["ConfigMap shop/new"], "once is enough");
    assert_eq!(to_try(&commit(|s| s.policy.on_error = OnError::Partial)), [""; 0]);
    assert_eq!(to_try(&commit(|s| s.policy.suspended = true)), [""; 0]);
    let drifted = commit(|s| s.live(&config("b")).fingerprint = None);
    assert_eq!(to_try(&drifted).len(), 2, "corrections are not part of it");
}

#[test]
fn one_refusal_stops_all_of_the_commit_and_no_correction() {
    let check = |expected: &[&str], also: fn(&mut Situation)| {
        let plan = commit(|s| {
            accept(s, &[&config("a"), &config("new")]);
            s.live(&config("b")).fingerprint = None;
            also(s);
        })
        .plan();
        assert_eq!(applied(&plan), ["ConfigMap shop/b Correct forced"]);
        assert_eq!((pruned(&plan), held(&plan)), (Vec::new(), 0));
        assert_eq!(refused(&plan), expected);
    };
    let incomplete = "ConfigMap shop/old: Incomplete";
    check(&["ConfigMap shop/new: Tried", "*: Transaction", incomplete], |s| refuse(s, &config("new"), Class::Wait));
    check(&["ConfigMap shop/c: Claimed", "*: Transaction", incomplete], |s| {
        s.live(&config("c")).claimants = vec![super::fixture::other().applyset_id().manager()];
    });
    check(&["ConfigMap shop/c: Deleting", "*: Transaction", incomplete], |s| s.live(&config("c")).deleting = true);
    check(&["*: Transaction", incomplete], |s| s.desire(&key("Stranger.example.com shop/x")));
}

#[test]
fn a_refusal_says_what_and_that_nothing_is_applied() {
    let plan = commit(|s| (accept(s, &[&config("a")]), refuse(s, &config("new"), Class::Wait)).1).plan();
    let lines: Vec<_> = plan.refusals.iter().map(ToString::to_string).collect();
    assert_eq!(lines[0], "a.yaml:1:1: apply ConfigMap shop/new: refused");
    let nothing =
        "nothing is applied (onError: Transactional): 2 write(s) wait until nothing of this commit is refused";
    assert_eq!(lines[1], nothing);
    assert!(!plan.refusals[0].why.passes(), "a person has to act");
    let busy = commit(|s| (accept(s, &[&config("a")]), refuse(s, &config("new"), Class::Retry)).1).plan();
    assert!(busy.refusals.iter().all(|refusal| refusal.why.passes()), "it is tried again");
}

#[test]
fn what_is_accepted_in_full_is_applied_as_ever() {
    let plan = commit(|s| accept(s, &[&config("a"), &config("new")])).plan();
    assert_eq!(applied(&plan), ["ConfigMap shop/a Change forced", "ConfigMap shop/new Create"]);
    assert_eq!(plan.wait.map(|wait| wait.prunes.len()), Some(1), "prunes come last");
}

#[test]
fn namespaces_and_definitions_are_made_alone_once_all_else_is_accepted() {
    let namespace = key("Namespace away");
    let definition = key("CustomResourceDefinition.apiextensions.k8s.io databases.example.com");
    let inside = key("ConfigMap away/x");
    let instance = key("Database.example.com shop/db");
    let staged = |also: &dyn Fn(&mut Situation)| {
        commit(|s| {
            for key in [&namespace, &definition, &inside, &instance] {
                s.desire(key);
            }
            also(s);
        })
    };
    let first = staged(&|_| {});
    let triable = ["ConfigMap shop/a forced", "ConfigMap shop/new", "Namespace away"];
    assert_eq!(to_try(&first)[..3], triable);
    assert_eq!(to_try(&first).len(), 4, "the definition too");
    let all = [&config("a"), &config("new"), &namespace, &definition];
    let plan = staged(&|s| accept(s, &all)).plan();
    let made = ["Namespace away Create", "CustomResourceDefinition databases.example.com Create"];
    assert_eq!(applied(&plan), made);
    assert_eq!((held(&plan), plan.prunes.len()), (4, 0));
    let refused_early = staged(&|s| (accept(s, &all[1..]), refuse(s, &config("a"), Class::Wait)).1).plan();
    assert_eq!(applied(&refused_early), [""; 0], "not even these");
    let second = staged(&|s| {
        accept(s, &all);
        s.add_live(&namespace);
        s.add_live(&definition);
    });
    assert_eq!(to_try(&second), ["ConfigMap away/x", "Database shop/db"]);
    let refused_late = staged(&|s| {
        accept(s, &all);
        s.add_live(&namespace);
        s.add_live(&definition);
        accept(s, &[&inside]);
        refuse(s, &instance, Class::Wait);
    })
    .plan();
    assert_eq!(applied(&refused_late), [""; 0]);
}

#[test]
fn a_foundation_goes_before_waves_that_are_lower_than_its_own() {
    let namespace = key("Namespace away");
    let plan = commit(|s| {
        let mut late = manifest(&namespace, "1");
        let mut value = late.value.as_ref().clone();
        value["metadata"]["annotations"] = serde_json::json!({"plumb.dev/wave": "5"});
        late.value = value.into();
        s.manifests.push(late);
        s.desire(&key("ConfigMap away/x"));
        accept(s, &[&config("a"), &config("new"), &namespace]);
    })
    .plan();
    assert_eq!(applied(&plan), ["Namespace away Create"]);
}

/// The target namespace of an environment that asks for it to be made.
fn homeless(state: NamespaceState, also: impl FnOnce(&mut Situation)) -> Situation {
    let mut situation = Situation::usual();
    situation.policy.create_namespace = Some("new".into());
    situation.namespace = state;
    situation.desire(&key("ConfigMap new/x"));
    also(&mut situation);
    situation
}

#[test]
fn the_target_namespace_is_made_first_unless_it_is_there_or_in_git() {
    let check = |situation: &Situation, namespace: Option<&str>, applies: &[&str], refusals: &[&str]| {
        let plan = situation.plan();
        assert_eq!(
            (plan.namespace.as_deref(), applied(&plan)),
            (namespace, applies.iter().map(ToString::to_string).collect())
        );
        let about: Vec<_> = refused(&plan).into_iter().filter(|text| text.starts_with("Namespace")).collect();
        assert_eq!(about, refusals);
    };
    let create = "ConfigMap new/x Create";
    check(&homeless(NamespaceState::Missing, |_| {}), Some("new"), &[create], &[]);
    check(&homeless(NamespaceState::There, |_| {}), None, &[create], &[]);
    check(&homeless(NamespaceState::Terminating, |_| {}), None, &[], &["Namespace new: NamespaceTerminating"]);
    let unknown = NamespaceState::Unknown("no answer".into());
    check(&homeless(unknown, |_| {}), None, &[], &["Namespace new: Unknown"]);
    let own = homeless(NamespaceState::Missing, |s| s.desire(&key("Namespace new")));
    check(&own, None, &["Namespace new Create", create], &[]);
    check(&homeless(NamespaceState::Missing, |s| s.policy.create_namespace = None), None, &[create], &[]);
    check(&homeless(NamespaceState::Missing, |s| s.no_longer_desire(&key("ConfigMap new/x"))), None, &[], &[]);
    check(&homeless(NamespaceState::Missing, |s| s.policy.suspended = true), None, &[], &[]);
}

#[test]
fn the_namespace_is_looked_at_only_where_something_is_written_into_it() {
    let looks =
        |situation: &Situation| situation.with(|input| crate::plan::namespace::to_look(input).map(str::to_owned));
    assert_eq!(looks(&homeless(NamespaceState::There, |_| {})), Some("new".to_owned()));
    assert_eq!(looks(&homeless(NamespaceState::There, |s| s.policy.suspended = true)), None);
    assert_eq!(looks(&homeless(NamespaceState::There, |s| s.add(&key("ConfigMap new/y")))), None, "an object is in it");
    assert_eq!(looks(&homeless(NamespaceState::There, |s| s.no_longer_desire(&key("ConfigMap new/x")))), None);
}

#[test]
fn a_namespace_that_is_made_is_a_foundation_too() {
    let situation = homeless(NamespaceState::Missing, |s| s.policy.on_error = OnError::Transactional);
    assert_eq!(to_try(&situation), [""; 0]);
    let plan = situation.plan();
    assert_eq!((plan.namespace.as_deref(), applied(&plan), held(&plan)), (Some("new"), Vec::new(), 1));
    let there = homeless(NamespaceState::There, |s| s.policy.on_error = OnError::Transactional);
    assert_eq!(to_try(&there), ["ConfigMap new/x"]);
}
