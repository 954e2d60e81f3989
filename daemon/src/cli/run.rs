//! `plumb run`: the daemon.

use super::{Outcome, error::CliError};
use crate::run::{RunArgs, run};

/// Runs the daemon until it is told to stop.
pub(crate) fn perform(arguments: RunArgs) -> Result<Outcome, CliError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(CliError::Output)?;
    let ended = runtime.block_on(run(arguments));
    ended.map(|()| Outcome::Yes).map_err(|error| CliError::Daemon { message: format!("{error:#}") })
}
