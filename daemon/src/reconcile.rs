//! One pass over one environment: gather, decide, act, record.
//!
//! A first sync, the repair of drift and a restart go down this same path.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use plumb_api::{Environment, Repository, environment::Attempt};
use plumb_cluster::tenure::Tenure;
use plumb_core::{
    claims::{Stance, Stir},
    class::Class,
    commit::CommitId,
    desired::DesiredObject,
    environment::{EnvironmentName, FieldManager},
    live::Live,
    object::ObjectKey,
    operation::{Failure, Operation, Summary},
    order::Rank,
    plan::{
        self, Input, Plan, Reason, Refusal, Wait, Why,
        replace::{self, Immutable},
    },
    right::Forbidden,
    source::Inputs,
    standing::{Facts, Gated, Waited},
    wave::Waiting,
};
use tokio_util::sync::CancellationToken;

use crate::{
    abandonment,
    act::{Actor, Deeds},
    context::Context,
    departure, drift,
    gather::{self, Gathered, Held, NotGathered},
    health, inherit,
    ledger::Keeping,
    memory::Memory,
    places, report,
    rollback::{self, Seen},
    service_account,
    settings::Settings,
    source::Source,
};

/// What one pass starts from: plain values, nothing that changes while it runs.
pub(crate) struct Pass {
    pub(crate) settings: Settings,
    pub(crate) resource: Arc<Environment>,
    /// The commit, or why there is none.
    pub(crate) source: Result<Source, Failure>,
    /// Its Repository, as the pass began.
    pub(crate) repository: Option<Arc<Repository>>,
    /// What keeps that commit from beginning, and where the environment stays meanwhile.
    pub(crate) held: Option<Held>,
    /// The field managers of all environments.
    pub(crate) environments: Arc<BTreeMap<FieldManager, EnvironmentName>>,
    /// The other environments of the same repository; absent: this one was not rolled back as the pass began.
    pub(crate) siblings: Option<BTreeSet<EnvironmentName>>,
    /// Whether a push of reverts may be under way or just have arrived.
    pub(crate) unsure: bool,
    /// Whether a push of reverts may begin: none is under way, and none that failed waits for its next try.
    pub(crate) free: bool,
    /// The state of the branch from which it is known to have gone on without the reverts that were to be pushed onto it.
    pub(crate) missed: Option<CommitId>,
    /// When a change of its live objects was first noticed since the last pass.
    pub(crate) noticed: Option<jiff::Timestamp>,
    /// Whether a request for a sync is carried out by this pass.
    pub(crate) synced: bool,
    pub(crate) memory: Memory,
    /// What becomes of its records.
    pub(crate) keeping: Keeping,
    /// UIDs of Repositories for which records wait, and that are not known to publish them.
    pub(crate) unpublished: BTreeSet<String>,
    /// What became of a job since the last pass.
    pub(crate) done: Option<rollback::Done>,
    /// The right to write, while it lasts.
    pub(crate) tenure: Tenure,
    /// The class of what kept the status from being written: it is tried again.
    pub(crate) unwritten: Option<Class>,
    /// What its announcement changed for others.
    pub(crate) stir: Stir,
}

/// What one pass leaves.
pub(crate) struct Finished {
    pub(crate) name: EnvironmentName,
    pub(crate) memory: Memory,
    /// The class of what went wrong, if trying again is called for.
    pub(crate) retry: Option<Class>,
    /// Something was learned that calls for another look at once, such as a kind that is served now.
    pub(crate) again: bool,
    /// A namespace or a definition was created that other environments may wait for.
    pub(crate) opened: bool,
    /// Environments that desire some of the objects that this one has begun or ceased to desire.
    pub(crate) stirred: BTreeSet<EnvironmentName>,
    /// Whether it ceased to desire something: whoever is refused because of it may go on.
    pub(crate) withdrew: bool,
    /// Whether another environment's claim keeps something from being done.
    pub(crate) claimed: bool,
    /// Whether it has yet to be seen what others desire: their repositories are to be looked at.
    pub(crate) unheard: bool,
    /// Workloads that are not healthy, whose Pods are to be looked at.
    pub(crate) unhealthy: Vec<health::Workload>,
    /// When to look again whatever happens: a wave has not become healthy in time by then.
    pub(crate) look_in: Option<Duration>,
    /// What is to be done in Git, or at its forge.
    pub(crate) job: Option<rollback::Job>,
}

impl Pass {
    /// Returns the planner's input.
    pub(crate) fn input<'a>(&'a self, gathered: &'a Gathered) -> Input<'a> {
        Input {
            environment: &self.settings.name,
            commit: Some(self.commit()),
            desired: &gathered.desired,
            live: &gathered.live,
            applied: &self.memory.applied,
            predictions: &gathered.predictions,
            settled: gathered.settled,
            contents: &gathered.contents,
            claims: &gathered.claims,
            incoming: &gathered.incoming,
            undecided: &gathered.undecided,
            unheard: &gathered.unheard,
            environments: &self.environments,
            recorded: self.memory.recorded.clone(),
            annotated: self.memory.annotated,
            scanned: gathered.scanned,
            namespace: gathered.namespace.clone(),
            trials: &gathered.trials,
            immutable: &self.memory.immutable,
            resting: &gathered.resting,
            left: &self.memory.left,
            policy: &self.settings.policy,
        }
    }

    /// Returns the commit; only a pass that has one gathers.
    pub(crate) fn commit(&self) -> &CommitId {
        &self.source.as_ref().expect("because only a commit is gathered").revision.commit
    }

    /// Returns the commit that may not begin yet.
    fn gated(&self) -> Option<Gated> {
        let held = self.held.as_ref()?;
        let Held { newest, wait, at, unread, .. } = held;
        Some(Gated { commit: newest.clone(), wait: wait.clone(), kept: at.is_some(), unread: unread.clone() })
    }

    /// Returns why the environment can't be kept true to the commit that was begun.
    fn lost(&self) -> Option<&Failure> {
        self.held.as_ref()?.lost.as_ref()
    }

    /// Returns whether exactly these inputs were applied before, for the same spec.
    pub(crate) fn settled(&self, inputs: &Inputs) -> bool {
        self.is_of(self.memory.status.last_applied.as_ref(), inputs) && self.attempted(inputs)
    }

    /// Returns whether exactly these inputs were the last that were attempted, for the same spec.
    fn attempted(&self, inputs: &Inputs) -> bool {
        self.is_of(self.memory.status.last_attempted.as_ref(), inputs)
    }

    fn is_of(&self, attempt: Option<&Attempt>, inputs: &Inputs) -> bool {
        let generation = self.resource.metadata.generation;
        attempt.is_some_and(|of| Some(of.generation) == generation && of.inputs == report::state::digest(inputs))
    }
}

/// Runs one pass.
pub(crate) async fn reconcile(context: &Context, mut pass: Pass, stop: &CancellationToken) -> Finished {
    let started = context.clock.now();
    departure::prepare(context, &mut pass).await;
    abandonment::abandon(context, &mut pass).await;
    let acting = match context.acting_for(&pass.settings, &pass.tenure) {
        Ok(acting) => acting,
        Err(error) => return give_up(context, pass, NotGathered::Identity(service_account::invalid(&error))).await,
    };
    if let Err(why) = rollback::admit(context, &mut pass).await {
        return give_up(context, pass, why).await;
    }
    let inherits = inherit::inherit(context, &mut pass, &acting).await;
    let gathered = match gather::gather(context, &mut pass, &acting).await {
        Ok(gathered) => gathered,
        Err(why) => return give_up(context, pass, why).await,
    };
    let plan = plan::plan(&pass.input(&gathered));
    // What was tried in the name of one that does not exist may have been refused for that reason.
    let tried = plan.refusals.iter().any(|refusal| matches!(refusal.why, Why::Tried { .. }));
    if (tried || !plan.is_empty())
        && let Err(why) = service_account::check(context, &acting).await
    {
        return give_up(context, pass, why).await;
    }
    // What is learned only now may be what a process that was killed has just applied.
    let ailing = rollback::is_ailing(&pass, &gathered.live);
    pass.memory.applied.extend(plan.learned.clone());
    let peace = drift::settle(context, &mut pass.memory);
    let mut found = drift::explain(context, &pass, &gathered, &acting, &plan.drifts).await;
    found.extend(drift::additions(&pass, &plan));
    let mut operation = Operation::start(plan.clone());
    let mut deeds = Actor {
        context,
        cluster: &acting,
        environment: &pass.settings.name,
        uid: pass.resource.metadata.uid.as_deref().unwrap_or_default(),
        desired: &gathered.desired,
        environments: &pass.environments,
        kinds: &gathered.kinds,
        own: context.cluster.during(&pass.tenure),
        foreign: &pass.settings.policy.foreign.managers,
    }
    .drive(&mut operation, stop)
    .await;
    let Summary { failures, cut, .. } = operation.summary().clone();
    if !pass.tenure.is_valid() {
        // Whoever holds the lease now finds out for itself what was done.
        return Finished { again: true, ..finished(pass, None) };
    }
    let fine = failures.is_empty();
    let replacing = remember(&mut pass, &gathered, &mut deeds, failures);
    places::locate(&mut pass, &gathered, &deeds).await;
    let live = context.index().live(&pass.settings.name.applyset_id(), &BTreeSet::new());
    drift::leave(&mut pass.memory, &plan, &deeds);
    drift::reckon(context, &mut pass.memory, &deeds, &mut found);
    let waiting = waiting(context, &pass, &gathered, &plan, &live);
    // A newer commit, a newer spec or a stop replaces what was cut; what is healthy already has the next wave follow.
    // Where only an object that can't be changed in place is in the way, it is replaced; until then nothing is claimed.
    let replaced = replacing || deeds.replaced.values().any(|gone| *gone);
    let failed = !pass.memory.failures.is_empty() || !pass.memory.forbidden.is_empty();
    let interrupted = !failed && (fine && cut || replaced || goes_on(&plan, &deeds, &live));
    let seen = Seen { gathered: &gathered, plan: &plan, live: &live, waiting, started, ailing, cut: interrupted };
    let mut judged = rollback::judge(context, &mut pass, &seen).await;
    let mode = pass.settings.rollback.mode;
    let job = if interrupted { None } else { rollback::plan(context, &mut pass, &mut judged).await };
    let (acquitted, reverting) = (judged.acquittal(), judged.rollback.reverting(mode).cloned());
    let facts = Facts { acquitted, reverting, ..facts(context, &pass, &gathered, &plan, &live, waiting) };
    if interrupted {
        if defined_something(&gathered, &deeds) {
            context.doubt_kinds();
        }
        let opened = opened(&deeds);
        let outcome = report::Outcome { started, plan, deeds, found, peace, facts, waiting, judged };
        report::interrupted(context, &mut pass, outcome).await;
        return Finished { again: true, opened, ..finished(pass, None) };
    }
    let introduced = defined_something(&gathered, &deeds);
    if introduced {
        context.doubt_kinds();
    }
    // What is pruned or handed over may leave the parent's scope too wide; what is deleted to be made anew is missing.
    let again = introduced || replaced || !deeds.pruned.is_empty() || !deeds.handed.is_empty();
    let rolls_back = judged.rolls_back();
    let judged_again = judged.until().map(|until| context.clock.until(until));
    let opened = opened(&deeds);
    let lost = pass.lost().map(|lost| lost.class);
    let retry = retry(&gathered, &plan).into_iter().chain(inherits).chain(lost).min();
    let unheard = !gathered.unheard.is_empty() && plan.refusals.iter().any(|refusal| refusal.why.is_undecided());
    let claimed = plan.refusals.iter().any(|refusal| refusal.why.is_about_others());
    pass.stir.others.extend(concerned(&plan, &deeds));
    let unhealthy = health::unhealthy(&gathered.desired, &live);
    let left = waiting.map(|waiting| waiting.left(pass.settings.timeout.get(), context.clock.now()));
    let outcome = report::Outcome { started, plan, deeds, found, peace, facts, waiting, judged };
    let written = report::finish(context, &mut pass, outcome, &live).await;
    let again = again || rolls_back && written;
    // Only what the status says is begun.
    let begun = rollback::state::rollback(&pass.memory.status).reverting;
    let job = job.filter(|job| job.is_begun(begun.as_ref()));
    let settles = pass.memory.book.settles_at().map(|at| context.clock.until(at));
    // What is over and could not be settled is looked at by the next pass, whatever calls for it.
    let waits = left.into_iter().chain(settles).filter(|left| !left.is_zero());
    let look_in = waits.chain(opens_in(context, &pass)).chain(judged_again).min();
    Finished { again, opened, claimed, unheard, unhealthy, look_in, job, ..finished(pass, retry) }
}

/// Returns whether the next wave can follow at once: all of this one is written, there and healthy.
fn goes_on(plan: &Plan, deeds: &Deeds, live: &Live) -> bool {
    let written = || {
        plan.applies
            .values()
            .flatten()
            .all(|apply| apply.reason == Reason::Clean || deeds.applied.contains_key(&apply.key))
    };
    plan.wait.as_ref().is_some_and(|wait| wait.holds() && wait.is_over(live)) && written()
}

/// Returns the wave that is waited for, and since when: the same wave of the same inputs and spec is waited for once.
fn waiting(context: &Context, pass: &Pass, gathered: &Gathered, plan: &Plan, live: &Live) -> Option<Waiting> {
    let wait = plan.wait.as_ref().filter(|wait| !wait.is_over(live))?;
    let same = pass.attempted(&gathered.inputs);
    let before = report::state::waiting(&pass.memory.status).filter(|_| same);
    Some(Waiting::go_on(before, wait.wave, context.clock.now()))
}

/// Returns whether something was made that other environments may wait for.
fn opened(deeds: &Deeds) -> bool {
    deeds.created.iter().any(|key| Rank::of(&key.group_kind()) <= Rank::Definitions)
}

/// Returns the environments that can go on now: those that have got an object, and those that give one to this one, whose
/// parent says by now where it is.
fn concerned(plan: &Plan, deeds: &Deeds) -> BTreeSet<EnvironmentName> {
    let giver = |refusal: &Refusal| match &refusal.why {
        Why::Awaited { from, stance: Stance::Gives } => Some(from.clone()),
        _ => None,
    };
    let givers = plan.refusals.iter().filter_map(giver);
    givers.chain(deeds.handed.iter().map(|(_, to)| to.clone())).collect()
}

/// Returns what a pass leaves at the least; `retry` is what calls for another try besides failures.
pub(crate) fn finished(pass: Pass, retry: Option<Class>) -> Finished {
    let failures = pass.memory.failures.iter().map(|failure| failure.class);
    let forbidden = pass.memory.forbidden.iter().map(|forbidden| forbidden.failure.class);
    let retry = failures.chain(forbidden).chain(retry).chain(pass.unwritten).min();
    Finished {
        name: pass.settings.name.clone(),
        memory: pass.memory,
        retry,
        again: false,
        opened: false,
        stirred: pass.stir.others,
        withdrew: pass.stir.withdrew,
        claimed: false,
        unheard: false,
        unhealthy: Vec::new(),
        look_in: None,
        job: None,
    }
}

/// Returns the class of what a plan could not settle: nothing tells plumb when it can be.
fn retry(gathered: &Gathered, plan: &Plan) -> Option<Class> {
    // What is being deleted, and what waits for another object of the same plan, has an event or a retry of its own.
    let passing = |refusal: &Refusal| {
        refusal.why.passes() && !matches!(refusal.why, Why::Deleting | Why::Incomplete { .. } | Why::Transaction { .. })
    };
    // Until discovery shows a kind that this commit defines, its objects are not watched.
    let defined = |object: &DesiredObject| {
        object.kind.defined_by.as_ref().is_some_and(|definition| gathered.live.objects.contains_key(definition))
    };
    let undiscovered = gathered.desired.objects.values().any(defined);
    if gathered.desired.unknown || undiscovered || !gathered.judged || plan.refusals.iter().any(passing) {
        return Some(Class::Retry);
    }
    if plan.refusals.iter().any(|refusal| matches!(refusal.why, Why::Tried { .. })) {
        return Some(Class::Wait);
    }
    // Another tool may install a missing kind.
    (!gathered.desired.problems.is_empty()).then_some(Class::Wait)
}

/// Nothing could be planned: says why and leaves the cluster as it is.
async fn give_up(context: &Context, mut pass: Pass, why: NotGathered) -> Finished {
    let mut facts = Facts {
        revision: pass.source.as_ref().ok().map(|source| source.revision.clone()),
        suspended: pass.settings.policy.suspended,
        gated: pass.gated(),
        reverting: rollback::state::rollback(&pass.memory.status).reverting(pass.settings.rollback.mode).cloned(),
        ..Facts::default()
    };
    // What passes by itself is no reason to go by older wishes, nor is a commit that was not read.
    let passes = match &why {
        NotGathered::Source(failure) => pass.source.is_ok() && failure.class == Class::Retry,
        NotGathered::Identity(_) => true,
        NotGathered::Files(_) => false,
    };
    let retry = match why {
        NotGathered::Source(failure) => {
            let class = failure.class;
            facts.source = Some(failure);
            Some(class)
        }
        NotGathered::Identity(failure) => {
            let class = failure.class;
            facts.identity = Some(failure);
            Some(class)
        }
        NotGathered::Files(problems) => {
            facts.problems = problems.to_vec();
            None
        }
    };
    if !passes {
        let newest = pass.held.as_ref().map(|held| &held.newest);
        let commit = pass.source.as_ref().ok().map(|source| &source.revision.commit);
        context.claims().gave_up(&pass.settings.name, newest.or(commit));
    }
    context.census().abstain(&pass.settings.name);
    report::unplanned(context, &mut pass, facts).await;
    Finished { look_in: opens_in(context, &pass), ..finished(pass, retry) }
}

/// Returns how long it is until the window opens that the newest commit waits for.
fn opens_in(context: &Context, pass: &Pass) -> Option<Duration> {
    let opens = pass.held.as_ref()?.wait.until()?;
    Some(context.clock.until(opens))
}

/// Takes over what acting has left; returns whether an object that can't be changed in place is to be replaced.
fn remember(
    pass: &mut Pass,
    gathered: &Gathered,
    deeds: &mut Deeds,
    mut failures: BTreeMap<Option<ObjectKey>, Failure>,
) -> bool {
    let id = pass.settings.name.applyset_id();
    let memory = &mut pass.memory;
    // What was deleted for it counts as replaced, not as created.
    (deeds.recreated, deeds.created) =
        std::mem::take(&mut deeds.created).into_iter().partition(|key| memory.immutable.contains_key(key));
    memory.immutable.retain(|key, _| gathered.desired.objects.contains_key(key) && !deeds.applied.contains_key(key));
    memory.tried.retain(|key, _| !failures.contains_key(&Some(key.clone())));
    let mut replacing = false;
    for key in &deeds.immutable {
        let desired = &gathered.desired.objects[key];
        let live = gathered.live.objects.get(key);
        match (replace::obstacle(desired, live, &id), live) {
            (None, Some(live)) => {
                let immutable = Immutable { manifest: desired.fingerprint, uid: live.uid.clone() };
                replacing |= memory.immutable.insert(key.clone(), immutable.clone()) != Some(immutable);
                failures.remove(&Some(key.clone()));
            }
            (obstacle, _) => {
                if let (Some(failure), Some(obstacle)) = (failures.get_mut(&Some(key.clone())), obstacle) {
                    failure.message = format!("{}{obstacle}", failure.message);
                }
            }
        }
    }
    memory.applied.extend(deeds.applied.clone());
    let listed = |key: &ObjectKey| gathered.desired.objects.contains_key(key);
    memory.applied.retain(|key, _| listed(key));
    memory.reported.retain(|key, _| listed(key));
    if let Some((scope, version)) = &deeds.recorded {
        memory.recorded = Some(scope.clone());
        memory.annotated = true;
        memory.resource_version.clone_from(version);
    }
    // What failed before and is still called for was tried again by this pass.
    (memory.failures, memory.forbidden) = (Vec::new(), Vec::new());
    for (key, failure) in failures {
        match key.and_then(|key| deeds.forbidden.get(&key).cloned()) {
            Some(missing) => memory.forbidden.push(Forbidden { missing, failure }),
            None => memory.failures.push(failure),
        }
    }
    replacing
}

/// Returns whether this pass applied definitions whose kinds are not watched yet.
fn defined_something(gathered: &Gathered, deeds: &Deeds) -> bool {
    let introduced = gathered.desired.objects.values().filter_map(|object| object.kind.defined_by.as_ref());
    let mut introduced = introduced.filter(|definition| deeds.applied.contains_key(*definition));
    introduced.next().is_some()
}

fn facts(
    context: &Context,
    pass: &Pass,
    gathered: &Gathered,
    plan: &Plan,
    live: &Live,
    waiting: Option<Waiting>,
) -> Facts {
    let timeout = &pass.settings.timeout;
    let late = waiting.filter(|waiting| waiting.left(timeout.get(), context.clock.now()).is_zero());
    let holding = plan.wait.as_ref().filter(|wait| wait.holds());
    let drifted = plan.drifts.iter().filter(|drift| !drift.corrected && !drift.resting);
    Facts {
        environment: pass.settings.name.to_string(),
        revision: pass.source.as_ref().ok().map(|source| source.revision.clone()),
        suspended: pass.settings.policy.suspended,
        gated: pass.gated(),
        departing: Vec::new(),
        source: pass.lost().cloned(),
        problems: gathered.desired.problems.clone(),
        problems_unknown: gathered.desired.unknown,
        identity: None,
        forbidden: pass.memory.forbidden.clone(),
        failures: pass.memory.failures.clone(),
        refusals: plan.refusals.clone(),
        contended: drift::quarrels(&pass.settings.name, &pass.memory),
        drifted: drifted.map(|drift| format!("{}: differs from Git (plumb drift)", drift.key)).collect(),
        wait: Waited { held: holding.and_then(Wait::held), late: late.map(|_| timeout.to_string()) },
        acquitted: None,
        reverting: None,
        health: health::sentences(context, &pass.settings.name, &gathered.desired, live, holding),
    }
}
