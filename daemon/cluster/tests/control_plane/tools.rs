//! Taking over from every tool that people come from: what it owned before, what is owned and live afterwards. One table.
//!
//! Git says `a` and `old` first, and later only `a`. The tool says `old` and `theirs` too; a controller of somebody else's
//! keeps `foreign` all the time.

use plumb_cluster::{apply::Force, take::Taken};
use serde_json::{Value, json};

use crate::bench::{Bench, bench, manager, managers};

/// How a tool writes.
enum Way {
    /// Creates it, under this manager.
    Create(&'static str),
    /// Creates it, and writes all of it anew.
    Replace,
    /// Creates it, and a person changes a field in an editor.
    Edit,
    /// Client-side apply under this manager, with the annotation that remembers it.
    ClientSide(&'static str),
    /// Server-side apply under this manager.
    ServerSide(&'static str),
}

fn write(bench: &Bench, name: &str, way: &Way) {
    let object = bench.plain(name, json!({ "a": "1", "old": "x", "theirs": "y" })).to_string();
    let run = |words: &[&str]| drop(bench.plane.kubectl_with_input(words, &object).expect("a write"));
    let named = |manager: &str| format!("--field-manager={manager}");
    match way {
        Way::Create(manager) => run(&["create", &named(manager), "-f", "-"]),
        Way::Replace => {
            run(&["create", "--field-manager=kubectl-create", "-f", "-"]);
            let changed = object.replace("\"x\"", "\"z\"");
            bench.plane.kubectl_with_input(&["replace", "-f", "-"], &changed).expect("a replacement");
            run(&["replace", "-f", "-"]);
        }
        Way::Edit => {
            run(&["create", "--field-manager=kubectl-create", "-f", "-"]);
            bench.kubectl(&["patch", "cm", name, "--field-manager=kubectl-edit", "-p", r#"{"data":{"old":"z"}}"#]);
            bench.kubectl(&["patch", "cm", name, "--field-manager=kubectl-edit", "-p", r#"{"data":{"old":"x"}}"#]);
        }
        Way::ClientSide(manager) => run(&["apply", &named(manager), "-f", "-"]),
        Way::ServerSide(manager) => run(&["apply", "--server-side", &named(manager), "-f", "-"]),
    }
    let foreign = r#"{"data":{"foreign":"f"}}"#;
    bench.kubectl(&["patch", "configmap", name, "--field-manager=a-controller", "-p", foreign]);
}

/// Returns who owns what of the data.
fn owned(object: &Value) -> Vec<String> {
    let entries = object["metadata"]["managedFields"].as_array().cloned().unwrap_or_default();
    let line = |entry: &Value| {
        let fields = entry["fieldsV1"]["f:data"].as_object().cloned().unwrap_or_default();
        let names: Vec<_> = fields.keys().filter_map(|key| key.strip_prefix("f:")).collect();
        let manager = entry["manager"].as_str().expect("a manager");
        let manager = if manager == crate::bench::manager("shop").as_str() { "plumb" } else { manager };
        format!("{manager} {}: {}", entry["operation"].as_str().expect("an operation"), names.join(" "))
    };
    let mut lines: Vec<_> = entries.iter().map(line).collect();
    lines.sort();
    lines
}

/// One line of the table.
async fn check(bench: &Bench, case: usize, way: Way, before: &[&str], after: &[&str], theirs: Option<&str>) {
    // Equal values meet no conflict, different ones do: both have to end the same.
    for (name, value) in [(format!("equal-{case}"), "1"), (format!("different-{case}"), "2")] {
        write(bench, &name, &way);
        assert_eq!(owned(&bench.get(&name).await), before, "{name} before");
        let first = bench.owned("shop", &name, json!({ "a": value, "old": "x" }));
        let taken = bench.take("shop", &first, &["shop"]).await.expect("an answer");
        let Taken::Adopted { applied, .. } = taken else { panic!("{name}: {taken:?}") };
        let remembered = "kubectl.kubernetes.io/last-applied-configuration";
        assert_eq!(applied.object["metadata"]["annotations"][remembered], json!(null), "{name}");
        let live = bench.get(&name).await;
        assert_eq!(live, applied.object, "{name}: what is answered is what is there");
        assert_eq!(owned(&live), after, "{name} after");
        let mut data = json!({ "a": value, "old": "x", "foreign": "f" });
        if let Some(theirs) = theirs {
            data["theirs"] = json!(theirs);
        }
        assert_eq!(live["data"], data, "{name}: nothing is lost that Git does not own");
        // What Git drops goes.
        let later = bench.owned("shop", &name, json!({ "a": value }));
        let later = bench.apply("shop", &later, Force::Yes).await.expect("an apply").object;
        data.as_object_mut().expect("a map").remove("old");
        assert_eq!(later["data"], data, "{name}: nothing is stale");
        assert!(managers(&later).contains(&format!("{} Apply", manager("shop"))));
    }
}

#[tokio::test]
async fn no_field_is_stale_and_none_is_lost_whatever_tool_an_object_comes_from() {
    let bench = bench("tools").await;
    const FOREIGN: &str = "a-controller Update: foreign";
    const OURS: &str = "plumb Apply: a old";
    // Tools that own the object as a whole: what they say and Git does not goes with them.
    let whole: [(Way, &str); 8] = [
        (Way::ClientSide("kubectl-client-side-apply"), "kubectl-client-side-apply Update: a old theirs"),
        (Way::Create("helm"), "helm Update: a old theirs"),
        (Way::ServerSide("helm"), "helm Apply: a old theirs"),
        (Way::ClientSide("argocd-controller"), "argocd-controller Update: a old theirs"),
        (Way::ServerSide("argocd-controller"), "argocd-controller Apply: a old theirs"),
        (Way::ServerSide("kustomize-controller"), "kustomize-controller Apply: a old theirs"),
        (Way::Create("helm-controller"), "helm-controller Update: a old theirs"),
        (Way::ServerSide("helm-controller"), "helm-controller Apply: a old theirs"),
    ];
    let mut case = 0;
    for (way, before) in whole {
        case += 1;
        check(&bench, case, way, &[FOREIGN, before], &[FOREIGN, OURS], None).await;
    }
    // People: what only they have written stays theirs.
    let hands: [(Way, &[&str], &[&str]); 4] = [
        (
            Way::Create("kubectl-create"),
            &[FOREIGN, "kubectl-create Update: a old theirs"],
            &[FOREIGN, "kubectl-create Update: theirs", OURS],
        ),
        (
            Way::Edit,
            &[FOREIGN, "kubectl-create Update: a theirs", "kubectl-edit Update: old"],
            &[FOREIGN, "kubectl-create Update: theirs", OURS],
        ),
        (
            Way::Replace,
            &[FOREIGN, "kubectl-create Update: a theirs", "kubectl-replace Update: old"],
            &[FOREIGN, "kubectl-create Update: theirs", OURS],
        ),
        (
            Way::ServerSide("kubectl"),
            &[FOREIGN, "kubectl Apply: a old theirs"],
            &[FOREIGN, "kubectl Apply: theirs", OURS],
        ),
    ];
    for (way, before, after) in hands {
        case += 1;
        check(&bench, case, way, before, after, Some("y")).await;
    }
}
