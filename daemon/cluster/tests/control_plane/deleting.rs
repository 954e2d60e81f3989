//! Deletes and their preconditions.

use plumb_cluster::{
    apply::Force,
    cluster::{Deleted, Precondition},
    error::ApiError,
};
use serde_json::json;

use crate::bench::{Bench, bench, config_map, eventually};

async fn delete(bench: &Bench, name: &str, state: &Precondition) -> Result<Deleted, ApiError> {
    bench.cluster.delete(&config_map(), &bench.key(&config_map(), name), state).await
}

#[tokio::test]
async fn only_the_state_that_was_judged_is_deleted() {
    let bench = bench("delete").await;
    let old = bench.apply("shop", &bench.owned("shop", "c", json!({ "a": "1" })), Force::No).await.unwrap().object;
    let new = bench.apply("shop", &bench.owned("shop", "c", json!({ "a": "2" })), Force::No).await.unwrap().object;
    let stale = delete(&bench, "c", &Precondition::of(&old)).await;
    assert!(matches!(stale, Err(ApiError::Stale { .. })), "{stale:?}");
    let other = Precondition { uid: "00000000-0000-0000-0000-000000000000".to_owned(), ..Precondition::of(&new) };
    let stale = delete(&bench, "c", &other).await;
    assert!(matches!(stale, Err(ApiError::Stale { .. })), "{stale:?}");
    assert_eq!(bench.get("c").await["data"]["a"], "2");
    assert_eq!(delete(&bench, "c", &Precondition::of(&new)).await.unwrap(), Deleted::Gone);
    assert_eq!(delete(&bench, "c", &Precondition::of(&new)).await.unwrap(), Deleted::Missing);
}

#[tokio::test]
async fn finalizers_hold_what_is_deleted() {
    let bench = bench("finalizer").await;
    let mut object = bench.owned("shop", "c", json!({}));
    object["metadata"]["finalizers"] = json!(["example.com/hold"]);
    let object = bench.apply("shop", &object, Force::No).await.unwrap().object;
    assert_eq!(delete(&bench, "c", &Precondition::of(&object)).await.unwrap(), Deleted::Finalizing);
    bench.kubectl(&["patch", "configmap", "c", "--type=merge", "-p", r#"{"metadata":{"finalizers":null}}"#]);
}

#[tokio::test]
async fn a_veto_is_told_with_who_made_it() {
    let bench = bench("veto").await;
    let namespace = &bench.namespace;
    let policy = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy",
        "metadata": { "name": namespace },
        "spec": {
            "failurePolicy": "Fail",
            "matchConstraints": { "resourceRules": [{
                "apiGroups": [""], "apiVersions": ["v1"], "operations": ["DELETE"], "resources": ["configmaps"],
            }], "namespaceSelector": { "matchLabels": { "kubernetes.io/metadata.name": namespace } } },
            "validations": [{ "expression": "false", "message": "nothing is deleted here" }],
        },
    });
    let binding = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": { "name": namespace }, "spec": { "policyName": namespace, "validationActions": ["Deny"] },
    });
    bench.kubectl_apply(&policy);
    bench.kubectl_apply(&binding);
    let error = eventually("the policy works", async || {
        let object = bench.apply("shop", &bench.owned("shop", "c", json!({})), Force::No).await.unwrap().object;
        delete(&bench, "c", &Precondition::of(&object)).await.err()
    });
    let error = error.await;
    let told = matches!(&error, ApiError::Denied { by, message, .. } if by == namespace && message == "nothing is deleted here");
    assert!(told, "{error:?}");
}
