//! A Lease as an object of the API, and back.

use std::time::Duration;

use jiff::Timestamp;
use plumb_core::lease::{Lease, Replica, Shard, Version};
use serde_json::{Value, json};

use super::{LABEL, OF_SHARD};

/// What the names of all Leases of shards begin with.
const PREFIX: &str = "plumb-shard-";
/// Into how many shards the holder divides the work.
const SHARDS: &str = "plumb.dev/shards";
/// Who asks the holder for it.
const WANTED_BY: &str = "plumb.dev/wanted-by";

/// Returns the name of a shard's Lease.
pub(super) fn name(shard: Shard) -> String {
    format!("{PREFIX}{shard}")
}

/// Returns whose Lease an object is.
pub(super) fn shard(object: &Value) -> Option<Shard> {
    let number = object["metadata"]["name"].as_str()?.strip_prefix(PREFIX)?.parse().ok()?;
    Some(Shard(number))
}

/// Returns the version of an object.
pub(super) fn version(object: &Value) -> Version {
    Version::new(object["metadata"]["resourceVersion"].as_str().unwrap_or_default())
}

/// Reads a Lease; what is missing or malformed is as if it were not said.
pub(super) fn read(object: &Value) -> Lease {
    let spec = &object["spec"];
    let time = |field: &str| spec[field].as_str()?.parse::<Timestamp>().ok();
    let number = |field: &str| spec[field].as_u64().unwrap_or_default();
    let annotation = |name: &str| object["metadata"]["annotations"][name].as_str();
    let replica = |name: &str| Some(Replica::new(name)).filter(|_| !name.is_empty());
    Lease {
        holder: spec["holderIdentity"].as_str().and_then(replica),
        duration: Duration::from_secs(number("leaseDurationSeconds")),
        acquired: time("acquireTime"),
        renewed: time("renewTime"),
        transitions: u32::try_from(number("leaseTransitions")).unwrap_or_default(),
        shards: annotation(SHARDS).and_then(|shards| shards.parse().ok()).unwrap_or(1),
        wanted_by: annotation(WANTED_BY).and_then(replica),
    }
}

/// Writes a Lease, over the state with this version or as a new object.
pub(super) fn write(namespace: &str, shard: Shard, lease: &Lease, version: Option<&Version>) -> Value {
    // A `MicroTime` has exactly six digits of fraction.
    let time = |time: Option<Timestamp>| time.map(|time| format!("{time:.6}"));
    let mut annotations = json!({ SHARDS: lease.shards.to_string() });
    if let Some(replica) = &lease.wanted_by {
        annotations[WANTED_BY] = replica.as_str().into();
    }
    let mut metadata = json!({
        "name": name(shard),
        "namespace": namespace,
        "labels": { "app.kubernetes.io/name": "plumb", LABEL: OF_SHARD },
        "annotations": annotations,
    });
    if let Some(version) = version {
        metadata["resourceVersion"] = version.as_str().into();
    }
    json!({
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": metadata,
        "spec": {
            "holderIdentity": lease.holder.as_ref().map_or("", Replica::as_str),
            "leaseDurationSeconds": lease.duration.as_secs(),
            "acquireTime": time(lease.acquired),
            "renewTime": time(lease.renewed),
            "leaseTransitions": lease.transitions,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let at = |text: &str| Some(text.parse().unwrap());
        let held = Lease {
            holder: Some(Replica::new("plumb-0-1a2b")),
            duration: Duration::from_secs(15),
            acquired: at("2026-01-02T03:04:05.5Z"),
            renewed: at("2026-01-02T03:04:07.000001Z"),
            transitions: 4,
            shards: 3,
            wanted_by: Some(Replica::new("plumb-1-3c4d")),
        };
        let free = Lease { holder: None, acquired: None, wanted_by: None, ..held.clone() };
        for lease in [held, free] {
            let object = write("plumb-system", Shard(2), &lease, Some(&Version::new("7")));
            assert_eq!((shard(&object), version(&object)), (Some(Shard(2)), Version::new("7")));
            assert_eq!(read(&object), lease);
        }
        let foreign = json!({ "metadata": { "name": "plumb-shard-0" }, "spec": { "holderIdentity": "x" } });
        assert_eq!((read(&foreign).shards, read(&foreign).duration), (1, Duration::ZERO));
        assert_eq!(shard(&json!({ "metadata": { "name": "plumb-shard-x" } })), None);
    }
}
