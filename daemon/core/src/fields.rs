//! Which fields a manager owns: FieldsV1 of server-side apply (KEP-555) as a trie, with set algebra
//! and the projection of an object onto a set.
//!
//! Owns: the format of `metadata.managedFields`. May touch: values handed to it. Must never do:
//! decide what a difference means; `fingerprint`, `attribution` and `adoption` do.

pub mod managed;
pub mod path;
pub mod pattern;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use crate::fields::{
    path::{FieldPath, Literal, Segment},
    pattern::{Below, Steps},
};

/// Says that an entry of FieldsV1 could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FieldsError {
    /// A node is not an object.
    #[error("the field set at {at:?} is not an object; report it, the API server never writes this")]
    NotAnObject {
        /// The path as far as it was read.
        at: String,
    },
    /// A segment has none of the known prefixes, or its text is no JSON.
    #[error("the field set has the unreadable segment {segment:?}; report it with the version of the API server")]
    Segment {
        /// The segment as it was written.
        segment: String,
    },
    /// An entry of `managedFields` lacks its manager or operation.
    #[error("an entry of managedFields has no valid {field}; report it, the API server never writes this")]
    Entry {
        /// The field that is missing or malformed.
        field: &'static str,
    },
}

/// A set of paths into one object. The depth is bounded by the JSON parser that read it (128).
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct FieldSet {
    /// Whether the path that leads here is itself in the set (`.`).
    member: bool,
    /// What is owned below; a child is never wholly empty.
    children: BTreeMap<Segment, FieldSet>,
}

impl FieldSet {
    /// Returns the set that FieldsV1 describes.
    ///
    /// # Errors
    /// A node that is no object, or a segment that cannot be read.
    pub fn parse(fields: &Value) -> Result<Self, FieldsError> {
        let mut set = Self::parse_node(fields, &mut Vec::new())?;
        // An empty object is a member everywhere but at the root, where it is the empty set.
        set.member = fields.get(".").is_some();
        Ok(set)
    }

    fn parse_node(fields: &Value, at: &mut Vec<Segment>) -> Result<Self, FieldsError> {
        let Value::Object(entries) = fields else {
            return Err(FieldsError::NotAnObject { at: FieldPath::new(at.clone()).to_string() });
        };
        let mut set = Self { member: entries.is_empty() || entries.contains_key("."), children: BTreeMap::new() };
        for (name, below) in entries.iter().filter(|(name, _)| *name != ".") {
            let segment = Segment::parse(name).ok_or_else(|| FieldsError::Segment { segment: name.clone() })?;
            at.push(segment.clone());
            set.children.insert(segment, Self::parse_node(below, at)?);
            at.pop();
        }
        Ok(set)
    }

    /// Returns the set as FieldsV1.
    pub fn to_value(&self) -> Value {
        let mut entries = Map::new();
        if self.member && !self.children.is_empty() {
            entries.insert(".".to_owned(), Value::Object(Map::new()));
        }
        for (segment, child) in &self.children {
            entries.insert(segment.to_key(), child.to_value());
        }
        Value::Object(entries)
    }

    /// Returns the set of exactly these paths.
    pub fn from_paths<'a>(paths: impl IntoIterator<Item = &'a FieldPath>) -> Self {
        let mut set = Self::default();
        for path in paths {
            set.insert(path);
        }
        set
    }

    /// Adds one path.
    pub fn insert(&mut self, path: &FieldPath) {
        let mut node = self;
        for segment in path.segments() {
            node = node.children.entry(segment.clone()).or_default();
        }
        node.member = true;
    }

    /// Returns whether no path is in the set.
    pub fn is_empty(&self) -> bool {
        !self.member && self.children.is_empty()
    }

    /// Returns whether exactly this path is in the set; paths above and below it do not count.
    pub fn contains(&self, path: &FieldPath) -> bool {
        self.at(path.segments()).is_some_and(|node| node.member)
    }

    /// Returns whether this path is in the set and nothing below it.
    pub fn ends_at(&self, path: &FieldPath) -> bool {
        self.at(path.segments()).is_some_and(Self::is_leaf)
    }

    /// Returns whether something below this path is in the set.
    pub(crate) fn goes_below(&self, path: &FieldPath) -> bool {
        self.at(path.segments()).is_some_and(|node| !node.children.is_empty())
    }

    /// Returns whether the other set goes on below a path at which this one ends.
    pub(crate) fn is_filled_by(&self, other: &Self) -> bool {
        let below = |(segment, ours): (&Segment, &Self)| {
            other.children.get(segment).is_some_and(|theirs| ours.is_filled_by(theirs))
        };
        if self.is_leaf() { !other.children.is_empty() } else { self.children.iter().any(below) }
    }

    /// Puts null wherever this set ends at a map or list and the other one goes on below: it was applied empty, and all that is
    /// in it is somebody else's.
    pub(crate) fn blank_filled(&self, other: &Self, value: &mut Value) {
        if self.is_leaf() {
            let filled = match value {
                Value::Object(map) => !map.is_empty(),
                Value::Array(items) => !items.is_empty(),
                _ => false,
            };
            if filled && !other.children.is_empty() {
                *value = Value::Null;
            }
            return;
        }
        match value {
            Value::Object(map) => {
                for (segment, ours) in &self.children {
                    let below = segment.field_name().and_then(|name| map.get_mut(name));
                    if let (Some(below), Some(theirs)) = (below, other.children.get(segment)) {
                        ours.blank_filled(theirs, below);
                    }
                }
            }
            Value::Array(items) => {
                let theirs: BTreeMap<usize, &Self> =
                    other.items(items).map(|(index, _, theirs)| (index, theirs)).collect();
                let ours: Vec<(usize, &Self)> = self.items(items).map(|(index, _, ours)| (index, ours)).collect();
                for (index, ours) in ours {
                    if let Some(theirs) = theirs.get(&index) {
                        ours.blank_filled(theirs, &mut items[index]);
                    }
                }
            }
            _ => {}
        }
    }

    /// Returns whether this path, one above it that ends the set there, or one below it is in the set.
    pub fn touches(&self, path: &FieldPath) -> bool {
        let mut node = self;
        for segment in path.segments() {
            if node.is_leaf() {
                return true;
            }
            let Some(child) = node.children.get(segment) else { return false };
            node = child;
        }
        !node.is_empty()
    }

    /// Returns the paths that are in either set.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        let mut children = self.children.clone();
        for (segment, theirs) in &other.children {
            let joined = children.get(segment).map_or_else(|| theirs.clone(), |ours| ours.union(theirs));
            children.insert(segment.clone(), joined);
        }
        Self { member: self.member || other.member, children }
    }

    /// Returns the paths that are in both sets.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        let both = self.children.iter().filter_map(|(segment, ours)| {
            let common = ours.intersection(other.children.get(segment)?);
            (!common.is_empty()).then(|| (segment.clone(), common))
        });
        Self { member: self.member && other.member, children: both.collect() }
    }

    /// Returns the paths of this set that are not in the other one.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        let rest = self.children.iter().filter_map(|(segment, ours)| {
            let rest = other.children.get(segment).map_or_else(|| ours.clone(), |theirs| ours.difference(theirs));
            (!rest.is_empty()).then(|| (segment.clone(), rest))
        });
        Self { member: self.member && !other.member, children: rest.collect() }
    }

    /// Returns what is left of this set beside the other one: not its paths, and not a map or list of which only its
    /// paths were owned.
    #[must_use]
    pub fn beside(&self, other: &Self) -> Self {
        let rest = self.children.iter().filter_map(|(segment, ours)| {
            let rest = other.children.get(segment).map_or_else(|| ours.clone(), |theirs| ours.beside(theirs));
            (!rest.is_empty()).then(|| (segment.clone(), rest))
        });
        let children: BTreeMap<_, _> = rest.collect();
        let emptied = children.is_empty() && !self.children.is_empty() && !other.children.is_empty();
        Self { member: self.member && !other.member && !emptied, children }
    }

    /// Returns the paths below which nothing more is owned, in order.
    pub fn leaves(&self) -> Vec<FieldPath> {
        let mut found = Vec::new();
        self.collect_leaves(&mut Vec::new(), &mut found);
        found
    }

    fn collect_leaves(&self, at: &mut Vec<Segment>, found: &mut Vec<FieldPath>) {
        if self.is_leaf() {
            found.push(FieldPath::new(at.clone()));
        }
        for (segment, child) in &self.children {
            at.push(segment.clone());
            child.collect_leaves(at, found);
            at.pop();
        }
    }

    /// Returns the part of the object that the set owns: maps and lists with only their owned entries, in the
    /// object's order. A path that the object does not have is left out; a path that ends the set takes the
    /// whole value there, since nothing tells an atomic value from one that was applied empty.
    pub fn project(&self, object: &Value) -> Value {
        self.project_node(Some(object), None, &Steps::default()).unwrap_or_else(|| Value::Object(Map::new()))
    }

    /// Returns the projection without what is ignored, and with `absent` wherever the set ends at a field that the object
    /// does not have.
    pub(crate) fn project_marking(&self, object: &Value, absent: &Value, ignored: &Steps<'_>) -> Value {
        self.project_node(Some(object), Some(absent), ignored).unwrap_or_else(|| Value::Object(Map::new()))
    }

    fn project_node(&self, value: Option<&Value>, absent: Option<&Value>, ignored: &Steps<'_>) -> Option<Value> {
        if self.is_leaf() {
            return ignored.strip(value.or(absent)?);
        }
        match value {
            Some(Value::Array(items)) => {
                let owned = self.project_items(items, absent, ignored);
                (ignored.is_empty() || !owned.is_empty()).then_some(Value::Array(owned))
            }
            Some(Value::Object(_)) | None => {
                let mut owned = Map::new();
                for (segment, child) in &self.children {
                    let Segment::Field(name) = segment else { continue };
                    let Below::On(ignored) = ignored.field(name) else { continue };
                    let below = value.and_then(|value| value.get(name));
                    if let Some(below) = child.project_node(below, absent, &ignored) {
                        owned.insert(name.clone(), below);
                    }
                }
                (value.is_some() && ignored.is_empty() || !owned.is_empty()).then_some(Value::Object(owned))
            }
            // The set expects a map or list and the object has something else: that is a difference, so show it.
            Some(other) => Some(other.clone()),
        }
    }

    fn project_items(&self, items: &[Value], absent: Option<&Value>, ignored: &Steps<'_>) -> Vec<Value> {
        let mut owned = Vec::new();
        for (index, item, child) in self.items(items) {
            let Below::On(ignored) = ignored.item(index, item) else { continue };
            owned.extend(child.project_node(Some(item), absent, &ignored));
        }
        owned
    }

    /// Returns the items of a list of which something is owned, with their places.
    fn items<'set, 'value>(
        &'set self,
        items: &'value [Value],
    ) -> impl Iterator<Item = (usize, &'value Value, &'set Self)> {
        let shapes: BTreeSet<Vec<String>> = self.children.keys().filter_map(Segment::key_names).collect();
        items.iter().enumerate().filter_map(move |(index, item)| {
            let keyed = shapes.iter().find_map(|shape| Literal::of_key(item, shape).map(Segment::Key));
            let scalar = (!item.is_object() && !item.is_array()).then(|| Segment::Value(Literal::new(item)));
            let mut candidates = keyed.into_iter().chain(scalar).chain([Segment::Index(index)]);
            let child = candidates.find_map(|segment| self.children.get(&segment))?;
            Some((index, item, child))
        })
    }

    /// Returns the part of a value that the set owns, if there is any, so that it can be applied: items of lists come
    /// with the fields that are their key.
    pub(crate) fn project_with_keys(&self, value: &Value) -> Option<Value> {
        if self.is_leaf() {
            return Some(value.clone());
        }
        let part = match value {
            Value::Object(map) => {
                let below = self.children.iter().filter_map(|(segment, child)| {
                    let name = segment.field_name()?;
                    Some((name.to_owned(), child.project_with_keys(map.get(name)?)?))
                });
                Value::Object(below.collect())
            }
            Value::Array(items) => {
                let shapes: BTreeSet<Vec<String>> = self.children.keys().filter_map(Segment::key_names).collect();
                let owned = self.items(items).filter_map(|(_, item, child)| {
                    let mut part = child.project_with_keys(item)?;
                    let key = shapes.iter().find_map(|shape| Literal::of_key(item, shape));
                    if let (Some(part), Some(Value::Object(key))) = (part.as_object_mut(), key.map(|key| key.value())) {
                        part.extend(key);
                    }
                    Some(part)
                });
                Value::Array(owned.collect())
            }
            _ => return None,
        };
        let empty = part.as_object().is_some_and(Map::is_empty) || part.as_array().is_some_and(Vec::is_empty);
        (!empty || self.member).then_some(part)
    }

    /// Returns what is owned one step below.
    pub(crate) fn children(&self) -> impl Iterator<Item = (&Segment, &Self)> {
        self.children.iter()
    }

    /// Returns what is owned below one step.
    pub(crate) fn child(&self, segment: &Segment) -> Option<&Self> {
        self.children.get(segment)
    }

    /// Returns whether the path that leads here is itself in the set.
    pub(crate) fn is_member(&self) -> bool {
        self.member
    }

    fn is_leaf(&self) -> bool {
        self.member && self.children.is_empty()
    }

    fn at(&self, segments: &[Segment]) -> Option<&Self> {
        segments.iter().try_fold(self, |node, segment| node.children.get(segment))
    }
}
