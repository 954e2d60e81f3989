//! What happens, and what must never: people, an API server with its moods, and the invariants of every effect.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use jiff::Timestamp;
use plumb_core::trigger::{
    memory::Memory,
    plan::{Asked, Cancel, Create, Plan, Remove},
    rules::{History, Initial, Rules, Supersede},
    run::{Outcome, Run},
};

use crate::{
    branch::{Branch, component},
    cluster::Cluster,
    ledger::Ledger,
};

/// Long enough for every clock to run out, in seconds.
const PEACE: u32 = 400;
const HISTORY: History = History { succeeded: 2, failed: 1, age: Duration::from_secs(100) };

/// What happens.
#[derive(Debug, Clone)]
pub(crate) enum Deed {
    /// A component gets a content; with `true` by a commit that asks for nothing to be built.
    Push(usize, u8, bool),
    /// The same by plumb itself.
    PushOwn(usize, u8),
    /// History is rewritten: so many commits go.
    Rewind(usize),
    /// Somebody asks for a component, or all, of a commit so many commits back.
    Ask(Option<usize>, usize),
    /// Somebody deletes a run, whatever it does.
    Delete(usize),
    /// Somebody ends a run.
    Cancel(usize),
    /// Something is a component from now on, or is none.
    Component(usize, bool),
    /// How long runs take from now on, and how they end.
    Fate(i64, Outcome),
    Rules(usize, Supersede),
    /// The process dies at this effect boundary from now on.
    Crash(u32),
    /// For so many seconds: what can go wrong.
    For(u32, Trouble),
    Wait(i64),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Trouble {
    StatusUnwritable,
    /// The status is written, and nobody hears of it.
    StatusAnswersLost,
    /// Nothing can be created.
    Refusing,
    /// What is created is there, and nobody hears of it.
    AnswersLost,
    /// What is created is there later, even if the process has died meanwhile.
    Slow,
    /// The watch says nothing new.
    Lagging,
    /// The live runs are not known.
    Unsynced,
    Unreadable,
    Suspended,
    NoRoom,
}

/// The process died.
#[derive(Debug)]
pub(crate) struct Died;

#[derive(Default)]
pub(crate) struct Status {
    pub(crate) memory: Memory,
    pub(crate) handled: BTreeSet<String>,
}

pub(crate) struct World {
    pub(crate) now: i64,
    pub(crate) branch: Branch,
    pub(crate) cluster: Cluster,
    pub(crate) status: Status,
    pub(crate) rules: Rules,
    pub(crate) asked: Vec<Asked>,
    /// What the process knows of the live runs.
    pub(crate) view: Option<Vec<Run>>,
    pub(crate) ledger: Ledger,
    /// When the last plan asked for another one.
    pub(crate) again: Option<i64>,
    /// Requests on their way, and when they arrive.
    pub(crate) flights: Vec<(i64, Create)>,
    /// The highest limit since everything that was sent had arrived and been seen.
    limit: usize,
    last_unwritten: BTreeSet<String>,
    troubles: BTreeMap<Trouble, u32>,
    fuse: Option<u32>,
    /// Something has happened that a pass has not seen.
    news: bool,
}

pub(crate) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).expect("a time")
}

impl World {
    pub(crate) fn new(limit: usize, supersede: Supersede, skips: bool) -> Self {
        let initial = if skips { Initial::Skip } else { Initial::Build };
        Self {
            now: 1_000_000,
            branch: Branch::new(1_000_000),
            cluster: Cluster::new(),
            status: Status::default(),
            rules: Rules { limit, supersede, initial, retries: 2, history: HISTORY, suspended: false },
            asked: Vec::new(),
            view: None,
            ledger: Ledger::default(),
            again: None,
            flights: Vec::new(),
            limit,
            last_unwritten: BTreeSet::new(),
            troubles: BTreeMap::new(),
            fuse: None,
            news: true,
        }
    }

    pub(crate) fn has(&self, trouble: Trouble) -> bool {
        self.troubles.contains_key(&trouble)
    }

    /// Returns how many runs of a component were ever created.
    pub(crate) fn built(&self, of: usize) -> usize {
        self.ledger.built(&component(of))
    }

    /// An effect is about to happen, or has happened.
    pub(crate) fn boundary(&mut self) -> Result<(), Died> {
        match &mut self.fuse {
            Some(0) => Err(Died),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    pub(crate) fn run(&mut self, seconds: u32) {
        for _ in 0..seconds {
            self.now += 1;
            let before = self.troubles.len();
            self.troubles.values_mut().for_each(|left| *left = left.saturating_sub(1));
            self.troubles.retain(|_, left| *left > 0);
            self.news |= before != self.troubles.len();
            self.step();
        }
    }

    fn step(&mut self) {
        for (_, create) in self.flights.extract_if(.., |(lands, _)| *lands <= self.now).collect::<Vec<_>>() {
            self.land(&create);
        }
        self.cluster.age(self.now);
        if self.has(Trouble::Unsynced) {
            self.news |= self.view.take().is_some();
        } else if !self.has(Trouble::Lagging) || self.view.is_none() {
            let list = self.cluster.list();
            self.news |= self.view.as_ref() != Some(&list);
            self.view = Some(list);
        }
        let is_settled = self.flights.is_empty() && self.view.as_ref() == Some(&self.cluster.list());
        self.limit = if is_settled { self.rules.limit } else { self.limit.max(self.rules.limit) };
        // The write-back is another one's, who says when it is done.
        let unwritten = self.unwritten();
        self.news |= self.last_unwritten != unwritten;
        self.last_unwritten = unwritten;
        if !self.news && self.again.is_none_or(|again| again > self.now) {
            return;
        }
        self.news = false;
        match self.pass() {
            Ok(done) => self.news |= !done,
            Err(Died) => (self.fuse, self.view, self.again, self.news) = (None, None, None, true),
        }
    }

    pub(crate) fn run_in_peace(&mut self) {
        self.fuse = None;
        self.troubles.clear();
        self.cluster.fate = (2, Outcome::Succeeded);
        self.news = true;
        self.run(PEACE);
    }

    pub(crate) fn meet(&mut self, deed: Deed) {
        self.news = true;
        match deed {
            Deed::Push(of, content, skip) => self.branch.push(of, content, self.now, (skip, false)),
            Deed::PushOwn(of, content) => self.branch.push(of, content, self.now, (false, true)),
            Deed::Rewind(steps) => self.branch.rewind(steps),
            Deed::Ask(of, back) => {
                let asked = self.branch.ask(format!("{}", self.asked.len()), of, back);
                self.asked.push(asked);
            }
            Deed::Delete(place) => {
                if let Some(name) = self.cluster.runs.keys().nth(place).cloned() {
                    self.cluster.runs.remove(&name);
                }
            }
            Deed::Cancel(place) => {
                if let Some(uid) = self.cluster.runs.values().nth(place).map(|living| living.run.uid.clone()) {
                    self.cluster.cancel(&uid, self.now);
                }
            }
            Deed::Component(of, is_component) => self.branch.components[of] = is_component,
            Deed::Fate(seconds, outcome) => self.cluster.fate = (seconds, outcome),
            Deed::Rules(limit, supersede) => (self.rules.limit, self.rules.supersede) = (limit, supersede),
            Deed::Crash(boundary) => self.fuse = Some(boundary),
            Deed::For(seconds, trouble) => {
                self.troubles.insert(trouble, seconds);
            }
            Deed::Wait(seconds) => self.now += seconds,
        }
    }

    /// Nothing is begun beyond the limit; what nobody waits for any more, and came all the same, does not count.
    pub(crate) fn may_begin(&self, create: &Create) {
        let strays = &self.ledger.strays;
        let counted = |run: &&Run| !strays.contains(&(run.build.component.clone(), run.attempt));
        let under_way = self.cluster.under_way().filter(counted).count();
        // A request that was slow may arrive after the limit was lowered.
        assert!(under_way < self.limit.max(1), "{under_way} are under way, and {create:?} begins");
    }

    /// A run ends for a newer commit only if that has its place, or waits for it.
    pub(crate) fn may_cancel(&self, cancel: &Cancel) {
        assert_eq!(self.rules.supersede, Supersede::CancelRunning);
        let view = self.view.iter().flatten();
        let run = view.clone().find(|run| run.uid == cancel.uid).expect("it was seen");
        let known = &self.status.memory.components[&run.build.component];
        // Somebody may have asked for yet another one, and the newer one is not in the status any more.
        let newer = known.entries().any(|entry| entry.branch && entry.number > run.attempt.number)
            || self.ledger.has_newer(&run.build.component, run.attempt);
        assert!(newer || known.waiting.iter().any(|waiting| waiting.branch), "nothing takes the place of {}", run.name);
        let entry = known.entry(run);
        assert!(entry.is_some_and(|entry| entry.superseded.is_some()), "the status does not know: {}", run.name);
        assert!(entry.is_some_and(|entry| entry.asked.is_none()), "a person asked for {}", run.name);
    }

    /// Nothing is removed that anybody needs.
    pub(crate) fn may_remove(&self, remove: &Remove) {
        let Some(living) = self.cluster.runs.values().find(|living| living.run.uid == remove.uid) else { return };
        let run = &living.run;
        let end = run.end().unwrap_or_else(|| panic!("{} is under way", run.name));
        let known = &self.status.memory.components[&run.build.component];
        assert!(known.has_told(run), "the status does not know how {} ended", run.name);
        assert!(!self.unwritten().contains(&run.name), "the image of {} is not written back", run.name);
        if end.outcome == Outcome::Succeeded {
            let succeeded = known.succeeded.as_ref().expect("because it succeeded");
            assert!(succeeded.attempt() >= run.attempt, "the status does not know the success of {}", run.name);
            let of_component = |other: &&Run| other.build.component == run.build.component;
            let newer = |other: &Run| {
                other.attempt > run.attempt && other.end().is_some_and(|end| end.outcome == Outcome::Succeeded)
            };
            // Somebody may delete the newer one at the same moment.
            let mut view = self.view.iter().flatten().filter(of_component);
            assert!(view.any(newer), "{} is the newest success", run.name);
        }
    }

    /// In the end what the branch has last is built, or was passed over; nothing is left to do.
    pub(crate) fn is_settled(&self) {
        let Plan { memory, create, cancel, remove, queued, running, facts, again: _, handled } = self.plan();
        assert_eq!((create, cancel, remove, facts, handled), Default::default());
        assert_eq!((queued, running), (Vec::new(), 0), "{memory:#?}");
        assert_eq!(memory, self.status.memory);
        let head = self.branch.head();
        for (name, inputs) in head.components.iter().filter_map(|(name, inputs)| Some((name, inputs.as_ref()?))) {
            let known = &memory.components[name];
            let seen = known.seen.as_ref().expect("it was seen");
            assert_eq!(seen.inputs.as_ref(), Some(inputs), "{name}");
            assert!(known.waiting.is_empty() && known.earlier.is_empty(), "{name}: {known:#?}");
            assert!(known.attempted.as_ref().is_none_or(|attempted| !attempted.is_open()), "{name}: {known:#?}");
            assert!(seen.passed_over || known.tried.as_ref() == Some(inputs), "{name} is not built: {known:#?}");
        }
        self.ledger.is_complete(&memory);
        for of in 0..2 {
            let own = || self.cluster.runs.values().filter(|living| living.run.build.component == component(of));
            let ended = |succeeded: bool| {
                let alike = |end: &plumb_core::trigger::run::End| (end.outcome == Outcome::Succeeded) == succeeded;
                own().filter(|living| living.run.end().is_some_and(alike)).count()
            };
            assert!(
                ended(true) <= 1 && ended(false) == 0,
                "all but the newest success are too old: {}, {}",
                ended(true),
                ended(false)
            );
        }
    }
}
