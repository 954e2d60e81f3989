//! Acting: carries out an operation's effects on the cluster and remembers what they left.

mod clean;
mod deeds;

use std::{collections::BTreeMap, time::Duration};

use futures::{FutureExt as _, StreamExt as _, stream::FuturesUnordered};
use plumb_cluster::{
    apply::{self, Force, Persistence},
    cluster::{Cluster, Deleted, Precondition},
    error::ApiError,
    take::{Owner, Taken},
};
use plumb_core::{
    class::Class,
    desired::{Desired, DesiredObject},
    environment::{EnvironmentName, FieldManager},
    fingerprint::Fingerprint,
    ignore::{Glob, Ignored},
    inventory::Inventory,
    kinds::{Kind, Kinds},
    object::{Gvk, ObjectKey},
    operation::{Effect, EffectId, Failure, Operation, Step},
    plan::{Applied, Apply, HandOver, Prune, Reason},
    right::MissingRight,
};
use serde_json::json;
use tokio_util::sync::CancellationToken;

pub(crate) use deeds::Deeds;

use crate::{chain::chain, context::Context, trial};

/// A definition is Established 0.4 s after it was applied; one that is not after this long has a conflict of names.
pub(crate) const ESTABLISHED_WITHIN: Duration = Duration::from_secs(30);

/// A request that takes longer hangs, at an admission webhook mostly: it goes on without a turn, so that the environments
/// of others are not held up. What one environment has under way is bounded by its operation.
const TURN_MAX: Duration = Duration::from_secs(1);

/// Everything that carrying out one plan needs.
pub(crate) struct Actor<'a> {
    pub(crate) context: &'a Context,
    /// The cluster with the rights of the environment.
    pub(crate) cluster: &'a Cluster,
    pub(crate) environment: &'a EnvironmentName,
    /// The Environment's UID: nothing is recorded on one that was made anew.
    pub(crate) uid: &'a str,
    pub(crate) desired: &'a Desired,
    pub(crate) environments: &'a BTreeMap<FieldManager, EnvironmentName>,
    pub(crate) kinds: &'a Kinds,
    /// The cluster with plumb's own rights, while the tenure of the pass lasts.
    pub(crate) own: Cluster,
    /// Managers whose additions are removed, where the plan says so.
    pub(crate) foreign: &'a [Glob],
}

/// What one effect left.
enum Done {
    Recorded(Inventory, String),
    Applied {
        key: ObjectKey,
        reason: Reason,
        applied: Option<Applied>,
        created: bool,
        adopted: Vec<String>,
        warnings: Vec<String>,
        cleaned: Option<bool>,
    },
    Cleaned {
        key: ObjectKey,
        removed: bool,
    },
    Namespace,
    Replaced {
        key: ObjectKey,
        gone: bool,
    },
    Pruned(ObjectKey),
    Handed(ObjectKey, EnvironmentName),
    Established,
}

/// What one effect could not do.
struct Undone {
    failure: Failure,
    key: Option<ObjectKey>,
    fields: Vec<String>,
    missing: Option<MissingRight>,
    /// Nothing but fields that can't be changed is in the way.
    immutable: bool,
}

impl Actor<'_> {
    /// Carries out an operation to its end, or until `stop` says to start nothing more.
    pub(crate) async fn drive(&self, operation: &mut Operation, stop: &CancellationToken) -> Deeds {
        let mut deeds = Deeds::default();
        let mut under_way = FuturesUnordered::new();
        loop {
            if stop.is_cancelled() {
                operation.abandon();
            }
            match operation.poll() {
                Step::Finished => return deeds,
                Step::Start(effects) => {
                    under_way.extend(effects.into_iter().map(|(id, effect)| self.carry_out(id, effect, stop).boxed()));
                }
            }
            if let Some((id, result)) = under_way.next().await {
                let outcome = deeds.take(result);
                operation.on(id, outcome);
            }
        }
    }

    async fn carry_out(
        &self,
        id: EffectId,
        effect: Effect,
        stop: &CancellationToken,
    ) -> (EffectId, Result<Done, Box<Undone>>) {
        let (action, result) = match effect {
            Effect::Record(scope) => ("record", self.in_turn(self.record(scope)).await),
            Effect::HandOver(hand_over) => ("hand_over", self.in_turn(self.hand_over(hand_over)).await),
            Effect::Namespace(name) => ("namespace", self.in_turn(self.namespace(&name)).await),
            Effect::Replace(state) => ("replace", self.in_turn(self.replace(state)).await),
            Effect::Apply(apply) => ("apply", self.in_turn(self.apply(apply)).await),
            Effect::Await(definition) => ("await", self.established(&definition, stop).await),
            Effect::Prune(prune) => ("prune", self.in_turn(self.prune(prune)).await),
        };
        self.context.metrics.write(action, result.is_ok());
        (id, result)
    }

    /// Waits for a turn at the API server and gives it back when the work is done, or when it hangs.
    async fn in_turn<T>(&self, work: impl Future<Output = T>) -> T {
        let turn = self.context.turns.acquire().await.expect("because the semaphore is never closed");
        let mut work = std::pin::pin!(work);
        tokio::select! {
            done = &mut work => done,
            () = tokio::time::sleep(TURN_MAX) => {
                drop(turn);
                work.await
            }
        }
    }

    async fn record(&self, scope: Inventory) -> Result<Done, Box<Undone>> {
        match self.own.write_parent(self.environment, self.uid, &scope, TOOLING).await {
            Ok(parent) => {
                self.context.claims().recorded(self.environment, &scope);
                let version = parent["metadata"]["resourceVersion"].as_str().unwrap_or_default().to_owned();
                Ok(Done::Recorded(scope, version))
            }
            Err(error) => Err(Undone::of(&error, None)),
        }
    }

    async fn apply(&self, apply: Apply) -> Result<Done, Box<Undone>> {
        self.permit(&apply.key)?;
        let desired = self.desired(&apply.key);
        if apply.reason == Reason::Clean {
            return Ok(Done::Cleaned { removed: self.clean(desired).await?, key: apply.key });
        }
        let manager = self.environment.applyset_id().manager();
        let request = Self::request(desired, &manager, if apply.force { Force::Yes } else { Force::No });
        self.context.index().write_begins(&apply.key);
        let (answer, adopted) = match self.send(&request).await {
            Ok(Taken::Created(answer) | Taken::Applied(answer)) => (answer, Vec::new()),
            Ok(Taken::Adopted { applied, from }) => (applied, from),
            Ok(Taken::Refused { by }) => {
                self.write_failed(&apply.key);
                return Err(Undone::for_reason(refused(desired, &by), &desired.key));
            }
            Err(error) => {
                self.write_failed(&apply.key);
                return Err(self.undone(&error, desired));
            }
        };
        let changes = self.context.index().answer(&answer.object);
        self.context.watches.tell(changes);
        let left = Fingerprint::of_owned(&answer.object, &manager, &desired.ignored);
        let applied = left.map(|left| Applied { manifest: desired.fingerprint, left });
        let cleaned = if apply.clean { Some(self.clean(desired).await?) } else { None };
        let (warnings, created) = (answer.warnings, answer.created);
        let Apply { key, reason, .. } = apply;
        Ok(Done::Applied { key, reason, applied, created, adopted, warnings, cleaned })
    }

    fn desired(&self, key: &ObjectKey) -> &DesiredObject {
        self.desired.objects.get(key).expect("because a plan applies what is desired")
    }

    fn request<'b>(desired: &'b DesiredObject, manager: &'b FieldManager, force: Force) -> apply::Apply<'b> {
        apply::Apply {
            kind: &desired.kind,
            key: &desired.key,
            object: &desired.manifest,
            ignored: &desired.ignored,
            manager,
            force,
            persistence: Persistence::Stored,
        }
    }

    async fn send(&self, request: &apply::Apply<'_>) -> Result<Taken, ApiError> {
        match request.force {
            Force::Yes => self.cluster.apply(request).await.map(Taken::Applied),
            Force::No => self.cluster.take(request, self.environments).await,
        }
    }

    fn write_failed(&self, key: &ObjectKey) {
        let changes = self.context.index().write_failed(key);
        self.context.watches.tell(changes);
    }

    /// Makes the target namespace, without our label: it is not one of the environment's objects.
    async fn namespace(&self, name: &str) -> Result<Done, Box<Undone>> {
        let key = ObjectKey::of_namespace(name);
        let kind = self.kind_of(&key, "v1")?;
        let object = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name } });
        let request = apply::Apply {
            kind: &kind,
            key: &key,
            object: &object,
            ignored: &Ignored::default(),
            manager: &self.environment.applyset_id().manager(),
            force: Force::No,
            persistence: Persistence::Stored,
        };
        match self.cluster.apply(&request).await {
            Ok(_) => Ok(Done::Namespace),
            Err(error) => Err(Undone::of(&error, Some(key))),
        }
    }

    /// Deletes an object that can't be changed in place, if nothing but itself is in the way of creating it anew.
    async fn replace(&self, state: Prune) -> Result<Done, Box<Undone>> {
        self.permit(&state.key)?;
        // What could not come back afterwards stays.
        let desired = self.desired(&state.key);
        let manager = self.environment.applyset_id().manager();
        if let Err(error) = self.cluster.could_be_created(&Self::request(desired, &manager, Force::No)).await {
            return Err(self.undone(&error, desired));
        }
        let (key, gone) = self.delete(state).await?;
        Ok(Done::Replaced { key, gone })
    }

    async fn prune(&self, prune: Prune) -> Result<Done, Box<Undone>> {
        self.permit(&prune.key)?;
        self.delete(prune).await.map(|(key, _)| Done::Pruned(key))
    }

    /// Deletes an object in exactly this state; returns whether it is gone already.
    async fn delete(&self, prune: Prune) -> Result<(ObjectKey, bool), Box<Undone>> {
        let kind = self.kind_of(&prune.key, &prune.api_version)?;
        let state = Precondition { uid: prune.uid, resource_version: prune.resource_version };
        self.context.index().write_begins(&prune.key);
        match self.cluster.delete(&kind, &prune.key, &state).await {
            Ok(Deleted::Gone | Deleted::Missing) => {
                self.context.index().forget(&prune.key, &state.uid);
                Ok((prune.key, true))
            }
            // Finalizers hold it: the watch tells when it is gone.
            Ok(Deleted::Finalizing) => {
                self.write_failed(&prune.key);
                Ok((prune.key, false))
            }
            Err(error) => {
                self.write_failed(&prune.key);
                Err(Undone::of(&error, Some(prune.key)))
            }
        }
    }

    async fn hand_over(&self, hand_over: HandOver) -> Result<Done, Box<Undone>> {
        let HandOver { key, api_version, uid, resource_version, to } = hand_over;
        self.permit(&key)?;
        let kind = self.kind_of(&key, &api_version)?;
        // The plan is some moments old: from here on, the taker's parent keeps saying where the object is.
        if !self.context.claims().may_move(&key, self.environment, &to) {
            let message = format!("{key}: environment {to} is not ready to take it over; it is looked at again");
            let failure = Failure { class: Class::Retry, message };
            return Err(Undone::for_reason(failure, &key));
        }
        self.context.index().write_begins(&key);
        let state = Precondition { uid, resource_version };
        let (giver, taker) = (self.environment.applyset_id(), to.applyset_id());
        let given = self.cluster.hand_over(&kind, &key, &state, &giver, &taker).await;
        let changes = match &given {
            Ok(object) => self.context.index().answer(object),
            Err(_) => self.context.index().write_failed(&key),
        };
        self.context.watches.tell(changes);
        self.context.claims().moved(&key);
        match given {
            Ok(_) => Ok(Done::Handed(key, to)),
            Err(error) => Err(Undone::of(&error, Some(key))),
        }
    }

    /// Returns the kind at the version that the object was read at.
    fn kind_of(&self, key: &ObjectKey, api_version: &str) -> Result<Kind, Box<Undone>> {
        let gvk = Gvk::new(api_version, &key.kind);
        self.kinds.find(&gvk).present().cloned().ok_or_else(|| {
            let message = format!("{key}: the cluster no longer serves {gvk}; it is looked at again");
            Undone::for_reason(Failure { class: Class::Retry, message }, key)
        })
    }

    /// Waits for a definition, unless the operation is replaced: nothing depends on it then.
    async fn established(&self, definition: &ObjectKey, stop: &CancellationToken) -> Result<Done, Box<Undone>> {
        let established = tokio::select! {
            established = self.own.established(&definition.name, ESTABLISHED_WITHIN) => established,
            () = stop.cancelled() => return Ok(Done::Established),
        };
        match established {
            Ok(()) => Ok(Done::Established),
            Err(error) => Err(Undone::for_reason(Failure { class: error.class(), message: chain(&error) }, definition)),
        }
    }

    /// Refuses what plumb's own rights allow and no user of the environment need be allowed.
    fn permit(&self, key: &ObjectKey) -> Result<(), Box<Undone>> {
        if self.cluster.identity().may_concern(self.environment, key) {
            return Ok(());
        }
        let message = format!(
            "{key}: without a service account, an Environment writes no resource of plumb in another namespace; set \
             spec.target.serviceAccountName"
        );
        Err(Undone::for_reason(Failure { class: Class::Wait, message }, key))
    }

    fn undone(&self, error: &ApiError, desired: &DesiredObject) -> Box<Undone> {
        let fields = error.problems().iter().map(|problem| problem.field.clone()).collect();
        let immutable = trial::replaceable(error);
        let missing = error.missing_right().cloned();
        let failure = failure(error, Some(desired));
        Box::new(Undone { failure, key: Some(desired.key.clone()), fields, missing, immutable })
    }
}

impl Undone {
    fn of(error: &ApiError, key: Option<ObjectKey>) -> Box<Self> {
        let missing = error.missing_right().cloned();
        Box::new(Self { failure: failure(error, None), key, fields: Vec::new(), missing, immutable: false })
    }

    fn for_reason(failure: Failure, key: &ObjectKey) -> Box<Self> {
        Box::new(Self { failure, key: Some(key.clone()), fields: Vec::new(), missing: None, immutable: false })
    }
}

/// The value of the ApplySet's tooling annotation.
pub(crate) const TOOLING: &str = concat!("plumb/", env!("CARGO_PKG_VERSION"));

/// Says that an object is somebody else's.
pub(crate) fn refused(desired: &DesiredObject, by: &Owner) -> Failure {
    let (origin, key) = (&desired.origin, &desired.key);
    let message = match by {
        Owner::Environment(by) => format!(
            "{origin}: {key}: environment {by} owns it; it stays with that one until it leaves one of the two paths"
        ),
        Owner::ApplySet { id, parent } => {
            format!("{origin}: {key}: it belongs to the ApplySet {id} of {parent}; take it out of that set first")
        }
    };
    Failure { class: Class::Wait, message }
}

/// Returns a failure in words: where it stands in Git, what the API server said, with every cause.
pub(crate) fn failure(error: &ApiError, desired: Option<&DesiredObject>) -> Failure {
    let mut message = chain(error);
    if let Some(desired) = desired {
        message = format!("{}: {message}", desired.origin);
    }
    Failure { class: error.class(), message }
}
