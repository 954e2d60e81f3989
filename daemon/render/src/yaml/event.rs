//! The seam between parsers and the rest: a stream of events with positions.
//!
//! Two parsers feed it, one for YAML and one for JSON; a third can take the place of either without a change elsewhere.

use std::borrow::Cow;

use super::Position;

/// How a scalar was written, as far as it decides what the scalar means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// Without quotes: may be a number, a boolean or null.
    Plain,
    /// In quotes or as a block: always text, unless a tag says otherwise.
    Quoted,
    /// A number, `true`, `false` or `null` of JSON.
    Literal,
}

/// An explicit tag, as far as kubectl knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tag {
    Int,
    Float,
    Bool,
    Null,
    Binary,
    Merge,
    /// `!!str`, `!`, and every tag that kubectl does not know: a scalar stays text.
    Text,
}

/// The number of an anchor in its document; absent for nodes without one.
pub(crate) type AnchorId = Option<usize>;

/// One step of a parser through a document.
pub(crate) enum Event<'a> {
    DocumentStart,
    DocumentEnd,
    End,
    Scalar {
        text: Cow<'a, str>,
        style: Style,
        tag: Option<Tag>,
        anchor: AnchorId,
    },
    SequenceStart {
        anchor: AnchorId,
    },
    SequenceEnd,
    MappingStart {
        anchor: AnchorId,
    },
    MappingEnd,
    /// A reference to an anchor of the same document, possibly one that is still open.
    Alias {
        anchor: usize,
    },
    /// A reference to an anchor that the document does not have.
    UnknownAlias,
}

/// Why a parser can't go on.
#[derive(Debug)]
pub(crate) struct SyntaxError {
    pub(crate) at: Position,
    pub(crate) message: String,
    /// What to do about it; empty where the message says it.
    pub(crate) remedy: String,
    /// If only the indentation of a line of quoted text is wrong: the offset in the parsed text where that line's first
    /// character stands.
    pub(crate) underindented: Option<usize>,
}

/// A parser. After an error it must not be asked again.
pub(crate) trait Events<'a> {
    /// Returns the next event and where it stands.
    fn next(&mut self) -> Result<(Event<'a>, Position), SyntaxError>;
}
