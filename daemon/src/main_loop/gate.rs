//! The gate before a pass: the newest commit, or the one that was begun before?

use jiff::Timestamp;
use plumb_api::{Environment, EnvironmentStatus, environment::Attempt, request};
use plumb_core::{
    commit::CommitId,
    dependency::{Dependencies, Progress},
    gate::{self, Approach},
};

use crate::{
    gather::Held,
    rollback,
    settings::{self, Settings},
    source::Source,
};

/// Returns how far an environment is, for those that depend on it.
pub(super) fn progress(environment: &Environment) -> Progress {
    let unknown = EnvironmentStatus::default();
    let status = environment.status.as_ref().unwrap_or(&unknown);
    let current = |attempt: &&Attempt| Some(attempt.generation) == environment.metadata.generation;
    let applied = status.last_applied.as_ref().filter(current);
    let health = status.inventory.as_ref().map(|inventory| &inventory.health);
    let mode = settings::mode(environment.spec.rollback.mode);
    Progress {
        repository: environment.spec.repository.clone(),
        applied: applied.and_then(|attempt| CommitId::parse(&attempt.commit).ok()),
        healthy: health.is_some_and(|health| health.iter().all(|(label, count)| label == "Current" || *count == 0)),
        suspended: settings::is_suspended(environment),
        held: status.rollback.held.as_ref().map(|_| rollback::state::rollback(status).class(mode)),
    }
}

/// Returns what keeps the newest commit from beginning, and where the environment stays meanwhile. A changed spec acts at
/// once, on the commit that was begun.
pub(super) fn held(
    (settings, environment, status): (&Settings, &Environment, &EnvironmentStatus),
    newest: &Source,
    dependencies: &Dependencies,
    synced: bool,
    now: Timestamp,
) -> Option<Held> {
    let commit = &newest.revision.commit;
    let commit_of = |attempt: &Attempt| CommitId::parse(&attempt.commit).ok();
    let at = status.last_attempted.as_ref().and_then(commit_of);
    let asked = settings::request(environment, request::SYNC).filter(|asked| asked.now && synced);
    let wait = gate::wait(Approach {
        begun: at.as_ref() == Some(commit),
        unmet: dependencies.unmet(&settings.name, &settings.repository, commit),
        opening: settings.windows.at(now),
        pressed: asked.is_some_and(|asked| status.handled.get(request::SYNC) != Some(&asked.id)),
    })?;
    let applied = status.last_applied.as_ref().and_then(commit_of);
    Some(Held { newest: commit.clone(), wait, at, applied, lost: None, unread: None })
}
