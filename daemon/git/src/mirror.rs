//! The local copy of one repository: a bare object database that only grows.
//!
//! Owns: a directory of the daemon. One mirror belongs to one pair of address and credentials; the daemon chooses its path.
//! Workers write into it (fetched refs below `refs/plumb/upstream/`), the daemon reads.
//! Must never do: touch the network, delete an object: what a force push left behind stays readable.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use git2::{ErrorCode, Oid, Repository, RepositoryInitOptions, RepositoryOpenFlags};
use plumb_core::{
    commit::{CommitId, RefName, Revision},
    text,
};

use crate::{error::GitError, globals, snapshot::Snapshot};

/// Where refs of plumb's own are kept in a mirror.
const OWN: &str = "refs/plumb/";

/// Where fetched refs are kept in a mirror.
const UPSTREAM: &str = "refs/plumb/upstream/";

/// Open handles kept for the next read. Environments of one repository are read side by side, as many as there are cores;
/// each handle maps the packs anew.
const KEPT_HANDLES: usize = 4;

/// Longest author and subject taken from a commit: they go into a status.
const MAX_LINE_CHARS: usize = 256;

/// A mirror; clones share it.
///
/// Every method blocks on the disk: call it from a blocking thread.
#[derive(Clone)]
pub struct Mirror {
    shared: Arc<Shared>,
}

struct Shared {
    path: PathBuf,
    handles: Mutex<Vec<Repository>>,
}

impl Mirror {
    /// Opens the mirror at this path, making an empty one if there is none.
    ///
    /// *Assumptions:* nobody but this daemon and its workers writes there.
    pub fn open_or_create(path: &Path) -> Result<Self, GitError> {
        globals::prepare();
        let repository = match open(path) {
            Ok(repository) => repository,
            Err(_) if !path.join("HEAD").exists() => create(path).map_err(|error| fault(path, &error))?,
            Err(error) => return Err(error),
        };
        let shared = Shared { path: path.to_owned(), handles: Mutex::new(vec![repository]) };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Returns its directory.
    pub fn path(&self) -> &Path {
        &self.shared.path
    }

    /// Returns whether the commit is here with all its files, so that no fetch is needed.
    pub fn holds(&self, commit: &CommitId) -> Result<bool, GitError> {
        self.with(|repository| match repository.find_commit(oid(commit)?) {
            // A first fetch that was cut off may leave a commit without its files, but never a ref.
            Ok(_) => Ok(repository.references_glob(&format!("{UPSTREAM}*"))?.next().is_some()),
            Err(error) if error.code() == ErrorCode::NotFound => Ok(false),
            Err(error) => Err(error),
        })
    }

    /// Returns a commit as a person knows it; the ref is left open, because a commit does not know it.
    pub fn revision(&self, commit: &CommitId) -> Result<Revision, GitError> {
        self.with_commit(commit, |_, found| {
            let author = found.author();
            let name = String::from_utf8_lossy(author.name_bytes()).into_owned();
            let email = String::from_utf8_lossy(author.email_bytes()).into_owned();
            let subject = String::from_utf8_lossy(found.summary_bytes().unwrap_or_default()).into_owned();
            // A year that no calendar has comes from a broken tool; the beginning of time says so well enough.
            let committed = jiff::Timestamp::from_second(found.time().seconds()).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
            Ok(Revision {
                reference: None,
                commit: commit.clone(),
                author: text::line(&format!("{name} <{email}>"), MAX_LINE_CHARS),
                committed,
                subject: text::line(&subject, MAX_LINE_CHARS),
                signer: None,
            })
        })
    }

    /// Keeps a commit reachable, whatever becomes of the branch: what the environment with this UID was healthy at.
    ///
    /// *Guarantees:* the newest commit replaces the one before, in one step.
    pub fn pin_healthy(&self, uid: &str, commit: &CommitId) -> Result<(), GitError> {
        let name = format!("{OWN}{uid}/healthy");
        self.with_commit(commit, |repository, found| {
            let before = repository.refname_to_id(&name).ok();
            if before != Some(found.id()) {
                repository.reference(&name, found.id(), true, "plumb: healthy")?;
            }
            Ok(())
        })
    }

    /// Returns the files of one commit.
    pub fn snapshot(&self, commit: &CommitId) -> Result<Snapshot, GitError> {
        let tree = self.with_commit(commit, |_, found| Ok(found.tree_id()))?;
        Ok(Snapshot::new(self.clone(), commit.clone(), tree))
    }

    /// Runs one reading with a handle of its own.
    pub(crate) fn with<T>(&self, read: impl FnOnce(&Repository) -> Result<T, git2::Error>) -> Result<T, GitError> {
        let kept = self.shared.handles.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let repository = kept.map_or_else(|| open(&self.shared.path), Ok)?;
        let result = read(&repository).map_err(|error| fault(&self.shared.path, &error))?;
        let mut handles = self.shared.handles.lock().unwrap_or_else(PoisonError::into_inner);
        if handles.len() < KEPT_HANDLES {
            handles.push(repository);
        }
        Ok(result)
    }

    /// Runs one reading of a commit that has to be there.
    pub(crate) fn with_commit<T>(
        &self,
        commit: &CommitId,
        read: impl FnOnce(&Repository, &git2::Commit<'_>) -> Result<T, git2::Error>,
    ) -> Result<T, GitError> {
        let found = self.with(|repository| match repository.find_commit(oid(commit)?) {
            Ok(found) => read(repository, &found).map(Some),
            Err(error) if error.code() == ErrorCode::NotFound => Ok(None),
            Err(error) => Err(error),
        })?;
        found.ok_or_else(|| GitError::CommitMissing { commit: commit.clone() })
    }
}

/// Opens a mirror that exists.
pub(crate) fn open(path: &Path) -> Result<Repository, GitError> {
    let flags = RepositoryOpenFlags::BARE | RepositoryOpenFlags::NO_SEARCH;
    Repository::open_ext(path, flags, &[] as &[&Path]).map_err(|error| fault(path, &error))
}

/// Returns the mirror's ref for a ref of the remote; none stands for a HEAD that is a commit.
///
/// It is one path component, so that a branch `a` and, after its end, a branch `a/b` do not get into each other's way.
pub(crate) fn upstream(reference: Option<&RefName>) -> String {
    let name = reference.map_or("HEAD", RefName::as_str);
    format!("{UPSTREAM}{}", name.trim_start_matches("refs/").replace('%', "%25").replace('/', "%2F"))
}

/// Returns the mirror's ref for a commit that a Repository names by its id.
pub(crate) fn pinned(commit: &CommitId) -> String {
    format!("{UPSTREAM}commit%2F{commit}")
}

/// Removes what a killed worker left half-written.
///
/// *Assumptions:* no other fetch into this mirror is running (`workers` sees to it).
pub(crate) fn clear_leftovers(path: &Path) {
    let below = |directory: &str| fs::read_dir(path.join(directory)).into_iter().flatten().flatten();
    let locks = below(UPSTREAM).filter(|entry| entry.file_name().to_string_lossy().ends_with(".lock"));
    let packs = below("objects/pack").filter(|entry| entry.file_name().to_string_lossy().starts_with("pack_git2_"));
    for leftover in locks.chain(packs) {
        // What cannot be removed shows itself in the fetch, with libgit2's own words.
        let _ = fs::remove_file(leftover.path());
    }
}

/// Returns libgit2's failure at a mirror.
pub(crate) fn fault(path: &Path, error: &git2::Error) -> GitError {
    GitError::Mirror { path: path.display().to_string(), detail: error.message().to_owned() }
}

fn create(path: &Path) -> Result<Repository, git2::Error> {
    let mut options = RepositoryInitOptions::new();
    options.bare(true).mkpath(true).external_template(false);
    let repository = Repository::init_opts(path, &options)?;
    // Should a person run git here: no garbage collection, unreachable commits are wanted.
    repository.config()?.set_i32("gc.auto", 0)?;
    Ok(repository)
}

fn oid(commit: &CommitId) -> Result<Oid, git2::Error> {
    Oid::from_str(commit.as_str())
}
