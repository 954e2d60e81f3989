//! One pass over one trigger, straight down: gather, decide, write the status, act, record.
//!
//! The status is written before anything is created: killed in between, the next process creates the same run under the same name.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use plumb_api::{PipelineTrigger, PipelineTriggerStatus, condition, request, trigger::WriteBackStatus};
use plumb_cluster::{
    cluster::{Cluster, Precondition},
    tenure::Tenure,
};
use plumb_core::{
    class::Class,
    commit::CommitId,
    operation::Failure,
    trigger::{
        alarm::alarms,
        memory::Memory,
        name::TriggerName,
        plan::{self, Create, Plan},
        run::RunKind,
        standing::{Picture, Standing, stand},
    },
};
use serde_json::Value;

use super::{
    Builder,
    acting::{self, Uncreated},
    gather::{self, Gathered, gather},
    images::{self, Answer, Ask, Called},
    objects, references,
    settings::{Read, Settings},
    state::{self, State},
};
use crate::{
    chain::chain,
    context::Context,
    journal::Told,
    metrics::TriggerOverview,
    source::Source,
    status::{self, Verdict},
};

/// How long after another look is made while some trigger has yet to tell what goes on of it: all of them are looked at when the
/// daemon starts.
const ROOM_AGAIN: Duration = Duration::from_millis(200);

/// How long after another look is made by who has found no room: it may have become free while this pass went on.
const ROOM_LATER: Duration = Duration::from_secs(5);

/// What a pass starts from.
pub(crate) struct Pass {
    pub(crate) name: TriggerName,
    pub(crate) settings: Read,
    pub(crate) resource: Arc<PipelineTrigger>,
    pub(crate) source: Result<Source, Failure>,
    /// The address of the repository.
    pub(crate) url: String,
    pub(crate) state: State,
    /// What became of images that were to be written back.
    pub(crate) answers: Vec<Answer>,
    pub(crate) tenure: Tenure,
}

/// What a pass leaves.
pub(crate) struct Finished {
    pub(crate) name: TriggerName,
    pub(crate) state: State,
    /// Images that are to be written back.
    pub(crate) asks: Vec<Ask>,
    pub(crate) tenure: Tenure,
    /// It is to be made again, after a pause that grows.
    pub(crate) retry: Option<Class>,
    /// It is to be made again at this time.
    pub(crate) again: Option<Timestamp>,
    /// It is to be made again when runs of others have ended.
    pub(crate) waits_for_room: bool,
}

/// What keeps runs from being begun, or is wrong otherwise.
#[derive(Default)]
struct Obstacles {
    /// What is wrong with the spec.
    problems: Vec<String>,
    /// What runs name and is not there.
    missing: Vec<String>,
    failures: Vec<Failure>,
}

/// Looks at a trigger, and does what is called for.
pub(crate) async fn look(context: &Context, builder: &Builder, mut pass: Pass) -> Finished {
    let now = context.clock.now();
    let memory = state::memory(&pass.state.status);
    let acting = pass.settings.clone().and_then(|settings| {
        let account = settings.service_account.clone();
        match context.acting_as(&pass.name.namespace, account, &pass.tenure) {
            Ok(cluster) => Ok((settings, cluster)),
            Err(error) => Err(Failure { class: Class::Wait, message: format!("--default-service-account: {error}") }),
        }
    });
    let (settings, cluster) = match acting {
        Ok(acting) => acting,
        Err(failure) => {
            builder.room.presume_none(&pass.name);
            let obstacles = Obstacles { problems: vec![failure.message], ..Obstacles::default() };
            let plan = Plan { memory: memory.clone(), ..Plan::default() };
            let standing = standing(&pass, (None, &plan), (&obstacles, &[]), now);
            show(context, &pass, None, &standing);
            let written = write(context, &mut pass, (None, &plan, None), standing, now).await;
            return pass.finish(written.err().map(|failure| failure.class), None, false);
        }
    };
    let gathered = gather(builder, &settings, &pass, (memory, now)).await;
    if let Some(runs) = &gathered.runs {
        builder.room.tell(&pass.name, runs.iter().filter(|run| run.is_under_way()).count());
    } else if builder.runs.is_gone(&acting::watched(settings.run.kind()).gvk) {
        builder.room.presume_none(&pass.name);
    }
    let memory = pass.refused(gathered.memory.clone(), now);
    let input = |room, head| plan::Input {
        now,
        rules: &settings.rules,
        head,
        memory: &memory,
        runs: gathered.runs.as_deref(),
        room,
        asked: &gathered.asked,
        unwritten: &gathered.unwritten,
        absorbed: &gathered.absorbed,
    };
    let head = gathered.head.as_ref();
    let wanted = plan::plan(&input(usize::MAX, head)).create.len();
    let mut held = builder.room.hold(&pass.name, wanted);
    let short = held.count() < wanted;
    let mut plan = plan::plan(&input(held.count(), head));
    let mut obstacles = Obstacles { failures: gathered.unread.iter().cloned().collect(), ..Obstacles::default() };
    let mut objects = Vec::new();
    if !plan.create.is_empty() {
        match make(context, &settings, &pass, &gathered, &plan).await {
            Ok(Ok(made)) => objects = made,
            Ok(Err(missing)) => obstacles.missing = missing,
            Err(failure) => obstacles.failures.push(failure),
        }
        if objects.is_empty() {
            // What can't be created yet is not begun either, and nothing gives way to it.
            plan = plan::plan(&input(0, None));
        }
    }
    let blocked = !obstacles.missing.is_empty() || !obstacles.failures.is_empty();
    let called = match &settings.images {
        Some(images) if gathered.runs.is_some() => {
            let kind = settings.run.kind();
            let object = |run: &str| gather::object(&builder.runs, kind, &pass.name, run);
            images::called_for((images, &pass), &plan.memory, object, now)
        }
        Some(_) => Called { asks: Vec::new(), statuses: pass.state.status.write_backs.clone() },
        None => Called::default(),
    };
    pass.hear();
    let standing = standing(&pass, (Some((&settings, &gathered)), &plan), (&obstacles, &called.statuses), now);
    show(context, &pass, Some(&plan), &standing);
    let before = pass.state.status.write_backs.clone();
    let images = Some(&called.statuses);
    match write(context, &mut pass, (Some((&gathered, blocked)), &plan, images), standing, now).await {
        Ok(true) => {}
        // It is gone: nothing is done in its name.
        Ok(false) => return pass.finish(None, None, false),
        Err(failure) => return pass.finish(Some(failure.class), None, short),
    }
    record(context, &pass, &plan, now);
    record_refusals(context, &pass, &gathered, &plan, now);
    record_images(context, &pass, &before, now);
    let begun = objects.len();
    let Done { failures, uncreated, hopeless } =
        act((&cluster, builder), &pass, settings.run.kind(), &plan, objects).await;
    let created = begun - uncreated;
    held.created(created);
    drop(held);
    obstacles.failures.extend(failures);
    // The next status says what could not be done, and no longer says what can be.
    let told = pass.state.failures == obstacles.failures && hopeless.is_empty();
    pass.state.failures.clone_from(&obstacles.failures);
    pass.state.hopeless = hopeless;
    let waits = (!obstacles.missing.is_empty()).then_some(Class::Wait);
    let unknown = gathered.runs.is_none().then_some(Class::Wait);
    let retry = obstacles.failures.iter().map(|failure| failure.class).chain(waits).chain(unknown).min();
    // What was created is seen, and what the answers say is remembered; nobody tells when all triggers have told.
    let pause = if builder.room.is_awaited() { ROOM_AGAIN } else { ROOM_LATER };
    let soon = now.checked_add(pause).ok().filter(|_| short);
    let anew = (created > 0 && uncreated == 0 || !told).then_some(now);
    let later = images::again(&called.statuses, now);
    let again = plan.again.into_iter().chain(gathered.again).chain(anew).chain(soon).chain(later).min();
    Finished { asks: called.asks, ..pass.finish(retry, again, short) }
}

/// Makes the objects that a plan creates, unless something that they name is missing.
async fn make(
    context: &Context,
    settings: &Arc<Settings>,
    pass: &Pass,
    gathered: &Gathered,
    plan: &Plan,
) -> Result<Result<Vec<(Create, Option<Value>)>, Vec<String>>, Failure> {
    let objects = objects::make(settings, pass, gathered, plan).await?;
    let kind = settings.run.kind();
    let named = objects.iter().filter_map(|(_, object)| Some((kind, object.as_ref()?)));
    let missing = references::missing(&context.cluster, &pass.name.namespace, named).await;
    let missing = missing.map_err(|error| Failure { class: error.class(), message: chain(&error) })?;
    Ok(if missing.is_empty() { Ok(objects) } else { Err(missing) })
}

/// Returns how a trigger stands.
fn standing(
    pass: &Pass,
    (seen, plan): (Option<(&Settings, &Gathered)>, &Plan),
    (obstacles, images): (&Obstacles, &[WriteBackStatus]),
    now: Timestamp,
) -> Standing {
    let runs = seen.and_then(|(_, gathered)| gathered.runs.as_deref());
    let components = seen.map(|(settings, _)| settings.components.iter().cloned().collect()).unwrap_or_default();
    let missing: Vec<String> = obstacles
        .missing
        .iter()
        .map(|object| format!("{object} is not there: create it, or correct spec.run"))
        .collect();
    let unwritten = pass.state.unwritten.iter().cloned();
    let failures: Vec<Failure> =
        pass.state.failures.iter().cloned().chain(images::problems(images)).chain(unwritten).collect();
    stand(&Picture {
        suspended: pass.resource.spec.suspend,
        source: seen.and_then(|(_, gathered)| gathered.unread.as_ref()),
        problems: &obstacles.problems,
        missing: &missing,
        failures: &failures,
        components: &components,
        memory: &plan.memory,
        runs,
        queued: &plan.queued,
        alarms: &alarms(runs.unwrap_or_default(), now),
    })
}

impl Pass {
    fn finish(self, retry: Option<Class>, again: Option<Timestamp>, waits_for_room: bool) -> Finished {
        Finished {
            name: self.name,
            state: self.state,
            asks: Vec::new(),
            tenure: self.tenure,
            retry,
            again,
            waits_for_room,
        }
    }

    /// Takes down whether images could be written.
    fn hear(&mut self) {
        if !self.answers.is_empty() {
            self.state.unwritten = self.answers.iter().find_map(|answer| answer.became.clone().err());
        }
    }

    /// Returns what is remembered, with the builds refused that can't be created as they are written.
    fn refused(&self, mut memory: Memory, now: Timestamp) -> Memory {
        for (Create { build, attempt }, message) in &self.state.hopeless {
            memory.refuse(&build.component, *attempt, message, now);
        }
        memory
    }

    pub(super) fn uid(&self) -> &str {
        self.resource.metadata.uid.as_deref().unwrap_or_default()
    }
}

/// Tells the gauges how a trigger stands; without a plan, what goes on is what was last known of it.
fn show(context: &Context, pass: &Pass, plan: Option<&Plan>, standing: &Standing) {
    let Standing { ready, stalled, reason, reconciling: _, message: _ } = standing;
    let PipelineTriggerStatus { running, queued, .. } = pass.state.status;
    let (running, queued) = plan.map_or((running, queued), going_on);
    let overview = TriggerOverview {
        ready: *ready,
        stalled: *stalled,
        suspended: pass.resource.spec.suspend,
        reason: *reason,
        running,
        queued,
        oldest: plan.and_then(|plan| plan.queued.iter().map(|queued| queued.since).min()),
    };
    context.metrics.trigger(&pass.name, overview);
}

/// Returns how many runs are under way, and how many builds wait.
fn going_on(plan: &Plan) -> (u32, u32) {
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    (count(plan.running), count(plan.queued.len()))
}

/// What a pass has gathered, and whether something kept it from being planned with.
type Seen<'a> = (&'a Gathered, bool);

/// Writes the status, if it differs from what is there; returns whether the trigger is still there.
async fn write(
    context: &Context,
    pass: &mut Pass,
    (seen, plan, images): (Option<Seen<'_>>, &Plan, Option<&Vec<WriteBackStatus>>),
    standing: Standing,
    now: Timestamp,
) -> Result<bool, Failure> {
    let before = &pass.state.status;
    let generation = pass.resource.metadata.generation;
    let Standing { ready, reconciling, stalled, reason, message } = standing;
    let (holds, reason) = (
        [(condition::READY, ready), (condition::RECONCILING, reconciling), (condition::STALLED, stalled)],
        reason.to_string(),
    );
    let verdict = Verdict { holds: &holds, reason: &reason, message: &message };
    let mut after = PipelineTriggerStatus {
        observed_generation: generation,
        conditions: status::conditions(&verdict, &before.conditions, generation, now),
        components: state::components(&plan.memory),
        ..before.clone()
    };
    if let Some((gathered, blocked)) = seen {
        (after.running, after.queued) = going_on(plan);
        if let Some((id, _)) = &gathered.refused {
            after.handled.insert(request::BUILD.to_owned(), id.clone());
        }
        for handled in &plan.handled {
            after.handled.insert(request::BUILD.to_owned(), handled.id.clone());
        }
        // What a plan has not taken in is compared again.
        let compared = gathered.runs.is_some() && !pass.resource.spec.suspend && !blocked;
        after.commit = gathered.head.as_ref().filter(|_| compared).map(|head| head.commit.to_string()).or(after.commit);
    }
    if let Some(images) = images {
        after.write_backs.clone_from(images);
    }
    if after == *before {
        return Ok(true);
    }
    let cluster = context.cluster.during(&pass.tenure);
    let name = (pass.name.namespace.as_str(), pass.name.name.as_str());
    // What somebody else has remembered meanwhile is not written over: it is planned again with that.
    let mut other = None;
    let status = |newest: Option<&Value>| {
        let newest = newest.map(|newest| serde_json::from_value(newest["status"].clone()).unwrap_or_default());
        match newest.filter(|newest: &PipelineTriggerStatus| newest != before) {
            Some(newest) => other.insert(newest).clone(),
            None => after.clone(),
        }
    };
    let written = status::write::<PipelineTrigger, _>(&cluster, name, pass.uid(), &pass.state.version, status).await;
    let failure = match (written, other) {
        (Ok(None), _) => return Ok(false),
        (Ok(Some(version)), None) => {
            (pass.state.status, pass.state.version) = (after, version);
            return Ok(true);
        }
        (Ok(Some(version)), Some(other)) => {
            (pass.state.status, pass.state.version) = (other, version);
            let message = "somebody else has written the status; it is looked at again".to_owned();
            Failure { class: Class::Retry, message }
        }
        (Err(error), _) => {
            pass.state.version.clear();
            Failure { class: error.class(), message: format!("the status could not be written: {}", chain(&error)) }
        }
    };
    tracing::warn!(trigger = %pass.name, "{}", failure.message);
    Err(failure)
}

/// Tells what is new, once the status holds it.
fn record(context: &Context, pass: &Pass, plan: &Plan, now: Timestamp) {
    for fact in &plan.facts {
        context.metrics.build(&pass.name, fact, now);
        let told = Told {
            reason: fact.event.label(),
            warns: fact.event.warns(),
            commit: fact.commit.clone(),
            run: fact.run.clone(),
            message: fact.to_string(),
        };
        context.journal.trigger(&pass.name, pass.uid(), &pass.tenure, told, now);
    }
}

/// Tells of builds that can't be created, and of requests of which nothing came, once the status says so.
fn record_refusals(context: &Context, pass: &Pass, gathered: &Gathered, plan: &Plan, now: Timestamp) {
    for (Create { build, attempt: _ }, why) in &pass.state.hopeless {
        let message = format!("{} of {} can't be built as it is written: {why}", build.component, build.commit.short());
        let told = Told { reason: "BuildFailed", warns: true, commit: build.commit.clone(), run: None, message };
        context.journal.trigger(&pass.name, pass.uid(), &pass.tenure, told, now);
    }
    let Some(head) = &gathered.head else { return };
    let of_plan = plan.handled.iter().filter_map(|handled| Some((&handled.id, handled.refused.as_ref()?)));
    for (id, why) in of_plan.chain(gathered.refused.iter().map(|(id, why)| (id, why))) {
        let message = format!("nothing is built for the request {id}: {why}");
        let told = Told { reason: "BuildRefused", warns: true, commit: head.commit.clone(), run: None, message };
        context.journal.trigger(&pass.name, pass.uid(), &pass.tenure, told, now);
    }
}

/// Tells what became of images, once the status holds it.
fn record_images(context: &Context, pass: &Pass, before: &[WriteBackStatus], now: Timestamp) {
    for status in pass.state.status.write_backs.iter().filter(|status| !before.contains(status)) {
        let WriteBackStatus { component, place, outcome, message, commit, image, .. } = status;
        let (reason, warns) = match outcome.as_str() {
            "Written" => ("ImageWritten", false),
            "Proposed" => ("ImageProposed", false),
            "Already" => ("ImageThere", false),
            "Problem" => ("ImageUnknown", true),
            _ => ("ImageKept", false),
        };
        let told = match (message.is_empty(), image, commit) {
            (true, Some(image), Some(commit)) => {
                format!("{component}: {image} stands in {place} with {}", commit.get(..7).unwrap_or(commit))
            }
            _ => format!("{component}: the image {message} ({place})"),
        };
        let run = pass.state.status.components.iter().find(|known| known.name == *component);
        let run = run.and_then(|known| known.last_succeeded.as_ref());
        let Some(commit) = run.and_then(|build| CommitId::parse(&build.commit).ok()) else { continue };
        let run = run.and_then(|build| build.run.clone());
        let told = Told { reason, warns, commit, run, message: told };
        context.journal.trigger(&pass.name, pass.uid(), &pass.tenure, told, now);
    }
}

/// What came of a plan.
struct Done {
    failures: Vec<Failure>,
    /// How many runs could not be created.
    uncreated: usize,
    /// Those of them that never will be, and why.
    hopeless: Vec<(Create, String)>,
}

/// Carries the plan out.
async fn act(
    (cluster, builder): (&Cluster, &Builder),
    pass: &Pass,
    kind: RunKind,
    plan: &Plan,
    objects: Vec<(Create, Option<Value>)>,
) -> Done {
    let mut done = Done { failures: Vec::new(), uncreated: 0, hopeless: Vec::new() };
    for cancel in &plan.cancel {
        let run = (cancel.kind, cancel.run.as_str(), cancel.uid.as_str());
        done.failures.extend(acting::cancel((cluster, builder), &pass.name, run, &cancel.reason).await.err());
    }
    let mut made = Vec::with_capacity(objects.len());
    for (create, object) in objects {
        match object {
            Some(object) => made.push((create, object)),
            None => {
                let why = format!("commit {} is not in the repository any more", create.build.commit.short());
                done.uncreated += 1;
                done.hopeless.push((create, why));
            }
        }
    }
    for Uncreated { create, failure, hopeless } in acting::create((cluster, builder), &pass.name, kind, made).await {
        done.uncreated += 1;
        if hopeless {
            done.hopeless.push((create, failure.message));
        } else {
            done.failures.push(failure);
        }
    }
    for remove in &plan.remove {
        let state = Precondition { uid: remove.uid.clone(), resource_version: remove.resource_version.clone() };
        done.failures.extend(acting::remove(cluster, &pass.name, (remove.kind, &remove.run), &state).await.err());
    }
    done
}
