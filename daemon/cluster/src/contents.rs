//! What lies where: the objects of others in a namespace or of a definition, and which kinds hold labelled objects.
//!
//! Owns: reading that from lists of metadata, and which objects come with every namespace. A list that fails makes the
//! answer unknown, never shorter. Must never do: read more than metadata, or name to the users of a service account what it
//! may not list.

use std::collections::{BTreeMap, BTreeSet};

use futures::{FutureExt as _, StreamExt as _, stream};
use plumb_core::{
    adoption,
    environment::ApplySetId,
    kinds::{Kind, Kinds, Scope},
    object::{GroupKind, ObjectKey, PART_OF},
    presence::Presence,
};
use serde_json::Value;

use crate::{
    cluster::{Cluster, METADATA_LIST, PAGE},
    error::{Action, ApiError},
    path,
    request::Ask,
};

/// Lists under way at once: more only adds latency, and writes need their share.
const LISTS_AT_ONCE: usize = 8;
/// Objects of others that are named; a person needs some, not all.
const NAMED: usize = 20;
/// Kinds that say nothing of whether a namespace is in use: traces of what ran there, and what controllers derive.
const TRACES: [(&str, &str); 5] = [
    ("", "Endpoints"),
    ("", "Event"),
    ("coordination.k8s.io", "Lease"),
    ("discovery.k8s.io", "EndpointSlice"),
    ("events.k8s.io", "Event"),
];
/// Objects that the control plane puts into every namespace.
const FURNITURE: [(&str, &str); 2] = [("ConfigMap", "kube-root-ca.crt"), ("ServiceAccount", "default")];

/// What a namespace or a definition holds of others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contents {
    /// Some of the objects; empty if there are none; `Unknown` if a list failed. What the identity may not list stands
    /// there as `object NAMESPACE/(not shown)`.
    pub others: Presence<Vec<ObjectKey>>,
    /// Why they are unknown.
    pub unknown: Option<String>,
}

/// Which kinds hold labelled objects.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Scan {
    /// Kinds with at least one object that carries a part-of label.
    pub found: BTreeSet<GroupKind>,
    /// Kinds that could not be asked, and why.
    pub unknown: BTreeMap<GroupKind, String>,
    /// Groups and versions whose kinds are not even known by name.
    pub undiscovered: BTreeSet<(String, String)>,
}

impl Scan {
    /// Returns whether every kind was asked.
    pub fn is_complete(&self) -> bool {
        self.unknown.is_empty() && self.undiscovered.is_empty()
    }
}

/// What became of an object that a watch no longer shows.
#[derive(Debug, Clone, PartialEq)]
pub enum Whereabouts {
    /// It does not exist any more.
    Gone,
    /// It exists, without a part-of label.
    Unlabelled(Value),
    /// It exists, and its label names this environment.
    Labelled(ApplySetId, Value),
}

impl Cluster {
    /// Returns which objects of others a Namespace or a CustomResourceDefinition holds: all that do not carry the label
    /// of `id`, but for those that something else owns and those that every namespace has. All are found, with plumb's
    /// rights; named are those that the identity may list.
    pub async fn contents(&self, holder: &ObjectKey, kinds: &Kinds, id: &ApplySetId) -> Contents {
        let (held, namespace) = match (holder.group.as_str(), holder.kind.as_str()) {
            ("", "Namespace") => (namespaced(kinds), Some(holder.name.as_str())),
            ("apiextensions.k8s.io", "CustomResourceDefinition") => (defined(kinds, &holder.name), None),
            _ => return unknown(format!("{holder} is neither a namespace nor a definition")),
        };
        if let Some((group, version)) = kinds.unknown().iter().find(|(group, _)| may_hold(holder, group)) {
            return unknown(format!("the discovery of {group}/{version} failed"));
        }
        if held.is_empty() {
            return unknown(format!("{holder} defines no kind that can be listed"));
        }
        let selector = format!("{PART_OF}!={id}");
        // Boxed: a closure that borrows would keep the whole future from being Send.
        let lists: Vec<_> = held.into_iter().map(|kind| self.others(kind, namespace, &selector).boxed()).collect();
        let mut lists = std::pin::pin!(stream::iter(lists).buffered(LISTS_AT_ONCE));
        let mut others = Vec::new();
        while let Some(found) = lists.next().await {
            match found {
                Ok(found) => others.extend(found),
                Err(error) => return unknown(error.to_string()),
            }
            if others.len() >= NAMED {
                break;
            }
        }
        others.truncate(NAMED);
        match self.nameable(others, kinds).await {
            Ok(others) => Contents { others: Presence::Present(others), unknown: None },
            Err(error) => unknown(error.to_string()),
        }
    }

    /// Returns the objects, with those that the identity may not list without their names.
    async fn nameable(&self, objects: Vec<ObjectKey>, kinds: &Kinds) -> Result<Vec<ObjectKey>, ApiError> {
        let mut listed: BTreeMap<(GroupKind, Option<String>), bool> = BTreeMap::new();
        let mut shown = Vec::new();
        for object in objects {
            let of = (object.group_kind(), object.namespace.clone());
            let may = match (listed.get(&of), kinds.preferred(&of.0)) {
                (Some(may), _) => *may,
                (None, Presence::Present(kind)) => self.may("list", kind, of.1.as_deref(), None).await?,
                (None, _) => false,
            };
            listed.insert(of, may);
            shown.push(if may { object } else { unnamed(object) });
        }
        // Equal ones are neighbours only by chance.
        let distinct: BTreeSet<ObjectKey> = shown.into_iter().collect();
        Ok(distinct.into_iter().collect())
    }

    /// Returns some objects of a kind that match the selector and count.
    async fn others(&self, kind: &Kind, namespace: Option<&str>, selector: &str) -> Result<Vec<ObjectKey>, ApiError> {
        let mut others = Vec::new();
        let mut next = String::new();
        loop {
            let (items, token) = self.metadata_page(kind, namespace, selector, PAGE, &next).await?;
            others.extend(items.iter().filter(|item| counts(kind, item)).filter_map(|item| key(kind, item)));
            next = token;
            if next.is_empty() || others.len() >= NAMED {
                return Ok(others);
            }
        }
    }

    /// Asks every kind that can be watched whether any of its objects carries a part-of label.
    pub async fn scan(&self, kinds: &Kinds) -> Scan {
        let asked = kinds.all_preferred().filter(|kind| kind.watchable);
        let asks: Vec<_> = asked.map(|kind| self.labelled(kind).boxed()).collect();
        let mut asks = std::pin::pin!(stream::iter(asks).buffered(LISTS_AT_ONCE));
        let mut scan = Scan { undiscovered: kinds.unknown().clone(), ..Scan::default() };
        while let Some((kind, answer)) = asks.next().await {
            match answer {
                Ok((items, _)) if items.is_empty() => {}
                Ok(_) => {
                    scan.found.insert(kind);
                }
                Err(error) => {
                    scan.unknown.insert(kind, error.to_string());
                }
            }
        }
        scan
    }

    /// Returns one of a kind's objects that carry a part-of label, if there is one.
    async fn labelled(&self, kind: &Kind) -> (GroupKind, Result<(Vec<Value>, String), ApiError>) {
        (kind.gvk.group_kind(), self.metadata_page(kind, None, PART_OF, "1", "").await)
    }

    /// Returns what became of an object whose watch says that it vanished; costs one read.
    ///
    /// # Errors
    /// As every request.
    pub async fn whereabouts(&self, kind: &Kind, key: &ObjectKey) -> Result<Whereabouts, ApiError> {
        let Some(object) = self.get(kind, key).await? else { return Ok(Whereabouts::Gone) };
        Ok(match adoption::part_of(&object) {
            Some(id) => Whereabouts::Labelled(id, object),
            None => Whereabouts::Unlabelled(object),
        })
    }

    async fn metadata_page(
        &self,
        kind: &Kind,
        namespace: Option<&str>,
        selector: &str,
        limit: &str,
        next: &str,
    ) -> Result<(Vec<Value>, String), ApiError> {
        let action = Action::of("list", kind.gvk.to_string());
        let mut parameters = vec![("labelSelector", selector), ("limit", limit)];
        parameters.extend((!next.is_empty()).then_some(("continue", next)));
        let uri = format!("{}{}", path::collection(kind, namespace), path::query(parameters));
        let mut ask = Ask::get(action.clone(), uri);
        ask.accept = METADATA_LIST;
        let mut page = self.send(ask).await?.value(&action)?;
        let next = page["metadata"]["continue"].as_str().unwrap_or_default().to_owned();
        match page["items"].take() {
            Value::Array(items) => Ok((items, next)),
            Value::Null => Ok((Vec::new(), next)),
            _ => Err(ApiError::Unexpected { action, message: "the list's items are no list".to_owned() }),
        }
    }
}

fn unnamed(object: ObjectKey) -> ObjectKey {
    ObjectKey { group: String::new(), kind: "object".to_owned(), name: "(not shown)".to_owned(), ..object }
}

fn unknown(reason: String) -> Contents {
    Contents { others: Presence::Unknown, unknown: Some(reason) }
}

/// Returns whether objects of a group whose discovery failed may be in the holder.
fn may_hold(holder: &ObjectKey, group: &str) -> bool {
    holder.kind == "Namespace" || holder.name.split_once('.').is_some_and(|(_, of)| of == group)
}

fn namespaced(kinds: &Kinds) -> Vec<&Kind> {
    let held = kinds.all_preferred().filter(|kind| kind.scope == Scope::Namespaced && kind.watchable);
    held.filter(|kind| !TRACES.contains(&(kind.gvk.group.as_str(), kind.gvk.kind.as_str()))).collect()
}

/// Returns the kind that a definition of this name (`plural.group`) defines.
fn defined<'a>(kinds: &'a Kinds, name: &str) -> Vec<&'a Kind> {
    let named = |kind: &&Kind| format!("{}.{}", kind.plural, kind.gvk.group) == name;
    kinds.all_preferred().filter(|kind| kind.watchable).filter(named).collect()
}

/// Returns whether an object says that somebody uses what holds it.
fn counts(kind: &Kind, item: &Value) -> bool {
    let owned = item["metadata"]["ownerReferences"].as_array().is_some_and(|owners| !owners.is_empty());
    let name = item["metadata"]["name"].as_str().unwrap_or_default();
    let furniture = kind.gvk.group.is_empty() && FURNITURE.contains(&(kind.gvk.kind.as_str(), name));
    !owned && !furniture
}

fn key(kind: &Kind, item: &Value) -> Option<ObjectKey> {
    Some(ObjectKey {
        group: kind.gvk.group.clone(),
        kind: kind.gvk.kind.clone(),
        namespace: item["metadata"]["namespace"].as_str().map(str::to_owned),
        name: item["metadata"]["name"].as_str()?.to_owned(),
    })
}
