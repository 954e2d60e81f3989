//! Kubernetes Events about objects, for `kubectl describe` and `kubectl get events`.
//!
//! Owns: the requests, and the counting of repetitions into series, so that a quarrel over a field does not fill etcd.
//! Best effort: an Event is a courtesy, and records do not depend on it. Must never do: make anybody wait.

use std::{
    collections::BTreeMap,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use http::Method;
use jiff::Timestamp;
use plumb_core::{
    kinds::Kind,
    object::{Gvk, ObjectKey},
};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::{
    cluster::Cluster,
    error::{Action, ApiError},
    path,
    request::Ask,
    tenure::Tenure,
};

/// Events being written at once; what comes above is dropped.
const AT_ONCE: usize = 8;
/// How long after the last one an equal event still belongs to its series; client-go's number.
const SERIES_PAUSE: Duration = Duration::from_secs(360);
/// Series that are remembered; above, the one that paused longest is forgotten and starts anew.
const SERIES_KEPT: usize = 1000;
/// Bytes of a note that the API takes.
const NOTE_LIMIT: usize = 1024;
/// Where Events about objects without a namespace go.
const CLUSTER_NAMESPACE: &str = "default";

/// How an event is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mood {
    /// Something went as it should.
    Normal,
    /// Somebody may want to look.
    Warning,
}

/// One event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event<'a> {
    /// The object that it is about.
    pub regarding: &'a ObjectKey,
    /// That object's `apiVersion`.
    pub api_version: &'a str,
    /// That object's UID.
    pub uid: &'a str,
    /// How it is meant.
    pub mood: Mood,
    /// Why it happened: one CamelCase word.
    pub reason: &'a str,
    /// What was done: one CamelCase word.
    pub action: &'a str,
    /// A sentence for people; cut at 1 KiB.
    pub note: &'a str,
    /// When.
    pub at: Timestamp,
}

/// What became of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Noted {
    /// It is a new Event.
    Created,
    /// It is one more of a series.
    Counted,
    /// Too many were being written.
    Dropped,
}

/// Writes Events to one cluster.
#[derive(Debug)]
pub struct Events {
    cluster: Cluster,
    reporter: String,
    series: Mutex<BTreeMap<u64, Series>>,
    slots: Semaphore,
}

#[derive(Debug, Clone)]
struct Series {
    name: String,
    count: u32,
    last: Timestamp,
}

impl Events {
    /// Makes a writer; `reporter` names this process, such as its Pod.
    pub fn new(cluster: Cluster, reporter: &str) -> Self {
        let slots = Semaphore::new(AT_ONCE);
        Self { cluster, reporter: reporter.to_owned(), series: Mutex::default(), slots }
    }

    /// Writes an event, or counts it where an equal one was written within the last minutes.
    ///
    /// # Errors
    /// As every request; the event is lost then, and nothing else.
    pub async fn write(&self, event: &Event<'_>) -> Result<Noted, ApiError> {
        self.write_to(&self.cluster, event).await
    }

    /// Writes an event as [`Events::write`], but only while a tenure is valid.
    ///
    /// # Errors
    /// As every request; `LeaseLost` after the end of the tenure.
    pub async fn write_during(&self, tenure: &Tenure, event: &Event<'_>) -> Result<Noted, ApiError> {
        self.write_to(&self.cluster.during(tenure), event).await
    }

    async fn write_to(&self, cluster: &Cluster, event: &Event<'_>) -> Result<Noted, ApiError> {
        let Ok(_slot) = self.slots.try_acquire() else { return Ok(Noted::Dropped) };
        let identity = identity(event);
        if let Some(series) = self.count(identity, event.at) {
            match self.send_series(cluster, event, &series).await {
                // It has expired; the next lines make it anew.
                Err(ApiError::NotFound { .. }) => {}
                answer => return answer.map(|()| Noted::Counted),
            }
        }
        let name = format!("{}.{identity:016x}{:x}", event.regarding.name, event.at.as_microsecond());
        self.create(cluster, event, &name).await?;
        self.remember(identity, Series { name, count: 1, last: event.at });
        Ok(Noted::Created)
    }

    /// Counts one more of a series, if there is one that has not paused too long.
    fn count(&self, identity: u64, at: Timestamp) -> Option<Series> {
        let mut all = self.series.lock().unwrap_or_else(PoisonError::into_inner);
        let series = all.get_mut(&identity)?;
        if at.duration_since(series.last).unsigned_abs() > SERIES_PAUSE {
            all.remove(&identity);
            return None;
        }
        series.count += 1;
        series.last = at;
        Some(series.clone())
    }

    fn remember(&self, identity: u64, series: Series) {
        let mut all = self.series.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= SERIES_KEPT
            && let Some(oldest) = all.iter().min_by_key(|(_, series)| series.last).map(|(identity, _)| *identity)
        {
            all.remove(&oldest);
        }
        all.insert(identity, series);
    }

    async fn create(&self, cluster: &Cluster, event: &Event<'_>, name: &str) -> Result<(), ApiError> {
        let key = event.regarding;
        let namespace = key.namespace.as_deref().unwrap_or(CLUSTER_NAMESPACE);
        let object = json!({
            "apiVersion": "events.k8s.io/v1",
            "kind": "Event",
            "metadata": { "name": name, "namespace": namespace },
            "eventTime": micro_time(event.at),
            "type": match event.mood { Mood::Normal => "Normal", Mood::Warning => "Warning" },
            "reason": event.reason,
            "action": event.action,
            "note": cut(event.note),
            "reportingController": "plumb.dev/plumb",
            "reportingInstance": self.reporter,
            "regarding": {
                "apiVersion": event.api_version, "kind": key.kind, "name": key.name, "namespace": key.namespace,
                "uid": event.uid,
            },
        });
        let ask = Ask::new(Action::on("write an Event about", key), Method::POST, collection(namespace));
        match cluster.send(ask.with("application/json", &object)).await {
            // Named by content and time: a repetition after a lost answer.
            Ok(_) | Err(ApiError::AlreadyExists { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn send_series(&self, cluster: &Cluster, event: &Event<'_>, series: &Series) -> Result<(), ApiError> {
        let key = event.regarding;
        let namespace = key.namespace.as_deref().unwrap_or(CLUSTER_NAMESPACE);
        let patch = json!({ "series": { "count": series.count, "lastObservedTime": micro_time(series.last) } });
        let uri = format!("{}/{}", collection(namespace), series.name);
        let ask = Ask::new(Action::on("count an Event about", key), Method::PATCH, uri);
        cluster.send(ask.with("application/merge-patch+json", &patch)).await.map(|_| ())
    }
}

fn collection(namespace: &str) -> String {
    let kind = Kind::namespaced(Gvk::new("events.k8s.io/v1", "Event"), "events");
    path::collection(&kind, Some(namespace))
}

/// Returns what makes two events equal; a hash with fixed keys, so that names do not depend on the process.
fn identity(event: &Event<'_>) -> u64 {
    let mut hasher = DefaultHasher::new();
    (event.regarding, event.uid, event.mood, event.reason, event.action, event.note).hash(&mut hasher);
    hasher.finish()
}

/// Writes a time with exactly six digits of fraction, as `MicroTime` wants it.
fn micro_time(at: Timestamp) -> Value {
    Value::String(format!("{at:.6}"))
}

fn cut(note: &str) -> &str {
    let mut end = note.len().min(NOTE_LIMIT);
    while !note.is_char_boundary(end) {
        end -= 1;
    }
    &note[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_are_cut_between_characters() {
        let long = "ä".repeat(NOTE_LIMIT);
        assert_eq!(cut(&long).len(), NOTE_LIMIT);
        let odd = format!("a{long}");
        assert_eq!(cut(&odd).len(), NOTE_LIMIT - 1);
        assert_eq!(cut("short"), "short");
    }

    #[test]
    fn times_have_six_digits() {
        let at: Timestamp = "2026-01-02T03:04:05.5Z".parse().unwrap();
        assert_eq!(micro_time(at), "2026-01-02T03:04:05.500000Z");
    }
}
