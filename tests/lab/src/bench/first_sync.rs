//! First sync: a commit appears with objects for every environment; until every status names it.
//!
//! plumb runs already, knows every Environment, and finds nothing at their paths. The clock starts when the branch
//! moves and stops when a watch has shown the last status; fetching, reading and rendering are part of it.

use std::{
    fmt::{self, Display},
    time::Duration,
};

use serde::Serialize;
use tokio::time::Instant;

use super::{
    arrival::{self, Arrival, Quiet},
    counters::{self, Requests},
    daemon::Usage,
    figures::{Series, round, step},
    floor::Floor,
    ground::{FLOOR, Ground},
    observer::Observer,
    site::{OBJECTS, Site},
};

/// Numbers of requests at once among which the floor chooses.
const IN_FLIGHT: [usize; 3] = [16, 32, 64];
/// When plumb is done, with events and all.
const QUIET: Quiet = Quiet { for_as_long_as: Duration::from_secs(2), within: Duration::from_secs(60) };

/// Figures of first syncs.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct FirstSync {
    environments: u32,
    objects: u32,
    rounds: u32,
    floor_in_flight: usize,
    floor_seconds: Series,
    plumb_seconds: Series,
    /// Until the first environment is done: noticing, fetching, and its own share.
    plumb_first_seconds: Series,
    /// plumb's time to the floor's time of the same round.
    ratio: Series,
    floor_server_cpu_seconds: Series,
    plumb_server_cpu_seconds: Series,
    floor_requests: Requests,
    plumb_requests: Requests,
    plumb_cpu_seconds: Series,
    plumb_peak_mib: u64,
}

/// One sync.
struct Sync {
    took: Duration,
    first: Duration,
    /// What the API server used meanwhile.
    server_cpu_seconds: f64,
    requests: Requests,
}

/// Measures first syncs, each on fresh namespaces beside a floor of its own.
pub(super) async fn measure(ground: &Ground, environments: u32, rounds: u32) -> anyhow::Result<FirstSync> {
    let objects = environments * OBJECTS;
    step(&format!("first sync: {environments} environments, {objects} objects; looking for the best floor"));
    // The API server's first thousand writes are slower than all others.
    by_floor(ground, environments, IN_FLIGHT[0]).await?;
    let mut best = (Duration::MAX, IN_FLIGHT[0]);
    for in_flight in IN_FLIGHT {
        let sync = by_floor(ground, environments, in_flight).await?;
        step(&format!("  {in_flight} in flight: {:.3} s", sync.took.as_secs_f64()));
        best = best.min((sync.took, in_flight));
    }
    let mut floors = Vec::new();
    let mut syncs = Vec::new();
    let mut usages = Vec::new();
    for round in 1..=rounds {
        let floor = by_floor(ground, environments, best.1).await?;
        let (sync, used) = by_plumb(ground, environments).await?;
        let (one, other) = (floor.took.as_secs_f64(), sync.took.as_secs_f64());
        step(&format!("  round {round}: floor {one:.3} s, plumb {other:.3} s, ratio {:.2}", other / one));
        floors.push(floor);
        syncs.push(sync);
        usages.push(used);
    }
    let seconds =
        |syncs: &[Sync], of: fn(&Sync) -> Duration| Series::of(syncs.iter().map(|sync| round(of(sync).as_secs_f64())));
    let server = |syncs: &[Sync]| Series::of(syncs.iter().map(|sync| round(sync.server_cpu_seconds)));
    let ratios =
        floors.iter().zip(&syncs).map(|(floor, sync)| round(sync.took.as_secs_f64() / floor.took.as_secs_f64()));
    Ok(FirstSync {
        environments,
        objects,
        rounds,
        floor_in_flight: best.1,
        floor_seconds: seconds(&floors, |sync| sync.took),
        plumb_seconds: seconds(&syncs, |sync| sync.took),
        plumb_first_seconds: seconds(&syncs, |sync| sync.first),
        ratio: Series::of(ratios),
        floor_server_cpu_seconds: server(&floors),
        plumb_server_cpu_seconds: server(&syncs),
        floor_requests: floors.pop().expect("because there is at least one round").requests,
        plumb_requests: syncs.pop().expect("because there is at least one round").requests,
        plumb_cpu_seconds: Series::of(usages.iter().map(|usage| usage.cpu_seconds)),
        plumb_peak_mib: usages.iter().map(|usage| usage.peak_mib).max().unwrap_or_default(),
    })
}

async fn by_floor(ground: &Ground, environments: u32, in_flight: usize) -> anyhow::Result<Sync> {
    let site = Site::lay(&ground.admin, "floor", environments).await?;
    let commit = site.stage()?;
    let floor = Floor::prepare(&site, &commit);
    let mut observer = Observer::of(&ground.watcher, &site).await?;
    let before = counters::read(&ground.admin, FLOOR).await?;
    let cpu = counters::server_cpu_seconds(&ground.admin).await?;
    let begun = Instant::now();
    let (ended, sent) = tokio::join!(observer.all_applied(&commit), floor.run(&ground.floor, in_flight));
    sent?;
    let seen = ended?;
    let server_cpu_seconds = counters::server_cpu_seconds(&ground.admin).await? - cpu;
    let requests = counters::since(&before, &counters::read(&ground.admin, FLOOR).await?);
    site.is_complete(&ground.admin).await?;
    site.clear(&ground.admin).await?;
    Ok(Sync { took: seen.last - begun, first: seen.first - begun, server_cpu_seconds, requests })
}

async fn by_plumb(ground: &Ground, environments: u32) -> anyhow::Result<(Sync, Usage)> {
    let site = Site::lay(&ground.admin, "sync", environments).await?;
    let (mut daemon, arrival) = arrival::measure(ground, &site, QUIET).await?;
    daemon.stop()?;
    site.is_complete(&ground.admin).await?;
    site.clear(&ground.admin).await?;
    let Arrival { first, took, server_cpu_seconds, requests, usage } = arrival;
    Ok((Sync { took, first, server_cpu_seconds, requests }, usage))
}

impl Display for FirstSync {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { environments, objects, rounds, floor_in_flight, ratio, .. } = self;
        writeln!(f, "First sync of {environments} environments with {objects} ConfigMaps, {rounds} rounds")?;
        let seconds = |f: &mut fmt::Formatter<'_>, name: &str, series: &Series| {
            let rate = f64::from(*objects) / series.median;
            writeln!(f, "  {name:<28} min {:.3} s   median {:.3} s   {rate:.0} objects/s", series.min, series.median)
        };
        seconds(f, &format!("floor ({floor_in_flight} requests at once)"), &self.floor_seconds)?;
        seconds(f, "plumb", &self.plumb_seconds)?;
        writeln!(f, "  plumb, first environment     median {:.3} s", self.plumb_first_seconds.median)?;
        writeln!(
            f,
            "  ratio plumb/floor            min {:.2}      median {:.2}      (goal: at most 1.5)",
            ratio.min, ratio.median
        )?;
        let (one, other) = (&self.floor_server_cpu_seconds, &self.plumb_server_cpu_seconds);
        writeln!(
            f,
            "  CPU of the API server        floor {:.2} s   plumb {:.2} s   (medians)",
            one.median, other.median
        )?;
        writeln!(f, "  requests of the floor        {}", counters::words(&self.floor_requests))?;
        writeln!(f, "  requests of plumb            {}", counters::words(&self.plumb_requests))?;
        let cpu = self.plumb_cpu_seconds.median;
        write!(f, "  plumb used                   {cpu:.2} s of CPU (median), {} MiB at most", self.plumb_peak_mib)
    }
}
