//! Watching the statuses of a site: what stops the clock, for the floor as for plumb.

use std::collections::BTreeSet;

use serde::Deserialize;
use tokio::time::Instant;

use super::{
    server::{Lines, Server},
    site::Site,
};

/// A watch of every Environment of a site.
pub(super) struct Observer {
    lines: Lines,
    expected: BTreeSet<String>,
}

/// When something was seen.
pub(super) struct Seen {
    pub(super) first: Instant,
    pub(super) last: Instant,
}

/// As much of an event as is looked at.
#[derive(Deserialize)]
struct Event {
    object: Environment,
}

#[derive(Deserialize)]
struct Environment {
    metadata: Metadata,
    #[serde(default)]
    status: Status,
}

#[derive(Deserialize)]
struct Metadata {
    name: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    observed_generation: Option<i64>,
    last_applied: Option<Attempt>,
    last_healthy: Option<Attempt>,
}

#[derive(Deserialize)]
struct Attempt {
    commit: String,
}

impl Observer {
    /// Opens the watch.
    pub(super) async fn of(watcher: &Server, site: &Site) -> anyhow::Result<Self> {
        let lines = watcher.watch(&format!("{}?watch=true", site.environments_path())).await?;
        Ok(Self { lines, expected: site.environments.iter().cloned().collect() })
    }

    /// Waits until somebody has looked at every Environment.
    pub(super) async fn all_seen(&mut self) -> anyhow::Result<()> {
        self.all(|status| status.observed_generation.is_some()).await.map(drop)
    }

    /// Waits until every Environment names `commit` as applied, and returns when that was seen of the first and of the
    /// last.
    pub(super) async fn all_applied(&mut self, commit: &str) -> anyhow::Result<Seen> {
        self.all(|status| status.last_applied.as_ref().is_some_and(|applied| applied.commit == commit)).await
    }

    /// Waits until every Environment was healthy with `commit`.
    pub(super) async fn all_healthy(&mut self, commit: &str) -> anyhow::Result<()> {
        self.all(|status| status.last_healthy.as_ref().is_some_and(|healthy| healthy.commit == commit)).await.map(drop)
    }

    async fn all(&mut self, holds: impl Fn(&Status) -> bool) -> anyhow::Result<Seen> {
        let mut missing = self.expected.clone();
        let mut first = None;
        while !missing.is_empty() {
            let event: Event = serde_json::from_slice(&self.lines.next().await?)?;
            if holds(&event.object.status) {
                first.get_or_insert_with(Instant::now);
                missing.remove(&event.object.metadata.name);
            }
        }
        let last = Instant::now();
        Ok(Seen { first: first.unwrap_or(last), last })
    }
}
