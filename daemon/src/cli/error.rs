//! Why a command could not be carried out, and what to do next.

use std::{io, path::PathBuf};

use plumb_git::error::GitError;

/// A command that was not carried out. `Display` says what happened; [`CliError::next`] says what to do.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CliError {
    /// A path can't be read as files.
    #[error("cannot read {}", .path.display())]
    Unreadable {
        /// The path.
        path: PathBuf,
        #[source]
        source: GitError,
    },
    /// Files are wrong, where valid ones are needed to go on.
    #[error("the files are not valid:\n{}", lines(.0))]
    Files(Vec<String>),
    /// Standard output can't be written.
    #[error("cannot write the output")]
    Output(#[source] io::Error),
    /// The Git worker's pipes broke.
    #[error("the git worker ended")]
    GitWorker(#[source] io::Error),
    /// The async runtime can't be started.
    #[error("cannot start")]
    Runtime(#[source] io::Error),
    /// The daemon ended with an error.
    #[error("plumb ends")]
    Daemon(#[source] anyhow::Error),
    /// The text of an object can't be made.
    #[error("{object} cannot be written as YAML: {message}")]
    Yaml {
        /// Which object.
        object: String,
        /// What the library says.
        message: String,
    },
}

impl CliError {
    /// Returns the next step.
    pub(crate) fn next(&self) -> String {
        match self {
            Self::Unreadable { path, .. } => {
                format!("name a directory or a file that exists and is readable: ls -la {}", path.display())
            }
            Self::Files(_) => "correct these places; `plumb check` finds them all without a cluster".to_owned(),
            Self::Output(_) => "see whether the disk is full, or write somewhere else".to_owned(),
            Self::GitWorker(_) => "nobody starts this by hand: see the log of the plumb that started it".to_owned(),
            Self::Runtime(_) => "see whether the limits on threads and open files are too low: ulimit -a".to_owned(),
            Self::Daemon(_) => "correct what is named above, then start it again: plumb run --help".to_owned(),
            Self::Yaml { .. } => "this is a defect: please report it, and use -o json until then".to_owned(),
        }
    }
}

fn lines(problems: &[String]) -> String {
    problems.iter().map(|problem| format!("  {problem}")).collect::<Vec<_>>().join("\n")
}
