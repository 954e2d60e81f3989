//! `plumb audit export`: the records of a time, for other programs.

use clap::{Args, ValueEnum};
use jiff::{Timestamp, civil, tz::TimeZone};
use plumb_core::{
    class::Class,
    record::line::{FieldLine, Line, ObjectLine},
};

use crate::cli::{
    Outcome,
    error::CliError,
    notes::{self, NotesArgs},
    screen,
};

/// Export the records of a time as JSON or CSV
///
/// One record after another, by time. JSON has everything that a record says (docs/records.md); CSV has one row for
/// each record, with the same under the same names; several objects, fields or kinds are joined by semicolons.
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

/// The name of a column, and what stands in it.
type Column = (&'static str, fn(&Line) -> String);

/// The columns of CSV.
const COLUMNS: [Column; 25] = [
    ("time", |line| line.time.to_string()),
    ("cluster", |line| line.cluster.clone()),
    ("namespace", |line| line.environment.namespace.clone()),
    ("environment", |line| line.environment.name.clone()),
    ("sequence", |line| line.sequence.to_string()),
    ("kind", |line| line.kind.label().to_owned()),
    ("commit", |line| line.commit.to_string()),
    ("author", |line| line.author.clone()),
    ("subject", |line| line.subject.clone()),
    ("signer", |line| line.signer.clone().unwrap_or_default()),
    ("who", |line| line.who.clone().unwrap_or_default()),
    ("message", |line| line.message.clone()),
    ("objects", |line| joined(line.objects.iter().map(object))),
    ("moreObjects", |line| counted(line.more_objects)),
    ("fields", |line| joined(line.fields.iter().map(field))),
    ("moreFields", |line| counted(line.more_fields)),
    ("related", |line| optional(line.related.as_ref())),
    ("count", |line| optional(line.count)),
    ("from", |line| optional(line.from)),
    ("since", |line| optional(line.since)),
    ("kinds", |line| joined(line.kinds.iter().map(|(kind, count)| format!("{} {count}", kind.label())))),
    ("tookMs", |line| optional(line.took_ms)),
    ("class", |line| line.class.map(word).unwrap_or_default()),
    ("uid", |line| line.environment.uid.clone()),
    ("repository", |line| line.repository.clone()),
];

fn csv(lines: &[Line]) -> String {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(COLUMNS.map(|(name, _)| name)).expect("because memory takes every row");
    for line in lines {
        let row = COLUMNS.map(|(_, cell)| harmless(&cell(line)));
        writer.write_record(row).expect("because memory takes every row");
    }
    let bytes = writer.into_inner().expect("because memory takes every row");
    String::from_utf8(bytes).expect("because every cell is a text")
}

/// Returns a cell that no spreadsheet takes for a formula: authors and messages come from anybody (CWE-1236). Some take the wide
/// forms of the signs as well.
fn harmless(cell: &str) -> String {
    let begins = ['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠'];
    if cell.starts_with(begins) { format!("'{cell}") } else { cell.to_owned() }
}

fn joined(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<_>>().join("; ")
}

fn optional(value: Option<impl ToString>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

fn counted(number: usize) -> String {
    if number == 0 { String::new() } else { number.to_string() }
}

/// Returns a class in the word that JSON has for it.
fn word(class: Class) -> String {
    serde_json::to_value(class).ok().and_then(|word| word.as_str().map(str::to_owned)).unwrap_or_default()
}

/// Returns what became of a field: values are JSON, so that nothing is not taken for an empty text.
fn field(field: &FieldLine) -> String {
    let FieldLine { path, before, after } = field;
    let value = |value: &Option<String>| value.clone().unwrap_or_else(|| "nothing".to_owned());
    format!("{path}: {} -> {}", value(before), value(after))
}

fn object(object: &ObjectLine) -> String {
    let ObjectLine { group, kind, namespace, name } = object;
    let group = if group.is_empty() { String::new() } else { format!(".{group}") };
    let namespace = namespace.as_ref().map(|namespace| format!("{namespace}/")).unwrap_or_default();
    format!("{kind}{group} {namespace}{name}")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

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
        check("+1", "'+1");
        check("@SUM(A1)", "'@SUM(A1)");
        check("\t=1", "'\t=1");
        check("\n=1", "'\n=1");
        check("＝1", "'＝1");
        check("Ann <ann@example.com>", "Ann <ann@example.com>");
    }

    /// Returns the cells of a row by their columns.
    fn row(text: &str) -> BTreeMap<String, String> {
        let table = csv(&[Line::parse(text).expect("a line")]);
        let mut reader = csv::Reader::from_reader(table.as_bytes());
        reader.deserialize::<BTreeMap<String, String>>().next().expect("a row").expect("cells")
    }

    #[test]
    fn a_row_has_everything_that_its_record_says() {
        let begin = concat!(
            r#"{"v":1,"time":"2026-11-21T20:04:30Z","kind":"RolledUp","sequence":9,"from":7,"cluster":"eu-1","repository":"r","#,
            r#""environment":{"namespace":"team","name":"shop","uid":"u"},"commit":"1111111111111111111111111111111111111111","#,
        );
        let rest = concat!(
            r#""author":"=1+1","subject":"+s","signer":"-k","message":"@m","objects":[{"group":"apps","kind":"Deployment","#,
            r#""namespace":"n","name":"web"},{"kind":"Node","name":"a"}],"moreObjects":3,"#,
            r#""fields":[{"path":".spec.replicas","before":"2","after":"5"},{"path":".a","after":"\"\""}],"moreFields":4,"#,
            r#""who":"=w","related":"2222222222222222222222222222222222222222","count":2,"kinds":{"Applied":1,"Failed":2},"#,
            r#""since":"2026-11-21T20:00:00Z","tookMs":12,"class":"Wait"}"#,
        );
        let row = row(&format!("{begin}{rest}"));
        let shown: Vec<&str> = COLUMNS.iter().map(|(name, _)| row[*name].as_str()).collect();
        assert_eq!(
            shown,
            [
                "2026-11-21T20:04:30Z",
                "eu-1",
                "team",
                "shop",
                "9",
                "RolledUp",
                "1111111111111111111111111111111111111111",
                "'=1+1",
                "'+s",
                "'-k",
                "'=w",
                "'@m",
                "Deployment.apps n/web; Node a",
                "3",
                ".spec.replicas: 2 -> 5; .a: nothing -> \"\"",
                "4",
                "2222222222222222222222222222222222222222",
                "2",
                "7",
                "2026-11-21T20:00:00Z",
                "Applied 1; Failed 2",
                "12",
                "Wait",
                "u",
                "r",
            ]
        );
    }
}
