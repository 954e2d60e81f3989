//! The rules, their cases and their runbooks.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::{
    families,
    page::{page, read},
    promql,
};

/// Where runbooks stand.
const RUNBOOKS: &str = "docs/operations.md";

/// Returns the alerts.
pub(super) fn alerts() -> Vec<Value> {
    let rules: Value = serde_yaml::from_str(&read("dashboards/rules.yaml")).expect("rules that are YAML");
    let groups = rules["groups"].as_array().expect("groups").clone();
    groups.iter().flat_map(|group| group["rules"].as_array().expect("rules").clone()).collect()
}

fn name(alert: &Value) -> String {
    alert["alert"].as_str().expect("a name").to_owned()
}

#[test]
fn alerts_name_only_metrics_and_labels_that_exist() {
    let mut wrong = Vec::new();
    for alert in alerts() {
        let name = name(&alert);
        let annotations = &alert["annotations"];
        let texts: String =
            ["summary", "description"].map(|text| annotations[text].as_str().unwrap_or_default()).concat();
        let named = promql::read(alert["expr"].as_str().expect("an expression"));
        let families = families::check(&name, &named, &families::shown(&texts, "$labels."), &mut wrong);
        let mut check = |right: bool, what: &str| {
            if !right {
                wrong.push(format!("{name}: {what}"));
            }
        };
        check(families.iter().any(|family| family.starts_with("plumb_")), "is not about plumb");
        check(alert["for"].is_string(), "fires at the first look");
        check(
            ["critical", "warning"].iter().any(|severity| alert["labels"]["severity"] == *severity),
            "has no severity",
        );
        check(
            annotations["summary"].is_string() && annotations["description"].is_string(),
            "does not say what it is about",
        );
        let runbook = format!("{RUNBOOKS}#{}", name.to_lowercase());
        check(annotations["runbook_url"] == runbook, &format!("leads elsewhere than to {runbook}"));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_alert_has_a_runbook_and_a_case_and_every_runbook_an_alert() {
    let alerts: BTreeSet<String> = alerts().iter().map(name).collect();
    let page = page(RUNBOOKS);
    let headings = page.section("## Alerts").lines().filter_map(|line| line.strip_prefix("### "));
    assert_eq!(headings.map(str::to_owned).collect::<BTreeSet<_>>(), alerts, "runbooks");
    for alert in &alerts {
        let runbook = page.section(&format!("### {alert}"));
        assert!(
            runbook.trim().split("\n\n").count() >= 2,
            "the runbook of {alert} has no second paragraph: what to do"
        );
    }
    let cases: Value = serde_yaml::from_str(&read("dashboards/rules.test.yaml")).expect("cases that are YAML");
    let cases = cases["tests"].as_array().expect("cases");
    let fires = |case: &Value| {
        let tests = case["alert_rule_test"].as_array().cloned().unwrap_or_default();
        tests.iter().filter(|test| test["exp_alerts"].as_array().is_some_and(|alerts| !alerts.is_empty())).count() > 0
    };
    let tested = cases.iter().filter(|case| fires(case)).map(|case| case["name"].as_str().expect("a name").to_owned());
    assert_eq!(tested.collect::<BTreeSet<_>>(), alerts, "cases in which the alert fires");
}
