//! YAML events from granit-parser. The only file that knows this parser.

use std::{borrow::Cow, ops::Range};

use granit_parser::{
    ErrorKind, Event as Raw, Marker, Parser, ScalarStyle, ScanError, Span, StrInput, StructureStyle, options,
};

use super::{
    Position,
    event::{AnchorId, Event, Events, Style, SyntaxError, Tag},
    indent,
    split::Chunk,
};

/// The namespace of the tags written with `!!`.
const CORE: &str = "tag:yaml.org,2002:";

/// How a scalar is written, as far as it decides how another text is written in its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Notation {
    Plain,
    Single,
    Double,
    /// `|` or `>`, over several lines.
    Block,
}

/// One step through a text that is to be edited.
pub(crate) enum Drawn<'a> {
    DocumentStart,
    DocumentEnd,
    End,
    Scalar { text: Cow<'a, str>, notation: Notation, tag: Option<Tag>, anchor: AnchorId },
    SequenceStart { flow: bool, tagged: bool, anchor: AnchorId },
    MappingStart { flow: bool, tagged: bool, anchor: AnchorId },
    CollectionEnd,
    Alias(AnchorId),
}

/// The events of one chunk of a file.
pub(crate) struct YamlEvents<'a> {
    parser: Parser<'a, StrInput<'a>>,
    chunk: Chunk<'a>,
}

impl<'a> YamlEvents<'a> {
    /// Starts at the beginning of a chunk; deeper nesting than `depth` is an error.
    pub(crate) fn new(chunk: Chunk<'a>, depth: usize) -> Self {
        let options = options! {
            disallow_directives: true,
            emit_unresolved_aliases: true,
            emit_comments: false,
            flow_nesting_limit: depth,
            block_nesting_limit: depth,
        };
        Self { parser: Parser::new_from_str_with_options(chunk.text, options), chunk }
    }

    /// Returns the next step, which bytes of the chunk it covers and where it stands.
    pub(crate) fn drawn(&mut self) -> Result<(Drawn<'a>, Range<usize>, Position), SyntaxError> {
        loop {
            let (raw, span) = match self.parser.next_event() {
                None => return Ok((Drawn::End, 0..0, Position { line: self.chunk.line, column: 1 })),
                Some(Err(error)) => return Err(self.error(&error)),
                Some(Ok(next)) => next,
            };
            let drawn = match raw {
                Raw::StreamEnd => Drawn::End,
                Raw::DocumentStart(..) => Drawn::DocumentStart,
                Raw::DocumentEnd => Drawn::DocumentEnd,
                Raw::Scalar(text, style, id, written) => {
                    let notation = match style {
                        ScalarStyle::Plain => Notation::Plain,
                        ScalarStyle::SingleQuoted => Notation::Single,
                        ScalarStyle::DoubleQuoted => Notation::Double,
                        ScalarStyle::Literal | ScalarStyle::Folded => Notation::Block,
                    };
                    Drawn::Scalar { text, notation, tag: written.as_deref().map(tag), anchor: anchor(id) }
                }
                Raw::SequenceStart(style, id, tag) => {
                    let flow = style == StructureStyle::Flow;
                    Drawn::SequenceStart { flow, tagged: tag.is_some(), anchor: anchor(id) }
                }
                Raw::MappingStart(style, id, tag) => {
                    let flow = style == StructureStyle::Flow;
                    Drawn::MappingStart { flow, tagged: tag.is_some(), anchor: anchor(id) }
                }
                Raw::SequenceEnd | Raw::MappingEnd => Drawn::CollectionEnd,
                Raw::Alias(id) => Drawn::Alias(anchor(id)),
                Raw::UnresolvedAlias(_) => Drawn::Alias(None),
                // Stream start, and presentation that was not asked for.
                _ => continue,
            };
            return Ok((drawn, self.range(&span), self.position(&span.start)));
        }
    }

    /// Returns the bytes of the chunk, as the file has it, that a span covers.
    fn range(&self, span: &Span) -> Range<usize> {
        self.offset(&span.start)..self.offset(&span.end)
    }

    fn offset(&self, mark: &Marker) -> usize {
        let line = u32::try_from(mark.line()).unwrap_or(u32::MAX);
        let mut added = self.chunk.indented.partition_point(|indented| *indented < line);
        added += usize::from(self.chunk.indented.binary_search(&line).is_ok() && mark.col() >= indent::ADDED);
        mark.byte_offset().unwrap_or_default().saturating_sub(added * indent::ADDED)
    }

    fn position(&self, mark: &Marker) -> Position {
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let added = if self.chunk.indented.binary_search(&count(mark.line())).is_ok() { indent::ADDED } else { 0 };
        Position {
            line: self.chunk.line.saturating_add(count(mark.line().saturating_sub(1))),
            column: count(mark.col().saturating_sub(added)).saturating_add(1),
        }
    }

    fn error(&self, error: &ScanError) -> SyntaxError {
        let at_end = error.marker().byte_offset() == Some(self.chunk.text.len());
        let (message, remedy) = match error.kind() {
            // What the parser says when the text ends inside quotes.
            ErrorKind::InvalidQuotedScalarIndent if at_end => {
                ("the quoted text has no end".to_owned(), "close the quotes")
            }
            kind => explain(kind),
        };
        let underindented = match error.kind() {
            ErrorKind::InvalidQuotedScalarIndent | ErrorKind::TabInIndentation if !at_end => {
                error.marker().byte_offset()
            }
            _ => None,
        };
        SyntaxError { at: self.position(error.marker()), message, remedy: remedy.to_owned(), underindented }
    }
}

impl<'a> Events<'a> for YamlEvents<'a> {
    fn next(&mut self) -> Result<(Event<'a>, Position), SyntaxError> {
        loop {
            let (raw, span) = match self.parser.next_event() {
                None => return Ok((Event::End, Position { line: self.chunk.line, column: 1 })),
                Some(Err(error)) => return Err(self.error(&error)),
                Some(Ok(next)) => next,
            };
            let at = self.position(&span.start);
            let event = match raw {
                Raw::StreamEnd => Event::End,
                Raw::DocumentStart(..) => Event::DocumentStart,
                Raw::DocumentEnd => Event::DocumentEnd,
                Raw::Scalar(text, style, id, written) => {
                    let style = if style == ScalarStyle::Plain { Style::Plain } else { Style::Quoted };
                    Event::Scalar { text, style, tag: written.as_deref().map(tag), anchor: anchor(id) }
                }
                Raw::SequenceStart(_, id, _) => Event::SequenceStart { anchor: anchor(id) },
                Raw::SequenceEnd => Event::SequenceEnd,
                Raw::MappingStart(_, id, _) => Event::MappingStart { anchor: anchor(id) },
                Raw::MappingEnd => Event::MappingEnd,
                Raw::Alias(id) => Event::Alias { anchor: id },
                Raw::UnresolvedAlias(_) => Event::UnknownAlias,
                // Stream start, and presentation that was not asked for.
                _ => continue,
            };
            return Ok((event, at));
        }
    }
}

fn anchor(id: usize) -> AnchorId {
    (id != 0).then_some(id)
}

fn tag(tag: &granit_parser::Tag) -> Tag {
    match tag.suffix_in_namespace(CORE).as_deref() {
        Some("int") => Tag::Int,
        Some("float") => Tag::Float,
        Some("bool") => Tag::Bool,
        Some("null") => Tag::Null,
        Some("binary") => Tag::Binary,
        Some("merge") => Tag::Merge,
        _ => Tag::Text,
    }
}

/// Returns what is wrong, and what helps in the cases that people meet.
fn explain(kind: &ErrorKind) -> (String, &'static str) {
    let remedy = match kind {
        ErrorKind::TabNotAllowed | ErrorKind::TabInBlockIndentation | ErrorKind::TabInIndentation => {
            "indent with spaces"
        }
        ErrorKind::MappingValueNotAllowed => "indent it as its neighbours, or quote a value that contains \": \"",
        ErrorKind::UnexpectedCharacter { .. } => "put the value in quotes",
        ErrorKind::UnclosedQuotedScalar | ErrorKind::DocumentIndicatorInQuotedScalar => "close the quotes",
        ErrorKind::UnclosedFlowCollection { .. } => "close it",
        ErrorKind::InvalidQuotedScalarIndent => "indent the line deeper than its key",
        ErrorKind::CommentNotSeparated => "put a space before #",
        ErrorKind::RecursionLimitExceeded => {
            return ("sequences and mappings are nested too deeply".to_owned(), "flatten the document");
        }
        ErrorKind::DirectiveDisallowed => {
            return (
                "a line that starts with % is a directive, which Kubernetes does not read".to_owned(),
                "remove it",
            );
        }
        ErrorKind::SimpleKeyExpected | ErrorKind::InvalidSimpleKey => "end the key with a colon and a space",
        _ => "",
    };
    (kind.to_string(), remedy)
}
