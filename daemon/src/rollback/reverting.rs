//! Taking back in Git: the plan of a pass, and the task that carries it out.
//!
//! Killed anywhere it goes on where the remote is: the commits of a plan are the same each time, and a branch that has them
//! counts as pushed. Must never do: push what is not in the status as begun, or force.

use std::{collections::BTreeSet, path::PathBuf, sync::Arc, time::Duration};

use jiff::Timestamp;
use plumb_api::Repository;
use plumb_cluster::tenure::Tenure;
use plumb_core::{
    class::Class,
    commit::{CommitId, RefName, RepoPath, Revision},
    gate::Wait,
    operation::Failure,
    person::Person,
    rollback::{
        errand::{self, Call, Errand, Moment},
        hold::Hold,
        outage::Sharing,
        pushing::{self, Branch, Outcome, Taken},
        revert::{self, Apart, Aside, Input, Revert, STEPS_MAX, Step},
    },
};
use plumb_git::{
    draft::Sign,
    error::GitError,
    mirror::Mirror,
    push::{PushOutcome, RefUpdate},
};

use super::{Answer, Done, Job, Judged, job::Task, proposing, stalling};
use crate::{
    chain::chain,
    context::Context,
    memory::Rendered,
    publisher::{remote, signing},
    reconcile::Pass,
    repositories::Ground,
    trust::Demand,
};

/// How often it is looked whether the environments have been heard that may run what is to be taken back: no event of one
/// wakes another.
const UNHEARD_AGAIN: Duration = Duration::from_secs(2);

/// Reverts that are to be pushed.
#[derive(Debug)]
pub(super) struct Push {
    mirror: PathBuf,
    demand: Demand,
    hold: Hold,
    /// The branch that is followed.
    branch: RefName,
    /// The branch that is pushed to.
    target: RefName,
    /// Why that is one of its own.
    aside: Option<Aside>,
    reverts: Vec<Revert>,
    /// All that the environment reads.
    paths: BTreeSet<RepoPath>,
    path: RepoPath,
    /// Whether nothing was sent for this state of the branch before, as far as anybody knows.
    first: bool,
}

/// Takes in what became of the last job, and returns the one that is called for now; both are in what was judged, which goes
/// into the status first.
pub(crate) async fn plan(context: &Context, pass: &mut Pass, judged: &mut Judged) -> Option<Job> {
    let now = context.clock.now();
    let mut answered = false;
    match pass.done.take() {
        Some(Done { head, answer: Answer::Push(outcome), .. }) => {
            // Where the branch has told it before, it is known and recorded.
            if errand::hear(&mut judged.rollback, &head, outcome.clone(), now) {
                tell(pass, judged, outcome).await;
            }
            answered = true;
        }
        Some(Done { head, answer: Answer::Proposal(told), .. }) => proposing::end(judged, &head, told),
        None => {}
    }
    if let Some(missed) = pass.missed.take() {
        pushing::miss(&mut judged.rollback.pushes, &missed);
    }
    let held = pass.held.as_ref().filter(|held| matches!(held.wait, Wait::RolledBack(_)))?;
    let (hold, head) = (judged.rollback.held.clone()?, held.newest.clone());
    let (suspended, blamed, mode) = (pass.settings.policy.suspended, judged.rolls_back(), pass.settings.rollback.mode);
    let moment = Moment { head: &head, mode, suspended, blamed, answered, anew: false };
    let mut call = errand::call(&judged.rollback, &moment);
    if call == Call::Stall && stalling::is_over(context, pass, judged).await {
        call = errand::call(&judged.rollback, &Moment { anew: true, ..moment });
    }
    match call {
        Call::Nothing | Call::Stall => return None,
        Call::Proposal => {
            let task = proposing::plan(pass, judged, &hold)?;
            return Some(Job { environment: pass.settings.name.clone(), head, task });
        }
        Call::Plan => {}
    }
    let source = pass.source.clone().ok()?;
    // Whose files are wrong is being worked on: nothing is taken back from under whoever does so.
    let readable = |rendered: &&Rendered| rendered.commit == head && rendered.result.is_ok();
    let newest = pass.memory.ahead.rendered.as_ref().filter(readable)?.inputs.clone();
    let before = &pass.memory.wanted.rendered.as_ref()?.inputs;
    let paths: BTreeSet<RepoPath> = newest.0.keys().chain(before.0.keys()).cloned().collect();
    let steps = steps(&source.mirror, &head, &hold.healthy, &paths).await?;
    let uptime = context.clock.uptime();
    let sharing = pass.siblings.as_ref().map(|siblings| context.census().sharing(siblings, &newest, uptime));
    let content = match sharing {
        Some(Sharing::With(others)) => others,
        // Nothing that somebody may run is taken away from under them.
        Some(Sharing::Unheard(_)) | None => {
            judged.again = now.checked_add(UNHEARD_AGAIN).ok();
            return None;
        }
    };
    let pushes = errand::pushes(&judged.rollback, &head);
    let branch = source.revision.reference.clone();
    let input = Input {
        environment: &pass.settings.name,
        mode,
        path: &pass.settings.path,
        healthy: &hold.healthy,
        reason: &hold.reason,
        records: hold.records.as_ref(),
        branch: branch.as_ref(),
        steps: steps.as_deref().map_err(|apart| *apart),
        content: &content,
        pushes: &pushes,
        now,
    };
    let (target, aside, reverts, first) = match errand::begin(&mut judged.rollback, &head, &input, pass.free) {
        Errand::Nothing => return None,
        Errand::Stalled { told, until } => {
            if let Some(outcome) = told {
                tell(pass, judged, outcome).await;
            }
            judged.again = until;
            stalling::note(context, pass, until).await;
            return None;
        }
        Errand::Proposal => {
            let task = proposing::plan(pass, judged, &hold)?;
            return Some(Job { environment: pass.settings.name.clone(), head, task });
        }
        Errand::Push { target, aside, reverts, first } => (target, aside, reverts, first),
    };
    stalling::note(context, pass, None).await;
    let push = Push {
        mirror: source.mirror,
        demand: source.demand,
        hold,
        branch: branch?,
        target,
        aside,
        reverts,
        paths,
        path: pass.settings.path.clone(),
        first,
    };
    Some(Job { environment: pass.settings.name.clone(), head, task: Task::Push(Box::new(push)) })
}

/// Takes down what is to be told of a push.
async fn tell(pass: &Pass, judged: &mut Judged, outcome: Outcome) {
    judged.culprit = culprit(pass, judged.rollback.held.as_ref(), &outcome).await;
    judged.answered = Some(outcome);
}

/// Returns the commit that was rolled back, where it will not be taken back: that is recorded on it.
async fn culprit(pass: &Pass, hold: Option<&Hold>, outcome: &Outcome) -> Option<Revision> {
    let (hold, source) = (hold.filter(|_| matches!(outcome, Outcome::Refused(_)))?, pass.source.as_ref().ok()?);
    let (mirror, commit) = (source.mirror.clone(), hold.commit.clone());
    let read = tokio::task::spawn_blocking(move || Mirror::open_or_create(&mirror)?.revision(&commit)).await;
    read.ok()?.ok()
}

/// Returns the commits since the healthy one, or why none lead there; nothing while they can't be read.
async fn steps(
    mirror: &std::path::Path,
    head: &CommitId,
    healthy: &CommitId,
    paths: &BTreeSet<RepoPath>,
) -> Option<Result<Vec<Step>, Apart>> {
    let (mirror, head, healthy, paths) = (mirror.to_owned(), head.clone(), healthy.clone(), paths.clone());
    let read = move || Mirror::open_or_create(&mirror)?.first_parents(&head, &healthy, &paths, STEPS_MAX);
    match tokio::task::spawn_blocking(read).await {
        Ok(Ok(steps)) => Some(steps),
        Ok(Err(error)) => {
            tracing::warn!("what is to be reverted can't be read: {}", chain(&error));
            None
        }
        Err(_) => None,
    }
}

/// Pushes reverts, as long as the tenure lasts.
pub(super) async fn carry_out(
    ground: &Ground,
    resource: &Arc<Repository>,
    tenure: &Tenure,
    head: &CommitId,
    push: Push,
) -> Outcome {
    let first = push.first;
    self::push(ground, resource, tenure, head, push).await.unwrap_or_else(|failure| match first {
        true => Outcome::Unsent(not_yet(failure)),
        false => Outcome::Failed(not_yet(failure)),
    })
}

fn not_yet(Failure { class, message }: Failure) -> Failure {
    Failure { class, message: format!("not reverted in Git yet: {message}") }
}

/// Returns whether a push that failed may have arrived all the same: only what a person has to help with first, and what had no
/// turn, was not sent.
fn may_have_landed(error: &GitError) -> bool {
    error.class() == Class::Retry && !matches!(error, GitError::Busy { .. })
}

/// Returns what became of a push that was ended because somebody has asked for something else meanwhile.
pub(super) fn ended() -> Outcome {
    let message = "not reverted in Git yet: the push was ended, since the Environment was changed meanwhile".to_owned();
    Outcome::Failed(Failure { class: Class::Retry, message })
}

/// Returns what became of it; what failed has sent nothing.
async fn push(
    ground: &Ground,
    resource: &Arc<Repository>,
    tenure: &Tenure,
    head: &CommitId,
    job: Push,
) -> Result<Outcome, Failure> {
    let remote = remote(ground, resource).await?;
    let key = signing::key(&ground.cluster, resource).await?;
    let author = resource.spec.commit.clone().unwrap_or_default().author;
    let person = Person::parse(&author)
        .map_err(|error| Failure { class: Class::Wait, message: format!("spec.commit.author: {error}") })?;
    let (now, job) = (ground.clock.now(), Arc::new(job));
    let (written, at) = (Arc::clone(&job), head.clone());
    let taken = tokio::task::spawn_blocking(move || -> Result<Result<Vec<Taken>, String>, GitError> {
        let sign = key.as_ref().map(|key| move |bytes: &[u8]| key.sign(bytes).map_err(|error| error.to_string()));
        write(&written, &at, &person, now, sign.as_ref().map(|sign| sign as &Sign<'_>))
    });
    let taken = taken.await.map_err(|error| Failure { class: Class::Bug, message: error.to_string() })?;
    let by_hand = || {
        let branch = job.branch.short();
        revert::commands(branch, &job.hold.healthy, &job.path)
    };
    let taken = match taken.map_err(|error| Failure { class: error.class(), message: chain(&error) })? {
        Ok(taken) => taken,
        Err(why) => {
            return Ok(Outcome::Refused(format!("not reverted in Git: {why}; to do it by hand: {}", by_hand())));
        }
    };
    if !tenure.is_valid() {
        return Err(Failure { class: Class::Retry, message: "another replica writes now".to_owned() });
    }
    let tip = taken.last().map_or(head, |taken| &taken.by).clone();
    let expected = job.aside.is_none().then(|| head.clone());
    let update = RefUpdate { name: job.target.clone(), expected, target: tip };
    let pushed = match ground.push(&remote, &job.mirror, &update).await {
        Ok(pushed) => pushed,
        Err(error) => {
            let failure = Failure { class: error.class(), message: chain(&error) };
            return if may_have_landed(&error) { Ok(Outcome::Failed(not_yet(failure))) } else { Err(failure) };
        }
    };
    let branch = job.target.short().to_owned();
    Ok(match (pushed, job.aside.clone()) {
        (PushOutcome::Pushed, Some(why)) => Outcome::Pushed { branch: Branch::Own { name: branch, why }, taken },
        (PushOutcome::Pushed, None) => Outcome::Pushed { branch: Branch::Followed(branch), taken },
        (PushOutcome::Raced { .. }, Some(_)) => {
            Outcome::Refused(format!("branch {branch} is there already; look at it"))
        }
        (PushOutcome::Raced { .. }, None) => Outcome::Raced,
        (PushOutcome::Refused { name, message }, _) => Outcome::Refused(format!(
            "not reverted in Git: {name} does not take it ({message}); to do it by hand: {}",
            by_hand()
        )),
    })
}

/// Writes the reverts, and sees to it that they lead where they shall and are trusted; returns what they take back, or says why
/// not.
fn write(
    job: &Push,
    head: &CommitId,
    person: &Person,
    now: Timestamp,
    sign: Option<&Sign<'_>>,
) -> Result<Result<Vec<Taken>, String>, GitError> {
    let mirror = Mirror::open_or_create(&job.mirror)?;
    // The time of the rollback, so that they are the same commits each time.
    let written = mirror.write_reverts(head, &job.reverts, person, job.hold.since, sign)?;
    let tip = written.last().unwrap_or(head).clone();
    let (after, healthy) = (mirror.snapshot(&tip)?, mirror.snapshot(&job.hold.healthy)?);
    for path in &job.paths {
        if after.tree_id(path)? != healthy.tree_id(path)? {
            return Ok(Err(format!("{path} would not be as it was at {}", job.hold.healthy.short())));
        }
    }
    let revision = mirror.revision(&tip)?;
    Ok(match job.demand.judge(&job.mirror, &revision, now) {
        Ok(_) => {
            let both = job.reverts.iter().zip(written);
            let taken = both.map(|(revert, by)| Ok(Taken { revision: mirror.revision(&revert.commit)?, by }));
            Ok(taken.collect::<Result<_, GitError>>()?)
        }
        Err(doubt) => {
            // Nobody can look at a commit that is not pushed, and its id would make each try another story.
            let why = doubt.failure().message.replacen(&format!("commit {} ", tip.short()), "commit ", 1);
            Err(format!("the revert would not be trusted: {why}"))
        }
    })
}
