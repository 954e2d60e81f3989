//! Drift: somebody changes a field of an owned object; until it is back.
//!
//! The clock starts before the change is sent and stops when a watch shows the old value again. In turns with it, two
//! floors: one bare PATCH from sending to its answer, and the same conversation by a program that knows the answer
//! beforehand (change it, see the change by a watch, apply, see that by the watch).

use std::{
    fmt::{self, Display},
    time::Duration,
};

use anyhow::Context as _;
use bytes::Bytes;
use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::time::Instant;

use super::{
    counters::{self, Requests},
    daemon::Daemon,
    figures::{Series, milliseconds, round, step},
    ground::{Ground, PLUMB},
    observer::Observer,
    server::{APPLY, Lines, MERGE, Server},
    site::{Site, object, object_name},
};

/// Drifts that are measured.
const SAMPLES: u32 = 200;
/// Drifts before them: the first ones meet caches that are cold.
const WARM_UP: u32 = 10;
/// Between two drifts: plumb has recorded the one before, so that each is met by a daemon at rest.
const PAUSE: Duration = Duration::from_millis(50);
/// How long plumb must have been quiet before and after.
const QUIET: Duration = Duration::from_secs(2);
/// How long that may take.
const QUIET_WITHIN: Duration = Duration::from_secs(60);
/// The field that is changed, as it is in Git.
const IN_GIT: &str = "hello";

/// Figures of drift, in milliseconds.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Drift {
    samples: u32,
    patch: Series,
    by_hand: Series,
    corrected: Series,
    /// The median of the correction to that of one bare PATCH.
    ratio: f64,
    /// The median of the correction to that by hand.
    ratio_by_hand: f64,
    requests: Requests,
}

/// As much of an event as is looked at.
#[derive(Deserialize)]
struct Event {
    object: Object,
}

#[derive(Deserialize)]
struct Object {
    #[serde(default)]
    data: Data,
}

#[derive(Default, Deserialize)]
struct Data {
    greeting: String,
}

/// One object, its watch, and who writes it.
pub(super) struct Subject<'a> {
    server: &'a Server,
    path: String,
    lines: Lines,
}

impl<'a> Subject<'a> {
    pub(super) async fn watch(ground: &'a Ground, site: &Site, name: &str) -> anyhow::Result<Self> {
        let objects = site.objects_path();
        let path = format!("{objects}?watch=true&fieldSelector=metadata.name%3D{name}");
        let lines = ground.watcher.watch(&path).await?;
        let mut subject = Self { server: &ground.floor, path: format!("{objects}/{name}"), lines };
        subject.until(IN_GIT).await?;
        Ok(subject)
    }

    /// Waits until the watch shows a value.
    async fn until(&mut self, value: &str) -> anyhow::Result<()> {
        loop {
            let event: Event = serde_json::from_slice(&self.lines.next().await?)?;
            if event.object.data.greeting == value {
                return Ok(());
            }
        }
    }

    /// Changes the value by hand.
    async fn change(&self, value: &str) -> anyhow::Result<()> {
        let body = Bytes::from(json!({"data": {"greeting": value}}).to_string());
        let path = format!("{}?fieldManager=somebody", self.path);
        self.server.send(Method::PATCH, &path, MERGE, body).await.map(drop)
    }
}

/// Measures corrections in turns with their floors.
pub(super) async fn measure(ground: &Ground) -> anyhow::Result<Drift> {
    step(&format!("drift: {SAMPLES} times, in turns with the floors"));
    let site = Site::lay(&ground.admin, "drift", 1).await?;
    let commit = site.stage()?;
    site.reveal()?;
    let mut observer = Observer::of(&ground.watcher, &site).await?;
    let mut daemon = Daemon::start(ground)?;
    daemon.until("the environment to be applied", observer.all_applied(&commit)).await?;
    let quiet = || counters::until_quiet(&ground.admin, PLUMB, QUIET, QUIET_WITHIN);
    let before = daemon.until("plumb to be quiet", quiet()).await?;

    let environment = &site.environments[0];
    // Nobody's but ours: of the same size, without a label that plumb looks for.
    let mut unowned = object("unowned", 0);
    unowned["metadata"]["labels"] = json!({"app": "unowned"});
    ground.floor.apply(&format!("{}/{}", site.objects_path(), object_name("unowned", 0)), &unowned).await?;
    let mut bare = Subject::watch(ground, &site, &object_name("unowned", 0)).await?;
    let mut owned = Subject::watch(ground, &site, &object_name(environment, 0)).await?;
    let unowned = Bytes::from(unowned.to_string());
    let (mut patches, mut by_hand, mut corrected) = (Vec::new(), Vec::new(), Vec::new());
    for sample in 0..SAMPLES + WARM_UP {
        let value = format!("drifted {sample}");
        let (patch, hand) = daemon.until("the floor", floors(&mut bare, &value, &unowned)).await?;
        tokio::time::sleep(PAUSE).await;
        let correction = daemon.until("drift to be corrected", correction(&mut owned, &value)).await?;
        tokio::time::sleep(PAUSE).await;
        if sample >= WARM_UP {
            patches.push(milliseconds(patch));
            by_hand.push(milliseconds(hand));
            corrected.push(milliseconds(correction));
        }
    }
    let after = daemon.until("plumb to be quiet", quiet()).await?;
    daemon.stop()?;
    site.clear(&ground.admin).await?;
    let (patch, by_hand, corrected) = (Series::of(patches), Series::of(by_hand), Series::of(corrected));
    Ok(Drift {
        samples: SAMPLES,
        ratio: round(corrected.median / patch.median),
        ratio_by_hand: round(corrected.median / by_hand.median),
        patch,
        by_hand,
        corrected,
        requests: counters::since(&before, &after),
    })
}

/// Returns how long one PATCH took, and how long until the object was as before, done by hand.
async fn floors(subject: &mut Subject<'_>, value: &str, object: &Bytes) -> anyhow::Result<(Duration, Duration)> {
    let begun = Instant::now();
    subject.change(value).await?;
    let patch = begun.elapsed();
    subject.until(value).await?;
    let path = format!("{}?fieldManager=bench&force=true", subject.path);
    subject.server.send(Method::PATCH, &path, APPLY, object.clone()).await?;
    subject.until(IN_GIT).await?;
    Ok((patch, begun.elapsed()))
}

/// Returns how long it took from sending the change until plumb had put it back.
pub(super) async fn correction(subject: &mut Subject<'_>, value: &str) -> anyhow::Result<Duration> {
    let begun = Instant::now();
    subject.change(value).await.context("the change by hand")?;
    subject.until(value).await?;
    subject.until(IN_GIT).await?;
    Ok(begun.elapsed())
}

impl Display for Drift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { samples, patch, by_hand, corrected, ratio, ratio_by_hand, requests } = self;
        writeln!(f, "Drift to corrected, {samples} samples")?;
        for (name, series) in [("one bare PATCH", patch), ("the same by hand", by_hand), ("plumb", corrected)] {
            let Series { min, median, p99, max } = series;
            writeln!(f, "  {name:<28} min {min:.1} ms   p50 {median:.1} ms   p99 {p99:.1} ms   max {max:.1} ms")?;
        }
        writeln!(f, "  ratio at p50                 {ratio:.2} to one PATCH, {ratio_by_hand:.2} to the same by hand")?;
        let drifts = samples + WARM_UP;
        write!(f, "  requests for {drifts} drifts      {}", counters::words(requests))
    }
}
