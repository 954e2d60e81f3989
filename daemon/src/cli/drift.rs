//! `plumb drift`: who changed what without a commit, and what was done about it.

use clap::Args;
use jiff::Timestamp;
use plumb_api::{
    Environment,
    environment::{DriftStatus, FieldChange},
};
use plumb_core::environment::EnvironmentName;
use serde::Serialize;

use super::{
    Outcome, age,
    connection::{ConnectionArgs, Written, with_session},
    error::CliError,
    format::FormatArgs,
    screen::{self, Tone},
    status,
    table::{Cell, Table},
};
use crate::{report::action::Action, settings};

/// Show who changed which field without a commit, and what was done
///
/// One line for each field, newest first. FROM is what Git says, TO what was found; values of Secrets are never shown.
/// An Environment keeps its newest 20.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  plumb drift
  plumb drift staging
  plumb drift -A -o json | jq '.[] | select(.by | startswith(\"kubectl\"))'")]
pub(crate) struct DriftArgs {
    /// Environment, as NAME or NAMESPACE/NAME; without it all of the namespace
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

/// One drift and whose it is.
#[derive(Debug, Clone, Serialize)]
struct Entry {
    environment: EnvironmentName,
    #[serde(flatten)]
    drift: DriftStatus,
}

/// Prints the drifts.
pub(crate) fn perform(arguments: &DriftArgs) -> Result<Outcome, CliError> {
    with_session(&arguments.connection, |session| async move {
        let environments = match &arguments.environment {
            Some(written) => vec![session.environment(&session.name(written)?).await?],
            None => session.environments(arguments.all_namespaces).await?,
        };
        let entries = entries(&environments);
        if environments.is_empty() {
            status::none(&session, arguments.all_namespaces)?;
        } else if entries.is_empty() {
            let place = match environments.as_slice() {
                [one] if arguments.environment.is_some() => settings::name(one).to_string(),
                _ if arguments.all_namespaces => "any namespace".to_owned(),
                _ => format!("the namespace {}", session.namespace),
            };
            screen::remark(&format!("no drift is known in {place}"))?;
        }
        let now = session.clock.now();
        arguments.format.print(&entries, || table(&entries, arguments.environment.is_none(), now))?;
        Ok(Outcome::Yes)
    })
}

/// Returns the drifts of all environments, newest first.
fn entries(environments: &[Environment]) -> Vec<Entry> {
    let of = |environment: &Environment| {
        let name = settings::name(environment);
        let drifts = environment.status.clone().unwrap_or_default().drift;
        drifts.into_iter().map(move |drift| Entry { environment: name.clone(), drift })
    };
    let mut entries: Vec<Entry> = environments.iter().flat_map(of).collect();
    entries.sort_by_key(|entry| std::cmp::Reverse(entry.drift.noticed.parse::<Timestamp>().ok()));
    entries
}

fn table(entries: &[Entry], environments: bool, now: Timestamp) -> String {
    let headers = ["ENVIRONMENT", "AGE", "OBJECT", "BY", "FIELD", "FROM", "TO", "ACTION", "TOOK"];
    let hidden = usize::from(!environments);
    let mut table = Table::new(&headers[hidden..]);
    for Entry { environment, drift } in entries {
        for [field, from, to] in fields(drift) {
            let tone = match Action::parse(&drift.action) {
                Some(Action::Corrected | Action::Removed) => Tone::Good,
                Some(Action::Reported | Action::Contended) => Tone::Waiting,
                Some(Action::Failed) | None => Tone::Bad,
            };
            let row = [
                Cell::from(environment.to_string()),
                Cell::from(age::since(&drift.noticed, now).unwrap_or_default()),
                Cell::from(&drift.object),
                Cell::from(&drift.by),
                Cell::from(field),
                Cell::from(from),
                Cell::from(to),
                Cell::toned(&drift.action, tone),
                Cell::from(drift.took_ms.map(age::took).unwrap_or_default()),
            ];
            table.row(row.into_iter().skip(hidden));
        }
    }
    if entries.is_empty() { String::new() } else { table.text() }
}

/// Returns one line for each field, and one for a drift that is not about fields.
fn fields(drift: &DriftStatus) -> Vec<[String; 3]> {
    let line = |change: &FieldChange| {
        [change.path.clone(), change.before.clone().unwrap_or_default(), change.after.clone().unwrap_or_default()]
    };
    let mut lines: Vec<_> = drift.fields.iter().map(line).collect();
    if lines.is_empty() {
        let what = match drift.what.as_str() {
            "Deleted" => "(deleted)",
            "LabelRemoved" => "(label removed)",
            _ => "(changed)",
        };
        lines.push([what.to_owned(), String::new(), String::new()]);
    }
    if drift.more_fields > 0 {
        lines.push([format!("(and {} more)", drift.more_fields), String::new(), String::new()]);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::status::tests::{full, now, plain};

    #[test]
    fn every_field_has_a_line() {
        let entries = entries(&[full()]);
        assert_eq!(
            plain(&table(&entries, false, now())),
            "AGE    OBJECT                BY                                  FIELD            FROM   TO   ACTION      TOOK\n\
             2m     Deployment shop/web   kubectl-scale                       .spec.replicas   3      1    Corrected   41 ms\n\
             2m     Deployment shop/web   kubectl-scale                       .spec.x          -      2    Corrected   41 ms\n\
             2m     Deployment shop/web   kubectl-scale                       (and 2 more)     -      -    Corrected   41 ms\n\
             120m   Service shop/web      unknown: a delete leaves no trace   (deleted)        -      -    Reported    -\n"
        );
        assert!(plain(&table(&entries, true, now())).starts_with("ENVIRONMENT    AGE "));
        assert_eq!(table(&[], false, now()), "");
    }

    #[test]
    fn programs_get_the_environment_and_every_field_of_the_status() {
        let entries = serde_json::to_value(entries(&[full()])).unwrap();
        assert_eq!(entries[0]["environment"]["name"], "staging");
        assert_eq!((&entries[0]["tookMs"], &entries[0]["fields"][0]["path"]), (&41.into(), &".spec.replicas".into()));
    }
}
