//! Manifests and what the API server made of them, from recorded cases: equal where nothing changed.

use serde_json::{Value, json};

use super::Fingerprint;
use crate::{environment::FieldManager, ignore::Ignored};

/// Manifests, and what the API server of Kubernetes 1.36 made of them in one apply.
const APPLIED: &str = include_str!("cases.json");

fn ours() -> FieldManager {
    FieldManager::new("plumb-aaaaaaaaaaaa")
}

fn name_of(object: &Value) -> String {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    format!("{} {}", text("/kind"), text("/metadata/name"))
}

#[test]
fn applied_manifests_have_the_fingerprint_of_what_is_live() {
    /// Null for a default, a default for null, a status that may count, nothing owned at all, `{}` filled with
    /// defaults of a schema: a dry-run decides about them.
    const DIFFER: [&str; 6] =
        ["ConfigMap nulls", "Deployment nulls", "Widget nulls", "Widget w", "Widget bare", "Widget emptyspec"];
    let cases: Vec<Value> = serde_json::from_str(APPLIED).expect("cases");
    let differ: Vec<String> = cases
        .iter()
        .filter(|case| {
            Fingerprint::of_owned(&case["live"], &ours(), &Ignored::default())
                != Some(Fingerprint::of_manifest(&case["manifest"], &Ignored::default()))
        })
        .map(|case| name_of(&case["manifest"]))
        .collect();
    assert_eq!(differ, DIFFER);
}

/// A live object on which our manager owns the given fields.
fn live(mut object: Value, fields: Value) -> Value {
    let api_version = object["apiVersion"].clone();
    object["metadata"]["managedFields"] =
        json!([{"manager": ours().as_str(), "operation": "Apply", "apiVersion": api_version, "fieldsV1": fields}]);
    object
}

#[test]
fn a_change_of_a_manifest_is_seen_wherever_the_server_may_see_it() {
    let differ = |api_version: &str, spec: Value, other: Value| {
        let of = |spec: &Value| {
            Fingerprint::of_manifest(
                &json!({"apiVersion": api_version, "kind": "K", "spec": spec}),
                &Ignored::default(),
            )
        };
        assert_ne!(of(&spec), of(&other), "{spec} and {other}");
    };
    differ("apps/v1", json!({"replicas": 0}), json!({}));
    differ("apps/v1", json!({"replicas": 0}), json!({"replicas": null}));
    differ("v1", json!({"automountServiceAccountToken": false}), json!({}));
    differ("v1", json!({"storageClassName": ""}), json!({"storageClassName": null}));
    differ("networking.k8s.io/v1", json!({"ingress": [{}]}), json!({"ingress": []}));
    differ("networking.k8s.io/v1", json!({"from": [{"a": {"x": "y"}, "b": {}}]}), json!({"from": [{"a": {"x": "y"}}]}));
    differ("v1", json!({"limits": {"cpu": "1"}}), json!({"limits": {"cpu": "2"}}));
    differ("v1", json!({"args": ["1"]}), json!({"args": [1]}));
    differ("v1", json!({"args": ["a", "b"]}), json!({"args": ["b", "a"]}));
    for (one, other) in
        [(json!(0), json!("")), (json!({}), json!([])), (json!(false), json!(null)), (json!("1"), json!(1))]
    {
        differ("example.com/v1", json!({"a": one}), json!({"a": other}));
        differ("example.com/v1", json!({"limits": {"a": one}}), json!({"limits": {"a": other}}));
    }
    differ("example.com/v1", json!({"limits": {"cpu": "1"}}), json!({"limits": {"cpu": "1000m"}}));
    differ(
        "apiextensions.k8s.io/v1",
        json!({"openAPIV3Schema": {"default": {}}}),
        json!({"openAPIV3Schema": {"default": ""}}),
    );
}

#[test]
fn what_others_own_is_not_part_of_it() {
    let fields = json!({"f:data": {"f:a": {}}});
    let bare = live(
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"a": "1"}}),
        fields.clone(),
    );
    let mut more = bare.clone();
    more["data"]["b"] = json!("2");
    more["metadata"]["labels"] = json!({"x": "y"});
    more["metadata"]["resourceVersion"] = json!("7");
    let fingerprint = Fingerprint::of_owned(&bare, &ours(), &Ignored::default());
    assert!(fingerprint.is_some());
    assert_eq!(Fingerprint::of_owned(&more, &ours(), &Ignored::default()), fingerprint);
    let mut changed = bare.clone();
    changed["data"]["a"] = json!("2");
    assert_ne!(Fingerprint::of_owned(&changed, &ours(), &Ignored::default()), fingerprint);
    let lost = live(bare.clone(), json!({"f:metadata": {"f:labels": {}}}));
    assert_ne!(Fingerprint::of_owned(&lost, &ours(), &Ignored::default()), fingerprint);
}

#[test]
fn without_an_apply_of_ours_at_this_version_there_is_none() {
    let object =
        live(json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"a": "1"}}), json!({"f:data": {"f:a": {}}}));
    assert_eq!(Fingerprint::of_owned(&object, &FieldManager::new("kubectl"), &Ignored::default()), None);
    assert_eq!(Fingerprint::of_owned(&json!({"apiVersion": "v1"}), &ours(), &Ignored::default()), None);
    let change = |name: &str, value: Value| {
        let mut object = object.clone();
        object["metadata"]["managedFields"][0][name] = value;
        Fingerprint::of_owned(&object, &ours(), &Ignored::default())
    };
    assert_eq!(change("apiVersion", json!("v1beta1")), None);
    assert_eq!(change("operation", json!("Update")), None);
    assert_eq!(change("subresource", json!("status")), None);
    assert_eq!(change("fieldsV1", json!({"f:data": 1})), None);
}

#[test]
fn a_secret_applied_as_text_is_followed_in_its_data() {
    let secret = |password: &str| {
        live(
            json!({"apiVersion": "v1", "kind": "Secret", "data": {"password": password}}),
            json!({"f:stringData": {"f:password": {}}}),
        )
    };
    let manifest = json!({"apiVersion": "v1", "kind": "Secret", "stringData": {"password": "hunter2"}});
    let fingerprint = Some(Fingerprint::of_manifest(&manifest, &Ignored::default()));
    assert_eq!(Fingerprint::of_owned(&secret("aHVudGVyMg=="), &ours(), &Ignored::default()), fingerprint);
    assert_ne!(Fingerprint::of_owned(&secret("b3RoZXI="), &ours(), &Ignored::default()), fingerprint);
}

#[test]
fn it_is_written_as_hexadecimal_digits_and_read_back() {
    let fingerprint = Fingerprint::of_manifest(&json!({"apiVersion": "v1", "kind": "ConfigMap"}), &Ignored::default());
    assert_eq!(fingerprint.to_string().len(), 32);
    let text = serde_json::to_string(&fingerprint).expect("text");
    assert_eq!(serde_json::from_str::<Fingerprint>(&text).expect("a fingerprint"), fingerprint);
    assert!(serde_json::from_str::<Fingerprint>("\"abc\"").is_err());
    assert!(serde_json::from_str::<Fingerprint>("\"zz\"").is_err());
}

#[test]
fn what_others_put_into_a_map_that_was_applied_empty_does_not_count() {
    let live = |annotations: Value, ours: Value, theirs: Value| {
        let entry = |manager: &str, operation: &str, fields: &Value| json!({"manager": manager, "operation": operation, "apiVersion": "apps/v1", "fieldsV1": fields});
        let entries =
            [entry("plumb-aaaaaaaaaaaa", "Apply", &ours), entry("kube-controller-manager", "Update", &theirs)];
        json!({"apiVersion": "apps/v1", "kind": "Deployment",
               "metadata": {"annotations": annotations, "labels": {"a": "b"}, "managedFields": entries}})
    };
    let of = |object: &Value| Fingerprint::of_owned(object, &ours(), &Ignored::default());
    let manifest =
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"annotations": {}, "labels": {"a": "b"}}});
    let expected = Some(Fingerprint::of_manifest(&manifest, &Ignored::default()));
    let mine = json!({"f:metadata": {"f:annotations": {}, "f:labels": {"f:a": {}}}});
    assert_eq!(of(&live(json!({}), mine.clone(), json!({}))), expected);
    let theirs = json!({"f:metadata": {"f:annotations": {"f:revision": {}}}});
    assert_eq!(of(&live(json!({"revision": "1"}), mine.clone(), theirs.clone())), expected);
    // Whoever adds the first one takes the map as a whole from us.
    assert_eq!(of(&live(json!({"revision": "1"}), json!({"f:metadata": {"f:labels": {"f:a": {}}}}), theirs)), expected);
    // Nobody else owns it: a value that the API server treats as one, and that is not the one that was applied.
    assert_ne!(of(&live(json!({"revision": "1"}), mine, json!({}))), expected);
}

#[test]
fn what_others_put_into_data_that_was_applied_empty_does_not_count() {
    let check = |kind: &str, field: &str| {
        let live = |ours: Value| {
            let entry = |manager: &str, fields: Value| json!({"manager": manager, "operation": "Apply", "apiVersion": "v1", "fieldsV1": fields});
            let entries = [
                entry("plumb-aaaaaaaaaaaa", ours),
                entry("controller", json!({format!("f:{field}"): {".": {}, "f:k": {}}})),
            ];
            json!({"apiVersion": "v1", "kind": kind, field: {"k": "dg=="},
                   "metadata": {"labels": {"a": "b"}, "managedFields": entries}})
        };
        let of = |object: &Value| Fingerprint::of_owned(object, &ours(), &Ignored::default());
        let manifest = json!({"apiVersion": "v1", "kind": kind, field: {}, "metadata": {"labels": {"a": "b"}}});
        let expected = Some(Fingerprint::of_manifest(&manifest, &Ignored::default()));
        let labels = json!({"f:labels": {"f:a": {}}});
        assert_eq!(of(&live(json!({"f:metadata": labels, format!("f:{field}"): {}}))), expected, "{kind} {field}");
        assert_eq!(of(&live(json!({"f:metadata": labels}))), expected, "{kind} {field}");
    };
    check("ConfigMap", "data");
    check("ConfigMap", "binaryData");
    check("Secret", "data");
}

#[test]
fn what_others_put_into_resources_that_were_applied_empty_does_not_count() {
    let deployment = |group: &str, resources: &Value| {
        let container = json!({"name": "app", "image": "web", "resources": resources});
        let spec = json!({"template": {"spec": {"containers": [container]}}});
        json!({"apiVersion": format!("{group}/v1"), "kind": "Deployment", "spec": spec})
    };
    // As the API server writes them (1.36): what was applied as {} stays in the set, a map in it does not.
    let check = |group: &str, applied: Value, owned: Option<Value>, equal: bool| {
        let entry = |manager: &str, fields: &Value| {
            let below = json!({"f:containers": {r#"k:{"name":"app"}"#: fields}});
            let fields = json!({"f:spec": {"f:template": {"f:spec": below}}});
            json!({"manager": manager, "operation": "Apply", "apiVersion": format!("{group}/v1"), "fieldsV1": fields})
        };
        let mut mine = json!({".": {}, "f:image": {}, "f:name": {}});
        if let Some(owned) = &owned {
            mine["f:resources"] = owned.clone();
        }
        let theirs = json!({"f:resources": {"f:limits": {".": {}, "f:cpu": {}}}});
        let mut live = deployment(group, &json!({"limits": {"cpu": "1"}}));
        live["metadata"] = json!({"managedFields": [entry("plumb-aaaaaaaaaaaa", &mine), entry("other", &theirs)]});
        let live = Fingerprint::of_owned(&live, &ours(), &Ignored::default());
        let manifest = Fingerprint::of_manifest(&deployment(group, &applied), &Ignored::default());
        assert_eq!(live == Some(manifest), equal, "{group} {applied} {owned:?}");
    };
    check("apps", json!({}), Some(json!({})), true);
    check("apps", json!({}), None, true);
    check("apps", json!({"limits": {}, "requests": {}}), None, true);
    check("apps", json!({"limits": {"cpu": "1"}}), None, false);
    check("apps", json!({"claims": [{"name": "gpu"}]}), None, false);
    // What a schema of somebody else makes of it is not known.
    check("example.com", json!({}), None, false);
}

#[test]
fn properties_of_a_schema_that_are_called_like_resources_count() {
    let definition = |properties: Value| {
        let version =
            json!({"name": "v1", "schema": {"openAPIV3Schema": {"type": "object", "properties": properties}}});
        let manifest = json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "spec": {"versions": [version]}});
        Fingerprint::of_manifest(&manifest, &Ignored::default())
    };
    assert_ne!(definition(json!({"resources": {}, "a": {}})), definition(json!({"a": {}})));
}
