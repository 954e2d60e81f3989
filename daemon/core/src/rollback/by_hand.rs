//! A rollback that a person asks for: whether there is anything to go back to, and what stands against it.
//!
//! It makes the same hold as a verdict against a commit, for a person's reason. Must never do: go where nothing can be read, or
//! write for an environment that a person has suspended.

use std::fmt;

use serde::Serialize;

use super::{
    hold::Hold,
    revert::{Apart, STEPS_MAX},
};
use crate::{commit::CommitId, source::InputsDigest, text};

/// Longest list of a person's words in a hold, in characters: a name and a reason are claims of whoever asks.
const WORDS_MAX: usize = 200;

/// All that the answer depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked<'a> {
    /// The commit to go back to.
    pub target: &'a CommitId,
    /// What is read of it; absent: it can't be read, or its files are wrong.
    pub target_inputs: Option<&'a InputsDigest>,
    /// Why it is no first-parent ancestor of the newest commit; absent: it is one.
    pub apart: Option<Apart>,
    /// The newest commit.
    pub newest: &'a CommitId,
    /// What is read of it.
    pub newest_inputs: &'a InputsDigest,
    /// What was begun last; absent: nothing was.
    pub in_force: Option<&'a InputsDigest>,
    /// What is held already.
    pub held: Option<&'a Hold>,
    /// Whether nothing may be written.
    pub suspended: bool,
}

/// Why nothing is rolled back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum Refused {
    /// A person has suspended the environment.
    Suspended,
    /// Nothing was ever applied.
    NeverApplied,
    /// It is held at that commit already.
    HeldThere(CommitId),
    /// That commit is none of those that led to the newest one.
    NotPast(CommitId),
    /// More commits came since that one than are looked at.
    TooFar(CommitId),
    /// That commit can't be read, or its files are wrong.
    Unreadable(CommitId),
    /// The newest commit has the same content.
    NewestHasIt(CommitId, CommitId),
    /// Its content is in force.
    InForce(CommitId),
}

/// Returns why an environment can't be rolled back as a person asks; nothing if it can.
pub fn refuse(asked: &Asked<'_>) -> Option<Refused> {
    let target = || asked.target.clone();
    if asked.suspended {
        return Some(Refused::Suspended);
    }
    let Some(in_force) = asked.in_force else { return Some(Refused::NeverApplied) };
    if asked.held.is_some_and(|hold| hold.healthy == *asked.target) {
        return Some(Refused::HeldThere(target()));
    }
    match asked.apart {
        Some(Apart::Unrelated) => return Some(Refused::NotPast(target())),
        Some(Apart::TooFar) => return Some(Refused::TooFar(target())),
        None => {}
    }
    let Some(inputs) = asked.target_inputs else { return Some(Refused::Unreadable(target())) };
    if inputs == asked.newest_inputs {
        return Some(Refused::NewestHasIt(target(), asked.newest.clone()));
    }
    (inputs == in_force).then(|| Refused::InForce(target()))
}

/// Returns the reason of a hold that a person asked for.
pub fn reason(user: &str, why: Option<&str>) -> String {
    let why = why.map(|why| format!(": {}", text::line(why, WORDS_MAX))).unwrap_or_default();
    format!("rolled back by {}{why}", text::line(user, WORDS_MAX))
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Suspended => f.write_str("it is suspended, and nothing is written until plumb resume"),
            Self::NeverApplied => f.write_str("no commit was ever applied, so there is nothing to go back to"),
            Self::HeldThere(target) => write!(f, "it is held at {} already", target.short()),
            Self::NotPast(target) => write!(
                f,
                "{} is none of the commits that led to the newest one by first parents; name one that git log --first-parent lists",
                target.short()
            ),
            Self::TooFar(target) => write!(
                f,
                "{} is not among the newest {STEPS_MAX} commits, and no more are looked at; name a newer one, or commit \
                 its content anew",
                target.short()
            ),
            Self::Unreadable(target) => {
                write!(
                    f,
                    "{} can't be applied: its files are not there, wrong, or not trusted any more",
                    target.short()
                )
            }
            Self::NewestHasIt(target, newest) => {
                write!(
                    f,
                    "the newest commit {} has the content of {} already (plumb sync)",
                    newest.short(),
                    target.short()
                )
            }
            Self::InForce(target) => write!(f, "the content of {} is in force already", target.short()),
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    fn commit(digit: char) -> CommitId {
        CommitId::parse(&digit.to_string().repeat(40)).expect("an id")
    }

    fn inputs(text: &str) -> InputsDigest {
        InputsDigest(text.to_owned())
    }

    #[test]
    fn a_person_is_refused_what_can_not_be_done_or_would_change_nothing() {
        let (one, three, old, new) = (commit('1'), commit('3'), inputs("old"), inputs("new"));
        let hold = Hold {
            healthy: one.clone(),
            commit: three.clone(),
            author: String::new(),
            subject: String::new(),
            reason: String::new(),
            since: Timestamp::UNIX_EPOCH,
            records: None,
            by: None,
        };
        let fine = Asked {
            target: &one,
            target_inputs: Some(&old),
            apart: None,
            newest: &three,
            newest_inputs: &new,
            in_force: Some(&new),
            held: None,
            suspended: false,
        };
        #[track_caller]
        fn check(asked: &Asked<'_>, expected: Option<Refused>) {
            assert_eq!(refuse(asked), expected);
        }
        check(&fine, None);
        check(&Asked { suspended: true, ..fine.clone() }, Some(Refused::Suspended));
        check(&Asked { in_force: None, ..fine.clone() }, Some(Refused::NeverApplied));
        check(&Asked { held: Some(&hold), ..fine.clone() }, Some(Refused::HeldThere(commit('1'))));
        let elsewhere = Hold { healthy: commit('2'), ..hold };
        check(&Asked { held: Some(&elsewhere), ..fine.clone() }, None);
        check(&Asked { apart: Some(Apart::Unrelated), ..fine.clone() }, Some(Refused::NotPast(commit('1'))));
        check(&Asked { apart: Some(Apart::TooFar), ..fine.clone() }, Some(Refused::TooFar(commit('1'))));
        check(&Asked { target_inputs: None, ..fine.clone() }, Some(Refused::Unreadable(commit('1'))));
        let same = Some(Refused::NewestHasIt(commit('1'), commit('3')));
        check(&Asked { newest_inputs: &old, ..fine.clone() }, same);
        // A newer commit waits for its window.
        check(&Asked { in_force: Some(&old), ..fine }, Some(Refused::InForce(commit('1'))));
    }

    #[test]
    fn a_hold_says_who_asked_and_why_on_one_line() {
        assert_eq!(reason("ann", None), "rolled back by ann");
        assert_eq!(reason("ann", Some("too slow\nsince noon")), "rolled back by ann: too slow since noon");
        assert_eq!(reason(&"x".repeat(500), None).len(), "rolled back by ".len() + WORDS_MAX);
    }
}
