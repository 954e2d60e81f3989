//! What an environment desires without the right to write it, as far as others have to do with it.
//!
//! Whoever may make an Environment can list any object in Git. So that this holds nobody up who may write that object, such
//! wishes are told apart before they are announced. Owns: asking. Must never do: decide what such a wish is still good for
//! (`core::claims`).

use std::collections::{BTreeMap, BTreeSet};

use plumb_cluster::{cluster::Cluster, error::ApiError};
use plumb_core::{
    desired::Desired,
    environment::EnvironmentName,
    identity::Identity,
    kinds::Kinds,
    object::{GroupKind, ObjectKey},
    presence::Presence,
};

use crate::{context::Context, gather::Ahead, others::owners, reconcile::Pass};

/// Returns those of the objects which the environment desires, and another one desires or owns, that it may not write.
///
/// Costs nothing where the others write with the same rights; else a request for each kind and namespace of such objects, and
/// where that says no, one for each object.
pub(crate) async fn powerless(
    context: &Context,
    pass: &Pass,
    (desired, ahead): (&Desired, &Ahead),
    kinds: &Kinds,
    acting: &Cluster,
) -> Result<BTreeSet<ObjectKey>, ApiError> {
    let name = &pass.settings.name;
    let mut known: BTreeMap<ObjectKey, bool> = BTreeMap::new();
    let mut whole = BTreeMap::new();
    // Others go on speaking while this one asks.
    loop {
        let shared = shared(context, pass, (desired, ahead), acting.identity());
        let new: Vec<ObjectKey> = shared.iter().filter(|key| !known.contains_key(*key)).cloned().collect();
        if new.is_empty() {
            return Ok(shared.into_iter().filter(|key| !known[key]).collect());
        }
        for key in new {
            let may = may_write(context, name, &key, kinds, acting, &mut whole).await?;
            known.insert(key, may);
        }
    }
}

/// Returns the objects that this environment desires and another one, with other rights, desires or owns.
fn shared(
    context: &Context,
    pass: &Pass,
    (desired, ahead): (&Desired, &Ahead),
    identity: &Identity,
) -> BTreeSet<ObjectKey> {
    let coming = match ahead {
        Ahead::Wishes(coming) => Some(coming),
        Ahead::Same | Ahead::Unreadable => None,
    };
    let owners = owners(context, pass, desired);
    let wishes = desired.objects.keys().chain(&desired.unsettled).chain(coming.into_iter().flatten());
    let claims = context.claims();
    let shared = |key: &&ObjectKey| claims.is_shared(key, &pass.settings.name, owners.get(*key), identity);
    wishes.filter(shared).cloned().collect()
}

/// Answers of the API server about all objects of a kind in a namespace.
type Whole = BTreeMap<(GroupKind, Option<String>), bool>;

async fn may_write(
    context: &Context,
    name: &EnvironmentName,
    key: &ObjectKey,
    kinds: &Kinds,
    acting: &Cluster,
    whole: &mut Whole,
) -> Result<bool, ApiError> {
    if !acting.identity().may_concern(name, key) {
        return Ok(false);
    }
    let kind = match kinds.preferred(&key.group_kind()) {
        Presence::Present(kind) => kind,
        // Nobody can write what the cluster does not serve.
        Presence::Absent => return Ok(false),
        // Nobody can be asked: its wish stands.
        Presence::Unknown => return Ok(true),
    };
    let namespace = key.namespace.as_deref();
    let of = (key.group_kind(), key.namespace.clone());
    let all = match whole.get(&of) {
        Some(all) => *all,
        None => {
            let _turn = context.turns.acquire().await.expect("because the semaphore is never closed");
            let all = acting.may_patch(kind, namespace, None).await?;
            whole.insert(of, all);
            all
        }
    };
    if all {
        return Ok(true);
    }
    let _turn = context.turns.acquire().await.expect("because the semaphore is never closed");
    acting.may_patch(kind, namespace, Some(&key.name)).await
}
