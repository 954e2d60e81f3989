//! Pushes of reverts: what was begun, what became of it, and how often.
//!
//! What is begun is in the status before it is pushed, one for each state of the branch. A push that was cut is made again with
//! the same commits, so that it counts once.

use jiff::Timestamp;
use serde::Serialize;

use super::revert::{PUSHES_MAX, PUSHES_WITHIN};
use crate::commit::{CommitId, Revision};

/// A push that was begun.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Push {
    /// The state of the branch that it was for.
    pub head: CommitId,
    /// When it began.
    pub at: Timestamp,
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
}

/// How far a revert is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Progress {
    /// It is being pushed; whether it was is not known.
    Begun,
    /// It was pushed.
    Pushed,
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
        /// In words.
        message: String,
        /// What it takes back.
        taken: Vec<Taken>,
    },
    /// Somebody else was faster: nothing was pushed.
    Raced,
    /// It will not be taken.
    Refused(String),
    /// Nobody knows, and it is tried again.
    Failed(String),
}

/// Begins a push, once for each state of the branch.
pub fn begin(pushes: &mut Vec<Push>, head: &CommitId, now: Timestamp) -> Reverting {
    if !pushes.iter().any(|push| push.head == *head) {
        pushes.insert(0, Push { head: head.clone(), at: now });
    }
    let old = now.checked_sub(PUSHES_WITHIN).unwrap_or(Timestamp::MIN);
    // One more than are allowed is never needed.
    pushes.retain(|push| push.at > old);
    pushes.truncate(PUSHES_MAX + 1);
    Reverting { head: head.clone(), progress: Progress::Begun, message: "the revert is being pushed".to_owned() }
}

/// Returns whether it is not known yet what became of the push for this state of the branch.
pub fn is_open(reverting: Option<&Reverting>, head: &CommitId) -> bool {
    reverting.is_some_and(|reverting| reverting.progress == Progress::Begun && reverting.head == *head)
}

/// Takes down what became of a push; nothing is left where it has to be planned anew.
pub fn end(pushes: &mut Vec<Push>, head: &CommitId, outcome: Outcome) -> Option<Reverting> {
    let (progress, message) = match outcome {
        Outcome::Pushed { message, taken: _ } => (Progress::Pushed, message),
        Outcome::Refused(message) => (Progress::Stalled, message),
        Outcome::Failed(message) => (Progress::Begun, message),
        Outcome::Raced => (Progress::Begun, String::new()),
    };
    if progress == Progress::Stalled || message.is_empty() {
        // It was not pushed.
        pushes.retain(|push| push.head != *head);
    }
    (!message.is_empty()).then(|| Reverting { head: head.clone(), progress, message })
}

/// Returns when pushes were begun for other states of the branch.
pub fn before(pushes: &[Push], head: &CommitId) -> Vec<Timestamp> {
    pushes.iter().filter(|push| push.head != *head).map(|push| push.at).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn commit(digit: char) -> CommitId {
        CommitId::parse(&digit.to_string().repeat(40)).expect("an id")
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("a time")
    }

    #[test]
    fn a_push_counts_once_however_often_it_is_made() {
        let mut pushes = Vec::new();
        let begun = begin(&mut pushes, &commit('1'), at(100));
        assert_eq!(begin(&mut pushes, &commit('1'), at(200)), begun);
        assert_eq!(pushes, [Push { head: commit('1'), at: at(100) }]);
        assert_eq!(before(&pushes, &commit('1')), Vec::<Timestamp>::new());
        assert_eq!(before(&pushes, &commit('2')), [at(100)]);
        begin(&mut pushes, &commit('2'), at(300));
        assert_eq!(before(&pushes, &commit('3')), [at(300), at(100)]);
        let later = 100 + i64::try_from(PUSHES_WITHIN.as_secs()).expect("a time");
        begin(&mut pushes, &commit('3'), at(later));
        assert_eq!(before(&pushes, &commit('4')), [at(later), at(300)], "what is long ago does not count");
    }

    #[test]
    fn only_what_was_pushed_counts() {
        #[track_caller]
        fn check(outcome: Outcome, counts: bool, expected: Option<Progress>) {
            let mut pushes = Vec::new();
            begin(&mut pushes, &commit('1'), at(100));
            let reverting = end(&mut pushes, &commit('1'), outcome);
            assert_eq!((!pushes.is_empty(), reverting.map(|reverting| reverting.progress)), (counts, expected));
        }
        let said = || "said".to_owned();
        check(Outcome::Pushed { message: said(), taken: Vec::new() }, true, Some(Progress::Pushed));
        check(Outcome::Refused(said()), false, Some(Progress::Stalled));
        check(Outcome::Failed(said()), true, Some(Progress::Begun));
        check(Outcome::Raced, false, None);
    }
}
