//! Whether reverts have arrived in Git although nobody has said so: whoever pushed them was killed, or a look at the branch
//! was faster than the answer to the push.
//!
//! A revert is known by what plumb alone writes into it: whose rollback it is, what that goes back to, and its moment.

use jiff::Timestamp;

use super::{
    hold::{Hold, Rollback},
    pushing::Reverting,
    revert::{ENVIRONMENT_TRAILER, HEALTHY_TRAILER, REVERTS},
};
use crate::{commit::CommitId, environment::EnvironmentName};

/// A commit that came after the state of the branch that reverts were made for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Later {
    /// The commit.
    pub commit: CommitId,
    /// The committer's time.
    pub committed: Timestamp,
    /// All of its message.
    pub message: String,
}

/// Returns the rollback of which it is not known whether its reverts have arrived, and what was begun; nothing while the branch has
/// no commit that could tell.
pub fn sought<'a>(rollback: &'a Rollback, newest: &CommitId) -> Option<(&'a Hold, &'a Reverting)> {
    let reverting = rollback.reverting.as_ref().filter(|begun| begun.progress.is_open() && begun.head != *newest)?;
    Some((rollback.held.as_ref()?, reverting))
}

/// Returns which commits a rollback took back, each with its revert, in the order of the commits that are handed in.
pub fn arrived(later: &[Later], environment: &EnvironmentName, hold: &Hold) -> Vec<(CommitId, CommitId)> {
    let (own, healthy) = (environment.to_string(), hold.healthy.to_string());
    let has = |message: &str, key: &str, value: &str| {
        message.lines().any(|line| line.split_once(": ").is_some_and(|found| found == (key, value)))
    };
    let is_its = |later: &&Later| {
        // Git keeps whole seconds.
        later.committed.as_second() == hold.since.as_second()
            && has(&later.message, ENVIRONMENT_TRAILER, &own)
            && has(&later.message, HEALTHY_TRAILER, &healthy)
    };
    let pair = |later: &Later| Some((reverted(&later.message)?, later.commit.clone()));
    later.iter().filter(is_its).filter_map(pair).collect()
}

/// Returns the commit that a message says to take back.
fn reverted(message: &str) -> Option<CommitId> {
    let rest = message.lines().find_map(|line| line.strip_prefix(REVERTS))?;
    let id: String = rest.chars().take_while(char::is_ascii_hexdigit).collect();
    CommitId::parse(&id).ok()
}

#[cfg(test)]
mod tests {
    use super::{super::pushing::Progress, *};

    fn commit(digit: char) -> CommitId {
        CommitId::parse(&digit.to_string().repeat(40)).expect("an id")
    }

    fn at(milliseconds: i64) -> Timestamp {
        Timestamp::from_millisecond(milliseconds).expect("a time")
    }

    fn message(reverts: char, environment: &str, healthy: char) -> String {
        format!(
            "Revert \"web\"\n\nThis reverts commit {}.\n\nPlumb-Environment: {environment}\nPlumb-Reason: sick\n\
             Plumb-Healthy: {}\n",
            commit(reverts),
            commit(healthy)
        )
    }

    fn hold() -> Hold {
        Hold {
            healthy: commit('1'),
            commit: commit('3'),
            author: String::new(),
            subject: String::new(),
            reason: "sick".to_owned(),
            since: at(5_250),
            records: None,
            by: None,
        }
    }

    #[test]
    fn reverts_are_sought_while_nobody_knows_and_the_branch_may_tell() {
        let reverting = |progress| Some(Reverting::new(commit('3'), progress, String::new()));
        #[track_caller]
        fn check(reverting: Option<Reverting>, newest: char, expected: bool) {
            let rollback = Rollback { held: Some(hold()), reverting, ..Rollback::default() };
            assert_eq!(sought(&rollback, &commit(newest)).is_some(), expected);
        }
        check(reverting(Progress::Begun), '4', true);
        check(reverting(Progress::Hindered), '4', true);
        check(reverting(Progress::Begun), '3', false);
        for known in [Progress::Pushed, Progress::Proposed, Progress::Stalled] {
            check(reverting(known), '4', false);
        }
        check(None, '4', false);
    }

    #[test]
    fn reverts_of_this_rollback_are_found_among_what_came_later() {
        let hold = hold();
        #[track_caller]
        fn check(hold: &Hold, message: &str, committed: i64, expected: Option<char>) {
            let later = [Later { commit: commit('9'), committed: at(committed), message: message.to_owned() }];
            let found = arrived(&later, &EnvironmentName::new("team", "app"), hold);
            assert_eq!(found, expected.map(|digit| (commit(digit), commit('9'))).into_iter().collect::<Vec<_>>());
        }
        check(&hold, &message('3', "team/app", '1'), 5_000, Some('3'));
        let merge = message('3', "team/app", '1').replace("3.\n", "3, reversing\nchanges made to it.\n");
        check(&hold, &merge, 5_000, Some('3'));
        check(&hold, &message('3', "team/app", '1'), 6_000, None);
        check(&hold, &message('3', "team/application", '1'), 5_000, None);
        check(&hold, &message('3', "team/app", '2'), 5_000, None);
        check(&hold, "web: a person's fix\n", 5_000, None);
    }
}
