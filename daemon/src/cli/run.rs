//! `plumb run`: the daemon.

use super::{Outcome, error::CliError};
use crate::run::RunArgs;

/// Runs the daemon, on as many threads as there are cores, until it is stopped.
pub(crate) fn perform(arguments: RunArgs) -> Result<Outcome, CliError> {
    let runtime = tokio::runtime::Runtime::new().map_err(CliError::Runtime)?;
    runtime.block_on(crate::run::run(arguments)).map_err(CliError::Daemon)?;
    Ok(Outcome::Yes)
}
