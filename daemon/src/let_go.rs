//! Letting go: the Environment is deleted, its objects stay, without plumb's label and without its ownership of fields.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use futures::{FutureExt as _, StreamExt as _, stream};
use plumb_cluster::{cluster::Cluster, error::ApiError};
use plumb_core::{
    environment::ApplySetId,
    inventory::Inventory,
    kinds::Kinds,
    object::{Gvk, ObjectKey},
    presence::Presence,
    record::{Record, RecordKind},
};

use crate::{chain::chain, context::Context, settings::Settings};

/// Objects let go of at once, for one environment.
const IN_FLIGHT_MAX: usize = 16;

/// Lets go of everything that carries the environment's label, as far as it is known.
pub(crate) async fn let_go(context: &Context, settings: &Settings, uid: &str, recorded: Inventory) {
    let name = &settings.name;
    let id = name.applyset_id();
    context.index().judge_by(&id, &Arc::default());
    let owned: Vec<(ObjectKey, String)> = {
        let kinds: BTreeSet<_> = recorded.kinds;
        let mut index = context.index();
        index.ignore(&id, &BTreeMap::new());
        let live = index.live(&id, &kinds);
        live.objects.into_values().map(|live| (live.key, live.api_version)).collect()
    };
    if owned.is_empty() {
        return;
    }
    let Ok(served) = context.served(&[]).await else {
        tracing::warn!(environment = %name, "{} object(s) keep their label: the cluster could not be asked for its kinds", owned.len());
        return;
    };
    let acting = match context.acting_for(settings) {
        Ok(acting) => acting,
        Err(error) => {
            tracing::warn!(environment = %name, "{} object(s) keep their label: {error}", owned.len());
            return;
        }
    };
    let letting_go = owned
        .into_iter()
        .map(|(key, version)| let_go_one(context, &acting, &served.kinds, &id, key, version).boxed())
        .collect::<Vec<_>>();
    let results: Vec<_> = stream::iter(letting_go).buffered(IN_FLIGHT_MAX).collect().await;
    let (mut gone, mut failed) = (Vec::new(), 0);
    for (key, result) in results {
        match result {
            Ok(()) => gone.push(key),
            Err(error) => {
                failed += 1;
                tracing::warn!(environment = %name, object = %key, "not let go of: {}", chain(&error));
            }
        }
    }
    let kept = if failed > 0 { format!("; {failed} keep their label") } else { String::new() };
    let record = Record {
        at: context.clock.now(),
        environment: name.clone(),
        revision: None,
        kind: RecordKind::LetGo,
        message: format!("the Environment was deleted; {} object(s) stay, no longer owned{kept}", gone.len()),
        objects: gone,
        attribution: None,
        class: None,
        took: None,
    };
    context.journal.record(record, uid);
}

async fn let_go_one(
    context: &Context,
    acting: &Cluster,
    kinds: &Kinds,
    id: &ApplySetId,
    key: ObjectKey,
    api_version: String,
) -> (ObjectKey, Result<(), ApiError>) {
    // A kind that is no longer served has no objects.
    let Presence::Present(kind) = kinds.find(&Gvk::new(&api_version, &key.kind)) else { return (key, Ok(())) };
    let _turn = context.turns.acquire().await.expect("because the semaphore is never closed");
    context.index().write_begins(&key);
    let result = acting.let_go(kind, &key, &id.manager()).await.map(|_| ());
    let changes = context.index().write_failed(&key);
    context.watches.tell(changes);
    (key, result)
}
