//! Reverts: which first-parent commits changed some paths, and the commits that put these back.
//!
//! Everything happens in the mirror; a push is another step. Must never do: touch a path that is not named.

use std::collections::BTreeSet;

use git2::{Commit, ErrorCode, FileMode, Oid, Repository, Tree};
use jiff::Timestamp;
use plumb_core::{
    commit::{CommitId, RepoPath, TreeId},
    person::Person,
    rollback::revert::{Apart, Revert, Step},
};

use crate::{
    draft::{Draft, Sign},
    error::GitError,
    mirror::Mirror,
};

/// Longest message that is read of a commit, in bytes: what is longer is cut, and its trailers with it.
const MESSAGE_MAX: usize = 64 * 1024;

impl Mirror {
    /// Returns the first-parent commits from one back to another, without that one, newest first, each with those of some
    /// paths that it changed; or why there are none, if the other is not among the first so many.
    ///
    /// *Guarantees:* none of them is older than the newest one that has the paths as the other has them. What led there was taken
    /// back already, by whomever, and is not again.
    ///
    /// *Errors:* one of them is not in the mirror.
    pub fn first_parents(
        &self,
        head: &CommitId,
        until: &CommitId,
        paths: &BTreeSet<RepoPath>,
        most: usize,
    ) -> Result<Result<Vec<Step>, Apart>, GitError> {
        self.with_commit(until, |_, _| Ok(()))?;
        self.with_commit(head, |repository, found| {
            let state = repository.find_commit(Oid::from_str(until.as_str())?)?.tree()?;
            let (mut steps, mut restored, mut looked) = (Vec::new(), false, 0);
            let mut next = Some(repository.find_commit(found.id())?);
            while let Some(commit) = next {
                if commit.id().to_string() == until.as_str() {
                    return Ok(Ok(steps));
                }
                if looked == most {
                    return Ok(Err(Apart::TooFar));
                }
                looked += 1;
                let parent = commit.parents().next();
                restored = restored || is_alike(&commit.tree()?, &state, paths)?;
                if !restored {
                    steps.push(step(&commit, parent.as_ref(), paths)?);
                }
                next = parent;
            }
            Ok(Err(Apart::Unrelated))
        })
    }

    /// Writes reverts on top of a commit, one after the other, and returns them; no ref is moved.
    ///
    /// *Guarantees:* the same arguments make the same commits (with a signature that does not vary), so that what was pushed
    /// by a process that died is known again.
    ///
    /// *Errors:* as [`Mirror::write_commit`].
    pub fn write_reverts(
        &self,
        head: &CommitId,
        reverts: &[Revert],
        person: &Person,
        at: Timestamp,
        sign: Option<&Sign<'_>>,
    ) -> Result<Vec<CommitId>, GitError> {
        let mut written = Vec::with_capacity(reverts.len());
        let mut tip = head.clone();
        for revert in reverts {
            let tree = self.tree_with(&tip, &revert.paths, revert.state.as_ref())?;
            let draft = Draft {
                tree,
                parents: vec![tip],
                author: person.clone(),
                committer: person.clone(),
                at,
                message: revert.message.clone(),
            };
            tip = self.write_commit(&draft, sign)?;
            written.push(tip.clone());
        }
        Ok(written)
    }

    /// Writes the tree of a commit with some paths as another commit has them; without one they go.
    fn tree_with(
        &self,
        base: &CommitId,
        paths: &BTreeSet<RepoPath>,
        state: Option<&CommitId>,
    ) -> Result<TreeId, GitError> {
        self.with_commit(base, |repository, found| {
            let state = match state {
                Some(state) => Some(repository.find_commit(Oid::from_str(state.as_str())?)?.tree()?),
                None => None,
            };
            let mut tree = Some(found.tree_id());
            for path in paths {
                let entry = state.as_ref().map(|state| entry(state, path)).transpose()?.flatten();
                let before = tree.map(|id| repository.find_tree(id)).transpose()?;
                let components: Vec<&str> = path.as_str().split('/').filter(|part| !part.is_empty()).collect();
                tree = put(repository, before.as_ref(), &components, entry)?;
            }
            let tree = match tree {
                Some(tree) => tree,
                None => repository.treebuilder(None)?.write()?,
            };
            TreeId::parse(&tree.to_string()).map_err(|error| git2::Error::from_str(&error.to_string()))
        })
    }
}

/// Returns whether two trees have some paths alike.
fn is_alike(one: &Tree<'_>, other: &Tree<'_>, paths: &BTreeSet<RepoPath>) -> Result<bool, git2::Error> {
    for path in paths {
        if entry(one, path)? != entry(other, path)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn step(commit: &Commit<'_>, parent: Option<&Commit<'_>>, paths: &BTreeSet<RepoPath>) -> Result<Step, git2::Error> {
    let now = commit.tree()?;
    let before = parent.map(Commit::tree).transpose()?;
    let mut changed = BTreeSet::new();
    for path in paths {
        let was = before.as_ref().map(|before| entry(before, path)).transpose()?.flatten();
        if entry(&now, path)? != was {
            changed.insert(path.clone());
        }
    }
    let id = |id: Oid| CommitId::parse(&id.to_string()).map_err(|error| git2::Error::from_str(&error.to_string()));
    let message = commit.message_bytes();
    let message = String::from_utf8_lossy(&message[..message.len().min(MESSAGE_MAX)]).into_owned();
    let parent = parent.map(|parent| id(parent.id())).transpose()?;
    Ok(Step { commit: id(commit.id())?, parent, merge: commit.parent_count() > 1, message, changed })
}

/// Returns what stands at a path of a tree: its id and its mode.
fn entry(tree: &Tree<'_>, path: &RepoPath) -> Result<Option<(Oid, i32)>, git2::Error> {
    if path.is_root() {
        return Ok(Some((tree.id(), FileMode::Tree.into())));
    }
    match tree.get_path(std::path::Path::new(path.as_str())) {
        Ok(found) => Ok(Some((found.id(), found.filemode_raw()))),
        Err(error) if error.code() == ErrorCode::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Returns a tree with another entry at a path; a directory that becomes empty goes, as Git has none.
fn put(
    repository: &Repository,
    tree: Option<&Tree<'_>>,
    components: &[&str],
    entry: Option<(Oid, i32)>,
) -> Result<Option<Oid>, git2::Error> {
    let Some((name, rest)) = components.split_first() else { return Ok(entry.map(|(id, _)| id)) };
    let mut builder = repository.treebuilder(tree)?;
    let new = match rest {
        [] => entry,
        _ => {
            let below = tree.and_then(|tree| tree.get_name(name)).map(|found| found.id());
            // A file that stands where a directory is to be gives way to it.
            let below = below.and_then(|id| repository.find_tree(id).ok());
            put(repository, below.as_ref(), rest, entry)?.map(|id| (id, FileMode::Tree.into()))
        }
    };
    match new {
        Some((id, mode)) => {
            builder.insert(name, id, mode)?;
        }
        None if builder.get(name)?.is_some() => builder.remove(name)?,
        None => {}
    }
    if builder.is_empty() { Ok(None) } else { builder.write().map(Some) }
}
