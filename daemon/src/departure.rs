//! The departure of an Environment that is deleted while `spec.deletion` is `Prune`: its finalizer keeps it until its objects
//! are gone or let go of.
//!
//! One pass, as `reconcile.rs`: gather, decide (`core::plan::departure`), act, record. Must never do: delete anything without a
//! plan, or keep the Environment for ever because of what can't be deleted.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;
use plumb_api::environment::Deletion;
use plumb_cluster::{cluster::Cluster, finalizer::Finalizer};
use plumb_core::{
    claims::Claim,
    class::Class,
    commit::CommitId,
    desired::Desired,
    environment::EnvironmentName,
    fingerprint::Fingerprint,
    kinds::Kinds,
    live::Live,
    object::ObjectKey,
    operation::{Failure, Operation, Summary},
    plan::{
        Applied, Input, Plan,
        departure::{self, Departure, Leftover, Progress},
        namespace::NamespaceState,
        prune,
    },
    policy::Policy,
    presence::Presence,
    record::farewell,
};
use tokio_util::sync::CancellationToken;

use crate::{
    abandonment,
    act::{Actor, Deeds, failure},
    chain::chain,
    context::Context,
    gather::{self, NotGathered},
    ledger::{self, Keeping},
    let_go,
    reconcile::{Finished, Pass, finished},
    report, service_account,
};

/// How long a departure waits without any progress for what may pass by itself: finalizers of others, an API group that is
/// down, an environment that has yet to say what it desires. Then it lets go of what is left.
const PATIENCE: Duration = Duration::from_secs(10 * 60);

/// What is remembered of a departure between two passes. Losing it has it start to wait anew.
#[derive(Debug, Clone, Default)]
pub(crate) struct Leaving {
    /// When it last came further.
    progressed: Option<Timestamp>,
    /// How many objects there were then.
    left: usize,
    undeletable: BTreeMap<ObjectKey, String>,
    /// When nothing was left to delete or to let go of: only records are waited for.
    released: Option<Timestamp>,
    /// All is done; the Environment is about to vanish.
    pub(crate) done: bool,
}

/// Sees to it that the finalizer is there as long as `spec.deletion` or records ask for it, before anything is written. Trying again is
/// called for where that fails: until then a deletion lets the objects go.
pub(crate) async fn prepare(context: &Context, pass: &mut Pass) {
    let metadata = &pass.resource.metadata;
    if metadata.deletion_timestamp.is_some() {
        return;
    }
    let present = is_held(metadata);
    let wanted = match (pass.resource.spec.deletion, &pass.keeping) {
        (Deletion::Prune, _) | (Deletion::Orphan, Keeping::Notes(_)) if !present => Finalizer::Present,
        (Deletion::Orphan, Keeping::Nowhere(_)) if present => Finalizer::Absent,
        (Deletion::Prune | Deletion::Orphan, _) => return,
    };
    set(context, pass, wanted).await;
}

/// Returns whether an Environment carries plumb's finalizer.
pub(crate) fn is_held(metadata: &kube::core::ObjectMeta) -> bool {
    let finalizers = metadata.finalizers.iter().flatten();
    finalizers.into_iter().any(|name| name == plumb_cluster::finalizer::FINALIZER)
}

async fn set(context: &Context, pass: &mut Pass, wanted: Finalizer) -> bool {
    let uid = pass.resource.metadata.uid.as_deref().unwrap_or_default();
    let own = context.cluster.during(&pass.tenure);
    match own.set_finalizer(&pass.settings.name, uid, wanted).await {
        Ok(version) => {
            if let Some(version) = version {
                pass.memory.resource_version = version;
            }
            true
        }
        Err(error) => {
            tracing::warn!(environment = %pass.settings.name, "the finalizer could not be written: {}", chain(&error));
            pass.unwritten = Some(error.class());
            false
        }
    }
}

/// Runs one pass of a departure.
pub(crate) async fn depart(context: &Context, mut pass: Pass, stop: &CancellationToken) -> Finished {
    if pass.memory.leaving.done {
        // Only the finalizer is left, which could not be taken away before.
        set(context, &mut pass, Finalizer::Absent).await;
        return finished(pass, None);
    }
    if pass.memory.leaving.released.is_some() {
        return part(context, pass).await;
    }
    abandonment::abandon(context, &mut pass).await;
    pass.stir = context.claims().leave(&pass.settings.name, context.clock.uptime());
    let gathered = match gather(context, &mut pass).await {
        Ok(gathered) => gathered,
        Err(failure) => {
            let class = failure.class;
            report::departing(context, &mut pass, &Deeds::default(), vec![failure.message]).await;
            return finished(pass, Some(class));
        }
    };
    let now = context.clock.now();
    let waited = progressed(&mut pass, gathered.live.objects.len(), now);
    let progress = Progress {
        undeletable: pass.memory.leaving.undeletable.clone(),
        stopped: gathered.stopped.clone(),
        spared: spared(context, &pass),
        impatient: waited >= PATIENCE,
    };
    match departure::next(&gathered.input(&pass), &progress) {
        Departure::Act(plan) => act(context, pass, &gathered, *plan, stop).await,
        Departure::Await(lines) => {
            report::departing(context, &mut pass, &Deeds::default(), lines).await;
            let left = PATIENCE.saturating_sub(waited);
            Finished {
                look_in: Some(left),
                unheard: !gathered.unheard.is_empty(),
                ..finished(pass, Some(Class::Retry))
            }
        }
        Departure::LetGo(leftovers) => leave(context, pass, &gathered, leftovers, progress.impatient).await,
    }
}

/// Returns why nothing is deleted: the same environment goes on under another name.
fn spared(context: &Context, pass: &Pass) -> Option<String> {
    let name = &pass.settings.name;
    let claims = context.claims();
    let heir = claims.heir(name).filter(|heir| heir.namespace == name.namespace)?;
    Some(format!("environment {heir} takes over ({})", plumb_api::request::ADOPT_FROM))
}

/// Takes down whether the departure has come further, and returns for how long it has not.
fn progressed(pass: &mut Pass, left: usize, now: Timestamp) -> Duration {
    let leaving = &mut pass.memory.leaving;
    match leaving.progressed {
        Some(before) if leaving.left == left => Duration::try_from(now.duration_since(before)).unwrap_or_default(),
        Some(_) | None => {
            (leaving.progressed, leaving.left) = (Some(now), left);
            Duration::ZERO
        }
    }
}

/// Everything that one step depends on.
struct Gathered {
    /// Nothing.
    desired: Desired,
    /// The newest commit of its repository, if that is known.
    commit: Option<CommitId>,
    /// Absent where nobody is left with whose rights to delete.
    acting: Option<Cluster>,
    stopped: Option<String>,
    kinds: Arc<Kinds>,
    live: Live,
    claims: BTreeMap<ObjectKey, Claim>,
    undecided: Vec<EnvironmentName>,
    unheard: Vec<EnvironmentName>,
    contents: BTreeMap<ObjectKey, Presence<Vec<ObjectKey>>>,
    scanned: bool,
    policy: Policy,
}

impl Gathered {
    fn input<'a>(&'a self, pass: &'a Pass) -> Input<'a> {
        const NOTHING_APPLIED: &BTreeMap<ObjectKey, Applied> = &BTreeMap::new();
        const NOTHING_PREDICTED: &BTreeMap<ObjectKey, Fingerprint> = &BTreeMap::new();
        const NOTHING_COMES: &BTreeSet<ObjectKey> = &BTreeSet::new();
        Input {
            environment: &pass.settings.name,
            commit: self.commit.as_ref(),
            desired: &self.desired,
            live: &self.live,
            applied: NOTHING_APPLIED,
            predictions: NOTHING_PREDICTED,
            settled: false,
            contents: &self.contents,
            claims: &self.claims,
            incoming: NOTHING_COMES,
            undecided: &self.undecided,
            unheard: &self.unheard,
            environments: &pass.environments,
            recorded: pass.memory.recorded.clone(),
            annotated: pass.memory.annotated,
            scanned: self.scanned,
            namespace: NamespaceState::There,
            trials: const { &BTreeMap::new() },
            immutable: const { &BTreeMap::new() },
            resting: const { &BTreeSet::new() },
            left: const { &BTreeMap::new() },
            policy: &self.policy,
        }
    }
}

async fn gather(context: &Context, pass: &mut Pass) -> Result<Gathered, Failure> {
    let api = |error| failure(&error, None);
    let (acting, stopped) = rights(context, pass).await?;
    if pass.memory.recorded.is_none() {
        context.scan().await.map_err(api)?;
    }
    let kinds = context.served(&[]).await.map_err(api)?.kinds;
    let desired = Desired::default();
    let live = gather::live(context, &pass.settings.name, &mut pass.memory, &desired, &kinds).await;
    let newest = pass.source.as_ref().ok().map(|source| source.revision.commit.clone());
    let (claims, undecided, unheard) = {
        let claims = context.claims();
        let name = &pass.settings.name;
        let claim = |key: &ObjectKey| Some((key.clone(), claims.claim(key, name, None, newest.as_ref())?));
        (live.objects.keys().filter_map(claim).collect(), claims.undecided(name, newest.as_ref()), claims.unheard(name))
    };
    let mut gathered = Gathered {
        desired,
        commit: newest,
        stopped,
        kinds,
        live,
        claims,
        undecided,
        unheard,
        contents: BTreeMap::new(),
        scanned: context.is_scanned().await,
        policy: Policy {
            prune: true,
            suspended: false,
            waiting: false,
            rolled_back: false,
            ..pass.settings.policy.clone()
        },
        acting,
    };
    if let Some(acting) = &gathered.acting {
        let mut contents = BTreeMap::new();
        for key in prune::to_inspect(&gathered.input(pass)) {
            let held = acting.contents(&key, &gathered.kinds, &pass.settings.name.applyset_id()).await.others;
            contents.insert(key, held);
        }
        gathered.contents = contents;
    }
    Ok(gathered)
}

/// Returns with whose rights objects are deleted, or why none may be.
async fn rights(context: &Context, pass: &Pass) -> Result<(Option<Cluster>, Option<String>), Failure> {
    if pass.resource.spec.deletion == Deletion::Orphan {
        return Ok((context.acting_for(&pass.settings, &pass.tenure).ok(), Some("spec.deletion is Orphan".to_owned())));
    }
    let acting = match context.acting_for(&pass.settings, &pass.tenure) {
        Ok(acting) => acting,
        Err(error) => return Ok((None, Some(error.to_string()))),
    };
    match service_account::check(context, &acting).await {
        Ok(()) if pass.settings.policy.suspended => Ok((Some(acting), Some("it is suspended".to_owned()))),
        Ok(()) => Ok((Some(acting), None)),
        Err(NotGathered::Identity(failure)) => Ok((None, Some(failure.message))),
        Err(NotGathered::Source(failure)) => Err(failure),
        Err(NotGathered::Files(_)) => unreachable!("because no files are read"),
    }
}

async fn act(context: &Context, mut pass: Pass, gathered: &Gathered, plan: Plan, stop: &CancellationToken) -> Finished {
    let acting = gathered.acting.as_ref().expect("because nothing is deleted without rights");
    let mut operation = Operation::start(plan);
    let deeds = Actor {
        context,
        own: context.cluster.during(&pass.tenure),
        cluster: acting,
        environment: &pass.settings.name,
        uid: pass.resource.metadata.uid.as_deref().unwrap_or_default(),
        desired: &gathered.desired,
        environments: &pass.environments,
        kinds: &gathered.kinds,
        foreign: &[],
    }
    .drive(&mut operation, stop)
    .await;
    if !pass.tenure.is_valid() {
        // Whoever holds the lease now finds out for itself what was done.
        return Finished { again: true, ..finished(pass, None) };
    }
    let Summary { failures, .. } = operation.summary().clone();
    let mut lines = Vec::new();
    for (key, failure) in failures {
        // What a person would have to change is not waited for.
        if let Some(key) = key.filter(|_| failure.class != Class::Retry) {
            pass.memory.leaving.undeletable.insert(key, failure.message.clone());
        }
        lines.push(failure.message);
    }
    let retry = (!lines.is_empty()).then_some(Class::Retry);
    pass.stir.others.extend(deeds.handed.iter().map(|(_, to)| to.clone()));
    let moved = !deeds.pruned.is_empty() || !deeds.handed.is_empty();
    if moved {
        pass.memory.leaving.progressed = Some(context.clock.now());
    }
    report::departing(context, &mut pass, &deeds, lines).await;
    Finished { again: moved && retry.is_none(), ..finished(pass, retry) }
}

/// Lets go of what is left and takes the finalizer away.
async fn leave(
    context: &Context,
    mut pass: Pass,
    gathered: &Gathered,
    leftovers: Vec<Leftover>,
    impatient: bool,
) -> Finished {
    let objects = leftovers.iter().map(|left| (left.key.clone(), left.api_version.clone())).collect();
    let id = pass.settings.name.applyset_id();
    let released =
        let_go::release(context, gathered.acting.as_ref(), &gathered.kinds, &id, objects, &pass.tenure).await;
    if !pass.tenure.is_valid() {
        // Whoever holds the lease now finds out for itself what was done.
        return Finished { again: true, ..finished(pass, None) };
    }
    let failed = &released.failed;
    let passing = |failure: &Failure| failure.class == Class::Retry;
    if !impatient && failed.iter().any(|(_, failure)| passing(failure)) {
        let lines = failed.iter().map(|(_, failure)| failure.message.clone()).collect();
        report::departing(context, &mut pass, &Deeds::default(), lines).await;
        return finished(pass, Some(Class::Retry));
    }
    let whys: BTreeMap<_, _> = leftovers.into_iter().map(|left| (left.key, left.why)).collect();
    report::departed(context, &mut pass, &released, &whys).await;
    if pass.unwritten.is_some() && !impatient {
        // Its records are in no status yet.
        return finished(pass, Some(Class::Retry));
    }
    pass.memory.leaving.released = Some(context.clock.now());
    part(context, pass).await
}

/// Takes the finalizer away once the records of what happened last are published, or were waited for long enough.
async fn part(context: &Context, mut pass: Pass) -> Finished {
    let since = pass.memory.leaving.released.expect("because all else is done");
    let ledger = ledger::ledger(pass.memory.status.records.as_ref());
    if matches!(pass.keeping, Keeping::Notes(_))
        && let Some(left) = farewell::wait(&ledger, since, context.clock.now())
    {
        return Finished { look_in: Some(left), ..finished(pass, Some(Class::Retry)) };
    }
    if !ledger.is_empty() {
        tracing::warn!(environment = %pass.settings.name, "{} record(s) will not be notes: the Environment is gone before they could be published", ledger.pending.len());
    }
    pass.memory.leaving.done = true;
    set(context, &mut pass, Finalizer::Absent).await;
    finished(pass, None)
}
