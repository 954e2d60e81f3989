//! Typed access to plumb's own resources.
//!
//! Owns: following all resources of one type, and single reads and annotations of them. May touch: the API server.
//! Must never do: give up on all because one can't be decoded, or take a list that failed for an empty one.

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Debug,
};

use futures::{StreamExt as _, TryFuture, TryFutureExt};
use kube::{
    Api, Resource, ResourceExt as _,
    core::DeserializeGuard,
    runtime::watcher::{self, Event, watcher},
};
use plumb_core::{
    environment::FieldManager,
    kinds::Kind,
    object::{Gvk, ObjectKey},
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::{
    backoff::Backoff,
    cluster::Cluster,
    error::{Action, ApiError},
};

/// What happened to the resources of one type.
#[derive(Debug, Clone, PartialEq)]
pub enum Followed<K> {
    /// It is there, new or changed.
    Set(K),
    /// One is there, new, that can't be read, with its namespace and name: it exists all the same.
    Unreadable(String, String),
    /// It is gone; this is what it was last.
    Gone(K),
    /// One that could never be read is gone.
    UnreadableGone(String, String),
    /// All that exist have been reported; follows every list, so more than once.
    Synced,
}

/// Reports all resources of a type in all namespaces and their changes, until `stop` or until `send` fails.
///
/// *Guarantees:* after a lost connection, what went in the meantime is reported as gone, what is as it was is not
/// reported again, and one that was made anew is first reported as gone. A resource that can't be decoded is logged and
/// left as it was last; one that never could be is reported by its name.
pub async fn follow<K, F>(cluster: &Cluster, stop: CancellationToken, send: impl Fn(Followed<K>) -> F)
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + 'static,
    F: TryFuture<Ok = ()>,
{
    let lease = cluster.connections.lease_watch();
    let api = Api::<DeserializeGuard<K>>::all(lease.client.clone());
    let mut events = std::pin::pin!(watcher(api, watcher::Config::default()));
    let mut backoff = Backoff::new(cluster.connections.seed());
    let mut known = Known::default();
    let mut failing = false;
    loop {
        let event = tokio::select! {
            () = stop.cancelled() => return,
            event = events.next() => event,
        };
        match event {
            // The watcher never ends by itself.
            None => return,
            Some(Ok(event)) => {
                // `Init` only says that a list is about to be tried.
                if !matches!(event, Event::Init) {
                    backoff.reset();
                    failing = false;
                }
                for followed in known.learn(event) {
                    let sent = tokio::select! {
                        () = stop.cancelled() => return,
                        sent = TryFutureExt::into_future(send(followed)) => sent,
                    };
                    if sent.is_err() {
                        return;
                    }
                }
            }
            Some(Err(error)) => {
                log_failure(&K::kind(&()), &error, failing);
                failing = true;
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = tokio::time::sleep(backoff.next_wait()) => {}
                }
            }
        }
    }
}

/// Says once that a watch fails; while it goes on failing, only at debug level.
fn log_failure(kind: &str, error: &watcher::Error, again: bool) {
    if again {
        tracing::debug!(kind, %error, "the watch of plumb's own resources still fails");
    } else {
        tracing::warn!(kind, %error, "the watch of plumb's own resources failed; it is tried again");
    }
}

/// Namespace and name.
type Name = (String, String);

/// What has been reported so far.
struct Known<K> {
    resources: BTreeMap<Name, K>,
    /// Those that could never be decoded.
    unreadable: BTreeSet<Name>,
    /// What the list that is under way has held so far.
    listed: BTreeSet<Name>,
}

impl<K> Default for Known<K> {
    fn default() -> Self {
        Self { resources: BTreeMap::new(), unreadable: BTreeSet::new(), listed: BTreeSet::new() }
    }
}

impl<K: Resource<DynamicType = ()> + Clone> Known<K> {
    /// Takes an event of the watch and returns what is new in it.
    fn learn(&mut self, event: Event<DeserializeGuard<K>>) -> Vec<Followed<K>> {
        match event {
            Event::Init => {
                self.listed.clear();
                Vec::new()
            }
            Event::InitApply(resource) => {
                self.listed.insert(name(resource.meta()));
                self.set(resource)
            }
            Event::InitDone => {
                let listed = std::mem::take(&mut self.listed);
                let known = self.resources.keys().chain(&self.unreadable);
                let gone: Vec<_> = known.filter(|name| !listed.contains(*name)).cloned().collect();
                let mut news: Vec<_> = gone.iter().filter_map(|name| self.gone(name)).collect();
                news.push(Followed::Synced);
                news
            }
            Event::Apply(resource) => self.set(resource),
            Event::Delete(resource) => self.gone(&name(resource.meta())).into_iter().collect(),
        }
    }

    fn set(&mut self, resource: DeserializeGuard<K>) -> Vec<Followed<K>> {
        let name = name(resource.meta());
        let resource = match resource.0 {
            Ok(resource) => resource,
            Err(error) => {
                let kind = K::kind(&());
                tracing::warn!(%kind, namespace = name.0, name = name.1, %error, "a resource can't be read and is left as it was; correct it");
                let is_new = !self.resources.contains_key(&name) && self.unreadable.insert(name.clone());
                return is_new.then(|| Followed::Unreadable(name.0, name.1)).into_iter().collect();
            }
        };
        self.unreadable.remove(&name);
        let mut news = Vec::new();
        match self.resources.get(&name) {
            Some(before) if before.resource_version() == resource.resource_version() => return Vec::new(),
            Some(before) if before.uid() != resource.uid() => news.extend(self.gone(&name)),
            Some(_) | None => {}
        }
        self.resources.insert(name, resource.clone());
        news.push(Followed::Set(resource));
        news
    }

    fn gone(&mut self, name: &Name) -> Option<Followed<K>> {
        if self.unreadable.remove(name) {
            return Some(Followed::UnreadableGone(name.0.clone(), name.1.clone()));
        }
        self.resources.remove(name).map(Followed::Gone)
    }
}

fn name(metadata: &kube::core::ObjectMeta) -> Name {
    (metadata.namespace.clone().unwrap_or_default(), metadata.name.clone().unwrap_or_default())
}

/// Returns one resource, or nothing if it does not exist.
///
/// # Errors
/// As every request; `NotServed` where the definitions are not installed.
pub async fn get<K>(cluster: &Cluster, namespace: &str, name: &str) -> Result<Option<K>, ApiError>
where
    K: Resource<DynamicType = ()> + DeserializeOwned,
{
    let key = key::<K>(namespace, name);
    let found = cluster.get(&kind::<K>(), &key).await?;
    found.map(|value| decode(&Action::on("get", &key), value)).transpose()
}

/// Returns all resources of a type, in one namespace or in all, in the order of their names.
///
/// # Errors
/// As every request; `NotServed` where the definitions are not installed.
pub async fn list<K>(cluster: &Cluster, namespace: Option<&str>) -> Result<Vec<K>, ApiError>
where
    K: Resource<DynamicType = ()> + DeserializeOwned,
{
    let kind = kind::<K>();
    let action = Action::of("list", kind.gvk.to_string());
    let listed = cluster.list(&kind, namespace, None).await?;
    listed.into_iter().map(|value| decode(&action, value)).collect()
}

/// Returns namespace and name of every resource of a type that exists, also of those that can't be decoded.
///
/// # Errors
/// As every request; `NotServed` where the definitions are not installed.
pub async fn names<K>(cluster: &Cluster) -> Result<BTreeSet<(String, String)>, ApiError>
where
    K: Resource<DynamicType = ()>,
{
    let kind = kind::<K>();
    let action = Action::of("list", kind.gvk.to_string());
    let mut names = BTreeSet::new();
    for object in cluster.list(&kind, None, None).await? {
        let text = |field: &str| object["metadata"][field].as_str().map(str::to_owned);
        let named = text("namespace").zip(text("name"));
        // A list that leaves out what it should name is no list to delete or let go by.
        let message = || "an item of the list has no name".to_owned();
        names.insert(named.ok_or_else(|| ApiError::Unexpected { action: action.clone(), message: message() })?);
    }
    Ok(names)
}

/// Sets one annotation of a resource and nothing else, or removes it, and returns the resource as it is then.
///
/// # Errors
/// `NotFound` if there is no such resource, else as every request.
pub async fn annotate<K>(
    cluster: &Cluster,
    (namespace, name): (&str, &str),
    manager: &FieldManager,
    annotation: &str,
    value: Option<&str>,
) -> Result<K, ApiError>
where
    K: Resource<DynamicType = ()> + DeserializeOwned,
{
    let key = key::<K>(namespace, name);
    // RFC 7386: null removes.
    let patch = json!({ "metadata": { "annotations": { annotation: value } } });
    let changed = cluster.merge_patch(&kind::<K>(), &key, &patch, manager).await?;
    decode(&Action::on("annotate", &key), changed)
}

/// Returns the key of a resource.
pub fn key<K: Resource<DynamicType = ()>>(namespace: &str, name: &str) -> ObjectKey {
    let (group, kind) = (K::group(&()).into_owned(), K::kind(&()).into_owned());
    ObjectKey { group, kind, namespace: Some(namespace.to_owned()), name: name.to_owned() }
}

/// Returns the kind of a type of resources.
pub fn kind<K: Resource<DynamicType = ()>>() -> Kind {
    let gvk = Gvk {
        group: K::group(&()).into_owned(),
        version: K::version(&()).into_owned(),
        kind: K::kind(&()).into_owned(),
    };
    Kind::namespaced(gvk, &K::plural(&()))
}

fn decode<K: DeserializeOwned>(action: &Action, value: Value) -> Result<K, ApiError> {
    serde_json::from_value(value).map_err(|error| ApiError::Unexpected {
        action: action.clone(),
        message: format!("the resource is not what this version of plumb knows: {error}"),
    })
}
