//! What was ever created and told, and the rules that hold for all of it together.

use std::collections::{BTreeMap, BTreeSet};

use plumb_core::{
    commit::CommitId,
    source::InputsDigest,
    trigger::{
        memory::{Attempted, Memory},
        name::ComponentName,
        plan::{Create, Fact, fact::Event},
        run::{Attempt, Outcome},
    },
};

type Number = (ComponentName, u32);

/// One attempt, as the status had it when its first run was created.
#[derive(Debug, Clone)]
struct Made {
    commit: CommitId,
    inputs: InputsDigest,
    branch: bool,
}

#[derive(Default)]
pub(crate) struct Ledger {
    made: BTreeMap<Number, Made>,
    /// Each run that was ever created, and how often.
    runs: BTreeMap<(ComponentName, Attempt), u32>,
    began: BTreeMap<(ComponentName, Attempt), u32>,
    pub(crate) ended: BTreeMap<(ComponentName, Attempt), Option<Outcome>>,
    gave_way: BTreeSet<Number>,
    /// After which attempts inputs moved by plumb's own commits only: coming back from there is a change.
    pub(crate) absorbed: BTreeSet<Number>,
    /// Runs that came to be after nobody waited for them any more.
    pub(crate) strays: BTreeSet<(ComponentName, Attempt)>,
}

impl Ledger {
    /// A run is created; `entry` is what the status says of it.
    pub(crate) fn create(&mut self, create: &Create, entry: Option<&Attempted>) {
        let Create { build, attempt } = create;
        let name = &build.component;
        let times = self.runs.entry((name.clone(), *attempt)).or_default();
        *times += 1;
        let Some(entry) = entry else {
            self.strays.insert((name.clone(), *attempt));
            return;
        };
        assert!(*times == 1 || entry.run.is_none(), "{name} {attempt:?} was seen, and is created again");
        if attempt.round > 1 {
            let before = Attempt { round: attempt.round - 1, ..*attempt };
            let ended = self.ended.get(&(name.clone(), before));
            let again = matches!(ended, Some(Some(Outcome::Infrastructure))) && entry.retried > 0;
            assert!(again || entry.asked.is_some(), "{name} {attempt:?} was not to be tried again: {ended:?}");
        }
        let number = (name.clone(), attempt.number);
        let made = Made { commit: build.commit.clone(), inputs: build.inputs.clone(), branch: entry.branch };
        let known = self.made.entry(number.clone()).or_insert_with(|| made.clone());
        assert_eq!(known.commit, made.commit, "{number:?} is of two commits");
        if *times > 1 || attempt.round > 1 || !made.branch || entry.asked.is_some() {
            return;
        }
        // One that gave way before it was created excuses the next, and so does one that a person asked for.
        let before = (name.clone(), attempt.number - 1);
        let last = self.made.get(&before).filter(|made| made.branch).map(|made| (before, made));
        let moved = |last: u32| (last..attempt.number).any(|after| self.absorbed.contains(&(name.clone(), after)));
        if let Some((last, before)) = last.filter(|(last, _)| !self.gave_way.contains(last) && !moved(last.1)) {
            assert_ne!(before.inputs, made.inputs, "{number:?} is for what {last:?} was for");
        }
    }

    /// The status was written, and this is what it says is new.
    pub(crate) fn tell(&mut self, facts: &[Fact]) {
        for fact in facts {
            let name = fact.component.clone();
            match (&fact.event, fact.attempt) {
                (Event::Began { .. } | Event::Retried(_), Some(attempt)) => {
                    *self.began.entry((name, attempt)).or_default() += 1;
                }
                (Event::Ended { outcome, .. }, Some(attempt)) => {
                    if fact.run.is_none() {
                        // It is said not to have been created, with its component gone, and may have been all the same.
                        self.strays.insert((name.clone(), attempt));
                    }
                    self.end(name, attempt, Some(*outcome));
                }
                (Event::Vanished, Some(attempt)) => self.end(name, attempt, None),
                (Event::Superseded(_), Some(attempt)) => {
                    self.gave_way.insert((name, attempt.number));
                }
                _ => {}
            }
        }
    }

    fn end(&mut self, name: ComponentName, attempt: Attempt, outcome: Option<Outcome>) {
        let stray = self.strays.contains(&(name.clone(), attempt)) || !self.runs.contains_key(&(name.clone(), attempt));
        let told = self.ended.insert((name.clone(), attempt), outcome);
        assert!(told.is_none() || stray, "{name} {attempt:?} has ended twice");
        assert!(self.began.contains_key(&(name.clone(), attempt)), "{name} {attempt:?} has not begun");
    }

    pub(crate) fn built(&self, name: &ComponentName) -> usize {
        self.runs.keys().filter(|(component, _)| component == name).count()
    }

    /// Returns whether the branch has led to a build after this attempt.
    pub(crate) fn has_newer(&self, name: &ComponentName, attempt: Attempt) -> bool {
        self.made.iter().any(|((component, number), made)| component == name && *number > attempt.number && made.branch)
    }

    /// Everything that was created has begun once and ended once, as far as was told.
    pub(crate) fn is_complete(&self, memory: &Memory) {
        for (run, times) in &self.began {
            assert!(*times == 1 || self.strays.contains(run), "{run:?} has begun {times} times");
        }
        for run in self.runs.keys().filter(|run| !self.strays.contains(*run)) {
            let superseded = self.gave_way.contains(&(run.0.clone(), run.1.number));
            assert!(self.ended.contains_key(run) || superseded, "nobody was told what became of {run:?}: {memory:#?}");
        }
    }
}
