//! What is new about a trigger since its status was written: each of it is told in exactly one plan, if that plan's memory is written.

use std::fmt;

use jiff::Timestamp;
use serde::Serialize;

use crate::{
    commit::CommitId,
    trigger::{
        memory::Attempted,
        name::ComponentName,
        run::{Attempt, Build, Outcome},
    },
};

/// Something that is new.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fact {
    /// The component.
    pub component: ComponentName,
    /// The commit.
    pub commit: CommitId,
    /// Which of the component's builds; absent where nothing was begun.
    pub attempt: Option<Attempt>,
    /// The name of its run, where it was seen.
    pub run: Option<String>,
    /// What happened.
    pub event: Event,
}

/// What happened to a build.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum Event {
    /// It waits for its turn.
    Queued,
    /// It has begun.
    Began {
        /// Since when it had waited; absent: the run was there, and nobody remembers how it began.
        since: Option<Timestamp>,
        /// Who asked for it by hand: the id of the request.
        asked: Option<String>,
    },
    /// It has begun once more, since what it ran on had failed; for the how manieth time.
    Retried(u32),
    /// It has ended.
    Ended {
        /// How.
        outcome: Outcome,
        /// Since when its run had worked; absent: it never did, or nobody has seen it.
        started: Option<Timestamp>,
        /// When.
        at: Timestamp,
        /// Why, in words.
        message: String,
    },
    /// Its run was deleted before it ended: nobody knows what would have become of it.
    Vanished,
    /// It is asked to end for a newer commit.
    Superseded(CommitId),
    /// Nothing is built for what the commit changed.
    PassedOver(PassedOver),
    /// It waits no longer, and does not begin.
    Dropped(Dropped),
    /// A person asked for what is under way, or waits, already.
    Underway {
        /// The id of the request.
        asked: String,
    },
}

/// Why nothing is built for a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum PassedOver {
    /// Its message says so.
    Asked,
    /// The component was never seen, and the trigger builds it from the next change on.
    Initial,
}

/// Why something waits no longer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum Dropped {
    /// A newer one waits instead.
    For(CommitId),
    /// The branch is back at what was attempted last.
    Back(CommitId),
    /// Its component is none any more.
    NoComponent,
    /// Its component reads no file at this commit.
    NoFile(CommitId),
    /// More are waiting than are kept.
    TooMany,
}

impl Fact {
    pub(super) fn of(build: &Build, event: Event) -> Self {
        let Build { component, commit, inputs: _, committed: _ } = build;
        Self { component: component.clone(), commit: commit.clone(), attempt: None, run: None, event }
    }

    pub(super) fn about(entry: &Attempted, event: Event) -> Self {
        Self { attempt: Some(entry.attempt()), run: entry.run.clone(), ..Self::of(&entry.build, event) }
    }

    pub(super) fn end(entry: &Attempted, started: Option<Timestamp>) -> Option<Self> {
        let (outcome, at) = entry.outcome?;
        Some(Self::about(entry, Event::Ended { outcome, started, at, message: entry.message.clone() }))
    }
}

impl Event {
    /// Returns the word for it in Events and log lines.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Queued => "BuildQueued",
            Self::Began { .. } => "BuildBegan",
            Self::Retried(_) => "BuildRetried",
            Self::Ended { outcome: Outcome::Succeeded, .. } => "BuildSucceeded",
            Self::Ended { outcome: Outcome::Cancelled, .. } => "BuildCancelled",
            Self::Ended { outcome: Outcome::Failed | Outcome::Misconfigured | Outcome::Infrastructure, .. } => {
                "BuildFailed"
            }
            Self::Vanished => "BuildVanished",
            Self::Superseded(_) => "BuildSuperseded",
            Self::PassedOver(_) => "BuildPassedOver",
            Self::Dropped(_) => "BuildDropped",
            Self::Underway { .. } => "BuildUnderway",
        }
    }

    /// Returns how a build ended, as its status says it; nothing for what is not an end.
    pub fn outcome(&self) -> Option<Outcome> {
        match self {
            Self::Ended { outcome, .. } => Some(*outcome),
            Self::Vanished => Some(Outcome::Cancelled),
            Self::Queued
            | Self::Began { .. }
            | Self::Retried(_)
            | Self::Superseded(_)
            | Self::PassedOver(_)
            | Self::Dropped(_)
            | Self::Underway { .. } => None,
        }
    }

    /// Returns whether somebody may want to look.
    pub fn warns(&self) -> bool {
        match self {
            Self::Ended { outcome, .. } => !matches!(outcome, Outcome::Succeeded | Outcome::Cancelled),
            Self::Vanished => true,
            Self::Queued
            | Self::Began { .. }
            | Self::Retried(_)
            | Self::Superseded(_)
            | Self::PassedOver(_)
            | Self::Dropped(_)
            | Self::Underway { .. } => false,
        }
    }
}

impl fmt::Display for Fact {
    /// Writes a sentence such as `cart of abc1234 failed: task build, step push: exit code 1`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} ", self.component, self.commit.short())?;
        match &self.event {
            Event::Queued => f.write_str("waits to be built"),
            Event::Began { since: _, asked: None } => f.write_str("is being built"),
            Event::Began { since: _, asked: Some(id) } => write!(f, "is being built, as asked for by hand ({id})"),
            Event::Retried(times) => write!(f, "is tried again, for the {times}. time"),
            Event::Ended { outcome, started: _, at: _, message } => {
                f.write_str(outcome.words())?;
                if message.is_empty() { Ok(()) } else { write!(f, ": {message}") }
            }
            Event::Vanished => {
                f.write_str("was deleted while it was being built: nobody knows how it would have ended")
            }
            Event::Superseded(by) => write!(f, "gives way to {}", by.short()),
            Event::PassedOver(PassedOver::Asked) => f.write_str("is not built: the commit asks for that"),
            Event::PassedOver(PassedOver::Initial) => {
                f.write_str("is not built: it was seen for the first time, and spec.initial is Skip")
            }
            Event::Dropped(why) => write!(f, "waits no longer: {why}"),
            Event::Underway { asked } => {
                write!(f, "is being built, or waits, already: nothing more is done for {asked}")
            }
        }
    }
}

impl fmt::Display for Dropped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::For(commit) => write!(f, "{} is newer", commit.short()),
            Self::Back(commit) => write!(f, "with {} the branch is back at what was built last", commit.short()),
            Self::NoComponent => f.write_str("the trigger has no such component any more"),
            Self::NoFile(commit) => write!(f, "the component reads no file of {}", commit.short()),
            Self::TooMany => f.write_str("too many are waiting"),
        }
    }
}
