//! `PipelineTrigger`: which parts of a repository are built when they change, and with which runs.
#![expect(unreachable_pub, reason = "KubeSchema derives a copy of the struct inside a function")]

pub mod write_back;

use std::collections::BTreeMap;

use kube::{CustomResource, KubeSchema};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use self::write_back::{
    DocumentReference, Form, ResultNames, WriteBack, WriteBackImage, WriteBackMode, WriteBackStatus,
};
use crate::{condition::Condition, duration::DurationText, repository::is_false};

/// Which parts of a repository are built when they change, and with which runs.
#[derive(CustomResource, KubeSchema, Debug, Clone, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "plumb.dev",
    version = "v1alpha1",
    kind = "PipelineTrigger",
    plural = "pipelinetriggers",
    shortname = "trigger",
    namespaced,
    status = "PipelineTriggerStatus",
    derive = "PartialEq",
    doc = "Runs that plumb creates when parts of a Repository change.",
    printcolumn = r#"{"name":"Repository","type":"string","jsonPath":".spec.repository"}"#,
    printcolumn = r#"{"name":"Ready","type":"string","jsonPath":".status.conditions[?(@.type==\"Ready\")].status"}"#,
    printcolumn = r#"{"name":"Running","type":"integer","jsonPath":".status.running"}"#,
    printcolumn = r#"{"name":"Queued","type":"integer","jsonPath":".status.queued"}"#,
    printcolumn = r#"{"name":"Status","type":"string","priority":1,"jsonPath":".status.conditions[?(@.type==\"Ready\")].message"}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase")]
pub struct PipelineTriggerSpec {
    /// Name of a Repository in the same namespace: the source of the application.
    #[schemars(regex(pattern = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"), length(min = 1, max = 253))]
    pub repository: String,
    /// Name of a ServiceAccount in this namespace: runs are created, ended and removed with exactly its rights. Absent: the one
    /// that `--default-service-account` names, else plumb's own rights. The runs themselves name theirs.
    #[schemars(regex(pattern = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"), length(min = 1, max = 253))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_account_name: Option<String>,
    /// What is built on its own; absent: the whole repository, as one component with the name of the trigger.
    #[schemars(length(max = 256), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub components: Vec<Component>,
    /// How many runs there may be at once, and what becomes of older ones when a newer commit comes.
    #[serde(default)]
    pub concurrency: Concurrency,
    /// What happens to the commit at which a component is seen for the first time.
    #[serde(default)]
    pub initial: Initial,
    /// How often a run that failed for reasons outside of the build (an eviction, a node, a registry) is made again.
    #[serde(default = "default_retries")]
    #[schemars(with = "i64", range(min = 0, max = 10))]
    pub retries: u32,
    /// How many ended runs of each component are kept.
    #[serde(default)]
    pub history: History,
    /// The object to create: a Tekton PipelineRun or TaskRun, or a Job. In its texts `{{ revision }}`, `{{ short_revision }}`,
    /// `{{ component }}`, `{{ repo_url }}`, `{{ source_branch }}` and others stand for what is built; its name and labels are plumb's.
    #[schemars(schema_with = "any_object")]
    pub run: Value,
    /// Which images are put into the files of environments when they are built; absent: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub write_back: Option<WriteBack>,
    /// Begins no more runs; those under way are followed to their end.
    #[serde(default, skip_serializing_if = "is_false")]
    pub suspend: bool,
}

/// Returns the schema of an object that somebody else judges: Tekton's webhook, or the API server.
fn any_object(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "description": "The object to create: a Tekton PipelineRun or TaskRun, or a Job. In its texts `{{ revision }}`, `{{ short_revision }}`, `{{ component }}`, `{{ repo_url }}`, `{{ source_branch }}` and others stand for what is built; its name and labels are plumb's.",
        "required": ["apiVersion", "kind", "spec"],
        "properties": {
            "apiVersion": { "type": "string", "minLength": 1 },
            "kind": { "type": "string", "minLength": 1 },
            "spec": { "type": "object", "x-kubernetes-preserve-unknown-fields": true },
        },
        "x-kubernetes-preserve-unknown-fields": true,
    })
}

fn default_retries() -> u32 {
    1
}

/// A part of the repository that is built on its own.
#[derive(JsonSchema, Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Component {
    /// Its name: part of the names of its runs.
    #[schemars(regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"), length(min = 1, max = 63))]
    pub name: String,
    /// Which files it is built from, as patterns relative to the repository's root: `*` stays within a directory, `**` does
    /// not, `!` takes out what a pattern before has taken in. Absent: all files.
    #[schemars(length(max = 64), inner(length(min = 1, max = 1024)))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<String>,
}

/// How many runs there may be at once, and what becomes of older ones.
#[derive(JsonSchema, Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Concurrency {
    /// How many runs of this trigger there may be at once; `--max-runs` limits all of them.
    #[serde(default = "default_limit")]
    #[schemars(with = "i64", range(min = 1, max = 1000))]
    pub limit: u32,
    /// What becomes of older builds of a component when a newer commit comes.
    #[serde(default)]
    pub supersede: Supersede,
}

impl Default for Concurrency {
    fn default() -> Self {
        Self { limit: default_limit(), supersede: Supersede::default() }
    }
}

fn default_limit() -> u32 {
    10
}

/// What becomes of older builds of a component when a newer commit comes.
#[derive(JsonSchema, Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Supersede {
    /// Each is built that had begun to wait.
    None,
    /// What waits gives way to the newer one; what runs goes on.
    #[default]
    DropQueued,
    /// What runs is ended, too.
    CancelRunning,
}

/// What happens to the commit at which a component is seen for the first time.
#[derive(JsonSchema, Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Initial {
    /// It is built.
    #[default]
    Build,
    /// It is taken for built.
    Skip,
}

/// How many ended runs of each component are kept; the newest that succeeded always is.
#[derive(JsonSchema, Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct History {
    /// How many that succeeded.
    #[serde(default = "default_kept")]
    #[schemars(with = "i64", range(min = 1, max = 1000))]
    pub succeeded: u32,
    /// How many others.
    #[serde(default = "default_kept")]
    #[schemars(with = "i64", range(min = 0, max = 1000))]
    pub failed: u32,
    /// How long, at most.
    #[serde(default = "default_age")]
    pub age: DurationText,
}

impl Default for History {
    fn default() -> Self {
        Self { succeeded: default_kept(), failed: default_kept(), age: default_age() }
    }
}

fn default_kept() -> u32 {
    5
}

fn default_age() -> DurationText {
    DurationText::parse("168h").expect("because the constant is a duration")
}

/// What plumb knows of a trigger.
#[derive(JsonSchema, Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PipelineTriggerStatus {
    /// The generation of the spec that this status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Ready`, `Reconciling`, `Stalled` (kstatus).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// The commit that the components were last compared at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// What is known of each component.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub components: Vec<ComponentStatus>,
    /// Runs that have not ended.
    #[serde(default)]
    #[schemars(with = "i64", range(min = 0))]
    pub running: u32,
    /// Builds that wait for room.
    #[serde(default)]
    #[schemars(with = "i64", range(min = 0))]
    pub queued: u32,
    /// What became of the images that were built.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub write_backs: Vec<WriteBackStatus>,
    /// The requests (`plumb build` …) that were carried out: annotation name to id.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub handled: BTreeMap<String, String>,
}

/// What is known of one component.
#[derive(JsonSchema, Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ComponentStatus {
    /// Its name.
    pub name: String,
    /// How many builds it has had.
    #[schemars(with = "i64", range(min = 0))]
    pub attempt: u32,
    /// What the branch was last seen to have of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<SeenStatus>,
    /// Digest of the files of the last build that the branch led to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tried: Option<String>,
    /// Builds that wait for room, in the order in which they came.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waiting: Vec<WaitingBuild>,
    /// What was last built.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_attempted: Option<BuildStatus>,
    /// Builds before that which have not ended.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub earlier: Vec<BuildStatus>,
    /// What was last built with success.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_succeeded: Option<BuildStatus>,
}

/// What the branch was last seen to have of a component.
#[derive(JsonSchema, Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SeenStatus {
    /// The commit.
    pub commit: String,
    /// Digest of the files that the component is built from: what is as it was is not built again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inputs: Option<String>,
    /// Nothing is built for it: the commit says `[skip ci]`, or it was the first one and `initial` is `Skip`.
    #[serde(default, skip_serializing_if = "is_false")]
    pub passed_over: bool,
}

/// A build that waits for room.
#[derive(JsonSchema, Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WaitingBuild {
    /// The commit.
    pub commit: String,
    /// When the commit was made (RFC 3339).
    pub committed: String,
    /// Digest of the files that the component is built from.
    pub inputs: String,
    /// Since when it waits (RFC 3339).
    pub since: String,
    /// Whether the branch leads to it, and not only a request.
    pub branch: bool,
    /// The id of the request, where somebody asked for it (`plumb build`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<String>,
    /// A run was ended so that it can begin.
    #[serde(default, skip_serializing_if = "is_false")]
    pub next: bool,
}

/// One build of a component.
#[derive(JsonSchema, Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BuildStatus {
    /// The commit.
    pub commit: String,
    /// When the commit was made (RFC 3339).
    pub committed: String,
    /// Digest of the files that the component is built from.
    pub inputs: String,
    /// Which of the component's builds it is, from 1.
    #[schemars(with = "i64", range(min = 1))]
    pub attempt: u32,
    /// Which run of that build, from 1.
    #[schemars(with = "i64", range(min = 1))]
    pub round: u32,
    /// How many of its runs were made because what the one before ran on had failed.
    #[serde(default, skip_serializing_if = "is_zero")]
    #[schemars(with = "i64", range(min = 0))]
    pub retried: u32,
    /// When it was decided to build it (RFC 3339).
    pub begun: String,
    /// Whether the branch led to it, and not only a request.
    pub branch: bool,
    /// The id of the request, where somebody asked for it (`plumb build`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<String>,
    /// Its run, once it was seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// The newer commit for which it was asked to end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub superseded: Option<String>,
    /// Succeeded, Failed, Misconfigured, Infrastructure, Cancelled; absent as long as it has not ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<String>,
    /// When it ended (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished: Option<String>,
    /// Why, in words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
}

fn is_zero(value: &u32) -> bool {
    *value == 0
}
