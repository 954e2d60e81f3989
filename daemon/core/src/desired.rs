//! Desired state: rendered manifests with scopes, namespaces and the owner's label filled in.

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
};

use serde::Serialize;
use serde_json::{Value, json};

use crate::{
    environment::ApplySetId,
    fingerprint::Fingerprint,
    ignore::Ignored,
    kinds::{Kind, Kinds, Scope},
    live::{PRUNE_ANNOTATION, PruneWish},
    object::{self, Manifest, ObjectKey, Origin, PART_OF},
    order::{Place, Rank},
    presence::Presence,
    problem::Problem,
    redact,
    wave::Wave,
};

/// Larger objects are refused by etcd in any case (1.5 MiB a request); said before anything is sent.
pub const OBJECT_BYTES_MAX: usize = 1_500_000;

/// One object as it is to be applied.
///
/// Shown (`Debug`) or serialised, the values of a Secret are redacted.
#[derive(Clone, PartialEq, Serialize)]
pub struct DesiredObject {
    /// Which object, with its namespace settled.
    pub key: ObjectKey,
    /// Its kind as the cluster serves it.
    pub kind: Kind,
    /// What is sent: the manifest with namespace and `part-of` label.
    #[serde(serialize_with = "redact::serialize")]
    pub manifest: Arc<Value>,
    /// The fingerprint that the live object has right after this was applied, if the server changes nothing.
    pub fingerprint: Fingerprint,
    /// What of it is not compared, and only sent when it is created.
    pub ignored: Ignored,
    /// Where it stands in Git.
    pub origin: Origin,
    /// When it is applied.
    pub place: Place,
    /// Whether it may be deleted and created anew where it can't be changed in place.
    pub replace: Replace,
}

impl fmt::Debug for DesiredObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, kind, manifest, fingerprint, ignored, origin, place, replace } = self;
        f.debug_struct("DesiredObject")
            .field("key", key)
            .field("kind", kind)
            .field("manifest", &redact::object(manifest))
            .field("fingerprint", fingerprint)
            .field("ignored", ignored)
            .field("origin", origin)
            .field("place", place)
            .field("replace", replace)
            .finish()
    }
}

/// The annotation that [`Replace`] reads.
pub const REPLACE_ANNOTATION: &str = "plumb.dev/replace";

/// What an object's `plumb.dev/replace` annotation allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub enum Replace {
    /// It is never deleted to be changed.
    #[default]
    Disabled,
    /// It is deleted and created anew where it can't be changed in place.
    Enabled,
}

impl Replace {
    /// Reads the annotation of a manifest; hands back a value that is not understood.
    fn of(manifest: &Value) -> Result<Self, &Value> {
        match &manifest["metadata"]["annotations"][REPLACE_ANNOTATION] {
            Value::Null => Ok(Self::Disabled),
            value => match value.as_str() {
                Some("enabled") => Ok(Self::Enabled),
                Some("disabled") => Ok(Self::Disabled),
                _ => Err(value),
            },
        }
    }
}

/// Everything that one commit wants of one environment.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Desired {
    /// The objects.
    #[serde(serialize_with = "object::serialize_pairs")]
    pub objects: BTreeMap<ObjectKey, DesiredObject>,
    /// Objects that could not be settled; while there is one, nothing is pruned.
    pub problems: Vec<Problem>,
    /// What those problems are about, as far as it can be told: this environment desires it, so that another one which
    /// no longer does must not prune it.
    pub unsettled: BTreeSet<ObjectKey>,
    /// The first wave that one of them stands in; one whose wave can't be read stands before all others.
    pub unsettled_wave: Option<Wave>,
    /// Whether a problem comes from not knowing (a failed discovery), so that trying again may help.
    pub unknown: bool,
}

impl Desired {
    /// Returns the same without some objects.
    #[must_use]
    pub fn without(&self, keys: &BTreeSet<ObjectKey>) -> Self {
        let mut desired = self.clone();
        desired.objects.retain(|key, _| !keys.contains(key));
        desired
    }

    /// Returns the same objects with what is ignored of them.
    #[must_use]
    pub fn ignoring(&self, ignored: &BTreeMap<ObjectKey, Ignored>) -> Self {
        let mut desired = self.clone();
        for (key, ignored) in ignored {
            if let Some(object) = desired.objects.get_mut(key) {
                object.fingerprint = Fingerprint::of_manifest(&object.manifest, ignored);
                object.ignored = ignored.clone();
            }
        }
        desired
    }
}

/// Settles the scope and the namespace of every manifest and adds the owner's label.
///
/// `namespace` is the environment's `target.namespace`. The order of the manifests does not matter: where an object
/// stands twice, the place that comes first counts.
pub fn resolve(manifests: &[Manifest], kinds: &Kinds, id: &ApplySetId, namespace: Option<&str>) -> Desired {
    let mut desired = Desired::default();
    let mut sorted: Vec<&Manifest> = manifests.iter().collect();
    sorted.sort_by(|a, b| (&a.origin, &a.key).cmp(&(&b.origin, &b.key)));
    for manifest in sorted {
        let result = match kinds.find(&manifest.gvk) {
            Presence::Present(kind) => settle(manifest, kind, id, namespace),
            Presence::Absent => Err(unknown_kind(manifest, kinds)),
            Presence::Unknown => {
                desired.unknown = true;
                Err(problem(
                    manifest,
                    format!("the API server could not say whether it serves {}", manifest.gvk),
                    "it is tried again; kubectl get apiservices shows which group is down",
                ))
            }
        };
        match result {
            Ok(object) => insert(&mut desired, object),
            Err(problem) => {
                desired.problems.push(problem);
                desired.unsettled.extend(possible_keys(manifest, namespace));
                let wave = Wave::of(&manifest.value).unwrap_or(Wave::FIRST);
                desired.unsettled_wave = desired.unsettled_wave.map_or(Some(wave), |first| Some(first.min(wave)));
            }
        }
    }
    desired
}

/// Returns the keys that an object whose scope may not be known can have in the cluster.
fn possible_keys(manifest: &Manifest, namespace: Option<&str>) -> [ObjectKey; 2] {
    let own = manifest.key.namespace.as_deref().filter(|own| !own.is_empty());
    let namespaced = ObjectKey { namespace: own.or(namespace).map(str::to_owned), ..manifest.key.clone() };
    [namespaced, ObjectKey { namespace: None, ..manifest.key.clone() }]
}

fn insert(desired: &mut Desired, object: DesiredObject) {
    if let Some(first) = desired.objects.get(&object.key) {
        desired.problems.push(Problem {
            origin: object.origin.clone(),
            message: format!("{} stands here and at {}", object.key, first.origin),
            remedy: "keep one of the two".to_owned(),
        });
        return;
    }
    desired.objects.insert(object.key.clone(), object);
}

fn problem(manifest: &Manifest, message: String, remedy: &str) -> Problem {
    Problem {
        origin: manifest.origin.clone(),
        message: format!("{}: {message}", manifest.key),
        remedy: remedy.to_owned(),
    }
}

fn unknown_kind(manifest: &Manifest, kinds: &Kinds) -> Problem {
    let versions = kinds.versions(&manifest.gvk.group_kind());
    let remedy = if versions.is_empty() {
        "check apiVersion and kind, or add the CustomResourceDefinition to this environment or install it".to_owned()
    } else {
        format!("this cluster serves {} at {}", manifest.gvk.kind, versions.join(", "))
    };
    problem(manifest, format!("the cluster does not serve {}", manifest.gvk), &remedy)
}

fn settle(
    manifest: &Manifest,
    kind: &Kind,
    id: &ApplySetId,
    namespace: Option<&str>,
) -> Result<DesiredObject, Problem> {
    let mut key = manifest.key.clone();
    key.namespace = match (kind.scope, key.namespace.filter(|own| !own.is_empty()), namespace) {
        (Scope::Cluster, _, _) => None,
        (Scope::Namespaced, Some(own), _) => Some(own),
        (Scope::Namespaced, None, Some(target)) => Some(target.to_owned()),
        (Scope::Namespaced, None, None) => {
            return Err(problem(
                manifest,
                "it names no namespace and the environment has no default".to_owned(),
                "set metadata.namespace here, or spec.target.namespace of the Environment",
            ));
        }
    };
    if !kind.watchable {
        let message = format!("objects of kind {} can't be listed and watched, so plumb can't own one", manifest.gvk);
        return Err(problem(manifest, message, "take it out of the environment"));
    }
    let value = labelled(manifest, &key, id)?;
    let length = value.to_string().len();
    if length > OBJECT_BYTES_MAX {
        let message = format!("it is {length} bytes long; an object can't be larger than {OBJECT_BYTES_MAX}");
        return Err(problem(manifest, message, "split it, or keep the data elsewhere"));
    }
    let wave = Wave::of(&manifest.value).map_err(|malformed| {
        problem(manifest, malformed.to_string(), "write a whole number in quotes, such as \"1\"")
    })?;
    let replace = Replace::of(&manifest.value).map_err(|value| {
        let message = format!("the annotation {REPLACE_ANNOTATION} is {value}");
        problem(manifest, message, "it can be \"enabled\" or \"disabled\"")
    })?;
    let ignored = Ignored::default();
    let fingerprint = Fingerprint::of_manifest(&value, &ignored);
    let place = Place { wave, rank: Rank::of(&key.group_kind()) };
    Ok(DesiredObject {
        key,
        kind: kind.clone(),
        manifest: Arc::new(value),
        fingerprint,
        ignored,
        origin: manifest.origin.clone(),
        place,
        replace,
    })
}

/// Returns whether everything in a Secret's stringData and data is as the API server takes it; what is not, it refuses.
fn texts_only(secret: &Value) -> bool {
    ["stringData", "data"].into_iter().all(|part| match secret.get(part) {
        None | Some(Value::Null) => true,
        Some(Value::Object(entries)) => entries.values().all(Value::is_string),
        Some(_) => false,
    })
}

/// Returns the manifest as it is sent; refuses what a manifest must not carry.
fn labelled(manifest: &Manifest, key: &ObjectKey, id: &ApplySetId) -> Result<Value, Problem> {
    // Server-side apply owns stringData as such and so never sees that another manager changes the data it became.
    let plain = manifest.is_secret() && texts_only(&manifest.value);
    let mut value = if plain { redact::merged(&manifest.value) } else { manifest.value.as_ref().clone() };
    let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut) else {
        return Err(problem(manifest, "metadata is not a map".to_owned(), "give it a name"));
    };
    for server_owned in ["managedFields", "resourceVersion", "uid", "generation", "selfLink"] {
        if metadata.get(server_owned).is_some_and(|value| !value.is_null()) {
            let message = format!("metadata.{server_owned} belongs to the API server");
            return Err(problem(manifest, message, "remove it (kubectl get -o yaml adds it)"));
        }
        metadata.remove(server_owned);
    }
    metadata.remove("creationTimestamp");
    match &key.namespace {
        Some(namespace) => metadata.insert("namespace".to_owned(), json!(namespace)),
        None => metadata.remove("namespace"),
    };
    let labels = metadata.entry("labels").or_insert_with(|| json!({}));
    if labels.is_null() {
        *labels = json!({});
    }
    let Some(labels) = labels.as_object_mut() else {
        return Err(problem(manifest, "metadata.labels is not a map".to_owned(), "write key: value pairs"));
    };
    if labels.contains_key(PART_OF) {
        let message = format!("the label {PART_OF} says who owns an object, and plumb sets it");
        return Err(problem(manifest, message, "remove the label from the file"));
    }
    labels.insert(PART_OF.to_owned(), json!(id.as_str()));
    match manifest.value["metadata"]["annotations"].get(PRUNE_ANNOTATION) {
        Some(wish)
            if wish.as_str().is_none_or(|text| matches!(PruneWish::parse(Some(text)), PruneWish::Malformed(_))) =>
        {
            let message = format!("the annotation {PRUNE_ANNOTATION} is {wish}");
            Err(problem(manifest, message, "it can be \"disabled\" or \"force\""))
        }
        _ => Ok(value),
    }
}
