//! The daemon: passes as it makes them, with the real plan, and with a boundary around each effect.

use std::collections::{BTreeMap, BTreeSet};

use plumb_core::source::InputsDigest;
use plumb_core::trigger::{
    name::ComponentName,
    plan::{Create, Input, Plan, plan},
    run::{Outcome, Run},
};

use crate::{
    cluster::name,
    world::{Died, Trouble, World, at},
};

/// An image is written back within so many seconds.
const WRITE_BACK: i64 = 4;

impl World {
    pub(crate) fn plan(&self) -> Plan {
        let head = self.branch.head();
        let readable = !self.has(Trouble::Unreadable);
        let mut rules = self.rules.clone();
        rules.suspended = self.has(Trouble::Suspended);
        let asked: Vec<_> =
            self.asked.iter().filter(|asked| !self.status.handled.contains(&asked.id)).cloned().collect();
        plan(&Input {
            now: at(self.now),
            rules: &rules,
            head: readable.then_some(&head),
            memory: &self.status.memory,
            runs: self.view.as_deref(),
            room: if self.has(Trouble::NoRoom) { 0 } else { 5 },
            asked: &asked,
            unwritten: &self.unwritten(),
            absorbed: &self.absorbed(),
        })
    }

    pub(crate) fn unwritten(&self) -> BTreeSet<String> {
        let fresh = |run: &&Run| {
            let of_late = |end: &plumb_core::trigger::run::End| end.finished > at(self.now - WRITE_BACK);
            run.end().is_some_and(|end| end.outcome == Outcome::Succeeded && of_late(end))
        };
        self.view.iter().flatten().filter(fresh).map(|run| run.name.clone()).collect()
    }

    fn absorbed(&self) -> BTreeMap<ComponentName, InputsDigest> {
        let (theirs, head) = (self.branch.of_others(), self.branch.head());
        let seen = |name: &ComponentName| self.status.memory.components.get(name)?.seen.as_ref()?.inputs.clone();
        let moved = head.components.into_iter().filter_map(|(name, inputs)| Some((name, inputs?)));
        moved.filter(|(name, _)| seen(name).is_some() && theirs.get(name) == Some(&seen(name))).collect()
    }

    /// One pass of the daemon, as it makes them; returns whether all of it was done.
    pub(crate) fn pass(&mut self) -> Result<bool, Died> {
        let planned = self.plan();
        self.again = planned.again.map(|again| again.as_second());
        if planned.memory != self.status.memory || !planned.handled.is_empty() {
            self.boundary()?;
            if self.has(Trouble::StatusUnwritable) {
                return Ok(false);
            }
            self.note_absorbed(&planned);
            self.status.memory = planned.memory.clone();
            self.status.handled.extend(planned.handled.iter().map(|handled| handled.id.clone()));
            self.ledger.tell(&planned.facts);
            self.boundary()?;
            if self.has(Trouble::StatusAnswersLost) {
                return Ok(false);
            }
        } else {
            assert_eq!(planned.facts, [], "what is new is in the memory");
        }
        let mut done = true;
        for create in &planned.create {
            self.boundary()?;
            done &= self.create(create);
            self.boundary()?;
        }
        for cancel in &planned.cancel {
            self.boundary()?;
            self.may_cancel(cancel);
            self.cluster.cancel(&cancel.uid, self.now);
            self.boundary()?;
        }
        for remove in &planned.remove {
            self.boundary()?;
            self.may_remove(remove);
            self.cluster.runs.retain(|_, living| living.run.uid != remove.uid);
            self.boundary()?;
        }
        Ok(done)
    }

    /// What moved by plumb's own commits only is not a change, and coming back from it is one.
    fn note_absorbed(&mut self, planned: &Plan) {
        for (name, known) in &planned.memory.components {
            let before = self.status.memory.components.get(name);
            let Some(before) = before.filter(|before| before.seen != known.seen) else { continue };
            if self.absorbed().contains_key(name) {
                self.ledger.absorbed.insert((name.clone(), before.attempt));
            }
        }
    }

    /// Returns whether its answer arrived.
    fn create(&mut self, create: &Create) -> bool {
        if self.has(Trouble::Refusing) {
            return false;
        }
        if self.has(Trouble::Slow) {
            self.flights.push((self.now + 3, create.clone()));
            return false;
        }
        self.land(create);
        !self.has(Trouble::AnswersLost)
    }

    /// The request to create a run reaches the API server.
    pub(crate) fn land(&mut self, create: &Create) {
        let known = self.status.memory.components.get(&create.build.component);
        let entry = known.and_then(|known| {
            known.entries().find(|entry| entry.attempt() == create.attempt && entry.build.commit == create.build.commit)
        });
        let entry = entry.filter(|entry| entry.is_open()).cloned();
        let there =
            self.cluster.runs.contains_key(&name(&create.build.component, &create.build.commit, create.attempt));
        if !there {
            // A request that was under way when its run gave way, or was there and is gone again, is nobody's.
            let stray = entry.as_ref().is_none_or(|entry| entry.run.is_some());
            self.ledger.create(create, entry.as_ref().filter(|_| !stray));
            if !stray {
                self.may_begin(create);
            }
        }
        self.cluster.create(create, self.now);
    }
}
