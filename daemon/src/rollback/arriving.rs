//! Whether a push of reverts has arrived of which nobody has heard: the process that made it was killed, or a look at the branch was
//! faster than its answer.

use plumb_core::{
    commit::{CommitId, RefName},
    environment::EnvironmentName,
    rollback::{
        arrival,
        hold::{Hold, Rollback},
        pushing::{self, Branch, Outcome, Reverting, Taken},
    },
};
use plumb_git::{error::GitError, mirror::Mirror};

use super::{Answer, Done};
use crate::{chain::chain, reconcile::Pass, source::Source};

/// Commits that are looked at for reverts: more than anybody pushes between a push and the next start of plumb.
const LATER_MAX: usize = 1000;

/// Takes what the branch tells for the answer to a push that was begun, unless there is a better one. Where it tells that the push
/// was none, it does not count any more.
pub(super) async fn look(pass: &mut Pass, newest: &Source, rollback: &mut Rollback) {
    let answered = matches!(&pass.done, Some(Done { answer: Answer::Push(Outcome::Pushed { .. }), .. }));
    let sought = arrival::sought(rollback, &newest.revision.commit).filter(|_| !answered);
    let Some((hold, Reverting { head, .. })) = sought else { return };
    let (source, hold, head, environment) = (newest.clone(), hold.clone(), head.clone(), pass.settings.name.clone());
    let since = head.clone();
    let read = tokio::task::spawn_blocking(move || taken(&source, &hold, &environment, &since)).await;
    let taken = match read {
        Ok(Ok(Some(taken))) => taken,
        // What was not read may hold them.
        Ok(Ok(None)) => return,
        Ok(Err(error)) => {
            tracing::warn!(environment = %pass.settings.name, "whether reverts have arrived can't be read: {}", chain(&error));
            return;
        }
        Err(_) => return,
    };
    if taken.is_empty() {
        pushing::miss(&mut rollback.pushes, &head);
        pass.missed = Some(head);
        return;
    }
    let branch = newest.revision.reference.as_ref().map_or("", RefName::short);
    let outcome = Outcome::Pushed { branch: Branch::Followed(branch.to_owned()), taken };
    let environment = pass.settings.name.clone();
    pass.done = Some(Done { environment, head, answer: Answer::Push(outcome) });
}

/// Returns what was taken back since by reverts of this rollback, in the order in which they were made; nothing where there is none
/// among more commits than are looked at.
fn taken(
    source: &Source,
    hold: &Hold,
    environment: &EnvironmentName,
    since: &CommitId,
) -> Result<Option<Vec<Taken>>, GitError> {
    let mirror = Mirror::open_or_create(&source.mirror)?;
    let later = mirror.later(&source.revision.commit, since, LATER_MAX)?;
    let pairs = arrival::arrived(&later, environment, hold);
    if pairs.is_empty() && later.len() >= LATER_MAX {
        return Ok(None);
    }
    let taken = pairs.into_iter().rev().map(|(commit, by)| Ok(Taken { revision: mirror.revision(&commit)?, by }));
    taken.collect::<Result<_, GitError>>().map(Some)
}
