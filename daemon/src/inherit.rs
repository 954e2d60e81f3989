//! Inheriting: an Environment annotated `plumb.dev/adopt-from` takes over everything that its predecessor has left, once that one
//! does not exist any more: also what Git no longer has, which it then prunes as its own.
//!
//! Must never do: take from an Environment that exists, or delete anything.

use std::collections::BTreeSet;

use plumb_api::Environment;
use plumb_cluster::{
    cluster::{Cluster, Precondition},
    error::ApiError,
    resources,
};
use plumb_core::{
    class::Class, environment::EnvironmentName, inventory::Inventory, live::LiveObject, object::Gvk, presence::Presence,
};

use crate::{act::TOOLING, chain::chain, context::Context, reconcile::Pass, service_account};

/// Takes over what the predecessor has left, and returns what is called for if that is not all yet.
pub(crate) async fn inherit(context: &Context, pass: &mut Pass, acting: &Cluster) -> Option<Class> {
    let from = pass.settings.predecessor.clone()?;
    let left = left(context, pass, &from);
    if left.is_empty() {
        return None;
    }
    // Its own record comes first: an empty one would hide what it owned before.
    if pass.memory.recorded.is_none() || service_account::check(context, acting).await.is_err() {
        return Some(Class::Retry);
    }
    match take_all(context, pass, acting, &from, &left).await {
        Ok(failed) => failed,
        Err(error) => {
            tracing::warn!(environment = %pass.settings.name, "nothing is taken over from {from}: {}", chain(&error));
            Some(error.class())
        }
    }
}

/// Returns the objects that a predecessor has left which does not exist any more, as far as that is known.
fn left(context: &Context, pass: &Pass, from: &EnvironmentName) -> Vec<LiveObject> {
    let id = from.applyset_id();
    let exists = pass.environments.contains_key(&id.manager());
    let ours = context.claims().heir(from) == Some(&pass.settings.name);
    if exists || !ours || pass.settings.policy.is_held() {
        return Vec::new();
    }
    let live = context.index().live(&id, &BTreeSet::new()).objects.into_values();
    live.filter(|live| live.is_owned_by(&id) && live.claimants.is_empty() && !live.deleting).collect()
}

async fn take_all(
    context: &Context,
    pass: &mut Pass,
    acting: &Cluster,
    from: &EnvironmentName,
    left: &[LiveObject],
) -> Result<Option<Class>, ApiError> {
    // What is known of it may be old: whether it exists is asked for this very purpose.
    let existing = resources::names::<Environment>(&context.cluster).await?;
    if existing.contains(&(from.namespace.clone(), from.name.clone())) {
        return Ok(Some(Class::Retry));
    }
    let name = pass.settings.name.clone();
    let recorded = pass.memory.recorded.clone().unwrap_or_default();
    let scope = recorded.union(&Inventory::of(left.iter().map(|live| &live.key)));
    if !recorded.covers(&scope) {
        let own = context.cluster.during(&pass.tenure);
        let uid = pass.resource.metadata.uid.as_deref().unwrap_or_default();
        let parent = own.write_parent(&name, uid, &scope, TOOLING).await?;
        let version = parent["metadata"]["resourceVersion"].as_str().unwrap_or_default();
        version.clone_into(&mut pass.memory.resource_version);
        context.claims().recorded(&name, &scope);
        (pass.memory.recorded, pass.memory.annotated) = (Some(scope), true);
    }
    let kinds = context.served(&[]).await?.kinds;
    let (giver, taker) = (from.applyset_id(), name.applyset_id());
    let mut failed = None;
    for live in left {
        let Presence::Present(kind) = kinds.find(&Gvk::new(&live.api_version, &live.key.kind)) else { continue };
        if !acting.identity().may_concern(&name, &live.key) {
            continue;
        }
        let state = Precondition { uid: live.uid.clone(), resource_version: live.resource_version.clone() };
        let _turn = context.turns.acquire().await.expect("because the semaphore is never closed");
        context.index().write_begins(&live.key);
        let given = acting.hand_over(kind, &live.key, &state, &giver, &taker).await;
        let changes = match &given {
            Ok(object) => context.index().answer(object),
            Err(_) => context.index().write_failed(&live.key),
        };
        context.watches.tell(changes);
        match given {
            Ok(_) => tracing::info!(environment = %name, object = %live.key, "taken over from {from}"),
            Err(error) => {
                tracing::warn!(environment = %name, object = %live.key, "not taken over from {from}: {}", chain(&error));
                failed = failed.into_iter().chain([error.class()]).min();
            }
        }
    }
    Ok(failed)
}
