//! `lab guard`: what the library starts for each control plane; not for people.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use lab::planes::Purpose;

/// Owns one control plane, on orders from stdin; ends it when stdin closes.
#[derive(Debug, Args)]
#[command(hide = true)]
pub(crate) struct Guard {
    /// The folder of the control plane; removed at the end.
    #[arg(long)]
    directory: PathBuf,
    /// Who wants the control plane.
    #[arg(long)]
    purpose: Wanted,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Wanted {
    Person,
    Test,
}

impl Guard {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let purpose = match self.purpose {
            Wanted::Person => Purpose::Person,
            Wanted::Test => Purpose::Test,
        };
        Ok(lab::guard::run(&self.directory, purpose)?)
    }
}
