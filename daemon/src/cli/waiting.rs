//! Waiting for what was asked of the daemon: progress on a terminal, one answer for each environment or trigger.

use std::{collections::BTreeMap, fmt::Display, time::Duration};

use plumb_core::class::Class;
use tokio::time::Instant;

use super::{
    Outcome,
    error::CliError,
    screen::{self, Tone},
};
use crate::chain::chain;

/// How often the status is read while waiting: a sync takes some hundred milliseconds, and one GET costs next to nothing.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// How far an environment, or a trigger, is with a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Progress {
    /// The request is not carried out yet, or its effects are on their way.
    Underway(String),
    /// All is as it should be.
    Ready(String),
    /// A person has to act.
    Stuck(String),
}

/// What helps where an environment is not ready in time.
pub(super) const NEXT_OF_ENVIRONMENTS: &str =
    "next: plumb status ENV shows every problem, plumb tree ENV the health of each object; see that plumb runs";

/// Waits for requests, named by their ids, until `look` says of each that it is ready or stuck; says how each is, and what is `next`
/// where the time is up.
pub(super) async fn wait<N: Ord + Clone + Display>(
    mut waiting: BTreeMap<N, String>,
    timeout: Duration,
    next: &str,
    look: impl AsyncFn(&N, &str) -> Result<Progress, CliError>,
) -> Result<Outcome, CliError> {
    let deadline = Instant::now() + timeout;
    let mut said: BTreeMap<N, String> = BTreeMap::new();
    let mut outcome = Outcome::Yes;
    loop {
        for (name, id) in waiting.clone() {
            let progress = match look(&name, &id).await {
                // An API server that restarts, or a connection that broke: the request stands.
                Err(CliError::Api(error)) if error.class() == Class::Retry => Progress::Underway(chain(&error)),
                looked => looked?,
            };
            match progress {
                Progress::Underway(message) => {
                    if said.get(&name) != Some(&message) {
                        screen::remark(&format!("{name}: {}", Tone::Waiting.paint(&screen::plain(&message))))?;
                        said.insert(name, message);
                    }
                    continue;
                }
                Progress::Ready(message) => {
                    screen::print(&format!("{name}: {} {}\n", Tone::Good.paint("ready:"), screen::plain(&message)))?;
                }
                Progress::Stuck(message) => {
                    outcome = Outcome::No;
                    screen::print(&format!("{name}: {} {}\n", Tone::Bad.paint("not ready:"), screen::plain(&message)))?;
                }
            }
            waiting.remove(&name);
        }
        if waiting.is_empty() {
            return Ok(outcome);
        }
        if Instant::now() >= deadline {
            for name in waiting.keys() {
                let last = said.get(name).map(String::as_str).unwrap_or_default();
                screen::print(&format!("{name}: {} {}\n", Tone::Bad.paint("not ready in time:"), screen::plain(last)))?;
            }
            screen::remark(next)?;
            return Ok(Outcome::No);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
