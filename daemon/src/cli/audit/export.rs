//! `plumb audit export`: the records of a time, for other programs.

use clap::{Args, ValueEnum};
use jiff::{Timestamp, civil, tz::TimeZone};
use plumb_core::record::line::{Line, ObjectLine};

use crate::cli::{
    Outcome,
    error::CliError,
    notes::{self, NotesArgs},
    screen,
};

/// Export the records of a time as JSON or CSV
///
/// One record after another, by time. JSON has everything that a record says (docs/records.md); CSV has one row for each record,
/// its objects joined by semicolons.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  plumb audit export --repo environments.git --since 2026-11-01 --until 2026-12-01 -o csv > november.csv
  plumb audit export -o json | jq '.[] | select(.kind == \"Pruned\")'")]
pub(super) struct ExportArgs {
    #[command(flatten)]
    notes: NotesArgs,
    /// From this date (UTC) or time on
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Until before this date (UTC) or time
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// How the records are written
    #[arg(short = 'o', long = "output", value_enum, default_value_t = ExportFormat::Json, value_name = "FORMAT")]
    output: ExportFormat,
}

/// How records are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ExportFormat {
    /// One JSON document: a list
    Json,
    /// Comma-separated values with a header (RFC 4180)
    Csv,
}

/// Prints the records.
pub(super) fn perform(arguments: &ExportArgs) -> Result<Outcome, CliError> {
    let since = arguments.since.as_deref().map(time).transpose()?.unwrap_or(Timestamp::MIN);
    let until = arguments.until.as_deref().map(time).transpose()?.unwrap_or(Timestamp::MAX);
    let directory = &arguments.notes.repo;
    let (archive, chains) = notes::open(directory, arguments.notes.cluster.as_deref())?;
    let mut lines = Vec::new();
    for chain in &chains {
        lines.extend(notes::lines(directory, &archive, chain)?);
    }
    lines.retain(|line| since <= line.time && line.time < until);
    let order = |line: &Line| (line.time, line.cluster.clone(), line.environment.clone(), line.sequence);
    lines.sort_by_cached_key(order);
    screen::print(&match arguments.output {
        ExportFormat::Json => {
            serde_json::to_string_pretty(&lines).expect("because records are texts and numbers") + "\n"
        }
        ExportFormat::Csv => csv(&lines),
    })?;
    Ok(Outcome::Yes)
}

fn time(written: &str) -> Result<Timestamp, CliError> {
    let of_date = |date: civil::Date| date.to_zoned(TimeZone::UTC).ok().map(|midnight| midnight.timestamp());
    let date = written.parse().ok().and_then(of_date);
    let time = || written.parse::<Timestamp>().ok();
    date.filter(|_| !written.contains(['T', ' ']))
        .or_else(time)
        .ok_or_else(|| CliError::Time { written: written.to_owned() })
}

fn csv(lines: &[Line]) -> String {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let header = [
        "time",
        "cluster",
        "namespace",
        "environment",
        "sequence",
        "kind",
        "commit",
        "author",
        "subject",
        "signer",
        "who",
        "message",
        "objects",
        "related",
        "count",
        "tookMs",
        "class",
    ];
    writer.write_record(header).expect("because memory takes every row");
    for line in lines {
        let number = |number: Option<u64>| number.map(|number| number.to_string()).unwrap_or_default();
        let objects: Vec<String> = line.objects.iter().map(object).collect();
        let row = [
            line.time.to_string(),
            line.cluster.clone(),
            line.environment.namespace.clone(),
            line.environment.name.clone(),
            line.sequence.to_string(),
            line.kind.label().to_owned(),
            line.commit.to_string(),
            line.author.clone(),
            line.subject.clone(),
            line.signer.clone().unwrap_or_default(),
            line.who.clone().unwrap_or_default(),
            line.message.clone(),
            objects.join("; "),
            line.related.as_ref().map(ToString::to_string).unwrap_or_default(),
            number(line.count),
            number(line.took_ms),
            line.class.map(|class| class.label().to_owned()).unwrap_or_default(),
        ];
        writer.write_record(row.iter().map(|cell| harmless(cell))).expect("because memory takes every row");
    }
    let bytes = writer.into_inner().expect("because memory takes every row");
    String::from_utf8(bytes).expect("because every cell is a text")
}

/// Returns a cell that no spreadsheet takes for a formula: authors and messages come from anybody (CWE-1236).
fn harmless(cell: &str) -> String {
    if cell.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{cell}") } else { cell.to_owned() }
}

fn object(object: &ObjectLine) -> String {
    let ObjectLine { group, kind, namespace, name } = object;
    let group = if group.is_empty() { String::new() } else { format!(".{group}") };
    let namespace = namespace.as_ref().map(|namespace| format!("{namespace}/")).unwrap_or_default();
    format!("{kind}{group} {namespace}{name}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_begins_at_midnight_utc() {
        let check = |written: &str, expected: Option<&str>| {
            assert_eq!(time(written).ok().map(|time| time.to_string()).as_deref(), expected, "{written}");
        };
        check("2026-11-21", Some("2026-11-21T00:00:00Z"));
        check("2026-11-21T20:04:30Z", Some("2026-11-21T20:04:30Z"));
        check("2026-11-21T20:04:30+01:00", Some("2026-11-21T19:04:30Z"));
        check("yesterday", None);
        check("", None);
    }

    #[test]
    fn cells_are_texts_and_never_formulas() {
        let check = |cell: &str, expected: &str| assert_eq!(harmless(cell), expected);
        check("=HYPERLINK(\"x\")", "'=HYPERLINK(\"x\")");
        check("-1", "'-1");
        check("Ann <ann@example.com>", "Ann <ann@example.com>");
    }
}
