//! Writing the status of plumb's own resources: with a precondition, read again and written again on a conflict.

use kube::Resource;
use plumb_cluster::{cluster::Cluster, error::ApiError, resources};
use plumb_core::environment::FieldManager;
use serde::Serialize;
use serde_json::json;

/// The field manager of statuses.
const MANAGER: &str = "plumb";
/// Times a write is tried again after somebody else wrote in between.
const CONFLICTS_MAX: usize = 5;

/// Writes a status over the state with this resourceVersion, and returns the new one; nothing if the resource is gone or was made
/// anew.
///
/// A conflict means that somebody wrote the spec or the metadata: the status is plumb's alone, so it is written over the
/// newer state. Where no version is known, the newest is read first.
///
/// # Errors
/// As every request; `Stale` if somebody wrote in between every time.
pub(crate) async fn write<K: Resource<DynamicType = ()>>(
    cluster: &Cluster,
    (namespace, name): (&str, &str),
    uid: &str,
    version: &str,
    status: &impl Serialize,
) -> Result<Option<String>, ApiError> {
    let (kind, key) = (resources::kind::<K>(), resources::key::<K>(namespace, name));
    let manager = FieldManager::new(MANAGER);
    let mut version = version.to_owned();
    for tries in 1.. {
        if version.is_empty() {
            let Some(found) = cluster.get(&kind, &key).await? else { return Ok(None) };
            if text(&found, "uid") != uid {
                return Ok(None);
            }
            version = text(&found, "resourceVersion");
        }
        let object = json!({
            "apiVersion": kind.gvk.api_version(),
            "kind": kind.gvk.kind,
            "metadata": { "namespace": namespace, "name": name, "uid": uid, "resourceVersion": version },
            "status": status,
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

fn text(object: &serde_json::Value, field: &str) -> String {
    object["metadata"][field].as_str().unwrap_or_default().to_owned()
}
