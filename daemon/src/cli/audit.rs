//! `plumb audit`: what the records in Git prove, and the records themselves for other programs.

mod evidence;
mod export;
mod live;
mod verify;

use clap::{Args, Subcommand};

use super::{Outcome, error::CliError};

/// Verify the records that plumb leaves in Git, or export them
///
/// Works on a clone alone, without a cluster: take one with git clone --mirror, or fetch the notes into one that you have with
/// git fetch origin 'refs/notes/plumb/*:refs/notes/plumb/*'.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  plumb audit verify --repo environments.git --keys keys/
  plumb audit export --repo environments.git --since 2026-11-01 -o csv > november.csv")]
pub(crate) struct AuditArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Verify(verify::VerifyArgs),
    Export(export::ExportArgs),
}

/// Carries one of the two out.
pub(crate) fn perform(arguments: &AuditArgs) -> Result<Outcome, CliError> {
    match &arguments.command {
        Command::Verify(arguments) => verify::perform(arguments),
        Command::Export(arguments) => export::perform(arguments),
    }
}
