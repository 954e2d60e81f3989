//! What can't be changed in place: deleted only where everything allows it, and created anew after that.

use serde_json::json;

use super::fixture::{Situation, applied, config, key, kind, manifest};
use crate::{
    kinds::Scope,
    live::{PruneWish, holds_data},
    object::{Manifest, ObjectKey},
    plan::{Plan, Prune, replace::Immutable},
    policy::DriftMode,
};

fn annotated(key: &ObjectKey, content: &str, replace: &str) -> Manifest {
    let mut manifest = manifest(key, content);
    let mut value = manifest.value.as_ref().clone();
    value["metadata"]["annotations"] = json!({"plumb.dev/replace": replace});
    manifest.value = value.into();
    manifest
}

/// `ConfigMap a` is changed by a commit that allows to replace it, and the API server has refused to change it in place.
fn refused_in_place(also: impl FnOnce(&mut Situation)) -> Plan {
    let mut situation = Situation::usual();
    situation.no_longer_desire(&config("a"));
    situation.manifests.push(annotated(&config("a"), "2", "enabled"));
    let manifest = situation.desired().objects[&config("a")].fingerprint;
    let uid = situation.live(&config("a")).uid.clone();
    situation.immutable.insert(config("a"), Immutable { manifest, uid });
    also(&mut situation);
    situation.plan()
}

#[test]
fn an_object_is_replaced_only_if_nothing_speaks_against_it() {
    let check = |expected: &str, also: fn(&mut Situation)| {
        let plan = refused_in_place(also);
        assert_eq!(applied(&plan), [expected], "{:?}", plan.refusals);
    };
    let replaced = "ConfigMap shop/a Change replaced";
    let in_place = "ConfigMap shop/a Change forced";
    check(replaced, |_| {});
    check(in_place, |s| s.immutable.clear());
    check(in_place, |s| s.live(&config("a")).uid = "another".into());
    check(in_place, |s| {
        s.no_longer_desire(&config("a"));
        s.manifests.push(annotated(&config("a"), "3", "enabled"));
    });
    check(in_place, |s| {
        s.no_longer_desire(&config("a"));
        s.manifests.push(annotated(&config("a"), "2", "disabled"));
        let manifest = s.desired().objects[&config("a")].fingerprint;
        s.immutable.get_mut(&config("a")).expect("it").manifest = manifest;
    });
    check(in_place, |s| s.live(&config("a")).holds_data = true);
    check(in_place, |s| s.live(&config("a")).owners = vec!["Job x".into()]);
    check(in_place, |s| s.live(&config("a")).prune = PruneWish::Disabled);
    check(in_place, |s| s.live(&config("a")).prune = PruneWish::Malformed("?".into()));
    check("ConfigMap shop/a Change", |s| s.live(&config("a")).label_is_ours = false);
}

#[test]
fn the_delete_names_the_state_that_was_judged() {
    let plan = refused_in_place(|_| {});
    let apply = plan.applies.values().flatten().next().expect("an apply");
    let uid = "uid-ConfigMap shop/a".to_owned();
    let state = Prune { key: config("a"), api_version: "v1".into(), uid, resource_version: "7".into() };
    assert_eq!(apply.replace, Some(state));
}

#[test]
fn it_is_created_when_it_is_gone_and_not_before() {
    let going = refused_in_place(|s| s.live(&config("a")).deleting = true);
    assert_eq!(applied(&going), [""; 0]);
    let gone = refused_in_place(|s| {
        s.live.objects.remove(&config("a"));
        // Not drift, although these very inputs were applied before.
        s.settled = true;
        s.applied.remove(&config("a"));
        s.policy.drift = DriftMode::Report;
    });
    assert_eq!(applied(&gone), ["ConfigMap shop/a Create"]);
}

#[test]
fn drift_that_is_only_reported_replaces_nothing() {
    let drift = |mode: DriftMode| {
        refused_in_place(move |s| {
            s.policy.drift = mode;
            let manifest = s.desired().objects[&config("a")].fingerprint;
            s.applied.get_mut(&config("a")).expect("it").manifest = manifest;
            s.live(&config("a")).fingerprint = None;
        })
    };
    assert_eq!(applied(&drift(DriftMode::Report)), [""; 0]);
    assert_eq!(applied(&drift(DriftMode::Correct)), ["ConfigMap shop/a Correct replaced"]);
}

#[test]
fn namespaces_and_definitions_are_never_replaced() {
    let namespace = key("Namespace shop");
    let mut situation = Situation::usual();
    situation.kinds = crate::kinds::Kinds::new(
        [kind("Namespace", "namespaces", Scope::Cluster), kind("ConfigMap", "configmaps", Scope::Namespaced)],
        [],
    );
    situation.add(&namespace);
    situation.no_longer_desire(&namespace);
    situation.manifests.push(annotated(&namespace, "2", "enabled"));
    let manifest = situation.desired().objects[&namespace].fingerprint;
    let uid = situation.live(&namespace).uid.clone();
    situation.immutable.insert(namespace, Immutable { manifest, uid });
    assert_eq!(applied(&situation.plan()), ["Namespace shop Change forced"]);
}

#[test]
fn data_goes_with_claims_volumes_and_sets_that_take_their_claims_along() {
    let check = |object: serde_json::Value, expected: bool| assert_eq!(holds_data(&object), expected, "{object}");
    check(json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim"}), true);
    check(json!({"apiVersion": "v1", "kind": "PersistentVolume"}), true);
    check(json!({"apiVersion": "snapshot.storage.k8s.io/v1", "kind": "VolumeSnapshot"}), true);
    let set = |policy: &str| {
        let spec = json!({"persistentVolumeClaimRetentionPolicy": {"whenDeleted": policy, "whenScaled": "Delete"}});
        json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "spec": spec})
    };
    check(set("Delete"), true);
    check(set("Retain"), false);
    check(json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "spec": {}}), false);
    check(json!({"apiVersion": "example.com/v1", "kind": "PersistentVolumeClaim"}), false);
    check(json!({"apiVersion": "v1", "kind": "ConfigMap"}), false);
}

#[test]
fn another_value_of_the_annotation_is_a_problem() {
    let mut situation = Situation::usual();
    situation.manifests.push(annotated(&config("new"), "1", "yes"));
    let problems: Vec<_> = situation.desired().problems.iter().map(ToString::to_string).collect();
    let expected = "configmap-new.yaml:1:1: ConfigMap shop/new: the annotation plumb.dev/replace is \"yes\" (it can be \
                    \"enabled\" or \"disabled\")";
    assert_eq!(problems, [expected]);
}
