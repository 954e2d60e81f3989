//! Idle: what plumb asks of the API server while nothing changes.

use std::{
    fmt::{self, Display},
    time::Duration,
};

use serde::Serialize;

use super::{
    counters::{self, LEASE, Requests, WATCH},
    daemon::{Daemon, Usage},
    figures::{round, step},
    ground::{Ground, PLUMB},
    observer::Observer,
    site::Site,
};

/// How long nothing changes; a Repository is looked at every 30 s, so that falls into it.
const WINDOW: Duration = Duration::from_secs(30);
/// A sync counts as over when plumb has made no request for this long.
const QUIET: Duration = Duration::from_secs(3);
/// How long that may take.
const QUIET_WITHIN: Duration = Duration::from_secs(60);

/// Figures of doing nothing.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Idle {
    environments: u32,
    seconds: u64,
    /// Requests other than watches and renewals of the lease.
    requests: u64,
    /// Renewals of the lease.
    renewals: u64,
    /// Watches that were opened again, as the API server ends each after some minutes.
    watches: u64,
    by_class: Requests,
    usage: Usage,
}

/// Counts the requests of a plumb that has nothing to do.
pub(super) async fn measure(ground: &Ground, environments: u32) -> anyhow::Result<Idle> {
    step(&format!("idle: {environments} environments, {} s", WINDOW.as_secs()));
    let site = Site::lay(&ground.admin, "idle", environments).await?;
    let commit = site.stage()?;
    site.reveal()?;
    let mut observer = Observer::of(&ground.watcher, &site).await?;
    let mut daemon = Daemon::start(ground)?;
    daemon.until("every environment to be applied", observer.all_applied(&commit)).await?;
    let quiet = counters::until_quiet(&ground.admin, PLUMB, QUIET, QUIET_WITHIN);
    let before = daemon.until("plumb to be quiet", quiet).await?;
    let used = daemon.usage()?;
    tokio::time::sleep(WINDOW).await;
    let Usage { cpu_seconds, peak_mib } = daemon.usage()?;
    let by_class = counters::since(&before, &counters::read(&ground.admin, PLUMB).await?);
    daemon.stop()?;
    site.clear(&ground.admin).await?;
    let count = |class| by_class.get(class).copied().unwrap_or_default();
    let (watches, renewals) = (count(WATCH), count(LEASE));
    Ok(Idle {
        environments,
        seconds: WINDOW.as_secs(),
        requests: by_class.values().sum::<u64>() - watches - renewals,
        renewals,
        watches,
        by_class,
        usage: Usage { cpu_seconds: round(cpu_seconds - used.cpu_seconds), peak_mib },
    })
}

impl Display for Idle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { environments, seconds, requests, renewals, watches, by_class, usage } = self;
        writeln!(f, "Nothing changes in {environments} environments for {seconds} s")?;
        writeln!(f, "  requests but these           {requests}      (goal: 0)")?;
        writeln!(f, "  renewals of the lease        {renewals}")?;
        writeln!(f, "  watches opened again         {watches}")?;
        writeln!(f, "  all requests                 {}", counters::words(by_class))?;
        write!(f, "  plumb used                   {:.2} s of CPU, {} MiB at most", usage.cpu_seconds, usage.peak_mib)
    }
}
