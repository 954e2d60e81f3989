//! `lab down`: end what `lab up` started, wherever it was left.
#![allow(clippy::print_stdout)]

use clap::Args;
use lab::planes::{self, Ended};

/// End every control plane that `cargo lab up` started, and remove what a killed one left behind.
///
/// There is usually nothing to do: a control plane ends with its terminal. Those of running tests are left alone.
#[derive(Debug, Args)]
pub(crate) struct Down {}

impl Down {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let ended = planes::end_left()?;
        if ended.is_empty() {
            println!("No control plane of yours is up, and none was left behind.");
        }
        for ended in ended {
            match ended {
                Ended::Stopped(directory) => println!("Ended {}.", directory.display()),
                Ended::Removed(directory) => {
                    println!("Removed {}, left by a guard that was killed.", directory.display());
                }
            }
        }
        Ok(())
    }
}
