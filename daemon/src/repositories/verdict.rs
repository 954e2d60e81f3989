//! What the status of a Repository says after a look.

use plumb_api::{
    Repository,
    condition::{self, Condition, ConditionStatus},
    repository::RevisionStatus,
};
use plumb_core::class::Class;

use super::Unfound;
use crate::{
    publisher::trouble::Trouble,
    status::{self, Verdict},
    trust::Doubt,
};

/// Returns whether the last look failed.
pub(super) fn is_failed(conditions: &[Condition]) -> bool {
    conditions.iter().any(|known| known.type_ == condition::READY && known.status == ConditionStatus::False)
}

/// Returns the conditions of a Repository, as of its newest look.
pub(super) fn conditions(
    (resource, outcome): (&Repository, &Result<(), Unfound>),
    revision: Option<&RevisionStatus>,
    trouble: Option<&Trouble>,
    before: &[Condition],
    now: jiff::Timestamp,
) -> Vec<Condition> {
    let at = revision.map_or("no commit", |revision| revision.commit.get(..7).unwrap_or_default());
    let (ready, reason, message) = match outcome {
        _ if resource.spec.suspend => (true, "Suspended", format!("suspended at {at}: no new commits are looked for")),
        Ok(()) => (true, "Fetched", format!("at {at}")),
        Err(Unfound::Fetch(failure) | Unfound::Trust(Doubt::Mirror(failure))) => {
            (false, "FetchFailed", failure.message.clone())
        }
        Err(Unfound::Trust(Doubt::Keys(failure))) => (false, "TrustedKeysInvalid", failure.message.clone()),
        Err(Unfound::Trust(Doubt::Untrusted(failure))) => {
            (false, "UntrustedCommit", format!("{}\nenvironments stay at {at}", failure.message))
        }
    };
    let stalled = outcome.as_ref().is_err_and(|unfound| unfound.failure().class != Class::Retry);
    let verdict =
        Verdict { holds: &[(condition::READY, ready), (condition::STALLED, stalled)], reason, message: &message };
    let mut conditions = status::conditions(&verdict, before, resource.metadata.generation, now);
    if let Some(Trouble { obstacle, failure }) = trouble {
        let holds = &[(condition::RECORDS_UNPUBLISHED, true)];
        let verdict = Verdict { holds, reason: obstacle.reason(), message: &failure.message };
        conditions.extend(status::conditions(&verdict, before, resource.metadata.generation, now));
    }
    conditions
}
