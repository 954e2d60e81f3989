//! Files that plumb edits: their content at a commit, and the tree of a commit with other contents of some files.
//!
//! No symbolic link is followed: whoever can place one in a repository would choose what is edited.
//! Must never do: touch a path that is not named, change the mode of a file, or put a file in the place of something else.

use std::collections::BTreeMap;

use git2::{FileMode, ObjectType, Oid, Repository, Tree};
use plumb_core::commit::{CommitId, RepoPath, TreeId};

use crate::{error::GitError, mirror::Mirror, snapshot::Snapshot};

/// Largest file that is edited: manifests and values are far smaller, and each is held in memory a few times.
pub const FILE_BYTES_MAX: usize = 8 << 20;

/// The mode of a new file: an ordinary one that can't be run.
const NEW_FILE: i32 = 0o100_644;

/// What stands at a path where a file is expected.
enum Found {
    Nothing,
    File {
        blob: Oid,
        mode: i32,
    },
    /// Something that is no file, in words.
    Other(&'static str),
    /// On the way to the path, something that is no directory.
    InTheWay {
        path: String,
        what: &'static str,
    },
}

impl Snapshot {
    /// Returns the content of a file; nothing where none stands.
    ///
    /// *Errors:* `NotAFile` where a directory, a symbolic link or a submodule stands there or on the way, and where the file is
    /// larger than [`FILE_BYTES_MAX`].
    pub fn file(&self, path: &RepoPath) -> Result<Option<Vec<u8>>, GitError> {
        self.reading(|repository, tree| {
            let (blob, _) = match find(repository, &repository.find_tree(tree)?, path)? {
                Found::Nothing => return Ok(Ok(None)),
                Found::File { blob, mode } => (blob, mode),
                found @ (Found::Other(_) | Found::InTheWay { .. }) => {
                    return Ok(Err(refused(path, self.commit(), found)));
                }
            };
            content(repository, blob).map(|content| match content {
                Some(content) => Ok(Some(content)),
                None => Err(too_large(path, self.commit())),
            })
        })?
    }
}

impl Mirror {
    /// Writes the tree of a commit with these contents of these files, and returns it; no commit is made and no ref is moved.
    ///
    /// *Guarantees:* every other path is as it was; a file keeps its mode, a new one is an ordinary file.
    ///
    /// *Errors:* `NotAFile` where something else than a file stands at a path or on the way to it.
    pub fn tree_with_files(&self, base: &CommitId, files: &BTreeMap<RepoPath, Vec<u8>>) -> Result<TreeId, GitError> {
        self.with_commit(base, |repository, found| {
            let mut tree = found.tree()?;
            for (path, content) in files {
                let mode = match find(repository, &tree, path)? {
                    Found::Nothing => NEW_FILE,
                    Found::File { mode, .. } => mode,
                    found @ (Found::Other(_) | Found::InTheWay { .. }) => return Ok(Err(refused(path, base, found))),
                };
                let blob = repository.blob(content)?;
                let components: Vec<&str> = path.as_str().split('/').collect();
                let id = put(repository, Some(&tree), &components, (blob, mode))?;
                tree = repository.find_tree(id)?;
            }
            TreeId::parse(&tree.id().to_string()).map(Ok).map_err(|error| git2::Error::from_str(&error.to_string()))
        })?
    }
}

/// Returns what stands at a path, no link followed.
fn find(repository: &Repository, root: &Tree<'_>, path: &RepoPath) -> Result<Found, git2::Error> {
    if path.is_root() {
        return Ok(Found::Other("a directory"));
    }
    let components: Vec<&str> = path.as_str().split('/').collect();
    let mut tree = repository.find_tree(root.id())?;
    for (depth, name) in components.iter().enumerate() {
        let entry = tree.get_name(name).map(|entry| (entry.id(), entry.filemode_raw()));
        let Some((id, mode)) = entry else { return Ok(Found::Nothing) };
        let is_last = depth + 1 == components.len();
        match (kind(mode), is_last) {
            ("a file", true) => return Ok(Found::File { blob: id, mode }),
            (what, true) => return Ok(Found::Other(what)),
            ("a directory", false) => tree = repository.find_tree(id)?,
            (what, false) => return Ok(Found::InTheWay { path: components[..=depth].join("/"), what }),
        }
    }
    Ok(Found::Nothing)
}

/// Returns what a mode stands for (gitformat-tree), in words.
fn kind(mode: i32) -> &'static str {
    match mode & 0o170_000 {
        0o040_000 => "a directory",
        0o120_000 => "a symbolic link",
        0o160_000 => "a submodule",
        _ => "a file",
    }
}

/// Returns the content of a blob, unless it is too large.
pub(crate) fn content(repository: &Repository, blob: Oid) -> Result<Option<Vec<u8>>, git2::Error> {
    let (bytes, kind) = repository.odb()?.read_header(blob)?;
    if kind != ObjectType::Blob {
        return Err(git2::Error::from_str("an entry of a tree is not what its mode says"));
    }
    if bytes > FILE_BYTES_MAX {
        return Ok(None);
    }
    Ok(Some(repository.find_blob(blob)?.content().to_vec()))
}

/// Returns the blob of the file that stands at a path; nothing where something else does.
pub(crate) fn blob(repository: &Repository, root: &Tree<'_>, path: &RepoPath) -> Result<Option<Oid>, git2::Error> {
    Ok(match find(repository, root, path)? {
        Found::File { blob, .. } => Some(blob),
        Found::Nothing | Found::Other(_) | Found::InTheWay { .. } => None,
    })
}

fn put(
    repository: &Repository,
    tree: Option<&Tree<'_>>,
    components: &[&str],
    file: (Oid, i32),
) -> Result<Oid, git2::Error> {
    let Some((name, rest)) = components.split_first() else { return Ok(file.0) };
    let mut builder = repository.treebuilder(tree)?;
    let (id, mode) = if rest.is_empty() {
        file
    } else {
        let below = tree.and_then(|tree| tree.get_name(name)).map(|found| found.id());
        let below = below.map(|id| repository.find_tree(id)).transpose()?;
        (put(repository, below.as_ref(), rest, file)?, FileMode::Tree.into())
    };
    builder.insert(name, id, mode)?;
    builder.write()
}

fn refused(path: &RepoPath, commit: &CommitId, found: Found) -> GitError {
    let what = match found {
        Found::InTheWay { path, what } => format!("is below {path}, which is {what}"),
        Found::Other(what) => format!("is {what}"),
        Found::Nothing | Found::File { .. } => "is not there".to_owned(),
    };
    GitError::NotAFile { path: path.clone(), commit: commit.clone(), what }
}

fn too_large(path: &RepoPath, commit: &CommitId) -> GitError {
    let what = format!("is larger than {} MiB", FILE_BYTES_MAX >> 20);
    GitError::NotAFile { path: path.clone(), commit: commit.clone(), what }
}
