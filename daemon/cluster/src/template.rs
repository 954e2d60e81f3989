//! Which template a workload's controller makes Pods from, in the word that it labels them with: Pods of another one are left
//! from before, or on their way out.
//!
//! Owns: the reads that tell. Must never do: guess; what is not told fits no Pod.

use plumb_core::{
    kinds::Kind,
    object::{Gvk, ObjectKey},
};
use serde_json::Value;

use crate::{cluster::Cluster, error::ApiError};

/// The group and version of the kinds that have templates.
const APPS: &str = "apps/v1";
/// Where a ReplicaSet says which of its Deployment's it is: the highest is in use.
const OF_REPLICA_SET: [&str; 2] =
    ["/metadata/annotations/deployment.kubernetes.io~1revision", "/metadata/labels/pod-template-hash"];
/// The same of the ControllerRevisions of a DaemonSet.
const OF_REVISION: [&str; 2] = ["/revision", "/metadata/labels/controller-revision-hash"];

/// The template that a workload's controller makes Pods from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    /// Its word for it.
    pub name: String,
    /// The workload's resourceVersion, as of which that is so: whatever Pods were seen before are of templates until then.
    pub resource_version: String,
}

impl Cluster {
    /// Returns the template that a workload's controller makes Pods from now; nothing for kinds whose Pods are all the same.
    /// The selector is that of its Pods.
    ///
    /// # Errors
    /// As every request.
    pub async fn template(&self, key: &ObjectKey, selector: &str) -> Result<Option<Template>, ApiError> {
        let (own, revisions) = match (key.group.as_str(), key.kind.as_str()) {
            ("apps", "Deployment") => {
                (kind("Deployment", "deployments"), Some((kind("ReplicaSet", "replicasets"), OF_REPLICA_SET)))
            }
            ("apps", "DaemonSet") => (
                kind("DaemonSet", "daemonsets"),
                Some((kind("ControllerRevision", "controllerrevisions"), OF_REVISION)),
            ),
            ("apps", "StatefulSet") => (kind("StatefulSet", "statefulsets"), None),
            _ => return Ok(None),
        };
        // Before its revisions: what is made from a later change than this one is seen by its version.
        let workload = self.get(&own, key).await?.unwrap_or_default();
        let name = match revisions {
            Some((kind, words)) => {
                let all = self.list(&kind, key.namespace.as_deref(), Some(selector)).await?;
                newest(&all, &text(&workload, "/metadata/uid"), words)
            }
            None => text(&workload, "/status/updateRevision"),
        };
        Ok(Some(Template { name, resource_version: text(&workload, "/metadata/resourceVersion") }))
    }
}

/// Returns the name that the newest of an owner's has in its label.
fn newest(all: &[Value], owner: &str, [number, label]: [&str; 2]) -> String {
    let owners = |object: &Value| object["metadata"]["ownerReferences"].as_array().cloned().unwrap_or_default();
    let owned = all.iter().filter(|object| owners(object).iter().any(|found| found["uid"] == owner));
    let newest = owned.max_by_key(|object| text(object, number).parse::<u64>().unwrap_or_default());
    newest.map(|object| text(object, label)).unwrap_or_default()
}

/// Returns what stands there as a text.
fn text(object: &Value, pointer: &str) -> String {
    match object.pointer(pointer) {
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None => String::new(),
    }
}

fn kind(kind: &str, plural: &str) -> Kind {
    Kind::namespaced(Gvk::new(APPS, kind), plural)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_newest_of_an_owner_is_in_use() {
        let replica_set = |owner: &str, revision: &str, hash: &str| {
            json!({ "metadata": {
                "ownerReferences": [{ "uid": owner }],
                "annotations": { "deployment.kubernetes.io/revision": revision },
                "labels": { "pod-template-hash": hash },
            } })
        };
        let all = [replica_set("web", "9", "b"), replica_set("web", "10", "c"), replica_set("other", "11", "d")];
        assert_eq!(newest(&all, "web", OF_REPLICA_SET), "c");
        assert_eq!(newest(&all, "nobody", OF_REPLICA_SET), "");
        let revision = |number: u64, hash: &str| {
            let labels = json!({ "controller-revision-hash": hash });
            json!({ "revision": number, "metadata": { "ownerReferences": [{ "uid": "log" }], "labels": labels } })
        };
        assert_eq!(newest(&[revision(2, "b"), revision(1, "a")], "log", OF_REVISION), "b");
    }
}
