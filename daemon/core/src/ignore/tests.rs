//! Tables of what is ignored, and of what is sent of it.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::fields::pattern::PathPattern;

fn ours() -> FieldManager {
    FieldManager::new("plumb-aaaaaaaaaaaa")
}

fn ignored(paths: &[&str]) -> Ignored {
    Ignored::of_paths(paths.iter().map(|path| PathPattern::parse(path).expect("a path")))
}

/// Returns a live object of ours with what each manager owns: `plumb` stands for us.
fn live(mut object: Value, owners: &[(&str, Value)]) -> Value {
    let entry = |(manager, fields): &(&str, Value)| {
        let (manager, operation) =
            if *manager == "plumb" { (ours().to_string(), "Apply") } else { ((*manager).to_owned(), "Update") };
        let subresource = manager.starts_with("hpa").then_some("scale");
        json!({"manager": manager, "operation": operation, "apiVersion": "v1", "subresource": subresource,
               "fieldsV1": fields})
    };
    object["metadata"]["managedFields"] = owners.iter().map(entry).collect();
    object
}

#[test]
fn a_rule_names_kinds_and_names_by_globs() {
    let check = |kinds: &[&str], names: &[&str], expected: bool| {
        let globs = |texts: &[&str]| texts.iter().map(|text| Glob::new(text)).collect();
        let rule = Rule { kinds: globs(kinds), names: globs(names), paths: Vec::new() };
        let key = ObjectKey {
            group: "apps".to_owned(),
            kind: "Deployment".to_owned(),
            namespace: Some("shop".to_owned()),
            name: "web-1".to_owned(),
        };
        assert_eq!(rule.is_about(&key), expected, "{kinds:?} {names:?}");
    };
    check(&[], &[], true);
    check(&["Deployment"], &[], true);
    check(&["Deployment.apps"], &["web-*"], true);
    check(&["*.apps"], &["web-?"], true);
    check(&["*Set", "Deploy*"], &["api", "web-1"], true);
    check(&["Deployment.example.com"], &[], false);
    check(&["deployment"], &[], false);
    check(&["*"], &["web"], false);
}

#[test]
fn replicas_are_ignored_where_an_autoscaler_drives_them_one_of_the_same_commit_included() {
    use crate::{
        commit::RepoPath,
        desired,
        environment::EnvironmentName,
        kinds::{Kind, Kinds, Scope},
        object::{Manifest, Origin},
    };
    let manifest = |api_version: &str, kind: &str, name: &str, spec: Value| {
        let value = json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": name}, "spec": spec});
        let gvk = Gvk::new(api_version, kind);
        let key =
            ObjectKey { group: gvk.group.clone(), kind: gvk.kind.clone(), namespace: None, name: name.to_owned() };
        Manifest { gvk, key, value: Arc::new(value), origin: Origin { file: RepoPath::root(), line: 0, column: 0 } }
    };
    let web = |name: &str| manifest("apps/v1", "Deployment", name, json!({"replicas": 2}));
    let target = json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": "ours"});
    let scaler = manifest("autoscaling/v2", "HorizontalPodAutoscaler", "h", json!({"scaleTargetRef": target}));
    let bare = manifest("apps/v1", "Deployment", "bare", json!({}));
    let kind = |gvk: &Gvk| Kind {
        gvk: gvk.clone(),
        plural: String::new(),
        scope: Scope::Namespaced,
        watchable: true,
        defined_by: None,
    };
    let manifests = [web("ours"), web("theirs"), web("free"), scaler, bare];
    let kinds = Kinds::new(manifests.iter().map(|manifest| kind(&manifest.gvk)), []);
    let id = EnvironmentName::new("shop", "app").applyset_id();
    let desired = desired::resolve(&manifests, &kinds, &id, Some("shop"));
    let found = of(&desired, &[], |key| ["theirs", "bare"].contains(&key.name.as_str()));
    assert_eq!(found.keys().map(|key| key.name.as_str()).collect::<Vec<_>>(), ["ours", "theirs"]);
    assert_eq!(found.values().next(), Some(&ignored(&["/spec/replicas"])));
}

#[test]
fn an_ignored_field_is_left_out_or_sent_as_it_is() {
    let check = |path: &str, manifest: Value, object: Value, owners: &[(&str, Value)], expected: Value| {
        let sent = to_send(&manifest, &live(object, owners), &ours(), &ignored(&[path]));
        assert_eq!(sent, expected, "{path} {owners:?}");
    };
    let replicas = json!({"f:spec": {"f:replicas": {}}});
    let both = json!({"f:spec": {"f:replicas": {}, "f:x": {}}});
    let (manifest, scaled) = (json!({"spec": {"replicas": 3, "x": 1}}), json!({"spec": {"replicas": 7, "x": 2}}));
    let other = json!({"f:spec": {"f:x": {}}});
    let without = json!({"spec": {"x": 1}});
    // Only ours: leaving it out would reset it.
    let check_replicas = |owners: &[(&str, Value)], expected: Value| {
        check("/spec/replicas", manifest.clone(), scaled.clone(), owners, expected);
    };
    check_replicas(&[("plumb", both.clone())], json!({"spec": {"replicas": 7, "x": 1}}));
    check_replicas(&[("plumb", other.clone()), ("hpa", replicas.clone())], without.clone());
    check_replicas(&[("plumb", both), ("hpa", replicas.clone())], without.clone());
    check_replicas(&[("plumb", other)], without.clone());
    check_replicas(&[("before-first-apply", replicas)], without);
    // Not there any more: somebody has removed it, and it stays so.
    let data = json!({"f:data": {"f:a": {}, "f:b": {}}});
    let applied = json!({"data": {"a": "1", "b": "2"}});
    check(
        "/data/a",
        applied.clone(),
        json!({"data": {"b": "2"}}),
        &[("plumb", data.clone())],
        json!({"data": {"b": "2"}}),
    );
    check(
        "/data/*",
        applied,
        json!({"data": {"a": "x", "b": "y"}}),
        &[("plumb", data)],
        json!({"data": {"a": "x", "b": "y"}}),
    );
}

#[test]
fn items_of_lists_keep_their_keys_and_whole_lists_their_places() {
    let containers =
        |image: &str, side: &str| json!({"c": [{"name": "app", "image": image}, {"name": "side", "image": side}]});
    let item = json!({".": {}, "f:name": {}, "f:image": {}});
    let both = json!({"f:c": {"k:{\"name\":\"app\"}": item, "k:{\"name\":\"side\"}": item}});
    let image = json!({"f:c": {"k:{\"name\":\"app\"}": {"f:image": {}}}});
    let check = |path: &str, owners: &[(&str, Value)], expected: Value| {
        let object = live(containers("live", "live"), owners);
        assert_eq!(to_send(&containers("git", "git"), &object, &ours(), &ignored(&[path])), expected, "{path}");
    };
    check("/c/name=app/image", &[("plumb", both.clone())], containers("live", "git"));
    check("/c/*/image", &[("plumb", both.clone())], containers("live", "live"));
    check("/c/name=side", &[("plumb", both.clone())], containers("git", "live"));
    check(
        "/c/name=app/image",
        &[("plumb", both.clone()), ("x", image.clone())],
        json!({"c": [{"name": "app"}, {"name": "side", "image": "git"}]}),
    );
    // What only we own of an item that is ignored stays, and the key says of which item it is.
    let app = json!({"f:c": {"k:{\"name\":\"app\"}": {".": {}, "f:name": {}, "f:image": {}}}});
    check("/c/name=app", &[("plumb", both.clone()), ("x", app)], json!({"c": [{"name": "side", "image": "git"}]}));
    check(
        "/c/name=app",
        &[("plumb", both), ("x", json!({"f:c": {"k:{\"name\":\"app\"}": {"f:name": {}}}}))],
        containers("live", "git"),
    );
    // A list that is owned as a whole can't be left out in part.
    let whole = json!({"f:c": {}});
    check("/c/0/image", &[("plumb", whole.clone())], containers("live", "git"));
    check("/c/name=side/image", &[("x", whole)], containers("git", "live"));
    let ports = json!({"ports": [{"port": 80, "nodePort": 1}]});
    let seen = json!({"ports": [{"port": 80, "protocol": "TCP", "nodePort": 30080}]});
    let set = json!({"f:ports": {"k:{\"port\":80,\"protocol\":\"TCP\"}": {".": {}, "f:port": {}, "f:nodePort": {}}}});
    let sent = to_send(&ports, &live(seen, &[("plumb", set)]), &ours(), &ignored(&["/ports/port=80/nodePort"]));
    assert_eq!(sent, json!({"ports": [{"port": 80, "nodePort": 30080}]}));
}

#[test]
fn what_is_ignored_does_not_count_in_a_fingerprint_whoever_owns_it() {
    use crate::fingerprint::Fingerprint;
    let manifest = json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"a": "1", "b": "2"}});
    let none = ignored(&["/data/a"]);
    let expected = Some(Fingerprint::of_manifest(&manifest, &none));
    let check = |a: &str, owned: Value| {
        let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"a": a, "b": "2"}});
        assert_eq!(Fingerprint::of_owned(&live(object, &[("plumb", owned)]), &ours(), &none), expected, "{a}");
    };
    check("1", json!({"f:data": {"f:a": {}, "f:b": {}}}));
    check("x", json!({"f:data": {"f:a": {}, "f:b": {}}}));
    check("x", json!({"f:data": {".": {}, "f:b": {}}}));
    let all = ignored(&["/data/*"]);
    let bare = json!({"apiVersion": "v1", "kind": "ConfigMap"});
    assert_eq!(Fingerprint::of_manifest(&manifest, &all), Fingerprint::of_manifest(&bare, &all));
    let owned = json!({"f:data": {".": {}, "f:a": {}}});
    let object = live(json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"a": "9"}}), &[("plumb", owned)]);
    assert_eq!(Fingerprint::of_owned(&object, &ours(), &all), Some(Fingerprint::of_manifest(&bare, &all)));
}

/// Returns maps in maps over a few names, so that patterns meet them.
fn maps() -> impl Strategy<Value = Value> {
    let leaf = (0_u8..3).prop_map(|number| json!(number));
    leaf.prop_recursive(4, 40, 3, |inner| {
        prop::collection::btree_map("[abc]", inner, 1..4).prop_map(|map| Value::Object(map.into_iter().collect()))
    })
}

fn patterns() -> impl Strategy<Value = Vec<PathPattern>> {
    let path = prop::collection::vec("[abc*]", 1..4).prop_map(|steps| format!("/x/{}", steps.join("/")));
    prop::collection::vec(path.prop_map(|path| PathPattern::parse(&path).expect("a path")), 0..4)
}

fn leaves(at: &FieldPath, value: &Value, found: &mut Vec<(FieldPath, Value)>) {
    match value {
        Value::Object(map) => {
            map.iter().for_each(|(name, below)| leaves(&at.join(Segment::Field(name.clone())), below, found));
        }
        leaf => found.push((at.clone(), leaf.clone())),
    }
}

proptest! {
    /// Exactly what is covered is taken out, and doing so twice is doing so once.
    #[test]
    fn stripping_takes_out_what_is_covered_and_nothing_else(value in maps(), patterns in patterns()) {
        let (object, ignored) = (json!({"x": value}), Ignored::of_paths(patterns));
        let stripped = ignored.strip(&object);
        let (mut before, mut after) = (Vec::new(), Vec::new());
        leaves(&FieldPath::default(), &object, &mut before);
        leaves(&FieldPath::default(), &stripped, &mut after);
        before.retain(|(path, _)| !ignored.covers(path));
        prop_assert_eq!(before, after);
        prop_assert_eq!(ignored.strip(&stripped), stripped);
    }

    /// Whatever somebody else made of ignored fields, applying what is sent leaves them as they are, and the fingerprint
    /// is the one of the manifest.
    #[test]
    fn what_is_sent_changes_no_ignored_field(manifest in maps(), state in maps(), patterns in patterns(), ours_too in any::<bool>()) {
        let ignored = Ignored::of_paths(patterns);
        let (manifest, state) = (json!({"x": manifest}), json!({"x": state}));
        let mut wanted = Vec::new();
        leaves(&FieldPath::default(), &manifest, &mut wanted);
        let owned = FieldSet::from_paths(wanted.iter().map(|(path, _)| path));
        let owner = if ours_too { "plumb" } else { "other" };
        let object = live(state.clone(), &[(owner, owned.to_value())]);
        let sent = to_send(&manifest, &object, &ours(), &ignored);
        let (mut found, mut there) = (Vec::new(), Vec::new());
        leaves(&FieldPath::default(), &sent, &mut found);
        leaves(&FieldPath::default(), &state, &mut there);
        for (path, value) in found {
            let kept = there.iter().any(|(at, live)| *at == path && *live == value);
            prop_assert!(kept || !ignored.covers(&path), "{path} {value}");
        }
        prop_assert_eq!(ignored.strip(&sent), ignored.strip(&manifest));
    }
}
