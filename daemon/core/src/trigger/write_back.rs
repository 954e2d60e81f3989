//! Write-back: whether an image may be put into an environment's files, and the commit that does it.
//!
//! Owns: one verdict for each place, from Git first: who gave the place its value is in the commits that changed it. What a
//! status remembers only fills in where the history says nothing.
//! Must never do: undo what a person has decided before the next commit of the source, write again what was rolled back, or
//! put an older image in the place of a newer one.

pub mod message;

#[cfg(test)]
mod tests;

use std::fmt;

use jiff::Timestamp;
use serde::Serialize;

use super::{
    change::{Change, Lineage},
    image::Image,
    name::ComponentName,
    place::Place,
    run::Attempt,
};
use crate::{commit::CommitId, rollback::revert::ENVIRONMENT_TRAILER, trailer};

/// Commits back from the newest one that are looked at for the changes of a place.
pub const COMMITS_MAX: usize = 5000;

/// Changes of a place that are looked at until one is plumb's own write-back.
pub const CHANGES_MAX: usize = 100;

/// Value of a place; nothing where there is none.
pub type Value = Option<String>;

/// An image that is to be put into a place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Wanted {
    /// The namespace of the trigger, of its Repository and of its runs.
    pub namespace: String,
    /// The Repository that it was built from.
    pub repository: String,
    /// The component.
    pub component: ComponentName,
    /// The commit that it was built from.
    pub commit: CommitId,
    /// When that commit was made, by its committer.
    pub committed: Timestamp,
    /// The run that built it.
    pub run: String,
    /// Which of the component's builds that was.
    pub attempt: Attempt,
    /// The image.
    pub image: Image,
    /// Where it shall stand.
    pub place: Place,
}

/// What a trigger's status says of the last image that it put into a place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Written {
    /// The image.
    pub image: Image,
    /// The commit that it was built from.
    pub source: CommitId,
    /// Which of the component's builds that was.
    pub attempt: Attempt,
    /// The commit that put it there.
    pub by: CommitId,
}

/// Everything that the verdict on one place depends on.
#[derive(Debug, Clone)]
pub struct Input<'a> {
    /// The image.
    pub wanted: &'a Wanted,
    /// What stands at the place at the head of the branch, or why it can't be read.
    pub stands: Result<&'a Value, &'a str>,
    /// The changes of the place, as far as [`more`] asks for them.
    pub lineage: &'a Lineage<Value>,
    /// What the status says was written there last.
    pub written: Option<&'a Written>,
    /// The newest build of the component that is known to have succeeded.
    pub newest: Option<Attempt>,
}

/// What is to be done about one place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum Verdict {
    /// The image goes there.
    Write,
    /// It stands there.
    Already {
        /// The commit that put it there, as far as it is known.
        by: Option<CommitId>,
    },
    /// A person has put another one there, which stays until the next commit of the source.
    Pinned(Decision),
    /// A person has taken plumb's commit back, which stays so until the next commit of the source.
    Reverted(Decision),
    /// plumb has taken this image back because it was not healthy.
    RolledBack {
        /// The revert.
        by: CommitId,
    },
    /// A later build of the component succeeded.
    Backward {
        /// That build.
        newer: Attempt,
    },
    /// A person has to help.
    Problem(String),
}

/// What a person has decided about a place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Decision {
    /// Their commit.
    pub by: CommitId,
    /// Who they are.
    pub author: String,
    /// When.
    pub at: Timestamp,
}

/// Whose a change is.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Whose {
    /// A write-back, of an image built from this commit.
    WriteBack(CommitId),
    /// A revert of plumb's own.
    Revert,
    Person,
}

/// Returns whether another change of the place is needed for a verdict: back to plumb's own last write-back.
pub fn more(place: &Place, changes: &[Change<Value>]) -> bool {
    let found = |change: &Change<Value>| matches!(whose(place, change), Whose::WriteBack(_));
    changes.len() < CHANGES_MAX && !changes.last().is_some_and(found)
}

/// Returns what is to be done about one place.
pub fn decide(input: &Input<'_>) -> Verdict {
    let Input { wanted, stands, lineage, written, newest } = input;
    let place = &wanted.place;
    let value = match place.value(&wanted.image) {
        Ok(value) => value,
        Err(error) => return Verdict::Problem(error.to_string()),
    };
    let stands = match stands {
        Ok(stands) => *stands,
        Err(why) => return Verdict::Problem((*why).to_owned()),
    };
    let newest_change = lineage.changes.first();
    if stands.as_deref() == Some(value.as_str()) {
        return Verdict::Already { by: newest_change.map(|change| change.commit.clone()) };
    }
    let known = [*newest, written.map(|written| written.attempt)];
    if let Some(newer) = known.into_iter().flatten().max().filter(|newer| *newer > wanted.attempt) {
        return Verdict::Backward { newer };
    }
    if let Some(by) = taken_back(place, &lineage.changes, &value) {
        return Verdict::RolledBack { by };
    }
    match newest_change.filter(|change| whose(place, change) == Whose::Person) {
        Some(change) => decided(input, change, stands).unwrap_or(Verdict::Write),
        None => Verdict::Write,
    }
}

/// Returns plumb's own revert that took a value back, if nobody has put it there again since.
fn taken_back(place: &Place, changes: &[Change<Value>], value: &str) -> Option<CommitId> {
    let is = |found: &Value| found.as_deref() == Some(value);
    let since = changes.iter().take_while(|change| !is(&change.after));
    let mut reverts = since.filter(|change| whose(place, change) == Whose::Revert);
    reverts.find(|change| is(&change.before)).map(|change| change.commit.clone())
}

/// Returns what a person's change means for an image, if it stands in its way.
fn decided(input: &Input<'_>, change: &Change<Value>, stands: &Value) -> Option<Verdict> {
    let Input { wanted, lineage, written, .. } = input;
    let place = &wanted.place;
    let below = lineage.changes.iter().find_map(|change| match whose(place, change) {
        Whose::WriteBack(source) => Some((change, source)),
        Whose::Revert | Whose::Person => None,
    });
    let remembered = written.and_then(|written| place.value(&written.image).ok());
    let source = below.as_ref().map(|(_, source)| source).or(written.map(|written| &written.source));
    // Where plumb never wrote, nobody has decided against it: what stands there is what people began with.
    let source = source?;
    // The file was moved, or was broken and mended: the value is plumb's own.
    let own = below.as_ref().map(|(change, _)| &change.after);
    if own == Some(stands) || stands.is_some() && remembered == *stands {
        return None;
    }
    let before = wanted.commit == *source || wanted.committed <= change.committed;
    if !before {
        return None;
    }
    let Change { commit, author, committed, .. } = change;
    let decision = Decision { by: commit.clone(), author: author.clone(), at: *committed };
    let reverted = below.is_some_and(|(own, _)| own.before == change.after);
    Some(if reverted { Verdict::Reverted(decision) } else { Verdict::Pinned(decision) })
}

/// Returns whose a change is. A message alone proves nothing: an image that it names has to be the one that stands there since.
fn whose(place: &Place, change: &Change<Value>) -> Whose {
    let fits = |put: &message::Put| place.value(&put.image).ok() == change.after;
    if let Some(put) = message::parse(&change.message).into_iter().find(fits) {
        return Whose::WriteBack(put.commit);
    }
    if trailer::has(&change.message, ENVIRONMENT_TRAILER) { Whose::Revert } else { Whose::Person }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Write => f.write_str("is written"),
            Self::Already { by: Some(by) } => write!(f, "stands there since {}", by.short()),
            Self::Already { by: None } => f.write_str("stands there"),
            Self::Pinned(Decision { by, author, .. }) => {
                write!(f, "is not written: {author} has put another image there in {}, {UNTIL}", by.short())
            }
            Self::Reverted(Decision { by, author, .. }) => {
                write!(f, "is not written: {author} has taken the write-back back in {}, {UNTIL}", by.short())
            }
            Self::RolledBack { by } => write!(
                f,
                "is not written: it was not healthy, and {} took it back; push a commit that mends it, or write it there by hand",
                by.short()
            ),
            Self::Backward { newer } => {
                write!(f, "is not written: attempt {} of the component, a later one, has succeeded", newer.number)
            }
            Self::Problem(why) => f.write_str(why),
        }
    }
}

/// How long a person's decision is respected.
const UNTIL: &str = "which counts until the next commit of the source; to have it sooner, write it there by hand";
