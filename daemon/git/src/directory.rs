//! The files of a working directory, as a commit of it would hold them.
//!
//! For `plumb check PATH` and `plumb diff --path`: the same walk, links and limits as for a commit. What Git ignores and
//! `.git` itself are left out.

use std::{
    ffi::OsStr,
    fs, io,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use git2::{ObjectType, Oid, Repository};
use plumb_core::{
    commit::{RepoPath, TreeId},
    source::{Inputs, SourceFile, SourceTree},
};

use crate::{
    error::GitError,
    globals,
    walk::{self, Listed, Node, Store},
};

/// Reads every file below a directory, or one file.
///
/// Paths are seen from the root of the enclosing working tree, or from the directory itself outside of one; links must not
/// leave that root. The inputs hold one id over everything that was read: equal content has an equal id, but it is not the
/// id of a tree in Git, which would need the whole repository.
pub fn read(path: &Path) -> Result<SourceTree, GitError> {
    globals::prepare();
    let real = path.canonicalize().map_err(|error| unreadable(path, &error))?;
    let directory = if real.is_dir() { real.as_path() } else { real.parent().unwrap_or(&real) };
    let root = directory.ancestors().find(|above| above.join(".git").exists()).unwrap_or(directory).to_owned();
    let below = repo_path(&root, &real)?;
    let store = Files { ignored: Repository::open(&root).ok(), root };
    if !real.is_dir() {
        let (blob, content) = store.content(&real)?;
        return Ok(tree(below.clone(), vec![SourceFile { path: below, blob, content }], Vec::new()));
    }
    match walk::read(&store, &below)? {
        Ok(walk::Read { files, problems, .. }) => Ok(tree(below, files, problems)),
        Err(_) => Err(unreadable(path, &io::Error::other("it changed while it was read"))),
    }
}

fn tree(root: RepoPath, files: Vec<SourceFile>, problems: Vec<plumb_core::problem::Problem>) -> SourceTree {
    let listed: String = files.iter().map(|file| format!("{} {}\n", file.blob, file.path)).collect();
    let inputs = Inputs([(root.clone(), blob_id(listed.as_bytes()))].into());
    SourceTree { root, inputs, files, problems }
}

fn repo_path(root: &Path, path: &Path) -> Result<RepoPath, GitError> {
    let below = path.strip_prefix(root).unwrap_or(path);
    let text = below.to_str().and_then(|text| RepoPath::parse(text).ok());
    text.ok_or_else(|| unreadable(path, &io::Error::other("its name is not UTF-8 or holds a backslash")))
}

/// Computes the id that Git gives to a blob.
fn blob_id(bytes: &[u8]) -> TreeId {
    let id = Oid::hash_object(ObjectType::Blob, bytes).expect("because hashing memory cannot fail");
    TreeId::parse(&id.to_string()).expect("because libgit2 writes 40 lower-case digits")
}

fn unreadable(path: &Path, error: &io::Error) -> GitError {
    GitError::Unreadable { path: path.display().to_string(), detail: error.to_string() }
}

/// A working tree as the walk sees it.
struct Files {
    root: PathBuf,
    /// Knows what Git ignores; absent outside a repository and in formats that libgit2 cannot open.
    ignored: Option<Repository>,
}

impl Files {
    fn place(&self, path: &RepoPath) -> PathBuf {
        self.root.join(path.as_str())
    }

    fn inspect(&self, path: &Path) -> io::Result<Node<PathBuf>> {
        let metadata = fs::symlink_metadata(path)?;
        let kind = metadata.file_type();
        Ok(if kind.is_symlink() {
            Node::Link(fs::read_link(path)?.as_os_str().as_bytes().to_vec())
        } else if kind.is_dir() {
            // A directory with its own `.git` is another repository; a commit would hold it as a submodule.
            if path != self.root && path.join(".git").exists() { Node::Submodule } else { Node::Directory }
        } else if kind.is_file() {
            Node::File { bytes: metadata.len(), content: path.to_owned() }
        } else {
            Node::Special
        })
    }

    /// Returns whether a commit would leave this out: ignored and not added all the same.
    fn is_ignored(&self, path: &RepoPath, directory: bool) -> bool {
        let Some(repository) = &self.ignored else { return false };
        let pattern = if directory { format!("{path}/") } else { path.to_string() };
        if !repository.is_path_ignored(pattern).unwrap_or(false) {
            return false;
        }
        repository.index().is_ok_and(|index| {
            if directory {
                index.find_prefix(format!("{path}/")).is_err()
            } else {
                index.get_path(Path::new(path.as_str()), 0).is_none()
            }
        })
    }
}

impl Store for Files {
    type Content = PathBuf;
    type Fault = GitError;

    fn list(&self, directory: &RepoPath) -> Result<Vec<Listed<PathBuf>>, GitError> {
        let place = self.place(directory);
        let fault = |error: io::Error| unreadable(&place, &error);
        let mut listed = Vec::new();
        for entry in fs::read_dir(&place).map_err(fault)? {
            let name = entry.map_err(fault)?.file_name();
            if name == OsStr::new(".git") {
                continue;
            }
            let path = place.join(&name);
            let node = self.inspect(&path).map_err(|error| unreadable(&path, &error))?;
            let ignored = name
                .to_str()
                .and_then(|name| directory.join(name).ok())
                .is_some_and(|path| self.is_ignored(&path, matches!(node, Node::Directory | Node::Submodule)));
            if !ignored {
                listed.push(Listed { name: name.as_bytes().to_vec(), node });
            }
        }
        listed.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(listed)
    }

    fn node(&self, path: &RepoPath) -> Result<Option<Node<PathBuf>>, GitError> {
        if path.as_str().split('/').any(|part| part == ".git") {
            // A commit has no such path, so a link into it leads nowhere.
            return Ok(None);
        }
        let place = self.place(path);
        match self.inspect(&place) {
            Ok(node) => Ok(Some(node)),
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
            Err(error) => Err(unreadable(&place, &error)),
        }
    }

    fn content(&self, file: &PathBuf) -> Result<(TreeId, Arc<[u8]>), GitError> {
        let bytes = fs::read(file).map_err(|error| unreadable(file, &error))?;
        Ok((blob_id(&bytes), Arc::from(bytes)))
    }
}
