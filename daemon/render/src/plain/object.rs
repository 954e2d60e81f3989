//! The checks that make a value a manifest: apiVersion, kind, name, and text where Kubernetes has only text.

use std::{cell::OnceCell, sync::Arc};

use plumb_core::object::{Gvk, Manifest, ObjectKey, Origin};
use serde_json::{Map, Value};

use crate::{
    position::{Found, descend},
    yaml::{Outline, Position, Reading, outline::Content},
};

/// The longest name of any kind (a DNS subdomain).
const NAME_LENGTH: usize = 253;

/// The longest name of a namespace (a DNS label).
const NAMESPACE_LENGTH: usize = 63;

/// The checks of the objects of one document.
pub(super) struct Checks<'c, 'r> {
    reading: &'c mut Reading<'r>,
    bytes: &'c [u8],
    document: Position,
    outline: OnceCell<Option<Outline>>,
}

/// What is known of an object while it is checked.
struct Subject {
    at: Position,
    /// How messages call it; empty until its kind is known.
    name: String,
}

impl<'c, 'r> Checks<'c, 'r> {
    /// Starts the checks of a document of the file that is being read.
    pub(super) fn new(reading: &'c mut Reading<'r>, bytes: &'c [u8], document: &Origin) -> Self {
        let document = Position { line: document.line, column: document.column };
        Self { reading, bytes, document, outline: OnceCell::new() }
    }

    /// Notes a problem that no field is to blame for.
    pub(super) fn report(&mut self, at: Position, message: &str, remedy: &str) {
        self.reading.report(at, message, remedy);
    }

    /// Makes a value a manifest; returns nothing if there is something wrong with it.
    pub(super) fn manifest(&mut self, value: Value, at: Position) -> Option<Manifest> {
        let before = self.reading.problem_count();
        let mut subject = Subject { at, name: String::new() };
        let Value::Object(object) = &value else {
            let message = format!("the document is {}, not an object of Kubernetes", describe(&value));
            self.reading.report(at, message, "write a mapping with apiVersion, kind and metadata");
            return None;
        };
        if ["apiVersion", "kind"].iter().all(|field| object.get(*field).is_none_or(Value::is_null)) {
            let message = "the document has neither apiVersion nor kind, so it is not an object of Kubernetes";
            self.reading.report(at, message, "add them, or keep files that hold no objects outside this path");
            return None;
        }
        let version = self.text(&subject, object, "apiVersion").map(str::to_owned);
        let kind = self.text(&subject, object, "kind").map(str::to_owned);
        subject.name = kind.clone().unwrap_or_default();
        self.api_version(&subject, version.as_deref());
        self.kind(&subject, kind.as_deref());
        let key = self.metadata(&mut subject, object);
        if self.reading.problem_count() > before {
            return None;
        }
        let gvk = Gvk::new(&version?, &kind?);
        let (namespace, name) = key?;
        let key = ObjectKey { group: gvk.group.clone(), kind: gvk.kind.clone(), namespace, name };
        Some(Manifest { gvk, key, value: Arc::new(value), origin: at.in_file(self.reading.file) })
    }

    /// Returns apiVersion or kind.
    fn text<'v>(&mut self, subject: &Subject, object: &'v Map<String, Value>, field: &str) -> Option<&'v str> {
        match object.get(field) {
            Some(Value::String(text)) if !text.is_empty() => Some(text),
            None | Some(Value::Null | Value::String(_)) => {
                self.reading.report(subject.at, format!("the object has no {field}"), "add it");
                None
            }
            Some(other) => {
                self.wrong_kind(subject, field, other, "it has to be a string");
                None
            }
        }
    }

    fn api_version(&mut self, subject: &Subject, version: Option<&str>) {
        let part = |part: &str| {
            !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-.".contains(&b))
        };
        if let Some(version) = version.filter(|version| version.split('/').count() > 2 || !version.split('/').all(part))
        {
            let message = format!("{version:?} is not an API version");
            self.at_field(subject, "apiVersion", &message, "write group/version, such as apps/v1, or v1");
        }
    }

    fn kind(&mut self, subject: &Subject, kind: Option<&str>) {
        if let Some(kind) = kind.filter(|kind| !kind.bytes().all(|byte| byte.is_ascii_alphanumeric())) {
            let message = format!("{kind:?} is not a kind");
            self.at_field(subject, "kind", &message, "write letters and digits only, such as Deployment");
        }
    }

    /// Checks the metadata; returns namespace and name if there are both right.
    fn metadata(&mut self, subject: &mut Subject, object: &Map<String, Value>) -> Option<(Option<String>, String)> {
        let empty = Map::new();
        let metadata = match object.get("metadata") {
            Some(Value::Object(metadata)) => metadata,
            None | Some(Value::Null) => &empty,
            Some(other) => {
                self.wrong_kind(subject, "metadata", other, "it has to be a mapping");
                return None;
            }
        };
        if let (Some(Value::String(name)), kind) = (metadata.get("name"), &subject.name) {
            subject.name = match metadata.get("namespace") {
                Some(Value::String(namespace)) => format!("{kind} {namespace}/{name}"),
                _ => format!("{kind} {name}"),
            };
        }
        let name = self.name(subject, metadata);
        let namespace = self.namespace(subject, metadata);
        self.texts(subject, metadata, "labels");
        self.texts(subject, metadata, "annotations");
        Some((namespace, name?))
    }

    fn name(&mut self, subject: &Subject, metadata: &Map<String, Value>) -> Option<String> {
        let field = "metadata.name";
        match metadata.get("name") {
            Some(Value::String(name)) if !name.is_empty() => {
                // The characters that no kind allows; each kind's own rule is the API server's.
                let valid = name.len() <= NAME_LENGTH
                    && !matches!(name.as_str(), "." | "..")
                    && !name.contains(|c: char| matches!(c, '/' | '%') || c.is_control());
                if !valid {
                    let message = format!("{name:?} is not a name");
                    self.at_field(subject, field, &message, "write at most 253 characters, without / and %");
                }
                Some(name.clone())
            }
            None | Some(Value::Null | Value::String(_)) => {
                if metadata.get("generateName").is_some_and(|prefix| !prefix.is_null()) {
                    let message = "every sync would create one more object";
                    self.at_field(subject, "metadata.generateName", message, "write metadata.name instead");
                } else {
                    self.at_field(subject, field, "the object has no name", "add metadata.name");
                }
                None
            }
            Some(other) => {
                self.wrong_kind(subject, field, other, "names are strings");
                None
            }
        }
    }

    fn namespace(&mut self, subject: &Subject, metadata: &Map<String, Value>) -> Option<String> {
        let field = "metadata.namespace";
        match metadata.get("namespace") {
            None | Some(Value::Null) => None,
            Some(Value::String(namespace)) if namespace.is_empty() => None,
            Some(Value::String(namespace)) => {
                let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
                let valid = namespace.len() <= NAMESPACE_LENGTH
                    && namespace.bytes().all(inner)
                    && !namespace.starts_with('-')
                    && !namespace.ends_with('-');
                if !valid {
                    let message = format!("{namespace:?} is not the name of a namespace");
                    self.at_field(subject, field, &message, "write at most 63 lower-case letters, digits and dashes");
                }
                Some(namespace.clone())
            }
            Some(other) => {
                self.wrong_kind(subject, field, other, "names are strings");
                None
            }
        }
    }

    /// Checks that labels or annotations hold nothing but text.
    fn texts(&mut self, subject: &Subject, metadata: &Map<String, Value>, field: &str) {
        let path = format!("metadata.{field}");
        match metadata.get(field) {
            None | Some(Value::Null) => {}
            Some(Value::Object(entries)) => {
                for (key, value) in entries {
                    if !value.is_string() {
                        self.wrong_kind(subject, &format!("{path}.{key}"), value, &format!("{field} are strings"));
                    }
                }
            }
            Some(other) => self.wrong_kind(subject, &path, other, "it has to be a mapping"),
        }
    }

    /// Notes that a value is of the wrong kind, and how to write it.
    fn wrong_kind(&mut self, subject: &Subject, path: &str, value: &Value, wanted: &str) {
        let written = match self.find(subject, path) {
            Some(Found { complete: true, node, .. }) => match &node.content {
                Content::Scalar(text) if !text.is_empty() => Some(text.clone()),
                _ => None,
            },
            _ => None,
        };
        let written = written.unwrap_or_else(|| match value {
            Value::Bool(_) | Value::Number(_) => value.to_string(),
            _ => String::new(),
        });
        let (what, remedy) = match value {
            Value::Null => ("the value is null".to_owned(), "write \"\", or remove the key".to_owned()),
            Value::Bool(_) | Value::Number(_) => {
                (format!("{written} is {}", describe(value)), format!("write \"{written}\""))
            }
            _ => (format!("the value is {}", describe(value)), "correct it".to_owned()),
        };
        self.at_field(subject, path, &format!("{what}, {wanted}"), &remedy);
    }

    /// Notes a problem of a field, at the place of the field or the nearest node above it.
    fn at_field(&mut self, subject: &Subject, path: &str, message: &str, remedy: &str) {
        let at = self.find(subject, path).map_or(subject.at, |found| found.at);
        let name = if subject.name.is_empty() { String::new() } else { format!("{}: ", subject.name) };
        self.reading.report(at, format!("{name}{path}: {message}"), remedy);
    }

    fn find(&self, subject: &Subject, path: &str) -> Option<Found<'_>> {
        // Past the limit problems are only counted.
        if self.reading.full() {
            return None;
        }
        let outline = self.outline.get_or_init(|| Outline::of(self.bytes, self.document)).as_ref()?;
        Some(descend(outline.node_at(subject.at)?, path))
    }
}

fn describe(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "a mapping",
    }
}
