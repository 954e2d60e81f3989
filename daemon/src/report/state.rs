//! The parts of an Environment's status, and writing it: only when it changes, over whatever state is the newest.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;
use plumb_api::{
    Environment, EnvironmentStatus, condition,
    environment::{Attempt, HistoryEntry, InventoryStatus, WaitingStatus},
    repository::RevisionStatus,
};
use plumb_core::{
    commit::Revision,
    environment::EnvironmentName,
    inventory::Inventory,
    live::Live,
    record::{Record, RecordKind},
    source::Inputs,
    standing::Standing,
    wave::{Waiting, Wave},
};
use sha2::{Digest as _, Sha256};

use super::{ending::Ending, room};
use crate::{
    chain::chain,
    context::Context,
    ledger::Until,
    metrics::EnvironmentOverview,
    reconcile::Pass,
    status::{self, Verdict},
};

/// Returns the digest of inputs under which a status remembers them.
pub(crate) fn digest(inputs: &Inputs) -> String {
    let text = serde_json::to_vec(&inputs.0).expect("because paths and ids always become JSON");
    Sha256::digest(text).iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

/// Returns a commit as a status shows it.
pub(crate) fn revision_status(revision: &Revision) -> RevisionStatus {
    RevisionStatus {
        reference: revision.reference.as_ref().map(ToString::to_string),
        commit: revision.commit.to_string(),
        author: revision.author.clone(),
        committed: revision.committed.to_string(),
        subject: revision.subject.clone(),
        signer: revision.signer.clone(),
    }
}
/// Returns the attempt; the time of the one before is kept where nothing else differs, so that the status stays equal.
pub(super) fn attempt(
    pass: &Pass,
    revision: &Revision,
    inputs: String,
    before: Option<&Attempt>,
    now: Timestamp,
) -> Attempt {
    let mut attempt = Attempt {
        commit: revision.commit.to_string(),
        inputs,
        generation: pass.resource.metadata.generation.unwrap_or_default(),
        at: now.to_string(),
    };
    if let Some(before) = before {
        let same = Attempt { at: before.at.clone(), ..attempt.clone() };
        if same == *before {
            attempt = same;
        }
    }
    attempt
}

/// Returns one operation as a status shows it.
pub(super) fn history_entry(
    revision: &Revision,
    at: Timestamp,
    took: Duration,
    ending: Ending,
    summary: String,
) -> HistoryEntry {
    HistoryEntry {
        revision: revision_status(revision),
        at: at.to_string(),
        took_ms: u32::try_from(took.as_millis()).unwrap_or(u32::MAX),
        result: ending.label().to_owned(),
        summary,
        rolled_back_by: None,
    }
}

/// Returns the wave that a status says is waited for.
pub(crate) fn waiting(status: &EnvironmentStatus) -> Option<Waiting> {
    let WaitingStatus { wave, since } = status.waiting.as_ref()?;
    Some(Waiting { wave: Wave(*wave), since: since.parse().ok()? })
}

/// Returns what is owned: also what is no longer desired and was kept.
pub(super) fn inventory(recorded: Option<&Inventory>, live: &Live) -> InventoryStatus {
    let recorded = recorded.cloned().unwrap_or_default();
    let mut health = BTreeMap::new();
    for object in live.objects.values() {
        *health.entry(object.health.status.label().to_owned()).or_default() += 1;
    }
    InventoryStatus {
        objects: u32::try_from(live.objects.len()).unwrap_or(u32::MAX),
        kinds: recorded.kinds.iter().map(ToString::to_string).collect(),
        namespaces: recorded.namespaces.into_iter().collect(),
        health,
    }
}

/// Writes the status with its conditions, if it differs from what was last written.
pub(super) async fn write(
    context: &Context,
    pass: &mut Pass,
    mut status: EnvironmentStatus,
    standing: &Standing,
    now: Timestamp,
) {
    stand(context, pass, &mut status, standing, now);
    put(context, pass, status).await;
}

/// Puts into a status, and into the metrics, how the environment stands.
pub(super) fn stand(
    context: &Context,
    pass: &Pass,
    status: &mut EnvironmentStatus,
    standing: &Standing,
    now: Timestamp,
) {
    let generation = pass.resource.metadata.generation;
    status.observed_generation = generation;
    status.problems.clone_from(&standing.problems);
    let before = std::mem::take(&mut status.conditions);
    let verdict = Verdict {
        holds: &[
            (condition::READY, standing.ready),
            (condition::RECONCILING, standing.reconciling),
            (condition::STALLED, standing.stalled),
        ],
        reason: standing.reason,
        message: &standing.message,
    };
    status.conditions = status::conditions(&verdict, &before, generation, now);
    if let Some(message) = &standing.contended {
        let quarrel = Verdict { holds: &[(condition::CONTENDED, true)], reason: "Contended", message };
        status.conditions.extend(status::conditions(&quarrel, &before, generation, now));
    }
    let health = status.inventory.as_ref().map(|inventory| inventory.health.clone()).unwrap_or_default();
    let contended = pass.memory.corrections.values().filter(|corrections| corrections.quarrel().is_some()).count();
    let overview = EnvironmentOverview {
        ready: standing.ready,
        stalled: standing.stalled,
        suspended: pass.settings.policy.suspended,
        reason: standing.reason,
        contended,
        health,
        applied: status.last_applied.as_ref().and_then(|applied| applied.at.parse().ok()),
    };
    context.metrics.overview().environments.insert(pass.settings.name.clone(), overview);
}

/// Writes a status, whose conditions are as they were, if it differs from what was last written; returns whether the cluster
/// has it.
pub(super) async fn put(context: &Context, pass: &mut Pass, status: EnvironmentStatus) -> bool {
    let leaves = pass.resource.metadata.deletion_timestamp.is_some();
    let until = if leaves { Until::TheEnd } else { Until::Now(context.clock.now()) };
    let written = put_once(context, pass, status, until).await;
    if written && pass.memory.book.is_unsettled(&pass.keeping, until) {
        let status = pass.memory.status.clone();
        put_once(context, pass, status, until).await;
    }
    written
}

async fn put_once(context: &Context, pass: &mut Pass, mut status: EnvironmentStatus, until: Until) -> bool {
    let now = context.clock.now();
    let book = &mut pass.memory.book;
    status.records = book.draft(&pass.keeping, until);
    room::fit(&mut status);
    if status == pass.memory.status {
        book.written(status.records.as_ref());
        return true;
    }
    let EnvironmentName { namespace, name } = &pass.settings.name;
    let uid = pass.resource.metadata.uid.clone().unwrap_or_default();
    let cluster = context.cluster.during(&pass.tenure);
    let version = &mut pass.memory.resource_version;
    let before = version.clone();
    let written = status::write::<Environment, _>(
        &cluster,
        (namespace, name),
        &uid,
        &before,
        |newest: Option<&serde_json::Value>| {
            if let Some(newest) = newest {
                // What a watch shows of before that is no news any more.
                *version = newest["metadata"]["resourceVersion"].as_str().unwrap_or_default().to_owned();
                let records = serde_json::from_value(newest["status"]["records"].clone()).ok().flatten();
                book.see(records.as_ref());
                status.records = book.draft(&pass.keeping, until);
            }
            status.clone()
        },
    );
    let written = written.await;
    context.metrics.unkept(pass.memory.book.take_lost());
    match written {
        Ok(Some(version)) => {
            pass.memory.resource_version = version;
            if pass.memory.book.written(status.records.as_ref()) {
                // What stands for them in the end has no number before it is published.
                let message =
                    "more happens than can be kept until it is published: from now on records are only counted";
                let name = pass.settings.name.clone();
                let record = Record::new(now, name, None, RecordKind::RolledUp, message.to_owned());
                context.journal.record(record, &uid, &pass.tenure);
            }
            pass.memory.status = status;
            true
        }
        // It was deleted: there is nothing left to say.
        Ok(None) => false,
        Err(error) => {
            tracing::warn!(environment = %pass.settings.name, "the status could not be written: {}", chain(&error));
            pass.unwritten = Some(error.class());
            false
        }
    }
}
