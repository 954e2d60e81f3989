//! A clone as an auditor has it: the notes of plumb, link by link, and what else speaks of them.
//!
//! Reads any local repository, bare or with a working tree, and only its object database: no index, no files, no hooks.
//! libgit2 checks that every object it reads has the content that its id says.

use std::path::{Path, PathBuf};

use git2::{ErrorCode, ObjectType, Oid, Repository, RepositoryOpenFlags, Sort, Tree, TreeEntry};
use plumb_core::{
    audit::{NoteChange, anchor::Whereabouts},
    commit::{CommitId, RefName},
};

use crate::{error::GitError, globals};

/// Where plumb keeps its notes, one ref for each cluster.
const NOTES: &str = "refs/notes/plumb/";

/// Depth of directories in a tree of notes: Git itself uses up to three, two characters each.
const DEPTH_MAX: usize = 20;

/// Entries of a tree that are passed over in search of the next one: links add a few notes to a folder, and take out none.
const AHEAD_MAX: usize = 3;

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
            let database = repository.odb()?;
            let mut before: Option<Tree<'_>> = None;
            for id in ids {
                let commit = repository.find_commit(id)?;
                let tree = commit.tree()?;
                let mut changes = Vec::new();
                compare(repository, before.as_ref(), Some(&tree), "", &mut changes)?;
                let raw = database.read(id)?.data().to_vec();
                each(RawLink { id: commit_id(id)?, parents: commit.parent_count(), raw, changes });
                before = Some(tree);
            }
            Ok(())
        })
    }

    /// Hands on every note of a notes ref, as its newest commit has it: the commit that it is on, and its content.
    pub fn notes(&self, head: &CommitId, mut each: impl FnMut(CommitId, &[u8])) -> Result<(), GitError> {
        let mut changes = Vec::new();
        self.read(|repository| {
            let tree = repository.find_commit(oid(head)?)?.tree()?;
            compare(repository, None, Some(&tree), "", &mut changes)
        })?;
        for change in changes {
            if let (Ok(commit), Some(content)) = (CommitId::parse(&change.path.replace('/', "")), &change.after) {
                each(commit, content);
            }
        }
        Ok(())
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

    /// Returns the values of a trailer in the messages of all commits that branches and tags lead to, with their commits.
    pub fn trailers(&self, key: &str) -> Result<Vec<(CommitId, String)>, GitError> {
        self.read(|repository| {
            let mut walk = repository.revwalk()?;
            walk.set_sorting(Sort::TOPOLOGICAL)?;
            for namespace in ["refs/heads/*", "refs/remotes/*", "refs/tags/*"] {
                walk.push_glob(namespace)?;
            }
            let mut found = Vec::new();
            for id in walk {
                let commit = repository.find_commit(id?)?;
                let message = String::from_utf8_lossy(commit.message_bytes());
                if !message.contains(key) {
                    continue;
                }
                let trailers = git2::message_trailers_strs(&message)?;
                for (_, value) in trailers.iter().filter(|(name, _)| *name == key) {
                    found.push((commit_id(commit.id())?, value.trim().to_owned()));
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

/// Collects the files that differ between two trees; equal ids are not looked into.
fn compare(
    repository: &Repository,
    before: Option<&Tree<'_>>,
    after: Option<&Tree<'_>>,
    below: &str,
    changes: &mut Vec<NoteChange>,
) -> Result<(), git2::Error> {
    if below.len() > DEPTH_MAX * 3 {
        return Err(git2::Error::from_str("the tree of notes is too deep"));
    }
    let mut place = 0;
    for entry in after.iter().flat_map(|tree| tree.iter()) {
        let old = before.and_then(|tree| found(tree, &mut place, entry.name_bytes()));
        if old.as_ref().is_none_or(|old| old.id() != entry.id()) {
            differ(repository, old.as_ref(), Some(&entry), below, changes)?;
        }
    }
    let mut place = 0;
    for entry in before.iter().flat_map(|tree| tree.iter()) {
        if after.is_none_or(|tree| found(tree, &mut place, entry.name_bytes()).is_none()) {
            differ(repository, Some(&entry), None, below, changes)?;
        }
    }
    Ok(())
}

/// Returns the entry of this name. Both trees have the same order, so it mostly follows the one that was found last.
fn found<'a>(tree: &'a Tree<'_>, place: &mut usize, name: &[u8]) -> Option<TreeEntry<'a>> {
    for next in *place..*place + AHEAD_MAX {
        if let Some(entry) = tree.get(next).filter(|entry| entry.name_bytes() == name) {
            *place = next + 1;
            return Some(entry);
        }
    }
    tree.get_name_bytes(name)
}

/// Collects what differs below two entries of one name, or at them.
fn differ(
    repository: &Repository,
    before: Option<&TreeEntry<'_>>,
    after: Option<&TreeEntry<'_>>,
    below: &str,
    changes: &mut Vec<NoteChange>,
) -> Result<(), git2::Error> {
    let of_kind = |entry: Option<&TreeEntry<'_>>, kind: ObjectType| {
        entry.filter(|entry| entry.kind() == Some(kind)).map(TreeEntry::id)
    };
    let tree = |entry| of_kind(entry, ObjectType::Tree).map(|id| repository.find_tree(id)).transpose();
    let blob = |entry| {
        let id = of_kind(entry, ObjectType::Blob);
        id.map(|id| repository.find_blob(id).map(|blob| blob.content().to_vec())).transpose()
    };
    let name = after.or(before).map(TreeEntry::name_bytes).unwrap_or_default();
    let path = format!("{below}{}", String::from_utf8_lossy(name));
    let (old_tree, new_tree) = (tree(before)?, tree(after)?);
    if old_tree.is_some() || new_tree.is_some() {
        compare(repository, old_tree.as_ref(), new_tree.as_ref(), &format!("{path}/"), changes)?;
    }
    let (before, after) = (blob(before)?, blob(after)?);
    if before.is_some() || after.is_some() {
        changes.push(NoteChange { path, before, after });
    }
    Ok(())
}

fn oid(id: &CommitId) -> Result<Oid, git2::Error> {
    Oid::from_str(id.as_str())
}

fn commit_id(id: Oid) -> Result<CommitId, git2::Error> {
    CommitId::parse(&id.to_string()).map_err(|error| git2::Error::from_str(&error.to_string()))
}
