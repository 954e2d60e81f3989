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
        anchor::{Anchor, Count},
        verdict::Finding,
        verdict::Verdict,
    },
    commit::CommitId,
    record::line::Series,
};
use plumb_git::{
    archive::{Archive, RawLink},
    error::GitError,
};
use plumb_signature::{TrustedKeys, Untrusted};
use serde::Serialize;

use super::live::{self, Testimony};
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

/// The trailer by which commits of plumb name the newest commit of the notes: `Plumb-Records: <ref> <id>`.
const TRAILER: &str = "Plumb-Records";

/// Find out what the records in a clone prove
///
/// Reads the history of each notes ref of plumb and says what is proved, what is not, and everything that is wrong: records that
/// were removed, edited, reordered, doubled or forged, and a history that was cut off or written anew. The last two show only
/// against something from outside of the notes: --head, the trailers Plumb-Records of reverts and write-backs, or signatures.
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

/// What was found of one notes ref.
#[derive(Debug, Serialize)]
struct Report {
    reference: String,
    head: CommitId,
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
    let evidence = Evidence { keys, heads: &arguments.head, live, now: Clock::system().now() };
    let judged = judge(&archive, &chains, &evidence);
    let reports = judged.map_err(|error| notes::unreadable(directory, error))?;
    arguments.format.print(&reports, || reports.iter().map(text).collect::<Vec<_>>().join("\n"))?;
    Ok(if reports.iter().all(|report| report.holds) { Outcome::Yes } else { Outcome::No })
}

/// What notes are compared with.
struct Evidence<'a> {
    keys: Option<TrustedKeys>,
    heads: &'a [CommitId],
    live: Vec<Testimony>,
    now: Timestamp,
}

fn judge(archive: &Archive, chains: &[Chain], evidence: &Evidence<'_>) -> Result<Vec<Report>, GitError> {
    let Evidence { keys, heads, live, now } = evidence;
    let trailers = archive.trailers(TRAILER)?;
    let mut reports = Vec::new();
    for chain in chains {
        let mut audit = Audit::of(&chain.cluster);
        archive.walk(&chain.head, |RawLink { id, parents, raw, changes }| {
            audit.link(Link { id, parents, seal: seal(&raw, keys.as_ref(), *now), changes });
        })?;
        // Of several chains a head names one, and which one is not said.
        let is_of = |head: &CommitId| chains.len() == 1 || audit.holds(head);
        let mut anchors = Vec::new();
        for head in heads.iter().filter(|head| is_of(head)) {
            anchors.push(anchor(archive, chain, head.clone(), "--head".to_owned())?);
        }
        for (commit, value) in &trailers {
            let named = value.split_once(' ').filter(|(reference, _)| *reference == chain.reference.as_str());
            if let Some(Ok(id)) = named.map(|(_, id)| CommitId::parse(id)) {
                anchors.push(anchor(archive, chain, id, format!("{TRAILER} of commit {}", commit.short()))?);
            }
        }
        // The cluster may have Environments whose records are in other clones, and may have had another name.
        let repositories = audit.repositories();
        let is_here = |series: &Series| {
            let named = series.cluster.is_empty() || series.cluster == chain.cluster;
            named && repositories.contains(series.repository.as_str())
        };
        for Testimony { name, series, head, counts: _ } in live {
            let is_of = |head: &CommitId| !series.cluster.is_empty() || is_of(head);
            if let Some(head) = head.as_ref().filter(|head| is_here(series) && is_of(head)) {
                anchors.push(anchor(archive, chain, head.clone(), format!("status.records.head of {name}"))?);
            }
        }
        let counts = live.iter().flat_map(|testimony| &testimony.counts);
        let counts: Vec<Count> = counts.filter(|(series, _)| is_here(series)).map(|(_, count)| count.clone()).collect();
        reports.push(Report::new(chain, audit.finish(&anchors, &counts)));
    }
    Ok(reports)
}

fn anchor(archive: &Archive, chain: &Chain, id: CommitId, source: String) -> Result<Anchor, GitError> {
    let whereabouts = archive.whereabouts(&id, &chain.head)?;
    Ok(Anchor { id, source, whereabouts })
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
            head: chain.head.clone(),
            commits: verdict.links.len(),
            records: verdict.records,
            environments: verdict.environments,
            holds: verdict.holds(),
            proved: verdict.proved(),
            unproved: verdict.unproved(),
            findings: verdict.findings,
        }
    }
}

fn text(report: &Report) -> String {
    let Report { reference, head, commits, records, environments, .. } = report;
    let mut text =
        format!("{reference} at {head}: {commits} commits, {records} records of {environments} environments\n");
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
