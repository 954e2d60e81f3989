//! What an Environment says about the health of kinds that only it knows.
//!
//! A rule replaces what kstatus would say of its kind, but for two things that hold of every object: one that is being
//! deleted is Terminating, and one whose controller has not seen the latest change is InProgress.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Health, expression::Expression};
use crate::{object::Gvk, text};

/// Rules of one Environment: each costs every event of its kind an evaluation or two.
pub const RULES_MAX: usize = 20;

/// Characters of an expression in a sentence about an object.
const EXPRESSION_TOLD: usize = 160;

/// How well objects of one kind are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Holds once the object is as it should be.
    pub current: Expression,
    /// Holds once its controller has given up; wins over `current`.
    pub failed: Option<Expression>,
}

/// The rules of one Environment, by kind and version.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rules(pub BTreeMap<Gvk, Rule>);

impl Rules {
    /// Returns the kinds of which one says something else than the other.
    pub fn differences(&self, other: &Self) -> Vec<Gvk> {
        let all: std::collections::BTreeSet<&Gvk> = self.0.keys().chain(other.0.keys()).collect();
        all.into_iter().filter(|gvk| self.0.get(gvk) != other.0.get(gvk)).cloned().collect()
    }

    /// Returns the rule for an object, if there is one.
    pub(super) fn find(&self, gvk: &Gvk) -> Option<&Rule> {
        self.0.get(gvk)
    }
}

impl Rule {
    /// Judges an object; what can't be evaluated does not hold.
    pub(super) fn judge(&self, object: &Value) -> Health {
        let failed = self.failed.as_ref().map(|failed| (failed, failed.holds(object)));
        if let Some((expression, Ok(true))) = &failed {
            return Health::failed(format!("failed by its rule: {}", told(expression)));
        }
        match self.current.holds(object) {
            Ok(true) => Health::current(format!("current by its rule: {}", told(&self.current))),
            Ok(false) => match failed {
                Some((expression, Err(error))) => {
                    Health::in_progress(format!("not yet {}; {}", told(&self.current), unevaluated(expression, &error)))
                }
                _ => Health::in_progress(format!("not yet {}", told(&self.current))),
            },
            Err(error) => Health::in_progress(unevaluated(&self.current, &error)),
        }
    }
}

fn unevaluated(expression: &Expression, error: &super::expression::EvaluationError) -> String {
    format!("{} could not be evaluated: {error}", told(expression))
}

fn told(expression: &Expression) -> String {
    let line = expression.text().split_whitespace().collect::<Vec<_>>().join(" ");
    text::shortened(&line, EXPRESSION_TOLD)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::health::{
        HealthStatus::{self, Current, Failed, InProgress, Terminating},
        health,
    };

    fn rules(current: &str, failed: Option<&str>) -> Rules {
        let expression = |text: &str| Expression::compile(text).unwrap();
        let rule = Rule { current: expression(current), failed: failed.map(expression) };
        Rules(BTreeMap::from([(Gvk::new("example.com/v1", "Database"), rule)]))
    }

    #[test]
    fn a_rule_replaces_what_is_known_of_a_kind() {
        let by_phase = rules("self.status.phase == 'Ready'", Some("self.status.phase == 'Broken'"));
        let check = |rules: &Rules, status: Value, expected: (HealthStatus, &str)| {
            let metadata = json!({"name": "main", "generation": 2});
            let object =
                json!({"apiVersion": "example.com/v1", "kind": "Database", "metadata": metadata, "status": status});
            assert_eq!(
                health(&object, rules),
                Health {
                    status: expected.0,
                    message: expected.1.to_owned(),
                    unseen: expected.1.starts_with("its controller")
                }
            );
        };
        let unready = json!([{"type": "Ready", "status": "False"}, {"type": "Stalled", "status": "True"}]);
        let current = (Current, "current by its rule: self.status.phase == 'Ready'");
        check(&by_phase, json!({"phase": "Ready"}), current);
        check(&by_phase, json!({"phase": "Ready", "conditions": unready}), current);
        check(&by_phase, json!({"phase": "Ready", "conditions": "odd"}), current);
        check(&by_phase, json!({"phase": "Busy"}), (InProgress, "not yet self.status.phase == 'Ready'"));
        let failed = (Failed, "failed by its rule: self.status.phase == 'Broken'");
        check(&by_phase, json!({"phase": "Broken"}), failed);
        let unevaluated = "self.status.phase == 'Ready' could not be evaluated: there is no phase";
        check(&by_phase, json!({}), (InProgress, unevaluated));
        let unseen = (InProgress, "its controller has not seen the latest change yet");
        check(&by_phase, json!({"phase": "Broken", "observedGeneration": 1}), unseen);
        // Both hold: whoever waits must learn that it is in vain.
        check(&rules("true", Some("true")), json!({}), (Failed, "failed by its rule: true"));
        check(&rules("true", Some("self.a.b")), json!({}), (Current, "current by its rule: true"));
        let told = "not yet false; self.a.b could not be evaluated: there is no a";
        check(&rules("false", Some("self.a.b")), json!({}), (InProgress, told));
        check(
            &rules("self.status\n   .ok", None),
            json!({"ok": true}),
            (Current, "current by its rule: self.status .ok"),
        );
        let long = format!("'{}' == ''", "é".repeat(300));
        check(&rules(&long, None), json!({}), (InProgress, &format!("not yet '{}…", "é".repeat(159))));
    }

    #[test]
    fn a_rule_is_for_its_kind_at_its_version_only_and_says_nothing_of_what_is_being_deleted() {
        let never = rules("false", None);
        let of = |api_version: &str, kind: &str, metadata: Value| {
            health(&json!({"apiVersion": api_version, "kind": kind, "metadata": metadata}), &never).status
        };
        assert_eq!(of("example.com/v1", "Database", json!({})), InProgress);
        assert_eq!(of("example.com/v2", "Database", json!({})), Current);
        assert_eq!(of("example.com/v1", "Table", json!({})), Current);
        let deleted = json!({"deletionTimestamp": "2026-01-01T00:00:00Z"});
        assert_eq!(of("example.com/v1", "Database", deleted), Terminating);
    }

    #[test]
    fn the_kinds_whose_rules_changed_are_named() {
        let check = |one: &Rules, other: &Rules, expected: usize| assert_eq!(one.differences(other).len(), expected);
        let (none, some) = (Rules::default(), rules("true", None));
        check(&none, &none, 0);
        check(&some, &some.clone(), 0);
        check(&none, &some, 1);
        check(&some, &none, 1);
        check(&some, &rules("true", Some("false")), 1);
        check(&some, &rules("false", None), 1);
    }
}
