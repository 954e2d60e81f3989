//! Repositories made by the `git` program, independent of the user's configuration.

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use plumb_core::commit::CommitId;
use plumb_git::remote::{FileUrls, RemoteUrl};
use tempfile::TempDir;

/// A repository in a directory of its own, which holds nothing else.
pub(crate) struct TestRepository {
    home: TempDir,
    path: PathBuf,
}

impl TestRepository {
    /// Makes an empty one with a working tree and the branch `main`.
    pub(crate) fn new() -> Self {
        Self::with(&["-b", "main"])
    }

    /// Makes one with other options of `git init`.
    pub(crate) fn with(options: &[&str]) -> Self {
        let home = tempfile::tempdir().expect("a temporary directory");
        let path = home.path().join("repository");
        fs::create_dir(&path).expect("a new directory");
        let repository = Self { home, path };
        let mut arguments = vec!["init", "-q"];
        arguments.extend(options);
        repository.git(&arguments);
        repository
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns a directory beside the repository that goes with it.
    pub(crate) fn beside(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    pub(crate) fn url(&self) -> RemoteUrl {
        RemoteUrl::parse(&format!("file://{}", self.path.display()), FileUrls::Allowed).expect("a file address")
    }

    /// Runs git here and returns what it printed.
    pub(crate) fn git<S: AsRef<OsStr>>(&self, arguments: &[S]) -> String {
        let output = Command::new("git")
            .args(["-c", "commit.gpgsign=false", "-c", "protocol.file.allow=always"])
            .args(arguments)
            .current_dir(&self.path)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.home.path())
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_AUTHOR_NAME", "Ada Author")
            .env("GIT_AUTHOR_EMAIL", "ada@example.com")
            .env("GIT_AUTHOR_DATE", "2026-01-02T03:04:05Z")
            .env("GIT_COMMITTER_NAME", "Carl Committer")
            .env("GIT_COMMITTER_EMAIL", "carl@example.com")
            .env("GIT_COMMITTER_DATE", "2026-01-02T03:04:06Z")
            .output()
            .expect("git is installed");
        let arguments: Vec<_> = arguments.iter().map(|argument| argument.as_ref().to_string_lossy()).collect();
        assert!(output.status.success(), "git {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("git writes UTF-8").trim().to_owned()
    }

    pub(crate) fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        let path = self.path.join(path);
        fs::create_dir_all(path.parent().expect("a path below the repository")).expect("a directory");
        fs::write(path, content).expect("a file");
    }

    pub(crate) fn link(&self, path: &str, target: &str) {
        let path = self.path.join(path);
        fs::create_dir_all(path.parent().expect("a path below the repository")).expect("a directory");
        std::os::unix::fs::symlink(target, path).expect("a link");
    }

    /// Commits everything in the working tree.
    pub(crate) fn commit(&self, message: &str) -> CommitId {
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "--allow-empty", "-m", message]);
        self.head()
    }

    /// Writes one file and commits.
    pub(crate) fn change(&self, path: &str, content: &str) -> CommitId {
        self.write(path, content);
        self.commit(&format!("change {path}"))
    }

    pub(crate) fn head(&self) -> CommitId {
        CommitId::parse(&self.git(&["rev-parse", "HEAD"])).expect("a commit id")
    }
}
