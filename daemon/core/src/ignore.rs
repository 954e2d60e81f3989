//! Fields that are not plumb's to keep: what `drift.ignore` names, and what a HorizontalPodAutoscaler drives.
//!
//! Owns: which fields of which objects, and what is sent of them. Such a field is sent when its object is created. After
//! that it is left out if another manager owns it, and sent with its live value while only we own it: leaving it out then
//! would remove or reset it. Fingerprints and attributions leave it out. Must never do: reach a request.

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use serde::{Serialize, Serializer};
use serde_json::{Map, Value};
use wildmatch::WildMatch;

use crate::{
    desired::Desired,
    environment::FieldManager,
    fields::{
        FieldSet,
        managed::{self, ManagedFields},
        path::{FieldPath, Literal, Segment},
        pattern::{Below, PathPattern, Steps},
    },
    object::{Gvk, ObjectKey},
};

/// A text with `*` for any characters and `?` for one.
#[derive(Debug, Clone, PartialEq)]
pub struct Glob(WildMatch);

impl Glob {
    /// Takes a glob; every text is one.
    pub fn new(text: &str) -> Self {
        Self(WildMatch::new(text))
    }

    /// Returns whether it matches the whole text.
    pub fn matches(&self, text: &str) -> bool {
        self.0.matches(text)
    }
}

impl Eq for Glob {}

impl Serialize for Glob {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// One entry of `drift.ignore`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Rule {
    /// Kinds, as `Kind` or `Kind.group`; none: all.
    pub kinds: Vec<Glob>,
    /// Names of objects; none: all.
    pub names: Vec<Glob>,
    /// The fields.
    pub paths: Vec<PathPattern>,
}

impl Rule {
    fn is_about(&self, key: &ObjectKey) -> bool {
        let any = |globs: &[Glob], texts: &[&str]| {
            globs.is_empty() || globs.iter().any(|glob| texts.iter().any(|text| glob.matches(text)))
        };
        any(&self.kinds, &[&key.kind, &key.group_kind().to_string()]) && any(&self.names, &[&key.name])
    }
}

/// The fields of one object that are ignored; mostly none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Ignored(Arc<[PathPattern]>);

impl Ignored {
    /// Returns the fields that these paths name.
    pub fn of_paths(paths: impl IntoIterator<Item = PathPattern>) -> Self {
        Self(paths.into_iter().collect::<BTreeSet<_>>().into_iter().collect())
    }

    /// Returns whether every field counts.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns whether a field is ignored.
    pub fn covers(&self, path: &FieldPath) -> bool {
        Steps::new(&self.0).cover(path)
    }

    /// Returns the object without what is ignored.
    #[must_use]
    pub fn strip(&self, object: &Value) -> Value {
        self.steps().strip(object).unwrap_or_else(|| Value::Object(Map::new()))
    }

    pub(crate) fn steps(&self) -> Steps<'_> {
        Steps::new(&self.0)
    }
}

/// Returns what is ignored of each desired object, as far as something is. `scaled` says whether a
/// HorizontalPodAutoscaler drives an object.
pub fn of(desired: &Desired, rules: &[Rule], scaled: impl Fn(&ObjectKey) -> bool) -> BTreeMap<ObjectKey, Ignored> {
    // Those that are about to be applied count already: they scale as soon as they are there.
    let ours: BTreeSet<ObjectKey> = desired.objects.values().filter_map(|object| scaled_by(&object.manifest)).collect();
    let ignored = desired.objects.iter().filter_map(|(key, object)| {
        let rules = rules.iter().filter(|rule| rule.is_about(key)).flat_map(|rule| rule.paths.iter().cloned());
        let replicas = PathPattern::of_fields(&["spec", "replicas"]);
        let scaled = has_replicas(&object.manifest) && (ours.contains(key) || scaled(key));
        let paths = rules.chain(scaled.then_some(replicas));
        // What a Secret's `stringData` says is its `data` once it is applied.
        let is_secret = key.group.is_empty() && key.kind == "Secret";
        let ignored =
            Ignored::of_paths(paths.map(|path| if is_secret { path.moved("stringData", "data") } else { path }));
        (!ignored.is_empty()).then(|| (key.clone(), ignored))
    });
    ignored.collect()
}

/// Returns what an object drives, if it is a HorizontalPodAutoscaler; the field is the same at every version.
pub fn scaled_by(object: &Value) -> Option<ObjectKey> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let gvk = Gvk::new(object["apiVersion"].as_str()?, object["kind"].as_str()?);
    let reference = &object["spec"]["scaleTargetRef"];
    let target = Gvk::new(reference["apiVersion"].as_str().unwrap_or_default(), reference["kind"].as_str()?);
    (gvk.group == "autoscaling" && gvk.kind == "HorizontalPodAutoscaler").then_some(ObjectKey {
        group: target.group,
        kind: target.kind,
        namespace: text(&object["metadata"]["namespace"]),
        name: text(&reference["name"])?,
    })
}

/// Returns whether an object says how many replicas it wants, so that an autoscaler may disagree.
pub fn has_replicas(manifest: &Value) -> bool {
    manifest.pointer("/spec/replicas").is_some()
}

/// Returns what is to be applied to an object that is there: the manifest, with what is ignored left out or as it is.
/// The result holds for this state of the live object only.
pub fn to_send(manifest: &Value, live: &Value, ours: &FieldManager, ignored: &Ignored) -> Value {
    let entries: Vec<ManagedFields> =
        managed::entries(live).iter().filter_map(|entry| ManagedFields::parse(entry).ok()).collect();
    let all = |entries: &mut dyn Iterator<Item = &ManagedFields>| {
        entries.fold(FieldSet::default(), |all, entry| all.union(&entry.fields))
    };
    let mine = all(&mut entries.iter().filter(|entry| entry.is_apply_of(ours)));
    let others = all(&mut entries.iter().filter(|entry| !entry.is_apply_of(ours)));
    let owned = Owned { known: Some(&mine.union(&others)), sole: Some(&mine.difference(&others)) };
    merged(manifest, Some(live), owned, &ignored.steps()).unwrap_or_else(|| Value::Object(Map::new()))
}

/// Who owns what below one place of a live object.
#[derive(Clone, Copy)]
struct Owned<'a> {
    /// What anybody owns; where it ends, the value is owned as a whole.
    known: Option<&'a FieldSet>,
    /// What only we own.
    sole: Option<&'a FieldSet>,
}

impl<'a> Owned<'a> {
    fn below(self, segment: &Segment) -> Self {
        Self {
            known: self.known.and_then(|set| set.child(segment)),
            sole: self.sole.and_then(|set| set.child(segment)),
        }
    }

    /// Returns whether the value is owned as a whole, so that a part of it can't be left out.
    fn is_whole(self) -> bool {
        self.known.is_none_or(|set| set.children().next().is_none())
    }

    /// Returns what is sent for an ignored value that stands at `below`.
    fn keep(self, below: Self, live: Option<&Value>) -> Option<Value> {
        if self.is_whole() { live.cloned() } else { below.sole?.project_with_keys(live?) }
    }
}

/// Returns the manifest with the live values of what is ignored where they have to be sent.
fn merged(manifest: &Value, live: Option<&Value>, owned: Owned<'_>, steps: &Steps<'_>) -> Option<Value> {
    if steps.is_empty() {
        return Some(manifest.clone());
    }
    match manifest {
        Value::Object(map) => {
            let mut sent = Map::new();
            for (name, value) in map {
                let segment = Segment::Field(name.clone());
                let (live, below) = (live.and_then(|live| live.get(name)), owned.below(&segment));
                let value = match steps.field(name) {
                    Below::Matched => owned.keep(below, live),
                    Below::On(steps) => merged(value, live, below, &steps),
                };
                sent.extend(value.map(|value| (name.clone(), value)));
            }
            (map.is_empty() || !sent.is_empty()).then_some(Value::Object(sent))
        }
        Value::Array(items) => {
            let none = Vec::new();
            let live = live.and_then(Value::as_array).unwrap_or(&none);
            let mut sent = Vec::new();
            for (place, item) in items.iter().enumerate() {
                let (segment, found) = find(item, place, live, owned.known);
                let below = owned.below(&segment);
                sent.extend(match steps.item(place, item) {
                    Below::Matched => owned.keep(below, found).map(|kept| with_key(kept, &segment)),
                    Below::On(steps) => merged(item, found, below, &steps),
                });
            }
            (items.is_empty() || !sent.is_empty()).then_some(Value::Array(sent))
        }
        scalar => Some(scalar.clone()),
    }
}

/// Adds the fields that say which item of a list it is.
fn with_key(mut item: Value, segment: &Segment) -> Value {
    if let (Some(fields), Segment::Key(key)) = (item.as_object_mut(), segment)
        && let Value::Object(key) = key.value()
    {
        fields.extend(key);
    }
    item
}

/// Returns the step to an item of a list, and what is live there: by its key, which the manifest may leave out in part,
/// by its value, or by its place where the list is owned as a whole.
fn find<'a>(item: &Value, place: usize, live: &'a [Value], known: Option<&FieldSet>) -> (Segment, Option<&'a Value>) {
    let segments = || known.into_iter().flat_map(FieldSet::children).map(|(segment, _)| segment);
    for segment in segments() {
        let found = match segment {
            Segment::Key(key) => {
                let key = key.value();
                let agrees = |(name, value): (&String, &Value)| item.get(name).is_none_or(|own| own == value);
                let fields = key.as_object();
                let names = fields.into_iter().flatten().any(|(name, _)| item.get(name).is_some());
                names && fields.into_iter().flatten().all(agrees)
            }
            Segment::Value(value) => *value == Literal::new(item),
            Segment::Field(_) | Segment::Index(_) => false,
        };
        if found {
            return (segment.clone(), segment.step_into(live));
        }
    }
    (Segment::Index(place), live.get(place).filter(|_| segments().next().is_none()))
}
