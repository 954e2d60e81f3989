//! What is found among served kinds, and what a commit's definitions add to them.

use serde_json::{Value, json};

use super::{Kind, Kinds, Scope};
use crate::{
    commit::RepoPath,
    object::{GroupKind, Gvk, Manifest, ObjectKey, Origin},
    presence::Presence,
};

fn kind(api_version: &str, name: &str) -> Kind {
    let plural = format!("{}s", name.to_lowercase());
    let gvk = Gvk::new(api_version, name);
    Kind { gvk, plural, scope: Scope::Namespaced, watchable: true, defined_by: None }
}

/// `Database` at v2 (preferred) and v1; discovery of broken.io and of example.org/v2 has failed.
fn served() -> Kinds {
    let unknown = [("broken.io", ""), ("example.org", "v2")].map(|(group, version)| (group.into(), version.into()));
    let kinds = ["example.com/v2", "example.com/v1"].map(|version| kind(version, "Database"));
    Kinds::new(kinds.into_iter().chain([kind("example.org/v1", "Cache")]), unknown)
}

fn word<T>(presence: &Presence<T>) -> &'static str {
    match presence {
        Presence::Present(_) => "present",
        Presence::Absent => "absent",
        Presence::Unknown => "unknown",
    }
}

#[test]
fn a_kind_is_served_or_not_or_nobody_knows() {
    let check = |version: &str, kind: &str, expected: &str| {
        assert_eq!(word(&served().find(&Gvk::new(version, kind))), expected, "{version} {kind}");
    };
    check("example.com/v1", "Database", "present");
    check("example.com/v3", "Database", "absent");
    check("example.com/v1", "Databse", "absent");
    check("v1", "Database", "absent");
    check("broken.io/v1", "Anything", "unknown");
    check("example.org/v1", "Cache", "present");
    check("example.org/v2", "Cache", "unknown");
    check("example.org/v1", "Other", "absent");
}

#[test]
fn the_server_says_which_version_it_prefers() {
    let check = |group: &str, kind: &str, expected: Presence<&str>| {
        let kinds = served();
        let found = match kinds.preferred(&GroupKind::new(group, kind)) {
            Presence::Present(kind) => Presence::Present(kind.gvk.version.as_str()),
            Presence::Absent => Presence::Absent,
            Presence::Unknown => Presence::Unknown,
        };
        assert_eq!(found, expected, "{group} {kind}");
    };
    check("example.com", "Database", Presence::Present("v2"));
    check("example.com", "Other", Presence::Absent);
    check("broken.io", "Anything", Presence::Unknown);
    check("example.org", "Cache", Presence::Present("v1"));
    check("example.org", "Other", Presence::Unknown);
    assert_eq!(served().all_preferred().count(), 2);
    assert_eq!(served().versions(&GroupKind::new("example.com", "Database")), ["v1", "v2"]);
}

fn definition(spec: Value) -> Manifest {
    let gvk = Gvk::new("apiextensions.k8s.io/v1", "CustomResourceDefinition");
    let key = ObjectKey {
        group: gvk.group.clone(),
        kind: gvk.kind.clone(),
        namespace: None,
        name: "queues.example.com".into(),
    };
    let origin = Origin { file: RepoPath::parse("queues.yaml").expect("a path"), line: 1, column: 1 };
    Manifest { gvk, key, value: json!({"spec": spec}).into(), origin }
}

fn queue() -> Value {
    json!({
        "group": "example.com",
        "names": {"kind": "Queue", "plural": "queues"},
        "scope": "Cluster",
        "versions": [{"name": "v1", "served": true}, {"name": "v2", "served": false}],
    })
}

#[test]
fn a_definition_adds_the_kinds_that_it_will_serve() {
    let kinds = served().with_definitions(&[definition(queue())]);
    let Presence::Present(found) = kinds.find(&Gvk::new("example.com/v1", "Queue")) else { panic!("not added") };
    assert_eq!((found.plural.as_str(), found.scope, found.watchable), ("queues", Scope::Cluster, true));
    assert_eq!(
        found.defined_by.as_ref().map(ToString::to_string).as_deref(),
        Some("CustomResourceDefinition queues.example.com")
    );
    assert_eq!(word(&kinds.find(&Gvk::new("example.com/v2", "Queue"))), "absent", "it is not served");
    assert_eq!(word(&kinds.preferred(&GroupKind::new("example.com", "Queue"))), "absent", "nothing can watch it yet");
}

#[test]
fn a_definition_changes_nothing_that_is_served_or_unknown() {
    let mut known = queue();
    known["names"] = json!({"kind": "Database", "plural": "elsewhere"});
    assert_eq!(served().with_definitions(&[definition(known)]), served());
    let mut unknown = queue();
    unknown["group"] = json!("broken.io");
    assert_eq!(served().with_definitions(&[definition(unknown)]), served());
}

#[test]
fn a_malformed_definition_adds_nothing() {
    for path in
        ["/group", "/names/kind", "/names/plural", "/scope", "/versions", "/versions/0/name", "/versions/0/served"]
    {
        let mut spec = queue();
        *spec.pointer_mut(path).expect("a field") = json!(7);
        assert_eq!(served().with_definitions(&[definition(spec)]), served(), "{path}");
    }
}
