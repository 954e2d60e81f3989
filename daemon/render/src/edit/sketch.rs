//! One document as it is written: which bytes each node covers, and in which notation.

use std::{collections::BTreeSet, ops::Range};

use crate::yaml::{
    Limits, Position,
    event::{AnchorId, Style, SyntaxError, Tag},
    granit::{Drawn, Notation, YamlEvents},
    indent::Indented,
    key::Key,
    split::Chunk,
};

/// How many bytes are parsed again for their indentation.
const INDENTABLE: usize = 1 << 20;

/// One node.
#[derive(Debug)]
pub(crate) struct Node {
    /// The bytes of the text that it covers: of a scalar and of a collection in flow style all of it, of one in block style its
    /// beginning.
    pub(crate) range: Range<usize>,
    pub(crate) at: Position,
    pub(crate) kind: Kind,
    pub(crate) anchor: AnchorId,
    /// Has a tag that says something else than that it is text.
    pub(crate) tagged: bool,
}

/// What a node is.
#[derive(Debug)]
pub(crate) enum Kind {
    Scalar { text: String, notation: Notation },
    Mapping { flow: bool, entries: Vec<Entry> },
    Sequence { flow: bool, elements: Vec<Node> },
    Alias,
}

/// One entry of a mapping.
#[derive(Debug)]
pub(crate) struct Entry {
    /// The name of its key; empty where the key is none, as of `<<`.
    pub(crate) name: String,
    pub(crate) key: Node,
    pub(crate) value: Node,
}

/// A document.
#[derive(Debug)]
pub(crate) struct Sketch {
    pub(crate) root: Node,
    /// The anchors that are referred to.
    pub(crate) aliased: BTreeSet<usize>,
}

/// Reads one chunk; `start` is where it begins in the text.
pub(crate) fn sketch(chunk: Chunk<'_>, start: usize) -> Result<Option<Sketch>, SyntaxError> {
    let depth = Limits::default().depth;
    match read(YamlEvents::new(chunk, depth), start) {
        Err(error) => match Indented::new(chunk, depth, &mut { INDENTABLE }) {
            Some(indented) => read(YamlEvents::new(indented.chunk(chunk.line), depth), start),
            None => Err(error),
        },
        read => read,
    }
}

fn read(events: YamlEvents<'_>, start: usize) -> Result<Option<Sketch>, SyntaxError> {
    let mut drawing = Drawing { events, start, aliased: BTreeSet::new() };
    if !matches!(drawing.events.drawn()?.0, Drawn::DocumentStart) {
        return Ok(None);
    }
    let (root, _) = drawing.node()?;
    Ok(root.map(|root| Sketch { root, aliased: drawing.aliased }))
}

struct Drawing<'a> {
    events: YamlEvents<'a>,
    start: usize,
    aliased: BTreeSet<usize>,
}

impl Drawing<'_> {
    /// Returns the next node and, at the end of the collection or the document around it, nothing; with the bytes covered.
    ///
    /// The parser's limit on nesting is what bounds the recursion.
    fn node(&mut self) -> Result<(Option<Node>, Range<usize>), SyntaxError> {
        let (drawn, range, at) = self.events.drawn()?;
        let mut range = self.start + range.start..self.start + range.end;
        let (kind, anchor, tagged) = match drawn {
            Drawn::Scalar { text, notation, tag, anchor } => {
                // The parser tells what is not there as "~".
                let text = if range.is_empty() { String::new() } else { text.into_owned() };
                let kind = Kind::Scalar { text, notation };
                (kind, anchor, !matches!(tag, None | Some(Tag::Text)))
            }
            Drawn::SequenceStart { flow, tagged, anchor } => {
                let mut elements = Vec::new();
                while let Some(element) = self.inner(&mut range, flow)? {
                    elements.push(element);
                }
                (Kind::Sequence { flow, elements }, anchor, tagged)
            }
            Drawn::MappingStart { flow, tagged, anchor } => {
                let mut entries = Vec::new();
                while let Some(key) = self.inner(&mut range, flow)? {
                    let (Some(value), _) = self.node()? else { break };
                    entries.push(Entry { name: name(&key), key, value });
                }
                (Kind::Mapping { flow, entries }, anchor, tagged)
            }
            Drawn::Alias(target) => {
                self.aliased.extend(target);
                (Kind::Alias, None, false)
            }
            Drawn::CollectionEnd | Drawn::DocumentStart | Drawn::DocumentEnd | Drawn::End => return Ok((None, range)),
        };
        Ok((Some(Node { range: range.clone(), at, kind, anchor, tagged }), range))
    }

    /// Returns the next node of a collection; the end of one in flow style is where its bracket is.
    fn inner(&mut self, collection: &mut Range<usize>, flow: bool) -> Result<Option<Node>, SyntaxError> {
        let (node, covered) = self.node()?;
        if node.is_none() && flow {
            collection.end = covered.end;
        }
        Ok(node)
    }
}

/// Returns the name that a key has; empty where it is no plain name.
fn name(key: &Node) -> String {
    let Kind::Scalar { text, notation } = &key.kind else { return String::new() };
    let style = if *notation == Notation::Plain { Style::Plain } else { Style::Quoted };
    match Key::of_scalar(text.as_str().into(), style, None) {
        Ok(Key::Name(name) | Key::Converted { name, .. }) if !key.tagged => name,
        Ok(_) | Err(_) => String::new(),
    }
}
