//! Notes in a mirror: a commit that adds to them, ready to be pushed.
//!
//! Owns: where a note is in a tree. A note of plumb's is at `ab/cdef…`, 2 and 38 digits of the commit's id; notes that Git or
//! people have put elsewhere (40 digits, or 2, 2 and 36) are found and moved there.
//! Must never do: decide what a note says (it is handed a function), move a ref of a remote.

use std::path::Path;

use git2::{FileMode, ObjectType, Oid, Repository, Tree, build::TreeUpdateBuilder};
use plumb_core::commit::{CommitId, RefName, TreeId};

use crate::{
    error::GitError,
    mirror::{self, Mirror},
};

/// Largest note that is read and added to; more is not plumb's, and would be read again with each record.
const NOTE_BYTES_MAX: usize = 8 << 20;

/// A note that is to be added to.
pub struct Addition<'a> {
    /// The commit that the note is on.
    pub commit: &'a CommitId,
    /// Returns what the note says then, from what it says now; nothing if it says so already.
    pub edit: &'a dyn Fn(&str) -> Option<String>,
}

impl Mirror {
    /// Returns the tree of notes with the additions, on top of what a commit of a notes ref holds; nothing if they are all
    /// there.
    ///
    /// *Errors:* the commit is not in the mirror; a note that is no text or too large.
    pub fn add_notes(&self, head: Option<&CommitId>, additions: &[Addition<'_>]) -> Result<Option<TreeId>, GitError> {
        self.with(|repository| {
            let tree = match head {
                Some(head) => repository.find_commit(Oid::from_str(head.as_str())?)?.tree()?,
                None => repository.find_tree(repository.treebuilder(None)?.write()?)?,
            };
            let mut update = TreeUpdateBuilder::new();
            let mut changed = false;
            for Addition { commit, edit } in additions {
                changed |= add(repository, &tree, &mut update, commit, edit)?;
            }
            if !changed {
                return Ok(None);
            }
            let written = update.create_updated(repository, &tree)?;
            TreeId::parse(&written.to_string()).map(Some).map_err(|error| git2::Error::from_str(&error.to_string()))
        })
    }

    /// Takes down that a ref of the remote holds a commit which was pushed from here.
    pub fn pushed(&self, name: &RefName, commit: &CommitId) -> Result<(), GitError> {
        self.with(|repository| {
            let id = Oid::from_str(commit.as_str())?;
            repository.reference(&mirror::upstream(Some(name)), id, true, "push").map(drop)
        })
    }
}

/// Adds to one note; returns whether it changes.
fn add(
    repository: &Repository,
    tree: &Tree<'_>,
    update: &mut TreeUpdateBuilder,
    commit: &CommitId,
    edit: &dyn Fn(&str) -> Option<String>,
) -> Result<bool, git2::Error> {
    let [place, elsewhere @ ..] = places(commit);
    let mut text = String::new();
    let mut moved = Vec::new();
    for path in std::iter::once(&place).chain(&elsewhere) {
        let Ok(entry) = tree.get_path(Path::new(path)) else { continue };
        if entry.kind() != Some(ObjectType::Blob) {
            continue;
        }
        text.push_str(&read(repository, entry.id(), path)?);
        if *path != place {
            moved.push(path);
        }
    }
    let Some(grown) = edit(&text) else { return Ok(false) };
    for path in moved {
        update.remove(path);
    }
    update.upsert(place, repository.blob(grown.as_bytes())?, FileMode::Blob);
    Ok(true)
}

/// Returns where the note on a commit may be, plumb's own place first.
fn places(commit: &CommitId) -> [String; 3] {
    let id = commit.as_str();
    [format!("{}/{}", &id[..2], &id[2..]), id.to_owned(), format!("{}/{}/{}", &id[..2], &id[2..4], &id[4..])]
}

fn read(repository: &Repository, id: Oid, path: &str) -> Result<String, git2::Error> {
    let (bytes, _) = repository.odb()?.read_header(id)?;
    if bytes > NOTE_BYTES_MAX {
        return Err(git2::Error::from_str(&format!("the note {path} has more than {NOTE_BYTES_MAX} bytes")));
    }
    let text = String::from_utf8(repository.find_blob(id)?.content().to_vec());
    text.map_err(|_| git2::Error::from_str(&format!("the note {path} is no text")))
}
