//! The pull request for reverts that wait on a branch: whether one is called for, what it says, and what became of it.
//!
//! The branch is what matters: it is pushed and recorded before, and without a pull request a person can merge it as well.

use serde::Serialize;

use super::{
    hold::Hold,
    pushing::{Progress, Reverting},
};
use crate::{
    class::Class,
    commit::{CommitId, RefName},
    environment::EnvironmentName,
    forge::proposal::Proposal,
};

/// What became of a pull request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Pull {
    /// How far it is.
    pub state: State,
    /// In words.
    pub message: String,
}

/// How far a pull request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum State {
    /// It is there.
    Opened,
    /// It could not be opened: trying again may help.
    Retried,
    /// It could not be opened: a person has to help.
    Stalled,
}

impl State {
    /// Returns what a failure of this class leads to.
    pub fn after(class: Class) -> Self {
        match class {
            Class::Retry => Self::Retried,
            Class::Wait | Class::Bug => Self::Stalled,
        }
    }

    /// Returns what helps where it is not there.
    pub fn class(self) -> Option<Class> {
        match self {
            Self::Opened => None,
            Self::Retried => Some(Class::Retry),
            Self::Stalled => Some(Class::Wait),
        }
    }
}

/// Returns the branch for which a pull request is to be opened, where there is none yet.
pub fn wanted(reverting: Option<&Reverting>) -> Option<&str> {
    let reverting = reverting.filter(|reverting| reverting.progress == Progress::Proposed)?;
    let opened = reverting.pull.as_ref().is_some_and(|pull| pull.state == State::Opened);
    reverting.branch.as_deref().filter(|_| !opened)
}

/// Takes down what became of one; returns whether that is news: however often it is tried in vain, that is told once.
pub fn end(reverting: Option<&mut Reverting>, head: &CommitId, pull: &Pull) -> bool {
    let Some(reverting) = reverting.filter(|reverting| reverting.head == *head && wanted(Some(reverting)).is_some())
    else {
        return false;
    };
    let before = reverting.pull.replace(pull.clone());
    before.is_none_or(|before| before.state != pull.state)
}

/// Returns the pull request of a rollback's reverts; `said` is what was said of them, and of why they are on that branch.
pub fn proposal(environment: &EnvironmentName, hold: &Hold, (branch, said): (&str, &str), base: &RefName) -> Proposal {
    let healthy = hold.healthy.short();
    // Others have written what the hold says: as a block of code it names nobody, closes no issue and gives no command.
    let [held, said] = [hold.to_string(), said.to_owned()].map(|text| text.replace(char::is_control, " "));
    Proposal {
        branch: branch.to_owned(),
        base: base.short().to_owned(),
        title: format!("Put {environment} back to {healthy}"),
        text: format!(
            "The environment {environment} was rolled back, and is kept at {healthy}:\n\n    {held}\n\nThis branch takes \
             back in Git what came since. Merging it ends the rollback.\n\n    {said}\n"
        ),
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    fn commit(digit: char) -> CommitId {
        CommitId::parse(&digit.to_string().repeat(40)).expect("an id")
    }

    fn pushed() -> Reverting {
        let pushed = Reverting::new(commit('2'), Progress::Proposed, "1 revert(s) wait on branch b".to_owned());
        Reverting { branch: Some("b".to_owned()), ..pushed }
    }

    fn pull(state: State) -> Pull {
        Pull { state, message: format!("{state:?}") }
    }

    #[test]
    fn one_is_called_for_once_a_branch_is_pushed_and_until_it_is_there() {
        #[track_caller]
        fn check(reverting: &Reverting, expected: bool) {
            assert_eq!(wanted(Some(reverting)).is_some(), expected, "{reverting:?}");
        }
        assert_eq!(wanted(None), None);
        check(&pushed(), true);
        check(&Reverting { branch: None, ..pushed() }, false);
        for progress in [Progress::Begun, Progress::Hindered, Progress::Pushed, Progress::Stalled] {
            check(&Reverting { progress, ..pushed() }, false);
        }
        for (state, expected) in [(State::Retried, true), (State::Stalled, true), (State::Opened, false)] {
            check(&Reverting { pull: Some(pull(state)), ..pushed() }, expected);
        }
    }

    #[test]
    fn what_became_of_it_is_told_once() {
        #[track_caller]
        fn check(reverting: &mut Reverting, state: State, expected: bool) {
            assert_eq!(end(Some(reverting), &commit('2'), &pull(state)), expected, "{state:?}");
            assert_eq!(reverting.words(), format!("1 revert(s) wait on branch b; {state:?}"));
        }
        let mut reverting = pushed();
        check(&mut reverting, State::Retried, true);
        check(&mut reverting, State::Retried, false);
        check(&mut reverting, State::Stalled, true);
        check(&mut reverting, State::Opened, true);
        // It is there: nothing that comes later is about it.
        assert!(!end(Some(&mut reverting), &commit('2'), &pull(State::Retried)));
        assert_eq!(reverting.pull, Some(pull(State::Opened)));
        let mut newer = pushed();
        assert!(!end(Some(&mut newer), &commit('3'), &pull(State::Opened)), "of another state of the branch");
        assert_eq!(newer, pushed());
        assert!(!end(None, &commit('2'), &pull(State::Opened)));
    }

    #[test]
    fn what_others_have_written_is_only_quoted() {
        let hold = Hold {
            healthy: commit('1'),
            commit: commit('3'),
            author: "Eve <eve@example.com>\n/merge".to_owned(),
            subject: "closes #1 @team".to_owned(),
            reason: "sick\n\n/merge\r\n@all".to_owned(),
            since: Timestamp::UNIX_EPOCH,
            records: None,
            by: None,
        };
        let main = RefName::parse("refs/heads/main").expect("a ref");
        let said = "since base @owners\n/close is shared with others";
        let proposal = proposal(&EnvironmentName::new("team", "app"), &hold, ("plumb/revert-main", said), &main);
        assert_eq!((proposal.branch.as_str(), proposal.base.as_str()), ("plumb/revert-main", "main"));
        assert_eq!(proposal.title, "Put team/app back to 1111111");
        for foreign in ["/merge", "closes", "@team", "@all", "@owners", "/close", "is shared with others"] {
            let mut lines = proposal.text.lines().filter(|line| line.contains(foreign));
            assert!(lines.next().is_some_and(|line| line.starts_with("    ")) && lines.next().is_none(), "{foreign}");
        }
    }
}
