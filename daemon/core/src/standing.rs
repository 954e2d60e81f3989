//! How an environment stands: one verdict in kstatus's vocabulary, with a reason for programs and a sentence for people.

#[cfg(test)]
mod tests;

use serde::Serialize;

use crate::{
    class::Class,
    commit::{CommitId, Revision},
    gate::{ROLLED_BACK, Wait},
    health::HealthStatus,
    operation::Failure,
    plan::Refusal,
    problem::Problem,
    right::{self, Forbidden},
    rollback::pushing::Reverting,
    text,
};

/// How many lines of trouble a condition's message shows before it only counts.
const LINES_MAX: usize = 3;
/// How many lines of trouble a status keeps.
pub const PROBLEMS_MAX: usize = 20;
/// Longest line of trouble that a status keeps, in characters.
const LINE_LENGTH_MAX: usize = 1000;

/// What an environment's standing is judged from.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Facts {
    /// Whose they are, as a person types it.
    pub environment: String,
    /// The commit that was last tried.
    pub revision: Option<Revision>,
    /// Whether it is suspended.
    pub suspended: bool,
    /// The newest commit, if it may not begin yet.
    pub gated: Option<Gated>,
    /// Why its Environment, which is being deleted, is still there; empty if it is not being deleted.
    pub departing: Vec<String>,
    /// Why there is nothing to apply: no repository, no commit, a path that is missing.
    pub source: Option<Failure>,
    /// What is wrong in the files.
    pub problems: Vec<Problem>,
    /// Whether those problems may go away by trying again.
    pub problems_unknown: bool,
    /// Why nothing may be written: the service account does not exist.
    pub identity: Option<Failure>,
    /// What the last operation could not do for want of a right.
    pub forbidden: Vec<Forbidden>,
    /// What else it could not do.
    pub failures: Vec<Failure>,
    /// What it would not do.
    pub refusals: Vec<Refusal>,
    /// Objects over which somebody quarrels with the environment, as sentences.
    pub contended: Vec<String>,
    /// Objects that drifted and were left, as sentences.
    pub drifted: Vec<String>,
    /// What waits for a wave.
    pub wait: Waited,
    /// What becomes of a rollback in Git.
    pub reverting: Option<Reverting>,
    /// Why a commit is not rolled back although something fails, as a sentence.
    pub acquitted: Option<String>,
    /// Health of every owned object, with a sentence for those that are not Current.
    pub health: Vec<(HealthStatus, String)>,
}

/// What waits until a wave is applied and healthy.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Waited {
    /// What is left out until then, as a sentence.
    pub held: Option<String>,
    /// The limit in words, if the wave has taken longer.
    pub late: Option<String>,
}

/// A commit that may not begin yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Gated {
    /// Which.
    pub commit: CommitId,
    /// What it waits for.
    pub wait: Wait,
    /// Whether the environment is kept true to an older commit meanwhile; otherwise nothing is written.
    pub kept: bool,
    /// Why nobody can say what it would apply; absent where that can be read.
    pub unread: Option<String>,
}

impl Gated {
    /// Returns whether all is well until then: the environment is as its older commit says, and meant to stay so.
    fn is_planned(&self) -> bool {
        self.kept && matches!(self.wait, Wait::Window(Some(_)))
    }

    fn line(&self) -> String {
        match &self.unread {
            Some(why) => format!("{} can't be applied: {why}", self.commit.short()),
            None => format!("{} {}", self.commit.short(), self.wait),
        }
    }

    /// Tells what was rolled back and what ends it; nothing where that is not what the commit waits for.
    fn story(&self, facts: &Facts) -> Vec<String> {
        let told = match &self.wait {
            Wait::RolledBack(hold) if hold.commit == self.commit => vec![hold.to_string()],
            Wait::RolledBack(hold) => vec![hold.to_string(), self.line()],
            Wait::Quarantined(_) => vec![self.line()],
            Wait::Dependency(_) | Wait::Window(_) => return Vec::new(),
        };
        let next = || format!("push a commit with another content, or run: plumb sync {} --retry", facts.environment);
        let reverting = facts.reverting.as_ref().map(Reverting::words);
        told.into_iter().chain([reverting.unwrap_or_else(next)]).collect()
    }
}

/// The verdict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Standing {
    /// Whether everything is as the commit says, and healthy.
    pub ready: bool,
    /// Whether it is on its way there without a person.
    pub reconciling: bool,
    /// Whether a person has to act.
    pub stalled: bool,
    /// One word.
    pub reason: &'static str,
    /// A sentence, or a few lines.
    pub message: String,
    /// Every line of trouble, bounded.
    pub problems: Vec<String>,
    /// Who quarrels with the environment over what; absent while nobody does.
    pub contended: Option<String>,
}

/// Judges how an environment stands.
pub fn stand(facts: &Facts) -> Standing {
    let trouble = trouble(facts);
    let problems: Vec<String> =
        trouble.lines.iter().take(PROBLEMS_MAX).map(|line| text::shortened(line, LINE_LENGTH_MAX)).collect();
    let at = facts.revision.as_ref().map(|revision| format!(" at {}", revision.commit.short())).unwrap_or_default();
    let message = if facts.suspended {
        format!("suspended{at}: drift is reported, nothing is written (plumb resume)")
    } else if problems.is_empty() {
        let later = facts.gated.as_ref().map(|gated| format!("; {}", gated.line())).unwrap_or_default();
        format!("{} object(s) as in Git{at}, all healthy{later}", facts.health.len())
    } else {
        shown(&trouble.lines)
    };
    Standing {
        ready: trouble.ready && !facts.suspended,
        reconciling: trouble.reconciling && !facts.suspended,
        stalled: trouble.stalled && !facts.suspended,
        reason: if facts.suspended { "Suspended" } else { trouble.reason },
        message,
        problems,
        contended: (!facts.contended.is_empty()).then(|| shown(&facts.contended)),
    }
}

/// Returns the first lines, and how many more there are.
fn shown(lines: &[String]) -> String {
    let shown: Vec<_> = lines.iter().take(LINES_MAX).map(|line| text::shortened(line, LINE_LENGTH_MAX)).collect();
    let more = lines.len() - shown.len();
    let rest = if more > 0 { format!("\nand {more} more (plumb status shows them)") } else { String::new() };
    shown.join("\n") + &rest
}

struct Trouble {
    ready: bool,
    reconciling: bool,
    stalled: bool,
    reason: &'static str,
    lines: Vec<String>,
}

/// The worst trouble names the reason; the lines of all are kept, worst first.
fn trouble(facts: &Facts) -> Trouble {
    let mut found = Trouble { ready: true, reconciling: false, stalled: false, reason: "Applied", lines: Vec::new() };
    let mut add = |reason: &'static str, reconciling: bool, lines: Vec<String>| {
        if lines.is_empty() {
            return;
        }
        if found.ready {
            (found.ready, found.reason) = (false, reason);
            (found.reconciling, found.stalled) = (reconciling, !reconciling);
        }
        found.lines.extend(lines);
    };
    add("Deleting", true, facts.departing.clone());
    let story = facts.gated.as_ref().map(|gated| gated.story(facts)).unwrap_or_default();
    let rolled_back = !story.is_empty();
    let comes_back = facts.reverting.as_ref().is_some_and(|reverting| reverting.progress.class() == Class::Retry);
    add(ROLLED_BACK, comes_back, story);
    let source_retries = facts.source.as_ref().is_some_and(|failure| failure.class == Class::Retry);
    add("SourceNotReady", source_retries, facts.source.iter().map(|failure| failure.message.clone()).collect());
    add("InvalidFiles", facts.problems_unknown, facts.problems.iter().map(ToString::to_string).collect());
    add("NoServiceAccount", false, facts.identity.iter().map(|failure| failure.message.clone()).collect());
    let blocked = |refusal: &&Refusal| refusal.why.blocks();
    add("Blocked", false, facts.refusals.iter().filter(blocked).map(|refusal| blocked_line(refusal, facts)).collect());
    add("Forbidden", false, right::lines(&facts.forbidden));
    let retried = facts.failures.iter().any(|failure| failure.class == Class::Retry);
    add("ApplyFailed", retried, facts.failures.iter().map(|failure| failure.message.clone()).collect());
    // The others speak within one pass each.
    let awaited = |refusal: &&Refusal| refusal.why.awaits_others();
    let refused = |refusal: &&Refusal| !refusal.why.blocks() && !refusal.why.harmless() && !awaited(refusal);
    let passing = facts.refusals.iter().filter(refused).all(|refusal| refusal.why.passes());
    add("Refused", passing, facts.refusals.iter().filter(refused).map(ToString::to_string).collect());
    let of = |status: HealthStatus| {
        let sick = facts.health.iter().filter(move |(found, _)| *found == status);
        sick.map(|(_, sentence)| sentence.clone()).collect::<Vec<_>>()
    };
    add("Unhealthy", false, of(HealthStatus::Failed));
    let under_way = [of(HealthStatus::InProgress), of(HealthStatus::Terminating), of(HealthStatus::Unknown)].concat();
    let (held, late) = (&facts.wait.held, facts.wait.late.as_ref().filter(|_| !under_way.is_empty()));
    let late_line = late.map(|limit| format!("not healthy within {limit} (sync.timeout); it goes on when it is"));
    let awaited = facts.refusals.iter().filter(awaited).map(ToString::to_string);
    let lines = late_line.into_iter().chain(awaited).chain(under_way).chain(held.clone()).collect();
    match late {
        Some(_) => add("HealthTimeout", false, lines),
        None => add("Progressing", true, lines),
    }
    add("Contended", false, facts.contended.clone());
    add("Drifted", false, facts.drifted.clone());
    if let Some(gated) = facts.gated.as_ref().filter(|_| !rolled_back) {
        if !gated.is_planned() {
            add(gated.wait.reason(), gated.wait.passes(), vec![gated.line()]);
        } else if found.ready {
            found.reason = gated.wait.reason();
        } else {
            found.lines.push(gated.line());
        }
    }
    if !found.ready {
        found.lines.extend(facts.acquitted.clone());
    }
    found
}

fn blocked_line(refusal: &Refusal, facts: &Facts) -> String {
    match &facts.revision {
        Some(revision) => format!("{refusal} (plumb allow {} --prune {})", facts.environment, revision.commit.short()),
        None => refusal.to_string(),
    }
}
