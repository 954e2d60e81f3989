//! What a person sees while binaries are found or built: the first build takes minutes, silence would look like a hang.
//!
//! Writes to stderr only, so that it never mixes with the output of a command.

use std::io::{IsTerminal, Write, stderr};
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// How often a line tells that a build is still going where there is no terminal: often enough for the reader of a CI
/// log to see movement, rare enough to leave the log readable.
const HEARTBEAT: Duration = Duration::from_secs(30);

/// How often the display of a terminal is redrawn, which is also how fast its clock turns.
const REDRAW: Duration = Duration::from_millis(120);

/// One thing that happens while binaries are obtained.
#[derive(Debug, Clone, Copy)]
pub enum Step<'a> {
    /// The binaries of a module are there already.
    Found {
        /// The module's short name.
        module: &'a str,
        /// The folder that has them.
        directory: &'a Path,
    },
    /// Another process builds the same module; this one waits for it.
    Waiting {
        /// The module's short name.
        module: &'a str,
    },
    /// A build begins.
    Building {
        /// The module's short name.
        module: &'a str,
        /// The pinned version.
        version: &'a str,
        /// How long it usually takes from nothing.
        usually: Duration,
    },
    /// The build says something: a package that was compiled, a module that is downloaded.
    Output {
        /// The line as the Go command wrote it.
        line: &'a str,
    },
    /// A build is done.
    Built {
        /// The module's short name.
        module: &'a str,
        /// How long it took.
        took: Duration,
        /// The folder that has the binaries now.
        directory: &'a Path,
    },
}

/// Something that is told about every step, as it happens.
pub trait Progress: Sync {
    /// Takes note of one step.
    fn report(&self, step: Step<'_>);
}

/// Says nothing.
#[derive(Debug, Clone, Copy)]
pub struct Silent;

impl Progress for Silent {
    fn report(&self, _: Step<'_>) {}
}

/// Writes to stderr: one live line with a clock on a terminal, else a line per step and one every half minute.
#[derive(Debug, Default)]
pub struct Stderr {
    build: Mutex<Option<Build>>,
}

#[derive(Debug)]
struct Build {
    module: String,
    started: Instant,
    compiled: usize,
    last_line: Instant,
    bar: Option<ProgressBar>,
}

impl Progress for Stderr {
    fn report(&self, step: Step<'_>) {
        let mut build = self.build.lock().expect("because no code panics while it holds this lock");
        match step {
            Step::Found { .. } => {}
            Step::Waiting { module } => {
                say(&format!("lab: another process is building {module}; waiting for it"));
            }
            Step::Building { module, version, usually } => {
                say(&format!(
                    "lab: building {module} {version} from its pinned Go module, once for this machine; usually {} on 2 cores, seconds when Go has compiled it before",
                    in_words(usually)
                ));
                *build = Some(Build::begin(module));
            }
            Step::Output { line } => {
                if let Some(build) = build.as_mut() {
                    build.heard(line);
                }
            }
            Step::Built { module, took, directory } => {
                if let Some(bar) = build.take().and_then(|build| build.bar) {
                    bar.finish_and_clear();
                }
                say(&format!("lab: built {module} in {}: {}", in_words(took), directory.display()));
            }
        }
    }
}

impl Build {
    fn begin(module: &str) -> Self {
        let bar = stderr().is_terminal().then(|| {
            let bar = ProgressBar::new_spinner();
            let style = ProgressStyle::with_template("{spinner} {prefix} {elapsed_precise} {wide_msg}");
            bar.set_style(style.expect("because the template is a constant that was tried"));
            bar.set_prefix(module.to_owned());
            bar.enable_steady_tick(REDRAW);
            bar
        });
        let now = Instant::now();
        Self { module: module.to_owned(), started: now, compiled: 0, last_line: now, bar }
    }

    fn heard(&mut self, line: &str) {
        let message = match line.strip_prefix("go: ") {
            Some(download) => download.to_owned(),
            None => {
                self.compiled += 1;
                format!("{} packages compiled, last {line}", self.compiled)
            }
        };
        match &self.bar {
            Some(bar) => bar.set_message(message),
            None if self.last_line.elapsed() >= HEARTBEAT => {
                self.last_line = Instant::now();
                say(&format!("lab: {} after {}: {message}", self.module, in_words(self.started.elapsed())));
            }
            None => {}
        }
    }
}

/// Returns a duration as a person says it: `40 s`, `5 min`.
pub(crate) fn in_words(duration: Duration) -> String {
    let seconds = duration.as_secs();
    if seconds < 90 { format!("{seconds} s") } else { format!("{} min", (seconds + 30) / 60) }
}

/// Writes one line past the capture of the test harness: a first build inside a test must not look like a hang.
fn say(line: &str) {
    // A closed stderr must not fail a build.
    let _ = writeln!(stderr(), "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_said_in_words() {
        for (seconds, words) in [(0, "0 s"), (40, "40 s"), (89, "89 s"), (90, "2 min"), (309, "5 min")] {
            assert_eq!(in_words(Duration::from_secs(seconds)), words);
        }
    }
}
