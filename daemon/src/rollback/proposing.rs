//! The pull request for reverts that wait on a branch: planned once the status says that the branch is pushed, opened by a task.
//!
//! Killed anywhere it is planned again, and found if it is there. Must never do: hold up or hide that the branch is pushed.

use std::path::PathBuf;

use plumb_api::Repository;
use plumb_cluster::tenure::Tenure;
use plumb_core::{
    commit::{CommitId, Revision},
    forge::proposal::Proposal,
    rollback::{
        hold::Hold,
        proposing::{self, Pull, State, wanted},
    },
};
use plumb_git::mirror::Mirror;

use super::{Judged, job::Task};
use crate::{forge, reconcile::Pass, repositories::Ground};

/// A pull request that is to be opened.
#[derive(Debug)]
pub(super) struct Wish {
    proposal: Proposal,
    mirror: PathBuf,
    /// The commit that was rolled back.
    commit: CommitId,
}

/// What became of one.
#[derive(Debug, Clone)]
pub(crate) struct Told {
    pub(crate) pull: Pull,
    /// The branch that it is for.
    pub(crate) branch: String,
    /// The commit that was rolled back; absent where it can't be read any more.
    pub(crate) revision: Option<Revision>,
}

/// Takes in what became of a pull request for this state of the branch.
pub(super) fn end(judged: &mut Judged, head: &CommitId, told: Told) {
    if proposing::end(judged.rollback.reverting.as_mut(), head, &told.pull) {
        judged.proposed = Some(told);
    }
}

/// Returns the pull request that is called for.
pub(super) fn plan(pass: &Pass, judged: &Judged, hold: &Hold) -> Option<Task> {
    let reverting = judged.rollback.reverting.as_ref()?;
    let about = (wanted(Some(reverting))?, reverting.message.as_str());
    let source = pass.source.as_ref().ok()?;
    let base = source.revision.reference.as_ref()?;
    let proposal = proposing::proposal(&pass.settings.name, hold, about, base);
    let (mirror, commit) = (source.mirror.clone(), hold.commit.clone());
    Some(Task::Propose(Box::new(Wish { proposal, mirror, commit })))
}

/// Opens a pull request, as long as the tenure lasts.
pub(super) async fn carry_out(ground: &Ground, resource: &Repository, tenure: &Tenure, wish: Wish) -> Told {
    let Wish { proposal, mirror, commit } = wish;
    let pull = match forge::propose(&ground.cluster, resource, tenure, &proposal).await {
        Ok(message) => Pull { state: State::Opened, message },
        Err(failure) => Pull { state: State::after(failure.class), message: failure.message },
    };
    let revision = tokio::task::spawn_blocking(move || Mirror::open_or_create(&mirror)?.revision(&commit)).await;
    Told { pull, branch: proposal.branch, revision: revision.ok().and_then(Result::ok) }
}
