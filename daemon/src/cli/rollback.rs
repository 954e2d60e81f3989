//! `plumb rollback`: shows what going back would change, in the cluster and in Git, then has the daemon do it.

use std::collections::{BTreeMap, BTreeSet};

use clap::Args;
use plumb_api::{
    Environment, EnvironmentStatus,
    condition::{self, ConditionStatus},
    duration::DurationText,
    environment::HistoryEntry,
    request,
};
use plumb_core::{
    commit::{CommitId, RefName, RepoPath},
    rollback::{
        Mode,
        by_hand::{self, Asked},
        outage::Sharers,
        pushing,
        revert::{self, Apart, Input, Revert, RevertPlan, STEPS_MAX, Step},
    },
    source::{Inputs, InputsDigest},
};

use super::{
    Outcome, allow,
    asking::{self, Wish},
    connection::{ConnectionArgs, Written, with_session},
    diff::{self, source::Fetched},
    error::CliError,
    screen, standing,
    waiting::{self, Progress},
    writers,
};
use crate::{
    report::{ending::Ending, state::digest},
    rollback::state,
    rules,
    settings::{self, Settings},
};

/// Take an Environment back to an older commit
///
/// Shows first what changes in the cluster, and which commits are reverted in Git, as spec.rollback.mode says. The daemon then does
/// what it does when a commit breaks an Environment: the older commit is applied at once, the Environment is held there, and the
/// reverts are pushed. With the modes None and Restore Git stays as it is.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  plumb rollback production --dry-run                       what would happen?
  plumb rollback production --reason \"checkout is slow\"     to the commit that was healthy before
  plumb rollback production --to 1a2b3c4

Exit codes: 0 it is rolled back, or --dry-run says that it could be; 1 it is not, or not in time; 2 error")]
pub(crate) struct RollbackArgs {
    /// Environment, as NAME or NAMESPACE/NAME
    #[arg(value_name = "ENV")]
    environment: Written,
    /// Commit to go back to, one that led to the newest by first parents; abbreviations of those that the Environment's status names are
    /// enough. Without it the last one that was healthy with another content
    #[arg(long, value_name = "REV")]
    to: Option<String>,
    /// Only show what would happen
    #[arg(long)]
    dry_run: bool,
    /// How long to wait
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = DurationText::parse)]
    timeout: DurationText,
    /// Why, for the record and for the reverts
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    #[command(flatten)]
    connection: ConnectionArgs,
}

/// Shows what would happen, and has it done.
pub(crate) fn perform(arguments: &RollbackArgs) -> Result<Outcome, CliError> {
    with_session(&arguments.connection, |session| async move {
        let name = session.name(&arguments.environment)?;
        let environment = session.environment(&name).await?;
        let (mut settings, invalid) = settings::read(&environment, &rules::compile(&environment.spec.health));
        if let Some(failure) = invalid {
            return Err(CliError::InvalidSpec { name, message: failure.message });
        }
        let status = environment.status.clone().unwrap_or_default();
        let target = match &arguments.to {
            Some(written) => allow::resolve(written, &status)?,
            None => before(&status).ok_or_else(|| CliError::NothingBefore { name: name.clone() })?,
        };
        let fetched = Fetched::new(&session, &settings, None, None).await?;
        let revert = compare(&settings, &status, &fetched, &target)?;
        settings.policy.rolled_back = true;
        let source = fetched.read(&target, &settings.path)?;
        let shown = diff::shown(&session, &environment, &settings, &source).await?;
        let revision = fetched.mirror.revision(&target).map_err(|error| fetched.unreadable(error))?;
        let (short, subject, author) = (target.short(), &revision.subject, &revision.author);
        let reason = by_hand::reason("you", arguments.reason.as_deref());
        let in_git = revert.shown(&settings, &fetched, &target, &reason);
        let goes = if arguments.dry_run { "would go" } else { "goes" };
        screen::print(&screen::plain(&format!("{name} {goes} back to {short} {subject:?} by {author}\n")))?;
        screen::print(&format!("{shown}{}", screen::plain(&in_git)))?;
        if arguments.dry_run {
            return Ok(Outcome::Yes);
        }
        let wish = Wish { reason: arguments.reason.clone(), commit: Some(target.to_string()), ..Wish::default() };
        let (id, _) = asking::ask(&session, &name, request::ROLLBACK, wish).await?;
        writers::remark(&session).await?;
        let look = async |name: &_, id: &str| Ok(progress(&session.environment(name).await?, id, &target));
        let asked = BTreeMap::from([(name, id)]);
        waiting::wait(asked, arguments.timeout.get(), waiting::NEXT_OF_ENVIRONMENTS, look).await
    })
}

/// Returns the newest commit that a status knows to have been good, and that has another content than what is in force.
fn before(status: &EnvironmentStatus) -> Option<CommitId> {
    let in_force = status.last_attempted.as_ref()?;
    let healthy = status.last_healthy.as_ref().filter(|healthy| healthy.inputs != in_force.inputs);
    let is = |entry: &HistoryEntry, ending| Ending::parse(&entry.result) == Some(ending);
    let is_bad = |commit: &str| {
        let of_it = status.history.iter().filter(|entry| entry.revision.commit == commit);
        let held = status.rollback.held.as_ref().is_some_and(|held| held.commit == commit);
        held || of_it.into_iter().any(|entry| is(entry, Ending::RolledBack) || entry.rolled_back_by.is_some())
    };
    let applied = status.history.iter().filter(|entry| is(entry, Ending::Applied)).map(|entry| &entry.revision.commit);
    // What is in force is the newest of them, or was restored.
    let other = |commit: &&String| **commit != in_force.commit && !is_bad(commit);
    let healthy = healthy.map(|healthy| &healthy.commit).filter(|commit| !is_bad(commit));
    CommitId::parse(healthy.or_else(|| applied.into_iter().find(other))?).ok()
}

/// What would be reverted in Git.
struct Reverting {
    steps: Result<Vec<Step>, Apart>,
}

/// Compares the newest commit with the one to go back to.
///
/// # Errors
/// There is a reason not to go there.
fn compare(
    settings: &Settings,
    status: &EnvironmentStatus,
    fetched: &Fetched,
    target: &CommitId,
) -> Result<Reverting, CliError> {
    let read = |commit: &CommitId| fetched.read(commit, &settings.path).map(|source| source.tree);
    let newest = read(&fetched.commit)?.inputs;
    let there = read(target).ok().filter(|tree| tree.problems.is_empty()).map(|tree| tree.inputs);
    let paths: BTreeSet<RepoPath> =
        newest.0.keys().chain(there.iter().flat_map(|inputs| inputs.0.keys())).cloned().collect();
    let steps =
        fetched.mirror.first_parents(&fetched.commit, target, &paths, STEPS_MAX).unwrap_or(Err(Apart::Unrelated));
    let of = |inputs: &Inputs| InputsDigest(digest(inputs));
    let in_force = status.last_attempted.as_ref().map(|attempt| InputsDigest(attempt.inputs.clone()));
    let refused = by_hand::refuse(&Asked {
        target,
        target_inputs: there.as_ref().map(of).as_ref(),
        apart: steps.as_ref().err().copied(),
        newest: &fetched.commit,
        newest_inputs: &of(&newest),
        in_force: in_force.as_ref(),
        held: state::rollback(status).held.as_ref(),
        suspended: settings.policy.suspended,
    });
    match refused {
        Some(why) => Err(CliError::NotRolledBack { name: settings.name.clone(), why }),
        None => Ok(Reverting { steps }),
    }
}

impl Reverting {
    /// Returns what would be reverted in Git, in words.
    fn shown(&self, settings: &Settings, fetched: &Fetched, target: &CommitId, reason: &str) -> String {
        let input = Input {
            environment: &settings.name,
            mode: settings.rollback.mode,
            path: &settings.path,
            healthy: target,
            reason,
            records: None,
            branch: fetched.reference.as_ref(),
            steps: self.steps.as_deref().map_err(|apart| *apart),
            // Whether others are healthy with it is known to the daemon alone.
            content: &Sharers::default(),
            pushes: &[],
            now: jiff::Timestamp::UNIX_EPOCH,
        };
        let followed = fetched.reference.as_ref().map_or("main", RefName::short);
        match revert::plan(&input) {
            RevertPlan::Push(reverts) => self.list(&reverts, &format!("on {followed}")),
            RevertPlan::Branch { name, reverts, why } => {
                let name = name.short();
                self.list(&reverts, &format!("on branch {name}, since {why}"))
            }
            RevertPlan::Stalled(why) => format!("in Git: {}\n", why.story(&input)),
            RevertPlan::Nothing => {
                let mode = if settings.rollback.mode == Mode::None { "None" } else { "Restore" };
                let by_hand = revert::commands(followed, target, &settings.path);
                format!("in Git: nothing, since spec.rollback.mode is {mode}; to revert there, too: {by_hand}\n")
            }
        }
    }

    fn list(&self, reverts: &[Revert], place: &str) -> String {
        let subject = |revert: &Revert| {
            let step = self.steps.iter().flatten().find(|step| step.commit == revert.commit);
            step.map(Step::subject).unwrap_or_default()
        };
        let lines = reverts.iter().map(|revert| format!("  {} {:?}\n", revert.commit.short(), subject(revert)));
        format!("in Git: {} commit(s) reverted {place}, newest first:\n{}", reverts.len(), lines.collect::<String>())
    }
}

/// Judges how far a rollback to a commit is.
fn progress(environment: &Environment, id: &str, target: &CommitId) -> Progress {
    let status = environment.status.clone().unwrap_or_default();
    let message = standing::message(&status.conditions).replace('\n', "\n  ");
    if status.handled.get(request::ROLLBACK).map(String::as_str) != Some(id) {
        return Progress::Underway(format!("waiting for the daemon; so far: {message}"));
    }
    if let Some(refused) = status.rollback.refused.as_ref().filter(|refused| refused.id == id) {
        return Progress::Stuck(refused.message.clone());
    }
    if status.rollback.held.as_ref().is_none_or(|held| held.healthy != target.as_str()) {
        // The reverts have come back, or somebody has pushed another content.
        let ready = standing::status(&status.conditions, condition::READY) == Some(ConditionStatus::True);
        return if ready {
            Progress::Ready(message)
        } else {
            Progress::Underway(format!("a newer commit counts: {message}"))
        };
    }
    let at = |attempt: &Option<plumb_api::environment::Attempt>| {
        attempt.as_ref().is_some_and(|attempt| attempt.commit == target.as_str())
    };
    if !at(&status.last_attempted) || !at(&status.last_applied) {
        return Progress::Underway(format!("going back to {}: {message}", target.short()));
    }
    let held = format!("held at {}", target.short());
    let reverts = matches!(settings::mode(environment.spec.rollback.mode), Mode::Revert | Mode::Branch);
    match state::rollback(&status).reverting {
        Some(reverting) => {
            let told = format!("{held}; {}", reverting.words());
            match reverting.progress {
                pushing::Progress::Begun => Progress::Underway(told),
                pushing::Progress::Pushed | pushing::Progress::Proposed => Progress::Ready(told),
                pushing::Progress::Hindered | pushing::Progress::Stalled => Progress::Stuck(told),
            }
        }
        None if reverts => Progress::Underway(format!("{held}; the reverts are prepared")),
        None => Progress::Ready(format!("{held}; Git stays as it is")),
    }
}

#[cfg(test)]
mod tests;
