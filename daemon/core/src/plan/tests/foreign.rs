//! What others added to objects, and what somebody quarrels over.

use super::fixture::{Situation, applied, config};
use crate::{
    environment::FieldManager,
    fields::{managed::ManagedBy, path::FieldPath},
    foreign::{Addition, ForeignMode},
    plan::{DriftKind, Plan},
    policy::DriftMode,
};

fn addition(field: &str) -> Addition {
    let (manager, fields) = (FieldManager::new("kubectl-edit"), vec![FieldPath::of_fields(&["data", field])]);
    Addition { manager, operation: ManagedBy::Update, fields, more: 0 }
}

/// Plans after somebody has added a field to `a`.
fn plan(field: &str, mode: ForeignMode, change: impl FnOnce(&mut Situation)) -> Plan {
    let mut situation = Situation::usual();
    situation.live.objects.remove(&config("old"));
    situation.policy.foreign.mode = mode;
    situation.live.objects.get_mut(&config("a")).expect("a").foreign = vec![addition(field)];
    change(&mut situation);
    situation.plan()
}

#[test]
fn additions_are_named_or_removed_as_the_environment_asks() {
    use ForeignMode::{Ignore, Remove, Report};
    let check = |field: &str, mode: ForeignMode, expected: Option<bool>, change: fn(&mut Situation)| {
        let plan = plan(field, mode, change);
        let found: Vec<bool> = plan.foreign.iter().map(|foreign| foreign.removed).collect();
        assert_eq!(found, Vec::from_iter(expected), "{field} {mode:?}");
        let removed = expected == Some(true);
        assert_eq!(applied(&plan), Vec::from_iter(removed.then_some("ConfigMap shop/a Clean forced")), "{mode:?}");
        assert_eq!(plan.drifts, []);
    };
    check("extra", Report, Some(false), |_| {});
    check("extra", Remove, Some(true), |_| {});
    check("extra", Ignore, None, |_| {});
    // Git has the field: another value of it is drift.
    check("content", Remove, None, |_| {});
    check("extra", Remove, Some(false), |s| s.policy.drift = DriftMode::Report);
    check("extra", Remove, Some(false), |s| s.policy.suspended = true);
    check("extra", Remove, Some(false), |s| s.resting = [config("a")].into());
    // Left before, as it could not be removed; something else since then.
    check("extra", Remove, Some(false), |s| s.left = [(config("a"), vec![addition("extra")])].into());
    check("extra", Remove, Some(true), |s| s.left = [(config("a"), vec![addition("other")])].into());
    // Not ours to touch.
    check("extra", Remove, None, |s| s.live.objects.get_mut(&config("a")).expect("a").deleting = true);
}

#[test]
fn what_somebody_quarrels_over_rests_and_all_else_is_corrected() {
    let plan = plan("content", ForeignMode::Ignore, |situation| {
        for name in ["a", "b"] {
            situation.live.objects.remove(&config(name));
        }
        situation.resting = [config("a")].into();
    });
    let drifts: Vec<_> = plan.drifts.iter().map(|drift| (drift.what, drift.corrected, drift.resting)).collect();
    assert_eq!(drifts, [(DriftKind::Missing, false, true), (DriftKind::Missing, true, false)]);
    assert_eq!(applied(&plan), ["ConfigMap shop/b Correct"]);
}
