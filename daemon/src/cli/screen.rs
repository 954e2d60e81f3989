//! Writing to the terminal.
//!
//! Owns: colours (anstream removes them where there is no terminal, and where NO_COLOR is set), what an error looks
//! like, and that nothing from a cluster can steer the terminal.

use std::{error::Error, io, io::Write};

use owo_colors::OwoColorize as _;
use plumb_core::health::HealthStatus;

use super::error::CliError;
use crate::report::ending::Ending;

/// Writes a text to standard output. A reader that has seen enough, such as `head`, is no error.
pub(crate) fn print(text: &str) -> Result<(), CliError> {
    written(anstream::stdout().lock(), text)
}

/// Writes a line to standard error: what is said about the answer, not the answer.
pub(crate) fn remark(line: &str) -> Result<(), CliError> {
    written(anstream::stderr().lock(), &format!("{line}\n"))
}

fn written(mut stream: impl Write, text: &str) -> Result<(), CliError> {
    match stream.write_all(text.as_bytes()).and_then(|()| stream.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(CliError::Output(error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Writes an error, its causes and the next step to standard error.
pub(crate) fn report(error: &CliError) {
    let mut said = error.to_string();
    let mut text = format!("{} {}\n", "error:".red().bold(), plain(&said));
    let mut source = error.source();
    while let Some(cause) = source {
        let why = cause.to_string();
        // Some libraries repeat their sources in their own words.
        if !said.contains(&why) {
            text.push_str(&format!("  because {}\n", plain(&why)));
            said = why;
        }
        source = cause.source();
    }
    text.push_str(&format!("{} {}\n", "next:".bold(), error.next()));
    // There is nowhere left to say that this failed; the exit code still does.
    let _ = written(anstream::stderr().lock(), &text);
}

/// Returns the first line of a text, with characters that steer a terminal replaced: the text may come from anybody.
pub(crate) fn first_line(text: &str) -> String {
    plain(text.lines().next().unwrap_or_default())
}

/// Returns a text without characters that steer a terminal; line ends and tabs stay.
pub(crate) fn plain(text: &str) -> String {
    let steers = |c: char| c.is_control() && c != '\n' && c != '\t';
    text.chars().map(|c| if steers(c) { '\u{fffd}' } else { c }).collect()
}

/// The colours of verdicts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    /// As it should be.
    Good,
    /// On its way, or not known.
    Waiting,
    /// Wrong.
    Bad,
    /// No colour.
    Plain,
}

impl Tone {
    /// Returns the text in this colour.
    pub(crate) fn paint(self, text: &str) -> String {
        match self {
            Self::Good => text.green().to_string(),
            Self::Waiting => text.yellow().to_string(),
            Self::Bad => text.red().to_string(),
            Self::Plain => text.to_owned(),
        }
    }

    /// Returns the colour of what came of an operation, as a status says it.
    pub(crate) fn of_result(result: &str) -> Self {
        match Ending::parse(result) {
            Some(Ending::Applied | Ending::Restored) => Self::Good,
            Some(Ending::Superseded | Ending::Blocked) => Self::Waiting,
            Some(Ending::Failed | Ending::RolledBack) | None => Self::Bad,
        }
    }

    /// Returns the colour of a verdict.
    pub(crate) fn of(health: HealthStatus) -> Self {
        match health {
            HealthStatus::Current => Self::Good,
            HealthStatus::InProgress | HealthStatus::Terminating | HealthStatus::Unknown => Self::Waiting,
            HealthStatus::Failed => Self::Bad,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_others_cannot_steer_the_terminal() {
        assert_eq!(first_line("a\u{1b}[2Jb\nc"), "a\u{fffd}[2Jb");
        assert_eq!(plain("a\tb\nc\r"), "a\tb\nc\u{fffd}");
        assert_eq!(first_line(""), "");
    }
}
