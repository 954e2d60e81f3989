//! A bare repository: what plumb is pointed at.

use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tempfile::TempDir;

use super::{GitError, command};

/// A bare repository on this machine.
#[derive(Debug)]
pub struct BareRepository {
    path: PathBuf,
    // Removed on drop; absent when the repository is in a folder of the caller's.
    _folder: Option<TempDir>,
}

impl BareRepository {
    /// Creates an empty repository in a folder of its own, which is removed with this value.
    ///
    /// # Errors
    /// When `git init` fails.
    pub fn create() -> Result<Self, GitError> {
        let folder = TempDir::with_prefix("lab-git-");
        let folder = folder.map_err(|source| GitError::Io { doing: "creating", path: std::env::temp_dir(), source })?;
        let mut repository = Self::create_in(folder.path(), "repository")?;
        repository._folder = Some(folder);
        Ok(repository)
    }

    /// Creates an empty repository `NAME.git` in a folder of the caller's, for a server to serve.
    ///
    /// # Errors
    /// When `git init` fails.
    pub fn create_in(root: &Path, name: &str) -> Result<Self, GitError> {
        let path = root.join(format!("{name}.git"));
        fs::create_dir_all(&path).map_err(|source| GitError::Io { doing: "creating", path: path.clone(), source })?;
        command::run(&path, &["init", "--quiet", "--bare"])?;
        // Else `git http-backend` takes pushes from authenticated users only.
        command::run(&path, &["config", "http.receivepack", "true"])?;
        Ok(Self { path, _folder: None })
    }

    /// Returns the folder of the repository.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the repository's `file://` URL.
    pub fn url(&self) -> String {
        format!("file://{}", self.path.display())
    }

    /// Returns the commit that a branch points at.
    ///
    /// # Errors
    /// When there is no such branch.
    pub fn branch(&self, name: &str) -> Result<String, GitError> {
        command::run(&self.path, &["rev-parse", "--verify", "--quiet", &format!("refs/heads/{name}^{{commit}}")])
    }

    /// Imports history, written as `git fast-import` reads it: thousands of commits in a moment.
    ///
    /// # Errors
    /// When git does not take it.
    pub fn import(&self, history: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), GitError> {
        let mut import = command::hermetic();
        import.current_dir(&self.path).args(["fast-import", "--quiet"]);
        let mut git = import.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().map_err(GitError::Start)?;
        let mut input = BufWriter::new(git.stdin.take().expect("because it is a pipe"));
        let written = history(&mut input).and_then(|()| input.flush());
        drop(input);
        // What git says about it counts for more than that it did not read on.
        command::ended(git.wait_with_output(), &["fast-import"])?;
        written.map_err(GitError::Start)
    }

    /// Makes a branch the one that HEAD names, there or not.
    ///
    /// # Errors
    /// When the name is no name for a branch.
    pub fn set_head(&self, branch: &str) -> Result<(), GitError> {
        self.git(&["symbolic-ref", "HEAD", &format!("refs/heads/{branch}")]).map(drop)
    }

    /// Runs any git command in the repository and returns its stdout.
    ///
    /// # Errors
    /// When the command fails; the error carries its stderr.
    pub fn git(&self, arguments: &[&str]) -> Result<String, GitError> {
        command::run(&self.path, arguments)
    }
}
