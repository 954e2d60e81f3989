//! One pass over one environment: gather, decide, act, record.
//!
//! A first sync, the repair of drift and a restart go down this same path.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use plumb_api::{Environment, environment::Attempt};
use plumb_core::{
    class::Class,
    commit::CommitId,
    environment::{EnvironmentName, FieldManager},
    live::Live,
    object::ObjectKey,
    operation::{Failure, Operation, Summary},
    order::Rank,
    plan::{self, Input, Plan, Refusal, Why},
    source::Inputs,
    standing::Facts,
};
use tokio_util::sync::CancellationToken;

use crate::{
    act::{Actor, Deeds},
    claims::Stir,
    context::Context,
    drift,
    gather::{self, Gathered, NotGathered, Source},
    health,
    memory::Memory,
    places, report,
    settings::Settings,
};

/// What one pass starts from: plain values, nothing that changes while it runs.
pub(crate) struct Pass {
    pub(crate) settings: Settings,
    pub(crate) resource: Arc<Environment>,
    /// The commit, or why there is none.
    pub(crate) source: Result<Source, Failure>,
    /// The field managers of all environments.
    pub(crate) environments: Arc<BTreeMap<FieldManager, EnvironmentName>>,
    /// When a change of its live objects was first noticed since the last pass.
    pub(crate) noticed: Option<jiff::Timestamp>,
    /// Whether a request for a sync is carried out by this pass.
    pub(crate) synced: bool,
    pub(crate) memory: Memory,
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
    /// Workloads that are not healthy, whose Pods are to be looked at.
    pub(crate) unhealthy: Vec<health::Workload>,
}

impl Pass {
    /// Returns the planner's input.
    pub(crate) fn input<'a>(&'a self, gathered: &'a Gathered) -> Input<'a> {
        Input {
            environment: &self.settings.name,
            commit: self.commit(),
            desired: &gathered.desired,
            live: &gathered.live,
            applied: &self.memory.applied,
            predictions: &gathered.predictions,
            settled: gathered.settled,
            contents: &gathered.contents,
            claims: &gathered.claims,
            undecided: &gathered.undecided,
            environments: &self.environments,
            recorded: self.memory.recorded.clone(),
            annotated: self.memory.annotated,
            scanned: gathered.scanned,
            policy: &self.settings.policy,
        }
    }

    /// Returns the commit; only a pass that has one gathers.
    pub(crate) fn commit(&self) -> &CommitId {
        &self.source.as_ref().expect("because only a commit is gathered").revision.commit
    }

    /// Returns whether exactly these inputs were applied before, for the same spec.
    pub(crate) fn settled(&self, inputs: &Inputs) -> bool {
        let inputs = report::state::digest(inputs);
        let same = |attempt: &Attempt| {
            attempt.inputs == inputs && Some(attempt.generation) == self.resource.metadata.generation
        };
        let status = &self.memory.status;
        status.last_applied.as_ref().is_some_and(same) && status.last_attempted.as_ref().is_some_and(same)
    }
}

/// Runs one pass.
pub(crate) async fn reconcile(context: &Context, mut pass: Pass, stop: &CancellationToken) -> Finished {
    let started = context.clock.now();
    let gathered = match gather::gather(context, &mut pass).await {
        Ok(gathered) => gathered,
        Err(why) => return give_up(context, pass, why).await,
    };
    let plan = plan::plan(&pass.input(&gathered));
    pass.memory.applied.extend(plan.learned.clone());
    let found = drift::explain(context, &pass, &gathered, &plan.drifts).await;
    let mut operation = Operation::start(plan.clone());
    let deeds = Actor {
        context,
        environment: &pass.settings.name,
        uid: pass.resource.metadata.uid.as_deref().unwrap_or_default(),
        desired: &gathered.desired,
        environments: &pass.environments,
        kinds: &gathered.kinds,
    }
    .drive(&mut operation, stop)
    .await;
    let Summary { failures, cut, .. } = operation.summary().clone();
    let was_cut = cut && failures.is_empty();
    remember(&mut pass, &gathered, &deeds, failures.into_values().collect());
    if was_cut {
        // A newer spec or a stop replaces it: what was done is done, and nothing is claimed of the commit.
        return Finished { again: true, ..finished(pass, None) };
    }
    places::locate(&mut pass, &gathered, &deeds).await;
    let introduced = defined_something(&gathered, &deeds);
    if introduced {
        context.doubt_kinds();
    }
    // What is pruned may leave the parent's scope too wide.
    let again = introduced || !deeds.pruned.is_empty();
    let opened = deeds.created.iter().any(|key| Rank::of(&key.group_kind()) <= Rank::Definitions);
    let retry = retry(&gathered, &plan);
    let claimed = plan.refusals.iter().any(|refusal| matches!(refusal.why, Why::Claimed { .. }));
    let live = context.index().live(&pass.settings.name.applyset_id(), &BTreeSet::new());
    let unhealthy = health::unhealthy(&gathered.desired, &live);
    let facts = facts(context, &pass, &gathered, &plan, &live);
    let outcome = report::Outcome { started, plan, deeds, found, facts };
    report::finish(context, &mut pass, outcome).await;
    Finished { again, opened, claimed, unhealthy, ..finished(pass, retry) }
}

/// Returns what a pass leaves at the least; `retry` is what calls for another try besides failures.
fn finished(pass: Pass, retry: Option<Class>) -> Finished {
    let failures = pass.memory.failures.iter().map(|failure| failure.class);
    let retry = failures.chain(retry).chain(pass.unwritten).min();
    Finished {
        name: pass.settings.name.clone(),
        memory: pass.memory,
        retry,
        again: false,
        opened: false,
        stirred: pass.stir.others,
        withdrew: pass.stir.withdrew,
        claimed: false,
        unhealthy: Vec::new(),
    }
}

/// Returns the class of what a plan could not settle: nothing tells plumb when it can be.
fn retry(gathered: &Gathered, plan: &Plan) -> Option<Class> {
    // What is being deleted, and what waits for another object of the same plan, has an event or a retry of its own.
    let passing =
        |refusal: &Refusal| refusal.why.passes() && !matches!(refusal.why, Why::Deleting | Why::Incomplete { .. });
    // Until discovery shows a kind that this commit defines, its objects are not watched.
    let undiscovered = gathered.desired.objects.values().any(|object| object.kind.defined_by.is_some());
    if gathered.desired.unknown || undiscovered || plan.refusals.iter().any(passing) {
        return Some(Class::Retry);
    }
    // Another tool may install a missing kind.
    (!gathered.desired.problems.is_empty()).then_some(Class::Wait)
}

/// Nothing could be planned: says why and leaves the cluster as it is.
async fn give_up(context: &Context, mut pass: Pass, why: NotGathered) -> Finished {
    let mut facts = Facts {
        revision: pass.source.as_ref().ok().map(|source| source.revision.clone()),
        suspended: pass.settings.policy.suspended,
        ..Facts::default()
    };
    let retry = match why {
        NotGathered::Source(failure) => {
            let class = failure.class;
            facts.source = Some(failure);
            Some(class)
        }
        NotGathered::Files(problems) => {
            facts.problems = problems.to_vec();
            None
        }
    };
    context.claims().gave_up(&pass.settings.name);
    report::unplanned(context, &mut pass, facts).await;
    finished(pass, retry)
}

/// Takes over what acting has left.
fn remember(pass: &mut Pass, gathered: &Gathered, deeds: &Deeds, failures: Vec<Failure>) {
    let memory = &mut pass.memory;
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
    memory.failures = failures;
}

/// Returns whether this pass applied definitions whose kinds are not watched yet.
fn defined_something(gathered: &Gathered, deeds: &Deeds) -> bool {
    let introduced = gathered.desired.objects.values().filter_map(|object| object.kind.defined_by.as_ref());
    let mut introduced = introduced.filter(|definition| deeds.applied.contains_key(*definition));
    introduced.next().is_some()
}

fn facts(context: &Context, pass: &Pass, gathered: &Gathered, plan: &Plan, live: &Live) -> Facts {
    let drifted = plan.drifts.iter().filter(|drift| !drift.corrected);
    Facts {
        environment: pass.settings.name.to_string(),
        revision: pass.source.as_ref().ok().map(|source| source.revision.clone()),
        suspended: pass.settings.policy.suspended,
        source: None,
        problems: gathered.desired.problems.clone(),
        problems_unknown: gathered.desired.unknown,
        failures: pass.memory.failures.clone(),
        refusals: plan.refusals.clone(),
        drifted: drifted.map(|drift| format!("{}: differs from Git (plumb drift)", drift.key)).collect(),
        health: health::sentences(context, &pass.settings.name, &gathered.desired, live),
    }
}
