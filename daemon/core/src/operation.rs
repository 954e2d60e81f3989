//! One run of a plan, as a state machine: `poll` says what to do next, `on` takes what came of it.
//!
//! It performs nothing and waits for nothing itself; cut anywhere, the next plan starts from what is live.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde::Serialize;

use crate::{
    class::Class,
    inventory::Inventory,
    object::{self, ObjectKey},
    order::{Place, Rank},
    plan::{Apply, HandOver, Plan, Prune},
};

/// Writes of one operation that are under way at once: the server gains nothing from more (about 16 saturate it), and
/// other environments need their share.
pub const IN_FLIGHT_MAX: usize = 16;

/// Names one effect of an operation.
pub type EffectId = u32;

/// One thing to do, with everything that it needs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum Effect {
    /// Write this scope to the parent.
    Record(Inventory),
    /// Give an object to another environment.
    HandOver(HandOver),
    /// Make the target namespace.
    Namespace(String),
    /// Apply an object.
    Apply(Apply),
    /// Delete an object that can't be changed in place.
    Replace(Prune),
    /// Wait until a definition is Established.
    Await(ObjectKey),
    /// Delete an object.
    Prune(Prune),
}

/// What came of one effect.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum Outcome {
    /// It is done.
    Done,
    /// It was not done.
    Failed(Failure),
}

/// Why an effect failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// What helps.
    pub class: Class,
    /// In words, naming the object and the next step.
    pub message: String,
}

/// What an operation wants next.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum Step {
    /// Start these; empty: wait for the outcome of what is under way.
    Start(Vec<(EffectId, Effect)>),
    /// Nothing is left.
    Finished,
}

/// What an operation did.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Summary {
    /// Applies that succeeded.
    pub applied: usize,
    /// Objects that were handed over.
    pub handed_over: usize,
    /// Deletes that succeeded.
    pub pruned: usize,
    /// Whether it was given up before all of it was started.
    pub cut: bool,
    /// Everything that failed, by object; an absent key stands for the parent.
    #[serde(serialize_with = "object::serialize_pairs")]
    pub failures: BTreeMap<Option<ObjectKey>, Failure>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Widen,
    HandOver,
    Namespace,
    Apply(Place),
    Establish(Place),
    Prune(usize),
    Narrow,
    Finished,
}

/// A plan being carried out.
#[derive(Debug, Clone)]
pub struct Operation {
    plan: Plan,
    phase: Phase,
    queue: VecDeque<Effect>,
    under_way: BTreeMap<EffectId, Effect>,
    next: EffectId,
    abandoned: bool,
    summary: Summary,
}

impl Operation {
    /// Starts a plan.
    pub fn start(plan: Plan) -> Self {
        let mut operation = Self {
            plan,
            phase: Phase::Widen,
            queue: VecDeque::new(),
            under_way: BTreeMap::new(),
            next: 0,
            abandoned: false,
            summary: Summary::default(),
        };
        operation.queue.extend(operation.plan.widen.take().map(Effect::Record));
        operation
    }

    /// Lets what is under way finish and starts nothing more: a newer commit or a stop replaces it.
    pub fn abandon(&mut self) {
        self.abandoned = true;
    }

    /// Returns what to start now, at most as much as may be under way at once.
    pub fn poll(&mut self) -> Step {
        loop {
            if self.abandoned {
                self.give_up();
            }
            if self.phase == Phase::Finished {
                return Step::Finished;
            }
            let room = IN_FLIGHT_MAX.saturating_sub(self.under_way.len());
            let starting: Vec<_> = self.queue.drain(..room.min(self.queue.len())).collect();
            if !starting.is_empty() || !self.under_way.is_empty() {
                return Step::Start(starting.into_iter().map(|effect| self.begin(effect)).collect());
            }
            self.advance();
        }
    }

    /// Takes the outcome of one effect.
    pub fn on(&mut self, id: EffectId, outcome: Outcome) {
        let effect = self.under_way.remove(&id).expect("because only effects that were started have outcomes");
        match (effect, outcome) {
            (Effect::Apply(_), Outcome::Done) => self.summary.applied += 1,
            (Effect::HandOver(_), Outcome::Done) => self.summary.handed_over += 1,
            (Effect::Prune(_), Outcome::Done) => self.summary.pruned += 1,
            (Effect::Record(_) | Effect::Namespace(_) | Effect::Replace(_) | Effect::Await(_), Outcome::Done) => {}
            (effect, Outcome::Failed(failure)) => self.failed(effect, failure),
        }
    }

    /// Returns what was done so far.
    pub fn summary(&self) -> &Summary {
        &self.summary
    }

    fn give_up(&mut self) {
        self.queue.clear();
        if self.under_way.is_empty() && self.phase != Phase::Finished {
            self.summary.cut = true;
            self.phase = Phase::Finished;
        }
    }

    fn begin(&mut self, effect: Effect) -> (EffectId, Effect) {
        let id = self.next;
        self.next += 1;
        self.under_way.insert(id, effect.clone());
        (id, effect)
    }

    fn failed(&mut self, effect: Effect, failure: Failure) {
        let key = match effect {
            // Without the wider parent nothing may be applied: a crash would leave objects that nobody looks for.
            Effect::Record(_) => {
                self.abandoned = true;
                None
            }
            Effect::HandOver(hand_over) => Some(hand_over.key),
            // Nor without the namespace that it belongs into.
            Effect::Namespace(name) => {
                self.abandoned = true;
                Some(ObjectKey::of_namespace(&name))
            }
            Effect::Apply(apply) => Some(apply.key),
            Effect::Await(key) => Some(key),
            Effect::Replace(prune) | Effect::Prune(prune) => Some(prune.key),
        };
        self.summary.failures.insert(key, failure);
    }

    /// Goes to the next phase that has work and queues it; called only when nothing is queued or under way.
    fn advance(&mut self) {
        self.phase = match self.phase {
            Phase::Widen => Phase::HandOver,
            Phase::HandOver => Phase::Namespace,
            Phase::Namespace => self.next_place(None),
            Phase::Apply(place) if place.rank == Rank::Definitions => Phase::Establish(place),
            Phase::Apply(place) | Phase::Establish(place) => self.next_place(Some(place)),
            Phase::Prune(index) if index + 1 < self.plan.prunes.len() => Phase::Prune(index + 1),
            Phase::Prune(_) => Phase::Narrow,
            Phase::Narrow | Phase::Finished => Phase::Finished,
        };
        // Pruning comes last, and only after everything was applied.
        if matches!(self.phase, Phase::Prune(_) | Phase::Narrow) && !self.summary.failures.is_empty() {
            self.phase = Phase::Finished;
        }
        let effects: Vec<Effect> = match self.phase {
            Phase::HandOver => self.plan.handovers.iter().cloned().map(Effect::HandOver).collect(),
            Phase::Namespace => self.plan.namespace.take().map(Effect::Namespace).into_iter().collect(),
            Phase::Apply(place) => self.plan.applies[&place].iter().cloned().map(Self::write).collect(),
            Phase::Establish(place) => self.definitions(place).into_iter().map(Effect::Await).collect(),
            Phase::Prune(index) => self
                .plan
                .prunes
                .get(index)
                .into_iter()
                .flat_map(|(_, prunes)| prunes.iter().cloned().map(Effect::Prune))
                .collect(),
            Phase::Narrow => self.plan.narrow.take().map(Effect::Record).into_iter().collect(),
            Phase::Widen | Phase::Finished => Vec::new(),
        };
        self.queue.extend(effects);
    }

    fn write(apply: Apply) -> Effect {
        match apply.replace {
            Some(state) => Effect::Replace(state),
            None => Effect::Apply(apply),
        }
    }

    fn next_place(&self, after: Option<Place>) -> Phase {
        let next = self.plan.applies.keys().find(|place| after.is_none_or(|after| **place > after));
        next.map_or(Phase::Prune(0), |place| Phase::Apply(*place))
    }

    /// Returns the definitions that were just applied; those that failed need no waiting.
    fn definitions(&self, place: Place) -> BTreeSet<ObjectKey> {
        let applied = self.plan.applies.get(&place).into_iter().flatten().map(|apply| &apply.key);
        applied
            .filter(|key| key.is_definition() && !self.summary.failures.contains_key(&Some((*key).clone())))
            .cloned()
            .collect()
    }
}
