//! Discovery, definitions, what a namespace holds, who is labelled, Pods.

use plumb_cluster::{apply::Force, contents::Whereabouts, error::ApiError};
use plumb_core::{
    kinds::{Kinds, Scope},
    object::{GroupKind, Gvk, ObjectKey, PART_OF},
    presence::Presence,
};
use serde_json::{Value, json};

use crate::bench::{Bench, DEADLINE, bench, config_map, eventually, id, kind, labelled};

fn definition(group: &str, kind: &str, plural: &str, versions: &[&str]) -> Value {
    let schema = json!({ "openAPIV3Schema": { "type": "object", "x-kubernetes-preserve-unknown-fields": true } });
    let version = |(index, name): (usize, &&str)| json!({ "name": name, "served": true, "storage": index == 0, "schema": schema });
    let versions: Vec<_> = versions.iter().enumerate().map(version).collect();
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": { "name": format!("{plural}.{group}") },
        "spec": { "group": group, "scope": "Namespaced", "versions": versions,
            "names": { "kind": kind, "plural": plural, "singular": kind.to_lowercase() } },
    })
}

/// A group of its own, since definitions belong to the whole cluster.
fn group(bench: &Bench) -> String {
    format!("{}.example.com", bench.namespace)
}

fn served<'a>(kinds: &'a Kinds, group: &str, kind: &str) -> Option<&'a plumb_core::kinds::Kind> {
    kinds.preferred(&GroupKind::new(group, kind)).present()
}

#[tokio::test]
async fn the_cluster_has_an_identity_and_knows_who_asks() {
    let bench = bench("identity").await;
    let uid = bench.cluster.uid().await.unwrap();
    assert_eq!(
        uid,
        bench.plane.kubectl(&["get", "namespace", "kube-system", "-o", "jsonpath={.metadata.uid}"]).unwrap()
    );
    assert!(!bench.cluster.user().await.unwrap().is_empty());
}

#[tokio::test]
async fn discovery_finds_kinds_with_scope_plural_and_preferred_version() {
    let bench = bench("discovery").await;
    let kinds = bench.cluster.kinds().await.unwrap();
    let deployment = served(&kinds, "apps", "Deployment").unwrap();
    assert_eq!(
        (deployment.plural.as_str(), deployment.scope, deployment.watchable),
        ("deployments", Scope::Namespaced, true)
    );
    assert_eq!(served(&kinds, "", "Namespace").unwrap().scope, Scope::Cluster);
    assert_eq!(served(&kinds, "autoscaling", "HorizontalPodAutoscaler").unwrap().gvk.version, "v2");
    assert!(!served(&kinds, "authentication.k8s.io", "TokenReview").unwrap().watchable);
    assert_eq!(kinds.find(&Gvk::new("apps/v1beta1", "Deployment")), Presence::Absent);
}

#[tokio::test]
async fn a_definition_is_usable_once_it_is_established() {
    let bench = bench("established").await;
    let group = group(&bench);
    bench.kubectl_apply(&definition(&group, "Widget", "widgets", &["v1", "v1beta1"]));
    bench.cluster.established(&format!("widgets.{group}"), DEADLINE).await.unwrap();
    let widget = kind(&format!("{group}/v1"), "Widget", "widgets", Scope::Namespaced);
    assert_eq!(bench.cluster.list(&widget, None, None).await.unwrap(), Vec::<Value>::new());
    let found = eventually("discovery has it", async || {
        served(&bench.cluster.kinds().await.unwrap(), &group, "Widget").cloned()
    });
    assert_eq!(found.await, widget);
}

#[tokio::test]
async fn a_definition_whose_names_are_taken_is_refused_at_once() {
    let bench = bench("names").await;
    let group = group(&bench);
    bench.kubectl_apply(&definition(&group, "Widget", "widgets", &["v1"]));
    bench.cluster.established(&format!("widgets.{group}"), DEADLINE).await.unwrap();
    bench.kubectl_apply(&definition(&group, "Widget", "gadgets", &["v1"]));
    let error = bench.cluster.established(&format!("gadgets.{group}"), DEADLINE).await.unwrap_err();
    assert!(matches!(error, ApiError::Invalid { .. }), "{error}");
}

#[tokio::test]
async fn a_definition_that_does_not_come_is_late() {
    let bench = bench("late").await;
    let error =
        bench.cluster.established("nothing.example.com", std::time::Duration::from_millis(200)).await.unwrap_err();
    assert!(matches!(error, ApiError::NotEstablished { .. }), "{error}");
}

#[tokio::test]
async fn a_group_whose_server_is_down_is_unknown_and_not_absent() {
    let bench = bench("aggregated").await;
    let group = group(&bench);
    let service = json!({
        "apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService", "metadata": { "name": format!("v1.{group}") },
        "spec": { "group": group, "version": "v1", "groupPriorityMinimum": 100, "versionPriority": 100,
            "insecureSkipTLSVerify": true, "service": { "name": "nobody", "namespace": bench.namespace } },
    });
    bench.kubectl_apply(&service);
    let kinds = eventually("discovery notices", async || {
        let kinds = bench.cluster.kinds().await.unwrap();
        (kinds.preferred(&GroupKind::new(&group, "Thing")) == Presence::Unknown).then_some(kinds)
    });
    let kinds = kinds.await;
    let namespace = namespace(&bench);
    let contents = bench.cluster.contents(&namespace, &kinds, &id("shop")).await;
    assert_eq!(contents.others, Presence::Unknown);
    assert!(contents.unknown.unwrap().contains(&group));
    assert!(!bench.cluster.scan(&kinds).await.is_complete());
    bench.plane.kubectl(&["delete", "apiservice", &format!("v1.{group}")]).unwrap();
}

fn namespace(bench: &Bench) -> ObjectKey {
    ObjectKey { group: String::new(), kind: "Namespace".to_owned(), namespace: None, name: bench.namespace.clone() }
}

/// The kinds without those of other tests, which come and go.
async fn settled_kinds(bench: &Bench) -> Kinds {
    let kinds = bench.cluster.kinds().await.unwrap();
    let own = group(bench);
    let mine = |kind: &&plumb_core::kinds::Kind| !kind.gvk.group.ends_with(".example.com") || kind.gvk.group == own;
    Kinds::new(kinds.all_preferred().filter(mine).cloned().collect::<Vec<_>>(), [])
}

#[tokio::test]
async fn a_namespace_holds_what_is_neither_ours_nor_furniture_nor_owned() {
    let bench = bench("contents").await;
    eventually("the furniture is there", async || {
        let all = bench.kubectl(&["get", "serviceaccounts,configmaps", "-o", "name"]);
        (all.contains("serviceaccount/default") && all.contains("kube-root-ca.crt")).then_some(())
    })
    .await;
    let kinds = settled_kinds(&bench).await;
    let names = async || {
        let contents = bench.cluster.contents(&namespace(&bench), &kinds, &id("shop")).await;
        let others = contents.others.present().unwrap_or_else(|| panic!("{:?}", contents.unknown));
        others.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    bench.apply("shop", &bench.owned("shop", "ours", json!({})), Force::No).await.unwrap();
    bench.kubectl(&["create", "deployment", "web", "--image=lab/app:1"]);
    eventually("the Pods of the Deployment exist", async || {
        (!bench.kubectl(&["get", "pods", "-o", "name"]).is_empty()).then_some(())
    })
    .await;
    assert_eq!(names().await, [format!("Deployment {}/web", bench.namespace)], "what it owns counts with it");
    bench.apply("blog", &bench.owned("blog", "theirs", json!({})), Force::No).await.unwrap();
    assert_eq!(
        names().await,
        [format!("ConfigMap {}/theirs", bench.namespace), format!("Deployment {}/web", bench.namespace)]
    );
}

#[tokio::test]
async fn a_definition_holds_its_instances() {
    let bench = bench("instances").await;
    let group = group(&bench);
    let holder = ObjectKey {
        group: "apiextensions.k8s.io".to_owned(),
        kind: "CustomResourceDefinition".to_owned(),
        namespace: None,
        name: format!("widgets.{group}"),
    };
    bench.kubectl_apply(&definition(&group, "Widget", "widgets", &["v1"]));
    bench.cluster.established(&holder.name, DEADLINE).await.unwrap();
    let kinds = eventually("discovery has it", async || {
        let kinds = settled_kinds(&bench).await;
        served(&kinds, &group, "Widget").is_some().then_some(kinds)
    })
    .await;
    let others = async || bench.cluster.contents(&holder, &kinds, &id("shop")).await.others;
    assert_eq!(others().await, Presence::Present(Vec::new()));
    let widget = json!({ "apiVersion": format!("{group}/v1"), "kind": "Widget",
        "metadata": { "name": "w", "namespace": bench.namespace } });
    bench.kubectl_apply(&labelled(widget.clone(), "shop"));
    assert_eq!(others().await, Presence::Present(Vec::new()), "it is ours");
    bench.kubectl_apply(&labelled(widget, "blog"));
    let found = others().await.present().unwrap();
    assert_eq!(found.iter().map(|key| key.name.as_str()).collect::<Vec<_>>(), ["w"]);
}

#[tokio::test]
async fn a_scan_finds_the_kinds_with_labelled_objects() {
    let bench = bench("scan").await;
    bench.apply("shop", &bench.owned("shop", "c", json!({})), Force::No).await.unwrap();
    let scan = bench.cluster.scan(&settled_kinds(&bench).await).await;
    assert!(scan.is_complete(), "{:?}", scan.unknown);
    assert!(scan.found.contains(&config_map().gvk.group_kind()));
    assert!(!scan.found.contains(&GroupKind::new("", "Node")), "{:?}", scan.found);
}

#[tokio::test]
async fn what_vanished_from_a_watch_is_looked_for_once() {
    let bench = bench("whereabouts").await;
    let key = bench.key(&config_map(), "c");
    let look = async || bench.cluster.whereabouts(&config_map(), &key).await.unwrap();
    assert_eq!(look().await, Whereabouts::Gone);
    bench.apply("shop", &bench.owned("shop", "c", json!({})), Force::No).await.unwrap();
    assert!(matches!(look().await, Whereabouts::Labelled(found, _) if found == id("shop")));
    bench.kubectl(&["label", "configmap", "c", &format!("{PART_OF}-")]);
    assert!(matches!(look().await, Whereabouts::Unlabelled(_)));
}

#[tokio::test]
async fn lists_are_read_page_by_page() {
    let bench = bench("pages").await;
    let items: Vec<_> = (0..620).map(|number| bench.owned("pages", &format!("c{number:04}"), json!({}))).collect();
    let list = json!({ "apiVersion": "v1", "kind": "List", "items": items });
    bench.plane.kubectl_with_input(&["create", "-f", "-"], &list.to_string()).unwrap();
    let owned = bench.cluster.list_owned(&config_map(), &id("pages")).await.unwrap();
    assert_eq!(owned.len(), 620);
    assert!(owned.iter().all(|object| object["kind"] == "ConfigMap" && object["apiVersion"] == "v1"));
}

#[tokio::test]
async fn pods_in_trouble_are_told_and_the_cure_too() {
    let bench = bench("pods").await;
    bench.kubectl(&["create", "deployment", "web", "--image=lab/broken:1"]);
    let mut pods = bench.cluster.watch_pods(&bench.namespace, "app=web");
    let told = tokio::time::timeout(DEADLINE, async {
        while pods.troubles().is_empty() {
            pods.changed().await.expect("the watch runs");
        }
        pods.troubles()
    });
    let troubles = told.await.expect("the trouble is told");
    assert_eq!((troubles[0].reason.as_str(), troubles[0].image.as_str()), ("ImagePullBackOff", "lab/broken:1"));
    assert_eq!(bench.cluster.pod_troubles(&bench.namespace, "app=web").await.unwrap(), troubles);
    bench.kubectl(&["set", "image", "deployment/web", "broken=example.com/app:1"]);
    let cured = tokio::time::timeout(DEADLINE, async {
        while !pods.troubles().is_empty() {
            pods.changed().await.expect("the watch runs");
        }
    });
    cured.await.expect("the cure is told");
}
