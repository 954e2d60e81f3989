//! Letting go: the Environment is deleted, its objects stay, without plumb's label and without its ownership of fields.
//!
//! Must never do: delete, or change a value. What can't be let go of keeps its label, which is said; `sweep.rs` tries again.

use std::{collections::BTreeSet, sync::Arc};

use futures::{FutureExt as _, StreamExt as _, stream};
use plumb_cluster::{cluster::Cluster, error::ApiError, tenure::Tenure};
use plumb_core::{
    environment::ApplySetId,
    inventory::Inventory,
    kinds::Kinds,
    object::{Gvk, ObjectKey},
    operation::Failure,
    presence::Presence,
    record::{Record, RecordKind},
};

use crate::{act::failure, chain::chain, context::Context, settings::Settings};

/// Objects let go of at once, for one environment.
const IN_FLIGHT_MAX: usize = 16;

/// What came of letting go.
#[derive(Debug, Default)]
pub(crate) struct Released {
    /// They carry nothing of the environment any more.
    pub(crate) gone: Vec<ObjectKey>,
    /// They still do, for these reasons.
    pub(crate) failed: Vec<(ObjectKey, Failure)>,
}

/// Lets go of everything that carries the environment's label, as far as it is known.
pub(crate) async fn let_go(context: &Context, settings: &Settings, uid: &str, recorded: Inventory, tenure: &Tenure) {
    let name = &settings.name;
    let id = name.applyset_id();
    let owned: Vec<(ObjectKey, String)> = {
        let kinds: BTreeSet<_> = recorded.kinds;
        let mut index = context.index();
        index.judge_by(&id, &Arc::default());
        index.confine(&id, None);
        index.ignore(&id, &std::collections::BTreeMap::new());
        let live = index.live(&id, &kinds);
        live.objects.into_values().map(|live| (live.key, live.api_version)).collect()
    };
    if owned.is_empty() {
        return;
    }
    let kinds = match context.served(&[]).await {
        Ok(served) => served.kinds,
        Err(error) => {
            tracing::warn!(environment = %name, "{} object(s) keep their label for now: {}", owned.len(), chain(&error));
            return;
        }
    };
    let acting = context.acting_for(settings, tenure).ok();
    let Released { gone, failed } = release(context, acting.as_ref(), &kinds, &id, owned, tenure).await;
    for (key, failure) in &failed {
        tracing::warn!(environment = %name, object = %key, "not let go of: {}", failure.message);
    }
    let kept = if failed.is_empty() { String::new() } else { format!("; {} keep their label for now", failed.len()) };
    let message = format!("the Environment was deleted; {} object(s) stay, no longer owned{kept}", gone.len());
    let record = Record::new(context.clock.now(), name.clone(), None, RecordKind::LetGo, message);
    let record = Record { objects: gone, ..record };
    context.journal.record(record, uid, tenure);
}

/// Lets go of objects, with the rights of the environment if there are any, else with plumb's own: its label and its
/// ownership are all that changes.
pub(crate) async fn release(
    context: &Context,
    acting: Option<&Cluster>,
    kinds: &Kinds,
    id: &ApplySetId,
    objects: Vec<(ObjectKey, String)>,
    tenure: &Tenure,
) -> Released {
    let own = context.cluster.during(tenure);
    let each = |(key, version)| release_one(context, (acting, &own), kinds, id, key, version).boxed();
    let releasing: Vec<_> = objects.into_iter().map(each).collect();
    let mut results = stream::iter(releasing).buffered(IN_FLIGHT_MAX);
    let mut released = Released::default();
    while let Some((key, result)) = results.next().await {
        match result {
            Ok(()) => released.gone.push(key),
            Err(error) => released.failed.push((key, failure(&error, None))),
        }
    }
    released
}

async fn release_one(
    context: &Context,
    (acting, own): (Option<&Cluster>, &Cluster),
    kinds: &Kinds,
    id: &ApplySetId,
    key: ObjectKey,
    api_version: String,
) -> (ObjectKey, Result<(), ApiError>) {
    // A kind that is no longer served has no objects.
    let Presence::Present(kind) = kinds.find(&Gvk::new(&api_version, &key.kind)) else { return (key, Ok(())) };
    let _turn = context.turns.acquire().await.expect("because the semaphore is never closed");
    context.index().write_begins(&key);
    let mut result = acting.unwrap_or(own).let_go(kind, &key, &id.manager()).await.map(|_| ());
    // The service account, or its rights, may be gone before the Environment is.
    if matches!(result, Err(ApiError::Forbidden { .. })) && acting.is_some() {
        result = own.let_go(kind, &key, &id.manager()).await.map(|_| ());
    }
    let changes = context.index().write_failed(&key);
    context.watches.tell(changes);
    (key, result)
}
