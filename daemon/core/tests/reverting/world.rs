//! What happens, and what must never: people, a robot, a remote with its moods, and the invariants of every push that lands.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use jiff::Timestamp;
use plumb_core::{
    class::Class,
    commit::{CommitId, RefName, RepoPath},
    environment::EnvironmentName,
    operation::Failure,
    rollback::{
        Mode,
        hold::Hold,
        outage::Census,
        proposing::{Pull, State},
        pushing::{Branch, Outcome, Progress, Taken},
        revert::{Aside, PUSHES_MAX, PUSHES_WITHIN},
    },
};

use crate::{
    environment::{Answer, Environment},
    git::{Git, Tree, digest, inputs, path},
};

/// Long enough for every clock to run out, in seconds.
const PEACE: u32 = 120;
/// The branch is looked at this often without a reason.
const POLL: i64 = 5;

/// What happens.
#[derive(Debug, Clone)]
pub(crate) enum Deed {
    /// A path gets a content; with `true` by a commit that asks for a quarantined one once more.
    Push(usize, u8, bool),
    Merge(usize, u8),
    /// Somebody takes the newest commit back, whoever's it is.
    RevertNewest,
    MergeOwn,
    /// History is rewritten: so many commits go, and perhaps another one comes.
    Rewind(usize, Option<(usize, u8)>),
    /// A robot keeps a path at a content for so long.
    Robot(usize, u8, u32),
    Retry(usize),
    ByHand(usize, usize),
    Suspend(usize, u32),
    Ask(usize, Mode),
    /// The process dies at this effect boundary from now on.
    Crash(u32),
    /// For so many seconds: what can go wrong.
    For(u32, Trouble),
    Flap(usize, u32),
    /// So many hours pass.
    Wait(i64),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Trouble {
    StatusUnwritable,
    Protected,
    Down,
    Hindered,
    /// Pushes arrive, and nobody hears of it.
    AnswersLost,
    /// The branch can't be looked at.
    Blind,
    /// Pushes take their time.
    Slow,
    /// No Pod of anybody is well.
    NodeBroken,
}

/// The process died.
#[derive(Debug)]
pub(crate) struct Died;

/// A push under way.
#[derive(Debug, Clone)]
pub(crate) struct Flight {
    pub(crate) environment: usize,
    pub(crate) hold: Hold,
    pub(crate) head: CommitId,
    pub(crate) target: RefName,
    pub(crate) aside: Option<Aside>,
    pub(crate) tip: CommitId,
    pub(crate) taken: Vec<Taken>,
    pub(crate) refused: Option<String>,
    pub(crate) began: i64,
    pub(crate) lands: i64,
    /// Whether nothing was sent for this state of the branch before.
    pub(crate) first: bool,
}

/// A push that moved a branch.
#[derive(Debug)]
struct Landing {
    environment: usize,
    at: i64,
    tip: CommitId,
}

pub(crate) struct World {
    pub(crate) now: i64,
    pub(crate) git: Git,
    pub(crate) environments: [Environment; 2],
    /// What the process has seen of the branch.
    pub(crate) seen: Option<CommitId>,
    pub(crate) look_due: bool,
    pub(crate) started: i64,
    pub(crate) census: Census,
    troubles: BTreeMap<Trouble, u32>,
    robot: Option<(RepoPath, u8, u32)>,
    /// Pushes that nobody waits for any more.
    ghosts: Vec<Flight>,
    fuse: Option<u32>,
    landings: Vec<Landing>,
    /// Commits that others pushed and nobody has taken away since.
    theirs: BTreeSet<CommitId>,
    /// How often a person had asked when a revert landed.
    epochs: BTreeMap<CommitId, u32>,
    rewritten: bool,
}

pub(crate) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).expect("a time")
}

pub(crate) fn main() -> RefName {
    RefName::parse("refs/heads/main").expect("a ref")
}

/// The paths of the repository: of each environment, what both read, and what nobody reads.
fn paths() -> [RepoPath; 4] {
    ["envs/a", "envs/b", "base", "docs"].map(path)
}

impl World {
    /// Makes a world of two environments: of the same path, of two paths with a shared one, or of two paths.
    pub(crate) fn new(layout: usize) -> Self {
        let [a, b, base, _] = paths();
        let own = |name: &str, path: &RepoPath, more: &[&RepoPath], mode, delicate| {
            let paths = [path].into_iter().chain(more.iter().copied()).cloned().collect();
            Environment::new(EnvironmentName::new("team", name), path.clone(), paths, mode, delicate)
        };
        let (second, more): (_, &[&RepoPath]) = match layout {
            0 => (&a, &[]),
            1 => (&b, &[&base]),
            _ => (&b, &[]),
        };
        let environments = [own("a", &a, more, Mode::Revert, true), own("b", second, more, Mode::Revert, false)];
        Self {
            now: 1_000_000,
            git: Git::new(paths().map(|path| (path, 0)).into_iter().collect()),
            environments,
            seen: None,
            look_due: true,
            started: 1_000_000,
            census: Census::default(),
            troubles: BTreeMap::new(),
            robot: None,
            ghosts: Vec::new(),
            fuse: None,
            landings: Vec::new(),
            theirs: BTreeSet::new(),
            epochs: BTreeMap::new(),
            rewritten: false,
        }
    }

    pub(crate) fn has(&self, trouble: Trouble) -> bool {
        self.troubles.contains_key(&trouble)
    }

    /// Returns how many pushes of an environment have moved a branch.
    pub(crate) fn landed(&self, environment: usize) -> usize {
        self.landings.iter().filter(|landing| landing.environment == environment).count()
    }

    pub(crate) fn content(&self, on: usize) -> u8 {
        self.git.get(&self.git.main).tree[&paths()[on]]
    }

    pub(crate) fn run(&mut self, seconds: u32) {
        for _ in 0..seconds {
            self.now += 1;
            self.troubles.values_mut().for_each(|left| *left = left.saturating_sub(1));
            self.troubles.retain(|_, left| *left > 0);
            self.environments.iter_mut().for_each(Environment::age);
            self.robot_pushes();
            if self.step().is_err() {
                self.crash();
            }
        }
    }

    pub(crate) fn run_in_peace(&mut self) {
        (self.robot, self.fuse) = (None, None);
        self.troubles.clear();
        self.environments.iter_mut().for_each(Environment::in_peace);
        self.run(PEACE);
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

    fn crash(&mut self) {
        (self.fuse, self.seen, self.look_due, self.started) = (None, None, true, self.now);
        self.census.start_over(Duration::from_secs(self.now.unsigned_abs()));
        let flights = self.environments.iter_mut().filter_map(Environment::crash);
        self.ghosts.extend(flights);
    }

    fn step(&mut self) -> Result<(), Died> {
        for ghost in self.ghosts.extract_if(.., |ghost| ghost.lands <= self.now).collect::<Vec<_>>() {
            self.arrive(&ghost);
        }
        for environment in 0..self.environments.len() {
            if let Some(flight) = self.environments[environment].lands(self.now) {
                self.boundary()?;
                let outcome = self.arrive(&flight);
                self.boundary()?;
                let lost = self.has(Trouble::AnswersLost);
                let outcome = if lost { failed(Class::Retry) } else { outcome };
                self.environments[environment].done(flight.head, Answer::Push(outcome), self.now);
                self.look_due = true;
            }
        }
        if (self.look_due || self.now % POLL == 0) && !self.has(Trouble::Down) && !self.has(Trouble::Blind) {
            (self.seen, self.look_due) = (Some(self.git.main.clone()), false);
            self.environments.iter_mut().for_each(|environment| environment.looked(self.now));
            self.boundary()?;
        }
        (0..self.environments.len()).try_for_each(|environment| self.pass(environment))
    }

    pub(crate) fn open_pull(&mut self, environment: usize, head: CommitId) {
        let state = if self.has(Trouble::Hindered) { State::Stalled } else { State::Opened };
        let pull = Pull { state, message: format!("{state:?}") };
        self.environments[environment].done(head, Answer::Proposal(pull), self.now);
    }

    /// A push reaches the remote.
    fn arrive(&mut self, flight: &Flight) -> Outcome {
        if let Some(why) = &flight.refused {
            return Outcome::Refused(why.clone());
        }
        if self.has(Trouble::Down) {
            return failed(Class::Retry);
        }
        if self.has(Trouble::Hindered) {
            // It is known that nothing was sent; an earlier try may have arrived.
            return match failed(Class::Wait) {
                Outcome::Failed(failure) if flight.first => Outcome::Unsent(failure),
                outcome => outcome,
            };
        }
        let aside = flight.target != main();
        let name = flight.target.to_string();
        let pushed = |branch| Outcome::Pushed { branch, taken: flight.taken.clone() };
        let pushed = match &flight.aside {
            Some(why) => pushed(Branch::Own { name: short(&name), why: why.clone() }),
            None => pushed(Branch::Followed(short(&name))),
        };
        let own = self.git.own.get(&flight.target).map(|(_, tip)| tip);
        let (actual, expected) = if aside { (own, None) } else { (Some(&self.git.main), Some(&flight.head)) };
        if actual == Some(&flight.tip) {
            return pushed;
        }
        if actual != expected {
            return if aside { Outcome::Refused("it is there already".to_owned()) } else { Outcome::Raced };
        }
        if self.has(Trouble::Protected) && !aside {
            return Outcome::Refused("it is protected".to_owned());
        }
        self.is_right(flight, aside);
        let at = flight.began;
        self.landings.push(Landing { environment: flight.environment, at, tip: flight.tip.clone() });
        if aside {
            self.git.own.insert(flight.target.clone(), (flight.head.clone(), flight.tip.clone()));
        } else {
            self.git.main = flight.tip.clone();
            self.is_reverted_once();
        }
        pushed
    }

    /// What is pushed is what was planned for, of nobody else, and not too often.
    fn is_right(&self, flight: &Flight, aside: bool) {
        let Environment { paths, .. } = &self.environments[flight.environment];
        let (before, after) = (self.git.get(&flight.head), self.git.get(&flight.tip));
        let ancestors = self.git.ancestors(&flight.tip);
        if !aside {
            assert_eq!(self.git.main, flight.head, "it was planned for another state of the branch");
            assert!(self.theirs.is_subset(&ancestors), "what others pushed is lost");
        }
        let outside = |tree: &Tree| -> Tree {
            tree.iter()
                .filter(|(path, _)| !paths.contains(*path))
                .map(|(path, content)| (path.clone(), *content))
                .collect()
        };
        assert_eq!(outside(&before.tree), outside(&after.tree), "it is not the environment's");
        let healthy = self.git.get(&flight.hold.healthy);
        assert_eq!(inputs(&after.tree, paths), inputs(&healthy.tree, paths), "it does not lead back");
        for commit in self.git.first_parent_line(&flight.tip).iter().take_while(|commit| **commit != flight.head) {
            let (_, of) = self.git.get(commit).revert.as_ref().expect("because it is a revert");
            assert!(self.git.get(of).revert.is_none(), "a revert of a revert");
        }
        if flight.hold.by.is_none() {
            let window = i64::try_from(PUSHES_WITHIN.as_secs()).expect("a time");
            let of_late =
                |landing: &&Landing| landing.environment == flight.environment && flight.began - landing.at < window;
            // The same commits made for another branch are the same push made again.
            let tips: BTreeSet<_> = self.landings.iter().filter(of_late).map(|landing| &landing.tip).collect();
            assert!(tips.contains(&flight.tip) || tips.len() < PUSHES_MAX, "too many pushes");
        }
    }

    /// Nothing is taken back twice, unless a person has asked for it meanwhile.
    fn is_reverted_once(&mut self) {
        let mut found = BTreeSet::new();
        for commit in self.git.first_parent_line(&self.git.main) {
            let Some((by, of)) = &self.git.get(&commit).revert else { continue };
            let asked = self.environments.iter().find(|environment| environment.name == *by).map(|by| by.asked);
            let epoch = *self.epochs.entry(commit).or_insert(asked.unwrap_or_default());
            assert!(found.insert((by.clone(), of.clone(), epoch)), "{by} has taken {of} back twice");
        }
    }

    pub(crate) fn meet(&mut self, deed: Deed) {
        match deed {
            Deed::Push(on, content, trailer) => {
                let message = if trailer { "again\n\nPlumb-Retry: true\n" } else { "web: new\n" };
                self.push(on, content, message, false);
            }
            Deed::Merge(on, content) => self.push(on, content, "Merge branch 'new'\n", true),
            Deed::RevertNewest => self.revert_newest(),
            Deed::MergeOwn => {
                if self.git.merge_own(self.now) {
                    self.theirs.insert(self.git.main.clone());
                }
            }
            Deed::Rewind(steps, then) => self.rewind(steps, then),
            Deed::Robot(on, content, seconds) => self.robot = Some((paths()[on].clone(), content, seconds)),
            Deed::Retry(of) => self.environments[of].asked_retry += 1,
            Deed::ByHand(of, back) => {
                let target = self.git.back(&self.git.main, back);
                self.ghosts.extend(self.environments[of].ask_to_roll_back(target));
            }
            Deed::Suspend(of, seconds) => self.ghosts.extend(self.environments[of].suspend(seconds)),
            Deed::Ask(of, mode) => self.ghosts.extend(self.environments[of].ask(mode)),
            Deed::Crash(boundary) => self.fuse = Some(boundary),
            Deed::For(seconds, trouble) => {
                self.troubles.insert(trouble, seconds);
            }
            Deed::Flap(of, seconds) => self.environments[of].flapping = seconds,
            Deed::Wait(hours) => self.now += hours * 3600,
        }
    }

    fn push(&mut self, on: usize, content: u8, message: &str, merge: bool) {
        let put = |tree: &Tree| {
            let mut tree = tree.clone();
            tree.insert(paths()[on].clone(), content);
            tree
        };
        let base = self.git.back(&self.git.main, 1);
        let side = merge.then(|| {
            let side = crate::git::Commit {
                parents: vec![base.clone()],
                tree: put(&self.git.get(&base).tree),
                message: message.to_owned(),
                committed: self.now,
                revert: None,
            };
            self.git.write(side)
        });
        let tree = put(&self.git.get(&self.git.main).tree);
        self.git.push(side, tree, message, self.now);
        self.theirs.insert(self.git.main.clone());
    }

    fn revert_newest(&mut self) {
        let newest = self.git.get(&self.git.main).clone();
        let Some(before) = newest.parents.first() else { return };
        let tree = self.git.get(before).tree.clone();
        let subject = newest.message.lines().next().unwrap_or_default();
        let message = format!("Revert \"{subject}\"\n\nThis reverts commit {}.\n", self.git.main);
        self.git.push(None, tree, &message, self.now);
        self.theirs.insert(self.git.main.clone());
    }

    fn rewind(&mut self, steps: usize, then: Option<(usize, u8)>) {
        self.rewritten = true;
        self.git.main = self.git.back(&self.git.main, steps);
        let left = self.git.ancestors(&self.git.main);
        self.theirs.retain(|commit| left.contains(commit));
        let own: BTreeSet<_> = self.git.own.values().map(|(_, tip)| tip.clone()).collect();
        self.landings.retain(|landing| left.contains(&landing.tip) || own.contains(&landing.tip));
        if let Some((on, content)) = then {
            self.push(on, content, "rewritten\n", false);
        }
    }

    fn robot_pushes(&mut self) {
        let Some((path, content, left)) = self.robot.take() else { return };
        if self.git.get(&self.git.main).tree[&path] != content {
            let mut tree = self.git.get(&self.git.main).tree.clone();
            tree.insert(path.clone(), content);
            self.git.push(None, tree, "robot: set\n", self.now);
            self.theirs.insert(self.git.main.clone());
        }
        self.robot = left.checked_sub(1).map(|left| (path, content, left));
    }

    /// In the end the branch has what is healthy, or it waits on another one, or the status says why not.
    pub(crate) fn is_settled(&self) {
        let newest = &self.git.get(&self.git.main).tree;
        for Environment { name, paths, status, mode, .. } in &self.environments {
            let read = digest(&inputs(newest, paths));
            let Some(healthy) = &status.healthy else { continue };
            let acquitted = status.watch.as_ref().is_some_and(|watch| watch.acquitted.is_some());
            if healthy.inputs == read || acquitted || *mode == Mode::None {
                continue;
            }
            let rollback = &status.rollback;
            assert!(rollback.quarantine_of(&read).is_some(), "{name}: nothing is said of {read:?}: {status:#?}");
            let (Some(hold), Mode::Revert | Mode::Branch) = (&rollback.held, mode) else { continue };
            let reverting =
                rollback.reverting.as_ref().unwrap_or_else(|| panic!("{name}: nothing is begun: {status:#?}"));
            match reverting.progress {
                // What was left to a person may just be tried once more.
                Progress::Stalled | Progress::Hindered => assert!(!reverting.message.is_empty(), "{name}"),
                Progress::Proposed => {
                    let branch = RefName::branch(reverting.branch.as_deref().expect("a branch")).expect("a ref");
                    // Whoever has merged it has deleted it.
                    let Some((_, tip)) = self.git.own.get(&branch) else { continue };
                    let healthy = inputs(&self.git.get(&hold.healthy).tree, paths);
                    assert_eq!(inputs(&self.git.get(tip).tree, paths), healthy, "{name}");
                }
                // Who takes exactly the reverts away again does not get them again.
                Progress::Pushed if self.rewritten => assert_eq!(reverting.head, self.git.main, "{name}"),
                Progress::Begun | Progress::Pushed => panic!("{name}: {status:#?}"),
            }
        }
    }
}

fn failed(class: Class) -> Outcome {
    Outcome::Failed(Failure { class, message: "not reverted in Git yet".to_owned() })
}

fn short(name: &str) -> String {
    name.trim_start_matches("refs/heads/").to_owned()
}
