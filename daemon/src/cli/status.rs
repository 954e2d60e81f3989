//! `plumb status`: how Environments stand.

mod detail;
mod rollback;

use clap::Args;
use jiff::Timestamp;
use plumb_api::Environment;
use serde_json::{Value, json};

use super::{
    Outcome, age,
    connection::{ConnectionArgs, Session, Written, with_session},
    error::CliError,
    format::FormatArgs,
    screen, standing,
    table::{Cell, Table},
    writers,
};
use crate::settings;

/// Show how Environments stand
///
/// Without a name a table of all in the namespace; AGE is how long the commit has been applied. With a name everything
/// that is known of that one: problems, inventory, history, requests.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  plumb status -A
  plumb status staging
  plumb status staging -o json | jq .status.problems")]
pub(crate) struct StatusArgs {
    /// Environment, as NAME or NAMESPACE/NAME
    #[arg(value_name = "ENV")]
    environment: Option<Written>,
    /// Environments of all namespaces
    #[arg(short = 'A', long, conflicts_with_all = ["environment", "namespace"])]
    all_namespaces: bool,
    #[command(flatten)]
    format: FormatArgs,
    #[command(flatten)]
    connection: ConnectionArgs,
}

/// Prints the table, or all about one.
pub(crate) fn perform(arguments: &StatusArgs) -> Result<Outcome, CliError> {
    with_session(&arguments.connection, |session| async move {
        let now = session.clock.now();
        if let Some(written) = &arguments.environment {
            let environment = session.environment(&session.name(written)?).await?;
            let repository = session.repository(&environment).await;
            let shown = shown(environment);
            arguments.format.print(&shown, || detail::text(&shown, repository.as_ref(), now))?;
            writers::remark(&session).await?;
            return Ok(Outcome::Yes);
        }
        let environments = session.environments(arguments.all_namespaces).await?;
        if environments.is_empty() {
            none(&session, arguments.all_namespaces)?;
        }
        let environments: Vec<_> = environments.into_iter().map(shown).collect();
        let list = list(&environments);
        arguments.format.print(&list, || table(&environments, arguments.all_namespaces, now))?;
        if !environments.is_empty() {
            writers::remark(&session).await?;
        }
        Ok(Outcome::Yes)
    })
}

/// Returns what people and programs want to see of a resource: as with kubectl, not who manages which of its fields.
fn shown(mut environment: Environment) -> Environment {
    environment.metadata.managed_fields = None;
    environment
}

/// Says that there are no Environments.
pub(crate) fn none(session: &Session, all_namespaces: bool) -> Result<(), CliError> {
    let place = if all_namespaces { "the cluster" } else { session.namespace.as_str() };
    let others = if all_namespaces { "create one: plumb check --help" } else { "list all with -A" };
    screen::remark(&format!("no Environments in {place}; {others}"))
}

/// Returns several resources as kubectl prints them with `-o json`.
pub(crate) fn list(environments: &[Environment]) -> Value {
    json!({ "apiVersion": "v1", "kind": "List", "items": environments })
}

fn table(environments: &[Environment], namespaces: bool, now: Timestamp) -> String {
    let headers = ["NAMESPACE", "NAME", "READY", "COMMIT", "AGE", "OBJECTS", "HEALTH", "STATUS"];
    let hidden = usize::from(!namespaces);
    let mut table = Table::new(&headers[hidden..]);
    for environment in environments {
        table.row(row(environment, now).into_iter().skip(hidden));
    }
    if environments.is_empty() { String::new() } else { table.text() }
}

fn row(environment: &Environment, now: Timestamp) -> [Cell; 8] {
    let name = settings::name(environment);
    let status = environment.status.clone().unwrap_or_default();
    let (ready, tone) = standing::ready(&status.conditions);
    let applied = status.last_applied.as_ref();
    let commit = applied.and_then(|applied| applied.commit.get(..7)).unwrap_or_default();
    let age = applied.and_then(|applied| age::since(&applied.at, now)).unwrap_or_default();
    let inventory = status.inventory.unwrap_or_default();
    let (health, health_tone) = standing::health(&inventory);
    [
        Cell::from(&name.namespace),
        Cell::from(&name.name),
        Cell::toned(ready, tone),
        Cell::from(commit),
        Cell::from(age),
        Cell::from(inventory.objects.to_string()),
        Cell::toned(health, health_tone),
        Cell::from(first_of(standing::message(&status.conditions), status.problems.len())),
    ]
}

/// Returns the first line of a message, and how many problems there are besides.
fn first_of(message: &str, problems: usize) -> String {
    let more = if problems > 1 { format!(" (and {} more)", problems - 1) } else { String::new() };
    message.lines().next().unwrap_or_default().to_owned() + &more
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Returns an environment with everything that a status can hold.
    pub(crate) fn full() -> Environment {
        let commit = "1a2b3c4d".to_owned() + &"0".repeat(32);
        let attempt = json!({ "commit": commit, "inputs": "i", "generation": 1, "at": "2026-11-20T09:54:30Z" });
        let revision = json!({ "ref": "refs/heads/main", "commit": commit, "author": "Ada <ada@example.com>",
            "committed": "2026-11-20T09:50:00Z", "subject": "web: three replicas" });
        let condition = |type_: &str, status: &str| {
            json!({ "type": type_, "status": status, "lastTransitionTime": "2026-11-20T09:59:00Z", "reason": "Progressing",
                "message": "Deployment shop/web: 1 of 3 ready\nsecond line" })
        };
        let fields = [
            json!({ "path": ".spec.replicas", "before": "3", "after": "1" }),
            json!({ "path": ".spec.x", "after": "2" }),
        ];
        let drift = json!({ "object": "Deployment shop/web", "what": "Changed", "by": "kubectl-scale", "operation": "Update",
            "noticed": "2026-11-20T09:58:00Z", "action": "Corrected", "tookMs": 41, "fields": fields, "moreFields": 2 });
        let gone = json!({ "object": "Service shop/web", "what": "Deleted", "by": "unknown: a delete leaves no trace",
            "noticed": "2026-11-20T08:00:00Z", "action": "Reported" });
        serde_json::from_value(json!({
            "apiVersion": "plumb.dev/v1alpha1", "kind": "Environment",
            "metadata": { "name": "staging", "namespace": "shop", "annotations": { "plumb.dev/suspended":
                "{\"id\":\"1\",\"user\":\"ada\",\"reason\":\"hands off\"}" } },
            "spec": { "repository": "environments", "path": "environments/staging" },
            "status": {
                "conditions": [condition("Ready", "False"), condition("Reconciling", "True")],
                "lastAttempted": attempt, "lastApplied": attempt,
                "inventory": { "objects": 7, "kinds": ["Deployment.apps", "Service"], "namespaces": ["shop"],
                    "health": { "Current": 6, "InProgress": 1 } },
                "problems": ["Deployment shop/web: 1 of 3 ready"],
                "drift": [drift, gone],
                "history": [{ "revision": revision, "at": "2026-11-20T09:54:30Z", "tookMs": 1234, "result": "Applied",
                    "summary": "1 changed, 6 unchanged" }],
            },
        }))
        .unwrap()
    }

    pub(crate) fn now() -> Timestamp {
        "2026-11-20T10:00:00Z".parse().unwrap()
    }

    /// Returns a text without its colours.
    pub(crate) fn plain(text: &str) -> String {
        anstream::adapter::strip_str(text).to_string()
    }

    #[test]
    fn the_table_has_one_line_for_each_environment() {
        let mut fresh = full();
        (fresh.status, fresh.metadata.name) = (None, Some("new".to_owned()));
        let environments = [full(), fresh];
        assert_eq!(
            plain(&table(&environments, true, now())),
            "NAMESPACE   NAME      READY     COMMIT    AGE     OBJECTS   HEALTH                    STATUS\n\
             shop        staging   False     1a2b3c4   5m30s   7         6 Current, 1 InProgress   Deployment shop/web: 1 of 3 ready\n\
             shop        new       Unknown   -         -       0         -                         the daemon has not looked at it yet\n"
        );
        let mut troubled = full();
        troubled.status.as_mut().unwrap().problems = ["a", "b", "c"].map(str::to_owned).to_vec();
        let text = plain(&table(&[troubled], false, now()));
        assert!(text.ends_with("  Deployment shop/web: 1 of 3 ready (and 2 more)\n"), "{text}");
        let narrow = plain(&table(&environments, false, now()));
        assert!(narrow.starts_with("NAME      READY"), "{narrow}");
        assert_eq!(table(&[], true, now()), "");
    }
}
