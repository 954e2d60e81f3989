//! Writing lines of logs: for people on a terminal, or byte for byte.

use std::io::{self, ErrorKind, IsTerminal as _, Write};

use owo_colors::OwoColorize as _;

use super::letters;
use crate::cli::error::CliError;

/// Where lines go.
pub(super) struct Printer {
    terminal: bool,
}

impl Printer {
    pub(super) fn new() -> Self {
        Self { terminal: io::stdout().is_terminal() }
    }

    /// Writes one line, and returns whether anybody still reads them.
    pub(super) fn line(&self, title: &str, text: &[u8]) -> Result<bool, CliError> {
        let written = if self.terminal {
            // It takes out colours where NO_COLOR is set.
            let mut stream = anstream::stdout().lock();
            stream.write_all(of_terminal(title, text).as_bytes()).and_then(|()| stream.flush())
        } else {
            let mut stream = io::stdout().lock();
            stream.write_all(&raw(title, text)).and_then(|()| stream.flush())
        };
        match written {
            Ok(()) => Ok(true),
            // `head` has seen enough.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
            Err(error) => Err(CliError::Output(error)),
        }
    }
}

fn of_terminal(title: &str, text: &[u8]) -> String {
    let before = format!("[{title}]");
    let lines = letters::shown(text).into_iter();
    lines.map(|line| format!("{} {line}\n", before.cyan())).collect()
}

fn raw(title: &str, text: &[u8]) -> Vec<u8> {
    [b"[".as_slice(), title.as_bytes(), b"] ", text, b"\n"].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pipe_gets_the_bytes_and_a_terminal_what_is_safe() {
        let text = b"\x1b]0;title\x07a\xff";
        assert_eq!(raw("build : cc", text), b"[build : cc] \x1b]0;title\x07a\xff\n");
        assert_eq!(of_terminal("build : cc", text), "\u{1b}[36m[build : cc]\u{1b}[39m a\u{fffd}\n");
        assert_eq!(anstream::adapter::strip_str(&of_terminal("x", b"1\r2")).to_string(), "[x] 1\n[x] 2\n");
    }
}
