//! The newest rollback in three lines: which commit of whom was taken back, why, and what became of it.
//!
//! Told while the environment is held, and for some time after; from the status alone.

use std::time::Duration;

use jiff::Timestamp;
use plumb_api::{Environment, EnvironmentStatus, environment::HistoryEntry, repository::RevisionStatus};

use plumb_core::rollback::pushing::Reverting;

use super::detail::short;
use crate::{
    cli::{
        age,
        screen::{self, Tone},
    },
    report::ending::Ending,
    rollback::state,
    settings,
};

/// How long a rollback is told that is over: whoever comes in the morning wants to know of the night, and later there is the
/// history.
const TOLD_FOR: Duration = Duration::from_secs(24 * 60 * 60);

/// Returns the lines, each with its name; none where nothing was rolled back of late.
pub(super) fn story(environment: &Environment, now: Timestamp) -> Vec<(&'static str, String)> {
    let status = environment.status.clone().unwrap_or_default();
    if let Some(held) = &status.rollback.held {
        let bad = format!("{} {:?} by {}{}", short(&held.commit), held.subject, held.author, ago(&held.since, now));
        let restored = restored(&status, &held.commit, Some(&held.healthy));
        let mode = settings::mode(environment.spec.rollback.mode);
        let git = state::rollback(&status)
            .reverting(mode)
            .map_or_else(|| "until a commit with another content or plumb sync --retry".to_owned(), Reverting::words);
        let last = match restored {
            Some((_, entry)) => ("Restored", format!("{}; {git}", named(&entry.revision, Some(&entry.at), now))),
            None => ("Restoring", format!("{}; {git}", short(&held.healthy))),
        };
        return lines(&Tone::Bad.paint(&screen::first_line(&bad)), &held.reason, last);
    }
    let is_told = |entry: &&HistoryEntry| {
        let age = entry.at.parse().map(|at: Timestamp| now.duration_since(at));
        is(entry, Ending::RolledBack) && age.is_ok_and(|age| age.unsigned_abs() < TOLD_FOR)
    };
    let Some(bad) = status.history.iter().find(is_told) else { return Vec::new() };
    let restored = restored(&status, &bad.revision.commit, None);
    let next = restored.and_then(|(place, _)| status.history.get(place.checked_sub(1)?));
    let end = match (&bad.rolled_back_by, next) {
        (Some(by), _) => format!("; reverted in Git by {}", short(by)),
        (None, Some(next)) => format!("; over with {}", named(&next.revision, None, now)),
        (None, None) => String::new(),
    };
    let healthy = restored.map(|(_, entry)| named(&entry.revision, Some(&entry.at), now));
    let last = ("Restored", healthy.unwrap_or_else(|| "not in full".to_owned()) + &end);
    lines(&screen::first_line(&named(&bad.revision, Some(&bad.at), now)), &bad.summary, last)
}

fn lines(bad: &str, why: &str, (name, last): (&'static str, String)) -> Vec<(&'static str, String)> {
    vec![("Rolled back", bad.to_owned()), ("Because", screen::first_line(why)), (name, screen::first_line(&last))]
}

/// Returns the entry, and its place, that says that an older commit is applied again since this one was rolled back.
fn restored<'a>(status: &'a EnvironmentStatus, bad: &str, healthy: Option<&str>) -> Option<(usize, &'a HistoryEntry)> {
    let is_bad = |entry: &HistoryEntry| is(entry, Ending::RolledBack) && entry.revision.commit == bad;
    let since = status.history.iter().enumerate().take_while(|(_, entry)| !is_bad(entry));
    let is_it = |entry: &HistoryEntry| {
        is(entry, Ending::Restored) && healthy.is_none_or(|healthy| entry.revision.commit == healthy)
    };
    since.filter(|(_, entry)| is_it(entry)).last()
}

fn is(entry: &HistoryEntry, ending: Ending) -> bool {
    Ending::parse(&entry.result) == Some(ending)
}

fn named(revision: &RevisionStatus, at: Option<&str>, now: Timestamp) -> String {
    let ago = at.map(|at| ago(at, now)).unwrap_or_default();
    format!("{} {:?} by {}{ago}", short(&revision.commit), revision.subject, revision.author)
}

fn ago(at: &str, now: Timestamp) -> String {
    age::since(at, now).map(|age| format!(", {age} ago")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{
        super::tests::{full, now, plain},
        *,
    };

    fn entry(result: &str, digit: &str, at: &str) -> Value {
        let revision = json!({ "commit": digit.repeat(40), "author": "Ada <ada@example.com>",
            "committed": "2026-11-20T09:00:00Z", "subject": format!("Commit {digit}") });
        json!({ "revision": revision, "at": at, "tookMs": 1, "result": result, "summary": "Deployment web: broken\nmore" })
    }

    #[track_caller]
    fn check(held: Option<Value>, reverting: Option<Value>, history: &[Value], expected: &[&str]) {
        let mut environment = full();
        environment.spec.rollback.mode = plumb_api::rollback::RollbackMode::Revert;
        let mut status = json!({ "history": history });
        if let Some(held) = held {
            status["rollback"]["held"] = held;
        }
        if let Some(reverting) = reverting {
            status["rollback"]["reverting"] = reverting;
        }
        environment.status = Some(serde_json::from_value(status).expect("a status"));
        let told = story(&environment, now());
        let told: Vec<String> = told.iter().map(|(name, text)| format!("{name}: {}", plain(text))).collect();
        assert_eq!(told, expected);
    }

    #[test]
    fn a_rollback_is_told_in_three_lines_from_its_beginning_until_a_day_after_its_end() {
        let bad = "Rolled back: 2222222 \"Commit 2\" by Ada <ada@example.com>, 5m ago";
        let why = "Because: Deployment web: broken";
        let held = json!({ "healthy": "1".repeat(40), "commit": "2".repeat(40), "author": "Ada <ada@example.com>",
            "subject": "Commit 2", "reason": "Deployment web: broken", "since": "2026-11-20T09:55:00Z" });
        let rolled_back = entry("RolledBack", "2", "2026-11-20T09:55:00Z");
        // What was restored before is another story.
        let before = [rolled_back.clone(), entry("Applied", "2", "2026-11-20T09:54:00Z"), entry("Restored", "1", "")];
        let until = "until a commit with another content or plumb sync --retry";
        check(Some(held.clone()), None, &before, &[bad, why, &format!("Restoring: 1111111; {until}")]);
        let after = [&[entry("Restored", "1", "2026-11-20T09:56:00Z")], before.as_slice()].concat();
        let restored = "Restored: 1111111 \"Commit 1\" by Ada <ada@example.com>, 4m ago";
        check(Some(held.clone()), None, &after, &[bad, why, &format!("{restored}; {until}")]);
        let pushed =
            json!({ "head": "2".repeat(40), "progress": "Pushed", "message": "reverted in Git by 3333333 on main" });
        let told = format!("{restored}; reverted in Git by 3333333 on main");
        check(Some(held), Some(pushed), &after, &[bad, why, &told]);

        let mut over = [&[entry("Applied", "3", "2026-11-20T09:57:00Z")], after.as_slice()].concat();
        let next = format!("{restored}; over with 3333333 \"Commit 3\" by Ada <ada@example.com>");
        check(None, None, &over, &[bad, why, &next]);
        over[2]["rolledBackBy"] = json!("3".repeat(40));
        check(None, None, &over, &[bad, why, &format!("{restored}; reverted in Git by 3333333")]);
        over.remove(1);
        check(None, None, &over, &[bad, why, "Restored: not in full; reverted in Git by 3333333"]);
        over[1]["at"] = json!("2026-11-19T09:55:00Z");
        check(None, None, &over, &[]);
        check(None, None, &[], &[]);
    }
}
