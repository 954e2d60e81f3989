//! What feeds the loop: everything that can wake the daemon comes from here, but for what it finds out about repositories.

use std::fmt::Debug;

use anyhow::bail;
use kube::Resource;
use plumb_api::{Environment, PipelineTrigger, Repository};
use plumb_cluster::{
    cluster::Cluster,
    resources::{self, Followed},
    runs::Runs,
    watches::news::News,
};
use plumb_core::{kinds::Kind, presence::Presence};
use serde::de::DeserializeOwned;
use tokio::{sync::mpsc, task::JoinSet};
use tokio_util::sync::CancellationToken;

use crate::{main_loop::Event, tenures::Tenures};

/// Passes changes of owned objects on to the loop.
pub(super) async fn forward(
    mut news: News,
    events: mpsc::Sender<Event>,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    loop {
        let changes = tokio::select! {
            changes = news.next() => changes,
            () = stop.cancelled() => None,
        };
        let Some(changes) = changes else { return Ok(()) };
        if events.send(Event::Live(changes)).await.is_err() {
            return Ok(());
        }
    }
}

/// Tells the loop whenever a tenure begins or ends.
pub(super) async fn forward_tenures(
    mut tenures: Tenures,
    events: mpsc::Sender<Event>,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    // Those that began before.
    while events.send(Event::Tenures).await.is_ok() {
        tokio::select! {
            () = tenures.changed() => {}
            () = stop.cancelled() => break,
        }
    }
    Ok(())
}

/// Tells the loop of whose runs something is new.
pub(super) async fn forward_runs(
    runs: Runs,
    events: mpsc::Sender<Event>,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let mut told = runs.told();
    loop {
        let news = tokio::select! {
            news = runs.changed(&mut told) => news,
            () = stop.cancelled() => return Ok(()),
        };
        if events.send(Event::Runs(news)).await.is_err() {
            return Ok(());
        }
    }
}

/// Returns whether the cluster knows plumb's own resources.
pub(crate) async fn serves_own_kinds(cluster: &Cluster) -> anyhow::Result<bool> {
    let kinds = cluster.kinds().await?;
    let served = |kind: &Kind| matches!(kinds.find(&kind.gvk), Presence::Present(_));
    let own = [resources::kind::<Repository>(), resources::kind::<Environment>(), resources::kind::<PipelineTrigger>()];
    Ok(own.iter().all(served))
}

pub(super) async fn follow_resources(
    cluster: &Cluster,
    events: &mpsc::Sender<Event>,
    stop: &CancellationToken,
    tasks: &mut JoinSet<anyhow::Result<()>>,
) -> anyhow::Result<()> {
    if !serves_own_kinds(cluster).await? {
        bail!(
            "the cluster does not know plumb's resources: install them with `plumb install | kubectl apply --server-side -f -`, or start with --bootstrap DIR"
        );
    }
    spawn_follower::<Repository, _>(tasks, cluster, (events, stop), Event::Repository);
    spawn_follower::<Environment, _>(tasks, cluster, (events, stop), Event::Environment);
    spawn_follower::<PipelineTrigger, _>(tasks, cluster, (events, stop), Event::Trigger);
    Ok(())
}

fn spawn_follower<K, F>(
    tasks: &mut JoinSet<anyhow::Result<()>>,
    cluster: &Cluster,
    (events, stop): (&mpsc::Sender<Event>, &CancellationToken),
    event: F,
) where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static,
    F: Fn(Box<Followed<K>>) -> Event + Send + Sync + 'static,
{
    let (cluster, events, stop) = (cluster.clone(), events.clone(), stop.clone());
    tasks.spawn(async move {
        resources::follow::<K, _>(&cluster, stop, |followed| events.send(event(Box::new(followed)))).await;
        Ok(())
    });
}
