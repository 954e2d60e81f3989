//! Everything that is known of one Environment, in the manner of `kubectl describe`.

use jiff::Timestamp;
use plumb_api::{
    Condition, Environment, EnvironmentStatus, Repository,
    condition::{ConditionStatus, READY},
    environment::Attempt,
    request,
};

use super::rollback;
use crate::{
    cli::{
        age,
        screen::{self, Tone},
        standing,
        table::{Cell, NOTHING, Table},
    },
    settings,
};

/// Digits of a commit that people need.
const SHORT: usize = 7;

/// Returns the text.
pub(super) fn text(environment: &Environment, repository: Option<&Repository>, now: Timestamp) -> String {
    let status = environment.status.clone().unwrap_or_default();
    let mut text = head(environment, repository, &status, now);
    section(&mut text, "Problems", &problems(&status));
    section(&mut text, "Conditions", &conditions(&status, now));
    section(&mut text, "History", &history(&status, now));
    if !status.drift.is_empty() {
        let written = settings::name(environment);
        text.push_str(&format!("\nDrift: {} kept; plumb drift {written} shows who did it\n", status.drift.len()));
    }
    text
}

/// Returns as much of a commit's id as people need.
pub(super) fn short(commit: &str) -> &str {
    commit.get(..SHORT).unwrap_or(commit)
}

fn section(text: &mut String, title: &str, body: &str) {
    if !body.is_empty() {
        text.push_str(&format!("\n{title}:\n"));
        text.extend(body.lines().map(|line| format!("  {line}\n")));
    }
}

fn head(
    environment: &Environment,
    repository: Option<&Repository>,
    status: &EnvironmentStatus,
    now: Timestamp,
) -> String {
    let (ready, tone) = standing::ready(&status.conditions);
    let found = standing::find(&status.conditions, READY);
    let reason = found.map(|ready| format!(" ({}, for {})", ready.reason, changed(ready, now))).unwrap_or_default();
    let inventory = status.inventory.clone().unwrap_or_default();
    let (health, health_tone) = standing::health(&inventory);
    let health = if health.is_empty() { String::new() } else { format!(": {}", health_tone.paint(&health)) };
    let mut lines = vec![
        ("Environment", settings::name(environment).to_string()),
        ("Repository", environment.spec.repository.clone() + &unread(repository)),
        ("Path", environment.spec.path.clone()),
        ("Ready", tone.paint(ready) + &reason),
        ("Applied", commit(status, status.last_applied.as_ref(), now)),
    ];
    let (attempted, applied) = (status.last_attempted.as_ref(), status.last_applied.as_ref());
    if attempted.map(|attempt| &attempt.commit) != applied.map(|attempt| &attempt.commit) {
        lines.push(("Attempted", commit(status, attempted, now)));
    }
    lines.extend(rollback::story(environment, now));
    if let Some(watch) = &status.rollback.watch {
        let since = age::since(&watch.since, now).unwrap_or_else(|| NOTHING.to_owned());
        lines.push(("Watched", format!("from {} on, {since}", short(&watch.commit))));
    }
    if let Some(waiting) = &status.waiting {
        let since = age::since(&waiting.since, now).unwrap_or_else(|| NOTHING.to_owned());
        lines.push(("Waiting", format!("for wave {}, {since}", waiting.wave)));
    }
    lines.push(("Objects", format!("{}{health}", inventory.objects)));
    lines.push(("Kinds", or_nothing(&inventory.kinds.join(", "))));
    lines.push(("Namespaces", or_nothing(&inventory.namespaces.join(", "))));
    if environment.spec.suspend {
        lines.push(("Suspended", Tone::Waiting.paint("by spec.suspend")));
    }
    if let Some(asked) = settings::request(environment, request::SUSPENDED) {
        let why = asked.reason.map(|reason| format!(": {reason}")).unwrap_or_default();
        lines.push(("Suspended", Tone::Waiting.paint(&screen::first_line(&format!("by {}{why}", asked.user)))));
    }
    lines.into_iter().map(|(name, value)| format!("{name:<14}{value}\n")).collect()
}

/// Says why no newer commits are seen; nothing where they are, or where the status below says it already.
fn unread(repository: Option<&Repository>) -> String {
    let conditions = repository.and_then(|found| found.status.as_ref()).map(|status| status.conditions.as_slice());
    let ready = conditions.and_then(|conditions| standing::find(conditions, READY));
    let Some(ready) = ready.filter(|ready| ready.status == ConditionStatus::False || ready.reason == "Suspended")
    else {
        return String::new();
    };
    let tone = if ready.status == ConditionStatus::False { Tone::Bad } else { Tone::Waiting };
    let why = screen::first_line(&ready.message);
    format!(": {}", tone.paint(&format!("{why} ({})", ready.reason)))
}

fn changed(condition: &Condition, now: Timestamp) -> String {
    age::since(&condition.last_transition_time, now).unwrap_or_else(|| NOTHING.to_owned())
}

fn or_nothing(text: &str) -> String {
    if text.is_empty() { NOTHING.to_owned() } else { text.to_owned() }
}

/// Names a commit with author and subject, where the history knows them.
fn commit(status: &EnvironmentStatus, attempt: Option<&Attempt>, now: Timestamp) -> String {
    let Some(attempt) = attempt else { return NOTHING.to_owned() };
    let short = short(&attempt.commit);
    let ago = age::since(&attempt.at, now).map(|age| format!(", {age} ago")).unwrap_or_default();
    let entry = status.history.iter().find(|entry| entry.revision.commit == attempt.commit);
    match entry.map(|entry| &entry.revision) {
        Some(known) => {
            let signed = known.signer.as_ref().map(|signer| format!(", signed by {signer}")).unwrap_or_default();
            screen::first_line(&format!("{short} {:?} by {}{signed}{ago}", known.subject, known.author))
        }
        None => format!("{short}{ago}"),
    }
}

fn problems(status: &EnvironmentStatus) -> String {
    status.problems.iter().map(|problem| format!("- {}\n", screen::plain(problem).replace('\n', "\n  "))).collect()
}

fn conditions(status: &EnvironmentStatus, now: Timestamp) -> String {
    if status.conditions.is_empty() {
        return String::new();
    }
    let mut table = Table::new(&["TYPE", "STATUS", "REASON", "AGE", "MESSAGE"]);
    for condition in &status.conditions {
        table.row([
            Cell::from(&condition.type_),
            Cell::from(format!("{:?}", condition.status)),
            Cell::from(&condition.reason),
            Cell::from(changed(condition, now)),
            Cell::from(&condition.message),
        ]);
    }
    table.text()
}

fn history(status: &EnvironmentStatus, now: Timestamp) -> String {
    if status.history.is_empty() {
        return String::new();
    }
    let mut table = Table::new(&["AGE", "COMMIT", "RESULT", "TOOK", "AUTHOR", "SUBJECT", "DID"]);
    for entry in &status.history {
        table.row([
            Cell::from(age::since(&entry.at, now).unwrap_or_default()),
            Cell::from(short(&entry.revision.commit)),
            Cell::toned(&entry.result, Tone::of_result(&entry.result)),
            Cell::from(age::took(entry.took_ms)),
            Cell::from(entry.revision.author.split(" <").next().unwrap_or_default()),
            Cell::from(&entry.revision.subject),
            Cell::from(&entry.summary),
        ]);
    }
    table.text()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{
        super::tests::{full, now, plain},
        *,
    };

    #[test]
    fn all_that_is_known_is_told() {
        let expected = "\
Environment   shop/staging
Repository    environments
Path          environments/staging
Ready         False (Progressing, for 60s)
Applied       1a2b3c4 \"web: three replicas\" by Ada <ada@example.com>, 5m30s ago
Objects       7: 6 Current, 1 InProgress
Kinds         Deployment.apps, Service
Namespaces    shop
Suspended     by ada: hands off

Problems:
  - Deployment shop/web: 1 of 3 ready

Conditions:
  TYPE          STATUS   REASON        AGE   MESSAGE
  Ready         False    Progressing   60s   Deployment shop/web: 1 of 3 ready
  Reconciling   True     Progressing   60s   Deployment shop/web: 1 of 3 ready

History:
  AGE     COMMIT    RESULT    TOOK    AUTHOR   SUBJECT               DID
  5m30s   1a2b3c4   Applied   1.2 s   Ada      web: three replicas   1 changed, 6 unchanged

Drift: 2 kept; plumb drift shop/staging shows who did it
";
        assert_eq!(plain(&text(&full(), None, now())), expected);
    }

    #[test]
    fn an_environment_that_nobody_looked_at_is_told_too() {
        let mut fresh = full();
        (fresh.status, fresh.metadata.annotations) = (None, None);
        let expected = "\
Environment   shop/staging
Repository    environments
Path          environments/staging
Ready         Unknown
Applied       -
Objects       0
Kinds         -
Namespaces    -
";
        assert_eq!(plain(&text(&fresh, None, now())), expected);
    }

    #[test]
    fn why_no_newer_commits_are_seen_is_told_beside_the_repository() {
        let check = |status: &str, reason: &str, expected: &str| {
            let condition = json!({ "type": "Ready", "status": status, "lastTransitionTime": "", "reason": reason,
                "message": "there is no repository\nmore" });
            let value = json!({ "apiVersion": "plumb.dev/v1alpha1", "kind": "Repository", "metadata": { "name": "r" },
                "spec": { "url": "https://git.example.com/a.git" }, "status": { "conditions": [condition] } });
            let repository: Repository = serde_json::from_value(value).unwrap();
            let text = plain(&text(&full(), Some(&repository), now()));
            assert_eq!(text.lines().nth(1), Some(expected));
        };
        check("True", "Fetched", "Repository    environments");
        check("False", "FetchFailed", "Repository    environments: there is no repository (FetchFailed)");
        check("True", "Suspended", "Repository    environments: there is no repository (Suspended)");
    }
}
