//! `plumb audit verify`: whether records were removed, edited, reordered, doubled, forged, cut off or written anew.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use clap::Args;
use jiff::Timestamp;
use plumb_core::{
    audit::{
        Audit, Link, Seal,
        anchor::Witness,
        verdict::{Finding, Verdict},
    },
    commit::{CommitId, NOTES},
    rollback::revert::RECORDS_TRAILER,
};
use plumb_git::{
    archive::{Archive, RawLink, Trailer},
    error::GitError,
};
use plumb_signature::{TrustedKeys, Untrusted};
use serde::Serialize;

use super::{
    evidence::{Case, Evidence},
    live::{self, Testimony},
};
use crate::{
    cli::{
        Outcome,
        connection::ConnectionArgs,
        error::CliError,
        format::FormatArgs,
        notes::{self, Chain, NotesArgs},
        screen::{self, Tone},
    },
    clock::Clock,
};

/// Find out what the records in a clone prove
///
/// Reads the history of each notes ref of plumb and says what is proved, what is not, and everything that is wrong: records that
/// were removed, edited, reordered, doubled or forged, and a history that was cut off or written anew. The last two show only
/// against something from outside of the notes: --head, the trailers Plumb-Records of reverts and write-backs (which vouch only
/// where a trusted key signed their commits), or signatures.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  plumb audit verify                                       the clone that this directory is in
  plumb audit verify --repo environments.git --keys keys/  whose signatures count
  plumb audit verify --cluster eu-1 --live                 … and against what that cluster knows
  plumb audit verify --cluster eu-1 --head 1a2b3c4d5e6f…   the newest commit that you noted down last time

Exit codes: 0 nothing is wrong, 1 something is, 2 it could not be read.")]
pub(super) struct VerifyArgs {
    #[command(flatten)]
    notes: NotesArgs,
    /// Full id of a commit that a notes ref once ended at
    #[arg(long, value_name = "OID", value_parser = id)]
    head: Vec<CommitId>,
    /// Directory with the keys that are trusted to sign notes: allowed_signers, revoked_keys, *.asc, *.gpg
    #[arg(long, value_name = "DIR")]
    keys: Option<PathBuf>,
    /// Compare with what the statuses of the Environments in a cluster say: how many records were published, and where the notes
    /// ended then
    #[arg(long)]
    live: bool,
    #[command(flatten)]
    format: FormatArgs,
    #[command(flatten)]
    connection: ConnectionArgs,
}

fn id(text: &str) -> Result<CommitId, String> {
    CommitId::parse(text).map_err(|error| error.to_string())
}

/// What was found of one notes ref, or of all of them where it is not said which one it is about.
#[derive(Debug, Serialize)]
struct Report {
    /// The ref; `refs/notes/plumb/*` for all.
    reference: String,
    /// Where it ends; absent: it is not there.
    head: Option<CommitId>,
    commits: usize,
    records: u64,
    environments: usize,
    holds: bool,
    proved: Vec<String>,
    unproved: Vec<String>,
    findings: Vec<Finding>,
}

/// Prints what is proved.
pub(super) fn perform(arguments: &VerifyArgs) -> Result<Outcome, CliError> {
    let directory = &arguments.notes.repo;
    let (archive, chains) = notes::open(directory, arguments.notes.cluster.as_deref())?;
    let keys = arguments.keys.as_deref().map(keys).transpose()?;
    let live = if arguments.live { live::ask(&arguments.connection)? } else { Vec::new() };
    let question = Question { arguments, keys, live, now: Clock::system().now() };
    let reports = judge(&archive, &chains, &question).map_err(|error| notes::unreadable(directory, error))?;
    arguments.format.print(&reports, || reports.iter().map(text).collect::<Vec<_>>().join("\n"))?;
    Ok(if reports.iter().all(|report| report.holds) { Outcome::Yes } else { Outcome::No })
}

/// What is asked, and what notes are compared with.
struct Question<'a> {
    arguments: &'a VerifyArgs,
    keys: Option<TrustedKeys>,
    live: Vec<Testimony>,
    now: Timestamp,
}

fn judge(archive: &Archive, chains: &[Chain], question: &Question<'_>) -> Result<Vec<Report>, GitError> {
    let Question { arguments, keys, live, now } = question;
    let mut cases = Vec::new();
    for chain in chains {
        let mut audit = Audit::of(&chain.cluster);
        archive.walk(&chain.head, |RawLink { id, parents, raw, changes }| {
            audit.link(Link { id, parents, seal: seal(&raw, keys.as_ref(), *now), changes });
        })?;
        cases.push(Case { chain, audit, anchors: Vec::new(), counts: Vec::new() });
    }
    let mut evidence = Evidence::new(archive, cases)?;
    for head in &arguments.head {
        evidence.one_of_them(head, Witness::Head)?;
    }
    let judged = |Trailer { commit, raw, value }: Trailer| {
        let trusted = matches!(seal(&raw, keys.as_ref(), *now), Seal::Trusted { .. });
        (commit, value, trusted)
    };
    let trailers: Vec<_> = archive.trailers(RECORDS_TRAILER)?.into_iter().map(judged).collect();
    evidence.trailers(&trailers, arguments.notes.cluster.as_deref())?;
    evidence.testimonies(live)?;
    Ok(reports(evidence))
}

fn reports(evidence: Evidence<'_>) -> Vec<Report> {
    let Evidence { cases, missing, findings, unproved, .. } = evidence;
    let mut reports = Vec::new();
    for Case { chain, audit, anchors, counts } in cases {
        reports.push(Report::new(chain, audit.finish(&anchors, &counts)));
    }
    for (reference, finding) in missing {
        reports.push(Report::without_notes(reference.to_string(), vec![finding], Vec::new()));
    }
    if !findings.is_empty() || !unproved.is_empty() {
        reports.push(Report::without_notes(format!("{NOTES}*"), findings, unproved));
    }
    reports
}

fn seal(raw: &[u8], keys: Option<&TrustedKeys>, now: Timestamp) -> Seal {
    let none = TrustedKeys::default();
    match (plumb_signature::verify_commit(raw, keys.unwrap_or(&none), now), keys) {
        (Ok(signer), _) => Seal::Trusted { signer: signer.to_string() },
        (Err(Untrusted::Unsigned), None) => Seal::Unsigned,
        (Err(_), None) => Seal::Unjudged,
        (Err(untrusted), Some(_)) => Seal::Untrusted { why: untrusted.to_string() },
    }
}

/// Reads trusted keys from files that are named as the keys of the Secret that `spec.verify` names.
fn keys(directory: &Path) -> Result<TrustedKeys, CliError> {
    let files = files(directory).map_err(|error| {
        let (path, detail) = (directory.display().to_string(), error.to_string());
        notes::unreadable(directory, GitError::Unreadable { path, detail })
    })?;
    TrustedKeys::parse(&files).map_err(|source| CliError::Keys { path: directory.to_owned(), source })
}

fn files(directory: &Path) -> io::Result<BTreeMap<String, Vec<u8>>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            files.insert(entry.file_name().to_string_lossy().into_owned(), fs::read(entry.path())?);
        }
    }
    Ok(files)
}

impl Report {
    fn new(chain: &Chain, verdict: Verdict) -> Self {
        Self {
            reference: chain.reference.to_string(),
            head: Some(chain.head.clone()),
            commits: verdict.links.len(),
            records: verdict.records,
            environments: verdict.environments,
            holds: verdict.holds(),
            proved: verdict.proved(),
            unproved: verdict.unproved(),
            findings: verdict.findings,
        }
    }

    fn without_notes(reference: String, findings: Vec<Finding>, unproved: Vec<String>) -> Self {
        let (head, holds, proved) = (None, findings.is_empty(), Vec::new());
        Self { reference, head, commits: 0, records: 0, environments: 0, holds, proved, unproved, findings }
    }
}

fn text(report: &Report) -> String {
    let Report { reference, head, commits, records, environments, .. } = report;
    let mut text = match head {
        Some(head) => {
            format!("{reference} at {head}: {commits} commits, {records} records of {environments} environments\n")
        }
        None => format!("{reference}\n"),
    };
    let mut list = |title: &str, tone: Tone, lines: Vec<String>| {
        if !lines.is_empty() {
            text.push_str(&format!("{}\n", tone.paint(title)));
        }
        for line in lines {
            text.push_str(&format!("  - {}\n", screen::plain(&line)));
        }
    };
    list("wrong:", Tone::Bad, report.findings.iter().map(sentence).collect());
    list("proved:", Tone::Good, report.proved.clone());
    list("not proved:", Tone::Waiting, report.unproved.clone());
    text
}

fn sentence(finding: &Finding) -> String {
    let Finding { what, link, note, why } = finding;
    let at = link.as_ref().map(|link| format!(" at {}", link.short())).unwrap_or_default();
    let on = note.as_ref().map(|note| format!(", note of {}", note.short())).unwrap_or_default();
    format!("{what:?}{at}{on}: {why}")
}
