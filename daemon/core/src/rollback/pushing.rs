//! Pushes of reverts: what was begun, what became of it, and how often.
//!
//! What is begun is in the status before it is pushed, one for each state of the branch. A push that was cut is made again with
//! the same commits, so that it counts once. What may have landed counts until it is known that it has not.

use jiff::Timestamp;
use serde::Serialize;

use super::{
    proposing::Pull,
    revert::{Aside, PUSHES_MAX, PUSHES_WITHIN},
};
use crate::{
    class::Class,
    commit::{CommitId, RefName, Revision},
    operation::Failure,
};

/// A push that was begun.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Push {
    /// The state of the branch that it was for.
    pub head: CommitId,
    /// When it began.
    pub at: Timestamp,
    /// The branch of its own that it was for, by its short name; absent: the one that is followed.
    pub branch: Option<String>,
}

/// What becomes of a rollback in Git.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reverting {
    /// The state of the branch that it is for.
    pub head: CommitId,
    /// How far it is.
    pub progress: Progress,
    /// In words.
    pub message: String,
    /// The branch of its own that has it, by its short name.
    pub branch: Option<String>,
    /// What became of the pull request for that branch.
    pub pull: Option<Pull>,
}

/// How far a revert is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Progress {
    /// It is being pushed; whether it was is not known.
    Begun,
    /// The same, but a person has to help before it can be.
    Hindered,
    /// The branch that is followed has it.
    Pushed,
    /// A branch of its own has it, for a person to merge.
    Proposed,
    /// A person has to do it.
    Stalled,
}

/// A commit that is taken back in Git.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Taken {
    /// The commit.
    pub revision: Revision,
    /// Its revert.
    pub by: CommitId,
}

/// What became of a push.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum Outcome {
    /// It was taken.
    Pushed {
        /// By which branch.
        branch: Branch,
        /// What it takes back, in the order in which the reverts were made.
        taken: Vec<Taken>,
    },
    /// Somebody else was faster: nothing was pushed.
    Raced,
    /// It will not be taken.
    Refused(String),
    /// Nobody knows, and it is tried again.
    Failed(Failure),
    /// Nothing was sent, now or before, and it is tried again.
    Unsent(Failure),
}

/// A branch that has taken reverts, by its short name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum Branch {
    /// The one that is followed.
    Followed(String),
    /// One of their own.
    Own {
        /// Its short name.
        name: String,
        /// Why not the one that is followed.
        why: Aside,
    },
}

impl Branch {
    /// Returns its name where it is one of their own.
    pub fn own(&self) -> Option<&str> {
        match self {
            Self::Followed(_) => None,
            Self::Own { name, .. } => Some(name),
        }
    }

    /// Returns what is said of these reverts on it.
    pub fn said(&self, taken: &[Taken]) -> String {
        match self {
            Self::Followed(name) => {
                let tip = taken.last().map(|taken| taken.by.short()).unwrap_or_default();
                format!("reverted in Git by {tip} on {name}")
            }
            Self::Own { name, why } => {
                let (count, why) = (taken.len(), why.advice());
                format!("{count} revert(s) wait on branch {name} for somebody to merge them, {why}")
            }
        }
    }
}

impl Progress {
    /// Returns whether it is not known yet what becomes of the push.
    pub fn is_open(self) -> bool {
        matches!(self, Self::Begun | Self::Hindered)
    }

    /// Returns what helps: nobody has to do anything about what is tried again or on its way back.
    pub fn class(self) -> Class {
        match self {
            Self::Begun | Self::Pushed => Class::Retry,
            Self::Hindered | Self::Proposed | Self::Stalled => Class::Wait,
        }
    }
}

impl Outcome {
    /// Returns what helps where it failed.
    pub fn class(&self) -> Option<Class> {
        match self {
            Self::Failed(failure) | Self::Unsent(failure) => Some(failure.class),
            Self::Pushed { .. } | Self::Raced | Self::Refused(_) => None,
        }
    }
}

impl Reverting {
    /// Returns one of which there is no more to say.
    pub fn new(head: CommitId, progress: Progress, message: String) -> Self {
        Self { head, progress, message, branch: None, pull: None }
    }

    /// Goes on with what was left to a person: what kept it from being pushed is still what there is to say.
    pub fn again(self) -> Self {
        match self.progress {
            Progress::Stalled => Self { progress: Progress::Hindered, ..self },
            Progress::Begun | Progress::Hindered | Progress::Pushed | Progress::Proposed => self,
        }
    }

    /// Returns all that there is to say of it.
    pub fn words(&self) -> String {
        let Self { message, pull, .. } = self;
        match pull {
            None => message.clone(),
            Some(pull) => format!("{message}; {}", pull.message),
        }
    }
}

/// Begins a push; `own` is the branch of its own that it is for. One that is open for the same state of the branch that is followed
/// goes on there, and counts once. While it is tried again, what kept the last one from being pushed is still what there is to say.
pub fn begin(
    pushes: &mut Vec<Push>,
    known: Option<&Reverting>,
    head: &CommitId,
    own: Option<&str>,
    now: Timestamp,
) -> Reverting {
    let old = now.checked_sub(PUSHES_WITHIN).unwrap_or(Timestamp::MIN);
    pushes.retain(|push| push.at > old);
    let newest = pushes.iter().find(|push| push.head == *head);
    if !is_open(known, head) || newest.is_none_or(|newest| newest.branch.as_deref() != own) {
        pushes.insert(0, Push { head: head.clone(), at: now, branch: own.map(str::to_owned) });
    }
    // One more than are allowed is never needed.
    pushes.truncate(PUSHES_MAX + 1);
    match known {
        Some(known) if known.head == *head => known.clone().again(),
        Some(Reverting { progress: Progress::Stalled, message, .. }) => {
            Reverting::new(head.clone(), Progress::Begun, message.clone())
        }
        Some(_) | None => Reverting::new(head.clone(), Progress::Begun, "the revert is being pushed".to_owned()),
    }
}

/// Returns whether what became of a push was told before: a branch that takes none refuses each, one for every commit that
/// comes meanwhile.
pub fn is_told(known: Option<&Reverting>, outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Refused(message) => known.is_some_and(|known| known.message == *message),
        Outcome::Pushed { .. } | Outcome::Raced | Outcome::Failed(_) | Outcome::Unsent(_) => false,
    }
}

/// Returns whether a push for this state of the branch counts: it was made, or may have been.
pub fn is_counted(pushes: &[Push], head: &CommitId) -> bool {
    pushes.iter().any(|push| push.head == *head)
}

/// Takes down that the branch that is followed has gone on from this state without a revert: what was to be pushed onto it can't
/// land there any more. What went to a branch of its own may have.
pub fn miss(pushes: &mut Vec<Push>, head: &CommitId) {
    // An older one for the same state has arrived.
    if let Some(newest) = pushes.iter().position(|push| push.head == *head).filter(|at| pushes[*at].branch.is_none()) {
        pushes.remove(newest);
    }
}

/// Returns whether it is not known yet what became of the push for this state of the branch.
pub fn is_open(reverting: Option<&Reverting>, head: &CommitId) -> bool {
    reverting.is_some_and(|reverting| reverting.progress.is_open() && reverting.head == *head)
}

/// Has reverts that wait on this branch already wait on for a newer state of the branch that is followed: what came onto it since
/// changes nothing about them, nor does somebody who has deleted theirs, which is named by the newest commit that they take back.
/// Returns whether there are such reverts.
pub fn go_on_waiting(reverting: &mut Option<Reverting>, own: &RefName, head: &CommitId) -> bool {
    let name = own.short();
    let known = reverting.as_mut().filter(|known| known.progress == Progress::Proposed);
    let Some(known) = known.filter(|known| known.branch.as_deref() == Some(name)) else { return false };
    known.head = head.clone();
    true
}

/// Takes down what became of a push. What has arrived counts from when that is known: an earlier try may have arrived although a
/// later one was refused, and a push may be tried for hours.
pub fn end(pushes: &mut Vec<Push>, head: &CommitId, outcome: Outcome, now: Timestamp) -> Reverting {
    let counted = pushes.iter().position(|push| push.head == *head);
    match (&outcome, counted) {
        (Outcome::Refused(_) | Outcome::Unsent(_), Some(counted)) => {
            // It was not pushed.
            pushes.remove(counted);
        }
        (Outcome::Pushed { branch, .. }, counted) => {
            counted.map(|counted| pushes.remove(counted));
            pushes.insert(0, Push { head: head.clone(), at: now, branch: branch.own().map(str::to_owned) });
        }
        // Whether an earlier try was what came first is told by a look at the branch.
        (Outcome::Failed(_) | Outcome::Raced, _) | (_, None) => {}
    }
    let own = match &outcome {
        Outcome::Pushed { branch, .. } => branch.own().map(str::to_owned),
        _ => None,
    };
    let (progress, message) = match outcome {
        Outcome::Pushed { branch, taken } => {
            let progress = match branch {
                Branch::Followed(_) => Progress::Pushed,
                Branch::Own { .. } => Progress::Proposed,
            };
            (progress, branch.said(&taken))
        }
        Outcome::Refused(message) => (Progress::Stalled, message),
        Outcome::Failed(Failure { class, message }) | Outcome::Unsent(Failure { class, message }) => match class {
            Class::Retry => (Progress::Begun, message),
            Class::Wait | Class::Bug => (Progress::Hindered, message),
        },
        // What was pushed instead may be another content; otherwise it is planned anew, on top of that.
        Outcome::Raced => (Progress::Begun, "not reverted in Git yet: somebody else was faster to push".to_owned()),
    };
    Reverting { branch: own, ..Reverting::new(head.clone(), progress, message) }
}

/// Returns when pushes were begun, but for the one that is open for this state of the branch.
pub fn before(pushes: &[Push], known: Option<&Reverting>, head: &CommitId) -> Vec<Timestamp> {
    let open = pushes.iter().position(|push| is_open(known, head) && push.head == *head);
    pushes.iter().enumerate().filter(|(at, _)| open != Some(*at)).map(|(_, push)| push.at).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{commit::RepoPath, environment::EnvironmentName};

    fn commit(digit: char) -> CommitId {
        CommitId::parse(&digit.to_string().repeat(40)).expect("an id")
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("a time")
    }

    fn aside(name: &str, why: Aside) -> Branch {
        Branch::Own { name: name.to_owned(), why }
    }

    #[test]
    fn why_reverts_wait_on_a_branch_is_said_with_what_to_do() {
        let other = EnvironmentName::new("team", "other");
        let base = RepoPath::parse("base").expect("a path");
        #[track_caller]
        fn check(why: Aside, expected: &str) {
            let outcome = Outcome::Pushed { branch: aside("b", why), taken: Vec::new() };
            let said = end(&mut Vec::new(), &commit('1'), outcome, at(1)).message;
            assert_eq!(said, format!("0 revert(s) wait on branch b for somebody to merge them, since {expected}"));
        }
        check(Aside::Asked, "spec.rollback.mode is Branch");
        check(Aside::Shared(base), "base is shared with others; before that, see that they can do without");
        let healthy = "environment team/other is healthy with it; before that, see that it can do without";
        check(Aside::Content(other.clone()), healthy);
        let unheard = "environment team/other may be healthy with it, which could not be read for 30 s; \
                       before that, see with plumb status other --namespace team what it needs";
        check(Aside::Unheard(other), unheard);
    }

    #[test]
    fn what_waits_on_a_branch_is_not_pushed_there_again() {
        let own = |name: &str| RefName::parse(&format!("refs/heads/{name}")).expect("a ref");
        let pushed = Outcome::Pushed { branch: aside("plumb/revert-1", Aside::Asked), taken: Vec::new() };
        let mut reverting = Some(end(&mut Vec::new(), &commit('1'), pushed, at(100)));
        assert!(!go_on_waiting(&mut reverting, &own("plumb/revert-2"), &commit('2')), "another commit is to blame");
        assert!(go_on_waiting(&mut reverting, &own("plumb/revert-1"), &commit('2')));
        assert_eq!(reverting.as_ref().map(|reverting| &reverting.head), Some(&commit('2')));
        let mut begun = Some(begin(&mut Vec::new(), None, &commit('2'), None, at(100)));
        assert!(!go_on_waiting(&mut begun, &own("plumb/revert-1"), &commit('3')), "nobody knows whether it was pushed");
        assert!(!go_on_waiting(&mut None, &own("plumb/revert-1"), &commit('3')));
    }

    #[test]
    fn a_push_counts_once_however_often_it_is_made() {
        let mut pushes = Vec::new();
        let begun = begin(&mut pushes, None, &commit('1'), None, at(100));
        assert_eq!(begin(&mut pushes, Some(&begun), &commit('1'), None, at(200)), begun);
        assert_eq!(pushes, [Push { head: commit('1'), at: at(100), branch: None }]);
        assert_eq!(before(&pushes, Some(&begun), &commit('1')), Vec::<Timestamp>::new());
        assert_eq!(before(&pushes, Some(&begun), &commit('2')), [at(100)]);
        let begun = begin(&mut pushes, Some(&begun), &commit('2'), None, at(300));
        assert_eq!(before(&pushes, Some(&begun), &commit('3')), [at(300), at(100)]);
        let later = 100 + i64::try_from(PUSHES_WITHIN.as_secs()).expect("a time");
        let begun = begin(&mut pushes, Some(&begun), &commit('3'), None, at(later));
        let counted = before(&pushes, Some(&begun), &commit('4'));
        assert_eq!(counted, [at(later), at(300)], "what is long ago does not count");
    }

    #[test]
    fn two_rollbacks_of_the_same_state_of_the_branch_count_twice() {
        let (mut pushes, one) = (Vec::new(), commit('1'));
        begin(&mut pushes, None, &one, Some("b"), at(100));
        let pushed = Outcome::Pushed { branch: aside("b", Aside::Asked), taken: Vec::new() };
        let proposed = end(&mut pushes, &one, pushed, at(101));
        // Somebody let it through again, and it failed again: its branch is there, and is not taken for the new one.
        for known in [Some(&proposed), None] {
            assert_eq!(before(&pushes, known, &one), [at(101)]);
        }
        begin(&mut pushes, None, &one, Some("b"), at(200));
        assert_eq!(pushes.len(), 2);
        end(&mut pushes, &one, Outcome::Refused("it is there already".to_owned()), at(201));
        let first = Push { head: one, at: at(101), branch: Some("b".to_owned()) };
        assert_eq!(pushes, [first], "the first one has arrived all the same");
    }

    #[test]
    fn a_try_for_another_branch_counts_beside_the_one_that_may_have_arrived() {
        let (mut pushes, one) = (Vec::new(), commit('1'));
        let begun = begin(&mut pushes, None, &one, Some("b"), at(100));
        let begun = begin(&mut pushes, Some(&begun), &one, None, at(200));
        assert_eq!(before(&pushes, Some(&begun), &one), [at(100)]);
        miss(&mut pushes, &one);
        assert_eq!(before(&pushes, Some(&begun), &commit('2')), [at(100)], "nobody has looked at that branch");
    }

    #[test]
    fn what_has_arrived_counts_however_its_answer_was_lost() {
        let pushed = || Outcome::Pushed { branch: Branch::Followed("main".to_owned()), taken: Vec::new() };
        let one = commit('1');
        let arrived = |pushes: &mut Vec<Push>| {
            end(pushes, &one, pushed(), at(900));
            assert_eq!(*pushes, [Push { head: commit('1'), at: at(900), branch: None }]);
        };
        let mut pushes = Vec::new();
        begin(&mut pushes, None, &one, None, at(100));
        // It arrived unheard, somebody pushed on top, and the second try was raced by that.
        end(&mut pushes, &one, Outcome::Raced, at(101));
        arrived(&mut pushes);
        // It was tried for so long that its beginning does not count any more.
        let day = 24 * 60 * 60;
        let begun = begin(&mut pushes, None, &one, None, at(900));
        begin(&mut pushes, Some(&begun), &one, None, at(900 + day));
        assert_eq!(pushes, [Push { head: one.clone(), at: at(900 + day), branch: None }]);
    }

    #[test]
    fn a_branch_that_takes_no_push_is_told_of_once() {
        let refused = |words: &str| Outcome::Refused(words.to_owned());
        let (mut pushes, mut known, mut told) = (Vec::new(), None, Vec::new());
        for (head, words) in [('1', "protected"), ('2', "protected"), ('3', "protected"), ('4', "full")] {
            let begun = begin(&mut pushes, known.as_ref(), &commit(head), None, at(100));
            assert!(is_open(Some(&begun), &commit(head)), "it is tried for each state of the branch");
            if !is_told(Some(&begun), &refused(words)) {
                told.push(head);
            }
            known = Some(end(&mut pushes, &commit(head), refused(words), at(101)));
        }
        assert_eq!(told, ['1', '4']);
        let begun = begin(&mut pushes, known.as_ref(), &commit('5'), None, at(100));
        assert_eq!(begun.message, "full", "what was heard last");
        let failure = Failure { class: Class::Retry, message: "full".to_owned() };
        assert!(!is_told(Some(&begun), &Outcome::Failed(failure)));
    }

    #[test]
    fn only_what_was_pushed_counts_and_only_what_a_person_can_help_waits_for_one() {
        #[track_caller]
        fn check(outcome: Outcome, counts: bool, expected: (Progress, Class)) {
            let mut pushes = Vec::new();
            begin(&mut pushes, None, &commit('1'), None, at(100));
            let Reverting { progress, .. } = end(&mut pushes, &commit('1'), outcome, at(101));
            assert_eq!((!pushes.is_empty(), (progress, progress.class())), (counts, expected));
        }
        let said = || "said".to_owned();
        let pushed = |branch| Outcome::Pushed { branch, taken: Vec::new() };
        let failed = |class| Outcome::Failed(Failure { class, message: said() });
        check(pushed(Branch::Followed(said())), true, (Progress::Pushed, Class::Retry));
        check(pushed(aside("said", Aside::Asked)), true, (Progress::Proposed, Class::Wait));
        check(Outcome::Refused(said()), false, (Progress::Stalled, Class::Wait));
        check(failed(Class::Retry), true, (Progress::Begun, Class::Retry));
        check(failed(Class::Wait), true, (Progress::Hindered, Class::Wait));
        check(failed(Class::Bug), true, (Progress::Hindered, Class::Wait));
        check(Outcome::Raced, true, (Progress::Begun, Class::Retry));
        let unsent = |class| Outcome::Unsent(Failure { class, message: said() });
        check(unsent(Class::Retry), false, (Progress::Begun, Class::Retry));
        check(unsent(Class::Wait), false, (Progress::Hindered, Class::Wait));
        check(unsent(Class::Bug), false, (Progress::Hindered, Class::Wait));
        let hindered = Reverting::new(commit('1'), Progress::Hindered, said());
        assert!(is_open(Some(&hindered), &commit('1')) && !is_open(Some(&hindered), &commit('2')));
        let stalled = Reverting::new(commit('1'), Progress::Stalled, said());
        assert_eq!(stalled.again(), hindered, "the answer is awaited again");
        let begun = Reverting::new(commit('1'), Progress::Begun, said());
        assert_eq!(begun.clone().again(), begun);
    }

    #[test]
    fn what_may_have_landed_counts_until_the_branch_has_gone_on_without_it() {
        let check = |begun: &[(char, Option<&str>)], missed: char, expected: &[char]| {
            let mut pushes = Vec::new();
            for ((digit, own), second) in begun.iter().zip(100..) {
                begin(&mut pushes, None, &commit(*digit), *own, at(second));
                let lost = Outcome::Failed(Failure { class: Class::Retry, message: String::new() });
                end(&mut pushes, &commit(*digit), lost, at(second));
            }
            miss(&mut pushes, &commit(missed));
            let left: Vec<CommitId> = pushes.into_iter().map(|push| push.head).collect();
            assert_eq!(left, expected.iter().copied().map(commit).collect::<Vec<_>>(), "{begun:?} {missed}");
        };
        check(&[('1', None), ('2', None)], '1', &['2']);
        check(&[('1', None), ('2', None)], '3', &['2', '1']);
        // That branch tells nothing of another one.
        check(&[('1', Some("plumb/revert-main")), ('2', None)], '1', &['2', '1']);
        check(&[('1', Some("plumb/revert-main")), ('2', None)], '2', &['1']);
    }
}
