//! Taking published records out of an Environment's status.
//!
//! The status belongs to whoever reconciles the Environment: only `records` is changed, over the newest state, and only what
//! was published goes, or is stepped over because its note takes no more.

use std::collections::BTreeSet;

use plumb_api::{Environment, environment::RecordsStatus};
use plumb_cluster::{error::ApiError, tenure::Tenure};
use plumb_core::{commit::CommitId, record::line::Series};
use serde_json::{Value, json};

use crate::{backlog::Waiting, ledger, repositories::Ground, status};

/// What became of the lines of one environment.
pub(super) struct Published<'a> {
    /// Numbers of those that are in Git.
    pub(super) sequences: BTreeSet<u64>,
    /// Commits whose notes take no more.
    pub(super) unwritable: &'a BTreeSet<CommitId>,
    /// Where the notes ref is.
    pub(super) head: Option<&'a CommitId>,
}

/// Takes out what is published, and writes down where the notes ref is.
pub(super) async fn clear(
    ground: &Ground,
    series: &Series,
    Waiting { environment, uid, .. }: &Waiting,
    Published { sequences, unwritable, head }: Published<'_>,
    tenure: &Tenure,
) -> Result<(), ApiError> {
    let cluster = ground.cluster.during(tenure);
    let mut cleared = None;
    // Without a version the newest state is read first.
    let written = status::write::<Environment, _>(
        &cluster,
        (&environment.namespace, &environment.name),
        uid,
        "",
        |found: Option<&Value>| {
            let mut status = found.map(|found| found["status"].clone()).unwrap_or_default();
            // What can't be read stays as it is.
            if let Ok(records) = serde_json::from_value::<RecordsStatus>(status["records"].clone()) {
                let mut ledger = ledger::ledger(Some(&records));
                ledger.published(series, &sequences);
                ledger.step_over(series, unwritable);
                // What counts may have another ref by now.
                let published = !sequences.is_empty() && ledger.series.is(series);
                let end = head.map(ToString::to_string).filter(|_| published);
                cleared = ledger::status(&ledger, end.or(records.head));
                status["records"] = json!(cleared);
            }
            status
        },
    )
    .await?;
    match written {
        Some(_) => ground.backlog.see(environment, uid, cleared.as_ref()),
        None => ground.backlog.gone(environment, uid),
    }
    Ok(())
}
