//! What was left to a person in Git: when it is planned anew for the same state of the branch.
//!
//! It is once something is different that it may have depended on, and once it is over by itself; never because of time alone, since
//! asking a server again and again that has said no changes nothing.

use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

/// How often the Secrets are looked at that may have kept it from being pushed: nothing tells plumb that one was changed.
const SECRETS_AGAIN: Duration = Duration::from_secs(5 * 60);

/// What a plan depends on besides the state of the branch, as far as it is known without asking.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Grounds {
    /// The generation of the Environment's spec.
    pub generation: i64,
    /// The UID of the Repository, and the generation of its spec.
    pub repository: Option<(String, i64)>,
    /// The newest request for a sync that a look at the branch has followed.
    pub synced: Option<String>,
}

/// A plan, and what it was made from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Stall {
    grounds: Grounds,
    /// The versions of the Secrets that the Repository names; absent: they could not be read.
    secrets: Option<Vec<String>>,
    /// When they were looked at.
    looked: Timestamp,
    /// When what it says is over by itself.
    until: Option<Timestamp>,
}

/// Whether it is planned anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Look {
    /// It is.
    Anew,
    /// It is if the Secrets are others than they were.
    Secrets,
    /// Not before this moment.
    Later(Timestamp),
}

impl Stall {
    /// Makes a note of a plan.
    pub fn new(grounds: Grounds, secrets: Option<Vec<String>>, now: Timestamp, until: Option<Timestamp>) -> Self {
        Self { grounds, secrets, looked: now, until }
    }

    /// Returns whether it is planned anew.
    pub fn look(&self, grounds: &Grounds, now: Timestamp) -> Look {
        // A request whose look at the branch is still awaited is none yet.
        let synced = grounds.synced.is_some() && grounds.synced != self.grounds.synced;
        let differs = grounds.generation != self.grounds.generation || grounds.repository != self.grounds.repository;
        if synced || differs || self.until.is_some_and(|until| until <= now) {
            return Look::Anew;
        }
        let again = self.looked.checked_add(SECRETS_AGAIN).unwrap_or(Timestamp::MAX);
        if again <= now {
            return Look::Secrets;
        }
        Look::Later(self.until.map_or(again, |until| until.min(again)))
    }

    /// Takes down how the Secrets are; returns whether they are others. What could not be read, now or before, tells nothing.
    pub fn compare(&mut self, secrets: Option<Vec<String>>, now: Timestamp) -> bool {
        self.looked = now;
        match (&self.secrets, secrets) {
            (Some(before), Some(secrets)) => *before != secrets,
            (None, Some(secrets)) => {
                self.secrets = Some(secrets);
                false
            }
            (_, None) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("a time")
    }

    fn grounds() -> Grounds {
        Grounds { generation: 1, repository: Some(("a".to_owned(), 1)), synced: Some("x".to_owned()) }
    }

    #[test]
    fn it_is_planned_anew_once_something_is_different_that_may_help() {
        #[track_caller]
        fn check(change: impl FnOnce(&mut Grounds), until: Option<i64>, now: i64, expected: Look) {
            let mut found = grounds();
            change(&mut found);
            let stall = Stall::new(grounds(), None, at(1000), until.map(at));
            assert_eq!(stall.look(&found, at(now)), expected, "{found:?}");
        }
        check(|_| {}, None, 1000, Look::Later(at(1300)));
        check(|_| {}, None, 1299, Look::Later(at(1300)));
        check(|_| {}, None, 1300, Look::Secrets);
        check(|grounds| grounds.generation = 2, None, 1000, Look::Anew);
        check(|grounds| grounds.repository = Some(("a".to_owned(), 2)), None, 1000, Look::Anew);
        check(|grounds| grounds.repository = Some(("b".to_owned(), 1)), None, 1000, Look::Anew);
        check(|grounds| grounds.synced = Some("y".to_owned()), None, 1000, Look::Anew);
        check(|grounds| grounds.synced = None, None, 1000, Look::Later(at(1300)));
        // What is over by itself wakes it at that moment.
        check(|_| {}, Some(1100), 1000, Look::Later(at(1100)));
        check(|_| {}, Some(9000), 1000, Look::Later(at(1300)));
        check(|_| {}, Some(9000), 1400, Look::Secrets);
        check(|_| {}, Some(9000), 9000, Look::Anew);
    }

    #[test]
    fn other_secrets_may_help_and_what_could_not_be_read_is_none() {
        let secrets = |version: &str| Some(vec![version.to_owned()]);
        let check = |before: Option<Vec<String>>, looks: &[(Option<Vec<String>>, bool)]| {
            let mut stall = Stall::new(grounds(), before, at(1000), None);
            for ((found, expected), now) in looks.iter().zip([1300, 1600, 1900]) {
                assert_eq!(stall.compare(found.clone(), at(now)), *expected, "{looks:?}");
                assert_eq!(stall.look(&grounds(), at(now)), Look::Later(at(now + 300)), "not again at once");
            }
        };
        check(secrets("1"), &[(secrets("1"), false), (None, false), (secrets("2"), true)]);
        check(None, &[(secrets("1"), false), (secrets("1"), false), (secrets("2"), true)]);
    }
}
