//! YAML and JSON as kubectl reads them: bytes in, documents or every problem out.
//!
//! Owns: encodings, document splitting, scalars, keys, merges, limits. Pure: no I/O, no clock. Must never drop
//! content silently in strict mode, recurse without a limit, or let input decide how much memory is taken.
//! The rules are those of sigs.k8s.io/yaml (goyaml v2) behind k8s.io/apimachinery's YAMLOrJSONDecoder.

mod build;
pub(crate) mod event;
pub(crate) mod granit;
pub(crate) mod indent;
mod json;
pub(crate) mod key;
mod limits;
mod number;
pub(crate) mod outline;
mod reading;
pub(crate) mod scalar;
pub(crate) mod split;
pub(crate) mod text;
mod written;

use std::fmt;

use plumb_core::{commit::RepoPath, object::Origin, problem::Problem};
use serde_json::Value;

pub use limits::Limits;
pub(crate) use outline::Outline;
pub(crate) use reading::{Reading, scan};

/// What happens to input that kubectl reads by losing something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Strictness {
    /// Every silent loss is a problem: duplicate or colliding keys, text after `...`, bytes that are not text.
    #[default]
    Strict,
    /// As kubectl does it: the last duplicate wins, text after `...` is dropped.
    Lenient,
}

/// Whose reading of YAML's ambiguous parts applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Dialect {
    /// goyaml v2, as kubectl and Argo CD's plain directories read it (`yes` is true, `0644` is 420).
    #[default]
    Kubectl,
}

/// How a file is read.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Whether silent losses are problems.
    pub strictness: Strictness,
    /// Whose rules apply.
    pub dialect: Dialect,
    /// How much is read at most.
    pub limits: Limits,
}

/// A place in a file; both count from 1, columns in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Position {
    /// Line.
    pub line: u32,
    /// Column.
    pub column: u32,
}

impl Position {
    /// Returns the place in a file.
    pub fn in_file(self, file: &RepoPath) -> Origin {
        Origin { file: file.clone(), line: self.line, column: self.column }
    }
}

/// One document that is not null.
#[derive(Clone, PartialEq)]
pub struct Document {
    /// Its content, as kubectl would send it.
    pub value: Value,
    /// Where its first node stands.
    pub origin: Origin,
    /// Where each element of its top-level `items` sequence stands; all other places are found again by
    /// [`crate::position::locate`].
    pub items: Vec<Position>,
}

impl fmt::Debug for Document {
    /// Leaves the value out: it may be a Secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Document({})", self.origin)
    }
}

/// Reads the documents of one file.
///
/// # Errors
/// Every problem of the file: a broken document does not hide the problems of the ones after it.
pub fn read(file: &RepoPath, bytes: &[u8], options: &Options) -> Result<Vec<Document>, Vec<Problem>> {
    let mut reading = scan(file, bytes, options);
    let documents = std::mem::take(&mut reading.documents);
    let problems = reading.into_problems();
    if problems.is_empty() { Ok(documents) } else { Err(problems) }
}
