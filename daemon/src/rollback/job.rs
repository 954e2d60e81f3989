//! What a rollback asks for outside of the cluster, as plain values: a push of reverts, or a pull request for them; and what became
//! of it. Carried out by a task of its own, while passes go on.

use std::sync::Arc;

use plumb_api::Repository;
use plumb_cluster::tenure::Tenure;
use plumb_core::{
    class::Class,
    commit::CommitId,
    environment::EnvironmentName,
    rollback::{
        errand,
        proposing::wanted,
        pushing::{Outcome, Reverting},
    },
};
use tokio_util::sync::CancellationToken;

use super::{
    proposing::{self, Told, Wish},
    reverting::{self, Push},
};
use crate::repositories::Ground;

/// What is asked for.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) environment: EnvironmentName,
    /// The newest commit of the branch that is followed.
    pub(crate) head: CommitId,
    pub(super) task: Task,
}

/// What is to be done.
#[derive(Debug)]
pub(super) enum Task {
    /// Reverts are to be pushed.
    Push(Box<Push>),
    /// A pull request is to be opened.
    Propose(Box<Wish>),
}

/// What became of it.
#[derive(Debug, Clone)]
pub(crate) struct Done {
    pub(crate) environment: EnvironmentName,
    pub(crate) head: CommitId,
    pub(crate) answer: Answer,
}

/// The answer to it.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    Push(Outcome),
    Proposal(Told),
}

impl Done {
    /// Returns what helps where it failed.
    pub(crate) fn class(&self) -> Option<Class> {
        match &self.answer {
            Answer::Push(outcome) => outcome.class(),
            Answer::Proposal(told) => told.pull.state.class(),
        }
    }
}

impl Job {
    /// Returns whether a Repository wants it.
    pub(crate) fn is_wanted(&self, repository: &Repository) -> bool {
        match self.task {
            Task::Push(_) => true,
            Task::Propose(_) => repository.spec.pull_requests.is_some(),
        }
    }

    /// Returns whether the status says that it has begun; nothing else is done.
    pub(crate) fn is_begun(&self, written: Option<&Reverting>) -> bool {
        match self.task {
            Task::Push(_) => errand::is_begun(written, &self.head),
            Task::Propose(_) => wanted(written.filter(|written| written.head == self.head)).is_some(),
        }
    }

    /// Carries it out, as long as the tenure lasts. A push is ended by `end`; whether it arrived then is not known.
    pub(crate) async fn carry_out(
        self,
        ground: &Ground,
        resource: &Arc<Repository>,
        tenure: &Tenure,
        end: &CancellationToken,
    ) -> Done {
        let Self { environment, head, task } = self;
        let answer = match task {
            Task::Push(push) => {
                let pushed = end.run_until_cancelled(reverting::carry_out(ground, resource, tenure, &head, *push));
                Answer::Push(pushed.await.unwrap_or_else(reverting::ended))
            }
            Task::Propose(wish) => Answer::Proposal(proposing::carry_out(ground, resource, tenure, *wish).await),
        };
        Done { environment, head, answer }
    }
}
