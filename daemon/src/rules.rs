//! Health rules of an Environment's spec, compiled once for each spec.
//!
//! Must never do: leave a rule out that is wrong; the Environment says what is wrong with it instead.

use std::{collections::btree_map::Entry, sync::Arc};

use plumb_api::environment::HealthRule;
use plumb_core::{
    health::{
        expression::Expression,
        rules::{RULES_MAX, Rule, Rules},
    },
    object::Gvk,
};

/// The rules of one spec, and what is wrong with it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Compiled {
    /// The rules; of no use while something is wrong.
    pub(crate) rules: Arc<Rules>,
    /// Field and fault of everything that is wrong.
    pub(crate) wrong: Vec<(String, String)>,
}

/// Compiles the rules of a spec.
pub(crate) fn compile(spec: &[HealthRule]) -> Compiled {
    let (mut rules, mut wrong) = (Rules::default(), Vec::new());
    if spec.len() > RULES_MAX {
        wrong.push(("spec.health".to_owned(), format!("{} rules, {RULES_MAX} are allowed", spec.len())));
    }
    for (index, rule) in spec.iter().enumerate().take(RULES_MAX) {
        let HealthRule { api_version, kind, current, failed } = rule;
        let mut expression = |name: &str, text: &str| {
            let compiled = Expression::compile(text);
            compiled
                .map_err(|error| wrong.push((format!("spec.health[{index}].{name}"), format!("of {kind}: {error}"))))
                .ok()
        };
        let current = expression("current", current);
        let failed = failed.as_deref().map(|failed| expression("failed", failed)).unwrap_or_default();
        match (rules.0.entry(Gvk::new(api_version, kind)), current) {
            (Entry::Occupied(_), _) => {
                let fault = format!("a second rule for {api_version} {kind}; join them with ||");
                wrong.push((format!("spec.health[{index}]"), fault));
            }
            (Entry::Vacant(entry), Some(current)) => {
                entry.insert(Rule { current, failed });
            }
            (Entry::Vacant(_), None) => {}
        }
    }
    Compiled { rules: Arc::new(rules), wrong }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_is_wrong_is_said_with_its_field() {
        let check = |rules: &[(&str, &str, &str, Option<&str>)], good: usize, expected: &[(&str, &str)]| {
            let spec = rules.iter().map(|(api_version, kind, current, failed)| HealthRule {
                api_version: (*api_version).to_owned(),
                kind: (*kind).to_owned(),
                current: (*current).to_owned(),
                failed: failed.map(str::to_owned),
            });
            let compiled = compile(&spec.collect::<Vec<_>>());
            let wrong: Vec<_> = compiled.wrong.iter().map(|(field, fault)| (field.as_str(), fault.as_str())).collect();
            assert_eq!(wrong, expected);
            assert_eq!(compiled.rules.0.len(), good);
        };
        check(&[], 0, &[]);
        check(&[("example.com/v1", "Database", "self.a", Some("self.b"))], 1, &[]);
        check(
            &[("example.com/v1", "Database", "self.a == phase", None), ("v1", "Table", "true", Some("other"))],
            1,
            &[
                (
                    "spec.health[0].current",
                    "of Database: line 1, column 11: there is no phase; the object is self, such as self.status.phase",
                ),
                (
                    "spec.health[1].failed",
                    "of Table: line 1, column 1: there is no other; the object is self, such as self.status.other",
                ),
            ],
        );
        let twice = ("example.com/v1", "Database", "true", None);
        check(
            &[twice, twice],
            1,
            &[("spec.health[1]", "a second rule for example.com/v1 Database; join them with ||")],
        );
        let kinds: Vec<String> = (0..=RULES_MAX).map(|number| format!("Kind{number}")).collect();
        let many: Vec<_> = kinds.iter().map(|kind| ("v1", kind.as_str(), "true", None)).collect();
        check(&many, RULES_MAX, &[("spec.health", "21 rules, 20 are allowed")]);
    }
}
