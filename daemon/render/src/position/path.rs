//! Paths to fields, in the forms in which the API server and people write them.

use crate::yaml::{
    Position,
    outline::{Content, Field, Node},
};

/// The nearest node to a path.
#[derive(Clone, Copy)]
pub(crate) struct Found<'n> {
    /// Where its key stands, or the node itself in a sequence.
    pub(crate) at: Position,
    pub(crate) node: &'n Node,
    /// Whether the path was followed to its end.
    pub(crate) complete: bool,
}

/// Follows a path from a node as far as it goes.
pub(crate) fn descend<'n>(node: &'n Node, path: &str) -> Found<'n> {
    let mut found = Found { at: node.at, node, complete: false };
    let mut rest = path;
    let pointer = path.starts_with('/');
    loop {
        if rest.is_empty() || rest == "." {
            return Found { complete: true, ..found };
        }
        let step = if pointer { pointer_step(found.node, rest) } else { dotted_step(found.node, rest) };
        let Some((at, node, after)) = step else { return found };
        found = Found { at, node, complete: false };
        rest = after;
    }
}

type Step<'n, 'p> = Option<(Position, &'n Node, &'p str)>;

/// One segment of a JSON pointer.
fn pointer_step<'n, 'p>(node: &'n Node, rest: &'p str) -> Step<'n, 'p> {
    let segment = rest.strip_prefix('/')?;
    let (segment, after) = segment.split_at(segment.find('/').unwrap_or(segment.len()));
    let name = segment.replace("~1", "/").replace("~0", "~");
    match &node.content {
        Content::Mapping(fields) => field(fields, |field| (field.name == name).then_some(after)),
        Content::Sequence(elements) => {
            let element = elements.get(name.parse::<usize>().ok()?)?;
            Some((element.at, element, after))
        }
        Content::Scalar(_) | Content::Other => None,
    }
}

/// One step of a dotted path: `.name`, `[0]`, `[name="app"]`, `[key]`.
fn dotted_step<'n, 'p>(node: &'n Node, rest: &'p str) -> Step<'n, 'p> {
    let rest = rest.strip_prefix('.').unwrap_or(rest);
    match &node.content {
        Content::Mapping(fields) => match bracket(rest) {
            Some((inner, after)) => {
                let name = inner.trim_matches(['"', '\'']);
                field(fields, |field| (field.name == name).then_some(after))
            }
            // Keys hold dots themselves, so the longest key that fits is meant.
            None => {
                let fits = |field: &Field| {
                    let after = rest.strip_prefix(field.name.as_str())?;
                    (after.is_empty() || after.starts_with(['.', '['])).then_some(after)
                };
                let longest = fields.iter().filter(|field| !field.name.is_empty() && fits(field).is_some());
                let length = longest.map(|field| field.name.len()).max()?;
                field(fields, |field| fits(field).filter(|_| field.name.len() == length))
            }
        },
        Content::Sequence(elements) => {
            let (inner, after) = bracket(rest)?;
            let element = match inner.parse::<usize>() {
                Ok(index) => elements.get(index)?,
                Err(_) => elements.iter().find(|element| selects(inner, element))?,
            };
            Some((element.at, element, after))
        }
        Content::Scalar(_) | Content::Other => None,
    }
}

/// Returns the last field that a test takes: of a key that is there twice, the last one counts.
fn field<'n, 'p>(fields: &'n [Field], test: impl Fn(&'n Field) -> Option<&'p str>) -> Step<'n, 'p> {
    fields.iter().rev().find_map(|field| test(field).map(|after| (field.at, &field.value, after)))
}

/// Splits `[inner]after`; brackets inside quotes do not count.
pub(crate) fn bracket(text: &str) -> Option<(&str, &str)> {
    let inner = text.strip_prefix('[')?;
    let mut quoted = false;
    for (offset, character) in inner.char_indices() {
        match character {
            '"' => quoted = !quoted,
            ']' if !quoted => return Some((&inner[..offset], &inner[offset + 1..])),
            _ => {}
        }
    }
    None
}

/// Returns whether `name="app",protocol="TCP"` or `="value"` describes an element (structured-merge-diff's notation).
fn selects(selector: &str, element: &Node) -> bool {
    let scalar =
        |node: &Node, wanted: &str| matches!(&node.content, Content::Scalar(text) if text == wanted.trim_matches('"'));
    if let Some(wanted) = selector.strip_prefix('=') {
        return scalar(element, wanted);
    }
    let Content::Mapping(fields) = &element.content else { return false };
    selector.split(',').all(|part| {
        let Some((name, wanted)) = part.split_once('=') else { return false };
        // A key that the element leaves out has a default, which can't be known here.
        fields.iter().find(|field| field.name == name).is_none_or(|field| scalar(&field.value, wanted))
    })
}
