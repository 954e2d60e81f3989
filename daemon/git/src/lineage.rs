//! Where a value in a file comes from: the commits that changed it, newest first.
//!
//! The history that counts is that of first parents; where a merge brought the value, the commit of the merged branch that
//! made it. What the value of a file is, is the caller's: this module compares. Must never do: walk without end.

use std::collections::BTreeMap;

use git2::{Commit, Oid, Repository};
use jiff::Timestamp;
use plumb_core::{
    commit::{CommitId, RepoPath},
    trigger::change::{Change, Ending, Lineage},
};

use crate::{edited, error::GitError, mirror::Mirror};

/// Longest message that is read of a commit, in bytes: what is longer is cut, and its trailers with it.
const MESSAGE_MAX: usize = 64 * 1024;

/// Longest name and address that are taken from a commit: they go into a status.
const AUTHOR_CHARS_MAX: usize = 256;

/// How deep merges are followed into merges: topic branches that took others in.
const MERGES_MAX: usize = 16;

/// Branches of one merge that are looked into.
const SIDES_MAX: usize = 8;

/// A walk back through a history.
struct Walk<'walk, V> {
    repository: &'walk Repository,
    path: &'walk RepoPath,
    value: &'walk dyn Fn(Option<&[u8]>) -> V,
    /// Values by the id of the file: the same content is read once.
    known: BTreeMap<Option<Oid>, V>,
    /// Commits that may still be looked at.
    left: usize,
}

impl Mirror {
    /// Returns the changes of a value in a file, newest first, as long as `more` says of what was found so far that another one
    /// is wanted; at most so many commits are looked at.
    ///
    /// `value` gets the content of the file at a commit; nothing where there is none, or something else than a file, or one that
    /// is too large to be edited.
    ///
    /// *Errors:* a commit is not in the mirror.
    pub fn lineage<V: Clone + PartialEq>(
        &self,
        head: &CommitId,
        path: &RepoPath,
        most: usize,
        value: &dyn Fn(Option<&[u8]>) -> V,
        more: &dyn Fn(&[Change<V>]) -> bool,
    ) -> Result<Lineage<V>, GitError> {
        self.with_commit(head, |repository, found| {
            let mut walk = Walk { repository, path, value, known: BTreeMap::new(), left: most };
            let mut changes = Vec::new();
            let mut next = Some(repository.find_commit(found.id())?);
            while let Some(commit) = next {
                if !more(&changes) {
                    return Ok(Lineage { changes, ending: Ending::Enough });
                }
                let Some((commit, before, after)) = walk.last(commit, MERGES_MAX)? else {
                    let ending = if walk.left == 0 { Ending::TooFar } else { Ending::Beginning };
                    return Ok(Lineage { changes, ending });
                };
                next = commit.parents().next();
                let by = walk.author(&commit, before, after)?;
                changes.push(by);
            }
            Ok(Lineage { changes, ending: Ending::Beginning })
        })
    }
}

impl<'walk, V: Clone + PartialEq> Walk<'walk, V> {
    /// Returns the newest commit that changed the value, from one back, with the value before and after it.
    fn last(&mut self, from: Commit<'walk>, merges: usize) -> Result<Option<(Commit<'walk>, V, V)>, git2::Error> {
        let mut commit = from;
        let mut after = self.at(Some(&commit))?;
        while self.left > 0 {
            self.left -= 1;
            let parent = commit.parents().next();
            let before = self.at(parent.as_ref())?;
            if before != after {
                if let Some(found) = self.merged(&commit, &after, merges)? {
                    return Ok(Some(found));
                }
                return Ok(Some((commit, before, after)));
            }
            let Some(parent) = parent else { return Ok(None) };
            commit = parent;
            after = before;
        }
        Ok(None)
    }

    /// Returns the commit of a merged branch that made the value, where it came with this merge and not by it.
    fn merged(
        &mut self,
        merge: &Commit<'walk>,
        after: &V,
        merges: usize,
    ) -> Result<Option<(Commit<'walk>, V, V)>, git2::Error> {
        let (Some(first), Some(merges)) = (merge.parents().next(), merges.checked_sub(1)) else { return Ok(None) };
        for side in merge.parents().skip(1).take(SIDES_MAX) {
            if self.at(Some(&side))? != *after {
                continue;
            }
            let Some((commit, before, after)) = self.last(side, merges)? else { continue };
            // What the branch had before all along, and was taken from an old branch, is the doing of whoever merged.
            let old = commit.id() == first.id() || self.repository.graph_descendant_of(first.id(), commit.id())?;
            if !old {
                return Ok(Some((commit, before, after)));
            }
        }
        Ok(None)
    }

    /// Returns the value at a commit; without one that of no file.
    fn at(&mut self, commit: Option<&Commit<'walk>>) -> Result<V, git2::Error> {
        let blob = match commit {
            Some(commit) => edited::blob(self.repository, &commit.tree()?, self.path)?,
            None => None,
        };
        if let Some(known) = self.known.get(&blob) {
            return Ok(known.clone());
        }
        let content = blob.map(|blob| edited::content(self.repository, blob)).transpose()?.flatten();
        let value = (self.value)(content.as_deref());
        self.known.insert(blob, value.clone());
        Ok(value)
    }

    fn author(&self, commit: &Commit<'_>, before: V, after: V) -> Result<Change<V>, git2::Error> {
        let id = CommitId::parse(&commit.id().to_string());
        let author = commit.author();
        let part = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let author = format!("{} <{}>", part(author.name_bytes()), part(author.email_bytes()));
        let message = commit.message_bytes();
        Ok(Change {
            commit: id.map_err(|error| git2::Error::from_str(&error.to_string()))?,
            author: plumb_core::text::line(&author, AUTHOR_CHARS_MAX),
            committed: Timestamp::from_second(commit.time().seconds()).unwrap_or(Timestamp::UNIX_EPOCH),
            message: String::from_utf8_lossy(&message[..message.len().min(MESSAGE_MAX)]).into_owned(),
            before,
            after,
        })
    }
}
