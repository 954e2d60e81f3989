//! A working copy: how a test plays the developer.

use std::fs;
use std::path::Path;

use tempfile::TempDir;

use super::{GitError, SigningKey, command};

/// A clone with a folder of its own, which is removed with this value.
#[derive(Debug)]
pub struct WorkingCopy {
    folder: TempDir,
    name: String,
    email: String,
    /// Further settings of Git for every command.
    settings: Vec<String>,
}

impl WorkingCopy {
    /// Clones a repository, empty or not; the author of commits is `Lab <lab@example.com>`.
    ///
    /// # Errors
    /// When `git clone` fails.
    pub fn clone(url: &str) -> Result<Self, GitError> {
        let folder = TempDir::with_prefix("lab-git-");
        let folder = folder.map_err(|source| GitError::Io { doing: "creating", path: std::env::temp_dir(), source })?;
        command::run(folder.path(), &["clone", "--quiet", url, "."])?;
        Ok(Self { folder, name: "Lab".to_owned(), email: "lab@example.com".to_owned(), settings: Vec::new() })
    }

    /// Sets the author and committer of the commits to come.
    #[must_use]
    pub fn author(mut self, name: &str, email: &str) -> Self {
        name.clone_into(&mut self.name);
        email.clone_into(&mut self.email);
        self
    }

    /// Signs the commits and tags to come with this key; nothing signs none.
    pub fn sign_with(&mut self, key: Option<&SigningKey>) {
        self.settings = key.map_or_else(Vec::new, |key| {
            let key = format!("user.signingKey={}", key.path().display());
            vec!["gpg.format=ssh".to_owned(), key, "commit.gpgSign=true".to_owned(), "tag.gpgSign=true".to_owned()]
        });
    }

    /// Returns the folder.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Writes files, commits everything that differs, and returns the commit's id. The commit may be empty.
    ///
    /// # Errors
    /// When a file can't be written or `git commit` fails.
    pub fn commit(&self, files: &[(&str, &str)], message: &str) -> Result<String, GitError> {
        for (path, text) in files {
            let path = self.path().join(path);
            let written = path.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::write(&path, text));
            written.map_err(|source| GitError::Io { doing: "writing", path, source })?;
        }
        self.git(&["add", "--all", "--force"])?;
        self.git(&["commit", "--quiet", "--allow-empty", "--message", message])?;
        self.head()
    }

    /// Commits files and pushes the branch; returns the commit's id.
    ///
    /// # Errors
    /// As [`WorkingCopy::commit`] and [`WorkingCopy::push`].
    pub fn commit_and_push(&self, files: &[(&str, &str)], message: &str) -> Result<String, GitError> {
        let commit = self.commit(files, message)?;
        self.push()?;
        Ok(commit)
    }

    /// Removes files and folders; the next commit says so.
    ///
    /// # Errors
    /// When Git does not know one of them.
    pub fn remove(&self, paths: &[&str]) -> Result<(), GitError> {
        let mut arguments = vec!["rm", "-r", "--quiet", "--"];
        arguments.extend(paths);
        self.git(&arguments).map(drop)
    }

    /// Makes a symbolic link; the next commit has it.
    ///
    /// # Errors
    /// When there is something at that path already.
    pub fn link(&self, path: &str, target: &str) -> Result<(), GitError> {
        let path = self.path().join(path);
        let made = path.parent().map_or(Ok(()), fs::create_dir_all);
        let made = made.and_then(|()| std::os::unix::fs::symlink(target, &path));
        made.map_err(|source| GitError::Io { doing: "linking", path, source })
    }

    /// Pushes the branch.
    ///
    /// # Errors
    /// When the remote refuses, as it does when it has commits that this copy has not.
    pub fn push(&self) -> Result<(), GitError> {
        self.git(&["push", "--quiet", "--set-upstream", "origin", "HEAD"]).map(drop)
    }

    /// Pushes the branch, replacing what the remote has.
    ///
    /// # Errors
    /// When the remote refuses.
    pub fn force_push(&self) -> Result<(), GitError> {
        self.git(&["push", "--quiet", "--force", "--set-upstream", "origin", "HEAD"]).map(drop)
    }

    /// Takes over what the remote has for this branch.
    ///
    /// # Errors
    /// When the histories have parted.
    pub fn pull(&self) -> Result<(), GitError> {
        self.git(&["pull", "--quiet", "--ff-only"]).map(drop)
    }

    /// Creates a branch at this commit and goes on in it.
    ///
    /// # Errors
    /// When there is one of that name.
    pub fn branch(&self, name: &str) -> Result<(), GitError> {
        self.git(&["switch", "--quiet", "--create", name]).map(drop)
    }

    /// Goes on in another branch.
    ///
    /// # Errors
    /// When there is none of that name.
    pub fn switch(&self, name: &str) -> Result<(), GitError> {
        self.git(&["switch", "--quiet", name]).map(drop)
    }

    /// Deletes a branch at the remote.
    ///
    /// # Errors
    /// When the remote has none of that name, or refuses.
    pub fn delete_branch(&self, name: &str) -> Result<(), GitError> {
        self.git(&["push", "--quiet", "origin", "--delete", name]).map(drop)
    }

    /// Puts the branch, and all files, back to another commit: what a force-push usually begins with.
    ///
    /// # Errors
    /// When there is no such commit.
    pub fn reset(&self, revision: &str) -> Result<(), GitError> {
        self.git(&["reset", "--quiet", "--hard", revision]).map(drop)
    }

    /// Makes the commit that undoes another, and returns its id.
    ///
    /// # Errors
    /// When it does not apply.
    pub fn revert(&self, revision: &str) -> Result<String, GitError> {
        self.git(&["revert", "--no-edit", revision])?;
        self.head()
    }

    /// Returns the id of the commit that this copy is at.
    ///
    /// # Errors
    /// When there is no commit yet.
    pub fn head(&self) -> Result<String, GitError> {
        self.git(&["rev-parse", "--verify", "HEAD^{commit}"])
    }

    /// Runs any git command in this copy and returns its stdout.
    ///
    /// # Errors
    /// When the command fails; the error carries its stderr.
    pub fn git(&self, arguments: &[&str]) -> Result<String, GitError> {
        let mut command = command::hermetic();
        command.current_dir(self.path());
        for setting in &self.settings {
            command.args(["-c", setting]);
        }
        command.args(arguments);
        for role in ["AUTHOR", "COMMITTER"] {
            command.env(format!("GIT_{role}_NAME"), &self.name).env(format!("GIT_{role}_EMAIL"), &self.email);
        }
        command::finish(&mut command, arguments)
    }
}
