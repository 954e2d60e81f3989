//! What is held and what is quarantined: a commit that was rolled back does not come again, whoever pushes it.
//!
//! Quarantine is by inputs. A commit with other inputs ends the hold; the same content comes again only where a person says
//! so, by the trailer `Plumb-Retry: true` of a commit that came after, or by `plumb sync --retry`.

use std::fmt;

use jiff::Timestamp;
use serde::Serialize;

use super::{
    Mode,
    pushing::{Push, Reverting},
};
use crate::{
    class::Class,
    commit::{CommitId, RefName},
    source::InputsDigest,
    text,
};

/// Contents that are kept in quarantine; the oldest leaves it first.
pub const QUARANTINED_MAX: usize = 20;

/// Longest reason that is kept, in characters: it goes into a status and into messages of commits.
const REASON_MAX: usize = 500;

/// The trailer of a commit that asks for a quarantined content to be applied once more.
pub const RETRY_TRAILER: &str = "Plumb-Retry";

/// A commit that was rolled back, and what to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Hold {
    /// The commit that the environment is kept at.
    pub healthy: CommitId,
    /// The commit that was rolled back.
    pub commit: CommitId,
    /// Its author.
    pub author: String,
    /// The first line of its message.
    pub subject: String,
    /// What failed, as a sentence that names the object.
    pub reason: String,
    /// Since when.
    pub since: Timestamp,
    /// Where the records ended then: reverts say it, and have to be the same commits each time.
    pub records: Option<RecordsEnd>,
    /// The person who asked for it, as the request claims; absent: it is plumb's own verdict.
    pub by: Option<String>,
}

/// The commit at which a notes ref ended once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RecordsEnd {
    /// The ref.
    pub reference: RefName,
    /// The commit.
    pub commit: CommitId,
}

/// A content that is not applied again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Quarantined {
    /// The commit with which it was applied last.
    pub commit: CommitId,
    /// The content.
    pub inputs: InputsDigest,
}

/// What is held and quarantined of one environment.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Rollback {
    /// What was rolled back last, while the environment is kept at an older commit because of it.
    pub held: Option<Hold>,
    /// Contents that are not applied again, newest first.
    pub quarantined: Vec<Quarantined>,
    /// What becomes of it in Git.
    pub reverting: Option<Reverting>,
    /// Pushes of reverts of late, newest first.
    pub pushes: Vec<Push>,
}

/// What lets a quarantined content through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Retry {
    /// Nothing.
    No,
    /// A commit that came after says so in its message.
    Trailer,
    /// A person has asked for it.
    Asked,
}

/// Whether the newest commit may be applied, as far as rollbacks are concerned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum Admission {
    /// It may.
    Free,
    /// It may, and this ends the hold or the quarantine of its content.
    Released(Release),
    /// Its content is in quarantine.
    Quarantined(Quarantined),
}

/// Why a hold or a quarantine ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Release {
    /// The newest commit has another content.
    OtherContent,
    /// A commit says `Plumb-Retry: true`.
    Trailer,
    /// A person said `plumb sync --retry`.
    Asked,
}

impl Rollback {
    /// Returns whether nothing is held and nothing in quarantine.
    pub fn is_empty(&self) -> bool {
        self.held.is_none() && self.quarantined.is_empty()
    }

    /// Returns the quarantine of a content.
    pub fn quarantine_of(&self, inputs: &InputsDigest) -> Option<&Quarantined> {
        self.quarantined.iter().find(|quarantined| quarantined.inputs == *inputs)
    }

    /// Holds the environment, and puts the content that was rolled back into quarantine.
    pub fn roll_back(&mut self, mut hold: Hold, inputs: InputsDigest) {
        hold.reason = text::start(&hold.reason, REASON_MAX).to_owned();
        self.quarantined.retain(|quarantined| quarantined.inputs != inputs);
        self.quarantined.insert(0, Quarantined { commit: hold.commit.clone(), inputs });
        self.quarantined.truncate(QUARANTINED_MAX);
        self.held = Some(hold);
        self.reverting = None;
    }

    /// Holds the environment because a person says so: besides what is newest, what is in force goes into quarantine, and
    /// what the person goes back to leaves it.
    pub fn roll_back_by_hand(
        &mut self,
        hold: Hold,
        newest: InputsDigest,
        (commit, in_force): (CommitId, InputsDigest),
        target: &InputsDigest,
    ) {
        self.quarantined.retain(|quarantined| quarantined.inputs != in_force);
        self.quarantined.insert(0, Quarantined { commit, inputs: in_force });
        self.roll_back(hold, newest);
        self.prove(target);
    }

    /// Returns whether a person holds the environment.
    pub fn is_by_hand(&self) -> bool {
        self.held.as_ref().is_some_and(|hold| hold.by.is_some())
    }

    /// Returns what becomes of it in Git; nothing where `mode` does not have it reverted any more.
    pub fn reverting(&self, mode: Mode) -> Option<&Reverting> {
        let reverts = matches!(mode, Mode::Revert | Mode::Branch);
        self.reverting.as_ref().filter(|reverting| reverts || !reverting.progress.is_open())
    }

    /// Returns what ends the hold: time, where reverts are on their way, else a person.
    pub fn class(&self, mode: Mode) -> Class {
        self.reverting(mode).map_or(Class::Wait, |reverting| reverting.progress.class())
    }

    /// Judges the newest commit, whose content is `inputs`.
    pub fn admit(&self, inputs: &InputsDigest, retry: Retry) -> Admission {
        match (self.quarantine_of(inputs), retry) {
            (Some(quarantined), Retry::No) => Admission::Quarantined(quarantined.clone()),
            (Some(_), Retry::Trailer) => Admission::Released(Release::Trailer),
            (Some(_), Retry::Asked) => Admission::Released(Release::Asked),
            (None, _) if self.held.is_some() => Admission::Released(Release::OtherContent),
            (None, _) => Admission::Free,
        }
    }

    /// Ends the hold, and the quarantine of the content that is let through.
    pub fn release(&mut self, inputs: &InputsDigest) {
        self.held = None;
        self.reverting = None;
        self.prove(inputs);
    }

    /// Ends the hold and every quarantine; what was pushed counts all the same.
    pub fn forget(&mut self) {
        *self = Self { pushes: std::mem::take(&mut self.pushes), ..Self::default() };
    }

    /// Ends the quarantine of a content that turned out to be healthy.
    pub fn prove(&mut self, inputs: &InputsDigest) {
        self.quarantined.retain(|quarantined| quarantined.inputs != *inputs);
    }
}

impl Release {
    /// Returns why, as part of a sentence.
    pub fn because(self) -> &'static str {
        match self {
            Self::OtherContent => "the newest commit has another content",
            Self::Trailer => "a commit says Plumb-Retry: true",
            Self::Asked => "plumb sync --retry was run",
        }
    }
}

impl fmt::Display for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { healthy, commit, author, subject, reason, since: _, records: _, by: _ } = self;
        write!(f, "{} {subject:?} by {author} was rolled back to {}: {reason}", commit.short(), healthy.short())
    }
}

impl RecordsEnd {
    /// Reads what `Display` writes: the ref, a blank, the commit.
    pub fn parse(text: &str) -> Option<Self> {
        let (reference, commit) = text.split_once(' ')?;
        Some(Self { reference: RefName::parse(reference).ok()?, commit: CommitId::parse(commit).ok()? })
    }
}

impl fmt::Display for RecordsEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.reference, self.commit)
    }
}

/// Returns whether a commit's message asks for a quarantined content once more: a trailer in its last paragraph.
pub fn asks_for_retry(message: &str) -> bool {
    let paragraph = message.trim_end().rsplit("\n\n").next().unwrap_or_default();
    let is_retry = |line: &str| {
        line.split_once(':').is_some_and(|(key, value)| {
            key.trim().eq_ignore_ascii_case(RETRY_TRAILER) && value.trim().eq_ignore_ascii_case("true")
        })
    };
    // A subject alone has no trailers.
    message.trim_end().contains("\n\n") && paragraph.lines().any(is_retry)
}

#[cfg(test)]
mod tests {
    use super::{super::pushing::Progress, *};

    fn commit(number: usize) -> CommitId {
        CommitId::parse(&format!("{number:040x}")).expect("an id")
    }

    fn inputs(number: usize) -> InputsDigest {
        InputsDigest(number.to_string())
    }

    fn hold(number: usize) -> Hold {
        let (author, subject) = ("Ada <ada@example.com>".to_owned(), "web: new".to_owned());
        let since = Timestamp::UNIX_EPOCH;
        Hold {
            healthy: commit(1),
            commit: commit(number),
            author,
            subject,
            reason: "web: sick".to_owned(),
            since,
            records: None,
            by: None,
        }
    }

    #[test]
    fn a_content_that_was_rolled_back_comes_again_only_where_a_person_says_so() {
        let mut rollback = Rollback::default();
        assert_eq!(rollback.admit(&inputs(2), Retry::No), Admission::Free);
        rollback.roll_back(hold(2), inputs(2));
        let quarantined = Quarantined { commit: commit(2), inputs: inputs(2) };
        #[track_caller]
        fn check(rollback: &Rollback, number: usize, retry: Retry, expected: &Admission) {
            assert_eq!(&rollback.admit(&inputs(number), retry), expected);
        }
        check(&rollback, 2, Retry::No, &Admission::Quarantined(quarantined.clone()));
        check(&rollback, 2, Retry::Trailer, &Admission::Released(Release::Trailer));
        check(&rollback, 2, Retry::Asked, &Admission::Released(Release::Asked));
        check(&rollback, 3, Retry::No, &Admission::Released(Release::OtherContent));
        // After a release by another content it still does not come again.
        rollback.release(&inputs(3));
        check(&rollback, 3, Retry::No, &Admission::Free);
        check(&rollback, 2, Retry::No, &Admission::Quarantined(quarantined));
        rollback.release(&inputs(2));
        check(&rollback, 2, Retry::No, &Admission::Free);
        assert!(rollback.is_empty());
    }

    #[test]
    fn what_a_person_leaves_is_quarantined_and_what_they_go_back_to_is_not() {
        let mut rollback = Rollback::default();
        rollback.roll_back(hold(2), inputs(2));
        let by_hand = Hold { by: Some("ann".to_owned()), healthy: commit(2), ..hold(4) };
        assert!(!rollback.is_by_hand());
        // The newest commit waits for its window, and the one before it is in force.
        rollback.roll_back_by_hand(by_hand, inputs(4), (commit(3), inputs(3)), &inputs(2));
        assert!(rollback.is_by_hand());
        let known: Vec<_> = rollback.quarantined.iter().map(|known| (&known.commit, &known.inputs)).collect();
        assert_eq!(known, [(&commit(4), &inputs(4)), (&commit(3), &inputs(3))]);
        assert_eq!(rollback.admit(&inputs(2), Retry::No), Admission::Released(Release::OtherContent));
    }

    #[test]
    fn a_hold_ends_by_itself_only_while_reverts_are_on_their_way() {
        #[track_caller]
        fn check(progress: Option<Progress>, mode: Mode, expected: Class) {
            let reverting = progress.map(|progress| Reverting::new(commit(2), progress, String::new()));
            let rollback = Rollback { held: Some(hold(2)), reverting, ..Rollback::default() };
            assert_eq!(rollback.class(mode), expected);
        }
        check(None, Mode::Restore, Class::Wait);
        check(None, Mode::Revert, Class::Wait);
        check(Some(Progress::Begun), Mode::Revert, Class::Retry);
        check(Some(Progress::Hindered), Mode::Revert, Class::Wait);
        check(Some(Progress::Pushed), Mode::Revert, Class::Retry);
        check(Some(Progress::Proposed), Mode::Branch, Class::Wait);
        check(Some(Progress::Stalled), Mode::Revert, Class::Wait);
        // Nothing is pushed any more, but what was pushed comes.
        check(Some(Progress::Begun), Mode::Restore, Class::Wait);
        check(Some(Progress::Pushed), Mode::Restore, Class::Retry);
    }

    #[test]
    fn as_many_contents_as_fit_are_kept_and_the_newest_always() {
        let mut rollback = Rollback::default();
        for number in 1..=QUARANTINED_MAX + 5 {
            rollback.roll_back(hold(number), inputs(number));
        }
        assert_eq!(rollback.quarantined.len(), QUARANTINED_MAX);
        assert_eq!(rollback.quarantined[0].inputs, inputs(QUARANTINED_MAX + 5));
        assert_eq!(rollback.admit(&inputs(5), Retry::No), Admission::Released(Release::OtherContent));
        rollback.roll_back(hold(6), inputs(7));
        let seventh: Vec<_> = rollback.quarantined.iter().filter(|known| known.inputs == inputs(7)).collect();
        assert_eq!(seventh, [&Quarantined { commit: commit(6), inputs: inputs(7) }], "the newest commit counts");
    }

    #[test]
    fn a_retry_is_a_trailer_of_the_message() {
        #[track_caller]
        fn check(message: &str, expected: bool) {
            assert_eq!(asks_for_retry(message), expected, "{message:?}");
        }
        check("again\n\nPlumb-Retry: true\n", true);
        check("again\n\nBecause.\n\nSigned-off-by: A <a@b>\nplumb-retry:true\n\n", true);
        check("Plumb-Retry: true", false);
        check("again\n\nPlumb-Retry: true\n\nIn the middle.\n", false);
        check("again\n\nPlumb-Retry: false\n", false);
        check("again\n\nnot Plumb-Retry: true\n", false);
        check("", false);
    }

    #[test]
    fn the_story_names_commit_author_and_reason() {
        let expected = "0000000 \"web: new\" by Ada <ada@example.com> was rolled back to 0000000: web: sick";
        assert_eq!(hold(2).to_string(), expected);
        let mut rollback = Rollback::default();
        rollback.roll_back(Hold { reason: "ß".repeat(600), ..hold(2) }, inputs(2));
        assert_eq!(rollback.held.map(|hold| hold.reason.chars().count()), Some(REASON_MAX));
    }
}
