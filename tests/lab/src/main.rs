//! `lab`: the laboratory on the command line. Parses the arguments and hands over; each subcommand is one file.

mod bench;
mod command;
mod demo;

use std::process::ExitCode;

use clap::Parser;

use command::Lab;

fn main() -> ExitCode {
    // `cargo demo -- --once`: the alias has handed over its `--` already, and this one is the person's.
    let arguments = std::env::args_os().enumerate().filter(|(place, argument)| *place != 2 || argument != "--");
    match Lab::parse_from(arguments.map(|(_, argument)| argument)).run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            command::complain(&error);
            ExitCode::FAILURE
        }
    }
}
