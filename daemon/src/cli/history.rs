//! `plumb history`: what became of each commit of an Environment.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use clap::Args;
use jiff::Timestamp;
use plumb_api::{Environment, environment::HistoryEntry};
use plumb_core::{
    commit::CommitId,
    history::{self, Row},
    record::{RecordKind, line::Line},
};

use super::{
    Outcome, age,
    connection::{ConnectionArgs, Written, with_session},
    error::CliError,
    format::FormatArgs,
    notes,
    screen::{self, Tone},
    table::{Cell, Table},
};

/// Show what became of each commit of an Environment
///
/// One line for each commit, the latest first: who wrote it, when it was applied (or, if it was not, when that was decided), how
/// long that took, what came of it. Without --repo the newest ten, as the Environment's status has them; it does not count drifts.
/// With --repo everything that plumb's notes in a clone tell, without a cluster: that needs `records: Notes` in the Repository.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  plumb history staging
  plumb history staging --repo .           all of it, from the notes in this clone
  plumb history --repo . --commit 1a2b3c4  everything that is recorded on one commit")]
pub(crate) struct HistoryArgs {
    /// Environment, as NAME or NAMESPACE/NAME
    #[arg(value_name = "ENV", required_unless_present = "commit")]
    environment: Option<Written>,
    /// Clone of the environment repository with the notes of plumb in it
    #[arg(long, value_name = "DIR")]
    repo: Option<PathBuf>,
    /// Notes of this cluster only, by its name in refs/notes/plumb/
    #[arg(long, value_name = "NAME", requires = "repo")]
    cluster: Option<String>,
    /// Every record on this commit; its first digits are enough
    #[arg(long, value_name = "SHA", requires = "repo", value_parser = digits)]
    commit: Option<String>,
    #[command(flatten)]
    format: FormatArgs,
    #[command(flatten)]
    connection: ConnectionArgs,
}

/// Digits below which an abbreviation says too little.
const SHORTEST: usize = 4;

fn digits(text: &str) -> Result<String, String> {
    let text = text.to_ascii_lowercase();
    if (SHORTEST..=40).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        Ok(text)
    } else {
        Err(format!("write at least {SHORTEST} hexadecimal digits of a commit"))
    }
}

/// Prints the commits, or the records of one.
pub(crate) fn perform(arguments: &HistoryArgs) -> Result<Outcome, CliError> {
    match (&arguments.repo, &arguments.environment) {
        (Some(repository), written) => of_notes(arguments, repository, written.as_ref().map(Written::as_str)),
        (None, written) => {
            let written = written.as_ref().expect("because without a name there is --commit, and with that --repo");
            of_status(arguments, written)
        }
    }
}

fn of_status(arguments: &HistoryArgs, written: &Written) -> Result<Outcome, CliError> {
    with_session(&arguments.connection, |session| async move {
        let name = session.name(written)?;
        let environment: Environment = session.environment(&name).await?;
        let history = environment.status.unwrap_or_default().history;
        if history.is_empty() {
            screen::remark(&format!("{name} has tried no commit yet: plumb status {name}"))?;
        }
        arguments.format.print(&history, || table(OF_STATUS, history.iter().map(of_entry)))?;
        Ok(Outcome::Yes)
    })
}

fn of_notes(arguments: &HistoryArgs, repository: &Path, written: Option<&str>) -> Result<Outcome, CliError> {
    let (archive, chains) = notes::open(repository, arguments.cluster.as_deref())?;
    let mut lines = Vec::new();
    for chain in &chains {
        lines.extend(notes::lines(repository, &archive, chain)?);
    }
    let namespace = arguments.connection.namespace.as_deref();
    lines.retain(|line| written.is_none_or(|written| is_of(line, written, namespace)));
    if let Some(commit) = &arguments.commit {
        lines.retain(|line| line.commit.as_str().starts_with(commit.as_str()));
        lines.sort_by_key(|line| (line.time, line.sequence));
        if lines.is_empty() {
            screen::remark(&format!("nothing is recorded on {commit}: plumb history ENV --repo lists commits"))?;
        }
        arguments.format.print(&lines, || records(&lines))?;
        return Ok(Outcome::Yes);
    }
    if let Some(written) = written.filter(|_| lines.is_empty()) {
        screen::remark(&format!("nothing is recorded of {written}; plumb audit export names who has records"))?;
    }
    let rows = history::rows(&lines);
    arguments.format.print(&rows, || table(OF_NOTES, rows.iter().map(of_row)))?;
    Ok(Outcome::Yes)
}

fn is_of(line: &Line, written: &str, namespace: Option<&str>) -> bool {
    let subject = &line.environment;
    match written.split_once('/') {
        Some((namespace, name)) => subject.namespace == namespace && subject.name == name,
        None => subject.name == written && namespace.is_none_or(|namespace| subject.namespace == namespace),
    }
}

/// The columns that a status can fill.
const OF_STATUS: [&str; 7] = ["COMMIT", "AUTHOR", "SUBJECT", "APPLIED AT", "TOOK", "RESULT", "ROLLED BACK BY"];
/// The columns that records can fill.
const OF_NOTES: [&str; 8] = ["COMMIT", "AUTHOR", "SUBJECT", "APPLIED AT", "TOOK", "RESULT", "DRIFTS", "ROLLED BACK BY"];

fn table<const N: usize>(headers: [&str; N], rows: impl Iterator<Item = [Cell; N]>) -> String {
    let mut table = Table::new(&headers);
    let mut empty = true;
    for row in rows {
        table.row(row);
        empty = false;
    }
    if empty { String::new() } else { table.text() }
}

fn of_entry(entry: &HistoryEntry) -> [Cell; 7] {
    let HistoryEntry { revision, at, took_ms, result, summary: _, rolled_back_by } = entry;
    let short = |id: &String| CommitId::parse(id).map_or(id.clone(), |commit| commit.short().to_owned());
    [
        Cell::from(short(&revision.commit)),
        Cell::from(&revision.author),
        Cell::from(&revision.subject),
        Cell::from(at.parse().map_or(at.clone(), second)),
        Cell::from(age::took(*took_ms)),
        Cell::toned(result, Tone::of_result(result)),
        Cell::from(rolled_back_by.as_ref().map(short).unwrap_or_default()),
    ]
}

fn of_row(row: &Row) -> [Cell; 8] {
    let Row { commit, author, subject, at, took_ms, result, drifts, rolled_back_by } = row;
    [
        Cell::from(commit.short()),
        Cell::from(author),
        Cell::from(subject),
        Cell::from(second(*at)),
        Cell::from(took_ms.map(|took| age::took(u32::try_from(took).unwrap_or(u32::MAX))).unwrap_or_default()),
        Cell::toned(result.map_or("", RecordKind::label), tone(*result)),
        Cell::from(drifts.to_string()),
        Cell::from(rolled_back_by.as_ref().map(CommitId::short).unwrap_or_default()),
    ]
}

/// Returns a time as Git and kubectl write it: whole seconds, UTC.
fn second(time: Timestamp) -> String {
    format!("{time:.0}")
}

fn tone(result: Option<RecordKind>) -> Tone {
    match result {
        Some(RecordKind::Applied | RecordKind::Restored) => Tone::Good,
        None | Some(RecordKind::Superseded | RecordKind::Blocked) => Tone::Waiting,
        Some(_) => Tone::Bad,
    }
}

/// Returns whose commits the records are about, and the records.
fn records(lines: &[Line]) -> String {
    let mut table = Table::new(&["TIME", "CLUSTER", "ENVIRONMENT", "SEQ", "KIND", "WHO", "MESSAGE"]);
    let mut commits = BTreeSet::new();
    for line in lines {
        let subject = &line.environment;
        let tone = if line.kind.warns() { Tone::Bad } else { Tone::Plain };
        table.row([
            Cell::from(line.time.to_string()),
            Cell::from(&line.cluster),
            Cell::from(format!("{}/{}", subject.namespace, subject.name)),
            Cell::from(line.sequence.to_string()),
            Cell::toned(line.kind.label(), tone),
            Cell::from(line.who.as_deref().unwrap_or_default()),
            Cell::from(line.message.replace('\n', "; ")),
        ]);
        let signed = line.signer.as_ref().map(|signer| format!(", signed by {signer}")).unwrap_or_default();
        let about = format!("{} \"{}\" by {}{signed}", line.commit, line.subject, line.author);
        commits.insert(screen::plain(&about.replace('\n', " ")));
    }
    let commits: String = commits.into_iter().map(|commit| commit + "\n").collect();
    if lines.is_empty() { String::new() } else { commits + "\n" + &table.text() }
}
