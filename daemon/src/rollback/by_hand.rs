//! What a person asks for with `plumb rollback`: answered before the pass gathers, so that the hold is in the status before
//! anything is written to the cluster because of it.
//!
//! As long as the newest commit can't be read the request waits, and nothing is done.

use std::collections::BTreeSet;

use plumb_api::{
    EnvironmentStatus,
    request::{self, Request},
};
use plumb_core::{
    class::Class,
    commit::{CommitId, RepoPath},
    operation::Failure,
    rollback::{
        by_hand::{self, Asked, Refused},
        hold::{Hold, Rollback},
        revert::{Apart, STEPS_MAX},
    },
    source::InputsDigest,
};
use plumb_git::mirror::Mirror;

use super::{judging::records_end, state};
use crate::{
    context::Context,
    gather::{self, NotGathered},
    memory::Known,
    reconcile::Pass,
    report, settings,
    source::Source,
};

/// Answers the request to roll back, if there is one that was not answered.
///
/// # Errors
/// The newest commit can't be read, or the answer could not be written: then nothing is done.
pub(super) async fn answer(context: &Context, pass: &mut Pass) -> Result<(), NotGathered> {
    let asked = settings::request(&pass.resource, request::ROLLBACK)
        .filter(|asked| pass.memory.status.handled.get(request::ROLLBACK) != Some(&asked.id));
    let (Some(asked), Ok(newest)) = (asked, pass.source.clone()) else { return Ok(()) };
    let answer = decide(context, pass, &newest, &asked).await?;
    if report::rolled_back_by_hand(context, pass, &asked, answer).await {
        return Ok(());
    }
    let message = "the status could not be written; nothing is rolled back before it is".to_owned();
    Err(NotGathered::Source(Failure { class: Class::Retry, message }))
}

/// Returns the rollback that follows, or why there is none.
async fn decide(
    context: &Context,
    pass: &mut Pass,
    newest: &Source,
    asked: &Request,
) -> Result<Result<Rollback, String>, NotGathered> {
    let Some(target) = asked.commit.as_deref().and_then(|commit| CommitId::parse(commit).ok()) else {
        return Ok(Err("the request names no commit to go back to, in full".to_owned()));
    };
    let newest_inputs = gather::inputs(context, &pass.settings, newest, &mut pass.memory.ahead).await?;
    let mut known = Known::default();
    let desired = gather::desired_at(context, &pass.settings, newest.clone(), &target, &mut known).await;
    let target_inputs = desired.map(|_| InputsDigest(known.digest()));
    let (status, mut rollback) = (&pass.memory.status, state::rollback(&pass.memory.status));
    let in_force = in_force(status);
    let refused = by_hand::refuse(&Asked {
        target: &target,
        target_inputs: target_inputs.as_ref(),
        apart: apart(newest, &target).await,
        newest: &newest.revision.commit,
        newest_inputs: &newest_inputs,
        in_force: in_force.as_ref().map(|(_, inputs)| inputs),
        held: rollback.held.as_ref(),
        suspended: pass.settings.policy.suspended,
    });
    let (Some(in_force), Some(target_inputs), None) = (in_force, target_inputs, &refused) else {
        return Ok(Err(refused.unwrap_or(Refused::Unreadable(target)).to_string()));
    };
    let revision = &newest.revision;
    let hold = Hold {
        healthy: target,
        commit: revision.commit.clone(),
        author: revision.author.clone(),
        subject: revision.subject.clone(),
        reason: by_hand::reason(&asked.user, asked.reason.as_deref()),
        since: context.clock.now(),
        records: records_end(pass),
        by: Some(asked.user.clone()),
    };
    rollback.roll_back_by_hand(hold, newest_inputs, in_force, &target_inputs);
    Ok(Ok(rollback))
}

/// Returns what was begun last.
fn in_force(status: &EnvironmentStatus) -> Option<(CommitId, InputsDigest)> {
    let attempted = status.last_attempted.as_ref()?;
    Some((CommitId::parse(&attempted.commit).ok()?, InputsDigest(attempted.inputs.clone())))
}

/// Returns why a commit did not lead to the newest one by first parents, if so; what can't be read did not.
async fn apart(newest: &Source, target: &CommitId) -> Option<Apart> {
    let (mirror, head, target) = (newest.mirror.clone(), newest.revision.commit.clone(), target.clone());
    let nothing: BTreeSet<RepoPath> = BTreeSet::new();
    let read = move || Mirror::open_or_create(&mirror)?.first_parents(&head, &target, &nothing, STEPS_MAX);
    match tokio::task::spawn_blocking(read).await {
        Ok(Ok(steps)) => steps.err(),
        Ok(Err(_)) | Err(_) => Some(Apart::Unrelated),
    }
}
