//! Pods of workloads that are not healthy: followed only as long as they are not, for the reason in words.

use std::sync::{Arc, PoisonError};

use plumb_core::environment::EnvironmentName;
use tokio::sync::mpsc;

use crate::{context::Context, health::Workload, main_loop::Event};

/// Follows the Pods of one workload until it is dropped; tells the loop when their trouble changes.
pub(crate) async fn follow(
    context: Arc<Context>,
    environment: EnvironmentName,
    workload: Workload,
    events: mpsc::Sender<Event>,
) {
    let mut watch = context.cluster.watch_pods(&workload.namespace, &workload.selector);
    let place = (environment.clone(), workload.key.clone());
    while let Some(found) = watch.changed().await {
        let before =
            context.troubles.lock().unwrap_or_else(PoisonError::into_inner).insert(place.clone(), found.clone());
        let changed = before.unwrap_or_default() != found;
        if changed && events.send(Event::Pods(environment.clone())).await.is_err() {
            return;
        }
    }
}

/// Forgets what was known of a workload's Pods: it is healthy, or no longer desired.
pub(crate) fn forget(context: &Context, environment: &EnvironmentName, workload: &Workload) {
    let place = (environment.clone(), workload.key.clone());
    context.troubles.lock().unwrap_or_else(PoisonError::into_inner).remove(&place);
}
