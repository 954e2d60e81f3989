//! As much of PromQL as it takes to see which metrics and labels an expression names.

use std::collections::{BTreeMap, BTreeSet};

/// One matcher, such as `result="failed"`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Matcher {
    pub(super) label: String,
    pub(super) value: String,
}

/// What an expression names.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Named {
    /// Metrics with their matchers.
    pub(super) metrics: BTreeMap<String, BTreeSet<Matcher>>,
    /// Labels by which it groups or joins.
    pub(super) labels: BTreeSet<String>,
}

/// Words that are followed by a list of labels.
const GROUPING: [&str; 6] = ["by", "without", "on", "ignoring", "group_left", "group_right"];
/// Words that stand between expressions.
const OPERATORS: [&str; 5] = ["and", "or", "unless", "bool", "offset"];

/// Returns what an expression names.
///
/// # Panics
/// For a bracket or a quote that is not closed.
pub(super) fn read(expression: &str) -> Named {
    let mut named = Named::default();
    let mut rest = expression;
    while let Some(first) = rest.chars().next() {
        match first {
            '"' | '\'' => rest = after_text(rest).1,
            '[' => rest = rest.split_once(']').unwrap_or_else(|| panic!("{expression}: a range without an end")).1,
            // A number with its unit, or a variable of the dashboard.
            '0'..='9' | '$' => rest = &rest[1 + word(&rest[1..]).len()..],
            _ if first.is_ascii_alphabetic() || first == '_' => {
                let name = word(rest);
                rest = rest[name.len()..].trim_start();
                rest = take_name(name, rest, &mut named);
            }
            _ => rest = &rest[first.len_utf8()..],
        }
    }
    named
}

/// Takes what belongs to a name, and returns what follows.
fn take_name<'a>(name: &str, rest: &'a str, named: &mut Named) -> &'a str {
    if GROUPING.contains(&name) {
        let Some(inside) = rest.strip_prefix('(') else { return rest };
        let (labels, rest) = inside.split_once(')').unwrap_or_else(|| panic!("{name}: a list without an end"));
        named.labels.extend(labels.split(',').map(str::trim).filter(|label| !label.is_empty()).map(str::to_owned));
        return rest;
    }
    // A function, or an aggregation.
    if OPERATORS.contains(&name) || rest.starts_with('(') || ["by", "without"].contains(&word(rest)) {
        return rest;
    }
    let matchers = named.metrics.entry(name.to_owned()).or_default();
    let Some(mut inside) = rest.strip_prefix('{') else { return rest };
    loop {
        inside = inside.trim_start_matches([' ', ',', '\n']);
        if let Some(rest) = inside.strip_prefix('}') {
            return rest;
        }
        let label = word(inside);
        assert!(!label.is_empty(), "{name}: no label at {inside:?}");
        let (value, rest) = after_text(inside[label.len()..].trim_start_matches(['=', '!', '~', ' ']));
        matchers.insert(Matcher { label: label.to_owned(), value });
        inside = rest;
    }
}

fn word(text: &str) -> &str {
    let end = text.find(|character: char| !(character.is_ascii_alphanumeric() || "_:".contains(character)));
    &text[..end.unwrap_or(text.len())]
}

/// Splits after a text in quotes.
fn after_text(text: &str) -> (String, &str) {
    let quote = text.chars().next().filter(|quote| "\"'".contains(*quote));
    let quote = quote.unwrap_or_else(|| panic!("no text in quotes at {text:?}"));
    let (inside, rest) = text[1..].split_once(quote).unwrap_or_else(|| panic!("a text without an end: {text:?}"));
    (inside.to_owned(), rest)
}

#[test]
fn metrics_and_labels_of_expressions_are_found() {
    let check = |expression: &str, metrics: &[(&str, &[&str])], labels: &[&str]| {
        let named = read(expression);
        let found: Vec<(&str, Vec<String>)> = named
            .metrics
            .iter()
            .map(|(name, matchers)| {
                let matchers = matchers.iter().map(|matcher| format!("{}:{}", matcher.label, matcher.value)).collect();
                (name.as_str(), matchers)
            })
            .collect();
        let expected: Vec<(&str, Vec<String>)> = metrics
            .iter()
            .map(|(name, matchers)| (*name, matchers.iter().map(|matcher| (*matcher).to_owned()).collect()))
            .collect();
        assert_eq!(found, expected, "{expression}");
        assert_eq!(named.labels.iter().map(String::as_str).collect::<Vec<_>>(), labels, "{expression}");
    };
    check("up", &[("up", &[])], &[]);
    check(
        "sum by (le, a) (rate(x_bucket{a=~\"b|c\", d!='e'}[5m])) > 30",
        &[("x_bucket", &["a:b|c", "d:e"])],
        &["a", "le"],
    );
    check("(a == 0) and on(b) c offset 5m or vector(0)", &[("a", &[]), ("c", &[])], &["b"]);
    check(
        "rate(a{n=~\"$n\"}[$__rate_interval]) * on (i) group_left (v) b",
        &[("a", &["n:$n"]), ("b", &[])],
        &["i", "v"],
    );
    check("histogram_quantile(0.95, sum(x))", &[("x", &[])], &[]);
}
