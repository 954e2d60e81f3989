//! `plumb git-worker`: what plumb starts to talk to Git servers; nobody types it.

use std::{io, path::PathBuf};

use clap::Args;
use plumb_git::worker::{self, Settings};

use super::{Outcome, error::CliError};

/// Talk to Git servers for another plumb, in JSON lines on standard input and output
#[derive(Debug, Args)]
pub(crate) struct GitWorkerArgs {
    /// A local repository that may belong to another user; `*` means all
    #[arg(long = "safe-directory", value_name = "DIR")]
    safe_directories: Vec<PathBuf>,
}

/// Serves requests until the input closes.
pub(crate) fn perform(arguments: GitWorkerArgs) -> Result<Outcome, CliError> {
    worker::limit_memory().map_err(CliError::GitWorker)?;
    let settings = Settings { safe_directories: arguments.safe_directories };
    worker::serve(io::stdin().lock(), io::stdout(), settings).map_err(CliError::GitWorker)?;
    Ok(Outcome::Yes)
}
