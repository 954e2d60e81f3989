//! Notes in a mirror: a commit that adds to them, ready to be pushed.
//!
//! Owns: where a note is in a tree. A note of plumb's is at `ab/cdef…`, 2 and 38 digits of the commit's id; notes that Git or
//! people have put elsewhere (40 digits, or 2, 2 and 36) are found and moved there.
//! Must never do: decide what a note says (it is handed a function), move a ref of a remote.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use git2::{FileMode, ObjectType, Oid, Repository, Tree, build::TreeUpdateBuilder};
use plumb_core::commit::{CommitId, RefName, TreeId};

use crate::{
    error::GitError,
    mirror::{self, Mirror},
};

/// Largest note that is read: more than plumb ever makes of one, since it would be read again with each record.
const NOTE_BYTES_MAX: usize = 16 << 20;

/// A note that is to be added to.
pub struct Addition<'a> {
    /// The commit that the note is on.
    pub commit: &'a CommitId,
    /// Returns what the note says then, from what it says now; nothing if it says so already.
    pub edit: &'a dyn Fn(&[u8]) -> Option<Vec<u8>>,
}

impl Mirror {
    /// Returns the tree of notes with the additions, on top of what a commit of a notes ref holds; nothing if they are all
    /// there.
    ///
    /// *Errors:* the commit is not in the mirror; a note that [`Mirror::notes`] can't read.
    pub fn add_notes(&self, head: Option<&CommitId>, additions: &[Addition<'_>]) -> Result<Option<TreeId>, GitError> {
        self.with(|repository| {
            let tree = root(repository, head)?;
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

    /// Returns what the notes on these commits say, none being an empty one; for one that can't be read, or that something else
    /// stands in the way of, why not.
    ///
    /// *Errors:* the commit is not in the mirror.
    pub fn notes(
        &self,
        head: Option<&CommitId>,
        commits: impl IntoIterator<Item = CommitId>,
    ) -> Result<BTreeMap<CommitId, Result<Vec<u8>, String>>, GitError> {
        self.with(|repository| {
            let tree = root(repository, head)?;
            let note = |commit: CommitId| {
                let found = find(repository, &tree, &commit)?;
                Ok((commit, found.map(|found| found.content)))
            };
            commits.into_iter().map(note).collect()
        })
    }

    /// Returns those of these commits that are no ancestors of the newest commit of a notes ref, nor that one.
    pub fn missing(
        &self,
        head: Option<&CommitId>,
        commits: BTreeSet<CommitId>,
    ) -> Result<BTreeSet<CommitId>, GitError> {
        self.with(|repository| {
            let Some(head) = head else { return Ok(commits) };
            let ids: Result<BTreeMap<Oid, CommitId>, git2::Error> =
                commits.into_iter().map(|commit| Ok((Oid::from_str(commit.as_str())?, commit))).collect();
            let mut sought = ids?;
            let mut walk = repository.revwalk()?;
            walk.push(Oid::from_str(head.as_str())?)?;
            for id in walk {
                if sought.is_empty() {
                    break;
                }
                sought.remove(&id?);
            }
            Ok(sought.into_values().collect())
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
    edit: &dyn Fn(&[u8]) -> Option<Vec<u8>>,
) -> Result<bool, git2::Error> {
    let Found { content, elsewhere } = find(repository, tree, commit)?
        .map_err(|why| git2::Error::from_str(&format!("the note on {commit}: {why}")))?;
    let Some(grown) = edit(&content) else { return Ok(false) };
    for path in elsewhere {
        update.remove(path);
    }
    let [place, ..] = places(commit);
    update.upsert(place, repository.blob(&grown)?, FileMode::Blob);
    Ok(true)
}

/// What there is of a note.
struct Found {
    /// All of it, from wherever it is.
    content: Vec<u8>,
    /// Where parts of it are besides its place.
    elsewhere: Vec<String>,
}

/// Returns the note on a commit, or why it can't be added to: nothing is written over what is no note.
fn find(repository: &Repository, tree: &Tree<'_>, commit: &CommitId) -> Result<Result<Found, String>, git2::Error> {
    let [place, elsewhere @ ..] = places(commit);
    let folder = &place[..2];
    if tree.get_name(folder).is_some_and(|entry| entry.kind() != Some(ObjectType::Tree)) {
        return Ok(Err(format!("{folder} of the tree of notes is no directory")));
    }
    let mut found = Found { content: Vec::new(), elsewhere: Vec::new() };
    for path in std::iter::once(&place).chain(&elsewhere) {
        let Ok(entry) = tree.get_path(Path::new(path)) else { continue };
        if entry.kind() != Some(ObjectType::Blob) {
            return Ok(Err(format!("{path} of the tree of notes is no file")));
        }
        let (bytes, _) = repository.odb()?.read_header(entry.id())?;
        if bytes > NOTE_BYTES_MAX {
            return Ok(Err(format!("it has {bytes} bytes, more than plumb reads")));
        }
        found.content.extend_from_slice(repository.find_blob(entry.id())?.content());
        if *path != place {
            found.elsewhere.push(path.clone());
        }
    }
    Ok(Ok(found))
}

/// Returns the tree of a commit of a notes ref; an empty one where there is none yet.
fn root<'a>(repository: &'a Repository, head: Option<&CommitId>) -> Result<Tree<'a>, git2::Error> {
    match head {
        Some(head) => repository.find_commit(Oid::from_str(head.as_str())?)?.tree(),
        None => repository.find_tree(repository.treebuilder(None)?.write()?),
    }
}

/// Returns where the note on a commit may be, plumb's own place first.
fn places(commit: &CommitId) -> [String; 3] {
    let id = commit.as_str();
    [format!("{}/{}", &id[..2], &id[2..]), id.to_owned(), format!("{}/{}/{}", &id[..2], &id[2..4], &id[4..])]
}
