//! Real Git for tests: bare repositories, working copies to commit with, a smart HTTP server and an ssh server.
//!
//! Runs the `git` of this machine, apart from the user's and the system's configuration and from every `GIT_…` variable
//! of the environment. Touches folders of its own among the temporary files.

mod bare_repository;
mod command;
mod forge;
mod http_server;
mod listening;
mod openssh;
mod signing_key;
mod ssh_key;
mod ssh_server;
mod tls;
mod working_copy;

use std::io;
use std::path::PathBuf;

pub use bare_repository::BareRepository;
pub use forge::{Asked, Fate, Forge};
pub use http_server::{Access, Behaviour, HttpServer, Request};
pub use openssh::OpenSsh;
pub use signing_key::SigningKey;
pub use ssh_key::{SshKey, SshKeyKind};
pub use ssh_server::{SshLogin, SshServer};
pub use tls::{Certificate, TlsAuthority};
pub use working_copy::WorkingCopy;

/// The branch of new repositories, whatever the user's Git prefers.
pub const DEFAULT_BRANCH: &str = "main";

/// Why Git for tests does not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    /// `git` can't be started.
    #[error("`git` can't be started: install Git 2.28 or newer")]
    Start(#[source] io::Error),
    /// `git` ended with an error.
    #[error("`git {arguments}` failed: {stderr}")]
    Failed {
        /// The command line.
        arguments: String,
        /// What git said.
        stderr: String,
    },
    /// `ssh-keygen` can't be started.
    #[error("`ssh-keygen` can't be started: install OpenSSH's client")]
    StartKeygen(#[source] io::Error),
    /// `ssh-keygen` ended with an error.
    #[error("`ssh-keygen {arguments}` failed: {stderr}")]
    Keygen {
        /// The command line.
        arguments: String,
        /// What it said.
        stderr: String,
    },
    /// A file or folder can't be used.
    #[error("{doing} {} failed", path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// With which file or folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The server can't listen.
    #[error("the Git server can't listen on port {port} of 127.0.0.1: another process has taken it")]
    Listen {
        /// The port.
        port: u16,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A key pair can't be made.
    #[error("a key pair can't be made: {0}")]
    Key(String),
    /// There is no free port for the server.
    #[error("{0}")]
    NoPort(String),
}
