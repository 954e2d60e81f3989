//! Log lines: text or JSON on standard error, filtered by `RUST_LOG`.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

use crate::run::LogFormat;

/// What is shown where `RUST_LOG` says nothing: plumb's own words, and of libraries only what went wrong.
const FILTER: &str = "warn,plumb=info,plumb_cluster=info,plumb_git=info,plumb_render=info";

/// Starts logging; a second call changes nothing.
pub(crate) fn start(format: LogFormat) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(FILTER));
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let colour = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    // A subscriber that is set already stays: tests start several daemons in one process.
    let _ = match format {
        LogFormat::Text => lines.with_ansi(colour).with_target(false).try_init(),
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
    };
}
