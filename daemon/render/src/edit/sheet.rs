//! The text of a file that is being edited, and the splices that change it: in its own style, and nothing beside them.

use std::ops::Range;

use plumb_core::{commit::RepoPath, problem::Problem, trigger::place::DocumentName};

use super::{
    EditError, refused,
    sketch::{self, Entry, Kind, Node, Sketch},
    written::written,
};
use crate::yaml::{
    self, Document, Options, Position,
    granit::Notation,
    split::{Part, split},
};

/// What UTF-8 files of some editors begin with.
const MARK: &[u8] = b"\xef\xbb\xbf";

/// A part of a text and what comes into its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Splice {
    pub(crate) range: Range<usize>,
    pub(crate) text: String,
}

/// A file that is to be edited.
pub(crate) struct Sheet<'a> {
    pub(crate) file: &'a RepoPath,
    pub(crate) text: &'a str,
    mark: &'a [u8],
    /// A file of JSON is edited as the YAML that it is, but everything in it stays in double quotes.
    pub(crate) json: bool,
    line_end: &'static str,
    /// What the file says.
    pub(crate) documents: Vec<Document>,
    sketches: Vec<Sketch>,
}

impl<'a> Sheet<'a> {
    /// Reads a file.
    ///
    /// # Errors
    /// Every problem of the file; bytes that are no UTF-8.
    pub(crate) fn open(file: &'a RepoPath, bytes: &'a [u8]) -> Result<Self, EditError> {
        let documents = yaml::read(file, bytes, &Options::default()).map_err(EditError::Unreadable)?;
        let (mark, rest) = bytes.split_at(if bytes.starts_with(MARK) { MARK.len() } else { 0 });
        let text = std::str::from_utf8(rest)
            .map_err(|_| refused(file, Position::default(), "is stored in UTF-16", "store it as UTF-8"))?;
        let json = text.trim_start().starts_with('{');
        let line_end =
            if text.split_inclusive('\n').next().is_some_and(|line| line.ends_with("\r\n")) { "\r\n" } else { "\n" };
        let mut sketches = Vec::new();
        for part in split(text) {
            let Part::Document(chunk) = part else { continue };
            let start = chunk.text.as_ptr().addr() - text.as_ptr().addr();
            let sketch = sketch::sketch(chunk, start).map_err(|error| {
                let origin = error.at.in_file(file);
                EditError::Unreadable(vec![Problem { origin, message: error.message, remedy: error.remedy }])
            })?;
            sketches.extend(sketch);
        }
        Ok(Self { file, text, mark, json, line_end, documents, sketches })
    }

    /// Returns one document of the file, and which of [`Sheet::documents`] it is.
    ///
    /// # Errors
    /// There is none, or more than one is meant.
    pub(crate) fn document(&self, name: Option<&DocumentName>) -> Result<(&Sketch, usize), EditError> {
        let fits = |document: &Document| {
            let text = |pointer: &str| document.value.pointer(pointer).and_then(serde_json::Value::as_str);
            name.is_none_or(|DocumentName { kind, name }| {
                text("/kind") == Some(kind) && text("/metadata/name") == Some(name)
            })
        };
        let mut fitting = self.documents.iter().enumerate().filter(|(_, document)| fits(document));
        let none = Position::default();
        let (index, document) = match (fitting.next(), fitting.next()) {
            (Some(found), None) => found,
            (None, _) => {
                let what = match name {
                    Some(DocumentName { kind, name }) => format!("has no document of kind {kind} with the name {name}"),
                    None => "holds nothing".to_owned(),
                };
                return Err(refused(self.file, none, &what, "write it there first"));
            }
            (Some(_), Some((_, second))) => {
                let at = Position { line: second.origin.line, column: second.origin.column };
                let remedy = "name the one that is meant by its kind and its name, each of which is there once";
                return Err(refused(self.file, at, "is a second document that may be meant", remedy));
            }
        };
        let stands = |sketch: &&Sketch| {
            (sketch.root.at.line, sketch.root.at.column) == (document.origin.line, document.origin.column)
        };
        match self.sketches.iter().find(stands) {
            Some(sketch) => Ok((sketch, index)),
            None => Err(refused(
                self.file,
                none,
                "can't be edited as it is written",
                "write it as one plain document of YAML",
            )),
        }
    }

    /// Returns the bytes of the file with these changes.
    pub(crate) fn with(&self, mut splices: Vec<Splice>) -> Vec<u8> {
        splices.sort_by_key(|splice| (splice.range.start, splice.range.end));
        let mut bytes = self.mark.to_vec();
        let mut done = 0;
        for Splice { range, text } in &splices {
            assert!(done <= range.start && range.start <= range.end, "changes of a file overlap");
            bytes.extend_from_slice(&self.text.as_bytes()[done..range.start]);
            bytes.extend_from_slice(text.as_bytes());
            done = range.end;
        }
        bytes.extend_from_slice(&self.text.as_bytes()[done..]);
        bytes
    }

    /// Returns a refusal to edit at a node.
    pub(crate) fn refused(&self, at: Position, what: &str, remedy: &str) -> EditError {
        refused(self.file, at, what, remedy)
    }

    /// Puts another text into the place of a scalar.
    pub(crate) fn replaced(&self, node: &Node, entry: Option<&Entry>, new: &str) -> Result<Splice, EditError> {
        let Kind::Scalar { text, notation } = &node.kind else {
            return Err(self.refused(node.at, "is no text", "name a field that holds one text"));
        };
        if node.tagged {
            return Err(self.refused(node.at, "has a tag", "remove the tag"));
        }
        let Some(new) = written(new, *notation, self.json) else {
            return Err(self.refused(node.at, "is written as a block", "write it on one line, without | or >"));
        };
        if *notation == Notation::Plain && text.is_empty() {
            let colon = entry.filter(|_| node.anchor.is_none()).and_then(|entry| self.colon(entry));
            return match colon {
                Some(colon) => Ok(Splice { range: colon..colon, text: format!(" {new}") }),
                None => Err(self.refused(node.at, "is empty", "write a first text there")),
            };
        }
        Ok(Splice { range: node.range.clone(), text: new })
    }

    /// Returns a line or an element that says `key: value`.
    pub(crate) fn pair(&self, key: &str, value: &str) -> String {
        let text = |text: &str| written(text, Notation::Plain, self.json).unwrap_or_default();
        format!("{}: {}", text(key), text(value))
    }

    /// Adds entries to a mapping, each as one line or several; in flow style each of them is one element.
    pub(crate) fn added(&self, mapping: &Node, lines: &[String]) -> Result<Splice, EditError> {
        let Kind::Mapping { flow, entries } = &mapping.kind else {
            return Err(self.refused(mapping.at, "is no mapping", "write it as one"));
        };
        if *flow {
            let ends = entries.last().map(|entry| self.entry_end(entry, true));
            return self.inserted(mapping, ends, &lines.join(", "));
        }
        let column = entries.first().map_or(1, |entry| entry.key.at.column);
        // Behind a block of text it is not known where that ends.
        match entries.iter().rev().find_map(|entry| self.entry_end(entry, false)) {
            Some(end) => self.below(end, column, lines, mapping.at),
            None => {
                Err(self.refused(mapping.at, "holds nothing but blocks of text", "write the field there by hand once"))
            }
        }
    }

    /// Adds an element to a sequence: as lines of a block, or in flow style as one text.
    pub(crate) fn appended(&self, sequence: &Node, block: &[String], flow: &str) -> Result<Splice, EditError> {
        let Kind::Sequence { flow: is_flow, elements } = &sequence.kind else {
            return Err(self.refused(sequence.at, "is no list", "write it as one"));
        };
        if *is_flow {
            return self.inserted(sequence, elements.last().map(|element| self.end(element)), flow);
        }
        match (elements.last().and_then(|element| self.end(element)), self.dash(sequence)) {
            (Some(end), Some(column)) => self.below(end, column, block, sequence.at),
            _ => Err(self.refused(
                sequence.at,
                "is a list whose end can't be told",
                "write the entry there by hand once",
            )),
        }
    }

    /// Returns the column of the dashes of a list in block style, where the first one stands right before its element.
    pub(crate) fn dash(&self, sequence: &Node) -> Option<u32> {
        let Kind::Sequence { flow: false, elements } = &sequence.kind else { return None };
        let before = self.text[..elements.first()?.range.start].trim_end_matches([' ', '\t', '\r', '\n']);
        let line = before.strip_suffix('-')?.rsplit('\n').next()?;
        u32::try_from(line.chars().count() + 1).ok()
    }

    /// Adds an element to a collection in flow style: behind its last one, if it has any.
    fn inserted(&self, collection: &Node, last: Option<Option<usize>>, element: &str) -> Result<Splice, EditError> {
        match last {
            None => {
                let start = collection.range.start + 1;
                Ok(Splice { range: start..start, text: element.to_owned() })
            }
            Some(Some(end)) => Ok(Splice { range: end..end, text: format!(", {element}") }),
            Some(None) => Err(self.refused(collection.at, "can't be added to", "write the entry there by hand once")),
        }
    }

    /// Writes lines, indented to a column, below the line on which an offset is.
    pub(crate) fn below(&self, end: usize, column: u32, lines: &[String], at: Position) -> Result<Splice, EditError> {
        let line = self.text[end..].find('\n').map_or(self.text.len(), |found| end + found);
        let rest = self.text[end..line].trim();
        if !rest.is_empty() && !rest.starts_with('#') {
            return Err(self.refused(at, "can't be added to", "write the field there by hand once"));
        }
        let indent = " ".repeat(usize::try_from(column.saturating_sub(1)).unwrap_or_default());
        let lines = lines.iter().map(|line| format!("{indent}{line}"));
        Ok(match self.text[line..].is_empty() {
            // The last line has no end, and the new one gets none.
            true => Splice { range: line..line, text: lines.map(|line| format!("{}{line}", self.line_end)).collect() },
            false => Splice {
                range: line + 1..line + 1,
                text: lines.map(|line| format!("{line}{}", self.line_end)).collect(),
            },
        })
    }

    /// Takes an entry out of a mapping, with the comment behind it.
    pub(crate) fn removed(&self, mapping: &Node, index: usize) -> Result<Splice, EditError> {
        let Kind::Mapping { flow, entries } = &mapping.kind else {
            return Err(self.refused(mapping.at, "is no mapping", "write it as one"));
        };
        let entry = &entries[index];
        let by_hand = || self.refused(entry.key.at, "can't be taken out", "remove it by hand");
        let end = self.entry_end(entry, *flow).ok_or_else(by_hand)?;
        if *flow {
            let range = match (index.checked_sub(1), entries.get(index + 1)) {
                (Some(before), _) => self.entry_end(&entries[before], true).ok_or_else(by_hand)?..end,
                (None, Some(after)) => entry.key.range.start..after.key.range.start,
                (None, None) => entry.key.range.start..end,
            };
            return Ok(Splice { range, text: String::new() });
        }
        let start = self.text[..entry.key.range.start].rfind('\n').map_or(0, |found| found + 1);
        let line = self.text[end..].find('\n').map_or(self.text.len(), |found| end + found + 1);
        let rest = self.text[end..line].trim();
        if !self.text[start..entry.key.range.start].trim().is_empty() || !rest.is_empty() && !rest.starts_with('#') {
            return Err(by_hand());
        }
        Ok(Splice { range: start..line, text: String::new() })
    }

    /// Returns where an entry ends.
    fn entry_end(&self, entry: &Entry, flow: bool) -> Option<usize> {
        match &entry.value.kind {
            Kind::Scalar { text, notation: Notation::Plain } if text.is_empty() => {
                let colon = self.colon(entry).or(flow.then_some(entry.key.range.end));
                colon.filter(|_| entry.value.anchor.is_none() && !entry.value.tagged)
            }
            Kind::Scalar { .. } | Kind::Mapping { .. } | Kind::Sequence { .. } | Kind::Alias => self.end(&entry.value),
        }
    }

    /// Returns where a node ends, where that can be told.
    fn end(&self, node: &Node) -> Option<usize> {
        match &node.kind {
            Kind::Scalar { notation: Notation::Block, .. } => None,
            Kind::Scalar { text, notation: Notation::Plain } if text.is_empty() => None,
            Kind::Scalar { .. }
            | Kind::Alias
            | Kind::Mapping { flow: true, .. }
            | Kind::Sequence { flow: true, .. } => Some(node.range.end),
            Kind::Mapping { flow: false, entries } => self.entry_end(entries.last()?, false),
            Kind::Sequence { flow: false, elements } => self.end(elements.last()?),
        }
    }

    /// Returns what stands right behind the colon of an entry.
    pub(crate) fn colon(&self, entry: &Entry) -> Option<usize> {
        let behind = &self.text[entry.key.range.end..];
        let spaces = behind.len() - behind.trim_start_matches([' ', '\t']).len();
        behind[spaces..].starts_with(':').then_some(entry.key.range.end + spaces + 1)
    }
}
