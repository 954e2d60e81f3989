//! What the live runs say: those that nobody remembers are taken down, and so is the end of each.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::fact::{Event, Fact};
use crate::trigger::{
    memory::{Attempted, Known, Memory, Seen},
    run::{Outcome, Run},
};

/// What is said of a run that somebody deleted before it ended.
const VANISHED: &str = "it was deleted before it ended: nobody knows how it would have ended";

/// Takes in what became of every run.
pub(super) fn take_in(memory: &mut Memory, runs: &[Run], now: Timestamp, facts: &mut Vec<Fact>) {
    let mut live: Vec<&Run> = runs.iter().collect();
    live.sort_by(|one, other| (one.attempt, &one.name).cmp(&(other.attempt, &other.name)));
    for run in &live {
        let known = memory.components.entry(run.build.component.clone()).or_default();
        known.attempt = known.attempt.max(run.attempt.number);
        if let Some(entry) = known.entry_mut(run) {
            meet(entry, run, facts);
        } else if !remember(known, run, facts) {
            continue;
        }
        take_end(known, run, facts);
    }
    let names: BTreeSet<&str> = live.iter().map(|run| run.name.as_str()).collect();
    for known in memory.components.values_mut() {
        take_leave(known, &names, now, facts);
    }
}

/// A run that is remembered is seen.
fn meet(entry: &mut Attempted, run: &Run, facts: &mut Vec<Fact>) {
    let unseen = entry.run.replace(run.name.clone()).is_none();
    if unseen && !entry.is_open() {
        // It was thought that it would never be: the answer to its creation was lost.
        entry.outcome = None;
        entry.message.clear();
        facts.push(Fact::about(entry, Event::Began { since: None, asked: entry.asked.clone() }));
    }
}

/// Takes down a run that nobody remembers; returns whether there is anything to be said of it.
fn remember(known: &mut Known, run: &Run, facts: &mut Vec<Fact>) -> bool {
    let mut entry = Attempted::begin(run.build.clone(), run.attempt, run.created);
    entry.run = Some(run.name.clone());
    let newest = known.attempted.as_ref().map(Attempted::attempt);
    let newer = newest.is_none_or(|newest| run.attempt > newest);
    if !newer && !run.is_under_way() {
        // Of what ended before a later attempt began everything was said.
        return false;
    }
    if run.is_under_way() {
        facts.push(Fact::about(&entry, Event::Began { since: None, asked: None }));
    }
    if newer {
        known.seen =
            Some(Seen { commit: run.build.commit.clone(), inputs: Some(run.build.inputs.clone()), passed_over: false });
        known.tried = Some(run.build.inputs.clone());
        known.waiting.retain(|waiting| waiting.build.commit != run.build.commit);
        let before = known.attempted.replace(entry);
        known.earlier.extend(before.filter(Attempted::is_open));
    } else {
        known.earlier.push(entry);
        known.earlier.sort_by_key(Attempted::attempt);
    }
    true
}

/// Takes in how a run ended, once.
fn take_end(known: &mut Known, run: &Run, facts: &mut Vec<Fact>) {
    let Some(end) = run.end() else { return };
    let Some(entry) = known.entry_mut(run).filter(|entry| entry.is_open()) else { return };
    entry.end(end.outcome, end.finished, &end.message);
    let entry = entry.clone();
    facts.extend(Fact::end(&entry, end.started));
    let best = known.succeeded.as_ref().map(Attempted::attempt);
    if end.outcome == Outcome::Succeeded && best.is_none_or(|best| best < entry.attempt()) {
        known.succeeded = Some(entry.clone());
    }
    close(known, &entry);
}

/// Takes in that a run is gone whose end nobody has seen.
fn take_leave(known: &mut Known, names: &BTreeSet<&str>, now: Timestamp, facts: &mut Vec<Fact>) {
    let gone = |entry: &Attempted| entry.is_open() && entry.run.as_deref().is_some_and(|run| !names.contains(run));
    let mut ended = Vec::new();
    for entry in known.entries_mut().filter(|entry| gone(entry)) {
        let message = match &entry.superseded {
            Some(by) => format!("it gave way to {}", by.short()),
            None => VANISHED.to_owned(),
        };
        entry.end(Outcome::Cancelled, now, &message);
        let entry = entry.clone();
        facts.extend(if entry.superseded.is_some() {
            Fact::end(&entry, None)
        } else {
            Some(Fact::about(&entry, Event::Vanished))
        });
        ended.push(entry);
    }
    ended.iter().for_each(|entry| close(known, entry));
}

/// An attempt has ended: earlier ones are listed only until then.
fn close(known: &mut Known, ended: &Attempted) {
    known.earlier.retain(Attempted::is_open);
    let newest = known.attempted.as_ref();
    let later = newest.is_some_and(|newest| newest.attempt() > ended.attempt() && newest.branch);
    let is_last = newest.is_some_and(|newest| newest.attempt() == ended.attempt());
    if ended.gave_way() && !later && (is_last || known.tried.as_ref() == Some(&ended.build.inputs)) {
        // It ended for a newer commit, and not for its own sake: should the branch come back to it, or have come back to it, it is
        // built again.
        let waits = known.waiting.iter().any(|waiting| waiting.branch);
        if let Some(seen) = known.seen.as_mut().filter(|seen| !waits && !seen.passed_over && seen.inputs == known.tried)
        {
            seen.inputs = None;
        }
        known.tried = None;
    }
}
