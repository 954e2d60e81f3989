//! What of a pass's drifts becomes records and part of the status: each fact once, however often it shows.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use plumb_api::{
    EnvironmentStatus,
    environment::{DriftStatus, FieldChange},
};
use plumb_core::{
    contention::{Quarrel, Turn},
    fields::managed::ManagedBy,
    object::ObjectKey,
    record::RecordKind,
};

use super::{Outcome, action::Action, scribe::Scribe};
use crate::drift::{self, Found, What};

/// Drifts that a status keeps.
const DRIFTS_MAX: usize = 20;
/// A correction within this time after one of the same fields is counted together with others.
const AGAIN_WITHIN: SignedDuration = SignedDuration::from_hours(1);
/// Fields of one drift that a status keeps.
const FIELDS_MAX: usize = 10;

impl Scribe<'_> {
    pub(super) fn drifts(&mut self, outcome: &Outcome, status: &mut EnvironmentStatus) {
        let noticed = self.pass.noticed.unwrap_or(outcome.started);
        let took = Duration::try_from(self.now.duration_since(noticed)).unwrap_or_default();
        for found in &outcome.found {
            let action = Action::of(found, &outcome.deeds);
            if !found.drift.corrected && found.what != What::ForeignFields {
                self.pass.memory.reported.insert(found.drift.key.clone(), found.drift.found);
            }
            let entry = entry(found, noticed, action, took);
            if is_told(status, found, action, &entry) {
                continue;
            }
            let (attribution, again) = (Some(found.attribution.clone()), is_again(status, &entry, self.now));
            self.record(action.kind(), vec![found.drift.key.clone()], self.message(found, action, took), |record| {
                record.attribution = attribution;
                record.again = again;
                record.took = action.is_over().then_some(took);
            });
            roll_up(status, action, &entry);
            status.drift.insert(0, entry);
        }
        status.drift.truncate(DRIFTS_MAX);
    }

    fn message(&self, found: &Found, action: Action, took: Duration) -> String {
        let sentence = drift::sentence(found);
        match action {
            Action::Corrected => format!("{sentence}; put back after {} ms", took.as_millis()),
            Action::Removed => format!("{sentence}; removed after {} ms", took.as_millis()),
            Action::Reported | Action::Failed => format!("{sentence}; left as it is"),
            Action::Contended => {
                let quarrel = self.pass.memory.corrections.get(&found.drift.key);
                let quarrel = quarrel.and_then(|corrections| corrections.quarrel());
                let often = quarrel.map_or(0, |quarrel| quarrel.corrections);
                format!("{sentence}; put back {often} times within a minute, and from now on less and less often")
            }
        }
    }

    /// Records the quarrels that are over.
    pub(super) fn peace(&mut self, quarrels: &[(ObjectKey, Quarrel)]) {
        for (key, quarrel) in quarrels {
            let (fields, often) = (quarrel.fields(), quarrel.corrections);
            let message = format!(
                "{key}: {} has ceased to change {fields}; it was put back {often} times since {}",
                quarrel.by, quarrel.since
            );
            self.record(RecordKind::Contended, vec![key.clone()], message, |record| {
                record.who = Some(quarrel.by.clone());
                record.count = Some(often as u64);
            });
        }
    }
}

/// Returns whether the drift has a record and a place in the status already: one that can't be corrected is found by
/// every try, one of a quarrel by every round, and one that was only reported by the first pass after a restart.
fn is_told(status: &EnvironmentStatus, found: &Found, action: Action, entry: &DriftStatus) -> bool {
    let same = |known: &&DriftStatus| known.object == entry.object && known.action == entry.action;
    let mut known = status.drift.iter().filter(same);
    match action {
        Action::Corrected | Action::Removed => false,
        Action::Contended => found.turn == Turn::Went,
        Action::Failed => known.next().is_some(),
        Action::Reported => {
            known.any(|known| DriftStatus { noticed: entry.noticed.clone(), ..known.clone() } == *entry)
        }
    }
}

/// Returns whether the same writer's change of the same fields was put back shortly before, on the same commit: what one line
/// can count.
fn is_again(status: &EnvironmentStatus, entry: &DriftStatus, now: Timestamp) -> bool {
    let paths = |entry: &DriftStatus| entry.fields.iter().map(|field| field.path.clone()).collect::<Vec<_>>();
    let shown = |entry: &DriftStatus| {
        (
            entry.object.clone(),
            entry.what.clone(),
            entry.by.clone(),
            entry.action.clone(),
            paths(entry),
            entry.more_fields,
        )
    };
    let time = |text: &str| text.parse::<Timestamp>().ok();
    let since = status.last_applied.as_ref().and_then(|applied| time(&applied.at));
    let recent = |known: &&DriftStatus| {
        time(&known.noticed)
            .is_some_and(|at| now.duration_since(at) < AGAIN_WITHIN && since.is_none_or(|since| at >= since))
    };
    let corrected = Action::parse(&entry.action).is_some_and(Action::is_over);
    let fields = !entry.fields.is_empty();
    corrected && fields && status.drift.iter().filter(recent).any(|known| shown(known) == shown(entry))
}

/// Takes out what the new entry says as well.
fn roll_up(status: &mut EnvironmentStatus, action: Action, entry: &DriftStatus) {
    status.drift.retain(|known| {
        let stale = match action {
            // A correction that succeeds ends the failure before it, and a quarrel is all corrections of its field.
            Action::Corrected | Action::Removed | Action::Reported | Action::Failed => {
                known.action == Action::Failed.label()
            }
            Action::Contended => known.action != Action::Reported.label() && first(known) == first(entry),
        };
        !(stale && known.object == entry.object)
    });
}

fn first(entry: &DriftStatus) -> Option<&str> {
    entry.fields.first().map(|field| field.path.as_str())
}

fn entry(found: &Found, noticed: Timestamp, action: Action, took: Duration) -> DriftStatus {
    let writer = found.attribution.who.writer();
    let changes = &found.attribution.changes;
    let fields = changes.iter().take(FIELDS_MAX).map(|change| FieldChange {
        path: change.path.to_string(),
        before: change.before.as_ref().map(drift::short),
        after: change.after.as_ref().map(drift::short),
    });
    let took = action.is_over().then_some(took);
    DriftStatus {
        object: found.drift.key.to_string(),
        what: found.what.label().to_owned(),
        by: drift::culprit(&found.attribution.who),
        operation: writer.map(|writer| {
            match writer.operation {
                ManagedBy::Apply => "Apply",
                ManagedBy::Update => "Update",
            }
            .to_owned()
        }),
        written: writer.and_then(|writer| writer.time).map(|time| time.to_string()),
        noticed: noticed.to_string(),
        action: action.label().to_owned(),
        took_ms: took.map(|took| u32::try_from(took.as_millis()).unwrap_or(u32::MAX)),
        fields: fields.collect(),
        more_fields: u32::try_from(changes.len().saturating_sub(FIELDS_MAX) + found.attribution.more)
            .unwrap_or(u32::MAX),
    }
}
