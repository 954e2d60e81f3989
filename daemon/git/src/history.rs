//! Commits as signatures cover them: their bytes, and which of them are new.

use git2::{ErrorCode, ObjectType, Oid, Repository, Sort};
use jiff::Timestamp;
use plumb_core::{commit::CommitId, rollback::arrival::Later};

use crate::{error::GitError, mirror::Mirror};

impl Mirror {
    /// Returns a commit byte for byte as Git stores it; nothing if it is longer than this.
    pub fn raw_commit(&self, commit: &CommitId, bytes_max: usize) -> Result<Option<Vec<u8>>, GitError> {
        self.with_commit(commit, |repository, found| {
            let database = repository.odb()?;
            let (bytes, _) = database.read_header(found.id())?;
            if bytes > bytes_max {
                return Ok(None);
            }
            let object = database.read(found.id())?;
            if object.kind() != ObjectType::Commit {
                return Err(git2::Error::from_str("an object that was a commit is none any more"));
            }
            Ok(Some(object.data().to_vec()))
        })
    }

    /// Returns whether one of the newest commits that can be reached from one and not from another has a message that fits; at
    /// most so many are looked at.
    ///
    /// *Errors:* one of the two is not in the mirror.
    pub fn any_message(
        &self,
        head: &CommitId,
        since: &CommitId,
        most: usize,
        fits: impl Fn(&str) -> bool,
    ) -> Result<bool, GitError> {
        self.with_commit(since, |_, _| Ok(()))?;
        self.with_commit(head, |repository, found| {
            let mut walk = repository.revwalk()?;
            walk.push(found.id())?;
            walk.hide(Oid::from_str(since.as_str())?)?;
            for id in walk.take(most) {
                let commit = repository.find_commit(id?)?;
                if fits(&String::from_utf8_lossy(commit.message_bytes())) {
                    return Ok(true);
                }
            }
            Ok(false)
        })
    }

    /// Returns the newest commits that can be reached from one and not from another with their messages, merged branches
    /// included, newest first; at most so many.
    ///
    /// *Errors:* one of the two is not in the mirror.
    pub fn later(&self, head: &CommitId, since: &CommitId, most: usize) -> Result<Vec<Later>, GitError> {
        self.with_commit(since, |_, _| Ok(()))?;
        self.with_commit(head, |repository, found| {
            let mut walk = repository.revwalk()?;
            walk.set_sorting(Sort::TOPOLOGICAL)?;
            walk.push(found.id())?;
            walk.hide(Oid::from_str(since.as_str())?)?;
            let later = |id: Result<Oid, git2::Error>| {
                let found = repository.find_commit(id?)?;
                let commit = CommitId::parse(&found.id().to_string());
                Ok(Later {
                    commit: commit.map_err(|error| git2::Error::from_str(&error.to_string()))?,
                    committed: Timestamp::from_second(found.time().seconds()).unwrap_or(Timestamp::MIN),
                    message: String::from_utf8_lossy(found.message_bytes()).into_owned(),
                })
            };
            walk.take(most).map(later).collect()
        })
    }

    /// Returns whether one commit leads to another, or is it; one that the mirror does not have is led to by none.
    ///
    /// *Errors:* the first is not in the mirror.
    pub fn leads_to(&self, from: &CommitId, to: &CommitId) -> Result<bool, GitError> {
        self.with_commit(from, |repository, _| leads_to(repository, from, to))
    }

    /// Returns the first-parent commits from one back to another, that one included, newest first, with their messages up to so
    /// many bytes; where the other is not among the first so many, those.
    ///
    /// *Errors:* the first is not in the mirror.
    pub fn first_parent_messages(
        &self,
        head: &CommitId,
        until: Option<&CommitId>,
        most: usize,
        message_bytes: usize,
    ) -> Result<Vec<Later>, GitError> {
        self.with_commit(head, |repository, found| {
            let mut walked = Vec::new();
            let mut next = Some(repository.find_commit(found.id())?);
            while let Some(commit) = next.filter(|_| walked.len() < most) {
                let message = commit.message_bytes();
                let message = &message[..message.len().min(message_bytes)];
                let id = CommitId::parse(&commit.id().to_string());
                let id = id.map_err(|error| git2::Error::from_str(&error.to_string()))?;
                let last = until == Some(&id);
                walked.push(Later {
                    commit: id,
                    committed: Timestamp::from_second(commit.time().seconds()).unwrap_or(Timestamp::MIN),
                    message: String::from_utf8_lossy(message).into_owned(),
                });
                next = if last { None } else { commit.parents().next() };
            }
            Ok(walked)
        })
    }

    /// Returns the commits that can be reached from one and not from another, merged branches included, parents first;
    /// at most so many.
    ///
    /// *Errors:* one of the two is not in the mirror.
    pub fn commits_since(&self, head: &CommitId, since: &CommitId, most: usize) -> Result<Vec<CommitId>, GitError> {
        self.with_commit(since, |_, _| Ok(()))?;
        self.with_commit(head, |repository, found| {
            let mut walk = repository.revwalk()?;
            walk.set_sorting(Sort::TOPOLOGICAL | Sort::REVERSE)?;
            walk.push(found.id())?;
            walk.hide(Oid::from_str(since.as_str())?)?;
            let id = |found: Result<Oid, git2::Error>| {
                CommitId::parse(&found?.to_string()).map_err(|error| git2::Error::from_str(&error.to_string()))
            };
            walk.take(most).map(id).collect()
        })
    }
}

/// Returns whether a commit is another one, or one of its descendants.
pub(crate) fn leads_to(repository: &Repository, from: &CommitId, to: &CommitId) -> Result<bool, git2::Error> {
    match repository.find_commit(Oid::from_str(to.as_str())?) {
        Ok(found) => Ok(from == to || repository.graph_descendant_of(Oid::from_str(from.as_str())?, found.id())?),
        Err(error) if error.code() == ErrorCode::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}
