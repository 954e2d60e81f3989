//! The Leases of plumb's shards in one namespace: `coordination.k8s.io/v1`, as `kubectl get leases` shows them.
//!
//! Owns: their names, labels and annotations, the requests about them and their watch. Must never do: decide; when a Lease
//! may be taken is `plumb_core::lease`'s to say. What happens here is no write in the sense of a tenure: it is how one is
//! got.

mod object;

use std::collections::{BTreeMap, BTreeSet};

use futures::StreamExt as _;
use http::Method;
use k8s_openapi::api::coordination::v1::Lease as Resource;
use kube::{
    Api,
    runtime::watcher::{self, Event, watcher},
};
use plumb_core::{
    kinds::Kind,
    lease::{
        Lease, Shard, Version,
        elector::{Answer, Ask as Wanted},
    },
    object::{Gvk, ObjectKey},
};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::{
    backoff::Backoff,
    cluster::Cluster,
    error::{Action, ApiError},
    path,
    request::Ask,
};

/// What all Leases of plumb's shards are labelled with.
const LABEL: &str = "plumb.dev/lease";
/// The label's value.
const OF_SHARD: &str = "shard";

/// What the watch of Leases has seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// A Lease is like this.
    There(Shard, Lease, Version),
    /// A Lease may be gone.
    Doubted(Shard),
}

/// The Leases of one namespace.
#[derive(Debug, Clone)]
pub struct Leases {
    cluster: Cluster,
    namespace: String,
}

impl Leases {
    /// Makes requests about the Leases of a namespace; over connections of their own they wait for nobody's.
    pub fn new(cluster: Cluster, namespace: &str) -> Self {
        Self { cluster, namespace: namespace.to_owned() }
    }

    /// Returns the key of a shard's Lease, for Events.
    pub fn key(&self, shard: Shard) -> ObjectKey {
        let kind = kind();
        let namespace = Some(self.namespace.clone());
        ObjectKey { group: kind.gvk.group, kind: kind.gvk.kind, namespace, name: object::name(shard) }
    }

    /// Sends one request about a shard's Lease; makes the namespace if it is missing.
    ///
    /// # Errors
    /// As every request, but for conflicts, which are answers.
    pub async fn ask(&self, shard: Shard, wanted: &Wanted) -> Result<Answer, ApiError> {
        let result = match wanted {
            Wanted::Get => {
                let found = self.cluster.get(&kind(), &self.key(shard)).await?;
                return Ok(Answer::Found(found.map(|value| (object::read(&value), object::version(&value)))));
            }
            Wanted::Create(lease) => match self.create(shard, lease).await {
                Err(ApiError::NotFound { .. }) => {
                    self.make_namespace().await?;
                    self.create(shard, lease).await
                }
                result => result,
            },
            Wanted::Update(lease, version) => self.update(shard, lease, version).await,
        };
        match result {
            Ok(version) => Ok(Answer::Written(version)),
            Err(ApiError::AlreadyExists { .. } | ApiError::Stale { .. } | ApiError::NotFound { .. }) => {
                Ok(Answer::Conflict)
            }
            Err(error) => Err(error),
        }
    }

    async fn create(&self, shard: Shard, lease: &Lease) -> Result<Version, ApiError> {
        let action = Action::on("create", &self.key(shard));
        let ask = Ask::new(action.clone(), Method::POST, path::collection(&kind(), Some(&self.namespace)));
        let object = object::write(&self.namespace, shard, lease, None);
        let answer = self.cluster.send(ask.with("application/json", &object)).await?;
        Ok(object::version(&answer.value(&action)?))
    }

    async fn update(&self, shard: Shard, lease: &Lease, version: &Version) -> Result<Version, ApiError> {
        let key = self.key(shard);
        let action = Action::on("update", &key);
        let ask = Ask::new(action.clone(), Method::PUT, path::object(&kind(), &key));
        let object = object::write(&self.namespace, shard, lease, Some(version));
        let answer = self.cluster.send(ask.with("application/json", &object)).await?;
        Ok(object::version(&answer.value(&action)?))
    }

    async fn make_namespace(&self) -> Result<(), ApiError> {
        let action = Action::of("create", format!("Namespace {}", self.namespace));
        let object = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": self.namespace } });
        let ask = Ask::new(action, Method::POST, "/api/v1/namespaces".to_owned());
        match self.cluster.send(ask.with("application/json", &object)).await {
            Ok(_) | Err(ApiError::AlreadyExists { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Returns all Leases of shards, as they were at some time after the call.
    ///
    /// # Errors
    /// As every request.
    pub async fn list(&self) -> Result<BTreeMap<Shard, (Lease, Version)>, ApiError> {
        let listed = labelled(&self.cluster, Some(&self.namespace)).await?;
        let read = |value: &Value| Some((object::shard(value)?, (object::read(value), object::version(value))));
        Ok(listed.iter().filter_map(read).collect())
    }

    /// Tells of every change of a Lease, until `stop` or until nobody listens. One that is missed only costs time.
    pub async fn follow(&self, stop: CancellationToken, seen: mpsc::Sender<Seen>) {
        let place = self.cluster.connections.lease_watch();
        let api = Api::<Resource>::namespaced(place.client.clone(), &self.namespace);
        let selected = watcher::Config::default().labels(&format!("{LABEL}={OF_SHARD}"));
        let mut events = std::pin::pin!(watcher(api, selected));
        let mut backoff = Backoff::new(self.cluster.connections.seed());
        let (mut known, mut listed) = (BTreeSet::new(), BTreeSet::new());
        loop {
            let event = tokio::select! {
                () = stop.cancelled() => return,
                event = events.next() => event,
            };
            let mut news = Vec::new();
            match event {
                // The watcher never ends by itself.
                None => return,
                Some(Err(error)) => {
                    tracing::debug!(%error, "the watch of Leases failed; it is tried again");
                    tokio::select! {
                        () = stop.cancelled() => return,
                        () = tokio::time::sleep(backoff.next_wait()) => continue,
                    }
                }
                Some(Ok(Event::Init)) => listed.clear(),
                Some(Ok(Event::InitApply(lease))) => {
                    let there = there(&lease);
                    listed.extend(there.as_ref().map(shard_of));
                    news.extend(there);
                }
                Some(Ok(Event::InitDone)) => {
                    backoff.reset();
                    news.extend(known.difference(&listed).copied().map(Seen::Doubted));
                    known.clone_from(&listed);
                }
                Some(Ok(Event::Apply(lease))) => {
                    let there = there(&lease);
                    known.extend(there.as_ref().map(shard_of));
                    news.extend(there);
                }
                Some(Ok(Event::Delete(lease))) => news.extend(there(&lease).as_ref().map(shard_of).map(Seen::Doubted)),
            }
            for one in news {
                if seen.send(one).await.is_err() {
                    return;
                }
            }
        }
    }
}

/// Returns the Leases of shards in every namespace: those of all plumbs that run, or ran, against a cluster.
///
/// # Errors
/// As every request; who reads them needs the right to list Leases everywhere.
pub async fn everywhere(cluster: &Cluster) -> Result<Vec<Lease>, ApiError> {
    let listed = labelled(cluster, None).await?;
    Ok(listed.iter().filter(|value| object::shard(value).is_some()).map(object::read).collect())
}

async fn labelled(cluster: &Cluster, namespace: Option<&str>) -> Result<Vec<Value>, ApiError> {
    cluster.list(&kind(), namespace, Some(&format!("{LABEL}={OF_SHARD}"))).await
}

fn there(lease: &Resource) -> Option<Seen> {
    let value = serde_json::to_value(lease).ok()?;
    Some(Seen::There(object::shard(&value)?, object::read(&value), object::version(&value)))
}

fn shard_of(seen: &Seen) -> Shard {
    match seen {
        Seen::There(shard, ..) | Seen::Doubted(shard) => *shard,
    }
}

/// Returns the kind of Leases.
pub fn kind() -> Kind {
    Kind::namespaced(Gvk::new("coordination.k8s.io/v1", "Lease"), "leases")
}
