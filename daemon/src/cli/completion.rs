//! `plumb completion`.

use clap::{Args, Command};

use super::{Outcome, error::CliError, screen};

/// Print the completion script of a shell
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  source <(plumb completion bash)
  plumb completion zsh > \"${fpath[1]}/_plumb\"
  plumb completion fish > ~/.config/fish/completions/plumb.fish")]
pub(crate) struct CompletionArgs {
    /// The shell
    #[arg(value_enum, value_name = "SHELL")]
    shell: clap_complete::Shell,
}

/// Prints the script.
pub(crate) fn perform(arguments: &CompletionArgs, cli: &mut Command) -> Result<Outcome, CliError> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, cli, "plumb", &mut script);
    screen::print(&String::from_utf8_lossy(&script))?;
    Ok(Outcome::Yes)
}
