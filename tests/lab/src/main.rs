//! `lab`: the laboratory on the command line. Parses the arguments and hands over; each subcommand is one file.

mod bench;
mod command;
mod demo;

use std::process::ExitCode;

use clap::Parser;

use command::Lab;

fn main() -> ExitCode {
    match Lab::parse().run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            command::complain(&error);
            ExitCode::FAILURE
        }
    }
}
