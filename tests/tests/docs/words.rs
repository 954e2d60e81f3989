//! `docs/operations.md` and the words of the code: metrics, reasons, refusals, records.

use std::collections::BTreeSet;

use plumb_core::{record::RecordKind, trigger::run::Outcome};

use crate::page::{check_same, page, read, rows};

/// Expects the tables of a section to begin with exactly these words.
fn check(heading: &str, real: BTreeSet<String>) {
    let page = page("docs/operations.md");
    let described = rows(page.section(heading)).into_iter().map(|(code, _)| code).collect();
    check_same(heading, &described, &real);
}

/// Returns the texts in quotes that stand in a source right after `before`.
fn quoted_after(source: &str, before: &str) -> BTreeSet<String> {
    let parts = source.split(before).skip(1);
    parts.filter_map(|part| Some(part.trim_start().strip_prefix('"')?.split_once('"')?.0.to_owned())).collect()
}

/// Returns the part of a source between two texts.
fn between<'a>(source: &'a str, from: &str, to: &str) -> &'a str {
    let begin = source.find(from).unwrap_or_else(|| panic!("the source has no {from:?}"));
    let rest = &source[begin..];
    &rest[..rest.find(to).unwrap_or_else(|| panic!("the source has no {to:?} after {from:?}"))]
}

#[test]
fn every_metric_is_described() {
    let source = read("daemon/src/metrics/catalogue.rs");
    let names = source.split('"').skip(1).step_by(2).filter(|text| text.starts_with("plumb_"));
    check("## Metrics", names.map(str::to_owned).collect());
}

#[test]
fn every_kind_of_record_is_described() {
    check("## Records", RecordKind::ALL.iter().map(|kind| kind.label().to_owned()).collect());
    let page = page("docs/operations.md");
    for (code, cells) in rows(page.section("## Records")) {
        let kind = RecordKind::ALL.into_iter().find(|kind| kind.label() == code).expect("a kind");
        assert_eq!(cells[0], if kind.warns() { "warn" } else { "info" }, "the level of {code}");
    }
}

#[test]
fn every_refusal_is_described() {
    let source = read("daemon/core/src/plan/refusal.rs");
    let labels = between(&source, "pub fn label(", "impl fmt::Display");
    check("## Refusals", quoted_after(labels, "=>"));
}

#[test]
fn every_reason_of_an_environment_is_described() {
    let source = read("daemon/core/src/standing.rs");
    let mut reasons = quoted_after(&source, "add(");
    reasons.extend(quoted_after(&source, "reason:"));
    reasons.extend(quoted_after(&source, "if facts.suspended {"));
    let gate = read("daemon/core/src/gate.rs");
    reasons.extend(quoted_after(&gate, "const ROLLED_BACK: &str ="));
    reasons.extend(quoted_after(between(&gate, "pub fn reason(", "pub fn passes("), "=>"));
    check("### Reasons of Environments", reasons);
}

#[test]
fn every_reason_of_a_repository_is_described() {
    let source = read("daemon/src/repositories/verdict.rs");
    let conditions = between(&source, "fn conditions(", "let stalled");
    let mut reasons = quoted_after(conditions, "(true,");
    reasons.extend(quoted_after(conditions, "(false,"));
    let troubles = read("daemon/src/publisher/trouble.rs");
    reasons.extend(quoted_after(between(&troubles, "fn reason(", "pub(crate) struct"), "=>"));
    check("### Reasons of Repositories", reasons);
}

#[test]
fn every_reason_of_a_trigger_is_described() {
    let source = read("daemon/core/src/trigger/standing.rs");
    let reasons = between(&source, "pub enum Reason {", "\n}").lines().skip(1).map(str::trim);
    let names = reasons.filter(|line| !line.starts_with("///")).map(|line| line.trim_end_matches(',').to_owned());
    check("### Reasons of PipelineTriggers", names.collect());
    check("### How builds end", Outcome::ALL.iter().map(|outcome| outcome.label().to_owned()).collect());
}

#[test]
fn every_fact_of_a_build_is_described() {
    let source = read("daemon/core/src/trigger/plan/fact.rs");
    let labels = between(&source, "pub fn label(", "pub fn outcome(").split('"').skip(1).step_by(2);
    let mut kinds: BTreeSet<String> = labels.map(str::to_owned).collect();
    let pass = read("daemon/src/triggers/pass.rs");
    kinds.extend(quoted_after(&pass, "reason: "));
    kinds.extend(quoted_after(between(&pass, "fn record_images(", "};"), "=> ("));
    check("## Facts of builds", kinds);
}

#[test]
fn every_path_of_the_metrics_port_is_described() {
    let paths = quoted_after(&read("daemon/src/http.rs"), ".route(");
    check("## Health endpoints", paths.into_iter().filter(|path| path != "/metrics").collect());
}
