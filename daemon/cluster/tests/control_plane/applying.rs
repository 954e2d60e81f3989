//! Server-side apply: what it leaves, and what refusals look like.

use plumb_cluster::{
    apply::{Apply, Force, Persistence},
    error::ApiError,
};
use plumb_core::{class::Class, fingerprint::Fingerprint, ignore::Ignored, kinds::Scope};
use serde_json::{Value, json};

use crate::bench::{Bench, bench, config_map, deployment, kind, labelled, manager};

fn web(bench: &Bench, spec: Value) -> Value {
    let mut object = json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": { "name": "web", "namespace": bench.namespace },
        "spec": {
            "selector": { "matchLabels": { "app": "web" } },
            "template": {
                "metadata": { "labels": { "app": "web" } },
                "spec": { "containers": [{ "name": "app", "image": "lab/app:1" }] },
            },
        },
    });
    for (name, value) in spec.as_object().unwrap() {
        object["spec"][name] = value.clone();
    }
    labelled(object, "shop")
}

async fn apply_web(bench: &Bench, spec: Value) -> Result<plumb_cluster::apply::Applied, ApiError> {
    bench.apply_kind(&deployment(), "shop", &web(bench, spec), Force::No).await
}

#[tokio::test]
async fn an_apply_creates_then_changes_then_does_nothing() {
    let bench = bench("apply").await;
    let one = bench.apply("shop", &bench.owned("shop", "c", json!({ "a": "1" })), Force::No).await.unwrap();
    assert!(one.created);
    let two = bench.apply("shop", &bench.owned("shop", "c", json!({ "a": "2" })), Force::No).await.unwrap();
    assert!(!two.created);
    let three = bench.apply("shop", &bench.owned("shop", "c", json!({ "a": "2" })), Force::No).await.unwrap();
    assert_eq!(two.object["metadata"]["resourceVersion"], three.object["metadata"]["resourceVersion"]);
    assert_ne!(one.object["metadata"]["resourceVersion"], three.object["metadata"]["resourceVersion"]);
    assert!(one.warnings.is_empty());
}

#[tokio::test]
async fn a_dry_run_says_what_an_apply_would_leave_and_stores_nothing() {
    let bench = bench("dry-run").await;
    let (kind, key, manager) = (config_map(), bench.key(&config_map(), "c"), manager("shop"));
    let object = bench.owned("shop", "c", json!({ "a": "1" }));
    let apply = Apply {
        kind: &kind,
        key: &key,
        object: &object,
        ignored: &Ignored::default(),
        manager: &manager,
        force: Force::Yes,
        persistence: Persistence::DryRun,
    };
    let predicted = bench.cluster.apply(&apply).await.unwrap();
    assert_eq!(bench.cluster.get(&kind, &key).await.unwrap(), None);
    let stored = bench.apply("shop", &object, Force::No).await.unwrap();
    let of = |object: &Value| Fingerprint::of_owned(object, &manager, &Ignored::default()).unwrap();
    assert_eq!(of(&predicted.object), of(&stored.object));
}

#[tokio::test]
async fn unknown_fields_and_wrong_types_are_named() {
    let bench = bench("unknown-field").await;
    for (spec, expected) in [(json!({ "replica": 2 }), "spec.replica"), (json!({ "paused": "no" }), "spec.paused")] {
        let error = apply_web(&bench, spec).await.unwrap_err();
        let fields: Vec<_> = error.problems().iter().map(|problem| problem.field.as_str()).collect();
        assert_eq!(fields, [expected], "{error}");
        assert_eq!(error.class(), Class::Wait);
        assert!(!error.is_immutable());
    }
}

#[tokio::test]
async fn an_immutable_field_is_recognised() {
    let bench = bench("immutable").await;
    apply_web(&bench, json!({})).await.unwrap();
    let selector = json!({ "matchLabels": { "app": "other" } });
    let template = json!({ "metadata": { "labels": { "app": "other" } },
        "spec": { "containers": [{ "name": "app", "image": "lab/app:1" }] } });
    let error = apply_web(&bench, json!({ "selector": selector, "template": template })).await.unwrap_err();
    assert!(error.is_immutable(), "{error}");
    assert_eq!(error.problems()[0].field, "spec.selector");
}

#[tokio::test]
async fn what_is_too_large_is_refused_with_a_reason() {
    let bench = bench("large").await;
    let error =
        bench.apply("shop", &bench.owned("shop", "big", json!({ "a": "x".repeat(5_000_000) })), Force::No).await;
    assert!(matches!(error, Err(ApiError::TooLarge { .. })), "{error:?}");
    let error =
        bench.apply("shop", &bench.owned("shop", "big", json!({ "a": "x".repeat(1_200_000) })), Force::No).await;
    assert!(matches!(error, Err(ApiError::Invalid { .. })), "{error:?}");
    // The connection that carried the refusal serves others.
    bench.apply("shop", &bench.owned("shop", "small", json!({})), Force::No).await.unwrap();
}

#[tokio::test]
async fn values_of_a_secret_are_in_no_error() {
    let bench = bench("secret").await;
    let kind = kind("v1", "Secret", "secrets", Scope::Namespaced);
    for data in [json!({ "p": ["hunter2"] }), json!({ "p": "hunter2!" }), json!({ "hunter2 key": "aGk=" })] {
        let object = json!({ "apiVersion": "v1", "kind": "Secret", "data": data,
            "metadata": { "name": "s", "namespace": bench.namespace } });
        let error = bench.apply_kind(&kind, "shop", &object, Force::No).await.unwrap_err();
        assert!(matches!(error, ApiError::Invalid { .. }), "{error:?}");
        let values_shown = format!("{error} {error:?}").replace("hunter2 key", "").contains("hunter2");
        assert!(!values_shown, "{error} {error:?}");
    }
}

#[tokio::test]
async fn what_is_missing_is_told_apart() {
    let bench = bench("missing").await;
    let nowhere =
        json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "c", "namespace": "nowhere" } });
    let error = bench.apply("shop", &nowhere, Force::No).await.unwrap_err();
    assert!(matches!(error, ApiError::NotFound { .. }) && error.to_string().contains("nowhere"), "{error}");
    let unknown = kind("nobody.example.com/v1", "Thing", "things", Scope::Namespaced);
    let thing = json!({ "apiVersion": "nobody.example.com/v1", "kind": "Thing",
        "metadata": { "name": "c", "namespace": bench.namespace } });
    let error = bench.apply_kind(&unknown, "shop", &thing, Force::No).await.unwrap_err();
    assert!(matches!(error, ApiError::NotServed { .. }), "{error}");
}

#[tokio::test]
async fn warnings_of_the_server_are_passed_on() {
    let bench = bench("warning").await;
    let kind = kind("v1", "Endpoints", "endpoints", Scope::Namespaced);
    let object = json!({ "apiVersion": "v1", "kind": "Endpoints",
        "metadata": { "name": "e", "namespace": bench.namespace } });
    let applied = bench.apply_kind(&kind, "shop", &object, Force::No).await.unwrap();
    assert!(applied.warnings.iter().any(|warning| warning.contains("deprecated")), "{:?}", applied.warnings);
}

#[tokio::test]
async fn whether_an_object_could_be_created_anew_shows_while_it_is_there() {
    let bench = bench("anew").await;
    let service_kind = kind("v1", "Service", "services", Scope::Namespaced);
    let service = |address: &str, port: u16| {
        labelled(
            json!({
                "apiVersion": "v1", "kind": "Service", "metadata": { "name": "web", "namespace": bench.namespace },
                "spec": { "type": "NodePort", "clusterIP": address, "ports": [{ "port": port, "nodePort": 31_417 }] },
            }),
            "shop",
        )
    };
    bench.apply_kind(&service_kind, "shop", &service("", 80), Force::No).await.unwrap();
    apply_web(&bench, json!({})).await.unwrap();
    let other = json!({ "matchLabels": { "app": "other" } });
    let template = json!({ "metadata": { "labels": { "app": "other" } },
        "spec": { "containers": [{ "name": "app", "image": "lab/app:1" }] } });
    let check = async |kind: &plumb_core::kinds::Kind, object: Value, expected: Option<&str>| {
        let (key, manager, ignored) = (bench.key(kind, "web"), manager("shop"), Ignored::default());
        let (object, force, persistence) = (&object, Force::No, Persistence::Stored);
        let apply = Apply { kind, key: &key, object, ignored: &ignored, manager: &manager, force, persistence };
        let state = async || {
            let found = bench.cluster.get(kind, &key).await.unwrap().unwrap();
            (found["metadata"]["uid"].clone(), found["spec"].clone())
        };
        let before = state().await;
        let answer = bench.cluster.could_be_created(&apply).await;
        assert_eq!(state().await, before);
        let problem = answer.err().map(|error| error.problems()[0].field.clone());
        assert_eq!(problem.as_deref(), expected, "{object}");
    };
    check(&deployment(), web(&bench, json!({ "selector": other, "template": template })), None).await;
    check(&deployment(), web(&bench, json!({ "selector": other })), Some("spec.template.metadata.labels")).await;
    // The port is the one that it holds itself.
    check(&service_kind, service("None", 80), Some("spec.clusterIPs[0]")).await;
    check(&service_kind, service("", 81), None).await;
}
