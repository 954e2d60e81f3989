//! `plumb runs`: what triggers have begun, and how it went.

mod cancel;
mod describe;

use clap::{Args, Subcommand};
use jiff::Timestamp;
use plumb_core::trigger::anatomy::{Stage, Standing};

use super::{
    Outcome, age,
    connection::{ConnectionArgs, Session, with_session},
    error::CliError,
    format::FormatArgs,
    screen::{self, Tone},
    table::{Cell, Table},
    triggers::{
        WrittenName,
        listing::{self, Listing, Row, Summary},
    },
    writers,
};

/// Show the runs of PipelineTriggers, or one of them
///
/// The newest first. STATE and REASON are read from the runs themselves; of a run that is gone, its trigger's status keeps how it
/// ended. Builds that wait for room are in the list, and have no run yet.
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples:
  plumb runs
  plumb runs build -n shop
  plumb runs -A -o json | jq '.runs[] | select(.stage == \"Failed\")'
  plumb runs describe build-cart-1a2b3c4-0123abcd
  plumb runs cancel build-cart-1a2b3c4-0123abcd --reason \"wrong branch\""
)]
pub(crate) struct RunsArgs {
    #[command(subcommand)]
    command: Option<RunsCommand>,
    /// PipelineTrigger, as NAME or NAMESPACE/NAME; without it all of the namespace
    #[arg(value_name = "TRIGGER")]
    trigger: Option<WrittenName>,
    /// Runs of all namespaces
    #[arg(short = 'A', long, conflicts_with_all = ["trigger", "namespace"])]
    all_namespaces: bool,
    #[command(flatten)]
    format: FormatArgs,
    #[command(flatten)]
    connection: ConnectionArgs,
}

#[derive(Debug, Subcommand)]
enum RunsCommand {
    Describe(describe::DescribeArgs),
    Cancel(cancel::CancelArgs),
}

/// Prints the table, or does what the subcommand says.
pub(crate) fn perform(arguments: &RunsArgs) -> Result<Outcome, CliError> {
    match &arguments.command {
        Some(RunsCommand::Describe(arguments)) => describe::perform(arguments),
        Some(RunsCommand::Cancel(arguments)) => cancel::perform(arguments),
        None => list(arguments),
    }
}

fn list(arguments: &RunsArgs) -> Result<Outcome, CliError> {
    with_session(&arguments.connection, |session| async move {
        let trigger = arguments.trigger.as_ref().map(|written| written.within(&session));
        let namespace = trigger.as_ref().map_or(session.namespace.as_str(), |name| name.namespace.as_str());
        let namespace = (!arguments.all_namespaces).then_some(namespace);
        let listing = listing::read(&session, namespace, trigger.as_ref()).await?;
        let now = session.clock.now();
        arguments.format.print(&listing, || table(&listing.runs, arguments.all_namespaces, now))?;
        remark(&session, &listing, arguments.all_namespaces)?;
        if !listing.triggers.is_empty() {
            writers::remark(&session).await?;
        }
        Ok(if listing.unknown.is_empty() { Outcome::Yes } else { Outcome::No })
    })
}

/// Says what the table can't show.
fn remark(session: &Session, listing: &Listing, all_namespaces: bool) -> Result<(), CliError> {
    let Listing { runs, triggers, unknown } = listing;
    let place = if all_namespaces { "the cluster" } else { session.namespace.as_str() };
    match triggers.as_slice() {
        [] => screen::remark(&format!("no PipelineTriggers in {place}; list those of all namespaces with -A"))?,
        [one, ..] if runs.is_empty() => {
            screen::remark(&format!("no runs; plumb build {} begins one, and so does the next commit", one.name))?;
        }
        _ => {}
    }
    for line in triggers.iter().filter_map(trouble) {
        screen::remark(&line)?;
    }
    for (kind, reason) in unknown {
        screen::remark(&format!("{kind} could not be read: {}", screen::plain(reason)))?;
    }
    Ok(())
}

/// Says what keeps a trigger from being ready; nothing where it is.
fn trouble(Summary { name, running: _, queued: _, trouble }: &Summary) -> Option<String> {
    let trouble = screen::plain(trouble.as_ref()?).replace('\n', "; ");
    Some(format!("{name} is not ready: {trouble}"))
}

fn table(runs: &[Row], namespaces: bool, now: Timestamp) -> String {
    let headers = ["NAMESPACE", "RUN", "COMPONENT", "COMMIT", "STARTED", "TOOK", "STATE", "REASON"];
    let hidden = usize::from(!namespaces);
    let mut table = Table::new(&headers[hidden..]);
    for run in runs {
        table.row(row(run, now).into_iter().skip(hidden));
    }
    if runs.is_empty() { String::new() } else { table.text() }
}

fn row(run: &Row, now: Timestamp) -> [Cell; 8] {
    let Row { namespace, name, kind: _, trigger: _, component, commit, created, standing, gone } = run;
    let begun = standing.started.or(*created);
    let begun_ago =
        |begun| if name.is_empty() { format!("waits {}", ago(begun, now)) } else { format!("{} ago", ago(begun, now)) };
    let started = begun.map(begun_ago);
    let reason = match (*gone, standing.reason.as_str()) {
        (false, reason) => reason.to_owned(),
        (true, "") => "(gone)".to_owned(),
        (true, reason) => format!("(gone) {reason}"),
    };
    [
        Cell::from(namespace),
        Cell::from(name),
        Cell::from(component),
        Cell::from(commit.get(..7).unwrap_or(commit)),
        Cell::from(started.unwrap_or_default()),
        Cell::from(took(standing, now)),
        Cell::toned(standing.stage.label(), tone(standing.stage)),
        Cell::from(reason),
    ]
}

/// Returns how long ago something was.
fn ago(then: Timestamp, now: Timestamp) -> String {
    age::since(&then.to_string(), now).unwrap_or_default()
}

/// Returns how long something took, or has taken so far; empty where it has not begun.
fn took(standing: &Standing, now: Timestamp) -> String {
    let until = standing.finished.or_else(|| (!standing.stage.is_final()).then_some(now));
    standing.started.zip(until).map(|(from, until)| ago(from, until)).unwrap_or_default()
}

/// Returns the colour of a state.
pub(super) fn tone(stage: Stage) -> Tone {
    match stage {
        Stage::Succeeded => Tone::Good,
        Stage::Waiting | Stage::Running | Stage::Cancelled => Tone::Waiting,
        Stage::Failed => Tone::Bad,
        Stage::Skipped => Tone::Plain,
    }
}

#[cfg(test)]
mod tests {
    use plumb_core::trigger::name::TriggerName;

    use super::*;
    use crate::cli::{
        status::tests::{now, plain},
        triggers::listing::tests::listing,
    };

    #[test]
    fn the_table_has_one_line_for_each_run() {
        let runs = listing().runs;
        assert_eq!(
            plain(&table(&runs, true, now())),
            "NAMESPACE   RUN   COMPONENT   COMMIT    STARTED     TOOK   STATE       REASON\n\
             shop        -     cart        beef      waits 20s   -      Waiting     for room in build\n\
             shop        d     cart        1a2b3c4   30s ago     30s    Running     -\n\
             shop        b     web         1a2b3c4   10m ago     90s    Failed      task compile: step cc: exit code 1\n\
             shop        c     web         1a2b3c4   20m ago     -      Cancelled   by ada: too slow\n\
             shop        a     cart        feed      62m ago     2m     Failed      (gone) step x: exit code 2\n"
        );
        assert!(plain(&table(&runs, false, now())).starts_with("RUN   COMPONENT"));
        assert_eq!(table(&[], true, now()), "");
    }

    #[test]
    fn programs_get_every_run_with_its_stage() {
        let listing = serde_json::to_value(listing()).unwrap();
        assert_eq!(
            (&listing["runs"][2]["stage"], &listing["runs"][2]["kind"]),
            (&"Failed".into(), &"PipelineRun".into())
        );
        assert_eq!((&listing["runs"][4]["gone"], &listing["triggers"][0]["queued"]), (&true.into(), &2.into()));
    }

    #[test]
    fn what_keeps_a_trigger_is_told() {
        let check = |trouble: Option<&str>, expected: Option<&str>| {
            let (name, trouble) = (TriggerName::new("shop", "build"), trouble.map(str::to_owned));
            assert_eq!(super::trouble(&Summary { name, running: 3, queued: 1, trouble }).as_deref(), expected);
        };
        check(None, None);
        check(Some("a\n\u{1b}b"), Some("shop/build is not ready: a; \u{fffd}b"));
    }
}
