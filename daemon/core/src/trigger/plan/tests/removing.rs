//! Which runs are removed.

use super::fixture::{Trigger, at};
use crate::trigger::run::Outcome;

/// Builds one component again and again, with these outcomes; nothing is removed meanwhile.
fn built(outcomes: &[Outcome]) -> Trigger {
    let mut trigger = Trigger::new();
    let history = std::mem::replace(&mut trigger.rules.history.succeeded, 1000);
    let failed = std::mem::replace(&mut trigger.rules.history.failed, 1000);
    for (number, outcome) in (1..).zip(outcomes) {
        trigger.now += 1;
        trigger.push(number, &[("cart", &format!("inputs {number}"))]);
        trigger.step();
        trigger.end(&format!("cart-{number}-1"), *outcome);
        trigger.step();
    }
    (trigger.rules.history.succeeded, trigger.rules.history.failed) = (history, failed);
    trigger
}

/// Expects these runs to be removed after `change`.
#[track_caller]
fn check(outcomes: &[Outcome], change: impl FnOnce(&mut Trigger), expected: &[&str]) {
    let mut trigger = built(outcomes);
    change(&mut trigger);
    let mut removed: Vec<_> = trigger.plan().remove.into_iter().map(|remove| remove.run).collect();
    removed.sort();
    assert_eq!(removed, expected);
}

const GOOD: Outcome = Outcome::Succeeded;
const BAD: Outcome = Outcome::Failed;

#[test]
fn the_newest_of_each_kind_stay() {
    check(&[GOOD, GOOD, GOOD, GOOD], |_| {}, &["cart-1-1", "cart-2-1"]);
    check(&[BAD, GOOD, Outcome::Cancelled, Outcome::Misconfigured], |_| {}, &["cart-1-1", "cart-3-1"]);
    check(&[BAD, BAD], |trigger| trigger.rules.history.failed = 0, &["cart-1-1", "cart-2-1"]);
    check(&[GOOD, GOOD], |trigger| trigger.rules.history.succeeded = 0, &["cart-1-1"]);
}

#[test]
fn age_counts_from_the_end_but_not_for_the_newest_success() {
    check(&[GOOD, BAD, GOOD, GOOD], |trigger| trigger.now = 2002, &["cart-1-1", "cart-2-1"]);
    check(&[GOOD, BAD, GOOD, GOOD], |trigger| trigger.now = 9000, &["cart-1-1", "cart-2-1", "cart-3-1"]);
    let trigger = built(&[GOOD, BAD]);
    assert_eq!(trigger.plan().again, Some(at(2002)), "the failure becomes too old then");
}

#[test]
fn nothing_goes_that_is_under_way_or_needed_or_not_written_down() {
    let four = [GOOD, GOOD, GOOD, GOOD];
    check(&four, |trigger| trigger.unwritten = ["cart-1-1".to_owned()].into(), &["cart-2-1"]);
    check(&four, |trigger| trigger.runs.as_mut().expect("runs")[0].deleting = true, &["cart-2-1"]);
    check(&four, |trigger| trigger.rules.suspended = true, &[]);
    check(&four, |trigger| trigger.runs = None, &[]);
    // Nobody reads the branch: what is known is known all the same.
    check(&four, |trigger| trigger.head = None, &["cart-1-1", "cart-2-1"]);
    check(&four, |trigger| trigger.memory = crate::trigger::memory::Memory::default(), &[]);
    // The last one has just ended: its end has to be written first, the others' is.
    let fresh = |trigger: &mut Trigger| {
        let known = trigger.memory.components.values_mut().next().expect("a component");
        known.attempted.as_mut().expect("an attempt").outcome = None;
        trigger.rules.history.failed = 0;
    };
    check(&[GOOD, BAD, BAD], fresh, &["cart-2-1"]);
}

#[test]
fn what_is_no_component_any_more_keeps_what_history_asks_for() {
    check(&[GOOD, GOOD, GOOD], |trigger| trigger.push(9, &[("web", "")]), &["cart-1-1"]);
}

#[test]
fn so_many_go_at_a_time() {
    let mut trigger = built(&[BAD; 130]);
    assert_eq!(trigger.plan().remove.len(), 100);
    trigger.step();
    trigger.step();
    assert_eq!(trigger.names().len(), 1);
}
