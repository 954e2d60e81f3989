//! Records: what it costs that they become notes.
//!
//! The floor is the same plumb with `records: None`: the same commit for the same environments, in turns. The clock stops when a watch
//! has shown the last status, which holds the records already; publishing them follows, and its requests and CPU are counted too.

use std::{
    fmt::{self, Display},
    time::Duration,
};

use serde::Serialize;
use serde_json::json;

use super::{
    arrival::{self, Arrival, Quiet},
    counters::{self, Requests},
    figures::{Series, round, step},
    ground::Ground,
    site::{Site, Specs},
};

/// Longer than plumb waits between two pushes.
const QUIET: Quiet = Quiet { for_as_long_as: Duration::from_secs(12), within: Duration::from_secs(120) };
/// What the goal allows: that much longer.
const GOAL: f64 = 1.05;

/// Figures of syncs with and without notes.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Records {
    environments: u32,
    rounds: u32,
    without_seconds: Series,
    with_seconds: Series,
    /// With to without, of the same round.
    ratio: Series,
    without_cpu_seconds: Series,
    with_cpu_seconds: Series,
    /// Of the API server, while the clock ran.
    without_server_cpu_seconds: Series,
    with_server_cpu_seconds: Series,
    without_requests: Requests,
    with_requests: Requests,
}

/// Measures syncs with and without notes, in turns.
pub(super) async fn measure(ground: &Ground, environments: u32, rounds: u32) -> anyhow::Result<Records> {
    step(&format!("records: {environments} environments, with and without notes"));
    // The API server's first thousand writes are slower than all others.
    sync(ground, environments, "None").await?;
    let (mut without, mut with) = (Vec::new(), Vec::new());
    for number in 1..=rounds {
        // Whoever comes second finds a warmer server: they take turns at that, too.
        let order = if number % 2 == 0 { ["None", "Notes"] } else { ["Notes", "None"] };
        for records in order {
            let sync = sync(ground, environments, records).await?;
            if records == "None" { &mut without } else { &mut with }.push(sync);
        }
        let seconds = |syncs: &[Arrival]| syncs.last().map_or(0.0, |sync| sync.took.as_secs_f64());
        let (one, other) = (seconds(&without), seconds(&with));
        step(&format!("  round {number}: without {one:.3} s, with {other:.3} s, ratio {:.2}", other / one));
    }
    let ratios = without.iter().zip(&with).map(|(one, other)| round(other.took.as_secs_f64() / one.took.as_secs_f64()));
    let seconds = |syncs: &[Arrival]| Series::of(syncs.iter().map(|sync| round(sync.took.as_secs_f64())));
    let cpu = |syncs: &[Arrival]| Series::of(syncs.iter().map(|sync| sync.usage.cpu_seconds));
    let server_cpu = |syncs: &[Arrival]| Series::of(syncs.iter().map(|sync| round(sync.server_cpu_seconds)));
    Ok(Records {
        environments,
        rounds,
        without_seconds: seconds(&without),
        with_seconds: seconds(&with),
        ratio: Series::of(ratios),
        without_cpu_seconds: cpu(&without),
        with_cpu_seconds: cpu(&with),
        without_server_cpu_seconds: server_cpu(&without),
        with_server_cpu_seconds: server_cpu(&with),
        without_requests: without.pop().expect("because there is at least one round").requests,
        with_requests: with.pop().expect("because there is at least one round").requests,
    })
}

async fn sync(ground: &Ground, environments: u32, records: &str) -> anyhow::Result<Arrival> {
    let specs = Specs { repository: json!({ "records": records }), ..Specs::default() };
    let site = Site::lay_with(&ground.admin, "records", environments, specs).await?;
    let (mut daemon, arrival) = arrival::measure(ground, &site, QUIET).await?;
    site.is_complete(&ground.admin).await?;
    site.clear(&ground.admin).await?;
    daemon.until("the environments to be gone", site.is_empty(&ground.admin)).await?;
    daemon.stop()?;
    Ok(arrival)
}

impl Display for Records {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { environments, rounds, ratio, .. } = self;
        writeln!(f, "First sync of {environments} environments without and with records as notes, {rounds} rounds")?;
        for (name, series) in [("records: None", &self.without_seconds), ("records: Notes", &self.with_seconds)] {
            writeln!(f, "  {name:<28} min {:.3} s   median {:.3} s", series.min, series.median)?;
        }
        writeln!(
            f,
            "  ratio                        min {:.2}      median {:.2}      (goal: at most {GOAL})",
            ratio.min, ratio.median
        )?;
        let (one, other) = (&self.without_cpu_seconds, &self.with_cpu_seconds);
        writeln!(
            f,
            "  CPU of plumb, until quiet    without {:.2} s   with {:.2} s   (medians)",
            one.median, other.median
        )?;
        let (one, other) = (&self.without_server_cpu_seconds, &self.with_server_cpu_seconds);
        writeln!(
            f,
            "  CPU of the API server        without {:.2} s   with {:.2} s   (medians, while the clock ran)",
            one.median, other.median
        )?;
        writeln!(f, "  requests without             {}", counters::words(&self.without_requests))?;
        write!(f, "  requests with                {}", counters::words(&self.with_requests))
    }
}
