//! Retention: which runs that have ended are removed.
//!
//! Must never do: remove a run that is under way, the newest success of a component, one whose end the status does not know yet, or
//! one whose image is still to be written back.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{Plan, Remove, input::Input};
use crate::trigger::{
    name::ComponentName,
    rules::History,
    run::{End, Outcome, Run},
};

/// Removals of one plan: more are for the next one, which follows as soon as these are seen to be gone.
const REMOVALS_MAX: usize = 100;

/// Removes what need not stay.
pub(super) fn remove(plan: &mut Plan, input: &Input<'_>, runs: &[Run]) {
    let mut ended: BTreeMap<&ComponentName, [Vec<(&Run, &End)>; 2]> = BTreeMap::new();
    for run in runs.iter().filter(|run| !run.deleting) {
        let Some(end) = run.end() else { continue };
        let [succeeded, failed] = ended.entry(&run.build.component).or_default();
        let of_its_like = if end.outcome == Outcome::Succeeded { succeeded } else { failed };
        of_its_like.push((run, end));
    }
    let History { succeeded: succeeded_max, failed: failed_max, age: _ } = input.rules.history;
    for [succeeded, failed] in ended.into_values() {
        look(plan, input, succeeded, succeeded_max.max(1), 1);
        look(plan, input, failed, failed_max, 0);
    }
    plan.remove.truncate(REMOVALS_MAX);
}

/// Looks at runs of one component that ended alike: so many may stay, and so many do whatever their age.
fn look(plan: &mut Plan, input: &Input<'_>, mut ended: Vec<(&Run, &End)>, kept: usize, ageless: usize) {
    ended.sort_by(|(one, _), (other, _)| (other.attempt, &other.name).cmp(&(one.attempt, &one.name)));
    for (place, (run, end)) in ended.into_iter().enumerate().skip(ageless) {
        let known = input.memory.components.get(&run.build.component);
        let told = known.is_some_and(|known| known.has_told(run));
        let until = end.finished.checked_add(input.rules.history.age).unwrap_or(Timestamp::MAX);
        if place < kept && until > input.now {
            plan.look_again(until);
        } else if !told {
            // It is as soon as the memory is written.
            plan.look_again(input.now);
        } else if !input.unwritten.contains(&run.name) {
            let Run { name, uid, resource_version, kind, .. } = run;
            let (run, uid, resource_version) = (name.clone(), uid.clone(), resource_version.clone());
            plan.remove.push(Remove { run, uid, resource_version, kind: *kind });
        }
    }
}
