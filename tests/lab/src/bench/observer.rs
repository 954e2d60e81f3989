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

    /// Waits until every Environment names `commit` as applied, and returns when that was seen.
    pub(super) async fn all_applied(&mut self, commit: &str) -> anyhow::Result<Instant> {
        self.all(|status| status.last_applied.as_ref().is_some_and(|applied| applied.commit == commit)).await
    }

    async fn all(&mut self, holds: impl Fn(&Status) -> bool) -> anyhow::Result<Instant> {
        let mut missing = self.expected.clone();
        while !missing.is_empty() {
            let event: Event = serde_json::from_slice(&self.lines.next().await?)?;
            if holds(&event.object.status) {
                missing.remove(&event.object.metadata.name);
            }
        }
        Ok(Instant::now())
    }
}
