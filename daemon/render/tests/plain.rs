//! Plain manifests: which files are read, what makes a document an object, which problems are named where.

use plumb_core::{
    commit::{RepoPath, TreeId},
    source::{Inputs, SourceFile, SourceTree},
};
use plumb_render::{Parameters, RenderError, Renders, render, render_once};
use serde_json::json;

const ID: &str = "0123456789abcdef0123456789abcdef01234567";

fn path(text: &str) -> RepoPath {
    RepoPath::parse(text).expect("a path")
}

/// A tree below `env`, as plumb-git gives it.
fn tree(files: &[(&str, &str)]) -> SourceTree {
    let id = TreeId::parse(ID).expect("an id");
    let mut files: Vec<SourceFile> = files
        .iter()
        .map(|(name, content)| SourceFile {
            path: path(&format!("env/{name}")),
            blob: id.clone(),
            content: content.as_bytes().into(),
        })
        .collect();
    files.sort_by(|a, b| a.path.cmp(&b.path));
    SourceTree { root: path("env"), inputs: Inputs([(path("env"), id)].into()), files, problems: Vec::new() }
}

/// A ConfigMap with this name.
fn object(name: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\n")
}

/// Checks that files are rendered to these objects, each `key at origin`.
fn renders(files: &[(&str, &str)], expected: &[&str]) {
    match render(&tree(files), &Parameters::default()) {
        Ok(rendered) => {
            let found: Vec<String> = rendered.manifests.iter().map(|m| format!("{} at {}", m.key, m.origin)).collect();
            assert_eq!(found, expected, "{files:?}");
        }
        Err(error) => panic!("{files:?}: {error}"),
    }
}

/// Checks that files are refused with these problems.
fn refuses(files: &[(&str, &str)], expected: &[&str]) {
    match render(&tree(files), &Parameters::default()) {
        Ok(rendered) => panic!("{files:?}: {rendered:?}"),
        Err(error) => {
            let found: Vec<String> = error.problems().iter().map(ToString::to_string).collect();
            assert_eq!(found, expected, "{files:?}");
        }
    }
}

/// Checks the problems of one file `f.yaml`, each without the file's name.
fn refuses_file(content: &str, expected: &[&str]) {
    let expected: Vec<String> = expected.iter().map(|problem| format!("env/f.yaml:{problem}")).collect();
    refuses(&[("f.yaml", content)], &expected.iter().map(String::as_str).collect::<Vec<_>>());
}

#[test]
fn manifests_below_the_path_are_read_and_sorted_by_place() {
    let (a, b, c) =
        (object("a"), object("b"), "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"c\"}}");
    let two = format!("# first\n{a}---\n\n{b}");
    renders(&[], &[]);
    renders(
        &[("z/c.json", c), ("x.yml", &two)],
        &["ConfigMap a at env/x.yml:2:1", "ConfigMap b at env/x.yml:8:1", "ConfigMap c at env/z/c.json:1:1"],
    );
    let hidden = [(".github/w.yaml", "a: 1"), (".x.yaml", "a: 1"), ("d/.git/y.yaml", "a: 1")];
    renders(
        &[hidden[0], hidden[1], hidden[2], ("a.yaml", &a), ("README.md", "a: ["), ("a.yaml.txt", "b")],
        &["ConfigMap a at env/a.yaml:1:1"],
    );
}

#[test]
fn lists_are_objects_of_their_own() {
    let list = "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: ConfigMap\n  metadata: {name: a}\n- {apiVersion: v1, kind: Secret, metadata: {name: b, namespace: shop}}\n";
    renders(&[("f.yaml", list)], &["ConfigMap a at env/f.yaml:4:3", "Secret shop/b at env/f.yaml:7:3"]);
    let typed = "apiVersion: v1\nkind: ConfigMapList\nitems:\n- metadata: {name: a}\n- metadata: {name: b}\n";
    renders(&[("f.yaml", typed)], &["ConfigMap a at env/f.yaml:4:3", "ConfigMap b at env/f.yaml:5:3"]);
    let no_list = "apiVersion: example.com/v1\nkind: PriceList\nmetadata: {name: a}\nspec: {items: []}\n";
    renders(&[("f.yaml", no_list)], &["PriceList a at env/f.yaml:1:1"]);
    renders(&[("f.yaml", "apiVersion: v1\nkind: List\nitems: []\n")], &[]);
    refuses_file("apiVersion: v1\nkind: List\n", &["1:1: the List has no items (add items, or remove the document)"]);
    refuses_file(
        "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: List\n  items: []\n",
        &["4:3: a List inside a List is not read, by kubectl neither (write its elements into the outer list)"],
    );
    refuses_file(
        "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Secret\n- 5\n",
        &[
            "4:3: Secret: metadata.name: the object has no name (add metadata.name)",
            "6:3: the document is a number, not an object of Kubernetes (write a mapping with apiVersion, kind and metadata)",
        ],
    );
}

#[test]
fn an_object_names_its_kind_and_itself() {
    refuses_file(
        "- a\n",
        &[
            "1:1: the document is a list, not an object of Kubernetes (write a mapping with apiVersion, kind and metadata)",
        ],
    );
    refuses_file(
        "replicas: 1\n",
        &["1:1: the document has neither apiVersion nor kind, so it is not an object of Kubernetes \
             (add them, or keep files that hold no objects outside this path)"],
    );
    refuses_file("kind: Pod\nmetadata: {name: a}\n", &["1:1: the object has no apiVersion (add it)"]);
    refuses_file(
        "apiVersion: 1\nkind: A b\nmetadata: {name: x}\n",
        &[
            "1:1: apiVersion: 1 is a number, it has to be a string (write \"1\")",
            "2:1: A b: kind: \"A b\" is not a kind (write letters and digits only, such as Deployment)",
        ],
    );
    refuses_file(
        "apiVersion: a/b/c\nkind: Job\nmetadata: [x]\n",
        &[
            "1:1: Job: apiVersion: \"a/b/c\" is not an API version (write group/version, such as apps/v1, or v1)",
            "3:1: Job: metadata: the value is a list, it has to be a mapping (correct it)",
        ],
    );
    refuses_file(
        "apiVersion: v1\nkind: Pod\nmetadata:\n  generateName: x-\n",
        &["4:3: Pod: metadata.generateName: every sync would create one more object (write metadata.name instead)"],
    );
    refuses_file(
        "apiVersion: v1\nkind: Pod\nmetadata:\n  name: 0123\n",
        &["4:3: Pod: metadata.name: 0123 is a number, names are strings (write \"0123\")"],
    );
    refuses_file(
        "apiVersion: v1\nkind: Pod\nmetadata:\n  name: a/b\n  namespace: A_b\n",
        &[
            "4:3: Pod A_b/a/b: metadata.name: \"a/b\" is not a name (write at most 253 characters, without / and %)",
            "5:3: Pod A_b/a/b: metadata.namespace: \"A_b\" is not the name of a namespace (write at most 63 lower-case letters, digits and dashes)",
        ],
    );
    renders(
        &[("f.yaml", "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: 'system:a B'}\n")],
        &["ClusterRole system:a B at env/f.yaml:1:1"],
    );
}

#[test]
fn labels_and_annotations_are_text() {
    let text = "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: web\n  labels:\n    tier: 1\n    app.kubernetes.io/x: yes\n    ok: \"1\"\n  annotations: {a: , b: [c], octal: 0644}\n";
    refuses_file(
        text,
        &[
            "6:5: Deployment web: metadata.labels.tier: 1 is a number, labels are strings (write \"1\")",
            "7:5: Deployment web: metadata.labels.app.kubernetes.io/x: yes is a boolean, labels are strings (write \"yes\")",
            "9:17: Deployment web: metadata.annotations.a: the value is null, annotations are strings (write \"\", or remove the key)",
            "9:22: Deployment web: metadata.annotations.b: the value is a list, annotations are strings (correct it)",
            "9:30: Deployment web: metadata.annotations.octal: 0644 is a number, annotations are strings (write \"0644\")",
        ],
    );
    refuses_file(
        "apiVersion: v1\nkind: Pod\nmetadata: {name: a, namespace: s, labels: x}\n",
        &["3:35: Pod s/a: metadata.labels: the value is a string, it has to be a mapping (correct it)"],
    );
}

#[test]
fn messages_stay_short() {
    let name = "a".repeat(100_000);
    let error = render(&tree(&[("f.yaml", &object(&name))]), &Parameters::default()).expect_err("too long");
    assert!(error.problems()[0].to_string().len() < 1_024, "{error}");
    assert!(error.to_string().starts_with("the files are not valid: env/f.yaml:4:3: ConfigMap aaaa"), "{error}");
}

#[test]
fn objects_that_are_there_twice_name_both_places() {
    let (a, b) = (object("a"), object("b"));
    let again = format!("{b}---\n{a}");
    refuses(
        &[("x.yaml", &a), ("y.yaml", &again)],
        &["env/y.yaml:6:1: ConfigMap a is already defined at env/x.yaml:1:1 (remove one of the two)"],
    );
    let (old, new) = (
        "apiVersion: apps/v1\nkind: Job\nmetadata: {name: a}\n",
        "apiVersion: apps/v2\nkind: Job\nmetadata: {name: a}\n",
    );
    refuses(
        &[("x.yaml", old), ("y.yaml", new)],
        &["env/y.yaml:1:1: Job a is already defined at env/x.yaml:1:1 (remove one of the two)"],
    );
    let namespaced = |namespace: &str| object("a") + &format!("  namespace: {namespace}\n");
    renders(
        &[("x.yaml", &namespaced("m")), ("y.yaml", &namespaced("zz"))],
        &["ConfigMap m/a at env/x.yaml:1:1", "ConfigMap zz/a at env/y.yaml:1:1"],
    );
}

#[test]
fn one_bad_file_does_not_hide_the_problems_of_others() {
    let broken = format!("{}---\na: [\n---\napiVersion: v1\nkind: Pod\n", object("ok"));
    refuses(
        &[("a.yaml", &broken), ("b.yaml", "c: 1\nc: 2\n"), ("good.yaml", &object("ok"))],
        &[
            "env/a.yaml:6:4: unclosed bracket '[' (close it)",
            "env/a.yaml:8:1: Pod: metadata.name: the object has no name (add metadata.name)",
            "env/b.yaml:2:1: the key \"c\" is already on line 1; only the last one would count (remove one of them)",
            "env/good.yaml:1:1: ConfigMap ok is already defined at env/a.yaml:1:1 (remove one of the two)",
        ],
    );
}

#[test]
fn input_of_other_tools_is_refused_by_name() {
    let a = object("a");
    for (name, tool) in [
        ("kustomization.yaml", "Kustomize"),
        ("kustomization.yml", "Kustomize"),
        ("deep/er/Kustomization", "Kustomize"),
        ("chart/Chart.yaml", "Helm"),
    ] {
        let error = render(&tree(&[("a.yaml", &a), (name, "")]), &Parameters::default()).expect_err("refused");
        let file = name.rsplit('/').next().expect("a name");
        assert!(matches!(error, RenderError::Unsupported(_)), "{name}");
        assert_eq!(
            error.problems()[0].to_string(),
            format!(
                "env/{name}: {file} makes this directory input of {tool}, which is not supported yet (commit the rendered manifests instead, or point the path at a directory of plain manifests)"
            )
        );
    }
    renders(&[("a.yaml", &a), (".hidden/kustomization.yaml", "")], &["ConfigMap a at env/a.yaml:1:1"]);
}

#[test]
fn a_tree_with_problems_is_not_rendered() {
    let mut tree = tree(&[("a.yaml", &object("a"))]);
    let problem = plumb_core::problem::Problem {
        origin: plumb_core::object::Origin { file: path("env/link"), line: 0, column: 0 },
        message: "the link leaves the repository".to_owned(),
        remedy: "remove it".to_owned(),
    };
    tree.problems.push(problem.clone());
    let error = render(&tree, &Parameters::default()).expect_err("refused");
    assert_eq!(error.problems(), [problem]);
}

#[test]
fn a_result_is_kept_under_what_it_depends_on() {
    let mut renders = Renders::default();
    let first =
        render_once(&mut renders, &tree(&[("a.yaml", &object("a"))]), &Parameters::default()).expect("rendered");
    assert_eq!(*first.manifests[0].value, json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}));
    // The files are not looked at again while the inputs are the same.
    let again = render_once(&mut renders, &tree(&[]), &Parameters::default()).expect("kept");
    assert_eq!(first, again);
    let mut changed = tree(&[("b.yaml", &object("b"))]);
    changed.inputs.0.insert(path("env"), TreeId::parse(&ID.replace('0', "f")).expect("an id"));
    let other = render_once(&mut renders, &changed, &Parameters::default()).expect("rendered");
    assert_ne!(other.key, first.key);
    assert_eq!(other.manifests[0].key.name, "b");
}
