//! Paths into objects as people write them: JSON pointers (RFC 6901) whose steps may hold `*` and `?`, and may name the item
//! of a list by its key fields (`name=app`), by its value, or by its place.
//!
//! Owns: their syntax, and what a step matches. Must never do: know why a path is matched.

use serde::Serialize;
use serde_json::{Map, Value};
use wildmatch::WildMatch;

use crate::{
    fields::path::{FieldPath, Segment},
    object::PART_OF,
};

/// Steps of one path: deeper than any built-in kind reaches.
const STEPS_MAX: usize = 32;

/// What says which object it is, or whose.
const IDENTITY: [&[&str]; 8] = [
    &["apiVersion"],
    &["kind"],
    &["metadata", "labels"],
    &["metadata", "managedFields"],
    &["metadata", "name"],
    &["metadata", "namespace"],
    &["metadata", "resourceVersion"],
    &["metadata", "uid"],
];

/// Says that a path can't be read, or must not be matched.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// It is no JSON pointer.
    #[error("{text:?} is no JSON pointer (RFC 6901); write a path such as /spec/replicas, with ~1 for / and ~0 for ~")]
    Syntax {
        /// As written.
        text: String,
    },
    /// It covers what says which object this is, or whose.
    #[error("{text:?} covers more than plumb can leave alone; name a field below, such as /metadata/annotations/*")]
    TooWide {
        /// As written.
        text: String,
    },
}

/// One path, which may match many fields.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct PathPattern(Vec<String>);

impl PathPattern {
    /// Reads a path.
    ///
    /// # Errors
    /// What is no JSON pointer, is deeper than 32 steps, or covers the identity of an object.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        let syntax = || PatternError::Syntax { text: text.to_owned() };
        let steps: Option<Vec<String>> = text.strip_prefix('/').ok_or_else(syntax)?.split('/').map(unescaped).collect();
        let steps = steps.filter(|steps| steps.len() <= STEPS_MAX && !steps.iter().any(String::is_empty));
        let steps = steps.ok_or_else(syntax)?;
        let pattern = Self(steps);
        let steps = Steps::new(std::slice::from_ref(&pattern));
        if IDENTITY.iter().any(|path| steps.cover(&FieldPath::of_fields(path))) {
            return Err(PatternError::TooWide { text: text.to_owned() });
        }
        Ok(pattern)
    }

    /// Returns the path whose steps are these fields.
    pub(crate) fn of_fields(names: &[&str]) -> Self {
        Self(names.iter().map(|name| (*name).to_owned()).collect())
    }

    /// Returns the path with another first step, if it begins with `from`.
    pub(crate) fn moved(&self, from: &str, to: &str) -> Self {
        let mut steps = self.0.clone();
        if steps.first().is_some_and(|first| first == from) {
            to.clone_into(&mut steps[0]);
        }
        Self(steps)
    }
}

fn unescaped(step: &str) -> Option<String> {
    let mut text = String::with_capacity(step.len());
    let mut characters = step.chars();
    while let Some(character) = characters.next() {
        text.push(match character {
            '~' => match characters.next()? {
                '0' => '~',
                '1' => '/',
                _ => return None,
            },
            character => character,
        });
    }
    Some(text)
}

/// Where some patterns stand on the way through an object: what is left of each that has matched so far.
#[derive(Debug, Clone, Default)]
pub(crate) struct Steps<'a>(Vec<&'a [String]>);

/// What patterns say of one step down.
pub(crate) enum Below<'a> {
    /// One of them ends there.
    Matched,
    /// None ends there; these go on.
    On(Steps<'a>),
}

impl<'a> Steps<'a> {
    /// Starts at the root of an object.
    pub(crate) fn new(patterns: &'a [PathPattern]) -> Self {
        Self(patterns.iter().map(|pattern| pattern.0.as_slice()).collect())
    }

    /// Returns whether nothing below can match.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Goes down to a field of a map. The label that says whose the object is never matches.
    pub(crate) fn field(&self, name: &str) -> Below<'a> {
        self.down(|step| name != PART_OF && is_like(step, name))
    }

    /// Goes down to an item of a list.
    pub(crate) fn item(&self, place: usize, item: &Value) -> Below<'a> {
        self.down(|step| step == "*" || is_item(step, Some(place), item))
    }

    fn segment(&self, segment: &Segment) -> Below<'a> {
        match segment {
            Segment::Field(name) => self.field(name),
            Segment::Key(key) => self.down(|step| step == "*" || is_item(step, None, &key.value())),
            Segment::Value(value) => self.down(|step| step == "*" || is_item(step, None, &value.value())),
            Segment::Index(place) => self.item(*place, &Value::Null),
        }
    }

    fn down(&self, matches: impl Fn(&str) -> bool) -> Below<'a> {
        let mut left = Vec::new();
        for steps in &self.0 {
            let Some((first, rest)) = steps.split_first() else { continue };
            if matches(first) {
                if rest.is_empty() {
                    return Below::Matched;
                }
                left.push(rest);
            }
        }
        Below::On(Self(left))
    }

    /// Returns whether a path is matched, or one above it.
    pub(crate) fn cover(&self, path: &FieldPath) -> bool {
        let mut at = self.clone();
        for segment in path.segments() {
            match at.segment(segment) {
                Below::Matched => return true,
                Below::On(below) => at = below,
            }
        }
        false
    }

    /// Returns the value without what is matched below; nothing if nothing else was in it.
    pub(crate) fn strip(&self, value: &Value) -> Option<Value> {
        if self.is_empty() {
            return Some(value.clone());
        }
        match value {
            Value::Object(map) => {
                let mut kept = Map::new();
                for (name, value) in map {
                    if let Below::On(below) = self.field(name)
                        && let Some(value) = below.strip(value)
                    {
                        kept.insert(name.clone(), value);
                    }
                }
                (map.is_empty() || !kept.is_empty()).then_some(Value::Object(kept))
            }
            Value::Array(items) => {
                let kept: Vec<Value> = items
                    .iter()
                    .enumerate()
                    .filter_map(|(place, item)| match self.item(place, item) {
                        Below::Matched => None,
                        Below::On(below) => below.strip(item),
                    })
                    .collect();
                (items.is_empty() || !kept.is_empty()).then_some(Value::Array(kept))
            }
            scalar => Some(scalar.clone()),
        }
    }
}

/// Returns whether a step, which may be a glob, matches a text.
fn is_like(step: &str, text: &str) -> bool {
    step == text || step.contains(['*', '?']) && WildMatch::new(step).matches(text)
}

/// Returns whether a step names an item: a map by some of its fields (`containerPort=80,protocol=TCP`), a scalar by
/// itself, anything by its place.
fn is_item(step: &str, place: Option<usize>, item: &Value) -> bool {
    if place.is_some() && step.parse() == Ok(place.unwrap_or_default()) {
        return true;
    }
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    match item {
        Value::Object(fields) => step.split(',').all(|pair| {
            let named = pair.split_once('=').and_then(|(name, value)| Some((fields.get(name)?, value)));
            named.is_some_and(|(found, value)| is_like(value, &text(found)))
        }),
        Value::Array(_) | Value::Null => false,
        scalar => is_like(step, &text(scalar)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn pointers_are_read_and_too_wide_ones_refused() {
        let check = |text: &str, expected: Option<&[&str]>| {
            let read = PathPattern::parse(text).ok();
            assert_eq!(read, expected.map(PathPattern::of_fields), "{text}");
        };
        check("/spec/replicas", Some(&["spec", "replicas"]));
        check("/metadata/annotations/a.b~1c", Some(&["metadata", "annotations", "a.b/c"]));
        check("/metadata/labels/*", Some(&["metadata", "labels", "*"]));
        check("/data/~01", Some(&["data", "~1"]));
        for bad in ["", "spec/replicas", "/", "/spec/", "/spec//x", "/a~2", "/a~", ".spec.replicas"] {
            assert!(matches!(PathPattern::parse(bad), Err(PatternError::Syntax { .. })), "{bad}");
        }
        for wide in
            ["/*", "/metadata", "/kin?", "/metadata/labels", "/metadata/l*", "/metadata/*", "/*/*", "/metadata/name"]
        {
            assert!(matches!(PathPattern::parse(wide), Err(PatternError::TooWide { .. })), "{wide}");
        }
        assert!(PathPattern::parse(&"/x".repeat(STEPS_MAX + 1)).is_err());
    }

    #[test]
    fn what_is_matched_is_stripped_and_the_rest_kept() {
        let check = |paths: &[&str], value: Value, expected: Value| {
            let patterns: Vec<_> = paths.iter().map(|path| PathPattern::parse(path).expect("a path")).collect();
            assert_eq!(Steps::new(&patterns).strip(&value).unwrap_or_default(), expected, "{paths:?}");
        };
        check(&["/spec/replicas"], json!({"spec": {"replicas": 3, "x": 1}}), json!({"spec": {"x": 1}}));
        check(&["/spec/replicas"], json!({"spec": {"replicas": 3}, "data": {}}), json!({"data": {}}));
        check(&["/data/*"], json!({"data": {"a": "1", "b": "2"}, "kind": "x"}), json!({"kind": "x"}));
        check(&["/data/gen-*"], json!({"data": {"gen-a": "1", "b": "2"}}), json!({"data": {"b": "2"}}));
        check(&["/data/a", "/data/c"], json!({"data": {"a": "1", "b": "2"}}), json!({"data": {"b": "2"}}));
        let containers = json!({"c": [{"name": "app", "image": "1"}, {"name": "side", "image": "2"}]});
        check(&["/c/name=app"], containers.clone(), json!({"c": [{"name": "side", "image": "2"}]}));
        check(
            &["/c/name=app/image"],
            containers.clone(),
            json!({"c": [{"name": "app"}, {"name": "side", "image": "2"}]}),
        );
        check(&["/c/*/image"], containers.clone(), json!({"c": [{"name": "app"}, {"name": "side"}]}));
        check(&["/c/1/image"], containers, json!({"c": [{"name": "app", "image": "1"}, {"name": "side"}]}));
        let ports = json!({"p": [{"port": 80, "protocol": "TCP", "x": 1}, {"port": 80, "protocol": "UDP", "x": 1}]});
        check(
            &["/p/port=80,protocol=UDP/x"],
            ports,
            json!({"p": [{"port": 80, "protocol": "TCP", "x": 1}, {"port": 80, "protocol": "UDP"}]}),
        );
        check(&["/f/a.b~1c"], json!({"f": ["a.b/c", "d"]}), json!({"f": ["d"]}));
        let labels = json!({"metadata": {"labels": {PART_OF: "x", "a": "b"}}});
        check(&["/metadata/labels/*"], labels, json!({"metadata": {"labels": {PART_OF: "x"}}}));
    }
}
