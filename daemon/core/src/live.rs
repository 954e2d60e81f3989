//! What the cluster has, as far as plumb keeps it in memory: a few words for each owned object.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use crate::{
    environment::{ApplySetId, FieldManager},
    fingerprint::Fingerprint,
    foreign::Addition,
    health::Health,
    object::{self, GroupKind, Gvk, ObjectKey},
    presence::Presence,
};

/// What an object's `plumb.dev/prune` annotation asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum PruneWish {
    /// No annotation.
    Usual,
    /// `disabled`: never prune it.
    Disabled,
    /// `force`: prune it even while it holds objects of others.
    Force,
    /// Anything else: not understood, so the object is kept.
    Malformed(String),
}

/// The annotation that [`PruneWish`] reads.
pub const PRUNE_ANNOTATION: &str = "plumb.dev/prune";

impl PruneWish {
    /// Parses the annotation's value.
    pub fn parse(value: Option<&str>) -> Self {
        match value {
            None => Self::Usual,
            Some("disabled") => Self::Disabled,
            Some("force") => Self::Force,
            Some(other) => Self::Malformed(other.to_owned()),
        }
    }
}

/// One live object that carries a `part-of` label.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LiveObject {
    /// Which object.
    pub key: ObjectKey,
    /// The `apiVersion` it was read at.
    pub api_version: String,
    /// Its UID.
    pub uid: String,
    /// Its resourceVersion.
    pub resource_version: String,
    /// The environment that its label names.
    pub part_of: ApplySetId,
    /// Whether the label was set by that environment's own manager.
    pub label_is_ours: bool,
    /// The fingerprint of the fields that the environment's manager owns; absent where it owns none.
    pub fingerprint: Option<Fingerprint>,
    /// Other environments' managers that own fields of it.
    pub claimants: Vec<FieldManager>,
    /// Its owners, as `Kind name`; not empty: something else created it.
    pub owners: Vec<String>,
    /// What its annotation says of pruning.
    pub prune: PruneWish,
    /// Whether data would go with it if it were deleted.
    pub holds_data: bool,
    /// What the managers that the environment names added to it.
    pub foreign: Vec<Addition>,
    /// Whether its deletion has begun.
    pub deleting: bool,
    /// Its health.
    pub health: Health,
}

impl LiveObject {
    /// Returns whether the object carries this label and the environment's own manager set it.
    pub fn is_owned_by(&self, id: &ApplySetId) -> bool {
        self.label_is_ours && self.part_of == *id
    }
}

/// Returns whether data goes with a live object that is deleted, as far as built-in kinds tell: a claim, a volume, a
/// snapshot, or a StatefulSet that takes its claims with it.
pub fn holds_data(object: &Value) -> bool {
    let gvk = Gvk::new(object["apiVersion"].as_str().unwrap_or_default(), object["kind"].as_str().unwrap_or_default());
    match (gvk.group.as_str(), gvk.kind.as_str()) {
        ("", "PersistentVolumeClaim" | "PersistentVolume") | ("snapshot.storage.k8s.io", _) => true,
        ("apps", "StatefulSet") => object["spec"]["persistentVolumeClaimRetentionPolicy"]["whenDeleted"] == "Delete",
        _ => false,
    }
}

/// The live objects of one environment, and the kinds about which nothing is known.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Live {
    /// Objects whose label names the environment.
    #[serde(serialize_with = "object::serialize_pairs")]
    pub objects: BTreeMap<ObjectKey, LiveObject>,
    /// Kinds whose watch is not synced, with the reason in words.
    #[serde(serialize_with = "object::serialize_pairs")]
    pub unknown: BTreeMap<GroupKind, String>,
}

impl Live {
    /// Returns what is known of one object; `Unknown` while its kind's watch is not synced.
    pub fn find(&self, key: &ObjectKey) -> Presence<&LiveObject> {
        match self.objects.get(key) {
            _ if self.unknown.contains_key(&key.group_kind()) => Presence::Unknown,
            Some(object) => Presence::Present(object),
            None => Presence::Absent,
        }
    }
}
