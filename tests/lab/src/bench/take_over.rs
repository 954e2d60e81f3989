//! Take-over: the replica that writes is killed; until another one corrects a drift.
//!
//! The floor is what no other replica may fall below: a lease lasts so long after its last renewal, and the killed one had
//! renewed it at some time before. So the floor of each round is measured as well: how much of the lease was left.

use std::{
    fmt::{self, Display},
    time::Duration,
};

use anyhow::Context as _;
use jiff::Timestamp;
use serde::Serialize;

use super::{
    daemon::Daemon,
    drift::{Subject, correction},
    figures::{Series, round, step},
    ground::Ground,
    observer::Observer,
    site::{Site, object_name},
};

/// Rounds that are measured; each takes about a lease.
const ROUNDS: u32 = 5;
/// The shortest time that a production would choose, so that a round is short.
const LEASE: Duration = Duration::from_secs(5);
/// What the goal allows on top of the lease.
const GOAL: Duration = Duration::from_secs(2);
/// Where the lease is: outside of Pods.
const LEASE_PATH: &str = "/apis/coordination.k8s.io/v1/namespaces/plumb-system/leases/plumb-shard-0";

/// Figures of taking over, in seconds.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TakeOver {
    rounds: u32,
    lease_seconds: f64,
    /// What was left of the lease when its holder was killed.
    left_seconds: Series,
    /// From the kill until a drift was corrected that came at that moment.
    taken_over_seconds: Series,
    /// That time to what was left of the lease.
    ratio: Series,
    /// The longest take-over less the lease; the goal is 2 s.
    worst_over_lease_seconds: f64,
}

/// Measures take-overs between two replicas; whoever is killed is started anew, and stands by.
pub(super) async fn measure(ground: &Ground) -> anyhow::Result<TakeOver> {
    step(&format!("take-over: {ROUNDS} times, with a lease of {} s", LEASE.as_secs()));
    let site = Site::lay(&ground.admin, "take-over", 1).await?;
    let commit = site.stage()?;
    site.reveal()?;
    let mut observer = Observer::of(&ground.watcher, &site).await?;
    let mut holder = start(ground)?;
    holder.until("the environment to be applied", observer.all_applied(&commit)).await?;
    let mut subject = Subject::watch(ground, &site, &object_name(&site.environments[0], 0)).await?;
    let (mut left, mut taken, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for sample in 0..ROUNDS {
        let mut other = start(ground)?;
        other.has_said("stands by").await?;
        let remaining = remaining(ground).await?;
        holder.kill()?;
        let took = other
            .until("the other replica to correct a drift", correction(&mut subject, &format!("drifted {sample}")))
            .await?;
        left.push(round(remaining));
        taken.push(round(took.as_secs_f64()));
        ratios.push(round(took.as_secs_f64() / remaining));
        holder = other;
    }
    holder.stop()?;
    site.clear(&ground.admin).await?;
    let taken = Series::of(taken);
    Ok(TakeOver {
        rounds: ROUNDS,
        lease_seconds: LEASE.as_secs_f64(),
        left_seconds: Series::of(left),
        ratio: Series::of(ratios),
        worst_over_lease_seconds: round(taken.max - LEASE.as_secs_f64()),
        taken_over_seconds: taken,
    })
}

fn start(ground: &Ground) -> anyhow::Result<Daemon> {
    Daemon::start_with(ground, &["--lease-duration", &format!("{}s", LEASE.as_secs())])
}

/// Returns how many seconds of the lease are left, by the clock of this machine, which is also its holder's.
async fn remaining(ground: &Ground) -> anyhow::Result<f64> {
    let lease = ground.admin.get_value(LEASE_PATH).await?;
    let renewed = lease["spec"]["renewTime"].as_str().context("the lease was never renewed")?;
    let renewed: Timestamp = renewed.parse()?;
    Ok(LEASE.as_secs_f64() - Timestamp::now().duration_since(renewed).as_secs_f64())
}

impl Display for TakeOver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rounds, lease_seconds, left_seconds, taken_over_seconds, ratio, worst_over_lease_seconds } = self;
        writeln!(
            f,
            "Holder killed to drift corrected by another replica, {rounds} rounds, lease {lease_seconds:.0} s"
        )?;
        for (name, series) in [("left of the lease", left_seconds), ("taken over", taken_over_seconds)] {
            let Series { min, median, max, .. } = series;
            writeln!(f, "  {name:<28} min {min:.2} s   p50 {median:.2} s   max {max:.2} s")?;
        }
        writeln!(f, "  ratio at p50                 {:.2} to what was left", ratio.median)?;
        let goal = GOAL.as_secs();
        write!(f, "  longest less the lease       {worst_over_lease_seconds:.2} s      (goal: at most {goal} s)")
    }
}
