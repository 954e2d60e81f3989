//! Every file of a commit by its path, id and mode, without its content: what the inputs of components are made of.
//!
//! Symbolic links are not followed, submodules not looked into. Must never do: leave out what it can't name, or go on for as
//! long as a tree wants: a few small objects can stand for more files than there are atoms.

use git2::{Oid, Repository};
use plumb_core::{
    commit::{RepoPath, TreeId},
    trigger::inputs::Entry,
};

use crate::{error::GitError, snapshot::Snapshot};

/// Most files and directories of one commit: the largest repositories of Linux distributions and kernels have fewer than
/// 100,000 files. Each costs about 200 bytes while they are compared.
const ENTRIES_MAX: usize = 250_000;

/// How deep directories may lie in each other. Real ones end at about 20.
const DEPTH_MAX: usize = 64;

/// Bytes of a path: `PATH_MAX` of Linux, past which nobody could check it out.
const PATH_BYTES_MAX: usize = 4096;

/// The mode of a directory (gitformat-tree).
const DIRECTORY: i32 = 0o040_000;

/// How much of a commit is listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Files and directories.
    pub entries: usize,
    /// Directories in each other.
    pub depth: usize,
    /// Bytes of a path.
    pub path_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { entries: ENTRIES_MAX, depth: DEPTH_MAX, path_bytes: PATH_BYTES_MAX }
    }
}

/// Why a listing was given up, and at which path.
struct Excess {
    path: String,
    detail: String,
}

/// A directory that is still to be listed.
struct Directory {
    tree: Oid,
    path: String,
    depth: usize,
}

impl Snapshot {
    /// Returns every file, symbolic link and submodule of the commit, sorted by path; of a link the id of its text, of a
    /// submodule its commit.
    ///
    /// What no path of plumb's can name (not UTF-8, a backslash, `..`) has U+FFFD in place of it, so that a change of it is
    /// seen all the same.
    ///
    /// *Errors:* `TooManyFiles` past one of the limits.
    pub fn entries(&self, limits: Limits) -> Result<Vec<Entry>, GitError> {
        let listed = self.reading(|repository, tree| list(repository, tree, limits))?;
        let mut entries = listed.map_err(|Excess { path, detail }| GitError::TooManyFiles {
            commit: self.commit().clone(),
            path,
            detail,
        })?;
        entries.sort();
        Ok(entries)
    }
}

fn list(repository: &Repository, root: Oid, limits: Limits) -> Result<Result<Vec<Entry>, Excess>, git2::Error> {
    let mut entries = Vec::new();
    let mut directories = vec![Directory { tree: root, path: String::new(), depth: 0 }];
    let mut seen = 0_usize;
    let excess = |path: &str, detail: String| Ok(Err(Excess { path: shown(path), detail }));
    while let Some(Directory { tree, path, depth }) = directories.pop() {
        let tree = repository.find_tree(tree)?;
        for entry in tree.iter() {
            seen += 1;
            if seen > limits.entries {
                return excess(&path, format!("holds more than {} files and directories", limits.entries));
            }
            let name = named(entry.name_bytes());
            let below = if path.is_empty() { name } else { format!("{path}/{name}") };
            if below.len() > limits.path_bytes {
                return excess(&path, format!("has a path of more than {} bytes", limits.path_bytes));
            }
            let mode = entry.filemode_raw();
            // By its mode alone: what a submodule names is not here.
            if mode & 0o170_000 == DIRECTORY {
                if depth == limits.depth {
                    return excess(&path, format!("has directories nested deeper than {}", limits.depth));
                }
                directories.push(Directory { tree: entry.id(), path: below, depth: depth + 1 });
                continue;
            }
            let path = RepoPath::parse(&below).map_err(|error| git2::Error::from_str(&error.to_string()))?;
            let id = TreeId::parse(&entry.id().to_string());
            let id = id.map_err(|error| git2::Error::from_str(&error.to_string()))?;
            entries.push(Entry { path, id, mode: mode.unsigned_abs() });
        }
    }
    Ok(Ok(entries))
}

/// Returns a name as one component of a path.
fn named(bytes: &[u8]) -> String {
    match String::from_utf8_lossy(bytes).as_ref() {
        "" | "." | ".." => char::REPLACEMENT_CHARACTER.to_string(),
        name => name.replace(['/', '\\', '\0'], "\u{fffd}"),
    }
}

/// Returns a path as a message shows it.
fn shown(path: &str) -> String {
    /// Characters of it: it ends up in a status.
    const CHARS_MAX: usize = 200;
    match path {
        "" => "the root".to_owned(),
        path => plumb_core::text::line(path, CHARS_MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_component_of_a_path_whatever_it_holds() {
        let check = |bytes: &[u8], expected: &str| {
            assert_eq!(named(bytes), expected, "{bytes:?}");
            let path = RepoPath::parse(&format!("a/{}", named(bytes))).expect("a path");
            assert_eq!(path.as_str(), format!("a/{expected}"));
        };
        check(b"b.yaml", "b.yaml");
        check("ü ü".as_bytes(), "ü ü");
        check(b"a\\b", "a\u{fffd}b");
        check(b"a/b", "a\u{fffd}b");
        check(b"\xff", "\u{fffd}");
        check(b"..", "\u{fffd}");
        check(b".", "\u{fffd}");
        check(b"", "\u{fffd}");
        check(b"...", "...");
    }
}
