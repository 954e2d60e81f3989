//! Reverting: which commits are taken back in Git, in which order, and where that goes.
//!
//! Owns: the plan and the messages. It is one revert for each first-parent commit since the last healthy one that changed what the
//! environment reads, newest first, a merge as one unit. Each takes the paths as they were in the reverted commit's first parent,
//! so that nothing can conflict, and everything else of the branch stays.
//! Must never do: take back a revert of plumb's own, or what others read and are healthy with.

#[cfg(test)]
mod tests;

use std::{collections::BTreeSet, fmt, time::Duration};

use jiff::Timestamp;
use serde::Serialize;

use super::{
    Mode,
    hold::RecordsEnd,
    outage::{HEARD_WITHIN, Sharers},
};
use crate::{
    commit::{CommitId, RefName, RepoPath},
    environment::EnvironmentName,
    text,
};

/// Pushes of one environment within [`PUSHES_WITHIN`]: a third one would be a robot that fights somebody.
pub const PUSHES_MAX: usize = 2;
/// See [`PUSHES_MAX`].
pub const PUSHES_WITHIN: Duration = Duration::from_secs(6 * 60 * 60);

/// Commits that one rollback takes back: each becomes a commit of its own that somebody reads.
pub const REVERTS_MAX: usize = 100;

/// Commits since the last healthy one that are looked at.
pub const STEPS_MAX: usize = 5000;

/// The trailer by which a revert of plumb's own is known: whose it is.
pub const ENVIRONMENT_TRAILER: &str = "Plumb-Environment";
const REASON_TRAILER: &str = "Plumb-Reason";
/// The trailer that names what a revert goes back to.
pub(super) const HEALTHY_TRAILER: &str = "Plumb-Healthy";
/// The trailer by which `plumb audit verify` knows how far the records have been: `<ref> <commit>`.
pub const RECORDS_TRAILER: &str = "Plumb-Records";
/// What stands before the commit that a revert takes back, as Git writes it.
pub(super) const REVERTS: &str = "This reverts commit ";

/// Characters of a reason that a trailer holds: it is one line.
const REASON_MAX: usize = 200;

/// Characters of a foreign commit's title that a revert repeats: what stands behind it has to be found in the part of a message
/// that is read.
const SUBJECT_MAX: usize = 256;

/// One first-parent commit since the last healthy one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step {
    /// The commit.
    pub commit: CommitId,
    /// Its first parent; absent: it is the first of the repository.
    pub parent: Option<CommitId>,
    /// Whether it merges another branch.
    pub merge: bool,
    /// All of its message.
    pub message: String,
    /// The paths of the environment that are not as in its first parent.
    pub changed: BTreeSet<RepoPath>,
}

/// Why no first-parent commits lead from one commit back to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Apart {
    /// The other is none of the ancestors.
    Unrelated,
    /// There are more of them than are looked at.
    TooFar,
}

/// Everything that a plan depends on.
#[derive(Debug, Clone)]
pub struct Input<'a> {
    /// Whose rollback it is.
    pub environment: &'a EnvironmentName,
    /// What it asks for.
    pub mode: Mode,
    /// Its own path; what else it reads is shared.
    pub path: &'a RepoPath,
    /// The commit to go back to.
    pub healthy: &'a CommitId,
    /// What failed, in words.
    pub reason: &'a str,
    /// Where the records ended as the rollback was decided.
    pub records: Option<&'a RecordsEnd>,
    /// The branch that is followed; absent: it is none.
    pub branch: Option<&'a RefName>,
    /// The first-parent commits from the newest one back to the healthy one, newest first, or why there are none.
    pub steps: Result<&'a [Step], Apart>,
    /// Environments that may be healthy with what would be taken back.
    pub content: &'a Sharers,
    /// When reverts were pushed before.
    pub pushes: &'a [Timestamp],
    /// The moment.
    pub now: Timestamp,
}

/// What is to be done in Git.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum RevertPlan {
    /// Nothing: the mode asks for nothing, or no commit changed anything.
    Nothing,
    /// The reverts go onto the branch.
    Push(Vec<Revert>),
    /// The reverts go onto a branch of their own, for people to look at.
    Branch {
        /// The branch.
        name: RefName,
        /// The reverts.
        reverts: Vec<Revert>,
        /// Why not onto the branch itself.
        why: Aside,
    },
    /// A person has to do it.
    Stalled(Stalled),
}

/// One revert.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Revert {
    /// The commit that is taken back.
    pub commit: CommitId,
    /// The paths that are put back.
    pub paths: BTreeSet<RepoPath>,
    /// The commit whose state of them counts; absent: they go.
    pub state: Option<CommitId>,
    /// The message.
    pub message: String,
}

/// Why reverts go onto a branch of their own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum Aside {
    /// `rollback.mode` says so.
    Asked,
    /// A path outside of the environment's own would change.
    Shared(RepoPath),
    /// Another environment is healthy with it.
    Content(EnvironmentName),
    /// Another environment may be healthy with it, and nothing can be said of it.
    Unheard(EnvironmentName),
}

/// Why a person has to do it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum Stalled {
    /// What is followed is no branch.
    NoBranch,
    /// The healthy commit is no first-parent ancestor of the newest one.
    Rewritten,
    /// There are more commits since the healthy one than are looked at.
    TooFar,
    /// One of the commits is a revert of plumb's own.
    RevertOfRevert(CommitId),
    /// There are too many commits.
    TooMany(usize),
    /// Reverts were pushed too often of late.
    TooOften,
}

impl Step {
    /// Returns the first line of its message, as far as it is repeated.
    pub fn subject(&self) -> String {
        let subject = text::shortened(self.message.lines().next().unwrap_or_default(), SUBJECT_MAX);
        subject.replace(char::is_control, " ")
    }
}

/// Returns what is to be done in Git about a rollback.
pub fn plan(input: &Input<'_>) -> RevertPlan {
    let aside = match input.mode {
        Mode::None | Mode::Restore => return RevertPlan::Nothing,
        Mode::Revert => None,
        Mode::Branch => Some(Aside::Asked),
    };
    let Some(branch) = input.branch.filter(|branch| branch.as_str().starts_with("refs/heads/")) else {
        return RevertPlan::Stalled(Stalled::NoBranch);
    };
    let steps = match input.steps {
        Ok(steps) => steps,
        Err(Apart::Unrelated) => return RevertPlan::Stalled(Stalled::Rewritten),
        Err(Apart::TooFar) => return RevertPlan::Stalled(Stalled::TooFar),
    };
    let guilty: Vec<&Step> = steps.iter().filter(|step| !step.changed.is_empty()).collect();
    let Some(newest) = guilty.first() else { return RevertPlan::Nothing };
    if let Some(own) = guilty.iter().find(|step| is_own(&step.message)) {
        return RevertPlan::Stalled(Stalled::RevertOfRevert(own.commit.clone()));
    }
    if guilty.len() > REVERTS_MAX {
        return RevertPlan::Stalled(Stalled::TooMany(guilty.len()));
    }
    let recent = |pushed: &&Timestamp| {
        Duration::try_from(input.now.duration_since(**pushed)).unwrap_or_default() < PUSHES_WITHIN
    };
    if input.pushes.iter().filter(recent).count() >= PUSHES_MAX {
        return RevertPlan::Stalled(Stalled::TooOften);
    }
    let mut paths = guilty.iter().flat_map(|step| &step.changed);
    let shared = paths.find(|path| !path.is_within(input.path)).cloned().map(Aside::Shared);
    let Sharers { healthy, unheard } = input.content;
    let content = healthy.first().cloned().map(Aside::Content);
    let content = content.or_else(|| unheard.first().cloned().map(Aside::Unheard));
    let reverts = guilty.iter().map(|step| revert(step, input)).collect();
    match aside.or(shared).or(content) {
        None => RevertPlan::Push(reverts),
        Some(why) => match aside_of(branch, input.environment, &newest.commit) {
            Some(name) => RevertPlan::Branch { name, reverts, why },
            None => RevertPlan::Stalled(Stalled::NoBranch),
        },
    }
}

/// Returns the branch for a revert: the same for the same commit, so that it is made once.
fn aside_of(branch: &RefName, environment: &EnvironmentName, newest: &CommitId) -> Option<RefName> {
    let branch = branch.as_str().strip_prefix("refs/heads/")?;
    let EnvironmentName { namespace, name } = environment;
    RefName::parse(&format!("refs/heads/plumb/revert-{branch}-{namespace}-{name}-{}", newest.short())).ok()
}

/// Returns whether a message is that of a revert of plumb's own.
pub fn is_own(message: &str) -> bool {
    message.lines().any(|line| line.split_once(':').is_some_and(|(key, _)| key == ENVIRONMENT_TRAILER))
}

fn revert(step: &Step, input: &Input<'_>) -> Revert {
    Revert {
        commit: step.commit.clone(),
        paths: step.changed.clone(),
        state: step.parent.clone(),
        message: message(step, input),
    }
}

/// Returns the message as `git revert` writes it, with plumb's trailers.
fn message(step: &Step, input: &Input<'_>) -> String {
    let subject = step.subject();
    let title = match subject.strip_prefix("Revert \"") {
        Some(rest) if !rest.starts_with("Revert \"") => format!("Reapply \"{rest}"),
        _ => format!("Revert \"{subject}\""),
    };
    let what = match &step.parent {
        Some(parent) if step.merge => {
            format!("{REVERTS}{}, reversing\nchanges made to {parent}.", step.commit)
        }
        _ => format!("{REVERTS}{}.", step.commit),
    };
    let reason = text::line(input.reason, REASON_MAX);
    let records = input.records.map(|end| format!("{RECORDS_TRAILER}: {end}\n")).unwrap_or_default();
    format!(
        "{title}\n\n{what}\n\n{ENVIRONMENT_TRAILER}: {}\n{REASON_TRAILER}: {reason}\n{HEALTHY_TRAILER}: {}\n{records}",
        input.environment, input.healthy
    )
}

impl Stalled {
    /// Returns when it is over by itself.
    pub fn until(&self, pushes: &[Timestamp]) -> Option<Timestamp> {
        let mut pushes = match self {
            Self::TooOften => pushes.to_vec(),
            Self::NoBranch | Self::Rewritten | Self::TooFar | Self::RevertOfRevert(_) | Self::TooMany(_) => {
                return None;
            }
        };
        pushes.sort_unstable_by(|one, other| other.cmp(one));
        pushes.get(PUSHES_MAX - 1)?.checked_add(PUSHES_WITHIN).ok()
    }

    /// Returns why, and what a person can run.
    pub fn story(&self, input: &Input<'_>) -> String {
        let branch = input.branch.map_or("main", RefName::short);
        format!("not reverted in Git: {self}; to do it by hand: {}", commands(branch, input.healthy, input.path))
    }
}

/// Returns the commands that put a path of a branch back to a commit.
pub fn commands(branch: &str, healthy: &CommitId, path: &RepoPath) -> String {
    let (from, to) = (quoted(&format!("origin/{branch}")), quoted(&format!("HEAD:{branch}")));
    let message = quoted(&format!("Revert {path} to {}", healthy.short()));
    let path = quoted(path.as_str());
    format!(
        "git fetch origin && git switch --detach {from} && git restore --source={healthy} --staged --worktree -- {path} \
         && git commit -m {message} && git push origin {to}"
    )
}

/// Returns a word as a POSIX shell reads it: whoever may name a path or a branch has nothing run by the one who pastes it.
fn quoted(word: &str) -> String {
    let is_plain = |character: char| character.is_ascii_alphanumeric() || "_-./:@+=,".contains(character);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

impl fmt::Display for Stalled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoBranch => f.write_str("the Repository follows no branch that could be pushed to"),
            Self::Rewritten => f.write_str("the history was rewritten, and the healthy commit is not in it any more"),
            Self::TooFar => {
                write!(f, "more than {STEPS_MAX} commits came since the healthy one, and no more are looked at")
            }
            Self::RevertOfRevert(commit) => {
                write!(f, "{} is a revert of plumb's own, which is never taken back", commit.short())
            }
            Self::TooMany(count) => write!(f, "{count} commits would have to be taken back, more than {REVERTS_MAX}"),
            Self::TooOften => write!(f, "{PUSHES_MAX} reverts were pushed within 6 h"),
        }
    }
}

impl Aside {
    /// Returns why, and what whoever merges it does first.
    pub fn advice(&self) -> String {
        match self {
            Self::Asked => format!("since {self}"),
            Self::Shared(_) => format!("since {self}; before that, see that they can do without"),
            Self::Content(_) => format!("since {self}; before that, see that it can do without"),
            Self::Unheard(EnvironmentName { namespace, name }) => {
                format!("since {self}; before that, see with plumb status {name} --namespace {namespace} what it needs")
            }
        }
    }
}

impl fmt::Display for Aside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Asked => f.write_str("spec.rollback.mode is Branch"),
            Self::Shared(path) => write!(f, "{path} is shared with others"),
            Self::Content(environment) => write!(f, "environment {environment} is healthy with it"),
            Self::Unheard(environment) => {
                let seconds = HEARD_WITHIN.as_secs();
                write!(f, "environment {environment} may be healthy with it, which could not be read for {seconds} s")
            }
        }
    }
}
