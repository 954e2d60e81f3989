//! What the Pods of one workload suffer from, watched only while somebody asks.
//!
//! Owns: the watch and the latest troubles. Must never do: keep whole Pods.

use std::collections::BTreeMap;

use plumb_core::{
    health::pod::{Trouble, pod_trouble},
    kinds::Kind,
    object::{Gvk, ObjectKey},
};
use serde_json::Value;
use tokio::{sync::watch, task::AbortHandle};

use crate::{
    cluster::Cluster,
    error::ApiError,
    follow::{Follow, Followed, Selected},
    index::{Observation, Seen},
};

/// Troubles that are kept of one workload: thousands of Pods mostly suffer from the same.
const TROUBLES_KEPT: usize = 50;

/// A watch of the Pods of one workload; ends when it is dropped.
#[derive(Debug)]
pub struct PodWatch {
    troubles: watch::Receiver<Vec<Trouble>>,
    task: AbortHandle,
}

impl Drop for PodWatch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl PodWatch {
    /// Returns what the Pods suffer from at the moment.
    pub fn troubles(&self) -> Vec<Trouble> {
        self.troubles.borrow().clone()
    }

    /// Waits until that is different, and returns it; nothing once the watch has ended.
    pub async fn changed(&mut self) -> Option<Vec<Trouble>> {
        self.troubles.changed().await.ok()?;
        Some(self.troubles.borrow_and_update().clone())
    }
}

impl Cluster {
    /// Watches the Pods of a namespace with this label selector.
    ///
    /// *Assumptions:* runs inside a tokio runtime.
    pub fn watch_pods(&self, namespace: &str, selector: &str) -> PodWatch {
        let (sender, troubles) = watch::channel(Vec::new());
        let mut pods = Pods::default();
        let tell = move |observation| {
            pods.see(observation);
            let now = pods.troubles();
            sender.send_if_modified(|known| {
                let differs = *known != now;
                if differs {
                    *known = now;
                }
                differs
            });
        };
        let (namespace, selected) = (Some(namespace.to_owned()), Selected::Labels(selector.to_owned()));
        let follow = Follow::new(self.clone(), Followed { kind: pod_kind(), namespace, selected }, tell);
        PodWatch { troubles, task: tokio::spawn(follow.run()).abort_handle() }
    }

    /// Returns what the Pods of a namespace with this label selector suffer from; one list.
    ///
    /// # Errors
    /// As every request.
    pub async fn pod_troubles(&self, namespace: &str, selector: &str) -> Result<Vec<Trouble>, ApiError> {
        let pods = self.list(&pod_kind(), Some(namespace), Some(selector)).await?;
        Ok(pods.iter().filter_map(pod_trouble).take(TROUBLES_KEPT).collect())
    }
}

#[derive(Debug, Default)]
struct Pods {
    troubles: BTreeMap<String, Trouble>,
    /// What the list under way has shown.
    listed: BTreeMap<String, Trouble>,
}

impl Pods {
    fn see(&mut self, observation: Observation) {
        match observation {
            Observation::Listing(_) => self.listed.clear(),
            Observation::Listed(_, Seen(pod)) => note(&mut self.listed, &pod),
            Observation::ListDone(..) => self.troubles = std::mem::take(&mut self.listed),
            Observation::Changed(_, Seen(pod)) => note(&mut self.troubles, &pod),
            Observation::Vanished(_, Seen(pod)) => {
                self.troubles.remove(name(&pod));
            }
            Observation::KindGone(_) => self.troubles.clear(),
            Observation::Resumed(_) | Observation::Lost(..) => {}
        }
    }

    fn troubles(&self) -> Vec<Trouble> {
        self.troubles.values().take(TROUBLES_KEPT).cloned().collect()
    }
}

fn note(troubles: &mut BTreeMap<String, Trouble>, pod: &Value) {
    match pod_trouble(pod) {
        Some(trouble) => troubles.insert(name(pod).to_owned(), trouble),
        None => troubles.remove(name(pod)),
    };
}

fn name(pod: &Value) -> &str {
    pod["metadata"]["name"].as_str().unwrap_or_default()
}

fn pod_kind() -> Kind {
    Kind::namespaced(Gvk::new("v1", "Pod"), "pods")
}

/// Returns the label selector of a workload's Pods; nothing for an object that selects none.
pub fn selector(workload: &Value) -> Option<String> {
    let selector = workload["spec"].get("selector")?;
    let labels = selector.get("matchLabels").unwrap_or(selector).as_object()?;
    let mut terms: Vec<_> = labels.iter().map(|(name, value)| Some(format!("{name}={}", value.as_str()?))).collect();
    for expression in selector["matchExpressions"].as_array().into_iter().flatten() {
        terms.push(term(expression));
    }
    let terms: Option<Vec<_>> = terms.into_iter().collect();
    terms.filter(|terms| !terms.is_empty()).map(|terms| terms.join(","))
}

fn term(expression: &Value) -> Option<String> {
    let key = expression["key"].as_str()?;
    let values: Vec<_> = expression["values"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    match expression["operator"].as_str()? {
        "In" => Some(format!("{key} in ({})", values.join(","))),
        "NotIn" => Some(format!("{key} notin ({})", values.join(","))),
        "Exists" => Some(key.to_owned()),
        "DoesNotExist" => Some(format!("!{key}")),
        _ => None,
    }
}

/// Returns whether an object is a workload whose Pods explain its health.
pub fn explains(key: &ObjectKey) -> bool {
    let workloads = [
        ("apps", "Deployment"),
        ("apps", "StatefulSet"),
        ("apps", "DaemonSet"),
        ("apps", "ReplicaSet"),
        ("", "ReplicationController"),
        ("batch", "Job"),
    ];
    workloads.contains(&(key.group.as_str(), key.kind.as_str()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn selectors_are_written_as_the_api_reads_them() {
        let check = |selector_of: Value, expected: Option<&str>| {
            assert_eq!(selector(&json!({ "spec": { "selector": selector_of } })).as_deref(), expected);
        };
        check(json!({ "matchLabels": { "app": "web", "tier": "front" } }), Some("app=web,tier=front"));
        check(
            json!({ "matchLabels": { "app": "web" }, "matchExpressions": [
                { "key": "a", "operator": "In", "values": ["x", "y"] },
                { "key": "b", "operator": "NotIn", "values": ["z"] },
                { "key": "c", "operator": "Exists" },
                { "key": "d", "operator": "DoesNotExist" },
            ] }),
            Some("app=web,a in (x,y),b notin (z),c,!d"),
        );
        // A term that is not understood must not be left out: that would select more.
        check(json!({ "matchLabels": { "app": "web" }, "matchExpressions": [{ "key": "a", "operator": "Gt" }] }), None);
        check(json!({}), None);
        assert_eq!(selector(&json!({ "spec": {} })), None);
    }

    #[test]
    fn troubles_follow_list_and_events() {
        let pod = |name: &str, reason: &str| {
            let waiting =
                json!({ "state": { "waiting": { "reason": reason } }, "name": "app", "image": "lab/broken:1" });
            Seen(json!({ "metadata": { "name": name }, "status": { "containerStatuses": [waiting] } }))
        };
        let gvk = || Gvk::new("v1", "Pod");
        let mut pods = Pods::default();
        let reasons = |pods: &Pods| pods.troubles().into_iter().map(|trouble| trouble.reason).collect::<Vec<_>>();
        pods.see(Observation::Listing(gvk()));
        pods.see(Observation::Listed(gvk(), pod("a", "ImagePullBackOff")));
        pods.see(Observation::Listed(gvk(), pod("b", "ContainerCreating")));
        pods.see(Observation::ListDone(gvk(), "1".to_owned()));
        assert_eq!(reasons(&pods), ["ImagePullBackOff"]);
        pods.see(Observation::Changed(gvk(), pod("b", "CrashLoopBackOff")));
        pods.see(Observation::Vanished(gvk(), pod("a", "ImagePullBackOff")));
        assert_eq!(reasons(&pods), ["CrashLoopBackOff"]);
        pods.see(Observation::Changed(gvk(), pod("b", "ContainerCreating")));
        assert_eq!(reasons(&pods), [""; 0]);
    }
}
