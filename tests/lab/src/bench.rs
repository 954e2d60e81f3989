//! `cargo lab bench`: what plumb's work costs beside what it would cost a program that only sends the requests.
//!
//! Owns the order of the measurements and how their figures are shown. Every figure stands beside a floor that was
//! measured in the same run on the same control plane: machines differ, and this one may be busy; ratios last.
#![allow(clippy::print_stdout)]

mod arrival;
mod audit;
mod counters;
mod daemon;
mod drift;
mod figures;
mod first_sync;
mod floor;
mod ground;
mod idle;
mod notes;
mod observer;
mod records;
mod rollback;
mod server;
mod site;
mod take_over;

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use serde::Serialize;

use figures::{Machine, shown, step};
use ground::Ground;

/// Measure plumb against a floor of bare requests on a throwaway control plane.
///
/// first-sync: a commit arrives with four ConfigMaps for each environment; until every status names it.
/// drift: somebody changes a field of an owned object; until it is back.
/// idle: requests that plumb makes while nothing changes.
/// take-over: the replica that writes is killed; until another one corrects a drift.
/// rollback: a commit with an image that can't be pulled; until the cluster is as before, and until Git is.
/// audit: ten thousand records are verified.
/// notes: one more line is added to one of the notes of a hundred thousand commits.
/// records: a first sync whose records become notes, beside one whose records do not.
///
/// Figures to keep come from the release profile, on a machine that does nothing else:
/// `cargo run --release -p lab -- bench`. The first build takes some minutes; the measurements take two or three.
#[derive(Debug, Args)]
pub(crate) struct Bench {
    /// What to measure; without it everything
    #[arg(value_enum)]
    what: Option<Measurement>,
    /// Environments of first-sync and idle
    #[arg(long, value_name = "N", default_value_t = 250, value_parser = clap::value_parser!(u32).range(1..=2000))]
    environments: u32,
    /// Rounds of first-sync
    #[arg(long, value_name = "R", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// How the figures are shown
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    output: Output,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Measurement {
    FirstSync,
    Drift,
    Idle,
    TakeOver,
    Rollback,
    Audit,
    Notes,
    Records,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    Table,
    Json,
}

/// Every figure of one run; what was not measured is absent.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    machine: Machine,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_sync: Option<first_sync::FirstSync>,
    #[serde(skip_serializing_if = "Option::is_none")]
    drift: Option<drift::Drift>,
    #[serde(skip_serializing_if = "Option::is_none")]
    idle: Option<idle::Idle>,
    #[serde(skip_serializing_if = "Option::is_none")]
    take_over: Option<take_over::TakeOver>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rollback: Option<rollback::Rollback>,
    #[serde(skip_serializing_if = "Option::is_none")]
    audit: Option<audit::Audit>,
    #[serde(skip_serializing_if = "Option::is_none")]
    notes: Option<notes::Notes>,
    #[serde(skip_serializing_if = "Option::is_none")]
    records: Option<records::Records>,
}

impl Bench {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        if cfg!(debug_assertions) {
            step("this is the dev profile: good for trying out, not for figures (see cargo lab bench --help)");
        }
        step("building plumb, which takes some minutes the first time");
        let plumb = lab::process::built("plumb").context("plumb could not be built")?;
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let report = runtime.block_on(self.measure(plumb))?;
        match self.output {
            Output::Json => println!("{}", serde_json::to_string_pretty(&report)?),
            Output::Table => self.print(&report),
        }
        Ok(())
    }

    async fn measure(&self, plumb: std::path::PathBuf) -> anyhow::Result<Report> {
        let asked = |measurement| self.what.is_none_or(|what| what == measurement);
        // Before anything of this run is busy.
        let machine = Machine::this();
        let mut report = Report { machine, ..Report::default() };
        if asked(Measurement::Audit) {
            report.audit = Some(audit::measure(&plumb)?);
        }
        if asked(Measurement::Notes) {
            report.notes = Some(notes::measure()?);
        }
        if matches!(self.what, Some(Measurement::Audit | Measurement::Notes)) {
            return Ok(report);
        }
        let ground = Ground::prepare(plumb).await?;
        if asked(Measurement::FirstSync) {
            report.first_sync = Some(first_sync::measure(&ground, self.environments, self.rounds).await?);
        }
        if asked(Measurement::Drift) {
            report.drift = Some(drift::measure(&ground).await?);
        }
        if asked(Measurement::Idle) {
            report.idle = Some(idle::measure(&ground, self.environments).await?);
        }
        if asked(Measurement::TakeOver) {
            report.take_over = Some(take_over::measure(&ground).await?);
        }
        if asked(Measurement::Rollback) {
            report.rollback = Some(rollback::measure(&ground).await?);
        }
        if asked(Measurement::Records) {
            report.records = Some(records::measure(&ground, self.environments, self.rounds).await?);
        }
        Ok(report)
    }

    fn print(&self, report: &Report) {
        let Report { machine, first_sync, drift, idle, take_over, rollback, audit, notes, records } = report;
        println!("{}", shown(machine));
        let parts = [
            first_sync.as_ref().map(shown),
            drift.as_ref().map(shown),
            idle.as_ref().map(shown),
            take_over.as_ref().map(shown),
            rollback.as_ref().map(shown),
            audit.as_ref().map(shown),
            notes.as_ref().map(shown),
            records.as_ref().map(shown),
        ];
        for part in parts.into_iter().flatten() {
            println!("\n{part}");
        }
    }
}
