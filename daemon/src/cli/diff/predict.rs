//! What the planner needs to know: the daemon has it in memory, a diff reads it once.

use std::collections::{BTreeMap, BTreeSet};

use futures::{FutureExt as _, StreamExt as _, stream};
use plumb_api::Environment;
use plumb_cluster::{
    apply::{Apply, Force, Persistence},
    index::{Index, Observation, Seen},
};
use plumb_core::{
    claims::Claim,
    commit::CommitId,
    desired::{Desired, DesiredObject},
    environment::{EnvironmentName, FieldManager},
    fingerprint::Fingerprint,
    foreign::Addition,
    ignore,
    inventory::Inventory,
    kinds::{Kind, Kinds},
    live::Live,
    object::{GroupKind, ObjectKey},
    plan::{Input, judge, namespace::NamespaceState, prune},
    policy::{OnError, Policy},
    presence::Presence,
};
use serde_json::Value;

use super::Subject;
use crate::{
    cli::{connection::Session, error::CliError},
    memory::Memory,
    settings::{self, Settings},
};

/// Requests under way at once; the API server has others to serve.
pub(super) const REQUESTS_MAX: usize = 16;

/// All that a plan is made from, besides the desired state.
pub(super) struct Gathered {
    pub(super) live: Live,
    pub(super) environments: BTreeMap<FieldManager, EnvironmentName>,
    /// What dry-runs answered.
    predictions: BTreeMap<ObjectKey, Fingerprint>,
    contents: BTreeMap<ObjectKey, Presence<Vec<ObjectKey>>>,
    recorded: Option<Inventory>,
    /// Absent for a directory: no prune is ever allowed for it.
    commit: Option<CommitId>,
    policy: Policy,
}

impl Gathered {
    /// Returns the planner's input. Nothing counts as applied before, so that every difference is a change.
    pub(super) fn input<'a>(&'a self, subject: &'a Subject<'_>, desired: &'a Desired) -> Input<'a> {
        const NOTHING_APPLIED: &BTreeMap<ObjectKey, plumb_core::plan::Applied> = &BTreeMap::new();
        const NOTHING_LEFT: &BTreeMap<ObjectKey, Vec<Addition>> = &BTreeMap::new();
        const NOBODY_RESTS: &BTreeSet<ObjectKey> = &BTreeSet::new();
        const NO_CLAIMS: &BTreeMap<ObjectKey, Claim> = &BTreeMap::new();
        const NOTHING_COMES: &BTreeSet<ObjectKey> = &BTreeSet::new();
        Input {
            environment: subject.name(),
            commit: self.commit.as_ref(),
            desired,
            live: &self.live,
            applied: NOTHING_APPLIED,
            predictions: &self.predictions,
            settled: false,
            contents: &self.contents,
            claims: NO_CLAIMS,
            incoming: NOTHING_COMES,
            undecided: &[],
            unheard: &[],
            environments: &self.environments,
            recorded: self.recorded.clone(),
            annotated: true,
            scanned: false,
            namespace: NamespaceState::There,
            trials: const { &BTreeMap::new() },
            immutable: const { &BTreeMap::new() },
            resting: NOBODY_RESTS,
            left: NOTHING_LEFT,
            policy: &self.policy,
        }
    }
}

/// Reads all of it.
pub(super) async fn gather(
    subject: &Subject<'_>,
    environment: &Environment,
    desired: &Desired,
) -> Result<Gathered, CliError> {
    let recorded = Memory::of(environment).recorded;
    let all = subject.session.environments(true).await;
    // Who may see only one namespace learns of other environments from labels alone.
    let all = match all {
        Ok(all) => all,
        Err(_) => vec![environment.clone()],
    };
    let named = all.iter().map(settings::name);
    let commit = subject.source.commit.clone();
    let mut gathered = Gathered {
        live: live(subject, recorded.as_ref(), desired).await?,
        environments: named.map(|name| (name.applyset_id().manager(), name)).collect(),
        predictions: BTreeMap::new(),
        contents: BTreeMap::new(),
        recorded,
        commit,
        // What would be refused is shown for each object.
        policy: Policy { on_error: OnError::Partial, ..subject.settings.policy.clone() },
    };
    gathered.predictions = predictions(subject, &gathered, desired).await;
    for key in prune::to_inspect(&gathered.input(subject, desired)) {
        let id = subject.name().applyset_id();
        let held = subject.session.cluster.contents(&key, subject.kinds, &id).await.others;
        gathered.contents.insert(key, held);
    }
    Ok(gathered)
}

/// Returns the desired state with what is ignored of it, by the spec or because an autoscaler drives it.
pub(super) async fn ignoring(session: &Session, settings: &Settings, kinds: &Kinds, desired: &Desired) -> Desired {
    let is_scalable = |object: &DesiredObject| ignore::has_replicas(&object.manifest);
    let kind = kinds.preferred(&GroupKind::new("autoscaling", "HorizontalPodAutoscaler")).present();
    let namespaces: BTreeSet<_> =
        desired.objects.values().filter(|object| is_scalable(object)).map(|object| &object.key.namespace).collect();
    let mut scaled = BTreeSet::new();
    if let Some(kind) = kind {
        for namespace in namespaces.into_iter().flatten() {
            // Who may not see them gets a difference in replicas shown that plumb would leave alone.
            let found = session.cluster.list(kind, Some(namespace), None).await.unwrap_or_default();
            scaled.extend(found.iter().filter_map(ignore::scaled_by));
        }
    }
    desired.ignoring(&ignore::of(desired, &settings.policy.ignore, |key| scaled.contains(key)))
}

/// Lists every kind that the environment has or wants objects of.
async fn live(subject: &Subject<'_>, recorded: Option<&Inventory>, desired: &Desired) -> Result<Live, CliError> {
    let served = desired.objects.values().filter(|object| object.kind.defined_by.is_none());
    let mut kinds: BTreeMap<GroupKind, Kind> =
        served.map(|object| (object.key.group_kind(), object.kind.clone())).collect();
    let mut unknown = BTreeMap::new();
    for kind in recorded.iter().flat_map(|inventory| &inventory.kinds) {
        match subject.kinds.preferred(kind) {
            _ if kinds.contains_key(kind) => {}
            Presence::Present(served) => {
                kinds.insert(kind.clone(), served.clone());
            }
            // A kind that the cluster no longer serves has no objects.
            Presence::Absent => {}
            Presence::Unknown => {
                unknown.insert(kind.clone(), "the discovery of its API group failed".to_owned());
            }
        }
    }
    let id = subject.name().applyset_id();
    let mut index = Index::default();
    let ignoring = desired.objects.values().filter(|object| !object.ignored.is_empty());
    index.ignore(&id, &ignoring.map(|object| (object.key.clone(), object.ignored.clone())).collect());
    for kind in kinds.values() {
        let gvk = || kind.gvk.clone();
        index.observe(Observation::Listing(gvk()));
        for object in subject.session.cluster.list_owned(kind, &id).await? {
            index.observe(Observation::Listed(gvk(), Seen(object)));
        }
        index.observe(Observation::ListDone(gvk(), String::new()));
    }
    let scope: BTreeSet<GroupKind> = kinds.into_keys().collect();
    index.confine(&id, recorded.map(|recorded| recorded.union(&Inventory::of(desired.objects.keys()))));
    let mut live = index.live(&id, &scope);
    live.unknown.extend(unknown);
    Ok(live)
}

async fn predictions(
    subject: &Subject<'_>,
    gathered: &Gathered,
    desired: &Desired,
) -> BTreeMap<ObjectKey, Fingerprint> {
    let manager = subject.name().applyset_id().manager();
    let keys = judge::to_predict(&gathered.input(subject, desired));
    let objects = keys.iter().filter_map(|key| desired.objects.get(key));
    let asks: Vec<_> = objects
        .map(|object| {
            let manager = manager.clone();
            async move {
                // What is refused is asked again for its reason when it is shown.
                let answer = dry_run(subject, object).await.ok()?;
                Some((object.key.clone(), Fingerprint::of_owned(&answer, &manager, &object.ignored)?))
            }
            .boxed()
        })
        .collect();
    stream::iter(asks).buffer_unordered(REQUESTS_MAX).filter_map(std::future::ready).collect().await
}

/// Returns what an object would become.
pub(super) async fn dry_run(
    subject: &Subject<'_>,
    object: &DesiredObject,
) -> Result<Value, plumb_cluster::error::ApiError> {
    let apply = Apply {
        kind: &object.kind,
        key: &object.key,
        object: &object.manifest,
        ignored: &object.ignored,
        manager: &subject.name().applyset_id().manager(),
        force: Force::Yes,
        persistence: Persistence::DryRun,
    };
    Ok(subject.session.cluster.apply(&apply).await?.object)
}
