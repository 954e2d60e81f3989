//! The command line.
//!
//! Owns: arguments, tables, exit codes and the words around an error; one file for each command. May touch: the
//! terminal, files and clones that the user names, and the Kubernetes API; Git servers only for `plumb diff`. Must never do: write to the
//! cluster anything but request annotations and what ends a run, decide what plumb-core decides, or show a value of a Secret from a cluster.

mod age;
mod allow;
mod asking;
mod audit;
mod build;
mod check;
mod completion;
mod connection;
mod diff;
mod drift;
mod error;
mod format;
mod git_worker;
mod history;
mod install;
mod logs;
mod notes;
mod place;
mod render;
mod rollback;
mod run;
mod runs;
mod screen;
mod standing;
mod status;
mod suspend;
mod sync;
mod table;
mod tree;
mod triggers;
mod waiting;
mod writers;
mod yaml;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use self::error::CliError;

/// What is said about exit codes at the end of the help.
const EXIT_CODES: &str = "\
Exit codes:
  0  done; nothing is wrong and nothing would change
  1  the answer is no: check found problems, diff a change, sync --wait an environment that is not ready, or
     logs --follow and build --wait a run that did not succeed; status and drift only show, and end with 0
  2  the question could not be answered; the last line of the message says what to do next

Colours appear only on a terminal, and never with NO_COLOR set.
Installed as kubectl-plumb it is `kubectl plumb` too.";

/// What a beginner types first.
const FIRST_STEPS: &str = "\
First steps:
  plumb check environments/staging          is what stands in Git valid?
  plumb install | kubectl apply --server-side -f -
  plumb run --bootstrap environments/plumb  or run it here, against the cluster of your kubeconfig
  plumb status -A                           how do my environments stand?";

/// Keeps Kubernetes clusters true to Git.
///
/// plumb follows Git repositories and applies what stands there; it watches what it applied and puts back what others
/// change. An Environment says which path of which Repository belongs into the cluster.
#[derive(Debug, Parser)]
#[command(name = "plumb", version, propagate_version = true, after_help = FIRST_STEPS)]
#[command(after_long_help = format!("{FIRST_STEPS}\n\n{EXIT_CODES}"))]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the daemon: keep the cluster true to Git until it is stopped
    #[command(after_help = "Examples:
  plumb run --bootstrap environments/plumb            on a laptop, against the cluster of the kubeconfig
  plumb run --metrics 0.0.0.0:9090 --log-format json  in a Pod, with its service account")]
    Run(crate::run::RunArgs),
    Install(install::InstallArgs),
    Check(check::CheckArgs),
    Render(render::RenderArgs),
    Diff(diff::DiffArgs),
    Sync(sync::SyncArgs),
    Status(status::StatusArgs),
    Tree(tree::TreeArgs),
    Drift(drift::DriftArgs),
    History(history::HistoryArgs),
    Rollback(rollback::RollbackArgs),
    Suspend(suspend::SuspendArgs),
    Resume(suspend::ResumeArgs),
    Allow(allow::AllowArgs),
    Runs(runs::RunsArgs),
    Logs(logs::LogsArgs),
    Build(build::BuildArgs),
    Audit(audit::AuditArgs),
    Completion(completion::CompletionArgs),
    #[command(hide = true)]
    GitWorker(git_worker::GitWorkerArgs),
}

/// What a command came to, if it could be carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// Nothing is wrong, nothing would change.
    Yes,
    /// Problems were found, something would change, something is not ready.
    No,
}

/// The exit code of a command that could not be carried out; clap's own for wrong arguments too.
const FAILED: u8 = 2;

/// Runs the program.
pub fn main() -> ExitCode {
    match perform(Cli::parse().command) {
        Ok(Outcome::Yes) => ExitCode::SUCCESS,
        Ok(Outcome::No) => ExitCode::from(1),
        Err(error) => {
            screen::report(&error);
            ExitCode::from(FAILED)
        }
    }
}

fn perform(command: Command) -> Result<Outcome, CliError> {
    match command {
        Command::Run(arguments) => run::perform(arguments),
        Command::Install(arguments) => install::perform(&arguments),
        Command::Check(arguments) => check::perform(&arguments),
        Command::Render(arguments) => render::perform(&arguments),
        Command::Diff(arguments) => diff::perform(&arguments),
        Command::Sync(arguments) => sync::perform(&arguments),
        Command::Status(arguments) => status::perform(&arguments),
        Command::Tree(arguments) => tree::perform(&arguments),
        Command::Drift(arguments) => drift::perform(&arguments),
        Command::History(arguments) => history::perform(&arguments),
        Command::Rollback(arguments) => rollback::perform(&arguments),
        Command::Suspend(arguments) => suspend::suspend(&arguments),
        Command::Resume(arguments) => suspend::resume(&arguments),
        Command::Allow(arguments) => allow::perform(&arguments),
        Command::Runs(arguments) => runs::perform(&arguments),
        Command::Logs(arguments) => logs::perform(&arguments),
        Command::Build(arguments) => build::perform(&arguments),
        Command::Audit(arguments) => audit::perform(&arguments),
        Command::Completion(arguments) => {
            completion::perform(&arguments, &mut <Cli as clap::CommandFactory>::command())
        }
        Command::GitWorker(arguments) => git_worker::perform(arguments),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_has_a_sentence_and_an_example() {
        let mut cli = Cli::command();
        for command in cli.get_subcommands_mut().filter(|command| !command.is_hide_set()) {
            let name = command.get_name().to_owned();
            assert!(command.get_about().is_some(), "{name}");
            let help = command.render_long_help().to_string();
            assert!(help.contains(&format!("plumb {name} ")), "{name} has no example:\n{help}");
        }
    }
}
