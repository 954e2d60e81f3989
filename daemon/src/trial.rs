//! Trying a commit by dry-run before any of it is applied, and the look at the namespace that it belongs into.

use std::collections::BTreeMap;

use futures::{FutureExt as _, StreamExt as _, stream};
use plumb_cluster::{
    apply::{self, Force, Persistence},
    cluster::Cluster,
    error::ApiError,
};
use plumb_core::{
    object::{Gvk, ObjectKey},
    operation::Failure,
    plan::{
        Apply,
        namespace::{self, NamespaceState},
        replace::{self, Immutable},
        transaction::{self, Trial},
    },
    presence::Presence,
};

use crate::{
    act::{failure, refused},
    chain::chain,
    context::Context,
    gather::{DRY_RUNS_MAX, Gathered},
    reconcile::Pass,
};

/// What a dry-run answered.
enum Answer {
    Accepted,
    /// The object can't be changed in place, and may be replaced.
    Immutable(Immutable),
    Refused(Failure),
}

/// Returns how it stands with the target namespace, where a plan depends on it.
pub(crate) async fn namespace(context: &Context, pass: &Pass, gathered: &Gathered) -> NamespaceState {
    let Some(name) = namespace::to_look(&pass.input(gathered)) else { return NamespaceState::There };
    let unknown = |why: &str| NamespaceState::Unknown(format!("namespace {name} {why}"));
    let Presence::Present(kind) = gathered.kinds.find(&Gvk::new("v1", "Namespace")) else {
        return unknown("can't be read: the API server does not say that it serves namespaces");
    };
    match context.cluster.get(kind, &ObjectKey::of_namespace(name)).await {
        Ok(None) => NamespaceState::Missing,
        Ok(Some(found)) if found["metadata"]["deletionTimestamp"].is_string() => NamespaceState::Terminating,
        Ok(Some(_)) => NamespaceState::There,
        Err(error) => unknown(&format!("could not be read: {}", chain(&error))),
    }
}

/// Tries what has to be tried before this commit may be planned; what was accepted once is not tried again.
pub(crate) async fn all(context: &Context, pass: &mut Pass, gathered: &mut Gathered, acting: &Cluster) {
    let listed = |key: &ObjectKey| gathered.desired.objects.get(key);
    pass.memory.tried.retain(|key, manifest| listed(key).is_some_and(|desired| desired.fingerprint == *manifest));
    gathered.trials = pass.memory.tried.keys().map(|key| (key.clone(), Trial::Accepted)).collect();
    let to_try = transaction::to_try(&pass.input(gathered));
    let asks: Vec<_> = to_try.iter().map(|apply| one(context, pass, gathered, acting, apply).boxed()).collect();
    let answers: BTreeMap<ObjectKey, Answer> = stream::iter(asks).buffer_unordered(DRY_RUNS_MAX).collect().await;
    for (key, answer) in answers {
        let trial = match answer {
            Answer::Refused(Failure { class, message }) => Trial::Refused { class, message },
            Answer::Immutable(immutable) => {
                pass.memory.immutable.insert(key.clone(), immutable);
                Trial::Accepted
            }
            Answer::Accepted => Trial::Accepted,
        };
        if trial == Trial::Accepted {
            pass.memory.tried.insert(key.clone(), gathered.desired.objects[&key].fingerprint);
        }
        gathered.trials.insert(key, trial);
    }
}

async fn one(
    context: &Context,
    pass: &Pass,
    gathered: &Gathered,
    acting: &Cluster,
    apply: &Apply,
) -> (ObjectKey, Answer) {
    let desired = &gathered.desired.objects[&apply.key];
    let id = pass.settings.name.applyset_id();
    let manager = id.manager();
    let request = apply::Apply {
        kind: &desired.kind,
        key: &desired.key,
        object: &desired.manifest,
        ignored: &desired.ignored,
        manager: &manager,
        force: if apply.force { Force::Yes } else { Force::No },
        persistence: Persistence::DryRun,
    };
    let turn = context.turns.acquire().await.expect("because the semaphore is never closed");
    let answer = acting.rehearse(&request, &pass.environments).await;
    context.metrics.write("try", matches!(answer, Ok(None)));
    let answer = match answer {
        Ok(None) => Answer::Accepted,
        Ok(Some(by)) => Answer::Refused(refused(desired, &by)),
        Err(error) if replaceable(&error) => {
            let live = gathered.live.objects.get(&apply.key);
            match (replace::obstacle(desired, live, &id), live) {
                (None, Some(live)) => match acting.could_be_created(&request).await {
                    Ok(()) => Answer::Immutable(Immutable { manifest: desired.fingerprint, uid: live.uid.clone() }),
                    Err(error) => Answer::Refused(failure(&error, Some(desired))),
                },
                (obstacle, _) => {
                    let Failure { class, message } = failure(&error, Some(desired));
                    let obstacle = obstacle.map(|obstacle| obstacle.to_string()).unwrap_or_default();
                    Answer::Refused(Failure { class, message: format!("{message}{obstacle}") })
                }
            }
        }
        Err(error) => Answer::Refused(failure(&error, Some(desired))),
    };
    drop(turn);
    (apply.key.clone(), answer)
}

/// Returns whether nothing but fields that can't be changed is in the way.
pub(crate) fn replaceable(error: &ApiError) -> bool {
    let problems = error.problems();
    !problems.is_empty() && problems.iter().all(|problem| problem.immutable)
}
