//! The few objects that every generated world is about, and the kinds that its API server serves.

use plumb_core::{
    commit::{CommitId, RepoPath},
    environment::EnvironmentName,
    kinds::{Kind, Kinds, Scope},
    object::{Gvk, Manifest, ObjectKey, Origin},
};
use serde_json::{Value, json};

/// The definition that serves `Database`.
pub(crate) const DEFINITION: &str = "databases.example.com";
/// The namespaces of all namespaced objects.
pub(crate) const NAMESPACES: [&str; 2] = ["shop", "away"];

const KINDS: [(&str, &str, &str, Scope); 7] = [
    ("v1", "Namespace", "namespaces", Scope::Cluster),
    ("apiextensions.k8s.io/v1", "CustomResourceDefinition", "customresourcedefinitions", Scope::Cluster),
    ("v1", "ConfigMap", "configmaps", Scope::Namespaced),
    ("v1", "Secret", "secrets", Scope::Namespaced),
    ("v1", "Service", "services", Scope::Namespaced),
    ("apps/v1", "Deployment", "deployments", Scope::Namespaced),
    ("rbac.authorization.k8s.io/v1", "ClusterRole", "clusterroles", Scope::Cluster),
];

/// The environment that plans.
pub(crate) fn ours() -> EnvironmentName {
    EnvironmentName::new("team", "shop")
}

/// Another environment of the same cluster.
pub(crate) fn other() -> EnvironmentName {
    EnvironmentName::new("team", "other")
}

pub(crate) fn commit(digit: char) -> CommitId {
    CommitId::parse(&digit.to_string().repeat(40)).expect("forty digits")
}

/// Every object of the universe, in an order of its own.
pub(crate) fn keys() -> Vec<ObjectKey> {
    let mut keys: Vec<ObjectKey> = NAMESPACES.iter().map(|name| key("v1", "Namespace", None, name)).collect();
    keys.push(key("apiextensions.k8s.io/v1", "CustomResourceDefinition", None, DEFINITION));
    keys.push(key("rbac.authorization.k8s.io/v1", "ClusterRole", None, "reader"));
    for name in ["a", "b", "c", "d", "e", "f", "g", "h"] {
        keys.push(key("v1", "ConfigMap", Some("shop"), name));
    }
    for namespace in NAMESPACES {
        keys.push(key("v1", "ConfigMap", Some(namespace), "settings"));
        keys.push(key("v1", "Secret", Some(namespace), "password"));
        keys.push(key("v1", "Service", Some(namespace), "web"));
        keys.push(key("apps/v1", "Deployment", Some(namespace), "web"));
        keys.push(key("example.com/v1", "Database", Some(namespace), "db"));
    }
    keys
}

fn key(api_version: &str, kind: &str, namespace: Option<&str>, name: &str) -> ObjectKey {
    let gvk = Gvk::new(api_version, kind);
    ObjectKey { group: gvk.group, kind: gvk.kind, namespace: namespace.map(str::to_owned), name: name.to_owned() }
}

pub(crate) fn is_namespace(key: &ObjectKey) -> bool {
    key.group.is_empty() && key.kind == "Namespace"
}

pub(crate) fn is_definition(key: &ObjectKey) -> bool {
    key.kind == "CustomResourceDefinition"
}

/// Returns whether deleting `holder` deletes the object.
pub(crate) fn holds(holder: &ObjectKey, key: &ObjectKey) -> bool {
    is_namespace(holder) && key.namespace.as_ref() == Some(&holder.name)
        || is_definition(holder) && key.group == "example.com"
}

/// Returns what discovery says while the definition of `Database` is there, or is not.
pub(crate) fn kinds(defined: bool) -> Kinds {
    let kind = |(api_version, kind, plural, scope): (&str, &str, &str, Scope)| Kind {
        gvk: Gvk::new(api_version, kind),
        plural: plural.to_owned(),
        scope,
        watchable: true,
        defined_by: None,
    };
    let database = defined.then_some(("example.com/v1", "Database", "databases", Scope::Namespaced));
    Kinds::new(KINDS.into_iter().chain(database).map(kind), [])
}

/// Returns what an object's annotation says of its wave.
fn wave(key: &ObjectKey) -> Option<&'static str> {
    match (key.kind.as_str(), key.name.as_str()) {
        ("ClusterRole", _) => Some("-1"),
        ("ConfigMap", "b" | "c") | ("Deployment" | "CustomResourceDefinition", _) => Some("1"),
        ("ConfigMap", "d") | ("Database", _) => Some("2"),
        _ => None,
    }
}

/// Returns the object as Git holds it, with this content.
pub(crate) fn manifest(key: &ObjectKey, content: u8) -> Manifest {
    let gvk = Gvk { group: key.group.clone(), version: "v1".to_owned(), kind: key.kind.clone() };
    let mut value = json!({"apiVersion": gvk.api_version(), "kind": gvk.kind, "metadata": {"name": key.name}});
    value["data"] = json!({"content": content.to_string()});
    if is_definition(key) {
        value["spec"] = definition();
    }
    if let Some(wave) = wave(key) {
        value["metadata"]["annotations"] = json!({"plumb.dev/wave": wave});
    }
    if let Some(namespace) = key.namespace.as_ref().filter(|namespace| *namespace != "shop") {
        value["metadata"]["namespace"] = json!(namespace);
    }
    // Objects of the target's own namespace leave it out.
    let key = ObjectKey { namespace: value["metadata"]["namespace"].as_str().map(str::to_owned), ..key.clone() };
    let file = format!("{}/{}-{}.yaml", key.namespace.as_deref().unwrap_or("_"), key.kind, key.name);
    let origin = Origin { file: RepoPath::parse(&file).expect("a path"), line: 1, column: 1 };
    Manifest { gvk, key, value: value.into(), origin }
}

fn definition() -> Value {
    json!({
        "group": "example.com",
        "names": {"kind": "Database", "plural": "databases"},
        "scope": "Namespaced",
        "versions": [{"name": "v1", "served": true}],
    })
}
