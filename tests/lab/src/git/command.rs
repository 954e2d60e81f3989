//! One run of `git`, untouched by anybody's configuration.

use std::env;
use std::io;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use super::{DEFAULT_BRANCH, GitError};

/// Returns a `git` that knows no configuration but a repository's own and never asks a person for a password.
pub(super) fn hermetic() -> Command {
    let mut command = Command::new("git");
    for (variable, _) in env::vars_os() {
        if variable.to_string_lossy().starts_with("GIT_") {
            command.env_remove(variable);
        }
    }
    command
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_TERMINAL_PROMPT", "0")
        // Also where Git would look for credentials and attributes.
        .env("HOME", "/nonexistent")
        .env("XDG_CONFIG_HOME", "/nonexistent")
        .env("LC_ALL", "C")
        .args(["-c", &format!("init.defaultBranch={DEFAULT_BRANCH}")])
        // The user's proxy has no way to this machine's loopback.
        .args(["-c", "http.proxy="])
        .args(["-c", "gc.auto=0", "-c", "commit.gpgSign=false", "-c", "advice.detachedHead=false"])
        .stdin(Stdio::null());
    command
}

/// Runs `git` in a folder and returns its stdout without the last line break.
pub(super) fn run(directory: &Path, arguments: &[&str]) -> Result<String, GitError> {
    finish(hermetic().current_dir(directory).args(arguments), arguments)
}

/// Runs a prepared `git` and returns its stdout without the last line break.
pub(super) fn finish(command: &mut Command, arguments: &[&str]) -> Result<String, GitError> {
    ended(command.output(), arguments)
}

/// Returns the stdout of a `git` that has ended, without the last line break.
pub(super) fn ended(output: io::Result<Output>, arguments: &[&str]) -> Result<String, GitError> {
    let output = output.map_err(GitError::Start)?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned());
    }
    let stderr = String::from_utf8_lossy(&output.stderr).trim_end().to_owned();
    Err(GitError::Failed { arguments: arguments.join(" "), stderr })
}
