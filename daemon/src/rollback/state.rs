//! What an Environment's status keeps of rollbacks, in core's words and back.
//!
//! What can't be read counts as absent: then nothing is blamed, and nothing that was healthy is gone back to.

use jiff::Timestamp;
use plumb_api::{
    EnvironmentStatus,
    rollback::{
        HealthyStatus, HeldStatus, ObservedStatus, PullRequestState, PullRequestStatus, PushStatus, QuarantinedStatus,
        RevertProgress, RevertingStatus, RollbackStatus, WatchStatus,
    },
};
use plumb_core::{
    commit::CommitId,
    rollback::{
        Healthy,
        hold::{Hold, Quarantined, RecordsEnd, Rollback},
        proposing::{Pull, State},
        pushing::{Progress, Push, Reverting},
        watch::{Observed, Watch},
    },
    source::InputsDigest,
    wave::Wave,
};

/// Returns what is held and quarantined.
pub(crate) fn rollback(status: &EnvironmentStatus) -> Rollback {
    let RollbackStatus { held, quarantined, reverting, pushes, refused: _, watch: _ } = &status.rollback;
    let pushes = pushes.iter().filter_map(|PushStatus { head, at, branch }| {
        Some(Push { head: CommitId::parse(head).ok()?, at: at.parse().ok()?, branch: branch.clone() })
    });
    let quarantined = quarantined.iter().filter_map(|known| {
        Some(Quarantined { commit: CommitId::parse(&known.commit).ok()?, inputs: InputsDigest(known.inputs.clone()) })
    });
    Rollback {
        held: held.as_ref().and_then(hold),
        quarantined: quarantined.collect(),
        reverting: reverting.as_ref().and_then(self::reverting),
        pushes: pushes.collect(),
    }
}

fn reverting(status: &RevertingStatus) -> Option<Reverting> {
    let RevertingStatus { head, progress, message, branch, pull_request } = status;
    let progress = match progress {
        RevertProgress::Begun => Progress::Begun,
        RevertProgress::Hindered => Progress::Hindered,
        RevertProgress::Pushed => Progress::Pushed,
        RevertProgress::Proposed => Progress::Proposed,
        RevertProgress::Stalled => Progress::Stalled,
    };
    let (head, message) = (CommitId::parse(head).ok()?, message.clone());
    Some(Reverting { head, progress, message, branch: branch.clone(), pull: pull_request.as_ref().map(pull) })
}

fn pull(PullRequestStatus { state, message }: &PullRequestStatus) -> Pull {
    let state = match state {
        PullRequestState::Opened => State::Opened,
        PullRequestState::Retried => State::Retried,
        PullRequestState::Stalled => State::Stalled,
    };
    Pull { state, message: message.clone() }
}

fn hold(HeldStatus { healthy, commit, author, subject, reason, since, records, by }: &HeldStatus) -> Option<Hold> {
    Some(Hold {
        healthy: CommitId::parse(healthy).ok()?,
        commit: CommitId::parse(commit).ok()?,
        author: author.clone(),
        subject: subject.clone(),
        reason: reason.clone(),
        since: since.parse().ok()?,
        records: records.as_deref().and_then(RecordsEnd::parse),
        by: by.clone(),
    })
}

/// Returns what was healthy last.
pub(crate) fn healthy(status: &EnvironmentStatus) -> Option<Healthy> {
    let HealthyStatus { commit, inputs, generation, lost } = status.last_healthy.as_ref()?;
    Some(Healthy {
        commit: CommitId::parse(commit).ok()?,
        inputs: InputsDigest(inputs.clone()),
        generation: *generation,
        lost: lost.as_ref().map(|lost| lost.parse().unwrap_or(Timestamp::UNIX_EPOCH)),
    })
}

/// Returns the range that is watched.
pub(crate) fn watch(status: &EnvironmentStatus) -> Option<Watch> {
    let WatchStatus { commit, began, since, wave, ailing, observed, acquitted, suspected } =
        status.rollback.watch.as_ref()?;
    Some(Watch {
        commit: CommitId::parse(commit).ok()?,
        began: began.parse().ok()?,
        since: since.parse().ok()?,
        wave: wave.map(Wave),
        ailing: *ailing,
        observed: observed.as_ref().and_then(self::observed),
        acquitted: acquitted.clone(),
        suspected: *suspected,
    })
}

fn observed(ObservedStatus { commit, inputs, generation, at, lost }: &ObservedStatus) -> Option<Observed> {
    let healthy = Healthy {
        commit: CommitId::parse(commit).ok()?,
        inputs: InputsDigest(inputs.clone()),
        generation: *generation,
        lost: None,
    };
    Some(Observed { healthy, at: at.parse().ok()?, lost: *lost })
}

/// Writes what is held, quarantined and watched.
pub(crate) fn write(status: &mut EnvironmentStatus, rollback: &Rollback, watch: Option<&Watch>) {
    let Rollback { held, quarantined, reverting, pushes } = rollback;
    let quarantined = quarantined.iter().map(|Quarantined { commit, inputs }| QuarantinedStatus {
        commit: commit.to_string(),
        inputs: inputs.0.clone(),
    });
    status.rollback = RollbackStatus {
        held: held.as_ref().map(|Hold { healthy, commit, author, subject, reason, since, records, by }| HeldStatus {
            healthy: healthy.to_string(),
            commit: commit.to_string(),
            author: author.clone(),
            subject: subject.clone(),
            reason: reason.clone(),
            since: since.to_string(),
            records: records.as_ref().map(ToString::to_string),
            by: by.clone(),
        }),
        quarantined: quarantined.collect(),
        reverting: reverting.as_ref().map(written_reverting),
        pushes: pushes.iter().map(written_push).collect(),
        // A person has yet to read it.
        refused: status.rollback.refused.take(),
        watch: watch.map(written),
    };
}

fn written_push(Push { head, at, branch }: &Push) -> PushStatus {
    PushStatus { head: head.to_string(), at: at.to_string(), branch: branch.clone() }
}

fn written_reverting(Reverting { head, progress, message, branch, pull }: &Reverting) -> RevertingStatus {
    let pull_request = |Pull { state, message }: &Pull| PullRequestStatus {
        state: match state {
            State::Opened => PullRequestState::Opened,
            State::Retried => PullRequestState::Retried,
            State::Stalled => PullRequestState::Stalled,
        },
        message: message.clone(),
    };
    RevertingStatus {
        head: head.to_string(),
        progress: match progress {
            Progress::Begun => RevertProgress::Begun,
            Progress::Hindered => RevertProgress::Hindered,
            Progress::Pushed => RevertProgress::Pushed,
            Progress::Proposed => RevertProgress::Proposed,
            Progress::Stalled => RevertProgress::Stalled,
        },
        message: message.clone(),
        branch: branch.clone(),
        pull_request: pull.as_ref().map(pull_request),
    }
}

fn written(Watch { commit, began, since, wave, ailing, observed, acquitted, suspected }: &Watch) -> WatchStatus {
    WatchStatus {
        commit: commit.to_string(),
        began: began.to_string(),
        since: since.to_string(),
        wave: wave.map(|wave| wave.0),
        ailing: *ailing,
        observed: observed.as_ref().map(|Observed { healthy, at, lost }| ObservedStatus {
            commit: healthy.commit.to_string(),
            inputs: healthy.inputs.0.clone(),
            generation: healthy.generation,
            at: at.to_string(),
            lost: *lost,
        }),
        acquitted: acquitted.clone(),
        suspected: *suspected,
    }
}

/// Writes what was healthy last.
pub(crate) fn write_healthy(status: &mut EnvironmentStatus, healthy: Option<&Healthy>) {
    status.last_healthy = healthy.map(|Healthy { commit, inputs, generation, lost }| HealthyStatus {
        commit: commit.to_string(),
        inputs: inputs.0.clone(),
        generation: *generation,
        lost: lost.map(|lost| lost.to_string()),
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let commit = |digit: &str| CommitId::parse(&digit.repeat(40)).expect("an id");
        let at = |second| Timestamp::from_second(second).expect("a time");
        let inputs = || InputsDigest("abc".to_owned());
        let healthy = Healthy { commit: commit("1"), inputs: inputs(), generation: 3, lost: Some(at(9)) };
        let text = str::to_owned;
        let held = Hold {
            healthy: commit("1"),
            commit: commit("2"),
            author: text("Ada <ada@example.com>"),
            subject: text("web: new"),
            reason: text("Deployment shop/web: sick"),
            since: at(5),
            records: RecordsEnd::parse(&format!("refs/notes/plumb/eu-1 {}", commit("4"))),
            by: Some(text("ann")),
        };
        let rollback = Rollback {
            held: Some(held),
            quarantined: vec![Quarantined { commit: commit("2"), inputs: inputs() }],
            reverting: Some(Reverting {
                branch: Some(text("plumb/revert-main")),
                pull: Some(Pull { state: State::Retried, message: text("503") }),
                ..Reverting::new(commit("3"), Progress::Proposed, text("waits"))
            }),
            pushes: vec![Push { head: commit("3"), at: at(8), branch: Some(text("plumb/revert-main")) }],
        };
        let observed = Observed { healthy: Healthy { lost: None, ..healthy.clone() }, at: at(7), lost: true };
        let watch = Watch {
            commit: commit("2"),
            began: at(1),
            wave: Some(Wave(-3)),
            since: at(2),
            ailing: true,
            observed: Some(observed),
            acquitted: Some(text("not rolled back: …")),
            suspected: true,
        };
        let mut status = EnvironmentStatus::default();
        assert_eq!((self::rollback(&status), self::watch(&status)), (Rollback::default(), None));
        write(&mut status, &rollback, Some(&watch));
        write_healthy(&mut status, Some(&healthy));
        assert_eq!((self::rollback(&status), self::watch(&status)), (rollback, Some(watch)));
        assert_eq!(self::healthy(&status), Some(healthy));
        write(&mut status, &Rollback::default(), None);
        write_healthy(&mut status, None);
        assert_eq!(status, EnvironmentStatus::default());
    }
}
