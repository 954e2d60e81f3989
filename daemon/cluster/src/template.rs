//! Which template a workload's controller makes Pods from, in the word that it labels them with: Pods of another one are left
//! from before, or on their way out.
//!
//! Owns: the one read that tells. Must never do: guess; what is not told fits no Pod.

use plumb_core::{
    kinds::{Kind, Scope},
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

impl Cluster {
    /// Returns the template that a workload's controller makes Pods from now; nothing for kinds whose Pods are all the same.
    /// The selector is that of its Pods.
    ///
    /// # Errors
    /// As every request.
    pub async fn template(&self, key: &ObjectKey, uid: &str, selector: &str) -> Result<Option<String>, ApiError> {
        let (namespace, selector) = (key.namespace.as_deref(), Some(selector));
        match (key.group.as_str(), key.kind.as_str()) {
            ("apps", "Deployment") => {
                let all = self.list(&kind("ReplicaSet", "replicasets"), namespace, selector).await?;
                Ok(Some(newest(&all, uid, OF_REPLICA_SET)))
            }
            ("apps", "DaemonSet") => {
                let all = self.list(&kind("ControllerRevision", "controllerrevisions"), namespace, selector).await?;
                Ok(Some(newest(&all, uid, OF_REVISION)))
            }
            ("apps", "StatefulSet") => {
                let found = self.get(&kind("StatefulSet", "statefulsets"), key).await?.unwrap_or_default();
                Ok(Some(text(&found, "/status/updateRevision")))
            }
            _ => Ok(None),
        }
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
    let gvk = Gvk::new(APPS, kind);
    Kind { gvk, plural: plural.to_owned(), scope: Scope::Namespaced, watchable: true, defined_by: None }
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
