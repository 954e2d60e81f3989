//! Changing one text in a file of YAML or JSON: every other byte stays, comments, order, quotes and line ends.
//!
//! Every result is read again and compared with what it was to become; what can't be changed that way is refused with file,
//! line and remedy. An alias, a text that others repeat by an alias, a block and a tag are not changed.
//! Must never do: write a file that says anything else than before but for the one value.

pub(crate) mod path;
pub(crate) mod sheet;
mod sketch;
mod written;

use plumb_core::{
    class::Class,
    commit::RepoPath,
    problem::Problem,
    trigger::place::{DocumentName, FieldPath},
};
use serde_json::Value;

use crate::yaml::{self, Options, Position};
use path::{Followed, Found, Step, follow};
use sheet::{Sheet, Splice};
pub(crate) use sketch::{Entry, Kind, Node, Sketch};

/// Longest text that is written: a reference to an image has fewer characters.
const TEXT_BYTES_MAX: usize = 4096;

/// Why a file was not changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// It can't be read.
    #[error("the file is not valid: {}", crate::summary(.0))]
    Unreadable(Vec<Problem>),
    /// It can be read, and not changed.
    #[error("{0}")]
    Refused(Problem),
}

impl EditError {
    /// Returns what helps: always a change of the file.
    pub fn class(&self) -> Class {
        match self {
            Self::Unreadable(_) | Self::Refused(_) => Class::Wait,
        }
    }
}

/// Returns the text that a field of a file holds; nothing where the field, or the last key of the path, is not there or null.
/// What is no text is returned in words that no text is.
///
/// # Errors
/// The file can't be read; no one document is meant; the path leads nowhere.
pub fn read(
    file: &RepoPath,
    bytes: &[u8],
    document: Option<&DocumentName>,
    path: &FieldPath,
) -> Result<Option<String>, EditError> {
    let sheet = Sheet::open(file, bytes)?;
    let (sketch, index) = sheet.document(document)?;
    let Followed { found, steps, .. } = follow(sketch, path.as_str());
    match found {
        Found::Node(..) => Ok(shown(value_at(&sheet.documents[index].value, &steps))),
        Found::Missing { key, .. } => {
            // A merge may bring what the mapping itself does not have.
            let mut below = steps;
            below.push(Step::Key(key));
            Ok(shown(value_at(&sheet.documents[index].value, &below)))
        }
        Found::Stopped { node, rest } => Err(stopped(&sheet, node, path, &rest)),
    }
}

/// Returns a file with another text in one field; the key is added where only that is missing. A second time it changes nothing.
///
/// # Errors
/// As [`read`]; the field is no text, or can't be changed without changing something else.
pub fn set(
    file: &RepoPath,
    bytes: &[u8],
    document: Option<&DocumentName>,
    path: &FieldPath,
    new: &str,
) -> Result<Vec<u8>, EditError> {
    writable(file, new)?;
    let sheet = Sheet::open(file, bytes)?;
    let (sketch, index) = sheet.document(document)?;
    let Followed { found, mut steps, way } = follow(sketch, path.as_str());
    let value = &sheet.documents[index].value;
    let splice = match found {
        Found::Node(node, entry) => {
            if value_at(value, &steps) == Some(&Value::String(new.to_owned())) {
                return Ok(bytes.to_vec());
            }
            unshared(&sheet, sketch, &way)?;
            sheet.replaced(node, entry, new)?
        }
        Found::Missing { mapping, key } => {
            steps.push(Step::Key(key.clone()));
            if value_at(value, &steps) == Some(&Value::String(new.to_owned())) {
                return Ok(bytes.to_vec());
            }
            writable(file, &key)?;
            unshared(&sheet, sketch, &way)?;
            sheet.added(mapping, &[sheet.pair(&key, new)])?
        }
        Found::Stopped { node, rest } => return Err(stopped(&sheet, node, path, &rest)),
    };
    let mut expected = value.clone();
    put(&mut expected, &steps, new);
    checked(&sheet, index, &expected, vec![splice])
}

/// Returns the file with these changes, if it says what is expected then, and every other document what it said before.
pub(crate) fn checked(
    sheet: &Sheet<'_>,
    index: usize,
    expected: &Value,
    splices: Vec<Splice>,
) -> Result<Vec<u8>, EditError> {
    let at = splices.first().map_or(0, |splice| splice.range.start);
    let bytes = sheet.with(splices);
    let same = yaml::read(sheet.file, &bytes, &Options::default()).is_ok_and(|after| {
        let wanted = |n: usize| if n == index { expected } else { &sheet.documents[n].value };
        after.len() == sheet.documents.len()
            && after.iter().enumerate().all(|(n, document)| document.value == *wanted(n))
    });
    if same {
        return Ok(bytes);
    }
    let line = sheet.text[..at].bytes().filter(|byte| *byte == b'\n').count() + 1;
    let at = Position { line: u32::try_from(line).unwrap_or(u32::MAX), column: 1 };
    Err(sheet.refused(at, "can't be changed without changing something else", "write it in a plainer form"))
}

/// Makes sure that nothing on the way to a node is repeated elsewhere.
pub(crate) fn unshared(sheet: &Sheet<'_>, sketch: &Sketch, way: &[&Node]) -> Result<(), EditError> {
    for node in way {
        if matches!(node.kind, Kind::Alias) {
            return Err(sheet.refused(node.at, "is an alias", "write the text itself there"));
        }
        if node.anchor.is_some_and(|anchor| sketch.aliased.contains(&anchor)) {
            let remedy = "write the text there without the anchor, so that only this place changes";
            return Err(sheet.refused(node.at, "has an anchor that other places repeat", remedy));
        }
    }
    Ok(())
}

/// Makes sure that a text is one line of printable characters.
pub(crate) fn writable(file: &RepoPath, text: &str) -> Result<(), EditError> {
    let bad = |character: char| {
        character.is_control() || matches!(character, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
    };
    if text.len() > TEXT_BYTES_MAX || text.contains(bad) {
        let what = "is not written to: the text is too long, or no single line of printable characters";
        return Err(refused(file, Position::default(), what, "write another text"));
    }
    Ok(())
}

pub(crate) fn refused(file: &RepoPath, at: Position, what: &str, remedy: &str) -> EditError {
    let message = if at.line == 0 { format!("the file {what}") } else { format!("this {what}") };
    EditError::Refused(Problem { origin: at.in_file(file), message, remedy: remedy.to_owned() })
}

fn stopped(sheet: &Sheet<'_>, node: &Node, path: &FieldPath, rest: &str) -> EditError {
    let what = match &node.kind {
        Kind::Alias => "is an alias, into which no path leads".to_owned(),
        Kind::Scalar { .. } | Kind::Mapping { .. } | Kind::Sequence { .. } => {
            format!("has no {} (of the path {path})", rest.trim_start_matches(['.', '/']))
        }
    };
    sheet.refused(node.at, &what, "correct the path, or write the fields above the last one there")
}

/// Returns the value at the end of some steps.
fn value_at<'v>(value: &'v Value, steps: &[Step]) -> Option<&'v Value> {
    steps.iter().try_fold(value, |value, step| match step {
        Step::Key(key) => value.get(key),
        Step::Index(index) => value.get(index),
    })
}

/// Puts a text at the end of some steps.
fn put(value: &mut Value, steps: &[Step], text: &str) {
    let mut value = value;
    for step in steps {
        value = match step {
            Step::Key(key) => match value.as_object_mut() {
                Some(mapping) => mapping.entry(key.as_str()).or_insert(Value::Null),
                None => return,
            },
            Step::Index(index) => match value.get_mut(*index) {
                Some(element) => element,
                None => return,
            },
        };
    }
    *value = Value::String(text.to_owned());
}

/// Returns a value as it is compared with a text.
fn shown(value: Option<&Value>) -> Option<String> {
    /// Characters of what is no text.
    const SHOWN_MAX: usize = 100;
    match value? {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(format!("{} (not a text)", plumb_core::text::shortened(&other.to_string(), SHOWN_MAX))),
    }
}
