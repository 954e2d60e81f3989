//! The files of one commit, read from the object database; no checkout.
//!
//! Attributes, filters and line endings of a checkout do not apply: the content is what the commit holds.

use std::{path::Path, sync::Arc};

use git2::{ErrorCode, ObjectType, Oid, Repository};
use plumb_core::{
    commit::{CommitId, RepoPath, TreeId},
    source::{Inputs, SourceTree},
};

use crate::{
    error::GitError,
    mirror::Mirror,
    walk::{self, Listed, Node, Store},
};

/// The files of one commit; clones are cheap.
///
/// Every method blocks on the disk: call it from a blocking thread.
#[derive(Clone)]
pub struct Snapshot {
    mirror: Mirror,
    commit: CommitId,
    tree: Oid,
}

/// What stands at a path, symbolic links not followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PathEntry {
    /// A directory: equal ids mean that everything below is equal.
    Tree(TreeId),
    /// A file.
    File(TreeId),
    /// A symbolic link; the id is of its text.
    Link(TreeId),
    /// A submodule, whose files are in another repository.
    Submodule,
    /// Nothing.
    Missing,
}

impl PathEntry {
    /// Returns the id that changes when the content does.
    pub fn id(&self) -> Option<&TreeId> {
        match self {
            Self::Tree(id) | Self::File(id) | Self::Link(id) => Some(id),
            Self::Submodule | Self::Missing => None,
        }
    }
}

impl Snapshot {
    pub(crate) fn new(mirror: Mirror, commit: CommitId, tree: Oid) -> Self {
        Self { mirror, commit, tree }
    }

    /// Returns the commit.
    pub fn commit(&self) -> &CommitId {
        &self.commit
    }

    /// Returns the id of the whole tree: equal ids, equal files.
    pub fn root(&self) -> TreeId {
        id(self.tree)
    }

    /// Returns what stands at a path.
    pub fn tree_id(&self, path: &RepoPath) -> Result<PathEntry, GitError> {
        self.mirror.with(|repository| entry(repository, self.tree, path.as_str()))
    }

    /// Returns whether all that a render read is as it was: then it need not be read again.
    pub fn unchanged(&self, inputs: &Inputs) -> Result<bool, GitError> {
        self.mirror.with(|repository| {
            for (path, id) in &inputs.0 {
                if entry(repository, self.tree, path.as_str())?.id() != Some(id) {
                    return Ok(false);
                }
            }
            Ok(!inputs.0.is_empty())
        })
    }

    /// Reads every file below a path, following symbolic links inside the repository.
    ///
    /// *Errors:* the path is missing or a file. What is wrong with single files is in the tree's problems.
    pub fn read(&self, path: &RepoPath) -> Result<SourceTree, GitError> {
        let missing = || GitError::PathMissing { path: path.clone(), place: self.place() };
        let read = self.mirror.with(|repository| {
            let store = Objects { repository, tree: self.tree };
            let walk::Read { root, files, problems, links } = match walk::read(&store, path)? {
                Ok(read) => read,
                Err(refused) => return Ok(Err(refused)),
            };
            let mut inputs = Inputs::default();
            for depended in root.iter().chain(&links) {
                if let Some(id) = entry(repository, self.tree, depended.as_str())?.id() {
                    inputs.0.insert(depended.clone(), id.clone());
                }
            }
            Ok(Ok(SourceTree { root: path.clone(), inputs, files, problems }))
        })?;
        read.map_err(|refused| match refused {
            walk::Refused::Missing => missing(),
            walk::Refused::IsFile => GitError::PathIsFile { path: path.clone(), place: self.place() },
        })
    }

    /// Runs one reading of the commit's tree.
    pub(crate) fn reading<T>(
        &self,
        read: impl FnOnce(&Repository, Oid) -> Result<T, git2::Error>,
    ) -> Result<T, GitError> {
        self.mirror.with(|repository| read(repository, self.tree))
    }

    fn place(&self) -> String {
        format!("in commit {}", self.commit.short())
    }
}

fn entry(repository: &Repository, tree: Oid, path: &str) -> Result<PathEntry, git2::Error> {
    if path.is_empty() {
        return Ok(PathEntry::Tree(id(tree)));
    }
    match repository.find_tree(tree)?.get_path(Path::new(path)) {
        Ok(found) => Ok(match Kind::of(found.filemode()) {
            Kind::Directory => PathEntry::Tree(id(found.id())),
            Kind::File => PathEntry::File(id(found.id())),
            Kind::Link => PathEntry::Link(id(found.id())),
            Kind::Submodule => PathEntry::Submodule,
        }),
        Err(error) if error.code() == ErrorCode::NotFound => Ok(PathEntry::Missing),
        Err(error) => Err(error),
    }
}

enum Kind {
    Directory,
    File,
    Link,
    Submodule,
}

impl Kind {
    /// Reads the mode of a tree entry (gitformat-tree: 040000, 100644, 100755, 120000, 160000).
    fn of(mode: i32) -> Self {
        match mode & 0o170_000 {
            0o040_000 => Self::Directory,
            0o120_000 => Self::Link,
            0o160_000 => Self::Submodule,
            _ => Self::File,
        }
    }
}

fn id(oid: Oid) -> TreeId {
    TreeId::parse(&oid.to_string()).expect("because libgit2 writes 40 lower-case digits")
}

/// A commit's files as the walk sees them.
struct Objects<'repository> {
    repository: &'repository Repository,
    tree: Oid,
}

impl Objects<'_> {
    fn node_of(&self, entry: &git2::TreeEntry<'_>) -> Result<Node<Oid>, git2::Error> {
        Ok(match Kind::of(entry.filemode()) {
            Kind::Directory => Node::Directory,
            Kind::Submodule => Node::Submodule,
            Kind::File => Node::File { bytes: self.size(entry.id())?, content: entry.id() },
            Kind::Link if self.size(entry.id())? > walk::MAX_TARGET_BYTES => Node::Link(Vec::new()),
            Kind::Link => Node::Link(self.repository.find_blob(entry.id())?.content().to_vec()),
        })
    }

    fn size(&self, blob: Oid) -> Result<u64, git2::Error> {
        let (bytes, kind) = self.repository.odb()?.read_header(blob)?;
        if kind != ObjectType::Blob {
            return Err(git2::Error::from_str("an entry of a tree is not what its mode says"));
        }
        Ok(u64::try_from(bytes).unwrap_or(u64::MAX))
    }
}

impl Store for Objects<'_> {
    type Content = Oid;
    type Fault = git2::Error;

    fn list(&self, directory: &RepoPath) -> Result<Vec<Listed<Oid>>, git2::Error> {
        let root = self.repository.find_tree(self.tree)?;
        let tree = if directory.is_root() {
            root
        } else {
            self.repository.find_tree(root.get_path(Path::new(directory.as_str()))?.id())?
        };
        tree.iter().map(|entry| Ok(Listed { name: entry.name_bytes().to_vec(), node: self.node_of(&entry)? })).collect()
    }

    fn node(&self, path: &RepoPath) -> Result<Option<Node<Oid>>, git2::Error> {
        match self.repository.find_tree(self.tree)?.get_path(Path::new(path.as_str())) {
            Ok(entry) => self.node_of(&entry).map(Some),
            Err(error) if error.code() == ErrorCode::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn content(&self, blob: &Oid) -> Result<(TreeId, Arc<[u8]>), git2::Error> {
        Ok((id(*blob), Arc::from(self.repository.find_blob(*blob)?.content())))
    }
}
