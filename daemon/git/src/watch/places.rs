//! The directories of a repository in which it is seen that it holds another commit.

use std::{
    ffi::OsStr,
    fs, io,
    path::{Path, PathBuf},
};

/// Where a repository keeps what says which commit it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Places {
    /// HEAD is here; a linked working tree has its own.
    own: PathBuf,
    /// refs/ and packed-refs are here.
    common: PathBuf,
}

impl Places {
    /// Finds the places of the repository at a path.
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        let path = path.canonicalize()?;
        let dot_git = path.join(".git");
        let own = match fs::metadata(&dot_git) {
            Ok(metadata) if metadata.is_dir() => dot_git,
            Ok(_) => linked(&path, &dot_git, "gitdir:")?,
            Err(_) => path,
        };
        let common = own.join("commondir");
        let common = if common.exists() { linked(&own, &common, "")? } else { own.clone() };
        if !common.join("refs").is_dir() {
            return Err(io::Error::other("it is not a repository with files as refs"));
        }
        Ok(Self { own, common })
    }

    /// Returns the directory to watch with all that is below it.
    pub(super) fn refs(&self) -> PathBuf {
        self.common.join("refs")
    }

    /// Returns the directories to watch without what is below them.
    pub(super) fn directories(&self) -> impl Iterator<Item = &Path> {
        let other = (self.own != self.common).then_some(self.own.as_path());
        [self.common.as_path()].into_iter().chain(other)
    }

    /// Returns whether what happens to a path may change which commit is held.
    pub(super) fn concern(&self, path: &Path) -> bool {
        path.starts_with(self.refs())
            || (path.file_name() == Some(OsStr::new("HEAD")) && path.parent() == Some(&self.own))
            || (path.file_name() == Some(OsStr::new("packed-refs")) && path.parent() == Some(&self.common))
    }

    /// Returns whether a path is of this repository.
    pub(super) fn hold(&self, path: &Path) -> bool {
        path.starts_with(&self.own) || path.starts_with(&self.common)
    }
}

/// Reads a file that holds the path of a directory (gitrepository-layout).
fn linked(base: &Path, file: &Path, prefix: &str) -> io::Result<PathBuf> {
    let text = fs::read_to_string(file)?;
    let target = text.trim().strip_prefix(prefix).unwrap_or(text.trim());
    base.join(target.trim()).canonicalize()
}
