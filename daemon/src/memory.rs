//! What is remembered of one environment between two passes. Losing it costs reads, never correctness.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use jiff::Timestamp;
use plumb_api::{Environment, EnvironmentStatus, environment::WaitingStatus};
use plumb_core::{
    commit::{CommitId, RepoPath, Revision},
    contention::Corrections,
    desired::Desired,
    fingerprint::Fingerprint,
    foreign::Addition,
    ignore::Ignored,
    inventory::Inventory,
    object::{GroupKind, ObjectKey},
    operation::Failure,
    plan::{Applied, replace::Immutable},
    problem::Problem,
    right::Forbidden,
    rollback::{stalling::Stall, watch::Watch},
    source::Inputs,
};

use crate::{departure::Leaving, ledger::Book, report::state, rollback, tally::Tally};

/// What one commit renders to at one path.
#[derive(Debug, Clone)]
pub(crate) struct Rendered {
    pub(crate) commit: CommitId,
    pub(crate) path: RepoPath,
    pub(crate) inputs: Inputs,
    /// The objects, or every problem of the files.
    pub(crate) result: Result<Arc<plumb_render::Rendered>, Arc<Vec<Problem>>>,
}

/// Desired state and what it was computed from.
#[derive(Debug, Clone)]
pub(crate) struct Resolved {
    pub(crate) inputs: Inputs,
    pub(crate) namespace: Option<String>,
    pub(crate) kinds_version: u64,
    pub(crate) desired: Arc<Desired>,
    /// What of its objects is ignored, as `desired` has it.
    pub(crate) ignored: BTreeMap<ObjectKey, Ignored>,
}

/// An operation that has yet to end: it waits, or it was cut.
#[derive(Debug, Clone)]
pub(crate) struct Unfinished {
    pub(crate) revision: Revision,
    /// Digest of what was read: a commit that leaves it as it was goes on with the same operation.
    pub(crate) inputs: String,
    pub(crate) started: Timestamp,
    /// What was done so far.
    pub(crate) tally: Tally,
}

/// What was worked out of one commit.
#[derive(Debug, Default)]
pub(crate) struct Known {
    /// The last render.
    pub(crate) rendered: Option<Rendered>,
    /// The last desired state.
    pub(crate) resolved: Option<Resolved>,
}

impl Known {
    /// Returns the digest of what was read, as the status shows it; empty where nothing was.
    pub(crate) fn digest(&self) -> String {
        self.rendered.as_ref().map(|rendered| state::digest(&rendered.inputs)).unwrap_or_default()
    }
}

/// What is remembered of one environment.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    /// What was last applied, by object.
    pub(crate) applied: BTreeMap<ObjectKey, Applied>,
    /// Drifts that were reported and left, with the fingerprint they had.
    pub(crate) reported: BTreeMap<ObjectKey, Option<Fingerprint>>,
    /// What others added to objects and is there, as it was told.
    pub(crate) added: BTreeMap<ObjectKey, Vec<Addition>>,
    /// What of that could not be removed.
    pub(crate) left: BTreeMap<ObjectKey, Vec<Addition>>,
    /// Corrections of late, by object, and the quarrels that some of them are part of.
    pub(crate) corrections: BTreeMap<ObjectKey, Corrections>,
    /// The parent's scope as last read or written.
    pub(crate) recorded: Option<Inventory>,
    /// Whether the parent carries that scope in its annotations.
    pub(crate) annotated: bool,
    /// The commit that it is kept true to.
    pub(crate) wanted: Known,
    /// The newest commit, while it may not begin.
    pub(crate) ahead: Known,
    /// The commit that was healthy last, while it is compared with the one in force.
    pub(crate) healthy: Known,
    /// The commits since, while they are judged.
    pub(crate) watch: Option<Watch>,
    /// What the last plan for Git was made from, while the environment is rolled back.
    pub(crate) stall: Option<Stall>,
    /// Kinds that could not be watched in the last pass: the next ones do not wait for them again.
    pub(crate) unsynced: BTreeSet<GroupKind>,
    /// Whether autoscalers were waited for in vain: the next passes do not wait for them again.
    pub(crate) scalers_missed: bool,
    /// The last status read or written.
    pub(crate) status: EnvironmentStatus,
    /// The records that it has yet to hold.
    pub(crate) book: Book,
    /// The Environment's resourceVersion that belongs to it.
    pub(crate) resource_version: String,
    /// What the last operation could not do.
    pub(crate) failures: Vec<Failure>,
    /// What it could not do for want of a right.
    pub(crate) forbidden: Vec<Forbidden>,
    /// The operation that has yet to end.
    pub(crate) unfinished: Option<Unfinished>,
    /// Applies that a dry-run has accepted, with the manifest that was tried.
    pub(crate) tried: BTreeMap<ObjectKey, Fingerprint>,
    /// Objects that the API server refuses to change in place.
    pub(crate) immutable: BTreeMap<ObjectKey, Immutable>,
    /// The wave of which it has been recorded that it does not become healthy in time.
    pub(crate) late: Option<WaitingStatus>,
    /// Refusals that have a record already.
    pub(crate) refused: BTreeSet<String>,
    /// How far it has come with its departure.
    pub(crate) leaving: Leaving,
    /// Whether the suspension was recorded.
    pub(crate) suspended: bool,
}

impl Memory {
    /// Starts from what the Environment's status and annotations say.
    pub(crate) fn of(environment: &Environment) -> Self {
        let status = environment.status.clone().unwrap_or_default();
        let from_annotations = annotated(environment);
        let from_status = status.inventory.as_ref().map(|inventory| Inventory {
            kinds: inventory.kinds.iter().filter_map(|kind| GroupKind::parse(kind)).collect(),
            namespaces: inventory.namespaces.iter().cloned().collect(),
        });
        let annotated = from_annotations.is_some();
        let recorded = match (from_annotations, from_status) {
            (Some(one), Some(other)) => Some(one.union(&other)),
            (one, other) => one.or(other),
        };
        Self {
            recorded,
            annotated,
            resource_version: environment.metadata.resource_version.clone().unwrap_or_default(),
            suspended: status.conditions.iter().any(|condition| condition.reason == "Suspended"),
            watch: rollback::state::watch(&status),
            book: Book::of(status.records.as_ref()),
            status,
            ..Self::default()
        }
    }

    /// Takes a newer state of the Environment in; returns whether the parent's record was damaged. A state that is
    /// older than plumb's own last write is left aside.
    pub(crate) fn see(&mut self, environment: &Environment) -> bool {
        let version = environment.metadata.resource_version.as_deref().unwrap_or_default();
        if older(version, &self.resource_version) {
            return false;
        }
        version.clone_into(&mut self.resource_version);
        // Whoever publishes takes out what is published; the rest is written by passes alone, and may be a write whose answer
        // was lost.
        let status = environment.status.clone().unwrap_or_default();
        self.book.see(status.records.as_ref());
        self.status = status;
        let found = annotated(environment);
        let intact = match (&self.recorded, &found) {
            (Some(recorded), Some(found)) => found.covers(recorded),
            (Some(_), None) => false,
            (None, _) => true,
        };
        self.annotated = found.is_some() && intact;
        !intact
    }
}

fn annotated(environment: &Environment) -> Option<Inventory> {
    let metadata = &environment.metadata;
    Inventory::from_annotations(metadata.annotations.as_ref()?, metadata.namespace.as_deref().unwrap_or_default())
}

/// Returns whether one resourceVersion is older than another; versions that can't be compared (KEP-5504) are not.
fn older(version: &str, than: &str) -> bool {
    match (version.parse::<u64>(), than.parse::<u64>()) {
        (Ok(version), Ok(than)) => version < than,
        _ => false,
    }
}
