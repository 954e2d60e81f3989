//! One environment, its repository, its cluster and a daemon that may die at any effect boundary.
//!
//! A content is a number: of 0, 1, 3, 4 everything becomes healthy, 2 and 5 are broken for good.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;
use plumb_core::{
    commit::CommitId,
    environment::EnvironmentName,
    health::HealthStatus,
    object::ObjectKey,
    rollback::{
        FailFast, Healthy, Mode, RollbackPolicy,
        blame::{self, Case, State, Symptom, Verdict},
        hold::{Admission, Hold, Release, Retry, Rollback},
        outage::{Before, Census, Wellbeing},
        watch::Watch,
    },
    source::InputsDigest,
    wave::Wave,
};

const AFTER: u64 = 10;
const TIMEOUT: u64 = 30;
/// What is good becomes healthy after so many seconds.
const ROLLOUT: i64 = 4;
/// Long enough for every clock to run out.
const PEACE: u32 = 200;

/// What happens.
#[derive(Debug, Clone)]
pub(crate) enum Deed {
    Push(u8),
    PushWithTrailer(u8),
    Retry,
    Crash,
    FailStatusWrites(u32),
    BreakNode(u32),
    Suspend(u32),
    ChangeSpec,
    BreakAnother(u32),
}

/// What survives a crash.
#[derive(Debug, Clone, Default)]
struct Status {
    rollback: Rollback,
    healthy: Option<Healthy>,
    watch: Option<Watch>,
    attempted: Option<usize>,
    handled_retry: u32,
}

#[derive(Debug, Clone, Copy)]
struct Commit {
    content: u8,
    trailer: bool,
}

pub(crate) struct World {
    now: i64,
    commits: Vec<Commit>,
    status: Status,
    /// Lost by a crash.
    memory: Option<Watch>,
    /// What the cluster has, and since when.
    live: Option<(u8, i64)>,
    generation: i64,
    asked_retry: u32,
    /// When the process died last.
    crashed: i64,
    unwritable: u32,
    node_broken: u32,
    suspended: u32,
    another_broken: u32,
    census: Census,
    observe: u64,
    /// What was ever seen healthy.
    was_healthy: BTreeMap<u8, i64>,
    /// Rollbacks by content since it was last let through.
    rolled_back: BTreeMap<u8, u32>,
    rollbacks: u32,
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).expect("a time")
}

fn commit_id(number: usize) -> CommitId {
    CommitId::parse(&format!("{number:040x}")).expect("an id")
}

fn number(commit: &CommitId) -> usize {
    usize::from_str_radix(commit.as_str(), 16).expect("a number")
}

fn inputs(content: u8) -> InputsDigest {
    InputsDigest(content.to_string())
}

fn is_broken(content: u8) -> bool {
    content % 3 == 2
}

fn key() -> ObjectKey {
    let (group, kind, namespace) = ("apps".to_owned(), "Deployment".to_owned(), Some("shop".to_owned()));
    ObjectKey { group, kind, namespace, name: "web".to_owned() }
}

impl World {
    pub(crate) fn new(observe: u64) -> Self {
        Self {
            now: 1000,
            commits: Vec::new(),
            status: Status::default(),
            memory: None,
            live: None,
            generation: 1,
            asked_retry: 0,
            crashed: 0,
            unwritable: 0,
            node_broken: 0,
            suspended: 0,
            another_broken: 0,
            census: Census::default(),
            observe,
            was_healthy: BTreeMap::new(),
            rolled_back: BTreeMap::new(),
            rollbacks: 0,
        }
    }

    pub(crate) fn rollbacks(&self) -> u32 {
        self.rollbacks
    }

    pub(crate) fn in_force(&self) -> Option<u8> {
        self.live.map(|(content, _)| content)
    }

    pub(crate) fn run(&mut self, seconds: u32) {
        for _ in 0..seconds {
            self.now += 1;
            for count in [&mut self.unwritable, &mut self.node_broken, &mut self.suspended, &mut self.another_broken] {
                *count = count.saturating_sub(1);
            }
            self.pass();
        }
    }

    pub(crate) fn run_in_peace(&mut self) {
        (self.unwritable, self.node_broken, self.suspended, self.another_broken) = (0, 0, 0, 0);
        self.run(PEACE);
    }

    pub(crate) fn meet(&mut self, deed: Deed) {
        match deed {
            Deed::Push(content) => self.commits.push(Commit { content, trailer: false }),
            Deed::PushWithTrailer(content) => self.commits.push(Commit { content, trailer: true }),
            Deed::Retry => self.asked_retry += 1,
            Deed::Crash => {
                self.crashed = self.now;
                self.memory.clone_from(&self.status.watch);
                self.census.start_over(Duration::from_secs(self.now.unsigned_abs()));
            }
            Deed::FailStatusWrites(seconds) => self.unwritable = seconds,
            Deed::BreakNode(seconds) => self.node_broken = seconds,
            Deed::Suspend(seconds) => self.suspended = seconds,
            Deed::ChangeSpec => self.generation += 1,
            Deed::BreakAnother(seconds) => self.another_broken = seconds,
        }
    }

    /// In the end a broken commit is not in force, unless it is said why it may not be rolled back.
    pub(crate) fn is_settled(&self) {
        let Some((content, _)) = self.live else { return };
        if !is_broken(content) {
            assert!(self.status.watch.is_none(), "what is healthy is not watched for ever: {:?}", self.status.watch);
            return;
        }
        let told = self.status.watch.as_ref().and_then(|watch| watch.acquitted.as_ref());
        let in_force = self.status.healthy.as_ref().is_some_and(|healthy| healthy.inputs == inputs(content));
        assert!(told.is_some() || in_force, "{content} is broken and nobody says anything: {:?}", self.status);
    }

    /// One pass of the daemon, as it makes them.
    fn pass(&mut self) {
        let Some(newest) = self.commits.len().checked_sub(1) else { return };
        let Some(target) = self.admit(newest) else { return };
        let ailing = self.live.is_some_and(|_| self.memory.is_none() && self.is_sick());
        if self.suspended == 0 {
            self.apply(self.commits[target].content);
        }
        let status = self.judge(target, ailing);
        if self.unwritable == 0 {
            self.settle(status);
        }
    }

    /// Returns the commit that the pass is about; nothing if the release could not be written.
    fn admit(&mut self, newest: usize) -> Option<usize> {
        let content = self.commits[newest].content;
        let rollback = &self.status.rollback;
        let retry = match rollback.quarantine_of(&inputs(content)) {
            Some(_) if self.asked_retry > self.status.handled_retry => Retry::Asked,
            Some(known) if self.commits[number(&known.commit) + 1..].iter().any(|commit| commit.trailer) => {
                Retry::Trailer
            }
            Some(_) | None => Retry::No,
        };
        match rollback.admit(&inputs(content), retry) {
            Admission::Free => Some(newest),
            Admission::Released(why) => {
                if self.unwritable > 0 {
                    return None;
                }
                self.status.rollback.release(&inputs(content));
                self.status.handled_retry = self.asked_retry;
                if why != Release::OtherContent {
                    self.rolled_back.remove(&content);
                }
                Some(newest)
            }
            Admission::Quarantined(_) => {
                Some(rollback.held.as_ref().map_or(self.status.attempted?, |hold| number(&hold.healthy)))
            }
        }
    }

    fn apply(&mut self, content: u8) {
        assert!(self.status.rollback.quarantine_of(&inputs(content)).is_none(), "{content} is in quarantine");
        if self.live.is_none_or(|(live, _)| live != content) {
            self.live = Some((content, self.now));
        }
    }

    fn is_sick(&self) -> bool {
        self.node_broken > 0
            || self.live.is_some_and(|(content, since)| is_broken(content) || self.now < since + ROLLOUT)
    }

    fn judge(&mut self, target: usize, ailing: bool) -> Status {
        let mut status = self.status.clone();
        status.attempted = Some(target);
        let Commit { content, .. } = self.commits[target];
        let sick = self.is_sick();
        let held = status.rollback.held.is_some();
        let changed = status.healthy.as_ref().is_none_or(|healthy| healthy.inputs != inputs(content));
        let reasons = (self.node_broken > 0 || is_broken(content)).then(|| "CrashLoopBackOff".to_owned());
        let symptom = Symptom {
            key: key(),
            health: HealthStatus::InProgress,
            reasons: reasons.into_iter().collect(),
            sentence: "web: sick".to_owned(),
            unseen: false,
            changed: Some(changed),
            drifted: false,
        };
        let state = match (self.suspended > 0, sick) {
            (true, sick) => State::Suspended { well: !sick },
            (false, false) => State::Well,
            (false, true) => State::Unwell { wave: Some(Wave(0)), symptoms: vec![symptom] },
        };
        let (own, other) = (EnvironmentName::new("team", "own"), EnvironmentName::new("team", "other"));
        let wellbeing = |sick: bool, changed: bool| Wellbeing {
            sick: sick.then(key).into_iter().collect(),
            changed: changed.then(|| at(self.now)),
            reads: None,
        };
        // A node takes the other one's Pods with it.
        let struck = self.node_broken > 0 || self.another_broken > 0;
        self.census.announce(&own, wellbeing(sick, changed), &Before::default(), at(self.now));
        self.census.announce(&other, wellbeing(struck, false), &Before::default(), at(self.now));
        let since = self.memory.as_ref().map_or(at(self.now), |watch| watch.since);
        let uptime = Duration::from_secs(self.now.unsigned_abs());
        let mode = if held { Mode::None } else { Mode::Restore };
        let judgement = blame::judge(&Case {
            policy: &RollbackPolicy {
                mode,
                fail_fast: FailFast {
                    after: Duration::from_secs(AFTER),
                    reasons: ["CrashLoopBackOff".to_owned()].into(),
                },
                timeout: Duration::from_secs(TIMEOUT),
                observe: Duration::from_secs(self.observe),
            },
            now: at(self.now),
            began: at(self.now),
            commit: &commit_id(target),
            inputs: &inputs(content),
            generation: self.generation,
            healthy: status.healthy.as_ref(),
            watch: self.memory.as_ref(),
            state,
            ailing,
            outage: self.census.outage(&own, since, uptime, [own.clone(), other].iter()),
        });
        if !sick && self.suspended == 0 {
            self.was_healthy.insert(content, self.generation);
        }
        if let (Verdict::Blamed { reason, .. }, Some(healthy)) = (&judgement.verdict, &judgement.healthy) {
            self.is_right(target, healthy);
            let since = at(self.now);
            let (author, subject, reason) = (String::new(), String::new(), reason.clone());
            let (healthy, commit) = (healthy.commit.clone(), commit_id(target));
            let hold = Hold { healthy, commit, author, subject, reason, since, records: None, by: None };
            status.rollback.roll_back(hold, inputs(content));
        }
        if let Some(healthy) = judgement.healthy.as_ref().filter(|healthy| healthy.lost.is_none())
            && status.healthy.as_ref() != Some(healthy)
        {
            status.rollback.prove(&healthy.inputs);
        }
        self.memory.clone_from(&judgement.watch);
        let blamed = matches!(judgement.verdict, Verdict::Blamed { .. });
        Status { watch: judgement.watch.filter(|_| !blamed), healthy: judgement.healthy, ..status }
    }

    /// A verdict against a commit has everything on its side.
    fn is_right(&self, target: usize, healthy: &Healthy) {
        let Commit { content, .. } = self.commits[target];
        let (live, since) = self.live.expect("because something is in force");
        assert_eq!(live, content, "what is blamed is in force");
        assert!(is_broken(content), "{content} is not broken");
        assert!(self.node_broken == 0 && self.another_broken == 0, "the cluster is not well");
        assert!(self.suspended == 0, "a person has stopped it");
        let to = self.commits[number(&healthy.commit)].content;
        assert_eq!(self.was_healthy.get(&to), Some(&self.generation), "{to} was healthy, by the same spec");
        let watch = self.memory.as_ref().expect("because a verdict takes time");
        assert!(self.now - watch.since.as_second() >= i64::try_from(AFTER).expect("a time"));
        // Whoever dies before it could write the status begins anew with the next pass.
        let latest = since.max(self.crashed + 1);
        assert!(watch.began.as_second() <= latest, "the clock is that of the first commit of the range");
    }

    fn settle(&mut self, status: Status) {
        if self.status.rollback.held.is_none()
            && let Some(hold) = &status.rollback.held
        {
            let content = self.commits[number(&hold.commit)].content;
            let often = self.rolled_back.entry(content).or_default();
            *often += 1;
            assert_eq!(*often, 1, "{content} was rolled back twice although nobody asked for it");
            self.rollbacks += 1;
            self.memory = None;
        }
        self.status = status;
    }
}
