//! Where the nodes of one document stand and how its scalars are written: made when a problem needs it, never kept.

use super::{
    Limits, Position, Strictness,
    event::{Event, Events},
    granit::YamlEvents,
    indent::Indented,
    json::JsonEvents,
    key::Key,
    reading::is_json,
    split::{Part, split},
    text,
};

/// How many bytes are parsed again for their indentation: less than when the file is read, since up to fifty problems of a
/// file each ask for an outline. Past it, problems name a node further up.
const INDENTABLE: usize = 1 << 20;

/// One node of a document.
pub(crate) struct Node {
    pub(crate) at: Position,
    pub(crate) content: Content,
}

/// What a node holds.
pub(crate) enum Content {
    /// A scalar as it is written, without its quotes.
    Scalar(String),
    Sequence(Vec<Node>),
    Mapping(Vec<Field>),
    /// An alias, or what could not be read to its end.
    Other,
}

/// One entry of a mapping.
pub(crate) struct Field {
    pub(crate) name: String,
    /// Where the key stands.
    pub(crate) at: Position,
    pub(crate) value: Node,
}

/// The nodes of one document.
pub(crate) struct Outline {
    root: Node,
}

impl Outline {
    /// Reads the document in which a position stands, as far as it can be read.
    pub(crate) fn of(bytes: &[u8], at: Position) -> Option<Self> {
        let text = text::decode(bytes, Strictness::Lenient).ok()?;
        let depth = Limits::default().depth;
        if is_json(&text) {
            let mut events = JsonEvents::new(&text);
            let mut found = None;
            while let Some(root) = root(&mut events, depth).filter(|root| root.at <= at) {
                found = Some(root);
                if !matches!(events.next(), Ok((Event::DocumentEnd, _))) {
                    break;
                }
            }
            return found.map(|root| Self { root });
        }
        let chunk = split(&text)
            .filter_map(|part| match part {
                Part::Document(chunk) => Some(chunk),
                Part::BadSeparator(_) | Part::Directive(_) => None,
            })
            .take_while(|chunk| chunk.line <= at.line)
            .last()?;
        let indented = Indented::new(chunk, depth, &mut { INDENTABLE });
        let chunk = indented.as_ref().map_or(chunk, |indented| indented.chunk(chunk.line));
        root(&mut YamlEvents::new(chunk, depth), depth).map(|root| Self { root })
    }

    /// Returns the outermost node that stands at a position.
    pub(crate) fn node_at(&self, at: Position) -> Option<&Node> {
        find(&self.root, at)
    }
}

fn find(node: &Node, at: Position) -> Option<&Node> {
    if node.at == at {
        return Some(node);
    }
    match &node.content {
        Content::Sequence(elements) => elements.iter().find_map(|element| find(element, at)),
        Content::Mapping(fields) => fields.iter().find_map(|field| find(&field.value, at)),
        Content::Scalar(_) | Content::Other => None,
    }
}

fn root<'a>(events: &mut impl Events<'a>, depth: usize) -> Option<Node> {
    match events.next().ok()? {
        (Event::DocumentStart, _) => {}
        _ => return None,
    }
    let (event, at) = events.next().ok()?;
    Some(node(events, event, at, depth).0)
}

/// Returns a node, and whether it was read to its end.
fn node<'a>(events: &mut impl Events<'a>, event: Event<'a>, at: Position, depth: usize) -> (Node, bool) {
    let (content, complete) = match event {
        Event::Scalar { text, .. } => (Content::Scalar(text.into_owned()), true),
        Event::SequenceStart { .. } if depth > 0 => sequence(events, depth - 1),
        Event::MappingStart { .. } if depth > 0 => mapping(events, depth - 1),
        Event::Alias { .. } | Event::UnknownAlias => (Content::Other, true),
        _ => (Content::Other, false),
    };
    (Node { at, content }, complete)
}

fn sequence<'a>(events: &mut impl Events<'a>, depth: usize) -> (Content, bool) {
    let mut elements = Vec::new();
    loop {
        match events.next() {
            Ok((Event::SequenceEnd, _)) => return (Content::Sequence(elements), true),
            Ok((event, at)) => {
                let (element, complete) = node(events, event, at, depth);
                elements.push(element);
                if !complete {
                    return (Content::Sequence(elements), false);
                }
            }
            Err(_) => return (Content::Sequence(elements), false),
        }
    }
}

fn mapping<'a>(events: &mut impl Events<'a>, depth: usize) -> (Content, bool) {
    let mut fields = Vec::new();
    loop {
        let (name, at) = match events.next() {
            Ok((Event::MappingEnd, _)) => return (Content::Mapping(fields), true),
            Ok((Event::Scalar { text, style, tag, .. }, at)) => (name(Key::of_scalar(text, style, tag)), at),
            Ok((event, at)) => {
                if !node(events, event, at, depth).1 {
                    return (Content::Mapping(fields), false);
                }
                (String::new(), at)
            }
            Err(_) => return (Content::Mapping(fields), false),
        };
        let Ok((event, value_at)) = events.next() else { return (Content::Mapping(fields), false) };
        let (value, complete) = node(events, event, value_at, depth);
        fields.push(Field { name, at, value });
        if !complete {
            return (Content::Mapping(fields), false);
        }
    }
}

fn name<E>(key: Result<Key, E>) -> String {
    match key {
        Ok(Key::Name(name) | Key::Converted { name, .. }) => name,
        Ok(Key::Merge) | Err(_) => String::new(),
    }
}
