//! Paths into an object as server-side apply writes them: `.spec.containers[name="app"].image`.
//!
//! Owns: the segments and their two spellings (FieldsV1 keys, and the text of messages).
//! Must never do: know what a path means.

use std::{collections::BTreeMap, fmt};

use serde::Serialize;
use serde_json::Value;

/// A JSON value in one canonical spelling, so that it can be compared and sorted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Literal(String);

impl Literal {
    /// Takes a value; the keys of an object are sorted.
    pub fn new(value: &Value) -> Self {
        match value {
            Value::Object(map) => Self::of_map(&map.iter().map(|(name, value)| (name.as_str(), value)).collect()),
            other => Self(other.to_string()),
        }
    }

    /// Returns the key of a list item: the named fields of it; nothing if it lacks one.
    pub(crate) fn of_key(item: &Value, names: &[String]) -> Option<Self> {
        let fields: Option<BTreeMap<&str, &Value>> =
            names.iter().map(|name| item.get(name).map(|value| (name.as_str(), value))).collect();
        Some(Self::of_map(&fields?))
    }

    fn of_map(map: &BTreeMap<&str, &Value>) -> Self {
        Self(serde_json::to_string(map).expect("because maps of text and JSON values always serialise"))
    }

    /// Returns the value.
    pub fn value(&self) -> Value {
        serde_json::from_str(&self.0).expect("because the text was written from a value")
    }
}

/// One step of a path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Segment {
    /// A field of a map (`f:`).
    Field(String),
    /// The list item with these key fields (`k:`).
    Key(Literal),
    /// The list item with this value (`v:`).
    Value(Literal),
    /// The list item at this place (`i:`).
    Index(usize),
}

impl Segment {
    /// Reads a key of FieldsV1, such as `f:spec` or `k:{"name":"app"}`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (prefix, rest) = text.split_once(':')?;
        match prefix {
            "f" => Some(Self::Field(rest.to_owned())),
            "k" => {
                let value: Value = serde_json::from_str(rest).ok()?;
                value.is_object().then(|| Self::Key(Literal::new(&value)))
            }
            "v" => Some(Self::Value(Literal::new(&serde_json::from_str(rest).ok()?))),
            "i" => rest.parse().ok().map(Self::Index),
            _ => None,
        }
    }

    /// Returns the key of FieldsV1.
    pub(crate) fn to_key(&self) -> String {
        match self {
            Self::Field(name) => format!("f:{name}"),
            Self::Key(key) => format!("k:{}", key.0),
            Self::Value(value) => format!("v:{}", value.0),
            Self::Index(index) => format!("i:{index}"),
        }
    }

    /// Returns the names of the key fields, sorted, for a `k:` segment.
    pub(crate) fn key_names(&self) -> Option<Vec<String>> {
        match self {
            Self::Key(key) => Some(key.value().as_object()?.keys().cloned().collect()),
            Self::Field(_) | Self::Value(_) | Self::Index(_) => None,
        }
    }

    /// Returns the name of the field, for an `f:` segment.
    pub(crate) fn field_name(&self) -> Option<&str> {
        match self {
            Self::Field(name) => Some(name),
            Self::Key(_) | Self::Value(_) | Self::Index(_) => None,
        }
    }

    /// Returns the item of a list that the step leads to.
    pub(crate) fn step_into<'a>(&self, items: &'a [Value]) -> Option<&'a Value> {
        match self {
            Self::Key(key) => {
                let key = key.value();
                let wanted = key.as_object()?;
                items.iter().find(|item| wanted.iter().all(|(name, value)| item.get(name) == Some(value)))
            }
            Self::Value(wanted) => items.iter().find(|item| Literal::new(item) == *wanted),
            Self::Index(index) => items.get(*index),
            Self::Field(_) => None,
        }
    }

    /// Returns what the step leads to.
    fn step<'a>(&self, value: &'a Value) -> Option<&'a Value> {
        match self {
            Self::Field(name) => value.as_object()?.get(name),
            Self::Key(_) | Self::Value(_) | Self::Index(_) => self.step_into(value.as_array()?),
        }
    }
}

impl fmt::Display for Segment {
    /// Writes the step as the API server does in its messages.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(name) => write!(f, ".{name}"),
            Self::Key(key) => {
                let key = key.value();
                let fields: Vec<String> =
                    key.as_object().into_iter().flatten().map(|(name, value)| format!("{name}={value}")).collect();
                write!(f, "[{}]", fields.join(","))
            }
            Self::Value(value) => write!(f, "[={}]", value.0),
            Self::Index(index) => write!(f, "[{index}]"),
        }
    }
}

/// A path into an object.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FieldPath(Vec<Segment>);

impl FieldPath {
    /// Makes a path of its steps.
    pub fn new(segments: Vec<Segment>) -> Self {
        Self(segments)
    }

    /// Makes a path through maps only.
    pub fn of_fields(names: &[&str]) -> Self {
        Self(names.iter().map(|name| Segment::Field((*name).to_owned())).collect())
    }

    /// Returns the steps.
    pub fn segments(&self) -> &[Segment] {
        &self.0
    }

    /// Returns the path with one more step.
    #[must_use]
    pub fn join(&self, segment: Segment) -> Self {
        let mut segments = self.0.clone();
        segments.push(segment);
        Self(segments)
    }

    /// Returns the value that the object has there.
    pub fn lookup<'a>(&self, object: &'a Value) -> Option<&'a Value> {
        self.0.iter().try_fold(object, |value, segment| segment.step(value))
    }

    /// Returns whether the path leads through these fields first, or ends there.
    pub(crate) fn starts_with(&self, names: &[&str]) -> bool {
        self.0.len() >= names.len()
            && self.0.iter().zip(names).all(|(segment, name)| matches!(segment, Segment::Field(field) if field == name))
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|segment| segment.fmt(f))
    }
}

impl Serialize for FieldPath {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
