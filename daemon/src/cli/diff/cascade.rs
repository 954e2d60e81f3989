//! What goes with an object that is deleted: what the garbage collector finds by owner, what a namespace or a definition
//! holds.

use std::collections::BTreeMap;

use plumb_core::{
    kinds::Kind,
    object::{GroupKind, ObjectKey},
    plan::Prune,
    presence::Presence,
};
use serde_json::Value;

use super::Subject;

/// Objects that are named; the rest is counted.
const NAMED: usize = 10;

/// A group and a kind.
type Of = (&'static str, &'static str);

/// What workloads make: owner and owned. Other owners are rare, and asking for all kinds of a namespace is not.
const MADE: [(Of, Of); 7] = [
    (("apps", "Deployment"), ("apps", "ReplicaSet")),
    (("apps", "ReplicaSet"), ("", "Pod")),
    (("apps", "StatefulSet"), ("", "Pod")),
    (("apps", "DaemonSet"), ("", "Pod")),
    (("batch", "CronJob"), ("batch", "Job")),
    (("batch", "Job"), ("", "Pod")),
    (("", "ReplicationController"), ("", "Pod")),
];

/// Returns what goes with an object, in words; nothing where nothing is known to.
pub(super) async fn of(subject: &Subject<'_>, prune: &Prune) -> Vec<String> {
    match (prune.key.group.as_str(), prune.key.kind.as_str()) {
        ("", "Namespace") | ("apiextensions.k8s.io", "CustomResourceDefinition") => held(subject, &prune.key).await,
        _ => owned(subject, &prune.key, &prune.uid).await,
    }
}

async fn held(subject: &Subject<'_>, key: &ObjectKey) -> Vec<String> {
    let id = subject.name().applyset_id();
    let mut lines = vec![format!("everything in {key}")];
    match subject.session.cluster.contents(key, subject.kinds, &id).await.others {
        Presence::Present(others) => {
            lines.extend(named(others.iter().map(|key| format!("{key} (of others)")).collect()));
        }
        Presence::Absent => {}
        Presence::Unknown => lines.push("what of others is in it could not be read".to_owned()),
    }
    lines
}

/// Follows owner references as far as workloads go.
async fn owned(subject: &Subject<'_>, key: &ObjectKey, uid: &str) -> Vec<String> {
    let Some(namespace) = &key.namespace else { return Vec::new() };
    let mut listed: BTreeMap<GroupKind, Vec<Value>> = BTreeMap::new();
    let mut owners = vec![(key.group_kind(), uid.to_owned())];
    let mut found = Vec::new();
    while let Some((owner, uid)) = owners.pop() {
        let made = MADE.iter().filter(|((group, kind), _)| owner == GroupKind::new(group, kind));
        for (_, (group, kind)) in made {
            let made = GroupKind::new(group, kind);
            if !listed.contains_key(&made) {
                let objects = list(subject, &made, namespace).await;
                listed.insert(made.clone(), objects);
            }
            for object in listed[&made].iter().filter(|object| is_owned(object, &uid)) {
                found.push(format!("{kind} {namespace}/{}", object["metadata"]["name"].as_str().unwrap_or_default()));
                owners.push((made.clone(), object["metadata"]["uid"].as_str().unwrap_or_default().to_owned()));
            }
        }
    }
    found.sort();
    named(found)
}

async fn list(subject: &Subject<'_>, kind: &GroupKind, namespace: &str) -> Vec<Value> {
    let kind: Option<&Kind> = subject.kinds.preferred(kind).present();
    let Some(kind) = kind else { return Vec::new() };
    // A list for information only: what can't be read is left out.
    subject.session.cluster.list(kind, Some(namespace), None).await.unwrap_or_default()
}

fn is_owned(object: &Value, uid: &str) -> bool {
    let owners = object["metadata"]["ownerReferences"].as_array();
    owners.is_some_and(|owners| owners.iter().any(|owner| owner["uid"] == uid))
}

fn named(mut lines: Vec<String>) -> Vec<String> {
    let more = lines.len().saturating_sub(NAMED);
    if more > 0 {
        lines.truncate(NAMED);
        lines.push(format!("and {more} more"));
    }
    lines
}
