//! The errand of a rollback: what is called for outside of the cluster at the end of a pass, and what an answer means.
//!
//! Owns the order of the guards. Must never do: call for a push that is not taken down as begun, or for anything while a person has
//! suspended the environment.

use jiff::Timestamp;

use super::{
    Mode,
    hold::Rollback,
    pushing::{self, Outcome, Progress, Reverting},
    revert::{self, Aside, Input, Revert, RevertPlan},
};
use crate::commit::{CommitId, RefName};

/// What a pass knows at its end.
#[derive(Debug, Clone, Copy)]
pub struct Moment<'a> {
    /// The newest commit of the branch that is followed; it is in quarantine.
    pub head: &'a CommitId,
    /// What the Environment asks for.
    pub mode: Mode,
    /// Whether nothing may be written.
    pub suspended: bool,
    /// Whether the pass has just found a commit to blame.
    pub blamed: bool,
    /// Whether it has just heard what became of a push.
    pub answered: bool,
    /// Whether what was left to a person is planned anew.
    pub anew: bool,
}

/// What is called for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// Nothing.
    Nothing,
    /// A pull request, where one is wanted.
    Proposal,
    /// A look at whether what was left to a person is planned anew.
    Stall,
    /// A plan of what is taken back.
    Plan,
}

/// What is to be done about a plan, once the status says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Errand {
    /// Nothing.
    Nothing,
    /// Nothing: it is left to a person.
    Stalled {
        /// What is to be told, where that is news.
        told: Option<Outcome>,
        /// When that is over by itself.
        until: Option<Timestamp>,
    },
    /// A pull request, where one is wanted: the reverts wait on their branch already.
    Proposal,
    /// Reverts are to be pushed.
    Push {
        /// The branch that is pushed to.
        target: RefName,
        /// Why that is one of its own.
        aside: Option<Aside>,
        /// The reverts.
        reverts: Vec<Revert>,
        /// Whether nothing was sent for this state of the branch before, as far as anybody knows.
        first: bool,
    },
}

/// Takes in what became of the push for a state of the branch; returns whether that is to be told: it was not known yet, and is not
/// what was told of one before.
pub fn hear(rollback: &mut Rollback, head: &CommitId, outcome: Outcome, now: Timestamp) -> bool {
    let awaited = pushing::is_open(rollback.reverting.as_ref(), head);
    let told = pushing::is_told(rollback.reverting.as_ref(), &outcome);
    let reverting = pushing::end(&mut rollback.pushes, head, outcome, now);
    if awaited {
        rollback.reverting = Some(reverting);
    }
    awaited && !told
}

/// Returns what is called for while an environment is held.
pub fn call(rollback: &Rollback, moment: &Moment<'_>) -> Call {
    // Who suspends an environment has taken it over, in Git, too.
    if rollback.held.is_none() || moment.blamed || moment.suspended {
        return Call::Nothing;
    }
    let earlier = rollback.reverting.as_ref().filter(|earlier| earlier.head == *moment.head);
    match earlier.map(|earlier| earlier.progress) {
        Some(Progress::Stalled) if !moment.anew => return Call::Stall,
        Some(Progress::Pushed | Progress::Proposed) => return Call::Proposal,
        Some(Progress::Begun | Progress::Hindered | Progress::Stalled) | None => {}
    }
    // The branch is looked at before anything else is pushed.
    let plans = !moment.answered && matches!(moment.mode, Mode::Revert | Mode::Branch);
    if plans { Call::Plan } else { Call::Nothing }
}

/// Returns when other pushes were begun, as far as they count: who asks by hand may push.
pub fn pushes(rollback: &Rollback, head: &CommitId) -> Vec<Timestamp> {
    let known = rollback.reverting.as_ref();
    if rollback.is_by_hand() { Vec::new() } else { pushing::before(&rollback.pushes, known, head) }
}

/// Plans what is taken back for a state of the branch, and takes down what is begun; `free` says whether something may begin.
pub fn begin(rollback: &mut Rollback, head: &CommitId, input: &Input<'_>, free: bool) -> Errand {
    let (target, reverts, aside) = match revert::plan(input) {
        RevertPlan::Nothing => {
            rollback.reverting = None;
            return Errand::Nothing;
        }
        RevertPlan::Stalled(why) => {
            let stalled = Reverting::new(head.clone(), Progress::Stalled, why.story(input));
            let told = Outcome::Refused(stalled.message.clone());
            // It is told once, however many commits come that change nothing about it.
            let told = Some(told).filter(|told| !pushing::is_told(rollback.reverting.as_ref(), told));
            rollback.reverting = Some(stalled);
            return Errand::Stalled { told, until: why.until(input.pushes) };
        }
        RevertPlan::Push(reverts) => {
            let Some(branch) = input.branch else { return Errand::Nothing };
            (branch.clone(), reverts, None)
        }
        RevertPlan::Branch { name, reverts, why } => {
            if pushing::go_on_waiting(&mut rollback.reverting, &name, head) {
                return Errand::Proposal;
            }
            (name, reverts, Some(why))
        }
    };
    if !free {
        // What does not begin is not counted; the pass that follows the end of what is under way asks again.
        return Errand::Nothing;
    }
    let first = !pushing::is_counted(&rollback.pushes, head);
    let own = aside.as_ref().map(|_| target.short());
    let begun = pushing::begin(&mut rollback.pushes, rollback.reverting.as_ref(), head, own, input.now);
    rollback.reverting = Some(begun);
    Errand::Push { target, aside, reverts, first }
}

/// Returns whether the status says that a push for this state of the branch has begun; nothing else is pushed.
pub fn is_begun(written: Option<&Reverting>, head: &CommitId) -> bool {
    pushing::is_open(written, head)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        commit::RepoPath,
        environment::EnvironmentName,
        rollback::{
            hold::Hold,
            outage::Sharers,
            pushing::Push,
            revert::{Apart, Step},
        },
    };

    fn commit(digit: char) -> CommitId {
        CommitId::parse(&digit.to_string().repeat(40)).expect("an id")
    }

    fn held(progress: Option<(char, Progress)>) -> Rollback {
        let hold = Hold {
            healthy: commit('1'),
            commit: commit('2'),
            author: String::new(),
            subject: String::new(),
            reason: String::new(),
            since: Timestamp::UNIX_EPOCH,
            records: None,
            by: None,
        };
        let reverting = progress.map(|(head, progress)| Reverting::new(commit(head), progress, "said".to_owned()));
        Rollback { held: Some(hold), reverting, ..Rollback::default() }
    }

    #[test]
    fn a_plan_is_called_for_where_nothing_stands_against_it() {
        #[track_caller]
        fn check(rollback: &Rollback, change: impl FnOnce(&mut Moment<'_>), expected: Call) {
            let head = commit('2');
            let mut moment = Moment {
                head: &head,
                mode: Mode::Revert,
                suspended: false,
                blamed: false,
                answered: false,
                anew: false,
            };
            change(&mut moment);
            assert_eq!(call(rollback, &moment), expected);
        }
        check(&Rollback::default(), |_| {}, Call::Nothing);
        check(&held(None), |_| {}, Call::Plan);
        check(&held(None), |moment| moment.mode = Mode::Branch, Call::Plan);
        check(&held(None), |moment| moment.mode = Mode::Restore, Call::Nothing);
        check(&held(None), |moment| moment.suspended = true, Call::Nothing);
        check(&held(None), |moment| moment.blamed = true, Call::Nothing);
        check(&held(None), |moment| moment.answered = true, Call::Nothing);
        for open in [Progress::Begun, Progress::Hindered] {
            check(&held(Some(('2', open))), |_| {}, Call::Plan);
        }
        for (over, expected) in
            [(Progress::Pushed, Call::Proposal), (Progress::Proposed, Call::Proposal), (Progress::Stalled, Call::Stall)]
        {
            check(&held(Some(('2', over))), |_| {}, expected);
            check(&held(Some(('2', over))), |moment| moment.suspended = true, Call::Nothing);
            check(&held(Some(('3', over))), |_| {}, Call::Plan);
        }
        check(&held(Some(('2', Progress::Stalled))), |moment| moment.anew = true, Call::Plan);
    }

    #[test]
    fn an_answer_is_news_while_it_is_awaited_and_what_arrived_counts_all_the_same() {
        let mut rollback = held(Some(('2', Progress::Begun)));
        assert!(hear(&mut rollback, &commit('2'), Outcome::Refused("no".to_owned()), Timestamp::UNIX_EPOCH));
        assert_eq!(rollback.reverting.as_ref().map(|known| known.progress), Some(Progress::Stalled));
        let taken = Vec::new();
        let pushed = Outcome::Pushed { branch: pushing::Branch::Followed("main".to_owned()), taken };
        assert!(!hear(&mut rollback, &commit('2'), pushed, Timestamp::UNIX_EPOCH), "it is known already");
        let pushes = [Push { head: commit('2'), at: Timestamp::UNIX_EPOCH, branch: None }];
        assert_eq!(rollback.pushes, pushes);
        rollback.forget();
        assert_eq!(rollback, Rollback { pushes: pushes.to_vec(), ..Rollback::default() });
    }

    #[test]
    fn what_is_begun_is_taken_down_and_what_a_person_has_to_do_is_told_once() {
        let (environment, path) = (EnvironmentName::new("team", "app"), RepoPath::parse("app").expect("a path"));
        let (healthy, head, branch) = (commit('1'), commit('2'), RefName::branch("main").expect("a ref"));
        let message = "web: new".to_owned();
        let changed = [path.clone()].into();
        let step = Step { commit: head.clone(), parent: Some(healthy.clone()), merge: false, message, changed };
        let (steps, content, now) = ([step], Sharers::default(), Timestamp::UNIX_EPOCH);
        let input = Input {
            environment: &environment,
            mode: Mode::Revert,
            path: &path,
            healthy: &healthy,
            reason: "",
            records: None,
            branch: Some(&branch),
            steps: Ok(&steps),
            content: &content,
            pushes: &[],
            now,
        };
        let mut rollback = held(None);
        let Errand::Push { target, reverts, first, .. } = begin(&mut rollback, &head, &input, true) else {
            panic!("a push")
        };
        assert_eq!((target, reverts.len(), first), (branch.clone(), 1, true));
        assert!(is_begun(rollback.reverting.as_ref(), &head) && !is_begun(rollback.reverting.as_ref(), &healthy));
        assert!(!is_begun(None, &head));
        assert_eq!(rollback.pushes, [Push { head: head.clone(), at: now, branch: None }]);
        assert_eq!(pushes(&rollback, &head), [], "it is the same one");
        assert_eq!(pushes(&rollback, &healthy), [now]);
        rollback.held.as_mut().expect("a hold").by = Some("ann".to_owned());
        assert_eq!(pushes(&rollback, &healthy), [], "a person asks for it");

        let rewritten = Input { steps: Err(Apart::Unrelated), ..input.clone() };
        let stalled = begin(&mut rollback, &head, &rewritten, true);
        let Errand::Stalled { told: Some(Outcome::Refused(told)), until: None } = stalled else { panic!("a word") };
        assert_eq!(rollback.reverting, Some(Reverting::new(head.clone(), Progress::Stalled, told)));
        let again = begin(&mut rollback, &commit('3'), &rewritten, true);
        assert_eq!(again, Errand::Stalled { told: None, until: None });
        let before = rollback.clone();
        assert_eq!(begin(&mut rollback, &commit('3'), &input, false), Errand::Nothing, "another one is under way");
        assert_eq!(rollback, before);
        let unchanged = Input { steps: Ok(&[]), ..input };
        assert_eq!((begin(&mut rollback, &head, &unchanged, true), rollback.reverting), (Errand::Nothing, None));
    }
}
