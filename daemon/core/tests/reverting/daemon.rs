//! The daemon: passes as it makes them, with the real decisions, and with a boundary around each effect.

use std::{collections::BTreeSet, time::Duration};

use plumb_core::{
    commit::{CommitId, RefName, Revision},
    environment::EnvironmentName,
    health::HealthStatus,
    object::ObjectKey,
    rollback::{
        FailFast, Mode, RollbackPolicy, arrival,
        blame::{self, Case, State, Symptom, Verdict},
        by_hand::{self, Asked},
        errand::{self, Call, Errand, Moment},
        hold::{Admission, Hold, Release, Retry, Rollback},
        outage::{Before, Sharing, Wellbeing},
        proposing,
        pushing::{self, Branch, Outcome, Taken},
        revert::{Apart, Aside, Input, Revert},
    },
    source::Inputs,
    wave::Wave,
};

use crate::{
    environment::{Answer, Done, Environment, Status},
    git::{Tree, digest, inputs},
    world::{Died, Flight, Trouble, World, at, main},
};

const FAIL_FAST: Duration = Duration::from_secs(4);
const TIMEOUT: Duration = Duration::from_secs(12);
/// What is good becomes healthy after so many seconds.
const ROLLOUT: i64 = 1;
/// What was left to a person is planned anew this often.
const ANEW: i64 = 30;
/// A push takes so many seconds where it takes its time.
const SLOW: i64 = 6;

/// What a pass is about.
enum Admitted {
    Newest,
    RolledBack,
    Quarantined,
}

/// What a pass knows at its end.
struct End {
    newest: CommitId,
    rolled_back: bool,
    siblings: Option<BTreeSet<EnvironmentName>>,
    blamed: bool,
    done: Option<Done>,
    /// The state of the branch since which it has nothing of what was begun.
    missed: Option<CommitId>,
    /// Whether something may begin.
    free: bool,
}

struct Push {
    head: CommitId,
    hold: Hold,
    target: RefName,
    aside: Option<Aside>,
    reverts: Vec<Revert>,
    newest: Inputs,
    first: bool,
}

enum Job {
    Push(Box<Push>),
    Propose(CommitId),
}

impl World {
    fn read(&self, of: usize, commit: &CommitId) -> Inputs {
        inputs(&self.git.get(commit).tree, &self.environments[of].paths)
    }

    /// One pass of the daemon, as it makes them.
    pub(crate) fn pass(&mut self, of: usize) -> Result<(), Died> {
        let Some(newest) = self.seen.clone() else { return Ok(()) };
        let mind = &mut self.environments[of].mind;
        let (mut done, mut missed, free) = (mind.done.take(), None, mind.flight.is_none() && mind.due <= self.now);
        let siblings = self.environments[of].status.rollback.held.is_some().then(|| self.siblings(of));
        if !self.answer_by_hand(of, &newest)? {
            return Ok(());
        }
        let Some((target, admitted)) = self.admit(of, &newest, (&mut done, &mut missed))? else { return Ok(()) };
        self.apply(of, &target)?;
        let (mut status, blamed) = self.judge(of, &target);
        let rolled_back = matches!(admitted, Admitted::RolledBack);
        let end = End { newest, rolled_back, siblings, blamed, done, missed, free };
        let job = self.plan(of, &mut status, end);
        if self.write(of, status)? && blamed {
            self.environments[of].mind.watch = None;
        }
        self.start(of, job)
    }

    fn siblings(&self, of: usize) -> BTreeSet<EnvironmentName> {
        let others = self.environments.iter().enumerate().filter(|(other, _)| *other != of);
        others.filter(|(_, other)| other.status.attempted.is_some()).map(|(_, other)| other.name.clone()).collect()
    }

    /// Writes a status; returns whether it was written.
    fn write(&mut self, of: usize, status: Status) -> Result<bool, Died> {
        self.boundary()?;
        if self.has(Trouble::StatusUnwritable) {
            return Ok(false);
        }
        self.environments[of].status = status;
        self.boundary()?;
        Ok(true)
    }

    /// Answers a request to roll back; returns whether the pass goes on.
    fn answer_by_hand(&mut self, of: usize, newest: &CommitId) -> Result<bool, Died> {
        let Environment { by_hand: (asked, target), status, suspended, .. } = &self.environments[of];
        let Some(target) = target.clone().filter(|_| *asked > status.handled_by_hand) else { return Ok(true) };
        let (target_inputs, newest_inputs) = (digest(&self.read(of, &target)), digest(&self.read(of, newest)));
        let refused = by_hand::refuse(&Asked {
            target: &target,
            target_inputs: Some(&target_inputs),
            apart: (!self.git.first_parent_line(newest).contains(&target)).then_some(Apart::Unrelated),
            newest,
            newest_inputs: &newest_inputs,
            in_force: status.attempted.as_ref().map(|(_, inputs)| inputs),
            held: status.rollback.held.as_ref(),
            suspended: *suspended > 0,
        });
        let mut status = Status { handled_by_hand: *asked, ..status.clone() };
        let rolls_back = refused.is_none();
        if let (Some(in_force), true) = (status.attempted.clone(), rolls_back) {
            let hold = Hold { by: Some("ann".to_owned()), ..self.hold(target, newest, "rolled back by ann") };
            status.rollback.roll_back_by_hand(hold, newest_inputs, in_force, &target_inputs);
            status.watch = None;
        }
        if self.write(of, status)? {
            self.environments[of].asked += u32::from(rolls_back);
            return Ok(true);
        }
        Ok(false)
    }

    fn hold(&self, healthy: CommitId, commit: &CommitId, reason: &str) -> Hold {
        let (author, subject, reason) = (String::new(), String::new(), reason.to_owned());
        Hold { healthy, commit: commit.clone(), author, subject, reason, since: at(self.now), records: None, by: None }
    }

    /// Returns the commit that the pass is about; nothing if a release could not be written.
    fn admit(
        &mut self,
        of: usize,
        newest: &CommitId,
        (done, missed): (&mut Option<Done>, &mut Option<CommitId>),
    ) -> Result<Option<(CommitId, Admitted)>, Died> {
        *missed = self.look_for_reverts(of, newest, done);
        let Environment { status, mode, mind, asked_retry, .. } = &self.environments[of];
        let (rollback, asked_retry) = (&status.rollback, *asked_retry);
        if rollback.is_empty() {
            return Ok(Some((newest.clone(), Admitted::Newest)));
        }
        let open = rollback.reverting.as_ref().is_some_and(|reverting| reverting.progress.is_open());
        let unsure = open && (mind.flight.is_some() || mind.unsure.is_some());
        if *mode == Mode::None && !rollback.is_by_hand() && !unsure {
            let mut status = self.heard(of, done.take().as_ref(), missed.as_ref());
            status.rollback.forget();
            return self.release(of, newest, status, true);
        }
        let read = digest(&self.read(of, newest));
        let rollback = &self.environments[of].status.rollback;
        let retry = match rollback.quarantine_of(&read) {
            Some(_) if asked_retry > status.handled_retry && !unsure => Retry::Asked,
            Some(known) if self.git.asks_for_retry(newest, &known.commit) => Retry::Trailer,
            Some(_) | None => Retry::No,
        };
        match rollback.admit(&read, retry) {
            Admission::Free => Ok(Some((newest.clone(), Admitted::Newest))),
            Admission::Released(why) => {
                let mut status = self.heard(of, done.take().as_ref(), missed.as_ref());
                status.rollback.release(&read);
                if why == Release::Asked {
                    status.handled_retry = asked_retry;
                }
                self.release(of, newest, status, why != Release::OtherContent)
            }
            Admission::Quarantined(_) => Ok(match &rollback.held {
                Some(hold) => Some((hold.healthy.clone(), Admitted::RolledBack)),
                None => status.attempted.clone().map(|(commit, _)| (commit, Admitted::Quarantined)),
            }),
        }
    }

    /// Takes in what became of a push that a release ends.
    fn heard(&self, of: usize, done: Option<&Done>, missed: Option<&CommitId>) -> Status {
        let mut status = self.environments[of].status.clone();
        if let Some(missed) = missed {
            pushing::miss(&mut status.rollback.pushes, missed);
        }
        if let Some((head, Answer::Push(outcome))) = done {
            errand::hear(&mut status.rollback, head, outcome.clone(), at(self.now));
        }
        status
    }

    fn release(
        &mut self,
        of: usize,
        newest: &CommitId,
        status: Status,
        asked: bool,
    ) -> Result<Option<(CommitId, Admitted)>, Died> {
        let written = self.write(of, status)?;
        self.environments[of].asked += u32::from(written && asked);
        Ok(written.then(|| (newest.clone(), Admitted::Newest)))
    }

    /// Takes what the branch tells for the answer to a push; returns since which state it has nothing of it.
    fn look_for_reverts(&self, of: usize, newest: &CommitId, done: &mut Option<Done>) -> Option<CommitId> {
        let Environment { status, name, .. } = &self.environments[of];
        let answered = matches!(done, Some((_, Answer::Push(Outcome::Pushed { .. }))));
        let (hold, begun) = arrival::sought(&status.rollback, newest).filter(|_| !answered)?;
        let pairs = arrival::arrived(&self.git.later(newest, &begun.head), name, hold);
        let taken: Vec<Taken> = pairs.into_iter().rev().map(|(commit, by)| taken(commit, by)).collect();
        if taken.is_empty() {
            return Some(begun.head.clone());
        }
        let branch = Branch::Followed("main".to_owned());
        *done = Some((begun.head.clone(), Answer::Push(Outcome::Pushed { branch, taken })));
        None
    }

    fn apply(&mut self, of: usize, target: &CommitId) -> Result<(), Died> {
        let tree = &self.git.get(target).tree;
        let Environment { paths, suspended, live, .. } = &self.environments[of];
        let contents: Tree = tree
            .iter()
            .filter(|(path, _)| paths.contains(*path))
            .map(|(path, content)| (path.clone(), *content))
            .collect();
        if *suspended > 0 || live.as_ref().is_some_and(|(live, _)| *live == contents) {
            return Ok(());
        }
        self.boundary()?;
        self.environments[of].live = Some((contents, self.now));
        self.boundary()
    }

    /// Returns what is to be written, and whether a commit was found to blame.
    fn judge(&mut self, of: usize, target: &CommitId) -> (Status, bool) {
        let node_broken = self.has(Trouble::NodeBroken);
        let (read, now) = (self.read(of, target), self.now);
        let names = self.environments.each_ref().map(|environment| environment.name.clone());
        let uptime = Duration::from_secs(now.unsigned_abs());
        let environment = &mut self.environments[of];
        let mut status = environment.status.clone();
        let of_inputs = digest(&read);
        let failing = node_broken
            || environment.flapping > 0
            || environment.live.as_ref().is_some_and(|(live, _)| environment.is_broken(live));
        let rolls_out = environment.live.as_ref().is_none_or(|(_, since)| now < since + ROLLOUT);
        let (sick, suspended) = (failing || rolls_out, environment.suspended > 0);
        let changed = status.healthy.as_ref().is_none_or(|healthy| healthy.inputs != of_inputs);
        let state = match (suspended, sick) {
            (true, sick) => State::Suspended { well: !sick },
            (false, false) => State::Well,
            (false, true) => State::Unwell { wave: Some(Wave(0)), symptoms: vec![symptom(failing, changed)] },
        };
        let held = status.rollback.held.is_some();
        let wellbeing = Wellbeing {
            sick: sick.then(key).into_iter().collect(),
            changed: (changed || held).then(|| at(now)),
            reads: Some(read.clone()),
        };
        self.census.announce(&environment.name, wellbeing, &Before::default(), at(now));
        environment.mind.told = Some((!sick, read));
        let since = environment.mind.watch.as_ref().map_or(at(now), |watch| watch.since);
        let reasons = ["CrashLoopBackOff".to_owned()].into();
        let judgement = blame::judge(&Case {
            policy: &RollbackPolicy {
                mode: if held { Mode::None } else { environment.mode },
                fail_fast: FailFast { after: FAIL_FAST, reasons },
                timeout: TIMEOUT,
                observe: Duration::ZERO,
            },
            now: at(now),
            began: at(now),
            commit: target,
            inputs: &of_inputs,
            generation: 1,
            healthy: status.healthy.as_ref(),
            watch: environment.mind.watch.as_ref(),
            state,
            ailing: false,
            outage: self.census.outage(&environment.name, since, uptime, names.iter()),
        });
        environment.mind.watch.clone_from(&judgement.watch);
        let mut blamed = false;
        if let (Verdict::Blamed { reason, .. }, Some(healthy)) = (&judgement.verdict, &judgement.healthy) {
            let hold = self.hold(healthy.commit.clone(), target, reason);
            status.rollback.roll_back(hold, of_inputs.clone());
            blamed = true;
        }
        let news = judgement.healthy.as_ref().filter(|healthy| status.healthy.as_ref() != Some(healthy));
        if let Some(healthy) = news.filter(|healthy| healthy.lost.is_none()) {
            status.rollback.prove(&healthy.inputs);
        }
        let attempted = if suspended { status.attempted } else { Some((target.clone(), of_inputs)) };
        let watch = judgement.watch.filter(|_| !blamed);
        (Status { watch, healthy: judgement.healthy, attempted, ..status }, blamed)
    }

    /// As the daemon's `rollback::plan`: takes in what became of the last errand, and returns the next one.
    fn plan(&self, of: usize, status: &mut Status, end: End) -> Option<Job> {
        let End { newest, rolled_back, siblings, blamed, done, missed, free } = end;
        let Environment { name, path, paths, mode, suspended, .. } = &self.environments[of];
        let rollback = &mut status.rollback;
        let mut answered = false;
        match done {
            Some((head, Answer::Push(outcome))) => {
                errand::hear(rollback, &head, outcome, at(self.now));
                answered = true;
            }
            Some((head, Answer::Proposal(pull))) => {
                proposing::end(rollback.reverting.as_mut(), &head, &pull);
            }
            None => {}
        }
        if let Some(missed) = missed {
            pushing::miss(&mut rollback.pushes, &missed);
        }
        let hold = rollback.held.clone().filter(|_| rolled_back)?;
        let propose =
            |rollback: &Rollback| proposing::wanted(rollback.reverting.as_ref()).map(|_| Job::Propose(newest.clone()));
        // The ground of what was left to a person changes now and then.
        let anew = self.now % ANEW == 0;
        let moment = Moment { head: &newest, mode: *mode, suspended: *suspended > 0, blamed, answered, anew };
        match errand::call(rollback, &moment) {
            Call::Nothing | Call::Stall => return None,
            Call::Proposal => return propose(rollback),
            Call::Plan => {}
        }
        let read = self.read(of, &newest);
        let steps = self.git.steps(&newest, &hold.healthy, paths);
        let uptime = Duration::from_secs(self.now.unsigned_abs());
        let Sharing::With(content) = self.census.sharing(&siblings?, &read, uptime) else { return None };
        let (branch, pushes) = (main(), errand::pushes(rollback, &newest));
        let input = Input {
            environment: name,
            mode: *mode,
            path,
            healthy: &hold.healthy,
            reason: &hold.reason,
            records: hold.records.as_ref(),
            branch: Some(&branch),
            steps: steps.as_deref().ok_or(Apart::Unrelated),
            content: &content,
            pushes: &pushes,
            now: at(self.now),
        };
        match errand::begin(rollback, &newest, &input, free) {
            Errand::Nothing | Errand::Stalled { .. } => None,
            Errand::Proposal => propose(rollback),
            Errand::Push { target, reverts, aside, first } => {
                Some(Job::Push(Box::new(Push { head: newest, hold, target, aside, reverts, newest: read, first })))
            }
        }
    }

    /// Starts what the status says is begun, one errand at a time.
    fn start(&mut self, of: usize, job: Option<Job>) -> Result<(), Died> {
        let Environment { mind, status, suspended, name, paths, .. } = &self.environments[of];
        let written = status.rollback.reverting.as_ref();
        let free = mind.flight.is_none() && mind.done.is_none() && mind.due <= self.now;
        match job.filter(|_| free) {
            Some(Job::Push(push)) if errand::is_begun(written, &push.head) => {
                let Push { head, hold, target, aside, reverts, newest, first } = *push;
                assert!(*suspended == 0, "{name} is suspended");
                if target == main() {
                    self.is_nobody_elses(of, &newest);
                }
                let (name, paths) = (name.clone(), paths.clone());
                let written = self.git.write_reverts(&head, &reverts, &name, hold.since);
                let tip = written.last().unwrap_or(&head).clone();
                let healthy = inputs(&self.git.get(&hold.healthy).tree, &paths);
                let leads_back = inputs(&self.git.get(&tip).tree, &paths) == healthy;
                let refused = (!leads_back).then(|| "a path would not be as it was".to_owned());
                let taken = reverts.iter().zip(written).map(|(revert, by)| taken(revert.commit.clone(), by)).collect();
                let (began, lands) = (self.now, self.now + if self.has(Trouble::Slow) { SLOW } else { 1 });
                let environment = of;
                self.boundary()?;
                let flight =
                    Flight { environment, hold, head, target, aside, tip, taken, refused, began, lands, first };
                self.environments[of].mind.flight = Some(flight);
                self.boundary()
            }
            Some(Job::Propose(head)) if errand::is_begun(written, &head) && proposing::wanted(written).is_some() => {
                self.open_pull(of, head);
                self.boundary()
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Nothing is taken away from under another environment that runs it, or may.
    fn is_nobody_elses(&self, of: usize, newest: &Inputs) {
        let others = self.environments.iter().enumerate().filter(|(other, _)| *other != of);
        for (_, other) in others.filter(|(_, other)| other.status.attempted.is_some()) {
            let (well, reads) = other.mind.told.as_ref().unwrap_or_else(|| panic!("{} is unheard", other.name));
            let shares = reads.0.iter().any(|(path, id)| newest.0.get(path) == Some(id));
            assert!(!(*well && shares), "{} is healthy with it", other.name);
        }
    }
}

fn key() -> ObjectKey {
    let (group, kind, namespace) = ("apps".to_owned(), "Deployment".to_owned(), Some("shop".to_owned()));
    ObjectKey { group, kind, namespace, name: "web".to_owned() }
}

fn symptom(failing: bool, changed: bool) -> Symptom {
    Symptom {
        key: key(),
        unseen: false,
        health: HealthStatus::InProgress,
        reasons: failing.then(|| "CrashLoopBackOff".to_owned()).into_iter().collect(),
        sentence: "Deployment shop/web: sick".to_owned(),
        changed: Some(changed),
        drifted: false,
    }
}

fn taken(commit: CommitId, by: CommitId) -> Taken {
    let (author, subject) = (String::new(), String::new());
    let revision = Revision { reference: None, commit, author, committed: at(0), subject, signer: None };
    Taken { revision, by }
}
