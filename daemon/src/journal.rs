//! Where records go: one log line, one counter and one Kubernetes Event from each.
//!
//! Events are best effort and never hold up a reconcile: past the bound of the queue they are dropped and counted.

use plumb_api::Environment;
use plumb_cluster::{
    cluster::Cluster,
    events::{Event, Events, Mood},
    resources,
};
use plumb_core::{environment::EnvironmentName, record::Record};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::metrics::Metrics;

/// Events waiting to be written: a burst of one operation in each of hundreds of environments.
const QUEUE_MAX: usize = 1024;

/// The way into the journal.
#[derive(Clone)]
pub(crate) struct Journal {
    metrics: Metrics,
    events: mpsc::Sender<Entry>,
}

/// A record and the UID of the Environment that its Event regards.
struct Entry {
    record: Record,
    uid: String,
}

impl Journal {
    /// Opens a journal, and returns the task that writes its Events.
    pub(crate) fn open(
        metrics: Metrics,
        cluster: Cluster,
        stop: CancellationToken,
    ) -> (Self, impl Future<Output = ()> + Send) {
        let (events, queue) = mpsc::channel(QUEUE_MAX);
        (Self { metrics, events }, write(queue, cluster, stop))
    }

    /// Takes one record down.
    pub(crate) fn record(&self, record: Record, environment_uid: &str) {
        self.metrics.record(&record);
        let environment = record.environment.to_string();
        let commit = record.revision.as_ref().map(|revision| revision.commit.as_str()).unwrap_or_default();
        let took_ms = record.took.map(|took| took.as_millis() as u64);
        let kind = record.kind.label();
        // One record is one line, whoever reads it.
        let line = record.message.replace('\n', "; ");
        if record.kind.warns() {
            tracing::warn!(environment, commit, kind, took_ms, "{line}");
        } else {
            tracing::info!(environment, commit, kind, took_ms, "{line}");
        }
        let entry = Entry { record, uid: environment_uid.to_owned() };
        if self.events.try_send(entry).is_err() {
            tracing::debug!(environment, kind, "too many Events at once: this one is left out");
        }
    }
}

async fn write(mut queue: mpsc::Receiver<Entry>, cluster: Cluster, stop: CancellationToken) {
    let events = Events::new(cluster, "plumb");
    let kind = resources::kind::<Environment>();
    loop {
        let entry = tokio::select! {
            entry = queue.recv() => entry,
            () = stop.cancelled() => None,
        };
        let Some(Entry { record, uid }) = entry else { return };
        let EnvironmentName { namespace, name } = &record.environment;
        let written = events
            .write(&Event {
                regarding: &resources::key::<Environment>(namespace, name),
                api_version: &kind.gvk.api_version(),
                uid: &uid,
                mood: if record.kind.warns() { Mood::Warning } else { Mood::Normal },
                reason: record.kind.label(),
                action: "Reconcile",
                note: &record.message,
                at: record.at,
            })
            .await;
        if let Err(error) = written {
            tracing::debug!(environment = %record.environment, %error, "an Event could not be written");
        }
    }
}
