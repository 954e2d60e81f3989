//! Who plays the kubelet.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::json;

/// The node that runs a control plane's Pods.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Node {
    /// kwok: Pods change their status as `stages.yaml` says, nothing is executed. Needs no rights.
    #[default]
    Kwok,
}

/// The name of the one node.
pub const NAME: &str = "lab";

/// What kwok does with nodes and Pods.
const STAGES: &str = include_str!("../stages.yaml");

/// What a build that fails must never show to anybody, and writes into its log: for tests of what is done with logs.
pub const LEAKED_TOKEN: &str = "lab-token-0f1e2d3c4b5a69788796a5b4c3d2e1f0";

/// The names of containers whose log is that of a build that failed: the step `fail` of a task, and the container `fail`
/// of a Job. kwok knows logs by the names of containers, not by their images.
const FAILING_CONTAINERS: [&str; 2] = ["step-fail", "fail"];

/// Which log a container has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Log {
    /// That of any container.
    Usual,
    /// That of [`FAILING_CONTAINERS`].
    Failing,
}

impl Log {
    /// Every log that there is.
    pub(crate) const ALL: [Self; 2] = [Self::Usual, Self::Failing];

    /// Returns the name of its file.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Usual => "usual.log",
            Self::Failing => "failing.log",
        }
    }

    /// Returns what is in it, as a container runtime writes it: time, stream, whether the line is whole, text.
    pub(crate) fn text(self) -> String {
        let lines = match self {
            Self::Usual => vec![
                "stdout F cloning the source".to_owned(),
                "stdout F building".to_owned(),
                "stdout F pushed the image".to_owned(),
            ],
            Self::Failing => vec![
                "stdout F cloning the source".to_owned(),
                format!("stdout F + git clone https://builder:{LEAKED_TOKEN}@git.example.com/shop.git"),
                format!("stderr F > Authorization: Bearer {LEAKED_TOKEN}"),
                "stderr F error: main.c:3:1: expected ';' before '}'".to_owned(),
                "stderr F the build failed".to_owned(),
            ],
        };
        let numbered = lines.iter().enumerate();
        numbered.map(|(second, line)| format!("2026-01-01T00:00:{second:02}.000000000Z {line}\n")).collect()
    }
}

/// Returns what kwok is told: the stages, and which log each container has.
pub(crate) fn config(logs: &Path) -> String {
    let file = |log: Log| logs.join(log.name()).display().to_string();
    let logs = json!({
        "apiVersion": "kwok.x-k8s.io/v1alpha1",
        "kind": "ClusterLogs",
        "metadata": { "name": "logs" },
        "spec": { "logs": [
            { "containers": FAILING_CONTAINERS, "logsFile": file(Log::Failing) },
            { "logsFile": file(Log::Usual) },
        ] },
    });
    format!("{STAGES}---\n{logs}\n")
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn kwok_is_told_of_every_log() {
        let text = config(Path::new("/plane/containers"));
        let documents: Vec<Value> =
            serde_yaml::Deserializer::from_str(&text).map(|document| Value::deserialize(document).unwrap()).collect();
        let (logs, stages) = documents.split_last().unwrap();
        assert!(stages.len() > 5 && stages.iter().all(|stage| stage["kind"] == "Stage"));
        for log in Log::ALL {
            let file = format!("/plane/containers/{}", log.name());
            let named = logs["spec"]["logs"].as_array().unwrap().iter().filter(|one| one["logsFile"] == file.as_str());
            assert_eq!(named.count(), 1, "{file}");
            assert!(log.text().lines().all(|line| line.starts_with("2026-01-01T00:00:0") && line.contains(" F ")));
        }
        assert!(Log::Failing.text().contains(LEAKED_TOKEN) && !Log::Usual.text().contains(LEAKED_TOKEN));
    }
}
