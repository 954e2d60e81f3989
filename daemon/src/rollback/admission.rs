//! Before a pass: may the newest commit be applied, as far as rollbacks are concerned?
//!
//! A release is in the status before anything of the commit is applied.

use plumb_api::{
    environment::Attempt,
    request::{self, Request},
};
use plumb_core::{
    class::Class,
    commit::CommitId,
    gate::Wait,
    operation::Failure,
    rollback::{
        Mode, errand,
        hold::{self, Admission, Hold, Quarantined, Release, Retry, Rollback},
    },
    source::InputsDigest,
};
use plumb_git::{error::GitError, mirror::Mirror};

use super::{Answer, Done, arriving, by_hand, state};
use crate::{
    context::Context,
    gather::{self, Held, NotGathered},
    reconcile::Pass,
    report, settings,
    source::Source,
};

/// Commits of which the messages are read for a trailer: more than anybody pushes while an environment is held.
const MESSAGES_MAX: usize = 1000;

/// Keeps the environment at the commit that it was rolled back to, unless the newest commit may be applied.
///
/// # Errors
/// The newest commit can't be read, or the release could not be written: then nothing is done.
pub(crate) async fn admit(context: &Context, pass: &mut Pass) -> Result<(), NotGathered> {
    by_hand::answer(context, pass).await?;
    let mut rollback = state::rollback(&pass.memory.status);
    let Ok(newest) = pass.source.clone() else { return Ok(()) };
    if rollback.is_empty() {
        return Ok(());
    }
    arriving::look(pass, &newest, &mut rollback).await;
    // As long as nobody knows whether reverts have arrived, what somebody asks for waits: they may take it back again.
    let unsure = pass.unsure && rollback.reverting.as_ref().is_some_and(|reverting| reverting.progress.is_open());
    // What a person holds is none of that mode's.
    if pass.settings.rollback.mode == Mode::None && !rollback.is_by_hand() && !unsure {
        let mut released = heard(context, pass, rollback);
        released.forget();
        return release(context, pass, released, "spec.rollback.mode is None".to_owned(), None).await;
    }
    let known = if rollback.held.is_some() { &mut pass.memory.ahead } else { &mut pass.memory.wanted };
    let inputs = match gather::inputs(context, &pass.settings, &newest, known).await {
        Ok(inputs) => inputs,
        // Its path is gone, for one. What it is gone back to stays in force all the same.
        Err(NotGathered::Source(failure)) if failure.class == Class::Wait && rollback.held.is_some() => {
            keep_unread(pass, &newest, rollback.held, failure.message);
            return Ok(());
        }
        Err(why) => return Err(why),
    };
    let problems = known.rendered.as_ref().and_then(|rendered| rendered.result.as_ref().err()).cloned();
    // Nothing of it could be applied. Whoever pushes it has not said that what was rolled back is mended.
    if let (Some(problems), true) = (problems, rollback.held.is_some()) {
        let first = problems.first().map(ToString::to_string).unwrap_or_default();
        keep_unread(pass, &newest, rollback.held, first);
        return Ok(());
    }
    let asked = settings::request(&pass.resource, request::RETRY)
        .filter(|asked| !unsure && pass.memory.status.handled.get(request::RETRY) != Some(&asked.id));
    let retry = match (rollback.quarantine_of(&inputs), &asked) {
        (Some(_), Some(_)) => Retry::Asked,
        (Some(quarantined), None) if is_asked_for(&newest, quarantined).await => Retry::Trailer,
        (Some(_) | None, _) => Retry::No,
    };
    match rollback.admit(&inputs, retry) {
        Admission::Free => Ok(()),
        Admission::Released(why) => {
            let mut released = heard(context, pass, rollback);
            released.release(&inputs);
            let asked = asked.filter(|_| why == Release::Asked);
            let message = said(&newest.revision.commit, why, asked.as_ref());
            release(context, pass, released, message, asked).await
        }
        Admission::Quarantined(quarantined) => {
            keep(pass, &newest, rollback.held, quarantined);
            Ok(())
        }
    }
}

/// Keeps the environment where it is: at what it was rolled back to, or, where that is over and the same content came
/// again, at the commit that was begun last.
fn keep(pass: &mut Pass, newest: &Source, held: Option<Hold>, quarantined: Quarantined) {
    let commit_of = |attempt: &Attempt| CommitId::parse(&attempt.commit).ok();
    let newest = newest.revision.commit.clone();
    pass.held = Some(match held {
        Some(hold) => {
            pass.settings.policy.rolled_back = true;
            let at = Some(hold.healthy.clone());
            Held { newest, wait: Wait::RolledBack(Box::new(hold)), at, applied: None, lost: None, unread: None }
        }
        None => {
            // What was read of it is not what the pass is about.
            pass.memory.ahead = std::mem::take(&mut pass.memory.wanted);
            let status = &pass.memory.status;
            let at = status.last_attempted.as_ref().and_then(commit_of);
            let applied = status.last_applied.as_ref().and_then(commit_of);
            Held { newest, wait: Wait::Quarantined(quarantined.commit), at, applied, lost: None, unread: None }
        }
    });
}

/// Does so because what the newest commit would apply can't be read.
fn keep_unread(pass: &mut Pass, newest: &Source, held: Option<Hold>, why: String) {
    let unread = Quarantined { commit: newest.revision.commit.clone(), inputs: InputsDigest(String::new()) };
    keep(pass, newest, held, unread);
    pass.held = pass.held.take().map(|held| Held { unread: Some(why), ..held });
}

/// Takes in what became of a push that the release ends: it counts.
fn heard(context: &Context, pass: &Pass, mut rollback: Rollback) -> Rollback {
    if let Some(Done { head, answer: Answer::Push(outcome), .. }) = &pass.done {
        errand::hear(&mut rollback, head, outcome.clone(), context.clock.now());
    }
    rollback
}

async fn release(
    context: &Context,
    pass: &mut Pass,
    released: Rollback,
    message: String,
    asked: Option<Request>,
) -> Result<(), NotGathered> {
    if report::released(context, pass, &released, message, asked).await {
        return Ok(());
    }
    let message = "the status could not be written; nothing is applied before it is".to_owned();
    Err(NotGathered::Source(Failure { class: Class::Retry, message }))
}

fn said(newest: &CommitId, why: Release, asked: Option<&Request>) -> String {
    let who = asked.map(|asked| format!(" by {}", asked.user)).unwrap_or_default();
    let reason = asked.and_then(|asked| asked.reason.as_ref()).map(|reason| format!(": {reason}")).unwrap_or_default();
    format!("{} may be applied: {}{who}{reason}", newest.short(), why.because())
}

/// Returns whether a commit that came after the quarantined one asks for its content once more.
async fn is_asked_for(newest: &Source, quarantined: &Quarantined) -> bool {
    let (mirror, head, since) = (newest.mirror.clone(), newest.revision.commit.clone(), quarantined.commit.clone());
    let read = move || -> Result<bool, GitError> {
        Mirror::open_or_create(&mirror)?.any_message(&head, &since, MESSAGES_MAX, hold::asks_for_retry)
    };
    // What can't be read asks for nothing.
    matches!(tokio::task::spawn_blocking(read).await, Ok(Ok(true)))
}
