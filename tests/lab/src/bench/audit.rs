//! Audit: how long `plumb audit verify` takes for ten thousand records.
//!
//! The floor is git itself, which reads the same history and shows the same differences (`git log --patch`), without judging
//! any of it: both start as a process, and read the same pack.

use std::{
    fmt::{self, Display, Write as _},
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use lab::git::BareRepository;
use serde::Serialize;

use super::figures::{Series, milliseconds, round, step};

/// Records of the history.
const RECORDS: usize = 10_000;
/// Records that one link adds, as a busy publisher batches them.
const PER_LINK: usize = 4;
/// Records on one commit of the environments.
const PER_NOTE: usize = 10;
/// Rounds that are measured.
const ROUNDS: u32 = 10;
/// What the goal allows.
const GOAL: Duration = Duration::from_secs(1);

/// Figures of an audit, in milliseconds.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Audit {
    rounds: u32,
    records: usize,
    links: usize,
    floor_ms: Series,
    plumb_ms: Series,
    /// That time to the floor of the same round.
    ratio: Series,
}

/// Measures audits of a history that holds.
pub(super) fn measure(plumb: &Path) -> anyhow::Result<Audit> {
    step(&format!("audit: {ROUNDS} times, {RECORDS} records"));
    let repository = BareRepository::create()?;
    repository.import(history().as_bytes())?;
    let path = repository.path().to_str().context("a path that is no text")?.to_owned();
    let log = ["-C", &path, "log", "--first-parent", "--patch", "--no-textconv", "refs/notes/plumb/bench"];
    let verify = ["audit", "verify", "--repo", &path];
    let (mut floors, mut audits, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let floor = timed(Command::new("git").args(log))?;
        let audit = timed(Command::new(plumb).args(verify))?;
        floors.push(milliseconds(floor));
        audits.push(milliseconds(audit));
        ratios.push(round(audit.as_secs_f64() / floor.as_secs_f64()));
    }
    Ok(Audit {
        rounds: ROUNDS,
        records: RECORDS,
        links: RECORDS / PER_LINK,
        floor_ms: Series::of(floors),
        plumb_ms: Series::of(audits),
        ratio: Series::of(ratios),
    })
}

fn timed(command: &mut Command) -> anyhow::Result<Duration> {
    let started = Instant::now();
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).status()?;
    ensure!(status.success(), "{command:?} ended with {status}");
    Ok(started.elapsed())
}

/// Returns the notes of ten thousand records, as `git fast-import` reads them.
fn history() -> String {
    let mut history = String::new();
    let mut note = String::new();
    let mut links = String::new();
    for sequence in 1..=RECORDS {
        // Spread as ids are: else all notes are in one folder, which each link would write anew.
        let number = u32::try_from((sequence - 1) / PER_NOTE + 1).expect("a small number");
        let commit = format!("{:08x}{number:032x}", number.wrapping_mul(2_654_435_761));
        if (sequence - 1) % PER_NOTE == 0 {
            note.clear();
        }
        note.push_str(&record(sequence, &commit));
        // The number of a record is the mark of the note that ends with it.
        write!(history, "blob\nmark :{sequence}\ndata {}\n{note}\n", note.len()).expect("because memory takes it");
        if (sequence - 1) % PER_LINK == 0 {
            let when = 1_700_000_000 + sequence;
            writeln!(
                links,
                "commit refs/notes/plumb/bench\ncommitter plumb <plumb@example.com> {when} +0000\ndata 6\nnotes"
            )
            .expect("because memory takes it");
        }
        writeln!(links, "M 100644 :{sequence} {}/{}", &commit[..2], &commit[2..]).expect("because memory takes it");
    }
    history + &links
}

fn record(sequence: usize, commit: &str) -> String {
    let record = serde_json::json!({
        "v": 1, "time": "2026-11-21T20:04:30Z", "kind": "DriftCorrected", "sequence": sequence, "cluster": "bench",
        "repository": "5f0c6d1e-0000-4000-8000-000000000000",
        "environment": { "namespace": "team", "name": "shop", "uid": "9a41c2d3-0000-4000-8000-000000000000" },
        "commit": commit, "author": "Ann <ann@example.com>", "subject": "More replicas", "who": "kubectl-edit",
        "message": "Deployment shop/web was changed by kubectl-edit: .spec.replicas from 3 to 1; put back after 12 ms",
        "tookMs": 12,
    });
    format!("{record}\n")
}

impl Display for Audit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rounds, records, links, floor_ms, plumb_ms, ratio } = self;
        writeln!(f, "plumb audit verify, {records} records in {links} commits of the notes ref, {rounds} rounds")?;
        for (name, series) in [("git log --patch", floor_ms), ("plumb audit verify", plumb_ms)] {
            let Series { min, median, max, .. } = series;
            writeln!(f, "  {name:<28} min {min:.0} ms   p50 {median:.0} ms   max {max:.0} ms")?;
        }
        write!(f, "  ratio at p50                 {:.2}       (goal: at most {} s)", ratio.median, GOAL.as_secs())
    }
}
