//! One situation to plan in, small enough to be changed in a line: the environment `team/shop` desires `ConfigMap a`,
//! and has it and `ConfigMap old` as applied; all is known.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::{
    claims::{Claim, Held, Stance},
    commit::{CommitId, RepoPath},
    desired::{self, Desired},
    environment::{ApplySetId, EnvironmentName, FieldManager},
    fingerprint::Fingerprint,
    foreign::{Addition, ForeignMode, ForeignPolicy},
    health::{Health, HealthStatus},
    inventory::Inventory,
    kinds::{Kind, Kinds, Scope},
    live::{Live, LiveObject, PruneWish},
    object::{Gvk, Manifest, ObjectKey, Origin},
    plan::{Applied, Input, Plan, namespace::NamespaceState, replace::Immutable, transaction::Trial},
    policy::{DriftMode, OnError, Policy, PruneLimit},
    presence::Presence,
    problem::Problem,
};

/// All that a plan depends on, owned.
#[derive(Debug, Clone)]
pub(super) struct Situation {
    pub(super) commit: CommitId,
    pub(super) manifests: Vec<Manifest>,
    pub(super) kinds: Kinds,
    pub(super) problems: Vec<Problem>,
    pub(super) live: Live,
    pub(super) applied: BTreeMap<ObjectKey, Applied>,
    pub(super) predictions: BTreeMap<ObjectKey, Fingerprint>,
    pub(super) settled: bool,
    pub(super) contents: BTreeMap<ObjectKey, Presence<Vec<ObjectKey>>>,
    pub(super) claims: BTreeMap<ObjectKey, Claim>,
    pub(super) incoming: BTreeSet<ObjectKey>,
    pub(super) undecided: Vec<EnvironmentName>,
    pub(super) unheard: Vec<EnvironmentName>,
    pub(super) environments: BTreeMap<FieldManager, EnvironmentName>,
    pub(super) recorded: Option<Inventory>,
    pub(super) annotated: bool,
    pub(super) scanned: bool,
    pub(super) namespace: NamespaceState,
    pub(super) trials: BTreeMap<ObjectKey, Trial>,
    pub(super) immutable: BTreeMap<ObjectKey, Immutable>,
    pub(super) resting: BTreeSet<ObjectKey>,
    pub(super) left: BTreeMap<ObjectKey, Vec<Addition>>,
    pub(super) policy: Policy,
}

pub(super) fn ours() -> EnvironmentName {
    EnvironmentName::new("team", "shop")
}

pub(super) fn other() -> EnvironmentName {
    EnvironmentName::new("team", "other")
}

pub(super) fn third() -> EnvironmentName {
    EnvironmentName::new("team", "third")
}

pub(super) fn commit(digit: char) -> CommitId {
    CommitId::parse(&digit.to_string().repeat(40)).expect("an id")
}

/// Makes a key of `Kind name`, `Kind namespace/name`, with the group after the kind as in `Deployment.apps`.
pub(super) fn key(text: &str) -> ObjectKey {
    let (kind, name) = text.split_once(' ').expect("a kind and a name");
    let (kind, group) = kind.split_once('.').unwrap_or((kind, ""));
    let (namespace, name) = match name.split_once('/') {
        Some((namespace, name)) => (Some(namespace.to_owned()), name),
        None => (None, name),
    };
    ObjectKey { group: group.into(), kind: kind.into(), namespace, name: name.into() }
}

pub(super) fn config(name: &str) -> ObjectKey {
    key(&format!("ConfigMap shop/{name}"))
}

pub(super) fn manifest(key: &ObjectKey, content: &str) -> Manifest {
    let gvk = Gvk { group: key.group.clone(), version: "v1".into(), kind: key.kind.clone() };
    let mut value = json!({"apiVersion": gvk.api_version(), "kind": key.kind, "metadata": {"name": key.name}});
    value["data"] = json!({"content": content});
    if let Some(namespace) = &key.namespace {
        value["metadata"]["namespace"] = json!(namespace);
    }
    if key.kind == "CustomResourceDefinition" {
        value["spec"] = definition_spec(&key.name);
    }
    let file = RepoPath::parse(&format!("{}-{}.yaml", key.kind.to_lowercase(), key.name)).expect("a path");
    Manifest { gvk, key: key.clone(), value: value.into(), origin: Origin { file, line: 1, column: 1 } }
}

/// The definition of `databases.example.com`, with kind `Database`.
fn definition_spec(name: &str) -> Value {
    let (plural, group) = name.split_once('.').expect("a plural and a group");
    let kind = plural.trim_end_matches('s');
    let kind = kind[..1].to_uppercase() + &kind[1..];
    let names = json!({"plural": plural, "kind": kind});
    json!({"group": group, "names": names, "scope": "Namespaced", "versions": [{"name": "v1", "served": true}]})
}

pub(super) fn kind(text: &str, plural: &str, scope: Scope) -> Kind {
    let (kind, group) = text.split_once('.').unwrap_or((text, ""));
    let gvk = Gvk { group: group.into(), version: "v1".into(), kind: kind.into() };
    Kind { gvk, plural: plural.into(), scope, watchable: true, defined_by: None }
}

pub(super) fn kinds() -> Kinds {
    let served = [
        kind("Namespace", "namespaces", Scope::Cluster),
        kind("CustomResourceDefinition.apiextensions.k8s.io", "customresourcedefinitions", Scope::Cluster),
        kind("ConfigMap", "configmaps", Scope::Namespaced),
        kind("Secret", "secrets", Scope::Namespaced),
        kind("Service", "services", Scope::Namespaced),
        kind("Deployment.apps", "deployments", Scope::Namespaced),
        kind("Ingress.networking.k8s.io", "ingresses", Scope::Namespaced),
    ];
    Kinds::new(served, [])
}

impl Situation {
    /// `ConfigMap a` as applied and remembered, `ConfigMap old` live and no longer desired; `b`, `c` … fill both up to
    /// 20, so that one prune is far from any limit.
    pub(super) fn usual() -> Self {
        let mut situation = Self {
            commit: commit('1'),
            manifests: Vec::new(),
            kinds: kinds(),
            problems: Vec::new(),
            live: Live::default(),
            applied: BTreeMap::new(),
            predictions: BTreeMap::new(),
            settled: false,
            contents: BTreeMap::new(),
            claims: BTreeMap::new(),
            incoming: BTreeSet::new(),
            undecided: Vec::new(),
            unheard: Vec::new(),
            environments: [ours(), other(), third()].map(|name| (name.applyset_id().manager(), name)).into(),
            recorded: Some(Inventory { kinds: [config("a").group_kind()].into(), namespaces: ["shop".into()].into() }),
            annotated: true,
            scanned: true,
            namespace: NamespaceState::There,
            trials: BTreeMap::new(),
            immutable: BTreeMap::new(),
            resting: BTreeSet::new(),
            left: BTreeMap::new(),
            policy: Policy {
                on_error: OnError::Partial,
                create_namespace: None,
                prune: true,
                prune_limit: PruneLimit::parse("25%").expect("a limit"),
                prune_allowed: None,
                drift: DriftMode::Correct,
                ignore: Vec::new(),
                foreign: ForeignPolicy { mode: ForeignMode::Report, managers: Vec::new() },
                suspended: false,
                waiting: false,
                rolled_back: false,
            },
        };
        for letter in 'a'..'t' {
            situation.add(&config(&letter.to_string()));
        }
        situation.add_live(&config("old"));
        situation
    }

    /// Has other environments desire an object; `covered` says whether their parents know where it is.
    pub(super) fn claim(&mut self, key: ObjectKey, by: &[EnvironmentName], covered: bool) {
        let claim = Claim { by: by.iter().cloned().collect(), held: None, covered, powerless: false };
        self.claims.insert(key, claim);
    }

    /// Has another environment own an object.
    pub(super) fn hold(&mut self, key: ObjectKey, stance: Stance) {
        let by = if stance == Stance::Keeps { [other()].into() } else { BTreeSet::new() };
        self.claims
            .insert(key, Claim { by, held: Some(Held { by: other(), stance }), covered: true, powerless: false });
    }

    /// Desires an object that is live as applied.
    pub(super) fn add(&mut self, key: &ObjectKey) {
        self.desire(key);
        self.add_live(key);
    }

    pub(super) fn desire(&mut self, key: &ObjectKey) {
        self.manifests.push(manifest(key, "1"));
    }

    pub(super) fn no_longer_desire(&mut self, key: &ObjectKey) {
        self.manifests.retain(|manifest| manifest.key != *key);
    }

    /// Adds an object as applied by this environment; the parent's record covers it.
    pub(super) fn add_live(&mut self, key: &ObjectKey) {
        let resolved = desired::resolve(
            &[manifest(key, "1")],
            &self.kinds.clone().with_definitions(&self.manifests),
            &ours().applyset_id(),
            None,
        );
        let fingerprint = resolved.objects.get(key).map(|desired| desired.fingerprint);
        if let Some(fingerprint) = fingerprint {
            self.applied.insert(key.clone(), Applied { manifest: fingerprint, left: fingerprint });
        }
        let recorded = self.recorded.get_or_insert_default();
        *recorded = recorded.union(&Inventory::of([key]));
        let object = LiveObject {
            key: key.clone(),
            api_version: "v1".into(),
            uid: format!("uid-{key}"),
            resource_version: "7".into(),
            part_of: ours().applyset_id(),
            label_is_ours: true,
            fingerprint,
            foreign: Vec::new(),
            claimants: Vec::new(),
            owners: Vec::new(),
            prune: PruneWish::Usual,
            holds_data: false,
            deleting: false,
            health: Health { status: HealthStatus::Current, message: String::new(), unseen: false },
        };
        self.live.objects.insert(key.clone(), object);
    }

    pub(super) fn live(&mut self, key: &ObjectKey) -> &mut LiveObject {
        self.live.objects.get_mut(key).expect("a live object")
    }

    /// The object that is live and not desired.
    pub(super) fn old(&mut self) -> &mut LiveObject {
        self.live(&config("old"))
    }

    pub(super) fn unknown(&mut self, key: &ObjectKey) {
        self.live.unknown.insert(key.group_kind(), "its watch is not synced".into());
    }

    pub(super) fn desired(&self) -> Desired {
        let kinds = self.kinds.clone().with_definitions(&self.manifests);
        let mut desired = desired::resolve(&self.manifests, &kinds, &self.id(), Some("shop"));
        desired.problems.extend(self.problems.clone());
        desired
    }

    pub(super) fn id(&self) -> ApplySetId {
        ours().applyset_id()
    }

    pub(super) fn with<T>(&self, look: impl FnOnce(&Input<'_>) -> T) -> T {
        look(&Input {
            resting: &self.resting,
            left: &self.left,
            environment: &ours(),
            commit: Some(&self.commit),
            desired: &self.desired(),
            live: &self.live,
            applied: &self.applied,
            predictions: &self.predictions,
            settled: self.settled,
            contents: &self.contents,
            claims: &self.claims,
            incoming: &self.incoming,
            undecided: &self.undecided,
            unheard: &self.unheard,
            environments: &self.environments,
            recorded: self.recorded.clone(),
            annotated: self.annotated,
            scanned: self.scanned,
            namespace: self.namespace.clone(),
            trials: &self.trials,
            immutable: &self.immutable,
            policy: &self.policy,
        })
    }

    pub(super) fn plan(&self) -> Plan {
        self.with(crate::plan::plan)
    }

    /// Returns the fingerprint that an object with this content would have.
    pub(super) fn fingerprint(&self, key: &ObjectKey, content: &str) -> Fingerprint {
        let kinds = self.kinds.clone().with_definitions(&self.manifests);
        desired::resolve(&[manifest(key, content)], &kinds, &self.id(), None).objects[key].fingerprint
    }
}

/// Returns what the plan prunes, in its order, also where it waits for a wave.
pub(super) fn pruned(plan: &Plan) -> Vec<String> {
    plan.all_prunes().map(|prune| prune.key.to_string()).collect()
}

/// Returns the labels of the plan's refusals, with the object where there is one.
pub(super) fn refused(plan: &Plan) -> Vec<String> {
    let text = |key: &Option<ObjectKey>| key.as_ref().map_or_else(|| "*".to_owned(), ToString::to_string);
    plan.refusals.iter().map(|refusal| format!("{}: {}", text(&refusal.key), refusal.why.label())).collect()
}

/// Returns what the plan applies, in its order: key, reason, `forced` where conflicts are overridden.
pub(super) fn applied(plan: &Plan) -> Vec<String> {
    let text = |apply: &super::super::Apply| {
        let how = match (&apply.replace, apply.force) {
            (Some(_), _) => " replaced",
            (None, true) => " forced",
            (None, false) => "",
        };
        format!("{} {:?}{how}", apply.key, apply.reason)
    };
    plan.applies.values().flatten().map(text).collect()
}
