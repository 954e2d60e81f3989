//! A small model of the API server, of the parent's record and of what the daemon remembers: enough to plan in, to act
//! a plan out on, and to see what it broke.

use std::collections::{BTreeMap, BTreeSet};

use plumb_core::{
    claims::Claim,
    class::Class,
    desired::{self, Desired},
    environment::{ApplySetId, EnvironmentName, FieldManager},
    fingerprint::Fingerprint,
    health::{Health, HealthStatus},
    ignore::Ignored,
    inventory::Inventory,
    live::{Live, LiveObject, PruneWish},
    object::{GroupKind, Manifest, ObjectKey},
    operation::{Effect, Failure, Outcome},
    plan::{
        Applied, Apply, HandOver, Input, Plan, Prune, Reason, judge,
        namespace::NamespaceState,
        prune,
        transaction::{self, Trial},
    },
    policy::Policy,
    presence::Presence,
};
use serde_json::{Value, json};

use crate::universe::{self, commit, holds, is_definition, is_namespace, other, ours};

/// One object in the cluster.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Object {
    pub(crate) uid: u64,
    pub(crate) version: u64,
    /// What our manager owns of it, as it is now.
    pub(crate) owned: Option<Value>,
    pub(crate) label: Option<ApplySetId>,
    pub(crate) label_is_ours: bool,
    pub(crate) claimants: Vec<FieldManager>,
    pub(crate) owners: Vec<String>,
    pub(crate) prune: PruneWish,
    pub(crate) finalizer: bool,
    pub(crate) deleting: bool,
    pub(crate) healthy: bool,
}

/// Everything outside the planner.
#[derive(Debug, Clone)]
pub(crate) struct World {
    pub(crate) cluster: BTreeMap<ObjectKey, Object>,
    pub(crate) manifests: Vec<Manifest>,
    pub(crate) recorded: Option<Inventory>,
    pub(crate) annotated: bool,
    pub(crate) scanned: bool,
    pub(crate) memory: BTreeMap<ObjectKey, Applied>,
    pub(crate) settled: bool,
    pub(crate) claims: BTreeMap<ObjectKey, Claim>,
    pub(crate) undecided: Vec<EnvironmentName>,
    pub(crate) unknown: BTreeSet<GroupKind>,
    /// Whether what was last seen of unknown kinds is still shown.
    pub(crate) stale: bool,
    /// Whether dry-runs are answered, and the contents of namespaces and definitions read.
    pub(crate) answers: bool,
    pub(crate) policy: Policy,
    pub(crate) next_uid: u64,
}

/// All that was read for one plan.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) desired: Desired,
    pub(crate) live: Live,
    pub(crate) predictions: BTreeMap<ObjectKey, Fingerprint>,
    pub(crate) contents: BTreeMap<ObjectKey, Presence<Vec<ObjectKey>>>,
    pub(crate) trials: BTreeMap<ObjectKey, Trial>,
}

/// Returns what the server makes of a manifest; it adds a default to Deployments.
pub(crate) fn served(manifest: &Value) -> Value {
    let mut value = manifest.clone();
    if value["kind"] == "Deployment" {
        value["data"]["defaulted"] = json!("yes");
    }
    value
}

impl World {
    /// Reads everything that a plan depends on.
    pub(crate) fn look(&self) -> Seen {
        let served = universe::kinds(self.cluster.keys().any(is_definition));
        let kinds = served.with_definitions(&self.manifests);
        let desired = desired::resolve(&self.manifests, &kinds, &ours().applyset_id(), Some("shop"));
        let live = self.live(&desired);
        let (predictions, contents, trials) = Default::default();
        let mut seen = Seen { desired, live, predictions, contents, trials };
        if self.answers {
            let ask = |key: ObjectKey| {
                let left = fingerprint(&self::served(&seen.desired.objects[&key].manifest));
                (key, left)
            };
            seen.predictions = self.with(&seen, judge::to_predict).into_iter().map(ask).collect();
        }
        let attempt = |apply: Apply| (apply.key.clone(), self.attempt(&apply, &seen.desired));
        seen.trials = self.with(&seen, transaction::to_try).into_iter().map(attempt).collect();
        let inspect = |key: ObjectKey| (key.clone(), self.contents(&key));
        seen.contents = self.with(&seen, prune::to_inspect).into_iter().map(inspect).collect();
        seen
    }

    /// Hands the planner's input to `look`.
    pub(crate) fn with<T>(&self, seen: &Seen, look: impl FnOnce(&Input<'_>) -> T) -> T {
        look(&Input {
            resting: const { &BTreeSet::new() },
            left: const { &BTreeMap::new() },
            environment: &ours(),
            commit: Some(&commit('1')),
            desired: &seen.desired,
            live: &seen.live,
            applied: &self.memory,
            predictions: &seen.predictions,
            settled: self.settled,
            contents: &seen.contents,
            claims: &self.claims,
            incoming: &BTreeSet::new(),
            undecided: &self.undecided,
            unheard: &[],
            environments: &[ours(), other()].map(|name| (name.applyset_id().manager(), name)).into(),
            recorded: self.recorded.clone(),
            annotated: self.annotated,
            scanned: self.scanned,
            namespace: NamespaceState::There,
            trials: &seen.trials,
            immutable: &BTreeMap::new(),
            policy: &self.policy,
        })
    }

    pub(crate) fn plan(&self, seen: &Seen) -> Plan {
        self.with(seen, plumb_core::plan::plan)
    }

    /// What the watches show: labelled objects of the kinds that are desired or recorded, or of all after a scan.
    fn live(&self, desired: &Desired) -> Live {
        let wanted = Inventory::of(desired.objects.keys()).kinds;
        let recorded = self.recorded.iter().flat_map(|recorded| recorded.kinds.clone());
        let watched: BTreeSet<GroupKind> = wanted.into_iter().chain(recorded).collect();
        let mut live = Live::default();
        for (key, object) in &self.cluster {
            let kind = key.group_kind();
            let hidden = self.unknown.contains(&kind) && !self.stale;
            let labelled = object.label.as_ref() == Some(&ours().applyset_id());
            if labelled && !hidden && (self.scanned || watched.contains(&kind)) {
                live.objects.insert(key.clone(), as_seen(key, object));
            }
        }
        live.unknown = self.unknown.iter().map(|kind| (kind.clone(), "not synced".to_owned())).collect();
        live
    }

    /// What a namespace or definition holds of others.
    fn contents(&self, holder: &ObjectKey) -> Presence<Vec<ObjectKey>> {
        if !self.answers {
            return Presence::Unknown;
        }
        let foreign = self
            .cluster
            .iter()
            .filter(|(key, object)| holds(holder, key) && object.label.as_ref() != Some(&ours().applyset_id()));
        Presence::Present(foreign.map(|(key, _)| key.clone()).collect())
    }

    /// Carries out one effect, as the API server would.
    pub(crate) fn carry_out(&mut self, effect: &Effect, desired: &Desired) -> Outcome {
        match effect {
            Effect::Record(scope) => {
                self.recorded = Some(scope.clone());
                self.annotated = true;
                Outcome::Done
            }
            Effect::HandOver(hand_over) => self.hand_over(hand_over),
            Effect::Namespace(_) | Effect::Replace(_) => unreachable!("no world asks for it"),
            Effect::Apply(apply) => self.apply(apply, desired),
            Effect::Await(definition) if self.cluster.contains_key(definition) => Outcome::Done,
            Effect::Await(_) => failed("the definition is gone"),
            Effect::Prune(prune) => self.prune(prune),
        }
    }

    /// Tries an apply by dry-run.
    fn attempt(&self, apply: &Apply, desired: &Desired) -> Trial {
        let refused = |message: String, class| Trial::Refused { class, message };
        match self.clone().apply(apply, desired) {
            _ if !self.answers => refused("no answer".to_owned(), Class::Retry),
            Outcome::Done => Trial::Accepted,
            Outcome::Failed(Failure { class, message }) => refused(message, class),
        }
    }

    /// Returns whether the API server would take an object now, whoever asks.
    pub(crate) fn would_take(&self, key: &ObjectKey, desired: &Desired) -> bool {
        let apply = Apply { key: key.clone(), reason: Reason::Change, clean: false, force: false, replace: None };
        self.clone().apply(&apply, desired) == Outcome::Done
    }

    fn apply(&mut self, apply: &Apply, desired: &Desired) -> Outcome {
        let key = &apply.key;
        let manifest = served(&desired.objects[key].manifest);
        let id = ours().applyset_id();
        let here = |holder: &ObjectKey| holds(holder, key);
        let needed = usize::from(key.namespace.is_some()) + usize::from(key.group == "example.com");
        if self.cluster.keys().filter(|holder| here(holder)).count() < needed {
            return failed("its namespace or its kind is not there");
        }
        let ours = self.cluster.get(key).is_some_and(is_ours);
        assert!(!apply.force || ours, "{key} does not carry our label, and its apply is forced");
        let fresh = Object {
            uid: self.next_uid,
            version: 0,
            owned: None,
            label: None,
            label_is_ours: false,
            claimants: Vec::new(),
            owners: Vec::new(),
            prune: PruneWish::Usual,
            finalizer: false,
            deleting: false,
            healthy: false,
        };
        self.next_uid += 1;
        let object = self.cluster.entry(key.clone()).or_insert(fresh);
        let foreign = object.label.as_ref().is_some_and(|label| *label != id) || !object.claimants.is_empty();
        assert!(!(apply.force && foreign), "{key} belongs to another environment, and its apply is forced");
        if foreign {
            return failed("it belongs to another environment");
        }
        object.version += 1;
        // A workload's controller takes its time.
        object.healthy = key.kind != "Deployment";
        (object.owned, object.label, object.label_is_ours) = (Some(manifest), Some(id), true);
        Outcome::Done
    }

    fn hand_over(&mut self, hand_over: &HandOver) -> Outcome {
        let Some(object) = self.cluster.get_mut(&hand_over.key) else { return failed("it is gone") };
        if object.uid.to_string() != hand_over.uid || object.version.to_string() != hand_over.resource_version {
            return failed("somebody wrote in between");
        }
        assert!(is_ours(object), "{} is not ours to give", hand_over.key);
        object.version += 1;
        object.owned = None;
        object.claimants.clear();
        (object.label, object.label_is_ours) = (Some(hand_over.to.applyset_id()), false);
        Outcome::Done
    }

    fn prune(&mut self, prune: &Prune) -> Outcome {
        let Some(object) = self.cluster.get_mut(&prune.key) else { return Outcome::Done };
        if object.uid.to_string() != prune.uid || object.version.to_string() != prune.resource_version {
            return failed("it has changed");
        }
        if object.finalizer || is_namespace(&prune.key) {
            (object.deleting, object.version) = (true, object.version + 1);
        } else {
            self.remove(&prune.key);
        }
        Outcome::Done
    }

    fn remove(&mut self, key: &ObjectKey) {
        self.cluster.remove(key);
        self.cluster.retain(|held, _| !holds(key, held));
    }

    /// Lets everything go that is being deleted, with what it holds, and the rest become healthy.
    pub(crate) fn pass_time(&mut self) {
        self.cluster.values_mut().filter(|object| is_ours(object)).for_each(|object| object.healthy = true);
        let going: Vec<_> =
            self.cluster.iter().filter(|(_, object)| object.deleting).map(|(key, _)| key.clone()).collect();
        for key in going {
            self.remove(&key);
        }
    }

    /// Remembers what an apply left, as the daemon does when it is answered.
    pub(crate) fn remember(&mut self, effect: &Effect, desired: &Desired) {
        if let Effect::Apply(apply) = effect {
            let left = self.cluster.get(&apply.key).and_then(|object| object.owned.as_ref());
            if let Some(left) = left.map(fingerprint) {
                let manifest = desired.objects[&apply.key].fingerprint;
                self.memory.insert(apply.key.clone(), Applied { manifest, left });
            }
        }
    }

    /// Returns objects that this environment owns and its record does not cover: nobody would look for them. Where an
    /// object can't be seen, only its kind can be known.
    pub(crate) fn forgotten(&self) -> Vec<&ObjectKey> {
        let recorded = self.recorded.clone().unwrap_or_default();
        let owned = self.cluster.iter().filter(|(_, object)| is_ours(object));
        let forgotten = owned.map(|(key, _)| key).filter(|key| {
            let mut needed = Inventory::of([*key]);
            if self.unknown.contains(&key.group_kind()) {
                needed.namespaces.clear();
            }
            !recorded.covers(&needed)
        });
        forgotten.collect()
    }
}

/// Returns whether this environment has labelled the object.
pub(crate) fn is_ours(object: &Object) -> bool {
    object.label_is_ours && object.label.as_ref() == Some(&ours().applyset_id())
}

fn failed(message: &str) -> Outcome {
    Outcome::Failed(Failure { class: Class::Wait, message: message.to_owned() })
}

/// Returns the fingerprint of an object of which everything counts.
pub(crate) fn fingerprint(object: &Value) -> Fingerprint {
    Fingerprint::of_manifest(object, &Ignored::default())
}

fn as_seen(key: &ObjectKey, object: &Object) -> LiveObject {
    LiveObject {
        key: key.clone(),
        api_version: "v1".to_owned(),
        uid: object.uid.to_string(),
        resource_version: object.version.to_string(),
        part_of: object.label.clone().expect("a label, because only labelled objects are watched"),
        label_is_ours: object.label_is_ours,
        fingerprint: object.owned.as_ref().map(fingerprint),
        foreign: Vec::new(),
        claimants: object.claimants.clone(),
        owners: object.owners.clone(),
        prune: object.prune.clone(),
        holds_data: false,
        deleting: object.deleting,
        health: Health {
            status: match object {
                Object { deleting: true, .. } => HealthStatus::Terminating,
                Object { healthy: false, .. } => HealthStatus::InProgress,
                _ => HealthStatus::Current,
            },
            message: String::new(),
            unseen: false,
        },
    }
}
