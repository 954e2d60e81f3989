//! `-o`: for people or for programs.

use serde::Serialize;

use super::{error::CliError, screen, yaml};

/// How an answer is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum OutputFormat {
    /// For people
    Table,
    /// One JSON document, for programs
    Json,
    /// One YAML document
    Yaml,
}

/// The option `-o`.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct FormatArgs {
    /// How the answer is written
    #[arg(short = 'o', long = "output", value_enum, default_value_t = OutputFormat::Table, value_name = "FORMAT")]
    pub(crate) output: OutputFormat,
}

impl FormatArgs {
    /// Prints an answer: `table` makes the text for people, only if it is wanted.
    pub(crate) fn print<T: Serialize>(self, answer: &T, table: impl FnOnce() -> String) -> Result<(), CliError> {
        let text = match self.output {
            OutputFormat::Table => table(),
            OutputFormat::Json => {
                serde_json::to_string_pretty(answer).expect("because answers have only text keys") + "\n"
            }
            OutputFormat::Yaml => yaml::document("the answer", answer)?,
        };
        screen::print(&text)
    }
}
