//! The life of one watch: list, watch, and again after every kind of trouble.
//!
//! Owns: the position in the stream of versions; what is seen goes out as observations. kube's own watcher is not used because it says nothing when a broken
//! watch is whole again, so that "unknown" could only end with another list, and because it reopens a watch that the
//! server closes at once without any pause.

use std::time::Duration;

use crate::{
    backoff::Backoff,
    client::{HEAD_TIMEOUT, WatchLease},
    cluster::{Cluster, PAGE, with_kind},
    error::{self, Action, ApiError},
    index::{Observation, Seen},
    path,
    request::{self, Ask},
    traffic::Traffic,
};
use futures::{Stream, StreamExt as _};
use kube::core::WatchEvent;
use plumb_core::kinds::Kind;
use serde_json::Value;

/// How long the server keeps a watch open before it ends it in order: below the 5 minutes after which load balancers
/// cut connections.
const WATCH_SECONDS: u64 = 270;
/// How much shorter it may be, so that not all watches are opened anew in one moment.
const WATCH_SECONDS_SPREAD: u64 = 60;
/// How much longer than that silence is taken for a watch that is still alive.
const SILENCE_MARGIN: Duration = Duration::from_secs(10);
/// By how much of itself the time between two lists is shortened, so that not all kinds are listed in one moment.
const RELIST_SPREAD: u32 = 10;
/// A watch that ended sooner than this counts as broken, and the next one waits.
const SHORTEST_LIFE: Duration = Duration::from_secs(1);

/// Where a watch stands.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Position {
    /// Before the first list, or lost.
    Unlisted,
    /// All changes up to this resourceVersion are in the index.
    At(String),
}

/// How watching ended.
enum End {
    /// The server closed the watch in order, or the connection was cut: go on from here.
    Closed(String),
    /// It has run long enough: list again, in case that an event was missed.
    Due,
    /// Nothing can be said any more.
    Failed(ApiError, Position),
}

/// Which objects of a kind are followed.
#[derive(Debug, Clone)]
pub(crate) struct Followed {
    pub(crate) kind: Kind,
    /// Absent: all namespaces.
    pub(crate) namespace: Option<String>,
    pub(crate) selected: Selected,
}

/// What is followed of a kind in these namespaces.
#[derive(Debug, Clone)]
pub(crate) enum Selected {
    /// Objects that this label selector fits.
    Labels(String),
    /// The object of this name.
    Name(String),
}

impl Selected {
    /// Returns the parameter of a request.
    fn parameter(&self) -> (&'static str, String) {
        match self {
            Self::Labels(selector) => ("labelSelector", selector.clone()),
            Self::Name(name) => ("fieldSelector", format!("metadata.name={name}")),
        }
    }
}

/// One watch, and what it tells of it.
pub(crate) struct Follow<F> {
    followed: Followed,
    cluster: Cluster,
    tell: F,
    lease: WatchLease,
    backoff: Backoff,
    seconds: u64,
    /// How long after a list the next one is made, whatever the watch says; absent: never.
    relist: Option<Duration>,
    listed: tokio::time::Instant,
}

impl<F: FnMut(Observation)> Follow<F> {
    /// Makes a watch that tells what it sees; `tell` must not block.
    pub(crate) fn new(cluster: Cluster, followed: Followed, tell: F) -> Self {
        let lease = cluster.connections.lease_watch();
        let seed = cluster.connections.seed();
        let seconds = WATCH_SECONDS - seed % WATCH_SECONDS_SPREAD;
        let listed = tokio::time::Instant::now();
        Self { followed, cluster, tell, lease, backoff: Backoff::new(seed), seconds, relist: None, listed }
    }

    /// Lists again after so long at most: what the events of a watch have missed is found then.
    pub(crate) fn relisting(mut self, every: Duration) -> Self {
        let spread = self.cluster.connections.seed() % 1000;
        self.relist = Some(every - (every / RELIST_SPREAD).mul_f64(spread as f64 / 1000.0));
        self
    }

    /// Follows until the server no longer has the kind; dropped, it stops.
    pub(crate) async fn run(mut self) {
        self.follow().await;
    }

    async fn follow(&mut self) {
        let mut position = Position::Unlisted;
        loop {
            let (error, next) = match position {
                Position::Unlisted => match self.list().await {
                    Ok(at) => {
                        position = Position::At(at);
                        continue;
                    }
                    Err(error) => (error, Position::Unlisted),
                },
                Position::At(at) => match self.watch(at).await {
                    End::Closed(at) => {
                        position = Position::At(at);
                        continue;
                    }
                    End::Due => {
                        position = Position::Unlisted;
                        continue;
                    }
                    End::Failed(error, next) => (error, next),
                },
            };
            if self.is_gone(&error).await {
                self.observe(Observation::KindGone(self.followed.kind.gvk.clone()));
                return;
            }
            tracing::debug!(kind = %self.followed.kind.gvk, %error, "watch interrupted");
            self.cluster.connections.tell(Traffic::Interrupted);
            self.observe(Observation::Lost(self.followed.kind.gvk.clone(), error.to_string()));
            position = next;
            self.pause(&error).await;
        }
    }

    /// Lists all pages into the index and returns the list's resourceVersion.
    async fn list(&mut self) -> Result<String, ApiError> {
        let gvk = self.followed.kind.gvk.clone();
        let action = Action::of("list", gvk.to_string());
        self.cluster.connections.tell(Traffic::Listed);
        self.observe(Observation::Listing(gvk.clone()));
        let (selects, selector) = self.followed.selected.parameter();
        let (mut at, mut next) = (String::new(), String::new());
        loop {
            let mut parameters = vec![(selects, selector.as_str()), ("limit", PAGE)];
            parameters.extend((!next.is_empty()).then_some(("continue", next.as_str())));
            let uri = format!("{}{}", self.collection(), path::query(parameters));
            let mut page = self.cluster.send(Ask::get(action.clone(), uri)).await?.value(&action)?;
            let items = page["items"].take();
            if at.is_empty() {
                at = page["metadata"]["resourceVersion"].as_str().unwrap_or_default().to_owned();
            }
            next = page["metadata"]["continue"].as_str().unwrap_or_default().to_owned();
            self.take_page(items);
            if next.is_empty() {
                break;
            }
        }
        if at.is_empty() {
            return Err(ApiError::Unexpected { action, message: "the list has no resourceVersion".to_owned() });
        }
        self.observe(Observation::ListDone(gvk, at.clone()));
        self.backoff.reset();
        self.listed = tokio::time::Instant::now();
        Ok(at)
    }

    fn take_page(&mut self, items: Value) {
        let Value::Array(items) = items else { return };
        for item in items {
            let seen = Seen(with_kind(item, &self.followed.kind));
            self.observe(Observation::Listed(self.followed.kind.gvk.clone(), seen));
        }
    }

    /// Watches from a resourceVersion on until the watch ends.
    async fn watch(&mut self, at: String) -> End {
        let opened = tokio::time::Instant::now();
        let end = self.stream(at, opened).await;
        if opened.elapsed() >= SHORTEST_LIFE {
            // It has worked: trouble that begins now is new.
            self.backoff.reset();
        }
        end
    }

    async fn stream(&mut self, mut at: String, opened: tokio::time::Instant) -> End {
        let action = Action::of("watch", self.followed.kind.gvk.to_string());
        let mut events = match open(&self.lease.client, &action, &self.watch_uri(&at)).await {
            Ok(events) => Box::pin(events),
            Err(error) => return end(error, at),
        };
        self.observe(Observation::Resumed(self.followed.kind.gvk.clone()));
        let silence = Duration::from_secs(self.seconds) + SILENCE_MARGIN;
        let due = self.relist.map(|after| self.listed + after);
        loop {
            let next = tokio::select! {
                biased;
                () = at_time(due) => return End::Due,
                next = tokio::time::timeout(silence, events.next()) => next,
            };
            let event = match next {
                Ok(Some(Ok(event))) => event,
                Ok(Some(Err(error))) => return end(broken(&action, error), at),
                // Closed by the server; or dead so long that it must be.
                Ok(None) | Err(_) if opened.elapsed() >= SHORTEST_LIFE => return End::Closed(at),
                Ok(None) | Err(_) => {
                    let message = "the watch was closed at once".to_owned();
                    return end(ApiError::Server { action, code: 200, message }, at);
                }
            };
            if let Some(error) = self.take_event(&action, event, &mut at) {
                return end(error, at);
            }
        }
    }

    fn collection(&self) -> String {
        path::collection(&self.followed.kind, self.followed.namespace.as_deref())
    }

    fn watch_uri(&self, at: &str) -> String {
        let seconds = self.seconds.to_string();
        let (selects, selector) = self.followed.selected.parameter();
        let query = path::query([
            (selects, selector.as_str()),
            ("watch", "true"),
            ("allowWatchBookmarks", "true"),
            ("timeoutSeconds", &seconds),
            ("resourceVersion", at),
        ]);
        format!("{}{query}", self.collection())
    }

    /// Takes one event and moves on to its version; returns what ends the watch.
    fn take_event(&mut self, action: &Action, event: WatchEvent<Value>, at: &mut String) -> Option<ApiError> {
        let gvk = self.followed.kind.gvk.clone();
        let (object, vanished) = match event {
            WatchEvent::Added(object) | WatchEvent::Modified(object) => (object, false),
            WatchEvent::Deleted(object) => (object, true),
            WatchEvent::Bookmark(bookmark) => {
                *at = bookmark.metadata.resource_version;
                return None;
            }
            WatchEvent::Error(status) => return Some(broken(action, kube::Error::Api(status))),
        };
        let Some(version) = object["metadata"]["resourceVersion"].as_str().filter(|version| !version.is_empty()) else {
            let message = "an event has no resourceVersion".to_owned();
            return Some(ApiError::Unexpected { action: action.clone(), message });
        };
        *at = version.to_owned();
        let seen = Seen(with_kind(object, &self.followed.kind));
        self.observe(if vanished { Observation::Vanished(gvk, seen) } else { Observation::Changed(gvk, seen) });
        None
    }

    /// Returns whether an error means that the server has stopped serving the kind for good.
    async fn is_gone(&self, error: &ApiError) -> bool {
        if !matches!(error, ApiError::NotServed { .. } | ApiError::NotFound { .. }) {
            return false;
        }
        // Not knowing is not "gone".
        self.cluster.is_gone(&self.followed.kind).await.unwrap_or(false)
    }

    async fn pause(&mut self, error: &ApiError) {
        let asked = match error {
            ApiError::TooManyRequests { retry_after, .. } => retry_after.unwrap_or_default(),
            _ => Duration::ZERO,
        };
        let wait = self.backoff.next_wait().max(asked.min(request::RETRY_AFTER_LONGEST));
        tokio::time::sleep(wait).await;
    }

    fn observe(&mut self, observation: Observation) {
        (self.tell)(observation);
    }
}

/// Waits until this time; without one, for ever.
async fn at_time(due: Option<tokio::time::Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}

async fn open(
    client: &kube::Client,
    action: &Action,
    uri: &str,
) -> Result<impl Stream<Item = kube::Result<WatchEvent<Value>>> + use<>, ApiError> {
    let request = http::Request::get(uri).body(Vec::new());
    let request = request.map_err(|error| broken(action, kube::Error::HttpError(error)))?;
    match tokio::time::timeout(HEAD_TIMEOUT, client.request_events(request)).await {
        Ok(events) => events.map_err(|error| broken(action, error)),
        Err(_) => Err(ApiError::Timeout { action: action.clone(), after: HEAD_TIMEOUT }),
    }
}

/// Says how a watch ends because of an error: a version that is too old means to list again, everything else to try
/// the same version again.
fn end(error: ApiError, at: String) -> End {
    let lost = matches!(
        error,
        ApiError::Gone { .. } | ApiError::NotServed { .. } | ApiError::NotFound { .. } | ApiError::Unexpected { .. }
    );
    End::Failed(error, if lost { Position::Unlisted } else { Position::At(at) })
}

fn broken(action: &Action, error: kube::Error) -> ApiError {
    match error {
        kube::Error::Api(status) => {
            let code = http::StatusCode::from_u16(status.code).unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR);
            let after = status.details.as_ref().map(|details| details.retry_after_seconds).filter(|after| *after > 0);
            let after = after.map(|seconds| Duration::from_secs(seconds.into()));
            let body = serde_json::to_vec(&status).unwrap_or_default();
            error::read(action.clone(), code, after, &body)
        }
        kube::Error::SerdeError(error) => {
            let message = format!("an event is not JSON (line {}, column {})", error.line(), error.column());
            ApiError::Unexpected { action: action.clone(), message }
        }
        error => request::unreachable(action, error),
    }
}
