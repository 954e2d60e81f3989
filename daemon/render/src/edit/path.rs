//! Paths to fields of a text that is to be edited: as [`crate::position`] reads them, but every step has to be there.

use super::sketch::{Entry, Kind, Node, Sketch};
use crate::position::path::bracket;

/// One step from a node into one of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    Key(String),
    Index(usize),
}

/// Where a path leads.
pub(crate) enum Found<'s> {
    /// To a node: its entry, where it is the value of one.
    Node(&'s Node, Option<&'s Entry>),
    /// To a key that its mapping does not have.
    Missing { mapping: &'s Node, key: String },
    /// No further than to a node, at this rest of the path.
    Stopped { node: &'s Node, rest: String },
}

/// A path that was followed.
pub(crate) struct Followed<'s> {
    pub(crate) found: Found<'s>,
    /// The steps to the node, or to the mapping that lacks the key.
    pub(crate) steps: Vec<Step>,
    /// The nodes on the way, the last one included.
    pub(crate) way: Vec<&'s Node>,
}

/// Follows a path from the root of a document.
pub(crate) fn follow<'s>(sketch: &'s Sketch, path: &str) -> Followed<'s> {
    let (mut node, mut entry, mut rest) = (&sketch.root, None, path);
    let (mut steps, mut way) = (Vec::new(), vec![node]);
    let pointer = path.starts_with('/');
    let found = loop {
        if rest.is_empty() || !pointer && rest == "." {
            break Found::Node(node, entry);
        }
        let next = if pointer { by_pointer(node, rest) } else { by_dots(node, rest) };
        match next {
            Next::Into { step, node: below, entry: of, rest: after } => {
                steps.push(step);
                way.push(below);
                (node, entry, rest) = (below, of, after);
            }
            Next::Missing(key) => break Found::Missing { mapping: node, key },
            Next::Stop => break Found::Stopped { node, rest: rest.to_owned() },
        }
    };
    Followed { found, steps, way }
}

enum Next<'s, 'p> {
    Into { step: Step, node: &'s Node, entry: Option<&'s Entry>, rest: &'p str },
    Missing(String),
    Stop,
}

/// One segment of a JSON pointer (RFC 6901).
fn by_pointer<'s, 'p>(node: &'s Node, rest: &'p str) -> Next<'s, 'p> {
    let Some(segment) = rest.strip_prefix('/') else { return Next::Stop };
    let (segment, after) = segment.split_at(segment.find('/').unwrap_or(segment.len()));
    let name = segment.replace("~1", "/").replace("~0", "~");
    match &node.kind {
        Kind::Mapping { entries, .. } => match entries.iter().find(|entry| entry.name == name) {
            Some(entry) => into(entry, after),
            None if after.is_empty() && !name.is_empty() => Next::Missing(name),
            None => Next::Stop,
        },
        Kind::Sequence { elements, .. } => at(elements, name.parse().ok(), after),
        Kind::Scalar { .. } | Kind::Alias => Next::Stop,
    }
}

/// One step of a dotted path: `.name`, `[0]`, `[name="app"]`, `["a.b"]`.
fn by_dots<'s, 'p>(node: &'s Node, rest: &'p str) -> Next<'s, 'p> {
    let rest = rest.strip_prefix('.').unwrap_or(rest);
    match &node.kind {
        Kind::Mapping { entries, .. } => {
            if let Some((inner, after)) = bracket(rest) {
                let name = inner.trim_matches(['"', '\'']);
                return match entries.iter().find(|entry| entry.name == name) {
                    Some(entry) => into(entry, after),
                    None if after.is_empty() && !name.is_empty() => Next::Missing(name.to_owned()),
                    None => Next::Stop,
                };
            }
            // Keys hold dots themselves, so the longest key that fits is meant.
            let after = |entry: &Entry| {
                let after = rest.strip_prefix(entry.name.as_str()).filter(|_| !entry.name.is_empty())?;
                (after.is_empty() || after.starts_with(['.', '['])).then_some(after.len())
            };
            let fitting = entries.iter().filter_map(|entry| Some((after(entry)?, entry)));
            match fitting.min_by_key(|(left, _)| *left) {
                Some((left, entry)) => into(entry, &rest[rest.len() - left..]),
                None if !rest.is_empty() && !rest.contains(['.', '[', ']']) => Next::Missing(rest.to_owned()),
                None => Next::Stop,
            }
        }
        Kind::Sequence { elements, .. } => {
            let Some((inner, after)) = bracket(rest) else { return Next::Stop };
            match inner.parse() {
                Ok(index) => at(elements, Some(index), after),
                Err(_) => {
                    let mut fitting = elements.iter().enumerate().filter(|(_, element)| selects(inner, element));
                    // Of two that fit none is meant.
                    match (fitting.next(), fitting.next()) {
                        (Some((index, _)), None) => at(elements, Some(index), after),
                        _ => Next::Stop,
                    }
                }
            }
        }
        Kind::Scalar { .. } | Kind::Alias => Next::Stop,
    }
}

fn into<'s, 'p>(entry: &'s Entry, rest: &'p str) -> Next<'s, 'p> {
    Next::Into { step: Step::Key(entry.name.clone()), node: &entry.value, entry: Some(entry), rest }
}

fn at<'s, 'p>(elements: &'s [Node], index: Option<usize>, rest: &'p str) -> Next<'s, 'p> {
    match index.and_then(|index| Some((index, elements.get(index)?))) {
        Some((index, node)) => Next::Into { step: Step::Index(index), node, entry: None, rest },
        None => Next::Stop,
    }
}

/// Returns whether `name="app",protocol="TCP"` describes an element: it has to have every key.
fn selects(selector: &str, element: &Node) -> bool {
    let Kind::Mapping { entries, .. } = &element.kind else { return false };
    selector.split(',').all(|part| {
        let Some((name, wanted)) = part.split_once('=') else { return false };
        let fits = |node: &Node| matches!(&node.kind, Kind::Scalar { text, .. } if text == wanted.trim_matches('"'));
        entries.iter().any(|entry| entry.name == name.trim() && fits(&entry.value))
    })
}
