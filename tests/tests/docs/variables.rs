//! `docs/configuration.md` and the variables of runs.

use std::collections::BTreeSet;

use plumb_core::trigger::template::Variable;

use crate::page::{check_same, page, rows};

#[test]
fn every_variable_of_a_run_is_described() {
    let page = page("docs/configuration.md");
    let described: BTreeSet<String> =
        rows(page.section("## Variables of a run")).into_iter().map(|(name, _)| name).collect();
    let known = Variable::ALL.iter().map(|variable| variable.name().to_owned()).collect();
    check_same("variables of a run", &described, &known);
}
