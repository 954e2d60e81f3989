//! Rollback: a commit brings an image that can't be pulled; until the cluster is as before, and until Git is.
//!
//! The clock starts when a watch shows the bad image in the Deployment. The floor of the first part is what a commit may
//! suffer by its spec: nobody may roll back before. The floor of the second is the same revert by hand, `git revert` and
//! `git push` to a repository like it.

use std::{
    fmt::{self, Display},
    time::Duration,
};

use lab::git::{BareRepository, WorkingCopy};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::time::Instant;

use super::{
    daemon::Daemon,
    figures::{Series, milliseconds, round, step},
    ground::Ground,
    observer::Observer,
    server::Lines,
    site::{Site, Specs},
};

/// Rounds that are measured, each with an environment of its own: two reverts in six hours are all that one gets.
const ROUNDS: u32 = 5;
/// What a commit may suffer from a Pod that can't pull its image.
const FAIL_FAST: Duration = Duration::from_secs(5);
/// What the goals allow: until the cluster is as before, on top of that, and until Git is, after it.
const GOAL: Duration = Duration::from_secs(5);
/// Between two looks at the branch.
const PAUSE: Duration = Duration::from_millis(5);
/// An image that runs at once in the laboratory.
const GOOD: &str = "registry.example.com/web:1";
/// An image that can't be pulled in the laboratory.
const BAD: &str = "lab/broken:2";

/// Figures of rollbacks.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Rollback {
    rounds: u32,
    fail_fast_seconds: f64,
    /// From the bad image in the cluster to the good one.
    restored_seconds: Series,
    /// The median of that to what the spec allows.
    ratio: f64,
    /// From the good image in the cluster to the revert on the branch, in milliseconds; negative where Git was first.
    reverted: Series,
    /// The same revert by hand, in milliseconds.
    by_hand: Series,
}

/// As much of an event as is looked at.
#[derive(Deserialize)]
struct Event {
    object: Deployment,
}

#[derive(Deserialize)]
struct Deployment {
    metadata: Metadata,
    spec: Spec,
}

#[derive(Deserialize)]
struct Metadata {
    name: String,
}

#[derive(Deserialize)]
struct Spec {
    template: Template,
}

#[derive(Deserialize)]
struct Template {
    spec: PodSpec,
}

#[derive(Deserialize)]
struct PodSpec {
    containers: Vec<Container>,
}

#[derive(Deserialize)]
struct Container {
    image: String,
}

/// Measures rollbacks of one environment after the other.
pub(super) async fn measure(ground: &Ground) -> anyhow::Result<Rollback> {
    step(&format!("rollback: {ROUNDS} times, after {} s of a Pod that can't pull its image", FAIL_FAST.as_secs()));
    let fail_fast = format!("{}s", FAIL_FAST.as_secs());
    let environment = json!({"rollback": {"mode": "Revert", "failFast": {"after": fail_fast}}});
    let specs = Specs { environment, ..Specs::default() };
    let site = Site::lay_with(&ground.admin, "rollback", ROUNDS, specs).await?;
    let files: Vec<(String, String)> =
        site.environments.iter().map(|name| (path(name), deployment(name, GOOD))).collect();
    let borrowed: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    let commit = site.push(&borrowed, "A Deployment for every environment")?;
    let mut observer = Observer::of(&ground.watcher, &site).await?;
    let deployments = format!("/apis/apps/v1/namespaces/{}/deployments", site.namespace);
    let mut lines = ground.watcher.watch(&format!("{deployments}?watch=true")).await?;
    let mut daemon = Daemon::start(ground)?;
    daemon.until("the environments to be healthy", observer.all_healthy(&commit)).await?;
    let (mut restored, mut reverted, mut by_hand) = (Vec::new(), Vec::new(), Vec::new());
    for name in &site.environments {
        let bad = deployment(name, BAD);
        let commit = site.push(&[(path(name).as_str(), bad.as_str())], &format!("{name}: a new image"))?;
        daemon.until("the bad image to be applied", has_image(&mut lines, name, BAD)).await?;
        let begun = Instant::now();
        let rolled_back = async { tokio::try_join!(has_image(&mut lines, name, GOOD), moved_on(&site, &commit)) };
        let (cluster, git) = daemon.until("the commit to be taken back", rolled_back).await?;
        restored.push(round(cluster.duration_since(begun).as_secs_f64()));
        reverted.push(round(milliseconds(git.duration_since(begun)) - milliseconds(cluster.duration_since(begun))));
        by_hand.push(milliseconds(revert_by_hand(&deployment(name, GOOD), &bad)?));
        daemon.until("the revert to be healthy", observer.all_healthy(&site.head()?)).await?;
    }
    daemon.stop()?;
    ground.admin.delete_all(&deployments).await?;
    site.clear(&ground.admin).await?;
    let restored = Series::of(restored);
    Ok(Rollback {
        rounds: ROUNDS,
        fail_fast_seconds: FAIL_FAST.as_secs_f64(),
        ratio: round(restored.median / FAIL_FAST.as_secs_f64()),
        restored_seconds: restored,
        reverted: Series::of(reverted),
        by_hand: Series::of(by_hand),
    })
}

/// Waits until the watch shows a Deployment with an image, and returns when that was.
async fn has_image(lines: &mut Lines, name: &str, image: &str) -> anyhow::Result<Instant> {
    loop {
        let event: Event = serde_json::from_slice(&lines.next().await?)?;
        let Deployment { metadata, spec } = event.object;
        if metadata.name == name && spec.template.spec.containers.iter().any(|container| container.image == image) {
            return Ok(Instant::now());
        }
    }
}

/// Waits until the branch is at another commit, and returns when that was.
async fn moved_on(site: &Site, commit: &str) -> anyhow::Result<Instant> {
    while site.head()? == commit {
        tokio::time::sleep(PAUSE).await;
    }
    Ok(Instant::now())
}

/// Returns how long git takes to revert such a commit and to push that.
fn revert_by_hand(good: &str, bad: &str) -> anyhow::Result<Duration> {
    let repository = BareRepository::create()?;
    let copy = WorkingCopy::clone(&repository.url())?;
    copy.commit_and_push(&[("web.json", good)], "Good")?;
    let commit = copy.commit_and_push(&[("web.json", bad)], "Bad")?;
    let begun = Instant::now();
    copy.revert(&commit)?;
    copy.push()?;
    Ok(begun.elapsed())
}

fn path(environment: &str) -> String {
    format!("environments/{environment}/web.json")
}

/// Returns a Deployment of one Pod as it stands in Git.
fn deployment(name: &str, image: &str) -> String {
    let deployment = json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [{"name": "web", "image": image}]},
            },
        },
    });
    format!("{deployment:#}\n")
}

impl Display for Rollback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rounds, fail_fast_seconds, restored_seconds, ratio, reverted, by_hand } = self;
        let goal = GOAL.as_secs();
        writeln!(f, "Bad commit to rolled back, {rounds} rounds, failFast {fail_fast_seconds:.0} s")?;
        let Series { min, median, max, .. } = restored_seconds;
        writeln!(f, "  restored in the cluster      min {min:.2} s   p50 {median:.2} s   max {max:.2} s")?;
        writeln!(
            f,
            "  longest less failFast        {:.2} s      (goal: at most {goal} s); ratio at p50 {ratio:.2}",
            max - fail_fast_seconds
        )?;
        let Series { min, median, max, .. } = by_hand;
        writeln!(f, "  git revert, git push         min {min:.0} ms   p50 {median:.0} ms   max {max:.0} ms")?;
        let Series { min, median, max, .. } = reverted;
        write!(
            f,
            "  reverted in Git after that   min {min:.0} ms   p50 {median:.0} ms   max {max:.0} ms   (goal: at most {goal} s)"
        )
    }
}
