//! What a component reads: the digest of its files by which a build is due, and the names of those that changed.
//!
//! Must never do: depend on an order, or on anything of a file but its mode, content and path. A digest is kept in statuses: one
//! that is made in another way makes every component of every trigger due.

#[cfg(test)]
mod tests;

use std::fmt;

use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::globs::Paths;
use crate::{
    commit::{RepoPath, TreeId},
    source::InputsDigest,
};

/// What the text that is hashed begins with.
const VERSION: &str = "plumb component inputs 1\n";
/// Bytes of the hash that a digest keeps.
const DIGEST_BYTES: usize = 16;

/// Names of changed files that are told: what is longer is no list that somebody reads.
pub const CHANGED_MAX: usize = 200;
/// Bytes of all of them together, with what separates them: they go into a parameter of a run, and from there into environment
/// variables and arguments.
pub const CHANGED_BYTES_MAX: usize = 8 * 1024;

/// One entry of a commit's tree that is no directory: a file, a symbolic link, a submodule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Entry {
    /// Where it stands.
    pub path: RepoPath,
    /// The id of its content: of a file, of a link's text, of a submodule's commit.
    pub id: TreeId,
    /// Its mode, as Git writes it (gitformat-tree: 0o100644, 0o100755, 0o120000, 0o160000).
    pub mode: u32,
}

/// Returns the digest of each component's files; none for a component without any.
pub fn digests(paths: &Paths, entries: &[Entry]) -> Vec<Option<InputsDigest>> {
    let mut hashes: Vec<Option<Sha256>> = vec![None; paths.components()];
    for entry in sorted(entries) {
        let Entry { path, id, mode } = entry;
        // A path holds no zero byte, so no two lists of files have one text.
        let line = format!("{mode:o} {id} {}\0", path.as_str());
        paths.each(path, |component| {
            let hash = hashes[component].get_or_insert_with(|| Sha256::new_with_prefix(VERSION));
            hash.update(&line);
        });
    }
    hashes.into_iter().map(|hash| hash.map(digest)).collect()
}

fn digest(hash: Sha256) -> InputsDigest {
    InputsDigest(hash.finalize().iter().take(DIGEST_BYTES).map(|byte| format!("{byte:02x}")).collect())
}

fn sorted(entries: &[Entry]) -> Vec<&Entry> {
    let mut sorted: Vec<&Entry> = entries.iter().collect();
    sorted.sort_unstable_by(|one, other| one.path.cmp(&other.path));
    sorted
}

/// Files of a component that differ between two commits, by their paths: as many as are told.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Changed {
    /// Their paths, sorted.
    pub names: Vec<RepoPath>,
    /// How many more there are.
    pub more: usize,
}

/// Returns which files of one component differ between two commits: those that were added, changed or removed, in content or mode.
pub fn changed(paths: &Paths, component: usize, before: &[Entry], after: &[Entry]) -> Changed {
    let (before, after) = (sorted(before), sorted(after));
    let (mut old, mut new) = (before.into_iter().peekable(), after.into_iter().peekable());
    let (mut changed, mut bytes) = (Changed::default(), 0);
    loop {
        let path = match (old.peek(), new.peek()) {
            (None, None) => return changed,
            (Some(gone), None) => &gone.path,
            (None, Some(added)) => &added.path,
            (Some(one), Some(other)) => (&one.path).min(&other.path),
        };
        let was = old.next_if(|entry| entry.path == *path);
        let is = new.next_if(|entry| entry.path == *path);
        let mut reads = false;
        if was != is {
            paths.each(path, |index| reads |= index == component);
        }
        if !reads {
            continue;
        }
        bytes += path.as_str().len() + 1;
        // What was left out once is not followed by a shorter one that would fit.
        if changed.more == 0 && changed.names.len() < CHANGED_MAX && bytes <= CHANGED_BYTES_MAX {
            changed.names.push(path.clone());
        } else {
            changed.more += 1;
        }
    }
}

impl fmt::Display for Changed {
    /// One on each line, and how many more there are.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.names.iter().map(RepoPath::as_str).collect();
        f.write_str(&names.join("\n"))?;
        match self.more {
            0 => Ok(()),
            more if names.is_empty() => write!(f, "{more} with long names"),
            more => write!(f, "\nand {more} more"),
        }
    }
}
