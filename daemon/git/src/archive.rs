//! A clone as an auditor has it: the notes of plumb, link by link, and what else speaks of them.
//!
//! Reads any local repository, bare or with a working tree, and only its object database: no index, no files, no hooks.
//! libgit2 checks that every object it reads has the content that its id says.

mod trees;
mod versions;

use std::path::{Path, PathBuf};

use git2::{ErrorCode, Oid, Repository, RepositoryOpenFlags, Sort, Tree};
use plumb_core::{
    audit::{NoteChange, anchor::Whereabouts},
    commit::{CommitId, NOTES, RefName},
};

use self::{trees::compare, versions::Versions};
use crate::{error::GitError, globals, history};

/// A local repository that is read for an audit.
pub struct Archive {
    repository: Repository,
    path: PathBuf,
}

/// One commit of a notes ref.
pub struct RawLink {
    /// The commit.
    pub id: CommitId,
    /// How many parents it has.
    pub parents: usize,
    /// The commit object, byte for byte.
    pub raw: Vec<u8>,
    /// The notes that differ from those of its first parent.
    pub changes: Vec<NoteChange>,
}

/// One trailer of a commit's message.
pub struct Trailer {
    /// The commit.
    pub commit: CommitId,
    /// The commit object, byte for byte.
    pub raw: Vec<u8>,
    /// What stands behind the key.
    pub value: String,
}

impl Archive {
    /// Opens the repository at a path or above it.
    pub fn open(path: &Path) -> Result<Self, GitError> {
        globals::prepare();
        let nowhere: [&Path; 0] = [];
        let repository = Repository::open_ext(path, RepositoryOpenFlags::CROSS_FS, nowhere);
        let repository = repository.map_err(|error| GitError::Unreadable {
            path: path.display().to_string(),
            detail: format!("it is no Git repository ({})", error.message()),
        })?;
        Ok(Self { repository, path: path.to_owned() })
    }

    /// Returns the notes refs of plumb with their newest commits: one for each cluster.
    pub fn chains(&self) -> Result<Vec<(RefName, CommitId)>, GitError> {
        self.read(|repository| {
            let mut chains = Vec::new();
            for found in repository.references_glob(&format!("{NOTES}*"))? {
                let found = found?;
                let name = String::from_utf8_lossy(found.name_bytes()).into_owned();
                if let (Ok(name), Some(target)) = (RefName::parse(&name), found.target()) {
                    chains.push((name, commit_id(target)?));
                }
            }
            chains.sort();
            Ok(chains)
        })
    }

    /// Hands on every commit of a notes ref, from the oldest to the newest, by first parents.
    pub fn walk(&self, head: &CommitId, mut each: impl FnMut(RawLink)) -> Result<(), GitError> {
        self.read(|repository| {
            let mut walk = repository.revwalk()?;
            walk.simplify_first_parent()?;
            walk.push(oid(head)?)?;
            let mut ids = walk.collect::<Result<Vec<Oid>, _>>()?;
            ids.reverse();
            let mut links = Vec::new();
            let mut versions = Versions::default();
            let mut before: Option<Tree<'_>> = None;
            for id in ids {
                let tree = repository.find_commit(id)?.tree()?;
                let mut changes = Vec::new();
                compare(repository, before.as_ref(), Some(&tree), "", &mut changes)?;
                changes.iter().for_each(|change| versions.expect(change));
                links.push((id, changes));
                before = Some(tree);
            }
            let database = repository.odb()?;
            for (id, changes) in links {
                let changes = changes.into_iter().map(|change| versions.of(repository, change));
                let changes = changes.collect::<Result<_, _>>()?;
                let parents = repository.find_commit(id)?.parent_count();
                each(RawLink { id: commit_id(id)?, parents, raw: database.read(id)?.data().to_vec(), changes });
            }
            Ok(())
        })
    }

    /// Hands on every note of a notes ref, as its newest commit has it: the commit that it is on, and its content.
    pub fn notes(&self, head: &CommitId, mut each: impl FnMut(CommitId, &[u8])) -> Result<(), GitError> {
        self.read(|repository| {
            let tree = repository.find_commit(oid(head)?)?.tree()?;
            let mut changes = Vec::new();
            compare(repository, None, Some(&tree), "", &mut changes)?;
            for change in changes {
                if let (Ok(commit), Some(id)) = (CommitId::parse(&change.path.replace('/', "")), change.after) {
                    each(commit, repository.find_blob(id)?.content());
                }
            }
            Ok(())
        })
    }

    /// Returns where a commit is that a chain of notes should have and has not.
    pub fn whereabouts(&self, id: &CommitId, head: &CommitId) -> Result<Whereabouts, GitError> {
        self.read(|repository| match repository.find_commit(oid(id)?) {
            Ok(found) if repository.graph_descendant_of(found.id(), oid(head)?)? => Ok(Whereabouts::Beyond),
            Ok(_) => Ok(Whereabouts::Beside),
            Err(error) if error.code() == ErrorCode::NotFound => Ok(Whereabouts::Nowhere),
            Err(error) => Err(error),
        })
    }

    /// Returns whether a commit is another one, or one of its ancestors.
    pub fn leads_to(&self, from: &CommitId, to: &CommitId) -> Result<bool, GitError> {
        self.read(|repository| history::leads_to(repository, from, to))
    }

    /// Returns a trailer of all commits that branches and tags lead to.
    pub fn trailers(&self, key: &str) -> Result<Vec<Trailer>, GitError> {
        self.read(|repository| {
            let mut walk = repository.revwalk()?;
            walk.set_sorting(Sort::TOPOLOGICAL)?;
            for namespace in ["refs/heads/*", "refs/remotes/*", "refs/tags/*"] {
                walk.push_glob(namespace)?;
            }
            let database = repository.odb()?;
            let mut found = Vec::new();
            for id in walk {
                let commit = repository.find_commit(id?)?;
                let message = String::from_utf8_lossy(commit.message_bytes());
                if !message.contains(key) {
                    continue;
                }
                // A message with a zero byte in it has none.
                let Ok(trailers) = git2::message_trailers_strs(&message) else { continue };
                for (_, value) in trailers.iter().filter(|(name, _)| *name == key) {
                    let raw = database.read(commit.id())?.data().to_vec();
                    found.push(Trailer { commit: commit_id(commit.id())?, raw, value: value.trim().to_owned() });
                }
            }
            Ok(found)
        })
    }

    fn read<T>(&self, read: impl FnOnce(&Repository) -> Result<T, git2::Error>) -> Result<T, GitError> {
        read(&self.repository).map_err(|error| GitError::Unreadable {
            path: self.path.display().to_string(),
            detail: format!("{}; git fsck tells more", error.message()),
        })
    }
}

fn oid(id: &CommitId) -> Result<Oid, git2::Error> {
    Oid::from_str(id.as_str())
}

fn commit_id(id: Oid) -> Result<CommitId, git2::Error> {
    CommitId::parse(&id.to_string()).map_err(|error| git2::Error::from_str(&error.to_string()))
}
