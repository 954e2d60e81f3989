//! The algebra of field sets, their form in managedFields, and projections.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{
    FieldSet, FieldsError,
    managed::{ManagedBy, ManagedFields},
    path::{FieldPath, Literal, Segment},
};
use crate::{environment::FieldManager, fields::pattern::Steps};

fn set(fields: Value) -> FieldSet {
    FieldSet::parse(&fields).expect("a field set")
}

fn deployment_fields() -> Value {
    json!({
        "f:metadata": {"f:labels": {"f:app": {}}},
        "f:spec": {"f:replicas": {}, "f:strategy": {}, "f:template": {"f:spec": {"f:containers": {
            "k:{\"name\":\"app\"}": {".": {}, "f:name": {}, "f:image": {}, "f:ports": {
                "k:{\"containerPort\":8080,\"protocol\":\"TCP\"}": {".": {}, "f:containerPort": {}}}}},
            "f:imagePullSecrets": {"k:{\"name\":\"pull\"}": {}}}}},
    })
}

#[test]
fn a_set_is_written_as_it_was_read() {
    for fields in [
        json!({}),
        deployment_fields(),
        json!({"f:metadata": {"f:finalizers": {".": {}, "v:\"x.io/keep\"": {}}},
               "f:list": {"i:0": {}, "i:12": {"f:a": {}}}}),
    ] {
        assert_eq!(set(fields.clone()).to_value(), fields);
    }
    assert!(set(json!({})).is_empty());
}

#[test]
fn what_is_no_field_set_is_refused() {
    assert_eq!(FieldSet::parse(&json!({"f:a": {"f:b": 1}})), Err(FieldsError::NotAnObject { at: ".a.b".to_owned() }));
    for segment in ["a", "x:a", "k:{", "k:1", "v:", "i:-1"] {
        assert_eq!(
            FieldSet::parse(&json!({segment: {}})),
            Err(FieldsError::Segment { segment: segment.to_owned() }),
            "{segment}"
        );
    }
}

#[test]
fn leaves_are_written_as_the_api_server_writes_paths() {
    let paths: Vec<String> = set(deployment_fields()).leaves().iter().map(FieldPath::to_string).collect();
    let containers = ".spec.template.spec.containers[name=\"app\"]";
    assert_eq!(
        paths,
        [
            ".metadata.labels.app".to_owned(),
            ".spec.replicas".to_owned(),
            ".spec.strategy".to_owned(),
            format!("{containers}.image"),
            format!("{containers}.name"),
            format!("{containers}.ports[containerPort=8080,protocol=\"TCP\"].containerPort"),
            ".spec.template.spec.imagePullSecrets[name=\"pull\"]".to_owned(),
        ]
    );
    let finalizer = set(json!({"f:metadata": {"f:finalizers": {"v:\"x.io/keep\"": {}}}}));
    assert_eq!(finalizer.leaves()[0].to_string(), ".metadata.finalizers[=\"x.io/keep\"]");
}

#[test]
fn a_projection_keeps_what_is_owned_in_the_objects_order() {
    let check = |fields: Value, object: Value, expected: Value| {
        assert_eq!(set(fields.clone()).project(&object), expected, "{fields} of {object}");
    };
    check(json!({}), json!({"a": 1}), json!({}));
    check(json!({"f:a": {}, "f:gone": {}}), json!({"a": {"deep": [1]}, "b": 2}), json!({"a": {"deep": [1]}}));
    check(json!({"f:a": {".": {}, "f:x": {}}}), json!({"a": {"x": 1, "y": 2}}), json!({"a": {"x": 1}}));
    check(json!({"f:a": {".": {}, "f:x": {}}}), json!({"a": {"y": 2}}), json!({"a": {}}));
    check(
        json!({"f:c": {"k:{\"name\":\"a\"}": {".": {}, "f:name": {}}, "k:{\"name\":\"b\"}": {".": {}, "f:v": {}}}}),
        json!({"c": [{"name": "side", "v": 0}, {"name": "b", "v": 1, "w": 2}, {"name": "a", "v": 1}]}),
        json!({"c": [{"v": 1}, {"name": "a"}]}),
    );
    check(
        json!({"f:c": {"k:{\"name\":\"a\"}": {}}}),
        json!({"c": [{"name": "a", "v": 1}]}),
        json!({"c": [{"name": "a", "v": 1}]}),
    );
    check(json!({"f:s": {"v:\"x\"": {}, "v:2": {}}}), json!({"s": ["y", 2, "x"]}), json!({"s": [2, "x"]}));
    check(json!({"f:l": {"i:1": {}}}), json!({"l": ["a", "b"]}), json!({"l": ["b"]}));
    // A map was expected; showing what is there instead keeps the difference visible.
    check(json!({"f:a": {"f:x": {}}}), json!({"a": "text"}), json!({"a": "text"}));
    assert_eq!(
        set(json!({"f:a": {"f:x": {}}})).project_marking(&json!({}), &Value::Null, &Steps::default()),
        json!({"a": {"x": null}})
    );
}

#[test]
fn a_path_finds_its_value() {
    let object = json!({"spec": {"c": [{"name": "a", "v": 1}, {"name": "b", "v": 2}], "s": ["x"]}});
    let check = |segments: Vec<Segment>, expected: Option<Value>| {
        let path = FieldPath::new(segments);
        assert_eq!(path.lookup(&object).cloned(), expected, "{path}");
    };
    let field = |name: &str| Segment::Field(name.to_owned());
    let b = Segment::Key(Literal::new(&json!({"name": "b"})));
    check(vec![field("spec"), field("c"), b, field("v")], Some(json!(2)));
    check(vec![field("spec"), field("c"), Segment::Key(Literal::new(&json!({"name": "z"})))], None);
    check(vec![field("spec"), field("s"), Segment::Value(Literal::new(&json!("x")))], Some(json!("x")));
    check(vec![field("spec"), field("s"), Segment::Index(1)], None);
    check(vec![field("spec"), field("s"), field("x")], None);
    check(vec![], Some(object.clone()));
}

#[test]
fn a_set_touches_a_path_at_above_and_below() {
    let fields = set(deployment_fields());
    let check = |names: &[&str], expected: bool| {
        assert_eq!(fields.touches(&FieldPath::of_fields(names)), expected, "{names:?}");
    };
    check(&["spec", "replicas"], true);
    check(&["spec", "strategy", "type"], true);
    check(&["spec"], true);
    check(&["spec", "paused"], false);
    check(&["status"], false);
    assert!(fields.contains(&FieldPath::of_fields(&["spec", "strategy"])));
    assert!(!fields.contains(&FieldPath::of_fields(&["spec"])));
}

#[test]
fn entries_are_read_from_an_object() {
    let object = json!({"metadata": {"managedFields": [
        {"manager": "plumb-aaaaaaaaaaaa", "operation": "Apply", "apiVersion": "v1", "subresource": "status",
         "fieldsType": "FieldsV1", "fieldsV1": {"f:status": {}}},
        {"manager": "plumb-aaaaaaaaaaaa", "operation": "Update", "apiVersion": "v1", "fieldsV1": {"f:x": {}}},
        {"manager": "plumb-aaaaaaaaaaaa", "operation": "Apply", "apiVersion": "v1", "time": "2026-01-02T03:04:05Z",
         "fieldsV1": {"f:data": {}}},
    ]}});
    let entries = ManagedFields::of(&object).expect("entries");
    assert_eq!((entries.len(), entries[0].operation), (3, ManagedBy::Apply));
    let ours = ManagedFields::find(&entries, &FieldManager::new("plumb-aaaaaaaaaaaa")).expect("our entry");
    assert_eq!(ours.time, Some("2026-01-02T03:04:05Z".parse().expect("a time")));
    assert_eq!(ours.fields, set(json!({"f:data": {}})));
    assert_eq!(ManagedFields::find(&entries, &FieldManager::new("kubectl")), None);
    assert_eq!(ManagedFields::of(&json!({})), Ok(vec![]));
    let broken = json!({"metadata": {"managedFields": [{"manager": "a", "operation": "Patch"}]}});
    assert_eq!(ManagedFields::of(&broken), Err(FieldsError::Entry { field: "operation" }));
}

fn segments() -> impl Strategy<Value = Segment> {
    let name = prop::sample::select(vec!["a", "b", "c.d/e", "k:x"]);
    prop_oneof![
        4 => name.clone().prop_map(|name| Segment::Field(name.to_owned())),
        2 => (name.clone(), 0..3u8).prop_map(|(name, n)| Segment::Key(Literal::new(&json!({"name": name, "n": n})))),
        1 => name.prop_map(|name| Segment::Value(Literal::new(&json!(name)))),
        1 => (0..3usize).prop_map(Segment::Index),
    ]
}

fn paths() -> impl Strategy<Value = Vec<FieldPath>> {
    prop::collection::vec(prop::collection::vec(segments(), 1..4).prop_map(FieldPath::new), 0..12)
}

proptest! {
    #[test]
    fn reading_undoes_writing(paths in paths()) {
        let set = FieldSet::from_paths(&paths);
        prop_assert_eq!(FieldSet::parse(&set.to_value()), Ok(set.clone()));
        prop_assert!(paths.iter().all(|path| set.contains(path)));
        prop_assert!(set.leaves().iter().all(|leaf| paths.contains(leaf)));
    }

    #[test]
    fn the_algebra_is_that_of_sets_of_paths(ours in paths(), theirs in paths()) {
        let (a, b) = (FieldSet::from_paths(&ours), FieldSet::from_paths(&theirs));
        for path in ours.iter().chain(&theirs) {
            let (in_a, in_b) = (a.contains(path), b.contains(path));
            prop_assert_eq!(a.union(&b).contains(path), in_a || in_b);
            prop_assert_eq!(a.intersection(&b).contains(path), in_a && in_b);
            prop_assert_eq!(a.difference(&b).contains(path), in_a && !in_b);
        }
        prop_assert_eq!(a.union(&b), b.union(&a));
        prop_assert_eq!(a.difference(&b).union(&a.intersection(&b)), a.clone());
        prop_assert!(a.difference(&a).is_empty());
        prop_assert!(a.difference(&b).intersection(&b).is_empty());
    }

    #[test]
    fn projecting_twice_changes_nothing(n in 0..4usize, keep in paths()) {
        let items: Vec<Value> = (0..n).map(|n| json!({"name": "a", "n": n, "a": n})).collect();
        let object = json!({"a": {"a": 1, "b": items, "c.d/e": ["a", "b"]}, "b": [1, 2]});
        // Indices shift when items are left out, and an item projected without its key can't be found again.
        let moves = |segment: &Segment| matches!(segment, Segment::Index(_) | Segment::Key(_));
        let set = FieldSet::from_paths(keep.iter().filter(|path| !path.segments().iter().any(moves)));
        let once = set.project(&object);
        prop_assert_eq!(set.project(&once), once.clone());
    }
}

#[test]
fn what_is_left_beside_another_set_is_what_only_this_one_owns() {
    let check = |ours: Value, theirs: Value, expected: Value| {
        let set = |fields: &Value| FieldSet::parse(fields).expect("a set");
        let left = set(&ours).beside(&set(&theirs));
        assert_eq!(left.to_value(), expected, "{ours} beside {theirs}");
    };
    let both = json!({"f:data": {".": {}, "f:a": {}, "f:b": {}}});
    check(both.clone(), json!({"f:data": {"f:a": {}}}), json!({"f:data": {".": {}, "f:b": {}}}));
    check(both.clone(), json!({"f:data": {"f:a": {}, "f:b": {}}}), json!({}));
    check(both.clone(), json!({"f:spec": {}}), both.clone());
    // A map that is wholly another's stays so.
    check(json!({"f:data": {}}), json!({"f:data": {"f:a": {}}}), json!({"f:data": {}}));
    check(json!({"f:data": {}}), json!({"f:data": {}}), json!({}));
    let item = r#"k:{"name":"app"}"#;
    check(
        json!({"f:containers": {item: {".": {}, "f:image": {}, "f:name": {}, "f:tty": {}}}}),
        json!({"f:containers": {item: {".": {}, "f:image": {}, "f:name": {}}}}),
        json!({"f:containers": {item: {"f:tty": {}}}}),
    );
}
