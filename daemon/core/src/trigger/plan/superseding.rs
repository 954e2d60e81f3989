//! Runs that give way to a newer commit of the same component.
//!
//! Must never do: end a run that nothing takes the place of, or one that a person asked for.

use std::collections::BTreeSet;

use super::{
    Cancel, Plan,
    fact::{Event, Fact},
    input::Input,
};
use crate::{
    commit::CommitId,
    trigger::{
        memory::{Attempted, Known},
        rules::{Rules, Supersede},
        run::{Build, Outcome, Run},
    },
};

/// Places that were promised in one plan.
#[derive(Default)]
pub(super) struct Ceded {
    /// Runs that end for it.
    runs: BTreeSet<String>,
    /// How many builds they make place for.
    heirs: usize,
}

/// Ends what is older than a run that has its place already.
pub(super) fn give_way(plan: &mut Plan, runs: &[Run], rules: &Rules) {
    if rules.supersede != Supersede::CancelRunning {
        return;
    }
    for (name, known) in &mut plan.memory.components {
        let own = || runs.iter().filter(|run| run.build.component == *name);
        let Some(newest) = known.entries().filter(|entry| entry.branch && entry.run.is_some()).max_by_key(attempt)
        else {
            continue;
        };
        let lives = |run: &Run| run.is_under_way() && !run.ending && !run.deleting;
        let succeeded = |run: &Run| run.end().is_some_and(|end| end.outcome == Outcome::Succeeded);
        if !own().any(|run| newest.is_of(run) && (lives(run) || succeeded(run))) {
            continue;
        }
        let (number, by) = (newest.number, newest.build.commit.clone());
        for run in own().filter(|run| run.is_under_way() && run.attempt.number < number) {
            if !is_led_to(known, run) {
                continue;
            }
            cancel(known, run, &by, (&mut plan.cancel, &mut plan.facts));
        }
    }
}

fn attempt(entry: &&Attempted) -> super::Attempt {
    entry.attempt()
}

/// Ends the runs of a component so that a build that waits takes their place, if it would.
pub(super) fn cede(plan: &mut Plan, input: &Input<'_>, (build, under_way): (&Build, usize), ceded: &mut Ceded) {
    if input.rules.supersede != Supersede::CancelRunning {
        return;
    }
    let Some(known) = plan.memory.components.get_mut(&build.component) else { return };
    let yields = |run: &&Run| run.build.component == build.component && run.is_under_way() && is_led_to(known, run);
    let own: Vec<&Run> = input.runs.unwrap_or_default().iter().filter(yields).collect();
    let freed = ceded.runs.len() + own.len();
    let taken = plan.create.len() + ceded.heirs;
    let has_place =
        under_way.saturating_sub(freed) + taken < input.rules.limit && taken < input.room.saturating_add(freed);
    if own.is_empty() || !has_place {
        return;
    }
    for run in own {
        cancel(known, run, &build.commit, (&mut plan.cancel, &mut plan.facts));
        ceded.runs.insert(run.name.clone());
    }
    ceded.heirs += 1;
    if let Some(waiting) = known.waiting.iter_mut().find(|waiting| waiting.build == *build) {
        waiting.next = true;
    }
}

/// Returns whether only the branch led to a run, and nobody asked for it.
fn is_led_to(known: &Known, run: &Run) -> bool {
    known.entry(run).is_some_and(|entry| entry.asked.is_none())
}

fn cancel(known: &mut Known, run: &Run, by: &CommitId, (cancels, facts): (&mut Vec<Cancel>, &mut Vec<Fact>)) {
    let Some(entry) = known.entry_mut(run) else { return };
    if run.ending || run.deleting || cancels.iter().any(|cancel| cancel.uid == run.uid) {
        return;
    }
    if entry.superseded.replace(by.clone()).is_none() {
        facts.push(Fact::about(entry, Event::Superseded(by.clone())));
    }
    let Run { name, uid, kind, .. } = run;
    let reason = format!("it gives way to {}", by.short());
    cancels.push(Cancel { run: name.clone(), uid: uid.clone(), kind: *kind, reason });
}
