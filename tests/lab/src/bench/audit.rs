//! Audit: how long `plumb audit verify` takes for ten thousand records.
//!
//! The floor is git itself, which reads the same history and shows the same differences (`git log --patch`), without judging
//! any of it: both start as a process, and read the same pack.

use std::{
    fmt::{self, Display},
    io,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use lab::git::BareRepository;
use serde::Serialize;

use super::figures::{Series, milliseconds, round, step};

/// Records of a history.
const RECORDS: usize = 10_000;
/// What the goal allows.
const GOAL: Duration = Duration::from_secs(1);

/// How records lie in a history.
struct Shape {
    name: &'static str,
    /// Records that one link adds.
    per_link: usize,
    /// Records on one commit of the environments.
    per_note: usize,
    /// Rounds that are measured.
    rounds: u32,
}

/// As a busy publisher batches them: commits come and go.
const SPREAD: Shape = Shape { name: "10 on each commit", per_link: 4, per_note: 10, rounds: 10 };

/// As a long quarrel over a commit that stays in force writes them. Each link has the whole note once more, some gigabytes in
/// all, so the floor alone takes a minute.
const ONE_NOTE: Shape = Shape { name: "all on one commit", per_link: 10, per_note: RECORDS, rounds: 3 };

/// Figures of audits.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Audit {
    records: usize,
    shapes: Vec<Figures>,
}

/// Figures of one shape, in milliseconds.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Figures {
    shape: &'static str,
    rounds: u32,
    links: usize,
    floor_ms: Series,
    plumb_ms: Series,
    /// That time to the floor of the same round.
    ratio: Series,
}

/// Measures audits of histories that hold.
pub(super) fn measure(plumb: &Path) -> anyhow::Result<Audit> {
    let shapes = [SPREAD, ONE_NOTE].iter().map(|shape| audit(plumb, shape)).collect::<anyhow::Result<_>>()?;
    Ok(Audit { records: RECORDS, shapes })
}

fn audit(plumb: &Path, shape: &Shape) -> anyhow::Result<Figures> {
    let Shape { name, per_link, rounds, .. } = shape;
    step(&format!("audit: {rounds} times, {RECORDS} records, {name}"));
    let repository = BareRepository::create()?;
    repository.import(|import| history(shape, import))?;
    let path = repository.path().to_str().context("a path that is no text")?.to_owned();
    let log = ["-C", &path, "log", "--first-parent", "--patch", "--no-textconv", "refs/notes/plumb/bench"];
    let verify = ["audit", "verify", "--repo", &path];
    let (mut floors, mut audits, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..*rounds {
        let floor = timed(Command::new("git").args(log))?;
        let audit = timed(Command::new(plumb).args(verify))?;
        floors.push(milliseconds(floor));
        audits.push(milliseconds(audit));
        ratios.push(round(audit.as_secs_f64() / floor.as_secs_f64()));
    }
    Ok(Figures {
        shape: name,
        rounds: *rounds,
        links: RECORDS / per_link,
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

/// Writes the notes of ten thousand records, as `git fast-import` reads them.
fn history(shape: &Shape, import: &mut dyn io::Write) -> io::Result<()> {
    let mut note = String::new();
    for sequence in 1..=RECORDS {
        // Spread as ids are: else all notes are in one folder, which each link would write anew.
        let number = u32::try_from((sequence - 1) / shape.per_note + 1).expect("a small number");
        let commit = format!("{:08x}{number:032x}", number.wrapping_mul(2_654_435_761));
        if (sequence - 1) % shape.per_note == 0 {
            note.clear();
        }
        note.push_str(&record(sequence, &commit));
        if (sequence - 1) % shape.per_link == 0 {
            let when = 1_700_000_000 + sequence;
            let who = "plumb <plumb@example.com>";
            writeln!(import, "commit refs/notes/plumb/bench\ncommitter {who} {when} +0000\ndata 6\nnotes")?;
        }
        if sequence % shape.per_link == 0 || sequence % shape.per_note == 0 {
            let (folder, file) = commit.split_at(2);
            writeln!(import, "M 100644 inline {folder}/{file}\ndata {}\n{note}", note.len())?;
        }
    }
    Ok(())
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
        let Self { records, shapes } = self;
        write!(f, "plumb audit verify, {records} records")?;
        for Figures { shape, rounds, links, floor_ms, plumb_ms, ratio } in shapes {
            write!(f, "\n  {shape}, {links} commits of the notes ref, {rounds} rounds")?;
            for (name, series) in [("git log --patch", floor_ms), ("plumb audit verify", plumb_ms)] {
                let Series { min, median, max, .. } = series;
                write!(f, "\n    {name:<26} min {min:.0} ms   p50 {median:.0} ms   max {max:.0} ms")?;
            }
            write!(
                f,
                "\n    ratio at p50               {:.2}       (goal: at most {} s)",
                ratio.median,
                GOAL.as_secs()
            )?;
        }
        Ok(())
    }
}
