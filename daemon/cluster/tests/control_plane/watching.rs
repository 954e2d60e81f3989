//! Watches and the index on a real API server.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use lab::ControlPlane;
use plumb_cluster::{
    apply::Force,
    cluster::{Cluster, Precondition},
    index::change::{Change, What},
    traffic::Traffic,
    watches::{SharedIndex, Watches, news::News},
};
use plumb_core::{
    environment::ApplySetId,
    fingerprint::Fingerprint,
    ignore::Ignored,
    kinds::{Kind, Scope},
    object::{ObjectKey, PART_OF},
};
use serde_json::{Value, json};

use crate::bench::{
    Bench, DEADLINE, behind_a_proxy, bench, cluster_of, config_map, eventually, id, kind, labelled, manager,
};

pub(crate) struct Watching {
    pub(crate) watches: Watches,
    news: News,
    id: ApplySetId,
}

/// Watches a kind for one environment; a name of its own keeps tests apart, since watches span namespaces.
pub(crate) async fn watch(cluster: &Cluster, kind: Kind, environment: &str) -> Watching {
    watch_with(Watches::new(cluster.clone(), SharedIndex::default()), kind, environment).await
}

async fn watch_with((watches, news): (Watches, News), kind: Kind, environment: &str) -> Watching {
    let kinds = BTreeSet::from([kind.gvk.group_kind()]);
    watches.ensure([kind]);
    let unknown = watches.wait_synced(&kinds, DEADLINE).await;
    assert!(unknown.is_empty(), "{unknown:?}");
    Watching { watches, news, id: id(environment) }
}

impl Watching {
    pub(crate) fn id(&self) -> ApplySetId {
        self.id.clone()
    }

    /// Returns the next news of our environment.
    pub(crate) async fn next(&mut self) -> Vec<(String, What)> {
        let ours = async {
            loop {
                let news = self.news.next().await.expect("the watches run");
                let ours: Vec<_> = news.iter().filter_map(|change| self.ours(change)).collect();
                if !ours.is_empty() {
                    return ours;
                }
            }
        };
        tokio::time::timeout(DEADLINE, ours).await.expect("news")
    }

    fn ours(&self, change: &Change) -> Option<(String, What)> {
        match change {
            Change::Object { environment, key, what } if *environment == self.id => Some((key.name.clone(), *what)),
            _ => None,
        }
    }

    async fn hear(&mut self, name: &str, what: What) {
        let expected = (name.to_owned(), what);
        while !self.next().await.contains(&expected) {}
    }
}

/// Applies as an environment of which this index knows nothing yet: with its manager, without a word to the index.
fn apply_as_its_environment(plane: &ControlPlane, environment: &str, object: &Value) {
    let manager = manager(environment);
    let arguments = ["apply", "--server-side", "--field-manager", manager.as_str(), "--filename", "-"];
    plane.kubectl_with_input(&arguments, &object.to_string()).unwrap();
}

/// Applies as the daemon does: announced, answered and remembered.
pub(crate) async fn apply(bench: &Bench, watching: &Watching, environment: &str, object: &Value) -> Value {
    let key = bench.key(&config_map(), crate::bench::name_of(object));
    watching.watches.index().write_begins(&key);
    let applied = bench.apply(environment, object, Force::Yes).await.unwrap().object;
    let changes = watching.watches.index().answer(&applied);
    watching.watches.tell(changes);
    applied
}

#[tokio::test]
async fn our_own_writes_are_silent_and_those_of_others_are_drift() {
    let bench = bench("drift").await;
    let name = bench.namespace.as_str();
    let mut watching = watch(&bench.cluster, config_map(), name).await;
    for value in ["1", "2", "2", "3"] {
        apply(&bench, &watching, name, &bench.owned(name, "c", json!({ "a": value }))).await;
    }
    // Fields of others, and a write that changes nothing, are silent too.
    bench.kubectl(&["annotate", "configmap", "c", "note=hello"]);
    bench.kubectl(&["patch", "configmap", "c", "-p", r#"{"data":{"foreign":"x"}}"#]);
    bench.kubectl(&["patch", "configmap", "c", "--field-manager=kubectl-edit", "-p", r#"{"data":{"a":"9"}}"#]);
    assert_eq!(watching.next().await, [("c".to_owned(), What::Drifted)], "the first news of all");
    let key = bench.key(&config_map(), "c");
    let whole = watching.watches.index().object(&key).expect("it is kept to say who it was");
    assert_eq!(whole["data"]["a"], "9");
    let corrected = apply(&bench, &watching, name, &bench.owned(name, "c", json!({ "a": "3" }))).await;
    assert_eq!(watching.watches.index().object(&key), None);
    let live = watching.watches.index().live(&watching.id, &BTreeSet::new());
    assert_eq!(live.objects[&key].fingerprint, Fingerprint::of_owned(&corrected, &manager(name), &Ignored::default()));
    assert!(live.objects[&key].label_is_ours);
}

#[tokio::test]
async fn deletions_and_lost_labels_are_missing_and_our_own_deletions_are_silent() {
    let bench = bench("missing").await;
    let name = bench.namespace.as_str();
    let mut watching = watch(&bench.cluster, config_map(), name).await;
    let mut objects = Vec::new();
    for object in ["deleted", "unlabelled", "pruned", "relabelled"] {
        objects.push(apply(&bench, &watching, name, &bench.owned(name, object, json!({ "a": "1" }))).await);
    }
    let key = bench.key(&config_map(), "pruned");
    let state = Precondition::of(&objects[2]);
    watching.watches.index().write_begins(&key);
    bench.cluster.delete(&config_map(), &key, &state).await.unwrap();
    watching.watches.index().forget(&key, &state.uid);
    bench.kubectl(&["delete", "configmap", "deleted"]);
    assert_eq!(watching.next().await, [("deleted".to_owned(), What::Missing)]);
    bench.kubectl(&["label", "configmap", "unlabelled", &format!("{PART_OF}-")]);
    assert_eq!(watching.next().await, [("unlabelled".to_owned(), What::Missing)]);
    bench.kubectl(&["label", "--overwrite", "configmap", "relabelled", &format!("{PART_OF}=ZZ")]);
    assert_eq!(watching.next().await, [("relabelled".to_owned(), What::Missing)]);
}

#[tokio::test]
async fn lists_that_are_made_anew_tell_nothing_where_nothing_happened_and_drift_where_it_did() {
    let bench = bench("relist").await;
    let name = bench.namespace.as_str();
    let lists = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&lists);
    let count = move |traffic| {
        counted.fetch_add(usize::from(matches!(traffic, Traffic::Listed)), Ordering::SeqCst);
    };
    let (_proxy, cluster) = behind_a_proxy(&bench, Some(Arc::new(count))).await;
    let (watches, news) = Watches::new(cluster, SharedIndex::default());
    let mut watching = watch_with((watches.relisting(Duration::from_secs(1)), news), config_map(), name).await;
    apply(&bench, &watching, name, &bench.owned(name, "changed", json!({ "a": "1" }))).await;
    apply(&bench, &watching, name, &bench.owned(name, "kept", json!({ "a": "1" }))).await;
    let begun = lists.load(Ordering::SeqCst);
    eventually("three more lists", async || (lists.load(Ordering::SeqCst) >= begun + 3).then_some(())).await;
    bench.kubectl(&["patch", "configmap", "changed", "-p", r#"{"data":{"a":"9"}}"#]);
    assert_eq!(watching.next().await, [("changed".to_owned(), What::Drifted)], "the first news of all");
}

#[tokio::test]
async fn a_kind_that_is_removed_takes_its_objects_with_it() {
    let bench = bench("kind-gone").await;
    let group = format!("{}.example.com", bench.namespace);
    let schema = json!({ "openAPIV3Schema": { "type": "object", "x-kubernetes-preserve-unknown-fields": true } });
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": { "name": format!("widgets.{group}") },
        "spec": { "group": group, "scope": "Namespaced",
            "names": { "kind": "Widget", "plural": "widgets", "singular": "widget" },
            "versions": [{ "name": "v1", "served": true, "storage": true, "schema": schema }] },
    });
    let name = bench.namespace.as_str();
    bench.kubectl_apply(&definition);
    bench.cluster.established(&format!("widgets.{group}"), DEADLINE).await.unwrap();
    let widget = kind(&format!("{group}/v1"), "Widget", "widgets", Scope::Namespaced);
    let object = json!({ "apiVersion": format!("{group}/v1"), "kind": "Widget",
        "metadata": { "name": "w", "namespace": bench.namespace } });
    apply_as_its_environment(bench.plane, name, &labelled(object, name));
    let mut watching = watch(&bench.cluster, widget.clone(), name).await;
    bench.plane.kubectl(&["delete", "crd", &format!("widgets.{group}")]).unwrap();
    watching.hear("w", What::Missing).await;
    let kinds = BTreeSet::from([widget.gvk.group_kind()]);
    let unknown = watching.watches.wait_synced(&kinds, DEADLINE).await;
    assert!(unknown.is_empty(), "gone is known: {unknown:?}");
}

#[tokio::test]
async fn a_restart_of_the_api_server_loses_no_drift() {
    let plane = ControlPlane::start().expect("a control plane of its own");
    let cluster = cluster_of(plane.kubeconfig()).await;
    let object = |value: &str| {
        let metadata = json!({ "name": "c", "namespace": "default" });
        let plain = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": { "a": value } });
        labelled(plain, "shop")
    };
    let change = |value: &str| apply_as_its_environment(&plane, "shop", &object(value));
    change("1");
    let mut watching = watch(&cluster, config_map(), "shop").await;
    watching.hear("c", What::Appeared).await;
    let gvk = config_map().gvk.group_kind();
    for round in 0..2 {
        plane.stop_api_server().unwrap();
        let known = async {
            while watching.watches.index().unknown(&gvk).is_none() {
                watching.news.next().await.expect("the watches run");
            }
        };
        tokio::time::timeout(DEADLINE, known).await.expect("it is noticed");
        plane.start_api_server().unwrap();
        // Deleted as soon as the server is back, likely before the watch is.
        plane.kubectl(&["delete", "configmap", "c"]).unwrap();
        watching.hear("c", What::Missing).await;
        change(&round.to_string());
        watching.hear("c", What::Appeared).await;
        let kinds = BTreeSet::from([gvk.clone()]);
        assert!(watching.watches.wait_synced(&kinds, DEADLINE).await.is_empty());
    }
    let key = ObjectKey {
        group: String::new(),
        kind: "ConfigMap".to_owned(),
        namespace: Some("default".to_owned()),
        name: "c".to_owned(),
    };
    assert!(watching.watches.index().live(&watching.id, &BTreeSet::new()).objects.contains_key(&key));
    tokio::time::timeout(DEADLINE, watching.watches.stop()).await.expect("the watches end");
}

#[tokio::test]
async fn more_watches_than_one_connection_carries_all_sync() {
    let bench = bench("many").await;
    let request = http::Request::get("/version").body(kube::client::Body::empty()).unwrap();
    let answer = bench.cluster.connections().requests().send(request).await.unwrap();
    assert_eq!(answer.version(), http::Version::HTTP_2);
    let (watches, _news) = Watches::new(bench.cluster.clone(), SharedIndex::default());
    let kinds = bench.cluster.kinds().await.unwrap();
    let builtin: Vec<Kind> = kinds
        .all_preferred()
        .filter(|kind| kind.watchable && !kind.gvk.group.ends_with("example.com"))
        .cloned()
        .collect();
    let clusters: Vec<_> = (0..3).map(|_| Watches::new(bench.cluster.clone(), SharedIndex::default())).collect();
    let all = builtin.len() * (clusters.len() + 1);
    assert!(all > 2 * plumb_cluster::client::WATCHES_PER_CONNECTION, "{all} watches");
    let wanted: BTreeSet<_> = builtin.iter().map(|kind| kind.gvk.group_kind()).collect();
    for each in clusters.iter().map(|(watches, _)| watches).chain([&watches]) {
        each.ensure(builtin.iter().cloned());
    }
    for each in clusters.iter().map(|(watches, _)| watches).chain([&watches]) {
        let unknown = each.wait_synced(&wanted, DEADLINE).await;
        assert!(unknown.is_empty(), "{unknown:?}");
    }
}
