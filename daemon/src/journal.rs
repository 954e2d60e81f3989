//! Where records go: one log line, one counter and one Kubernetes Event from each.
//!
//! Events are best effort and never hold up a reconcile: past the bound of the queue they are dropped and counted.

use jiff::Timestamp;
use plumb_api::{Environment, PipelineTrigger, Repository};
use plumb_cluster::{
    cluster::Cluster,
    events::{Event, Events, Mood},
    resources,
    tenure::Tenure,
};
use plumb_core::{
    commit::CommitId,
    object::ObjectKey,
    record::{Record, RecordKind},
    trigger::name::TriggerName,
};
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

/// An Event that is to be written, and the tenure during which it may be.
struct Entry {
    regarding: ObjectKey,
    api_version: String,
    uid: String,
    /// One word, as `kubectl get events` shows it.
    reason: &'static str,
    warns: bool,
    message: String,
    at: Timestamp,
    tenure: Tenure,
}

/// What is told of a trigger.
pub(crate) struct Told {
    /// One word.
    pub(crate) reason: &'static str,
    /// Somebody may want to look.
    pub(crate) warns: bool,
    /// The commit concerned.
    pub(crate) commit: CommitId,
    /// The run concerned.
    pub(crate) run: Option<String>,
    /// A sentence.
    pub(crate) message: String,
}

impl Journal {
    /// Opens a journal, and returns the task that writes its Events.
    pub(crate) fn open(
        metrics: Metrics,
        cluster: Cluster,
        reporter: &str,
        stop: CancellationToken,
    ) -> (Self, impl Future<Output = ()> + Send + use<>) {
        let (events, queue) = mpsc::channel(QUEUE_MAX);
        (Self { metrics, events }, write(queue, Events::new(cluster, reporter), stop))
    }

    /// Takes one record down.
    pub(crate) fn record(&self, record: Record, environment_uid: &str, tenure: &Tenure) {
        self.metrics.record(&record);
        let Record { environment, revision, took, .. } = &record;
        let about = Some(environment.to_string());
        let commit = revision.as_ref().map(|revision| revision.commit.as_str()).unwrap_or_default();
        let took_ms = took.map(|took| took.as_millis() as u64);
        log(record.kind, (about.as_deref(), None), commit, took_ms, &record.message);
        self.send(Entry {
            regarding: resources::key::<Environment>(&environment.namespace, &environment.name),
            api_version: resources::kind::<Environment>().gvk.api_version(),
            uid: environment_uid.to_owned(),
            tenure: tenure.clone(),
            reason: record.kind.label(),
            warns: record.kind.warns(),
            message: record.message,
            at: record.at,
        });
    }

    /// Takes down a fact about a Repository, such as that no trusted key has signed its newest commit. It is about no
    /// Environment, so that it has no number and is in no note.
    pub(crate) fn repository(
        &self,
        kind: RecordKind,
        (namespace, name): (&str, &str),
        uid: &str,
        tenure: &Tenure,
        (message, at): (String, Timestamp),
    ) {
        self.metrics.count(kind);
        log(kind, (None, Some(&format!("{namespace}/{name}"))), "", None, &message);
        self.send(Entry {
            regarding: resources::key::<Repository>(namespace, name),
            api_version: resources::kind::<Repository>().gvk.api_version(),
            uid: uid.to_owned(),
            tenure: tenure.clone(),
            reason: kind.label(),
            warns: kind.warns(),
            message,
            at,
        });
    }

    /// Takes down a fact about a trigger.
    pub(crate) fn trigger(&self, trigger: &TriggerName, uid: &str, tenure: &Tenure, told: Told, at: Timestamp) {
        let Told { reason, warns, commit, run, message } = told;
        let (name, line) = (trigger.to_string(), message.replace('\n', "; "));
        if warns {
            tracing::warn!(trigger = name, commit = commit.as_str(), run, kind = reason, "{line}");
        } else {
            tracing::info!(trigger = name, commit = commit.as_str(), run, kind = reason, "{line}");
        }
        self.send(Entry {
            regarding: resources::key::<PipelineTrigger>(&trigger.namespace, &trigger.name),
            api_version: resources::kind::<PipelineTrigger>().gvk.api_version(),
            uid: uid.to_owned(),
            tenure: tenure.clone(),
            reason,
            warns,
            message,
            at,
        });
    }

    fn send(&self, entry: Entry) {
        if let Err(full) = self.events.try_send(entry) {
            let entry = full.into_inner();
            tracing::debug!(about = %entry.regarding, "too many Events at once: this one is left out");
        }
    }
}

/// Writes the line of a fact: one line, whoever reads it.
fn log(
    kind: RecordKind,
    (environment, repository): (Option<&str>, Option<&str>),
    commit: &str,
    took_ms: Option<u64>,
    message: &str,
) {
    let (warns, kind, line) = (kind.warns(), kind.label(), message.replace('\n', "; "));
    if warns {
        tracing::warn!(environment, repository, commit, kind, took_ms, "{line}");
    } else {
        tracing::info!(environment, repository, commit, kind, took_ms, "{line}");
    }
}

async fn write(mut queue: mpsc::Receiver<Entry>, events: Events, stop: CancellationToken) {
    loop {
        let entry = tokio::select! {
            entry = queue.recv() => entry,
            () = stop.cancelled() => None,
        };
        let Some(entry) = entry else { return };
        let event = Event {
            regarding: &entry.regarding,
            api_version: &entry.api_version,
            uid: &entry.uid,
            mood: if entry.warns { Mood::Warning } else { Mood::Normal },
            reason: entry.reason,
            action: "Reconcile",
            note: &entry.message,
            at: entry.at,
        };
        let written = events.write_during(&entry.tenure, &event).await;
        if let Err(error) = written {
            tracing::debug!(about = %entry.regarding, %error, "an Event could not be written");
        }
    }
}

#[cfg(test)]
mod tests;
