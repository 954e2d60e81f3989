//! Gathering: every read of one pass, before anything is decided.
//!
//! A pass in which nothing changed reads nothing: the commit, the render, the kinds and the live objects are in memory.

mod wanted;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use futures::{FutureExt as _, StreamExt as _, TryStreamExt as _, stream};
use plumb_cluster::{
    apply::{Apply, Force, Persistence},
    cluster::Cluster,
    error::ApiError,
    index::{Observation, Seen},
};
use plumb_core::{
    claims::Claim,
    class::Class,
    commit::CommitId,
    desired::Desired,
    environment::{EnvironmentName, FieldManager},
    fingerprint::Fingerprint,
    foreign::ForeignMode,
    gate::Wait,
    ignore::{self, Ignored},
    inventory::Inventory,
    kinds::{Kind, Kinds},
    live::Live,
    object::{GroupKind, Gvk, ObjectKey},
    operation::Failure,
    plan::{judge, namespace::NamespaceState, prune, transaction::Trial},
    presence::Presence,
    problem::Problem,
    source::{Inputs, InputsDigest},
};

use crate::{
    act::failure,
    chain::chain,
    context::Context,
    drift,
    memory::{Known, Memory, Resolved},
    others::{Others, others},
    powerless::powerless,
    reconcile::Pass,
    report::state,
    settings::Settings,
    source::Source,
    trial,
};
use wanted::Wanted;

/// A watch is synced a few milliseconds after it starts; what takes longer than this is down.
const SYNCED_WITHIN: Duration = Duration::from_secs(15);

/// Dry-runs of one environment under way at once; they take turns with everybody's writes.
pub(crate) const DRY_RUNS_MAX: usize = 16;

/// Everything that one plan is made from.
pub(crate) struct Gathered {
    pub(crate) inputs: Inputs,
    pub(crate) desired: Arc<Desired>,
    pub(crate) kinds: Arc<Kinds>,
    pub(crate) live: Live,
    pub(crate) predictions: BTreeMap<ObjectKey, Fingerprint>,
    pub(crate) contents: BTreeMap<ObjectKey, Presence<Vec<ObjectKey>>>,
    pub(crate) namespace: NamespaceState,
    pub(crate) trials: BTreeMap<ObjectKey, Trial>,
    pub(crate) claims: BTreeMap<ObjectKey, Claim>,
    pub(crate) incoming: BTreeSet<ObjectKey>,
    pub(crate) undecided: Vec<EnvironmentName>,
    pub(crate) unheard: Vec<EnvironmentName>,
    pub(crate) scanned: bool,
    pub(crate) settled: bool,
    /// Whether every object was judged by the health rules of this spec.
    pub(crate) judged: bool,
    /// Objects whose drift is left for now.
    pub(crate) resting: BTreeSet<ObjectKey>,
}

/// Why there is nothing to plan.
pub(crate) enum NotGathered {
    /// The commit, the path or the cluster could not be read.
    Source(Failure),
    /// The service account is none, so that nothing may be written.
    Identity(Failure),
    /// The files are wrong.
    Files(Arc<Vec<Problem>>),
}

impl From<Failure> for NotGathered {
    fn from(failure: Failure) -> Self {
        Self::Source(failure)
    }
}

impl From<ApiError> for NotGathered {
    fn from(error: ApiError) -> Self {
        Self::Source(failure(&error, None))
    }
}

/// The newest commit, which may not begin yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Held {
    /// Which.
    pub(crate) newest: CommitId,
    /// What it waits for.
    pub(crate) wait: Wait,
    /// The commit that was begun before, to which the environment is kept true meanwhile.
    pub(crate) at: Option<CommitId>,
    /// The commit that was applied in full before, for where the files of the one that was begun are wrong.
    pub(crate) applied: Option<CommitId>,
    /// Why the environment can't be kept true to a commit that was begun.
    pub(crate) lost: Option<Failure>,
    /// Why what the newest commit would apply can't be read.
    pub(crate) unread: Option<String>,
}

/// Reads all that one plan depends on.
pub(crate) async fn gather(context: &Context, pass: &mut Pass, acting: &Cluster) -> Result<Gathered, NotGathered> {
    context.index().judge_by(&pass.settings.name.applyset_id(), &pass.settings.rules);
    let ahead = look_ahead(context, pass).await?;
    let newest = pass.source.clone()?;
    let Wanted { inputs, served, .. } = in_force(context, pass, &newest).await?;
    if pass.memory.recorded.is_none() {
        // Nothing says what the environment owns: only a search of all kinds can tell.
        context.scan().await?;
    }
    let resolved = pass.memory.wanted.resolved.take().expect("because it was just worked out");
    let resolved = ignore(context, pass, &served.kinds, resolved).await?;
    let desired = Arc::clone(&resolved.desired);
    pass.memory.wanted.resolved = Some(resolved);
    let live = live(context, &pass.settings.name, &mut pass.memory, &desired, &served.kinds).await;
    let powerless = powerless(context, pass, (&desired, &ahead), &served.kinds, acting).await?;
    let Others { claims, incoming, undecided, unheard, ceded, stir } =
        others(context, pass, (&desired, &ahead), (powerless, acting.identity()), &newest.revision.commit, &live);
    pass.stir = stir;
    let desired = if ceded.is_empty() { desired } else { Arc::new(desired.without(&ceded)) };
    let mut gathered = Gathered {
        inputs: inputs.clone(),
        kinds: served.kinds,
        live,
        desired,
        claims,
        incoming,
        undecided,
        unheard,
        predictions: BTreeMap::new(),
        contents: BTreeMap::new(),
        namespace: NamespaceState::There,
        trials: BTreeMap::new(),
        scanned: context.is_scanned().await,
        settled: pass.settled(&inputs),
        judged: context.index().unjudged(&pass.settings.name.applyset_id()).is_empty(),
        resting: drift::resting(context, &pass.memory),
    };
    gathered.predictions = predict(context, pass, &gathered, acting).await;
    gathered.namespace = trial::namespace(context, pass, &gathered).await;
    trial::all(context, pass, &mut gathered, acting).await;
    gathered.contents = inspect(context, pass, &gathered, acting).await;
    Ok(gathered)
}

/// Returns the digest of what a render reads of a commit, also where the files are wrong; `known` keeps what was worked out.
pub(crate) async fn inputs(
    context: &Context,
    settings: &Settings,
    source: &Source,
    known: &mut Known,
) -> Result<InputsDigest, NotGathered> {
    let rendered = wanted::render(context, settings, source, known).await?;
    Ok(InputsDigest(state::digest(&rendered.inputs)))
}

/// Returns what an older commit wants; nothing if it can't be told. `known` keeps what was worked out.
pub(crate) async fn desired_at(
    context: &Context,
    settings: &Settings,
    newest: Source,
    commit: &CommitId,
    known: &mut Known,
) -> Option<Arc<Desired>> {
    let source = wanted::older(context, &newest, commit).await.ok()?;
    Some(wanted::wanted(context, settings, &source, known).await.ok()?.desired)
}

/// Finds out what of the desired objects is ignored, and sees to it that what is known of the live ones leaves it out.
async fn ignore(
    context: &Context,
    pass: &mut Pass,
    kinds: &Kinds,
    mut resolved: Resolved,
) -> Result<Resolved, ApiError> {
    let desired = &resolved.desired;
    if desired.objects.values().any(|object| ignore::has_replicas(&object.manifest)) {
        watch_scalers(context, pass, kinds).await;
    }
    let id = pass.settings.name.applyset_id();
    let (ignored, stale) = {
        let mut index = context.index();
        let ignored = ignore::of(desired, &pass.settings.policy.ignore, |key| index.is_scaled(key));
        let foreign = &pass.settings.policy.foreign;
        index.attend(&id, if foreign.mode == ForeignMode::Ignore { &[] } else { &foreign.managers });
        for key in index.ignore(&id, &ignored) {
            pass.memory.applied.remove(&key);
        }
        (ignored, index.stale(&id))
    };
    if ignored != resolved.ignored {
        let fewer = resolved.ignored.keys().filter(|key| !ignored.contains_key(*key));
        let all = fewer.map(|key| (key.clone(), Ignored::default())).chain(ignored.clone()).collect();
        resolved.desired = Arc::new(desired.ignoring(&all));
        resolved.ignored = ignored;
    }
    let reads: Vec<_> = stale.iter().map(|key| read_again(context, &resolved.desired, key).boxed()).collect();
    stream::iter(reads).buffer_unordered(DRY_RUNS_MAX).try_collect::<()>().await?;
    Ok(resolved)
}

/// Has all autoscalers watched. While they can't be listed, whatever may be scaled counts as scaled.
async fn watch_scalers(context: &Context, pass: &mut Pass, kinds: &Kinds) {
    match kinds.preferred(&GroupKind::new("autoscaling", "HorizontalPodAutoscaler")) {
        Presence::Present(kind) => {
            context.watches.ensure_scalers(kind);
            if !pass.memory.scalers_missed && !context.watches.wait_scalers(SYNCED_WITHIN).await {
                pass.memory.scalers_missed = true;
                let environment = &pass.settings.name;
                tracing::warn!(%environment, "{} could not be listed: until then no replicas are put back", kind.gvk);
            }
        }
        Presence::Unknown => context.index().scalers_begin(),
        Presence::Absent => {}
    }
}

/// Reads an object of which something else is ignored than when it was seen.
async fn read_again(context: &Context, desired: &Desired, key: &ObjectKey) -> Result<(), ApiError> {
    let Some(desired) = desired.objects.get(key) else { return Ok(()) };
    let _turn = context.turns.acquire().await.expect("because the semaphore is never closed");
    if let Some(object) = context.cluster.get(&desired.kind, key).await? {
        // No news: the pass that asks takes it in.
        context.index().observe(Observation::Changed(desired.kind.gvk.clone(), Seen(object)));
    }
    Ok(())
}

/// Makes sure that every kind the environment has or wants objects of is watched, and returns what is live.
pub(crate) async fn live(
    context: &Context,
    name: &EnvironmentName,
    memory: &mut Memory,
    desired: &Desired,
    kinds: &Kinds,
) -> Live {
    let mut watched: BTreeMap<Gvk, Kind> = BTreeMap::new();
    let mut unknown = BTreeMap::new();
    for object in desired.objects.values().filter(|object| object.kind.defined_by.is_none()) {
        watched.insert(object.kind.gvk.clone(), object.kind.clone());
    }
    // Without a record, whatever the scan at the start has found may be this environment's.
    let scanned = if memory.recorded.is_none() { context.watches.watched() } else { BTreeSet::new() };
    let recorded = memory.recorded.iter().flat_map(|inventory| inventory.kinds.iter().cloned());
    for kind in recorded.chain(scanned.iter().map(Gvk::group_kind)) {
        match kinds.preferred(&kind) {
            _ if watched.keys().any(|gvk| gvk.group_kind() == kind) => {}
            Presence::Present(served) => {
                watched.insert(served.gvk.clone(), served.clone());
            }
            // A kind that the cluster no longer serves has no objects.
            Presence::Absent => {}
            Presence::Unknown => {
                unknown.insert(kind, "the discovery of its API group failed".to_owned());
            }
        }
    }
    let synced: BTreeSet<_> = watched.keys().map(Gvk::group_kind).collect();
    context.watches.ensure(watched.into_values());
    let awaited = synced.difference(&memory.unsynced).cloned().collect();
    context.watches.wait_synced(&awaited, SYNCED_WITHIN).await;
    judge_again(context, name, kinds).await;
    let confines = memory.recorded.as_ref().map(|recorded| recorded.union(&Inventory::of(desired.objects.keys())));
    context.index().confine(&name.applyset_id(), confines);
    let mut live = context.index().live(&name.applyset_id(), &synced);
    live.unknown.extend(unknown);
    memory.unsynced = live.unknown.keys().cloned().collect();
    live
}

/// Reads the objects again whose health rule has changed. What can't be read stays unknown, and calls for another try.
async fn judge_again(context: &Context, name: &EnvironmentName, kinds: &Kinds) {
    let id = name.applyset_id();
    let unjudged = context.index().unjudged(&id);
    for kind in unjudged.iter().filter_map(|gvk| kinds.find(gvk).present()) {
        let _turn = context.turns.acquire().await.expect("because the semaphore is never closed");
        match context.cluster.list_owned(kind, &id).await {
            Ok(objects) => objects.iter().for_each(|object| context.index().judge_again(object)),
            Err(error) => {
                tracing::warn!(environment = %name, kind = %kind.gvk, "health is unknown: {}", chain(&error));
            }
        }
    }
}

/// Returns what the commit wants that the pass is about.
async fn in_force(context: &Context, pass: &mut Pass, newest: &Source) -> Result<Wanted, NotGathered> {
    stay(context, pass, newest).await;
    match wanted::wanted(context, &pass.settings, &pass.source.clone()?, &mut pass.memory.wanted).await {
        Err(NotGathered::Files(_)) if go_back(pass) => {
            stay(context, pass, newest).await;
            wanted::wanted(context, &pass.settings, &pass.source.clone()?, &mut pass.memory.wanted).await
        }
        wanted => wanted,
    }
}

/// Chooses the commit that the pass is about: the newest, or the one at which the environment stays until that may begin.
/// Where there is none, nothing is written.
async fn stay(context: &Context, pass: &mut Pass, newest: &Source) {
    pass.source = Ok(newest.clone());
    let Some(held) = &mut pass.held else { return };
    let Some(at) = held.at.take() else {
        pass.settings.policy.waiting = true;
        return;
    };
    match wanted::older(context, newest, &at).await {
        Ok(source) => {
            held.at = Some(at);
            pass.source = Ok(source);
        }
        Err(lost) => {
            held.lost = Some(lost);
            pass.settings.policy.waiting = true;
        }
    }
}

/// Returns whether there is another commit to stay at: one that was begun with wrong files was never written, and what was
/// applied before it is in force still.
fn go_back(pass: &mut Pass) -> bool {
    let Some(held) = pass.held.as_mut().filter(|held| held.at.is_some()) else { return false };
    let applied = held.applied.take().filter(|applied| held.at.as_ref() != Some(applied));
    let back = applied.is_some();
    held.at = applied.or(held.at.take());
    back
}

/// What the newest commit wants besides the one that the environment is kept at.
pub(crate) enum Ahead {
    /// It is the commit that the pass is about.
    Same,
    /// It desires these.
    Wishes(BTreeSet<ObjectKey>),
    /// It can't be told.
    Unreadable,
}

/// Reads what the newest commit wants while it may not begin, so that nobody prunes what it is about to take over. A commit
/// that leaves the inputs as they are need not wait.
async fn look_ahead(context: &Context, pass: &mut Pass) -> Result<Ahead, NotGathered> {
    let (Some(at), Ok(newest)) = (pass.held.as_ref().and_then(|held| held.at.as_ref()), &pass.source) else {
        pass.memory.ahead = Known::default();
        return Ok(Ahead::Same);
    };
    let rolled_back = pass.held.as_ref().is_some_and(|held| held.wait.is_rollback());
    let attempted = pass.memory.status.last_attempted.as_ref().filter(|attempt| attempt.commit == at.as_str());
    let attempted = attempted.filter(|_| !rolled_back);
    match wanted::wanted(context, &pass.settings, newest, &mut pass.memory.ahead).await {
        Ok(wanted) if attempted.is_some_and(|attempt| attempt.inputs == state::digest(&wanted.inputs)) => {
            pass.held = None;
            pass.memory.wanted = std::mem::take(&mut pass.memory.ahead);
            Ok(Ahead::Same)
        }
        Ok(Wanted { desired, .. }) => {
            Ok(Ahead::Wishes(desired.objects.keys().chain(&desired.unsettled).cloned().collect()))
        }
        Err(NotGathered::Files(_)) => Ok(Ahead::Unreadable),
        Err(NotGathered::Source(failure)) if failure.class == Class::Wait => Ok(Ahead::Unreadable),
        Err(why) => Err(why),
    }
}

/// Asks by dry-run about the objects that nobody remembers and that the local comparison can't decide.
async fn predict(
    context: &Context,
    pass: &Pass,
    gathered: &Gathered,
    acting: &Cluster,
) -> BTreeMap<ObjectKey, Fingerprint> {
    let keys = judge::to_predict(&pass.input(gathered));
    let manager = pass.settings.name.applyset_id().manager();
    let asks: Vec<_> =
        keys.iter().map(|key| predict_one(context, acting, &gathered.desired, &manager, key).boxed()).collect();
    stream::iter(asks).buffer_unordered(DRY_RUNS_MAX).filter_map(std::future::ready).collect().await
}

/// Returns what a dry-run of the apply leaves; nothing if it fails, so that the apply itself tells why.
async fn predict_one(
    context: &Context,
    acting: &Cluster,
    desired: &Desired,
    manager: &FieldManager,
    key: &ObjectKey,
) -> Option<(ObjectKey, Fingerprint)> {
    let desired = desired.objects.get(key)?;
    let request = Apply {
        kind: &desired.kind,
        key: &desired.key,
        object: &desired.manifest,
        ignored: &desired.ignored,
        manager,
        force: Force::Yes,
        persistence: Persistence::DryRun,
    };
    let _turn = context.turns.acquire().await.expect("because the semaphore is never closed");
    let answer = acting.apply(&request).await.ok()?;
    Some((key.clone(), Fingerprint::of_owned(&answer.object, manager, &desired.ignored)?))
}

/// Reads what namespaces and definitions hold that might be pruned.
async fn inspect(
    context: &Context,
    pass: &Pass,
    gathered: &Gathered,
    acting: &Cluster,
) -> BTreeMap<ObjectKey, Presence<Vec<ObjectKey>>> {
    let mut contents = BTreeMap::new();
    for key in prune::to_inspect(&pass.input(gathered)) {
        let held = match context.served(&[]).await {
            Ok(served) => acting.contents(&key, &served.kinds, &pass.settings.name.applyset_id()).await.others,
            Err(_) => Presence::Unknown,
        };
        contents.insert(key, held);
    }
    contents
}
