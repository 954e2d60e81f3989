//! Discovery documents, new and old, whole and broken.

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use kube::{Client, client::Body};
use plumb_core::{object::GroupKind, presence::Presence};
use serde_json::json;

use super::*;
use crate::client::Connections;

/// A cluster that answers each path with a document; what has none fails.
fn cluster(documents: &[(&'static str, Value)]) -> Cluster {
    let documents = documents.to_vec();
    let service = tower::service_fn(move |request: Request<Body>| {
        let found = documents.iter().find(|(path, _)| *path == request.uri().path());
        let (code, body) = found.map_or((500, "{}".to_owned()), |(_, document)| (200, document.to_string()));
        let response = Response::builder().status(code).body(Full::new(Bytes::from(body))).unwrap();
        async move { Ok::<_, std::convert::Infallible>(response) }
    });
    Cluster::new(Connections::over(Client::new(service, "default"), 7))
}

fn words(kinds: &Kinds) -> Vec<String> {
    let word = |kind: &Kind| format!("{} {} {:?} {}", kind.gvk, kind.plural, kind.scope, kind.watchable);
    kinds.all_preferred().map(word).collect()
}

#[tokio::test]
async fn aggregated_documents_are_read_and_stale_versions_are_unknown() {
    let resource = |plural: &str, kind: &str, scope: &str, verbs: &[&str]| {
        let response = json!({ "group": "", "version": "", "kind": kind });
        json!({ "resource": plural, "responseKind": response, "scope": scope, "verbs": verbs,
            "subresources": [{ "subresource": "status", "responseKind": response, "verbs": ["get"] }] })
    };
    let core = json!({ "kind": "APIGroupDiscoveryList", "items": [{ "metadata": {}, "versions": [{ "version": "v1",
        "freshness": "Current", "resources": [
            resource("pods", "Pod", "Namespaced", &["get", "list", "watch"]),
            resource("namespaces", "Namespace", "Cluster", &["get", "list", "watch"]),
            resource("bindings", "Binding", "Namespaced", &["create"]),
        ] }] }] });
    let groups = json!({ "kind": "APIGroupDiscoveryList", "items": [
        { "metadata": { "name": "example.com" }, "versions": [
            { "version": "v2", "freshness": "Current", "resources": [resource("foos", "Foo", "Namespaced", &["list", "watch"])] },
            { "version": "v1", "freshness": "Current", "resources": [resource("foos", "Foo", "Namespaced", &["list", "watch"])] },
        ] },
        { "metadata": { "name": "metrics.example.com" }, "versions": [
            { "version": "v1", "freshness": "Stale", "resources": [resource("bars", "Bar", "Namespaced", &["list"])] },
        ] },
    ] });
    let kinds = cluster(&[("/api", core), ("/apis", groups)]).kinds().await.unwrap();
    assert_eq!(
        words(&kinds),
        [
            "v1 Binding bindings Namespaced false",
            "v1 Namespace namespaces Cluster true",
            "v1 Pod pods Namespaced true",
            "example.com/v2 Foo foos Namespaced true",
        ]
    );
    assert_eq!(kinds.preferred(&GroupKind::new("metrics.example.com", "Bar")), Presence::Unknown);
}

#[tokio::test]
async fn a_server_without_aggregated_discovery_is_asked_version_by_version() {
    let foos = |kind: &str| {
        let resource =
            |name: &str| json!({ "name": name, "kind": kind, "namespaced": true, "verbs": ["list", "watch"] });
        json!({ "kind": "APIResourceList", "resources": [resource("foos"), resource("foos/status")] })
    };
    let group = |name: &str, versions: &[&str], preferred: &str| {
        let versions: Vec<_> = versions.iter().map(|version| json!({ "version": version })).collect();
        json!({ "name": name, "versions": versions, "preferredVersion": { "version": preferred } })
    };
    let groups = [group("example.com", &["v1", "v2"], "v2"), group("down.example.com", &["v1"], "v1")];
    let kinds = cluster(&[
        ("/api", json!({ "kind": "APIVersions", "versions": ["v1"] })),
        ("/api/v1", foos("Pod")),
        ("/apis", json!({ "kind": "APIGroupList", "groups": groups })),
        ("/apis/example.com/v1", foos("Foo")),
        ("/apis/example.com/v2", foos("Foo")),
    ]);
    let kinds = kinds.kinds().await.unwrap();
    assert_eq!(words(&kinds), ["v1 Pod foos Namespaced true", "example.com/v2 Foo foos Namespaced true"]);
    assert_eq!(kinds.preferred(&GroupKind::new("down.example.com", "Bar")), Presence::Unknown);
    assert_eq!(kinds.preferred(&GroupKind::new("nobody.example.com", "Bar")), Presence::Absent);
}

#[tokio::test]
async fn a_list_of_groups_that_cannot_be_read_is_an_error() {
    assert!(cluster(&[("/api", json!({ "kind": "APIVersions", "versions": [] }))]).kinds().await.is_err());
    let odd = json!({ "kind": "Odd" });
    assert!(matches!(cluster(&[("/api", odd)]).kinds().await, Err(ApiError::Unexpected { .. })));
}
