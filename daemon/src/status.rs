//! The status of plumb's own resources: its conditions, and writing it with a precondition, read again and written again
//! on a conflict.

use jiff::Timestamp;
use kube::Resource;
use plumb_api::condition::{self, Condition, ConditionStatus};
use plumb_cluster::{cluster::Cluster, error::ApiError, resources};
use plumb_core::environment::FieldManager;
use serde::Serialize;
use serde_json::{Value, json};

/// The field manager of statuses.
const MANAGER: &str = "plumb";
/// Times a write is tried again after somebody else wrote in between.
const CONFLICTS_MAX: usize = 5;

/// What all conditions of a resource say at one moment.
pub(crate) struct Verdict<'a> {
    /// Their types, and whether they hold; `Ready` is shown always, the others only while they hold (kstatus).
    pub(crate) holds: &'a [(&'static str, bool)],
    pub(crate) reason: &'a str,
    pub(crate) message: &'a str,
}

/// Returns conditions; the time of a change is kept where the status of a condition is as it was before.
pub(crate) fn conditions(
    verdict: &Verdict<'_>,
    before: &[Condition],
    generation: Option<i64>,
    now: Timestamp,
) -> Vec<Condition> {
    let shown = verdict.holds.iter().filter(|(name, holds)| *name == condition::READY || *holds);
    let made = shown.map(|(name, holds)| {
        let status = if *holds { ConditionStatus::True } else { ConditionStatus::False };
        let same = before.iter().find(|condition| condition.type_ == *name && condition.status == status);
        Condition {
            type_: (*name).to_owned(),
            status,
            observed_generation: generation,
            last_transition_time: same.map_or_else(|| now.to_string(), |same| same.last_transition_time.clone()),
            reason: verdict.reason.to_owned(),
            message: verdict.message.to_owned(),
        }
    });
    made.collect()
}

/// Writes a status over the state with this resourceVersion, and returns the new one; nothing if the resource is gone or was made
/// anew.
///
/// A conflict means that somebody wrote the spec or the metadata, or took published records out: the status is plumb's alone, so
/// it is written over the newer state, which `status` is handed. Where no version is known, the newest is read first.
///
/// # Errors
/// As every request; `Stale` if somebody wrote in between every time.
pub(crate) async fn write<K: Resource<DynamicType = ()>, S: Serialize>(
    cluster: &Cluster,
    (namespace, name): (&str, &str),
    uid: &str,
    version: &str,
    mut status: impl FnMut(Option<&Value>) -> S,
) -> Result<Option<String>, ApiError> {
    let (kind, key) = (resources::kind::<K>(), resources::key::<K>(namespace, name));
    let manager = FieldManager::new(MANAGER);
    let mut version = version.to_owned();
    let mut newest = None;
    for tries in 1.. {
        if version.is_empty() {
            let Some(found) = cluster.get(&kind, &key).await? else { return Ok(None) };
            if text(&found, "uid") != uid {
                return Ok(None);
            }
            version = text(&found, "resourceVersion");
            newest = Some(found);
        }
        let object = json!({
            "apiVersion": kind.gvk.api_version(),
            "kind": kind.gvk.kind,
            "metadata": { "namespace": namespace, "name": name, "uid": uid, "resourceVersion": version },
            "status": status(newest.as_ref()),
        });
        match cluster.replace_status(&kind, &key, &object, &manager).await {
            Ok(written) => return Ok(Some(text(&written, "resourceVersion"))),
            Err(ApiError::NotFound { .. }) => return Ok(None),
            Err(ApiError::Stale { .. }) if tries < CONFLICTS_MAX => version.clear(),
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

fn text(object: &Value, field: &str) -> String {
    object["metadata"][field].as_str().unwrap_or_default().to_owned()
}
