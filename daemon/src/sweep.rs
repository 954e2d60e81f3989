//! The sweep: objects that carry the label of an Environment that does not exist any more are let go of.
//!
//! Such objects are left by an Environment that was deleted while plumb was down, and by letting go that failed. May touch:
//! label and ownership of an environment that a list made for this very purpose does not name. Must never do: delete
//! anything, or take an Environment that can't be read, or a list that failed, for one that is gone.

use std::collections::BTreeSet;

use plumb_api::Environment;
use plumb_cluster::{resources, tenure::Tenure};
use plumb_core::{
    class::Class,
    environment::{ApplySetId, EnvironmentName},
    object::ObjectKey,
};

use crate::{
    act::failure,
    chain::chain,
    context::Context,
    let_go::{self, Released},
};

/// Lets go of what environments own that do not exist; returns what is called for if something is left, or could not be
/// looked at. `known` are those that are known to exist, or that others inherit from, which spares a list where nothing else is found.
pub(crate) async fn sweep(context: &Context, known: BTreeSet<ApplySetId>, tenure: &Tenure) -> Option<Class> {
    if let Err(error) = context.scan().await {
        tracing::debug!("the kinds of the cluster could not be read: {}", chain(&error));
    }
    // A group that was down has its kinds looked through when it is back.
    let unscanned = (!context.is_scanned().await).then_some(Class::Wait);
    if context.index().environments().all(|id| known.contains(id)) {
        return unscanned;
    }
    let existing = match resources::names::<Environment>(&context.cluster).await {
        Ok(names) => names,
        Err(error) => {
            tracing::warn!("what deleted Environments have left is not let go of yet: {}", chain(&error));
            return Some(error.class());
        }
    };
    let ids: BTreeSet<ApplySetId> = existing
        .iter()
        .map(|(namespace, name)| EnvironmentName::new(namespace, name).applyset_id())
        .chain(known)
        .collect();
    let kinds = match context.served(&[]).await {
        Ok(served) => served.kinds,
        Err(error) => return Some(failure(&error, None).class),
    };
    let mut retry = unscanned;
    for (id, objects) in left(context, &ids) {
        let Released { gone, failed } = let_go::release(context, None, &kinds, &id, objects, tenure).await;
        if !gone.is_empty() {
            let names: Vec<_> = gone.iter().map(ToString::to_string).collect();
            tracing::info!(label = %id, objects = names.join(", "), "let go of what a deleted Environment had left");
        }
        for (key, failure) in failed {
            tracing::warn!(object = %key, label = %id, "not let go of: {}", failure.message);
            retry = retry.into_iter().chain([failure.class]).min();
        }
    }
    retry
}

/// Returns the objects that environments own which are not among the existing ones.
fn left(context: &Context, existing: &BTreeSet<ApplySetId>) -> Vec<(ApplySetId, Vec<(ObjectKey, String)>)> {
    let index = context.index();
    let gone = index.environments().filter(|id| !existing.contains(*id));
    let objects = gone.map(|id| {
        let live = index.live(id, &BTreeSet::new()).objects.into_values();
        // A label that somebody else has set, such as another tool's ApplySet, is none of plumb's business.
        let owned = live.filter(|live| live.is_owned_by(id));
        (id.clone(), owned.map(|live| (live.key, live.api_version)).collect())
    });
    objects.collect()
}
