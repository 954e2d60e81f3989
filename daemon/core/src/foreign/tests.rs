//! Whose fields are named, and what is removed of them.

use serde_json::json;

use super::*;
use crate::fields::pattern::PathPattern;

fn ours() -> FieldManager {
    FieldManager::new("plumb-aaaaaaaaaaaa")
}

fn managers() -> Vec<Glob> {
    vec![Glob::new("kubectl*"), Glob::new("before-first-apply")]
}

/// An entry: manager, subresource, version, fields.
type Entry = (&'static str, Option<&'static str>, &'static str, Value);

fn object(mut object: Value, entries: &[Entry]) -> Value {
    let entry = |(manager, subresource, version, fields): &Entry| {
        let (manager, operation) =
            if *manager == "plumb" { (ours().to_string(), "Apply") } else { ((*manager).to_owned(), "Update") };
        json!({"manager": manager, "operation": operation, "apiVersion": version, "subresource": subresource,
               "fieldsV1": fields})
    };
    object["apiVersion"] = json!("v1");
    object["metadata"]["uid"] = json!("u");
    object["metadata"]["resourceVersion"] = json!("7");
    object["metadata"]["managedFields"] = entries.iter().map(entry).collect();
    object
}

fn told(object: &Value) -> Vec<String> {
    let additions = additions(object, &ours(), &managers(), &Ignored::default());
    let one = |addition: &Addition| {
        let fields: Vec<String> = addition.fields.iter().map(ToString::to_string).collect();
        format!("{} {}", addition.manager, fields.join(" "))
    };
    additions.iter().map(one).collect()
}

fn removed(object: &Value, manifest: &Value) -> Option<Vec<String>> {
    let patch = removal(object, manifest, &ours(), &managers(), &Ignored::default())?;
    assert_eq!(patch[0], json!({"op": "test", "path": "/metadata/uid", "value": "u"}));
    assert_eq!(patch[1], json!({"op": "replace", "path": "/metadata/resourceVersion", "value": "7"}));
    Some(patch[2..].iter().map(|op| format!("{} {}", op["op"], op["path"]).replace('"', "")).collect())
}

#[test]
fn only_what_listed_managers_alone_own_is_named() {
    let check = |entries: &[Entry], expected: &[&str]| {
        assert_eq!(told(&object(json!({}), entries)), expected, "{entries:?}");
    };
    let a = || json!({"f:data": {"f:a": {}}});
    check(&[("kubectl-edit", None, "v1", a())], &["kubectl-edit .data.a"]);
    check(&[("kubectl-edit", None, "v1", a()), ("plumb", None, "v1", a())], &[]);
    check(&[("kubectl-edit", None, "v1", a()), ("controller", None, "v1", a())], &[]);
    check(&[("kubectl-edit", None, "v1", a()), ("controller", Some("scale"), "v1", a())], &[]);
    check(&[("controller", None, "v1", a())], &[]);
    // Without it an object may be deleted.
    let annotated = json!({"f:metadata": {"f:annotations": {"f:plumb.dev/prune": {}, "f:note": {}}}});
    check(&[("kubectl-annotate", None, "v1", annotated)], &["kubectl-annotate .metadata.annotations.note"]);
    check(&[("kubectl", Some("scale"), "v1", a())], &[]);
    // What its paths mean at another version is not known.
    check(&[("kubectl", None, "v2", a())], &[]);
    // Two of them may share a field.
    check(
        &[("kubectl-edit", None, "v1", a()), ("before-first-apply", None, "v1", a())],
        &["kubectl-edit .data.a", "before-first-apply .data.a"],
    );
    let metadata = json!({
        "f:labels": {".": {}, "f:x": {}, (format!("f:{PART_OF}")): {}}, "f:annotations": {".": {}, "f:y/z": {}},
        "f:finalizers": {".": {}, "v:\"hold\"": {}}, "f:ownerReferences": {},
    });
    check(
        &[("kubectl-edit", None, "v1", json!({"f:metadata": metadata, "f:status": {"f:x": {}}}))],
        &["kubectl-edit .metadata.annotations.y/z .metadata.labels.x"],
    );
    // An item of a list, and a map that they made, are one field each.
    let item = json!({".": {}, "f:name": {}, "f:image": {}});
    let probe = json!({".": {}, "f:httpGet": {".": {}, "f:port": {}}});
    let spec = json!({"f:c": {"k:{\"name\":\"debug\"}": item, "k:{\"name\":\"app\"}": {"f:probe": probe}}});
    let app = json!({"f:c": {"k:{\"name\":\"app\"}": {".": {}, "f:name": {}}}});
    check(
        &[("kubectl-edit", None, "v1", spec), ("plumb", None, "v1", app)],
        &["kubectl-edit .c[name=\"app\"].probe .c[name=\"debug\"]"],
    );
}

#[test]
fn what_is_ignored_is_not_named() {
    let entries = [("kubectl-edit", None, "v1", json!({"f:data": {"f:a": {}, "f:b": {}}}))];
    let ignored = Ignored::of_paths([PathPattern::parse("/data/a").expect("a path")]);
    let found = additions(&object(json!({}), &entries), &ours(), &managers(), &ignored);
    assert_eq!(found[0].fields, [FieldPath::of_fields(&["data", "b"])]);
    let live = object(json!({"data": {"a": "1", "b": "2"}}), &entries);
    let patch = removal(&live, &json!({}), &ours(), &managers(), &ignored).expect("a patch");
    assert_eq!(patch[2..], [json!({"op": "remove", "path": "/data/b"})]);
}

#[test]
fn a_removal_touches_nothing_else() {
    let check = |state: Value, manifest: Value, entries: &[Entry], expected: Option<&[&str]>| {
        let expected = expected.map(|lines| lines.iter().map(|line| (*line).to_owned()).collect());
        assert_eq!(removed(&object(state, entries), &manifest), expected, "{entries:?}");
    };
    let a = || json!({"f:data": {"f:a/~": {}}});
    check(json!({"data": {"a/~": "1"}}), json!({}), &[("kubectl", None, "v1", a())], Some(&["remove /data/a~1~0"]));
    // Wanted by Git: that is drift, and is put back.
    check(json!({"data": {"a/~": "1"}}), json!({"data": {"a/~": "2"}}), &[("kubectl", None, "v1", a())], None);
    check(json!({"data": {}}), json!({}), &[("kubectl", None, "v1", a())], None);
    let items = |names: &[&str]| {
        let items = names
            .iter()
            .map(|name| (format!("k:{{\"name\":\"{name}\"}}"), json!({".": {}, "f:name": {}, "f:image": {}})));
        json!({"f:c": items.collect::<serde_json::Map<_, _>>()})
    };
    let state = json!({"c": [{"name": "x"}, {"name": "app"}, {"name": "y", "image": "i"}]});
    let entries = [("kubectl", None, "v1", items(&["x", "y"])), ("plumb", None, "v1", items(&["app"]))];
    check(state.clone(), json!({"c": [{"name": "app"}]}), &entries, Some(&["remove /c/2", "remove /c/0"]));
    // Somebody else has set something of the item: it stays, but for the fields that are theirs alone and no key.
    let image = json!({"f:c": {"k:{\"name\":\"y\"}": {"f:image": {}}}});
    let entries = [("kubectl", None, "v1", items(&["y"])), ("controller", None, "v1", image)];
    check(state.clone(), json!({}), &entries, None);
    // Sets are addressed by value.
    let set = json!({"f:set": {"v:\"b\"": {}}});
    check(json!({"set": ["a", "b"]}), json!({}), &[("kubectl", None, "v1", set)], Some(&["remove /set/1"]));
    // In doubt nothing is removed: an owner at another version, or an entry that can't be read.
    check(
        json!({"data": {"a/~": "1"}}),
        json!({}),
        &[("kubectl", None, "v1", a()), ("x", None, "v2", json!({}))],
        None,
    );
    let mut unreadable = object(json!({"data": {"a/~": "1"}}), &[("kubectl", None, "v1", a())]);
    unreadable["metadata"]["managedFields"].as_array_mut().expect("entries").push(json!({"manager": "x"}));
    assert_eq!(removed(&unreadable, &json!({})), None);
}

#[test]
fn what_the_manifest_has_is_wanted_even_where_it_leaves_out_part_of_a_key() {
    let manifest = json!({"ports": [{"port": 80, "name": "web"}]});
    let at = |name: &str| {
        let key = Segment::parse(r#"k:{"port":80,"protocol":"TCP"}"#).expect("a key");
        FieldPath::of_fields(&["ports"]).join(key).join(Segment::Field(name.to_owned()))
    };
    assert!(is_wanted(&manifest, &at("name")));
    assert!(!is_wanted(&manifest, &at("nodePort")));
    assert!(!is_wanted(&json!({"ports": 1}), &at("name")));
}
