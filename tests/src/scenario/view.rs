//! An observation as lines: what a golden file compares. Free of times, uids, versions and durations.

use std::collections::BTreeSet;

use plumb_core::object::PART_OF;
use serde_json::Value;

use super::{observation::Observation, transcript::Names};

/// Longest value that is shown, in characters.
const VALUE_LENGTH_MAX: usize = 60;
/// Managers of the control plane: when they write is nobody's step.
const CONTROL_PLANE: [&str; 4] = ["kube-apiserver", "kube-controller-manager", "kube-scheduler", "kwok"];
/// Annotations and labels that the control plane and kubectl write for themselves.
const INCIDENTAL: [&str; 4] = [
    PART_OF,
    "deployment.kubernetes.io/revision",
    "kubectl.kubernetes.io/last-applied-configuration",
    "kubernetes.io/metadata.name",
];

/// Returns the lines of everything seen.
pub fn lines(seen: &Observation, names: &Names, namespace: &str) -> Vec<String> {
    let mut lines: Vec<String> = seen.environments.iter().flat_map(environment).collect();
    lines.extend(seen.objects.iter().map(|seen| object(seen, names, namespace)));
    lines.iter().map(|line| names.mask(line)).collect()
}

fn environment(environment: &Value) -> Vec<String> {
    let status = &environment["status"];
    let name = text(&environment["metadata"]["name"]);
    let mut lines = Vec::new();
    let mut message = BTreeSet::new();
    let conditions = items(&status["conditions"]);
    if let Some(ready) = conditions.iter().find(|condition| condition["type"] == "Ready") {
        let others = conditions.iter().filter(|condition| condition["type"] != "Ready");
        let others: String = others.map(|condition| format!(", {}", text(&condition["type"]))).collect();
        lines.push(format!("Ready={} {}{others}", text(&ready["status"]), text(&ready["reason"])));
        for line in text(&ready["message"]).lines() {
            lines.push(format!("  {line}"));
            message.insert(line.to_owned());
        }
    }
    let problems = items(&status["problems"]).into_iter().map(|problem| text(&problem));
    lines.extend(problems.filter(|problem| !message.contains(problem)).map(|problem| format!("problem: {problem}")));
    for (field, word) in [("lastAttempted", "attempted"), ("lastApplied", "applied")] {
        lines.extend(status[field]["commit"].as_str().map(|commit| format!("{word} {commit}")));
    }
    lines.extend(status.get("inventory").map(inventory));
    lines.extend(items(&status["history"]).iter().rev().map(history));
    lines.extend(items(&status["drift"]).iter().rev().map(drift));
    lines.into_iter().map(|line| format!("{name}: {line}")).collect()
}

fn inventory(inventory: &Value) -> String {
    let health = inventory["health"].as_object().cloned().unwrap_or_default();
    let health: Vec<_> = health.iter().map(|(health, count)| format!("{count} {health}")).collect();
    let list = |field: &str| items(&inventory[field]).iter().map(text).collect::<Vec<_>>().join(", ");
    format!("owns {} ({}): {} in {}", inventory["objects"], health.join(", "), list("kinds"), list("namespaces"))
}

fn history(entry: &Value) -> String {
    let commit = text(&entry["revision"]["commit"]);
    format!("history: {} {commit}: {}", text(&entry["result"]), text(&entry["summary"]))
}

fn drift(entry: &Value) -> String {
    let side = |value: &Value| value.as_str().map_or_else(|| "nothing".to_owned(), shorten);
    let fields = items(&entry["fields"]);
    let fields = fields.iter().map(|field| match (&field["before"], &field["after"]) {
        // Of what others added no value is kept.
        (Value::Null, Value::Null) => format!(" {}", text(&field["path"])),
        (before, after) => format!(" {} from {} to {}", text(&field["path"]), side(before), side(after)),
    });
    let fields: Vec<_> = fields.collect();
    let colon = if fields.is_empty() { "" } else { ":" };
    let operation = entry["operation"].as_str().map(|operation| format!(" ({operation})")).unwrap_or_default();
    let more = entry["moreFields"].as_u64().map(|more| format!(" and {more} more")).unwrap_or_default();
    format!(
        "drift: {} {} {} by {}{operation}{colon}{}{more}",
        text(&entry["action"]),
        text(&entry["object"]),
        text(&entry["what"]),
        text(&entry["by"]),
        fields.join(","),
    )
}

fn object(object: &Value, names: &Names, namespace: &str) -> String {
    let metadata = &object["metadata"];
    let place = match metadata["namespace"].as_str() {
        Some(other) if other != namespace => format!("{other}/"),
        _ => String::new(),
    };
    let mut line = format!("{} {place}{}", text(&object["kind"]), text(&metadata["name"]));
    if let Some(label) = metadata["labels"][PART_OF].as_str() {
        line.push_str(&format!(" of {}", names.owner(label).unwrap_or(label)));
    }
    let managers: BTreeSet<String> = items(&metadata["managedFields"])
        .iter()
        .filter(|entry| entry.get("subresource").is_none())
        .map(|entry| text(&entry["manager"]))
        .filter(|manager| !CONTROL_PLANE.contains(&manager.as_str()))
        .collect();
    if !managers.is_empty() {
        line.push_str(&format!(" by {}", managers.into_iter().collect::<Vec<_>>().join(", ")));
    }
    if metadata.get("deletionTimestamp").is_some() {
        line.push_str(", being deleted");
    }
    line.push(':');
    for part in ["labels", "annotations"] {
        pairs(&mut line, &metadata[part], &format!("{part}."));
    }
    content(&mut line, object);
    line.trim_end_matches(':').to_owned()
}

/// Adds what matters of an object of its kind.
fn content(line: &mut String, object: &Value) {
    let spec = &object["spec"];
    match object["kind"].as_str().unwrap_or_default() {
        "ConfigMap" | "Secret" => pairs(line, &object["data"], ""),
        "Deployment" | "StatefulSet" | "DaemonSet" | "Job" => {
            if !spec["replicas"].is_null() {
                line.push_str(&format!(" replicas={}", spec["replicas"]));
            }
            let containers = items(&spec["template"]["spec"]["containers"]);
            containers.iter().for_each(|container| line.push_str(&format!(" image={}", text(&container["image"]))));
        }
        "Service" => {
            let ports = items(&spec["ports"]);
            ports.iter().for_each(|port| line.push_str(&format!(" port={}", port["port"])));
            pairs(line, &spec["selector"], "selector.");
        }
        "Namespace" | "CustomResourceDefinition" => {}
        _ if spec.is_object() => line.push_str(&format!(" {}", shorten(&spec.to_string()))),
        _ => {}
    }
}

fn pairs(line: &mut String, map: &Value, prefix: &str) {
    for (key, value) in map.as_object().cloned().unwrap_or_default() {
        if !INCIDENTAL.contains(&key.as_str()) {
            line.push_str(&format!(" {prefix}{key}={}", shorten(&text(&value))));
        }
    }
}

fn shorten(value: &str) -> String {
    let length = value.chars().count();
    if length <= VALUE_LENGTH_MAX {
        return value.replace('\n', "\\n");
    }
    let start: String = value.chars().take(VALUE_LENGTH_MAX / 2).collect();
    format!("{start}… ({length} characters)")
}

fn items(value: &Value) -> Vec<Value> {
    value.as_array().cloned().unwrap_or_default()
}

/// Returns a string as it is, anything else as JSON.
pub fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use plumb_core::environment::EnvironmentName;
    use serde_json::json;

    use super::*;

    #[test]
    fn an_object_becomes_a_line() {
        let mut names = Names::new("shop-1f");
        names.see(&["app".to_owned()]);
        let id = EnvironmentName::new("shop-1f", "app").applyset_id();
        let seen = Observation {
            environments: Vec::new(),
            objects: vec![json!({
                "kind": "ConfigMap",
                "metadata": {
                    "name": "settings",
                    "namespace": "shop-1f",
                    "uid": "1",
                    "labels": { PART_OF: id.as_str(), "tier": "web" },
                    "managedFields": [
                        { "manager": id.manager().to_string() },
                        { "manager": "kubectl-edit" },
                        { "manager": "kube-controller-manager", "subresource": "status" },
                    ],
                },
                "data": { "colour": "blue", "text": "x".repeat(70) },
            })],
        };
        let expected = format!(
            "ConfigMap settings of app by kubectl-edit, app: labels.tier=web colour=blue text={}… (70 characters)",
            "x".repeat(30)
        );
        assert_eq!(lines(&seen, &names, "shop-1f"), [expected]);
    }

    #[test]
    fn an_environment_becomes_lines() {
        let seen = Observation {
            environments: vec![json!({
                "metadata": { "name": "app" },
                "status": {
                    "conditions": [
                        { "type": "Ready", "status": "False", "reason": "Refused", "message": "one\ntwo" },
                        { "type": "Stalled", "status": "True", "reason": "Refused", "message": "one\ntwo" },
                    ],
                    "problems": ["one", "two", "three"],
                    "lastAttempted": { "commit": "c" },
                    "inventory": { "objects": 1, "health": { "Current": 1 }, "kinds": ["ConfigMap"], "namespaces": ["n"] },
                    "history": [
                        { "revision": { "commit": "b" }, "result": "Failed", "summary": "nothing to do" },
                        { "revision": { "commit": "a" }, "result": "Applied", "summary": "1 created" },
                    ],
                    "drift": [{
                        "object": "ConfigMap n/x", "what": "Changed", "by": "kubectl", "operation": "Update", "action": "Corrected",
                        "fields": [{ "path": ".data.k", "before": "\"a\"" }],
                    }],
                },
            })],
            objects: Vec::new(),
        };
        let expected = [
            "app: Ready=False Refused, Stalled",
            "app:   one",
            "app:   two",
            "app: problem: three",
            "app: attempted c",
            "app: owns 1 (1 Current): ConfigMap in n",
            "app: history: Applied a: 1 created",
            "app: history: Failed b: nothing to do",
            "app: drift: Corrected ConfigMap n/x Changed by kubectl (Update): .data.k from \"a\" to nothing",
        ];
        assert_eq!(lines(&seen, &Names::new("n1"), "n1"), expected);
    }
}
