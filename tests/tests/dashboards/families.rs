//! The catalogue of metrics as dashboards and rules see it: with suffixes, and with what Prometheus adds.

use std::collections::BTreeSet;

use crate::{
    catalogue::{self, Kind},
    page::{page, rows},
    promql::{Matcher, Named},
};

/// Labels that Prometheus gives each target.
const OF_TARGETS: [&str; 2] = ["instance", "job"];
/// What Prometheus's client library counts of every process.
const OF_PROCESSES: [&str; 5] = [
    "process_cpu_seconds_total",
    "process_open_fds",
    "process_resident_memory_bytes",
    "process_start_time_seconds",
    "process_threads",
];

/// Returns the family that a metric belongs to, and its labels; nothing for what does not exist.
fn family(metric: &str) -> Option<(&str, BTreeSet<&'static str>)> {
    let of_targets = OF_TARGETS.into_iter();
    if OF_PROCESSES.contains(&metric) {
        return Some((metric, of_targets.collect()));
    }
    catalogue::ALL.iter().find_map(|family| {
        let suffix = metric.strip_prefix(family.name)?;
        let fits = match family.kind {
            Kind::Histogram(_) => ["_bucket", "_sum", "_count"].contains(&suffix),
            Kind::Counter | Kind::Gauge => suffix.is_empty(),
        };
        let le = (suffix == "_bucket").then_some("le");
        fits.then(|| (family.name, family.labels.iter().copied().chain(of_targets.clone()).chain(le).collect()))
    })
}

/// Adds everything that an expression names and that does not exist to `wrong`, and returns the families of its metrics.
pub(super) fn check(place: &str, named: &Named, shown: &BTreeSet<String>, wrong: &mut Vec<String>) -> BTreeSet<String> {
    let mut families = BTreeSet::new();
    let mut labels = BTreeSet::new();
    for (metric, matchers) in &named.metrics {
        let Some((family, own)) = family(metric) else {
            wrong.push(format!("{place}: there is no metric {metric}"));
            continue;
        };
        families.insert(family.to_owned());
        for matcher in matchers {
            if !own.contains(matcher.label.as_str()) {
                wrong.push(format!("{place}: {metric} has no label {}", matcher.label));
            }
            wrong.extend(
                unknown_values(family, matcher)
                    .map(|value| format!("{place}: the label {} of {metric} is never {value}", matcher.label)),
            );
        }
        labels.extend(own);
    }
    for label in named.labels.iter().chain(shown) {
        if !labels.contains(label.as_str()) {
            wrong.push(format!("{place}: none of its metrics has a label {label}"));
        }
    }
    families
}

/// Returns the values that a matcher names and that the documented list of the label's values has not.
fn unknown_values(family: &str, matcher: &Matcher) -> impl Iterator<Item = String> {
    let closed = values(family, &matcher.label);
    let named: Vec<String> = matcher.value.split('|').map(str::to_owned).collect();
    named.into_iter().filter(move |value| {
        let variable = value.starts_with('$');
        !variable && closed.as_ref().is_some_and(|closed| !closed.contains(value))
    })
}

/// Returns the values that a label can have, where `docs/operations.md` lists them; a test of the documents holds the reasons
/// to the code, and the daemon's closed lists are short.
fn values(family: &str, label: &str) -> Option<BTreeSet<String>> {
    let page = page("docs/operations.md");
    if label == "reason" {
        let kind = if family.starts_with("plumb_trigger_") { "PipelineTriggers" } else { "Environments" };
        let rows = rows(page.section(&format!("### Reasons of {kind}")));
        return Some(rows.into_iter().map(|(reason, _)| reason).collect());
    }
    let (_, cells) = rows(page.section("## Metrics")).into_iter().find(|(name, _)| name == family)?;
    let list = cells[0].split_once(&format!("`{label}` ("))?.1;
    let list = list.split_once(')')?.0;
    Some(list.split('`').skip(1).step_by(2).map(str::to_owned).collect())
}

/// Returns every family.
pub(super) fn all() -> BTreeSet<String> {
    catalogue::ALL.iter().map(|family| family.name.to_owned()).collect()
}

/// Returns the names between `{{` and `}}` that begin with `before`, as legends and annotations show them.
pub(super) fn shown(text: &str, before: &str) -> BTreeSet<String> {
    let parts = text.split("{{").skip(1).filter_map(|part| part.split_once("}}"));
    let names = parts.filter_map(|(inside, _)| inside.trim().strip_prefix(before)?.split([' ', '|']).next());
    names.filter(|name| !name.is_empty()).map(str::to_owned).collect()
}
