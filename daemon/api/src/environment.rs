//! `Environment`: one path of a repository, kept true in one cluster.
#![expect(unreachable_pub, reason = "KubeSchema derives a copy of the struct inside a function")]

use std::collections::BTreeMap;

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    condition::Condition,
    duration::DurationText,
    repository::{RevisionStatus, is_false},
    rollback::{HealthyStatus, Rollback, RollbackStatus},
};

/// One path of a repository and how the cluster is kept true to it.
#[derive(CustomResource, KubeSchema, Debug, Clone, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "plumb.dev",
    version = "v1alpha1",
    kind = "Environment",
    plural = "environments",
    shortname = "env",
    namespaced,
    status = "EnvironmentStatus",
    derive = "PartialEq",
    doc = "A path of a Repository that plumb keeps the cluster true to.",
    printcolumn = r#"{"name":"Repository","type":"string","jsonPath":".spec.repository"}"#,
    printcolumn = r#"{"name":"Path","type":"string","jsonPath":".spec.path"}"#,
    printcolumn = r#"{"name":"Ready","type":"string","jsonPath":".status.conditions[?(@.type==\"Ready\")].status"}"#,
    printcolumn = r#"{"name":"Commit","type":"string","jsonPath":".status.lastApplied.commit"}"#,
    printcolumn = r#"{"name":"Objects","type":"integer","jsonPath":".status.inventory.objects"}"#,
    printcolumn = r#"{"name":"Status","type":"string","priority":1,"jsonPath":".status.conditions[?(@.type==\"Ready\")].message"}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase")]
pub struct EnvironmentSpec {
    /// Name of a Repository in the same namespace.
    #[schemars(regex(pattern = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"), length(min = 1, max = 253))]
    pub repository: String,
    /// Directory inside the repository, relative to its root; `.` is the root.
    #[schemars(length(min = 1, max = 1024))]
    #[x_kube(validation = Rule::new("!self.startsWith('/') && !self.split('/').exists(part, part == '..')").message("path is relative to the repository's root and has no '..'"))]
    pub path: String,
    /// Environments of the same namespace that a new commit waits for: it begins when each of them has applied the same
    /// commit (of another repository: any) and is healthy. Drift is corrected meanwhile.
    #[schemars(length(max = 64))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub depends_on: Vec<DependencyReference>,
    /// Where the objects go.
    #[serde(default)]
    #[x_kube(validation = Rule::new("!has(self.createNamespace) || !self.createNamespace || has(self.namespace)").message("createNamespace makes target.namespace, so that has to be set"))]
    pub target: Target,
    /// How commits are applied.
    #[serde(default)]
    pub sync: Sync,
    /// What happens when the cluster no longer matches.
    #[serde(default)]
    pub drift: Drift,
    /// How well objects are of kinds that plumb knows nothing about, or knows too little.
    #[schemars(length(max = 20), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["apiVersion", "kind"]))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub health: Vec<HealthRule>,
    /// What happens when an environment that was healthy is not any more after a commit.
    #[serde(default)]
    pub rollback: Rollback,
    /// What happens to the objects when this Environment is deleted.
    #[serde(default)]
    pub deletion: Deletion,
    /// Stops all writes to the cluster; drift is still noticed and reported.
    #[serde(default, skip_serializing_if = "is_false")]
    pub suspend: bool,
}

/// The name of an Environment in the same namespace.
#[derive(JsonSchema, Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DependencyReference {
    /// Name of the Environment.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}

/// Where the objects go.
#[derive(JsonSchema, Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Target {
    /// Namespace for namespaced objects that name none; without it such an object is an error.
    #[schemars(regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"), length(max = 63))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Name of a ServiceAccount in this Environment's namespace: every write and dry-run has exactly its rights. Absent:
    /// the one that `--default-service-account` names, else plumb's own rights.
    #[schemars(regex(pattern = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"), length(min = 1, max = 253))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_account_name: Option<String>,
    /// Whether that namespace is made if it is not there; it is never pruned.
    #[serde(default, skip_serializing_if = "is_false")]
    pub create_namespace: bool,
}

/// How commits are applied.
#[derive(JsonSchema, Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Sync {
    /// Whether owned objects that are no longer in Git are deleted.
    #[serde(default = "default_prune")]
    pub prune: bool,
    /// A plan that prunes more than this share of the inventory, and more than 5 objects, is Blocked until
    /// `plumb allow` says otherwise for that commit.
    #[schemars(regex(pattern = r"^(100|[0-9]{1,2})%$"))]
    #[serde(default = "default_prune_limit")]
    pub prune_limit: String,
    /// How long a wave may take to become healthy before it is said that a person has to look; it goes on by itself if it
    /// becomes healthy later.
    #[serde(default = "default_timeout")]
    pub timeout: DurationText,
    /// What becomes of a commit of which something is refused.
    #[serde(default)]
    pub on_error: OnError,
    /// When new commits may begin; absent: always. Drift is corrected at all hours, and what was begun is carried through.
    #[schemars(length(max = 32))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub windows: Vec<Window>,
}

/// Hours at which new commits may begin.
#[derive(JsonSchema, Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Window {
    /// When it opens, as in cron: minute, hour, day of month, month, day of week.
    #[schemars(length(min = 9, max = 255))]
    pub schedule: String,
    /// How long it stays open.
    pub duration: DurationText,
    /// The time zone of the schedule, as the IANA database names it.
    #[schemars(length(min = 1, max = 64))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
}

/// What becomes of a commit of which something is refused.
#[derive(JsonSchema, Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum OnError {
    /// The rest is applied.
    #[default]
    Partial,
    /// Nothing is applied: all of it is tried by dry-run first, namespaces and definitions before what needs them.
    Transactional,
}

fn default_prune() -> bool {
    true
}

fn default_prune_limit() -> String {
    "25%".to_owned()
}

fn default_timeout() -> DurationText {
    DurationText::parse("5m").expect("because the constant is a duration")
}

impl Default for Sync {
    fn default() -> Self {
        Self {
            prune: default_prune(),
            prune_limit: default_prune_limit(),
            timeout: default_timeout(),
            windows: Vec::new(),
            on_error: OnError::default(),
        }
    }
}

/// What happens when the cluster no longer matches.
#[derive(JsonSchema, Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Drift {
    /// Whether drift is corrected or only reported.
    #[serde(default)]
    pub mode: DriftMode,
    /// Fields that are not kept as Git has them: sent when an object is created, left alone afterwards.
    #[schemars(length(max = 64))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ignore: Vec<IgnoreRule>,
    /// Fields that others added to owned objects.
    #[serde(default)]
    pub foreign_fields: ForeignFields,
}

/// Fields that others added to owned objects.
#[derive(JsonSchema, Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ForeignFields {
    /// What happens to them.
    #[serde(default)]
    pub mode: ForeignMode,
    /// Field managers whose additions count, with `*` and `?`.
    #[schemars(length(max = 64), inner(length(min = 1, max = 128)))]
    #[serde(default = "default_foreign_managers")]
    pub managers: Vec<String>,
}

/// What happens to fields that others added.
#[derive(JsonSchema, Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ForeignMode {
    /// They are not looked at.
    Ignore,
    /// They are named and left.
    #[default]
    Report,
    /// They are removed, as far as nobody else owns them.
    Remove,
}

/// Returns the managers of fields that people add by hand, or that were there before managers were recorded.
pub fn default_foreign_managers() -> Vec<String> {
    ["kubectl*", "before-first-apply"].map(str::to_owned).to_vec()
}

impl Default for ForeignFields {
    fn default() -> Self {
        Self { mode: ForeignMode::default(), managers: default_foreign_managers() }
    }
}

/// Fields of some objects that are not kept as Git has them.
#[derive(JsonSchema, Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IgnoreRule {
    /// Kinds as `Kind` or `Kind.group`, with `*` and `?`; none: all.
    #[schemars(length(max = 64), inner(length(min = 1, max = 253)))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kinds: Vec<String>,
    /// Names of objects, with `*` and `?`; none: all.
    #[schemars(length(max = 64), inner(length(min = 1, max = 253)))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<String>,
    /// JSON pointers (RFC 6901), such as `/spec/replicas`. A step `*` is any field or item; `name=app` is the item of a list
    /// with that key.
    #[schemars(
        length(min = 1, max = 64),
        inner(length(min = 2, max = 1024), regex(pattern = r"^(/([^~/]|~[01])+)+$"))
    )]
    pub paths: Vec<String>,
}

/// Whether drift is corrected or only reported.
#[derive(JsonSchema, Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum DriftMode {
    /// Put back what Git says, at once.
    #[default]
    Correct,
    /// Say what differs and leave it.
    Report,
}

/// How well objects of one kind are, as CEL expressions over the variable `self`, which is the object.
#[derive(JsonSchema, Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HealthRule {
    /// The kind's group and version, such as `example.com/v1`.
    #[schemars(
        regex(pattern = r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[a-z0-9]([-a-z0-9]*[a-z0-9])?$"),
        length(max = 317)
    )]
    pub api_version: String,
    /// The kind.
    #[schemars(regex(pattern = r"^[A-Za-z]([-A-Za-z0-9]*[A-Za-z0-9])?$"), length(max = 63))]
    pub kind: String,
    /// Holds once the object is as it should be; until then it is InProgress.
    #[schemars(length(min = 1, max = 1024))]
    pub current: String,
    /// Holds once the object's controller has given up; wins over `current`.
    #[schemars(length(min = 1, max = 1024))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
}

/// What happens to the objects when an Environment is deleted.
#[derive(JsonSchema, Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Deletion {
    /// They stay; plumb lets go of them.
    #[default]
    Orphan,
    /// They are deleted first, as far as they may be; the Environment is there until then.
    Prune,
}

/// What is known of an environment; written only when it changes.
#[derive(JsonSchema, Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EnvironmentStatus {
    /// The generation of the spec that this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Ready`, `Reconciling`, `Stalled`, `Contended`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// The commit that was last tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_attempted: Option<Attempt>,
    /// The commit that was last applied without an error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_applied: Option<Attempt>,
    /// The commit that was last applied in full and healthy: what a rollback goes back to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_healthy: Option<HealthyStatus>,
    /// What was rolled back, and what is watched for it.
    #[serde(default, skip_serializing_if = "RollbackStatus::is_empty")]
    pub rollback: RollbackStatus,
    /// The wave that is waited for until it is healthy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting: Option<WaitingStatus>,
    /// What the environment owns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inventory: Option<InventoryStatus>,
    /// What is wrong or was refused, newest plan only, at most 20 lines.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<String>,
    /// The newest drifts, at most 20.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub drift: Vec<DriftStatus>,
    /// The newest operations, at most 10.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<HistoryEntry>,
    /// The requests (`plumb sync`, `plumb allow` …) that were carried out: annotation name to id.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub handled: BTreeMap<String, String>,
    /// Records that wait to be published as Git notes; only where the Repository's `records` is `Notes`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub records: Option<RecordsStatus>,
}

/// The records of an environment that are not in Git yet, and how far they are counted.
#[derive(JsonSchema, Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RecordsStatus {
    /// The commit of the notes ref that held all records which were published when it was pushed: an anchor for
    /// `plumb audit verify --head`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head: Option<String>,
    /// The UID of the Repository for which `next` counts.
    pub repository: String,
    /// The name of the cluster for which `next` counts: each has a notes ref of its own.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub cluster: String,
    /// The number of the next record; the first is 1.
    #[schemars(with = "i64", range(min = 1))]
    pub next: u64,
    /// Records that wait, as they will stand in notes: at most 64, and 64 KiB.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pending: Vec<String>,
    /// One record that stands for those which did not fit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overflow: Option<String>,
    /// Records of drift that repeats itself, each as one line that counts it, for an hour at most: then it gets a number and waits like
    /// the others. At most 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub repeated: Vec<String>,
    /// How many records were kept so far, those included that share a number.
    #[serde(default, skip_serializing_if = "is_zero")]
    #[schemars(with = "i64", range(min = 0))]
    pub recorded: u64,
    /// How far records are counted for Repositories, and names of the cluster, that the environment had before, the latest last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub former: Vec<FormerRepository>,
}

/// How far records are counted for a Repository, and a name of the cluster, that an environment had before.
#[derive(JsonSchema, Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FormerRepository {
    /// The Repository's UID.
    pub repository: String,
    /// The name of the cluster.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub cluster: String,
    /// The number of the next record.
    #[schemars(with = "i64", range(min = 1))]
    pub next: u64,
}

/// One attempt at a commit.
#[derive(JsonSchema, Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Attempt {
    /// The commit's id.
    pub commit: String,
    /// Digest of the tree ids that were read: equal inputs render to equal objects.
    pub inputs: String,
    /// The generation of the Environment's spec.
    pub generation: i64,
    /// When (RFC 3339).
    pub at: String,
}

/// A wave that is waited for.
#[derive(JsonSchema, Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WaitingStatus {
    /// The wave, as annotations number it.
    pub wave: i32,
    /// Since when (RFC 3339).
    pub since: String,
}

/// What an environment owns.
#[derive(JsonSchema, Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InventoryStatus {
    /// Number of objects.
    #[schemars(with = "i64", range(min = 0))]
    pub objects: u32,
    /// Kinds that may have members, as `Kind.group`; repeats the ApplySet annotation.
    pub kinds: Vec<String>,
    /// Namespaces that may have members; repeats the ApplySet annotation.
    pub namespaces: Vec<String>,
    /// Number of objects by health: Current, InProgress, Failed, Terminating, Unknown.
    #[schemars(with = "BTreeMap<String, i64>")]
    pub health: BTreeMap<String, u32>,
}

/// One drift: who changed what, and what was done.
#[derive(JsonSchema, Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DriftStatus {
    /// `apiVersion`-less reference such as `Deployment shop/web`.
    pub object: String,
    /// What happened: Changed, Deleted, LabelRemoved, ForeignFields.
    pub what: String,
    /// The field manager that did it, or why that can't be known.
    pub by: String,
    /// The manager's operation, Apply or Update, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<String>,
    /// When the manager wrote, as the cluster recorded it (RFC 3339, whole seconds), where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub written: Option<String>,
    /// When plumb noticed (RFC 3339).
    pub noticed: String,
    /// Corrected, Reported, Contended, Removed, or Failed.
    pub action: String,
    /// Milliseconds from noticing to corrected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<i64>", range(min = 0))]
    pub took_ms: Option<u32>,
    /// The fields, at most 10; values of Secrets never.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<FieldChange>,
    /// How many further fields changed.
    #[serde(default, skip_serializing_if = "is_zero")]
    #[schemars(with = "i64", range(min = 0))]
    pub more_fields: u32,
}

fn is_zero<N: PartialEq + From<u8>>(value: &N) -> bool {
    *value == N::from(0)
}

/// One field's change, values as short JSON texts.
#[derive(JsonSchema, Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FieldChange {
    /// The field, as the API server writes paths.
    pub path: String,
    /// What Git says; absent: nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// What was found; absent: nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

/// One finished operation.
#[derive(JsonSchema, Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HistoryEntry {
    /// The commit.
    pub revision: RevisionStatus,
    /// When the operation ended (RFC 3339).
    pub at: String,
    /// How long it took, in milliseconds.
    #[schemars(with = "i64", range(min = 0))]
    pub took_ms: u32,
    /// Applied, Failed, Blocked, Superseded by a newer commit, RolledBack, or Restored by a rollback.
    pub result: String,
    /// What was done, in words: `3 created, 1 changed, 1 pruned`.
    pub summary: String,
    /// The commit that takes it back in Git, on its branch or on one for review.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rolled_back_by: Option<String>,
}
