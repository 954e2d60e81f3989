//! At the end of a pass: is the commit to blame for what is not healthy?

use std::time::Duration;

use jiff::Timestamp;
use plumb_api::{EnvironmentStatus, condition, environment::RecordsStatus};
use plumb_core::{
    commit::{CommitId, RefName, Revision},
    health::HealthStatus,
    live::{Live, LiveObject},
    object::ObjectKey,
    plan::{Plan, wait::counts},
    presence::Presence,
    rollback::{
        Healthy, Mode, RollbackPolicy,
        blame::{self, Case, State, Symptom, Verdict},
        hold::{Hold, RecordsEnd, Rollback},
        outage::{Before, Outage, Wellbeing},
        pushing::Outcome,
        watch::Watch,
    },
    source::InputsDigest,
    wave::{Waiting, Wave},
};
use plumb_git::mirror::Mirror;

use super::{
    proposing::Told,
    state,
    symptoms::{self, Symptoms},
};
use crate::{
    chain::chain,
    context::Context,
    gather::Gathered,
    ledger::{self, Keeping},
    publisher,
    reconcile::Pass,
    report,
};

/// What Pods were made from is asked again this soon, where the API server did not say, or something had changed meanwhile.
const UNREAD_AGAIN: Duration = Duration::from_secs(5);

/// What one pass has seen, as far as it matters for blame.
pub(crate) struct Seen<'a> {
    pub(crate) gathered: &'a Gathered,
    pub(crate) plan: &'a Plan,
    /// What is live after it has acted.
    pub(crate) live: &'a Live,
    pub(crate) waiting: Option<Waiting>,
    pub(crate) started: Timestamp,
    /// Whether something was not healthy before it acted.
    pub(crate) ailing: bool,
    /// Whether the pass ends before its commit is judged.
    pub(crate) cut: bool,
}

/// What was decided, and what is to be remembered.
#[derive(Debug)]
pub(crate) struct Judged {
    pub(crate) verdict: Verdict,
    pub(crate) rollback: Rollback,
    pub(crate) watch: Option<Watch>,
    healthy: Option<Healthy>,
    /// Whether the verdict is new that it is not the commit's fault.
    pub(crate) acquitted: bool,
    /// What became of a revert since the last pass.
    pub(crate) answered: Option<Outcome>,
    /// What became of a pull request, where that is news.
    pub(crate) proposed: Option<Told>,
    /// The commit that was rolled back, where the answer is about it and it can be read.
    pub(crate) culprit: Option<Revision>,
    /// When to look again whatever the verdict waits for: at what is to be taken back, or at what could not be read.
    pub(crate) again: Option<Timestamp>,
}

impl Judged {
    fn new(verdict: Verdict, rollback: Rollback, watch: Option<Watch>, healthy: Option<Healthy>) -> Self {
        let (answered, proposed, culprit, again) = (None, None, None, None);
        Self { verdict, rollback, watch, healthy, acquitted: false, answered, proposed, culprit, again }
    }

    /// Puts it into the status: a rollback ends the watch over what it takes back.
    pub(crate) fn write(&self, status: &mut EnvironmentStatus) {
        state::write(status, &self.rollback, self.watch.as_ref().filter(|_| !self.rolls_back()));
        state::write_healthy(status, self.healthy.as_ref());
    }

    /// Returns why the commit is not rolled back although something fails.
    pub(crate) fn acquittal(&self) -> Option<String> {
        self.watch.as_ref()?.acquitted.clone()
    }

    /// Returns when to look again whatever happens.
    pub(crate) fn until(&self) -> Option<Timestamp> {
        let until = match &self.verdict {
            Verdict::Wait { until } | Verdict::NotTheCommit { until, .. } => *until,
            Verdict::Idle | Verdict::Blamed { .. } => None,
        };
        until.into_iter().chain(self.again).min()
    }

    /// Returns whether the older commit is to be applied at once.
    pub(crate) fn rolls_back(&self) -> bool {
        matches!(self.verdict, Verdict::Blamed { .. })
    }
}

/// Returns whether something that was applied before is not healthy; asked before the pass acts.
pub(crate) fn is_ailing(pass: &Pass, live: &Live) -> bool {
    let sick = |key: &&ObjectKey| live.objects.get(*key).is_some_and(is_sick);
    pass.memory.applied.keys().filter(|key| counts(key)).any(|key| sick(&key))
}

/// Judges the commit in force, and tells the other environments how this one is.
pub(crate) async fn judge(context: &Context, pass: &mut Pass, seen: &Seen<'_>) -> Judged {
    let now = context.clock.now();
    let (mut rollback, healthy) = (state::rollback(&pass.memory.status), state::healthy(&pass.memory.status));
    let before = pass.memory.watch.clone();
    let acquitted_before = before.as_ref().and_then(|watch| watch.acquitted.clone());
    if pass.settings.policy.waiting {
        context.census().abstain(&pass.settings.name);
        return Judged::new(Verdict::Idle, rollback, before, healthy);
    }
    let inputs = InputsDigest(report::state::digest(&seen.gathered.inputs));
    // A person has to end a hold; what is kept meanwhile is not judged.
    let mode = if rollback.held.is_some() { Mode::None } else { pass.settings.rollback.mode };
    let policy = RollbackPolicy { mode, ..pass.settings.rollback.clone() };
    let in_range = mode != Mode::None && healthy.as_ref().is_some_and(|healthy| healthy.inputs != inputs);
    let Symptoms { symptoms, unread } =
        symptoms::gather(context, pass, seen, healthy.as_ref().filter(|_| in_range), before.as_ref()).await;
    let since = before.as_ref().map_or(seen.started, |watch| watch.since);
    let changed = match (&rollback.held, &healthy) {
        (Some(hold), _) => Some(hold.since),
        (None, Some(healthy)) if healthy.inputs == inputs => None,
        (None, _) => Some(attempted(pass, &inputs).unwrap_or(now)),
    };
    let is_sick = |health: &HealthStatus| matches!(health, HealthStatus::InProgress | HealthStatus::Failed);
    let sick = symptoms.iter().filter(|symptom| is_sick(&symptom.health)).map(|symptom| symptom.key.clone());
    let wellbeing = Wellbeing { sick: sick.collect(), changed, reads: Some(seen.gathered.inputs.clone()) };
    let outage = announce(context, pass, wellbeing, since, now);
    let commit = pass.commit().clone();
    let judgement = blame::judge(&Case {
        policy: &policy,
        now,
        began: seen.started,
        commit: &commit,
        inputs: &inputs,
        generation: pass.resource.metadata.generation.unwrap_or_default(),
        healthy: healthy.as_ref(),
        watch: before.as_ref(),
        state: condition_of(pass, seen, symptoms),
        ailing: seen.ailing,
        outage,
    });
    if let (Verdict::Blamed { reason, .. }, Some(healthy)) = (&judgement.verdict, &judgement.healthy) {
        rollback.roll_back(hold(pass, healthy, reason, now), inputs);
    }
    if let Some(new) = judgement.healthy.as_ref().filter(|new| healthy.as_ref() != Some(new)) {
        if new.lost.is_none() {
            rollback.prove(&new.inputs);
        }
        if healthy.is_none_or(|healthy| healthy.commit != new.commit) {
            pin(pass, new).await;
        }
    }
    pass.memory.watch.clone_from(&judgement.watch);
    let told = judgement.watch.as_ref().and_then(|watch| watch.acquitted.as_ref());
    let acquitted = told.is_some() && told != acquitted_before.as_ref();
    let blame::Judgement { verdict, watch, healthy } = judgement;
    let again = if unread { now.checked_add(UNREAD_AGAIN).ok() } else { None };
    Judged { acquitted, again, ..Judged::new(verdict, rollback, watch, healthy) }
}

fn hold(pass: &Pass, healthy: &Healthy, reason: &str, now: Timestamp) -> Hold {
    let revision = &pass.source.as_ref().expect("because only a commit is judged").revision;
    Hold {
        healthy: healthy.commit.clone(),
        commit: revision.commit.clone(),
        author: revision.author.clone(),
        subject: revision.subject.clone(),
        reason: reason.to_owned(),
        since: now,
        records: records_end(pass),
        by: None,
    }
}

/// Returns where the records ended when they were last published; nothing where there are none.
pub(super) fn records_end(pass: &Pass) -> Option<RecordsEnd> {
    let Keeping::Notes(origin) = &pass.keeping else { return None };
    let counts = |records: &&RecordsStatus| ledger::series(records).is(&origin.series());
    let records = pass.memory.status.records.as_ref().filter(counts)?;
    let reference = RefName::parse(&publisher::notes_ref(&origin.cluster)).ok()?;
    Some(RecordsEnd { reference, commit: CommitId::parse(records.head.as_deref()?).ok()? })
}

/// Returns how the environment is, after the pass has acted.
fn condition_of(pass: &Pass, seen: &Seen<'_>, symptoms: Vec<Symptom>) -> State {
    let Seen { gathered, plan, live, waiting, cut, .. } = seen;
    let is_there = |key: &ObjectKey| match live.find(key) {
        Presence::Present(found) => found.health.status == HealthStatus::Current || !counts(key),
        Presence::Absent | Presence::Unknown => false,
    };
    let complete = gathered.desired.problems.is_empty()
        && pass.memory.failures.is_empty()
        && pass.memory.forbidden.is_empty()
        && plan.refused == 0
        && plan.blocked().is_none();
    let well = complete && waiting.is_none() && gathered.desired.objects.keys().all(is_there);
    match (pass.settings.policy.suspended, cut, well) {
        (true, ..) => State::Suspended { well },
        (false, true, _) => State::Cut,
        (false, false, true) => State::Well,
        (false, false, false) => {
            State::Unwell { wave: waiting.map(|waiting: Waiting| -> Wave { waiting.wave }), symptoms }
        }
    }
}

/// Returns when this content was begun, as far as the status says.
fn attempted(pass: &Pass, inputs: &InputsDigest) -> Option<Timestamp> {
    let attempted = pass.memory.status.last_attempted.as_ref().filter(|attempted| attempted.inputs == inputs.0)?;
    attempted.at.parse().ok()
}

/// Tells the other environments how this one is, and returns what they say.
fn announce(context: &Context, pass: &Pass, wellbeing: Wellbeing, since: Timestamp, now: Timestamp) -> Outage {
    let EnvironmentStatus { inventory, conditions, .. } = &pass.memory.status;
    let of = |health: HealthStatus| inventory.as_ref().and_then(|known| known.health.get(health.label()).copied());
    let sick = [HealthStatus::InProgress, HealthStatus::Failed].into_iter().filter_map(of).sum::<u32>();
    // What was told before this process began to look is older than now.
    let ready = conditions.iter().find(|known| known.type_ == condition::READY);
    let ready = ready.filter(|ready| ready.status != condition::ConditionStatus::True);
    let ready = ready.and_then(|ready| ready.last_transition_time.parse::<Timestamp>().ok());
    let healthy = state::healthy(&pass.memory.status).and_then(|healthy| healthy.lost);
    let told = ready.into_iter().chain(healthy).collect();
    let before = Before { sick: usize::try_from(sick).unwrap_or(usize::MAX), told };
    let mut census = context.census();
    census.announce(&pass.settings.name, wellbeing, &before, now);
    census.outage(&pass.settings.name, since, context.clock.uptime(), pass.environments.values())
}

fn is_sick(live: &LiveObject) -> bool {
    matches!(live.health.status, HealthStatus::InProgress | HealthStatus::Failed)
}

/// Keeps what is healthy readable, whatever becomes of the branch. Where that fails a rollback may find it gone, and says so.
async fn pin(pass: &Pass, healthy: &Healthy) {
    let Ok(source) = &pass.source else { return };
    let (mirror, commit) = (source.mirror.clone(), healthy.commit.clone());
    let uid = pass.resource.metadata.uid.clone().unwrap_or_default();
    let pinned = tokio::task::spawn_blocking(move || Mirror::open_or_create(&mirror)?.pin_healthy(&uid, &commit));
    let environment = &pass.settings.name;
    match pinned.await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(%environment, "what is healthy could not be pinned: {}", chain(&error)),
        Err(error) => tracing::warn!(%environment, "what is healthy could not be pinned: {error}"),
    }
}
