//! Every family of metrics, by name: what it is, and which labels it has.
//!
//! Plain data without a dependency: the dashboards and the rules below `dashboards/` are tested against this very file.
//! Must never hold: a label that is neither the name of a resource nor one of a closed list.

/// What a family's values are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Kind {
    /// It only grows, and starts at 0 with the process.
    Counter,
    /// It goes up and down.
    Gauge,
    /// Seconds, counted in buckets with these upper bounds.
    Histogram(&'static [f64]),
}

/// One family of metrics.
#[derive(Debug)]
pub(crate) struct Family {
    pub(crate) name: &'static str,
    pub(crate) help: &'static str,
    pub(crate) kind: Kind,
    pub(crate) labels: &'static [&'static str],
}

/// Of what belongs to one PipelineTrigger.
const TRIGGER: &[&str] = &["namespace", "trigger"];
/// Of what belongs to one Environment.
const ENVIRONMENT: &[&str] = &["namespace", "environment"];
/// Of what belongs to one Repository.
const REPOSITORY: &[&str] = &["namespace", "repository"];
/// Of the records for one Repository.
const RECORDS_OF: &[&str] = &["namespace", "repository", "form"];

pub(crate) const BUILD: Family =
    Family { name: "plumb_build_info", help: "1, with the version of plumb.", kind: Kind::Gauge, labels: &["version"] };

pub(crate) const RECORDS: Family = Family {
    name: "plumb_records_total",
    help: "Facts of the audit trail, by kind.",
    kind: Kind::Counter,
    labels: &["kind"],
};

pub(crate) const OPERATION_SECONDS: Family = Family {
    name: "plumb_operation_seconds",
    help: "How long operations took that wrote something.",
    // From one object to waves of thousands.
    kind: Kind::Histogram(&[0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0, 120.0]),
    labels: &[],
};

pub(crate) const CORRECTION_SECONDS: Family = Family {
    name: "plumb_drift_correction_seconds",
    help: "Time from noticing a drift to having corrected it.",
    kind: Kind::Histogram(&[0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0]),
    labels: &[],
};

pub(crate) const WRITES: Family = Family {
    name: "plumb_writes_total",
    help: "Writes to the cluster, by what they did and whether they succeeded.",
    kind: Kind::Counter,
    labels: &["action", "result"],
};

pub(crate) const PASSES: Family = Family {
    name: "plumb_passes_total",
    help: "Passes over an environment, by how they ended.",
    kind: Kind::Counter,
    labels: &["result"],
};

pub(crate) const PASS_SECONDS: Family = Family {
    name: "plumb_pass_seconds",
    help: "How long passes took, those that found nothing to do too.",
    // Nothing to do takes a millisecond.
    kind: Kind::Histogram(&[0.001, 0.005, 0.02, 0.1, 0.5, 2.0, 10.0, 60.0]),
    labels: &[],
};

pub(crate) const PASSES_RUNNING: Family =
    Family { name: "plumb_passes_running", help: "Passes under way.", kind: Kind::Gauge, labels: &[] };

pub(crate) const PASSES_WAITING: Family = Family {
    name: "plumb_passes_waiting",
    help: "Environments that are to be looked at and have no room for a pass.",
    kind: Kind::Gauge,
    labels: &[],
};

pub(crate) const ENVIRONMENT_READY: Family = Family {
    name: "plumb_environment_ready",
    help: "1 while the environment is as its commit says, and healthy.",
    kind: Kind::Gauge,
    labels: ENVIRONMENT,
};

pub(crate) const ENVIRONMENT_STALLED: Family = Family {
    name: "plumb_environment_stalled",
    help: "1 while a person has to act.",
    kind: Kind::Gauge,
    labels: ENVIRONMENT,
};

pub(crate) const ENVIRONMENT_SUSPENDED: Family = Family {
    name: "plumb_environment_suspended",
    help: "1 while the environment is suspended.",
    kind: Kind::Gauge,
    labels: ENVIRONMENT,
};

pub(crate) const ENVIRONMENT_REASON: Family = Family {
    name: "plumb_environment_reason",
    help: "1 for the reason of the environment's Ready condition.",
    kind: Kind::Gauge,
    labels: &["namespace", "environment", "reason"],
};

pub(crate) const ENVIRONMENT_CONTENDED: Family = Family {
    name: "plumb_environment_contended",
    help: "Objects whose corrections somebody keeps undoing.",
    kind: Kind::Gauge,
    labels: ENVIRONMENT,
};

pub(crate) const ENVIRONMENT_OBJECTS: Family = Family {
    name: "plumb_environment_objects",
    help: "Owned objects, by health.",
    kind: Kind::Gauge,
    labels: &["namespace", "environment", "health"],
};

pub(crate) const ENVIRONMENT_DRIFTS: Family = Family {
    name: "plumb_environment_drifts_total",
    help: "Drifts, by what was done: put back, or left.",
    kind: Kind::Counter,
    labels: &["namespace", "environment", "action"],
};

pub(crate) const ENVIRONMENT_APPLIED: Family = Family {
    name: "plumb_environment_applied_timestamp_seconds",
    help: "When the environment last applied other inputs than before without an error, since 1970.",
    kind: Kind::Gauge,
    labels: ENVIRONMENT,
};

pub(crate) const REPOSITORY_READY: Family = Family {
    name: "plumb_repository_ready",
    help: "1 while the last look at the repository succeeded.",
    kind: Kind::Gauge,
    labels: REPOSITORY,
};

pub(crate) const REPOSITORY_SEEN: Family = Family {
    name: "plumb_repository_seen_timestamp_seconds",
    help: "When a look at the repository last succeeded, since 1970.",
    kind: Kind::Gauge,
    labels: REPOSITORY,
};

pub(crate) const REPOSITORY_LOOKS: Family = Family {
    name: "plumb_repository_looks_total",
    help: "Looks at the repository, by what came of them.",
    kind: Kind::Counter,
    labels: &["namespace", "repository", "result"],
};

pub(crate) const REPOSITORY_LOOK_SECONDS: Family = Family {
    name: "plumb_repository_look_seconds",
    help: "How long looks at repositories took, by what came of them.",
    // From a repository beside plumb to the first fetch of a large one.
    kind: Kind::Histogram(&[0.01, 0.05, 0.2, 0.5, 1.0, 2.5, 10.0, 60.0]),
    labels: &["result"],
};

pub(crate) const RECORD_PUSHES: Family = Family {
    name: "plumb_record_pushes_total",
    help: "Pushes of records as Git notes, by what came of them.",
    kind: Kind::Counter,
    labels: &["namespace", "repository", "result"],
};

pub(crate) const RECORDS_PUBLISHED: Family = Family {
    name: "plumb_records_published_total",
    help: "Records that became Git notes, by whether each has a line of its own.",
    kind: Kind::Counter,
    labels: RECORDS_OF,
};

pub(crate) const RECORDS_UNKEPT: Family = Family {
    name: "plumb_records_unkept_total",
    help: "Records that were to become Git notes and will not: they are in the log and in Events only.",
    kind: Kind::Counter,
    labels: &[],
};

pub(crate) const RECORDS_PENDING: Family = Family {
    name: "plumb_records_pending",
    help: "Records that wait to become Git notes, by whether each has a line of its own.",
    kind: Kind::Gauge,
    labels: RECORDS_OF,
};

pub(crate) const RECORDS_OLDEST: Family = Family {
    name: "plumb_records_oldest_timestamp_seconds",
    help: "When the oldest record happened that waits to become a Git note, since 1970.",
    kind: Kind::Gauge,
    labels: REPOSITORY,
};

pub(crate) const API_REQUESTS: Family = Family {
    name: "plumb_api_requests_total",
    help: "Requests to the API server, each try by itself, by verb and how they were answered.",
    kind: Kind::Counter,
    labels: &["verb", "result"],
};

pub(crate) const API_SECONDS: Family = Family {
    name: "plumb_api_request_seconds",
    help: "How long the API server took to answer, watches excepted.",
    kind: Kind::Histogram(&[0.002, 0.005, 0.01, 0.025, 0.1, 0.5, 1.0, 5.0, 30.0]),
    labels: &["verb"],
};

pub(crate) const WATCHED_KINDS: Family = Family {
    name: "plumb_watched_kinds",
    help: "Kinds that are watched, by whether all objects of them are known.",
    kind: Kind::Gauge,
    labels: &["state"],
};

pub(crate) const WATCH_LISTS: Family = Family {
    name: "plumb_watch_lists_total",
    help: "Lists with which watches began, or began anew.",
    kind: Kind::Counter,
    labels: &[],
};

pub(crate) const WATCH_INTERRUPTIONS: Family = Family {
    name: "plumb_watch_interruptions_total",
    help: "Watches that were cut, or could not be opened.",
    kind: Kind::Counter,
    labels: &[],
};

pub(crate) const SHARD_HELD: Family = Family {
    name: "plumb_shard_held",
    help: "1 while this replica writes for the shard.",
    kind: Kind::Gauge,
    labels: &["shard"],
};

pub(crate) const TRIGGER_READY: Family = Family {
    name: "plumb_trigger_ready",
    help: "1 while every component of the trigger that was to be built is built.",
    kind: Kind::Gauge,
    labels: TRIGGER,
};

pub(crate) const TRIGGER_STALLED: Family = Family {
    name: "plumb_trigger_stalled",
    help: "1 while a person or a commit has to help.",
    kind: Kind::Gauge,
    labels: TRIGGER,
};

pub(crate) const TRIGGER_SUSPENDED: Family = Family {
    name: "plumb_trigger_suspended",
    help: "1 while the trigger is suspended.",
    kind: Kind::Gauge,
    labels: TRIGGER,
};

pub(crate) const TRIGGER_REASON: Family = Family {
    name: "plumb_trigger_reason",
    help: "1 for the reason of the trigger's Ready condition.",
    kind: Kind::Gauge,
    labels: &["namespace", "trigger", "reason"],
};

pub(crate) const BUILDS: Family = Family {
    name: "plumb_builds_total",
    help: "Builds that ended, each round by itself, by how they did.",
    kind: Kind::Counter,
    labels: &["namespace", "trigger", "outcome"],
};

pub(crate) const BUILDS_RUNNING: Family = Family {
    name: "plumb_builds_running",
    help: "Runs of the trigger that have not ended.",
    kind: Kind::Gauge,
    labels: TRIGGER,
};

pub(crate) const BUILDS_QUEUED: Family =
    Family { name: "plumb_builds_queued", help: "Builds that wait to begin.", kind: Kind::Gauge, labels: TRIGGER };

pub(crate) const BUILDS_OLDEST: Family = Family {
    name: "plumb_builds_oldest_timestamp_seconds",
    help: "Since when the build has waited that has waited longest, since 1970.",
    kind: Kind::Gauge,
    labels: TRIGGER,
};

pub(crate) const BUILD_QUEUE_SECONDS: Family = Family {
    name: "plumb_build_queue_seconds",
    help: "How long builds waited, from having been seen until they were begun.",
    // From free room to a queue that takes an afternoon.
    kind: Kind::Histogram(&[0.5, 2.0, 5.0, 15.0, 60.0, 300.0, 900.0, 1800.0, 3600.0, 10800.0]),
    labels: &[],
};

pub(crate) const BUILD_SECONDS: Family = Family {
    name: "plumb_build_seconds",
    help: "How long runs worked that have ended, by how they did.",
    // From a script to a large tree without a cache.
    kind: Kind::Histogram(&[5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1200.0, 3600.0, 10800.0]),
    labels: &["outcome"],
};

/// All of them, for tests.
#[cfg(test)]
pub(crate) const ALL: [&Family; 42] = [
    &BUILD,
    &RECORDS,
    &OPERATION_SECONDS,
    &CORRECTION_SECONDS,
    &WRITES,
    &PASSES,
    &PASS_SECONDS,
    &PASSES_RUNNING,
    &PASSES_WAITING,
    &ENVIRONMENT_READY,
    &ENVIRONMENT_STALLED,
    &ENVIRONMENT_SUSPENDED,
    &ENVIRONMENT_REASON,
    &ENVIRONMENT_CONTENDED,
    &ENVIRONMENT_OBJECTS,
    &ENVIRONMENT_DRIFTS,
    &ENVIRONMENT_APPLIED,
    &REPOSITORY_READY,
    &REPOSITORY_SEEN,
    &REPOSITORY_LOOKS,
    &REPOSITORY_LOOK_SECONDS,
    &RECORD_PUSHES,
    &RECORDS_PUBLISHED,
    &RECORDS_UNKEPT,
    &RECORDS_PENDING,
    &RECORDS_OLDEST,
    &API_REQUESTS,
    &API_SECONDS,
    &WATCHED_KINDS,
    &WATCH_LISTS,
    &WATCH_INTERRUPTIONS,
    &SHARD_HELD,
    &TRIGGER_READY,
    &TRIGGER_STALLED,
    &TRIGGER_SUSPENDED,
    &TRIGGER_REASON,
    &BUILDS,
    &BUILDS_RUNNING,
    &BUILDS_QUEUED,
    &BUILDS_OLDEST,
    &BUILD_QUEUE_SECONDS,
    &BUILD_SECONDS,
];
