//! A commit arrives: plumb runs already, knows every Environment of a site, and has nothing to do until the branch moves.
//!
//! The clock stops when a watch has shown the last status; what plumb does after that, until it is quiet, is counted and not timed.

use std::time::Duration;

use tokio::time::Instant;

use super::{
    counters::{self, Requests},
    daemon::{Daemon, Usage},
    figures::round,
    ground::{Ground, PLUMB},
    observer::Observer,
    site::Site,
};

/// When plumb counts as done.
#[derive(Debug, Clone, Copy)]
pub(super) struct Quiet {
    /// When it has made no request for this long.
    pub(super) for_as_long_as: Duration,
    /// How long that may take.
    pub(super) within: Duration,
}

/// What it came to.
pub(super) struct Arrival {
    /// Until the first Environment was applied.
    pub(super) first: Duration,
    /// Until the last one was.
    pub(super) took: Duration,
    /// What the API server used meanwhile.
    pub(super) server_cpu_seconds: f64,
    /// What plumb asked of it, until it was quiet.
    pub(super) requests: Requests,
    /// What plumb used, until it was quiet.
    pub(super) usage: Usage,
}

/// Starts plumb, has the commit of a site arrive, and returns that plumb, which is quiet again.
pub(super) async fn measure(ground: &Ground, site: &Site, quiet: Quiet) -> anyhow::Result<(Daemon, Arrival)> {
    let commit = site.stage()?;
    let mut daemon = Daemon::start(ground)?;
    let looked = async || Observer::of(&ground.watcher, site).await?.all_seen().await;
    daemon.until("plumb to look at every environment", looked()).await?;
    let is_quiet = || counters::until_quiet(&ground.admin, PLUMB, quiet.for_as_long_as, quiet.within);
    let before = daemon.until("plumb to be quiet", is_quiet()).await?;
    let used = daemon.usage()?;
    // A new one: the API server ends a watch whose events nobody has read meanwhile.
    let mut observer = Observer::of(&ground.watcher, site).await?;
    observer.all_seen().await?;
    let server = counters::server_cpu_seconds(&ground.admin).await?;
    let begun = Instant::now();
    site.reveal()?;
    let seen = daemon.until("every environment to be applied", observer.all_applied(&commit)).await?;
    let server_cpu_seconds = counters::server_cpu_seconds(&ground.admin).await? - server;
    let after = daemon.until("plumb to be quiet", is_quiet()).await?;
    let Usage { cpu_seconds, peak_mib } = daemon.usage()?;
    let arrival = Arrival {
        first: seen.first - begun,
        took: seen.last - begun,
        server_cpu_seconds,
        requests: counters::since(&before, &after),
        usage: Usage { cpu_seconds: round(cpu_seconds - used.cpu_seconds), peak_mib },
    };
    Ok((daemon, arrival))
}
