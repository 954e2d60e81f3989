//! The dashboards.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use serde_json::Value;

use crate::{
    families,
    page::{page, root, rows},
    promql,
};

/// Returns every dashboard, by the name of its file.
pub(super) fn boards() -> BTreeMap<String, Value> {
    let entries =
        fs::read_dir(root().join("dashboards")).expect("the dashboards").map(|entry| entry.expect("an entry"));
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let boards = names.filter(|name| name.ends_with(".json")).map(|name| {
        let text = fs::read_to_string(root().join("dashboards").join(&name)).expect("a dashboard");
        let board = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        (name, board)
    });
    boards.collect()
}

/// Returns every expression of a dashboard with the panel that it belongs to, and what its legend shows.
pub(super) fn expressions(board: &Value) -> Vec<(String, String, String)> {
    let panels = board["panels"].as_array().into_iter().flatten();
    let targets = panels.flat_map(|panel| {
        let targets = panel["targets"].as_array().into_iter().flatten();
        targets.map(move |target| (text(&panel["title"]), text(&target["expr"]), text(&target["legendFormat"])))
    });
    targets.collect()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

#[test]
fn dashboards_name_only_metrics_that_exist_and_show_them_all() {
    let (mut wrong, mut shown) = (Vec::new(), BTreeSet::new());
    for (name, board) in boards() {
        for (panel, expression, legend) in expressions(&board) {
            let place = format!("{name}, {panel:?}");
            let named = promql::read(&expression);
            shown.extend(families::check(&place, &named, &families::shown(&legend, ""), &mut wrong));
        }
        for variable in board["templating"]["list"].as_array().expect("variables") {
            // `label_values(metric{…}, label)`
            let Some(query) = variable["query"]["query"].as_str() else { continue };
            let (metric, label) = query.trim_start_matches("label_values(").rsplit_once(", ").expect("a label");
            let label = BTreeSet::from([label.trim_end_matches(')').to_owned()]);
            families::check(&format!("{name}, {}", variable["name"]), &promql::read(metric), &label, &mut wrong);
        }
    }
    let unseen = families::all().into_iter().filter(|family| !shown.contains(family));
    wrong.extend(unseen.map(|family| format!("{family} is on no dashboard")));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn dashboards_can_be_imported_anywhere() {
    let (mut uids, mut wrong) = (BTreeSet::new(), Vec::new());
    for (name, board) in boards() {
        let mut check = |right: bool, what: &str| {
            if !right {
                wrong.push(format!("{name}: {what}"));
            }
        };
        check(uids.insert(text(&board["uid"])), "the uid is that of another dashboard");
        check(board["id"].is_null(), "the id is that of somebody's Grafana");
        check(
            !text(&board["title"]).is_empty() && !text(&board["description"]).is_empty(),
            "title or description is missing",
        );
        let variables: BTreeSet<String> = board["templating"]["list"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|variable| text(&variable["name"]))
            .collect();
        check(variables.contains("datasource"), "nobody is asked for the data source");
        let mut ids = BTreeSet::new();
        for panel in board["panels"].as_array().expect("panels") {
            let title = text(&panel["title"]);
            check(ids.insert(panel["id"].as_i64()), &format!("{title:?} has the id of another panel"));
            if panel["type"] == "row" {
                continue;
            }
            check(!text(&panel["description"]).is_empty(), &format!("{title:?} does not say what it shows"));
            check(panel["datasource"]["uid"] == "${datasource}", &format!("{title:?} has a data source of its own"));
            check(
                panel["targets"].as_array().is_some_and(|targets| !targets.is_empty()),
                &format!("{title:?} is empty"),
            );
        }
        for (panel, expression, _) in expressions(&board) {
            let used = expression
                .split('$')
                .skip(1)
                .map(|rest| rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect::<String>());
            let unknown = used.filter(|variable| !variable.starts_with("__") && !variables.contains(variable));
            unknown
                .for_each(|variable| check(false, &format!("{panel:?} uses ${variable}, which nobody is asked for")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_dashboard_is_described() {
    let page = page("docs/operations.md");
    let described: BTreeSet<String> = rows(page.section("## Dashboards")).into_iter().map(|(file, _)| file).collect();
    assert_eq!(described, boards().into_keys().collect::<BTreeSet<_>>());
}
