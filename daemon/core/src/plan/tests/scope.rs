//! The parent's scope: widened before anything is applied, narrowed only when nothing is left to look for.

use super::fixture::{Situation, config, key};
use crate::{inventory::Inventory, object::ObjectKey, policy::DriftMode};

fn scope(texts: &[&str]) -> Option<Inventory> {
    let keys: Vec<ObjectKey> = texts.iter().map(|text| key(text)).collect();
    Some(Inventory::of(&keys))
}

/// The usual situation without anything to prune, changed; expects these scopes to be widened and narrowed to.
fn check(widen: Option<Inventory>, narrow: Option<Inventory>, change: impl FnOnce(&mut Situation)) {
    let mut situation = Situation::usual();
    situation.live.objects.remove(&config("old"));
    change(&mut situation);
    let plan = situation.plan();
    assert_eq!((&plan.widen, &plan.narrow), (&widen, &narrow));
    assert_eq!(
        plan.is_empty(),
        widen.is_none() && narrow.is_none() && plan.applies.is_empty() && plan.prunes.is_empty()
    );
}

fn record(situation: &mut Situation, texts: &[&str]) {
    situation.recorded = scope(texts);
}

const USUAL: &str = "ConfigMap shop/a";
const SECRET: &str = "Secret away/s";

#[test]
fn the_record_is_widened_first_and_never_forgets_meanwhile() {
    check(None, None, |_| {});
    check(scope(&[USUAL, "Service shop/s"]), None, |s| s.desire(&key("Service shop/s")));
    check(scope(&[USUAL, "ConfigMap away/c"]), None, |s| s.desire(&key("ConfigMap away/c")));
    // Wider already in one way, too narrow in another.
    check(scope(&[USUAL, SECRET, "Service shop/s"]), None, |s| {
        record(s, &[USUAL, SECRET]);
        s.desire(&key("Service shop/s"));
    });
    // Lost, or found without a record of it.
    check(scope(&[USUAL]), None, |s| s.recorded = None);
    check(scope(&[USUAL]), None, |s| s.annotated = false);
    check(scope(&[USUAL, "Secret hidden"]), None, |s| {
        s.recorded = None;
        s.unknown(&key("Secret hidden"));
    });
    check(scope(&[USUAL, SECRET]), None, |s| {
        s.add_live(&key(SECRET));
        s.live(&key(SECRET)).deleting = true;
        s.recorded = None;
    });
    check(scope(&[USUAL, SECRET]), None, |s| {
        s.add_live(&key(SECRET));
        record(s, &[USUAL]);
    });
}

#[test]
fn the_record_is_narrowed_when_everything_else_is_gone_and_known() {
    let wide = |s: &mut Situation| record(s, &[USUAL, SECRET]);
    check(None, scope(&[USUAL]), wide);
    check(None, scope(&[USUAL]), |s| record(s, &[USUAL, "ConfigMap away/c"]));
    // Something is about to go, or on its way.
    check(None, None, |s| {
        s.add_live(&config("old"));
        wide(s);
    });
    check(None, None, |s| {
        s.add_live(&key(SECRET));
        s.live(&key(SECRET)).deleting = true;
        wide(s);
    });
    // Not everything is known.
    check(None, None, |s| {
        wide(s);
        s.unknown(&key(SECRET));
    });
    check(None, None, |s| {
        wide(s);
        s.desire(&key("Databse.example.com shop/a"));
    });
    // The parent's own namespace is always part of what annotations say.
    check(None, None, |s| {
        _ = s.recorded.as_mut().map(|recorded| recorded.namespaces.insert("team".into()));
    });
}

#[test]
fn a_suspended_environment_writes_nothing_and_counts_what_waits() {
    let mut situation = Situation::usual();
    situation.desire(&key("Service shop/new"));
    situation.live.objects.remove(&config("a"));
    situation.policy.suspended = true;
    let check = |situation: &Situation, writes: &str| {
        let plan = situation.plan();
        assert!(plan.is_empty(), "{plan:?}");
        let words: Vec<_> = plan.refusals.iter().map(ToString::to_string).collect();
        assert_eq!(words, [format!("suspended: {writes} write(s) wait (plumb resume)")]);
        assert_eq!(plan.drifts.iter().map(|drift| drift.corrected).collect::<Vec<_>>(), [false]);
    };
    check(&situation, "3");
    situation.policy.drift = DriftMode::Report;
    check(&situation, "2");
}
