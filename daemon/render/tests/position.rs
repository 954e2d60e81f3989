//! Places of fields, from the paths that an API server's messages name.

use plumb_core::{
    commit::{RepoPath, TreeId},
    object::Origin,
    source::{Inputs, SourceFile, SourceTree},
};
use plumb_render::{
    plain,
    position::{locate, origin_of},
};

const FILE: &str = r#"# a comment
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  labels:
    app: a
    app.kubernetes.io/name: b
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: api}
spec:
  replica: 3
  template:
    spec:
      containers:
      - name: side
        image: x
      - name: app
        imge: x
        ports:
        - {containerPort: 80, protocol: TCP}
        - {containerPort: 80, protocol: UDP, nam: x}
        args: [one, two]
"#;

/// Checks where the field of the object at a line and column stands.
fn check(text: &str, object: (u32, u32), field: &str, expected: Option<(u32, u32)>) {
    let origin = Origin { file: RepoPath::root(), line: object.0, column: object.1 };
    let found = locate(text.as_bytes(), &origin, field).map(|at| (at.line, at.column));
    assert_eq!(found, expected, "{field}");
}

#[test]
fn paths_of_the_api_server_lead_to_keys() {
    let second = |field: &str, line: u32, column: u32| check(FILE, (10, 1), field, Some((line, column)));
    second(".spec.replica", 14, 3);
    second("spec.replica", 14, 3);
    second("/spec/replica", 14, 3);
    second(".spec.template.spec.containers[1].imge", 21, 9);
    second(".spec.template.spec.containers[name=\"app\"].imge", 21, 9);
    second("/spec/template/spec/containers/1/imge", 21, 9);
    second(".spec.template.spec.containers[name=\"app\"].ports[containerPort=80,protocol=\"UDP\"].nam", 24, 46);
    second(".spec.template.spec.containers[name=\"app\"].args[=\"two\"]", 25, 21);
    second("metadata.name", 12, 12);
    second("", 10, 1);
}

#[test]
fn what_is_not_there_leads_to_the_nearest_node_above() {
    let second = |field: &str, line: u32, column: u32| check(FILE, (10, 1), field, Some((line, column)));
    second(".spec.template.metadata.labels", 15, 3);
    second(".spec.template.spec.containers[7].image", 17, 7);
    second(".spec.replica.deeper", 14, 3);
    second(".status", 10, 1);
    check(FILE, (3, 5), ".spec", None);
    check(FILE, (99, 1), ".spec", None);
    check("a: [", (1, 1), ".a.b", Some((1, 1)));
    check("", (1, 1), ".a", None);
}

#[test]
fn keys_may_hold_dots() {
    let first = |field: &str, line: u32, column: u32| check(FILE, (2, 1), field, Some((line, column)));
    first("metadata.labels.app", 7, 5);
    first("metadata.labels.app.kubernetes.io/name", 8, 5);
    first("metadata.labels[app.kubernetes.io/name]", 8, 5);
    first("/metadata/labels/app.kubernetes.io~1name", 8, 5);
}

#[test]
fn every_kind_of_file_has_places() {
    check("{\"a\": 1}\n{\"b\":\n  {\"c\": [1, {\"d\": 2}]}}", (2, 1), ".b.c[1].d", Some((3, 14)));
    check("---\n\n\u{feff}a:\n  80: x\n", (3, 1), ".a.80", Some((4, 3)));
    check("a: &x {b: 1}\nc: {<<: *x, d: *x}\n", (1, 1), ".c.d.b", Some((2, 13)));
    check("a: 'x\n}' # c\nb: 1\n", (1, 1), ".b", Some((3, 1)));
    check("a: 1\na: 2\n", (1, 1), ".a", Some((2, 1)));
}

#[test]
fn a_manifest_is_found_in_its_tree() {
    let text = "kind: List\nitems:\n- apiVersion: v1\n  kind: Secret\n  metadata: {name: a}\n- apiVersion: v1\n  kind: Secret\n  metadata:\n    name: b\n    lable: c\n";
    let id = TreeId::parse(&"0".repeat(40)).expect("an id");
    let path = RepoPath::parse("d/f.yaml").expect("a path");
    let file = SourceFile { path: path.clone(), blob: id, content: text.as_bytes().into() };
    let mut tree =
        SourceTree { root: RepoPath::root(), inputs: Inputs::default(), files: vec![file], problems: Vec::new() };
    let manifests = plain::render(&tree).expect("two objects");
    assert_eq!(origin_of(&tree, &manifests[1], ".metadata.lable").to_string(), "d/f.yaml:10:5");
    tree.files.clear();
    assert_eq!(origin_of(&tree, &manifests[1], ".metadata.lable"), manifests[1].origin);
}
