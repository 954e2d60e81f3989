//! Who begins, and what the others wait for.

use super::fixture::{Trigger, at, rests};
use crate::trigger::{
    plan::Why,
    rules::Supersede,
    run::{Outcome, State},
};

#[test]
fn older_commits_begin_first_and_no_more_than_may_be() {
    let mut trigger = Trigger::new();
    trigger.room = 0;
    trigger.push(3, &[("cart", "A")]);
    trigger.step();
    trigger.push(2, &[("cart", "A"), ("docs", "D"), ("web", "X")]);
    trigger.rules.limit = 2;
    trigger.step();
    let order = |trigger: &Trigger| -> Vec<_> {
        trigger.plan().queued.into_iter().map(|queued| (queued.build.component.to_string(), queued.why)).collect()
    };
    let all = |why| ["cart", "docs", "web"].map(|name| (name.to_owned(), why)).to_vec();
    assert_eq!(order(&trigger), all(Why::Room), "it is built at the commit that the branch has now");
    trigger.room = 1;
    assert_eq!(trigger.plan().create.len(), 1);
    trigger.room = 5;
    trigger.step();
    assert_eq!(trigger.names(), ["cart-1-1", "docs-1-1"]);
    assert_eq!(order(&trigger), [("web".to_owned(), Why::Limit(2))]);
    // A run counts until it has ended, whatever was asked of it.
    trigger.step();
    trigger.runs.as_mut().expect("runs")[0].ending = true;
    trigger.runs.as_mut().expect("runs")[1].deleting = true;
    rests(&trigger);
    trigger.end("docs-1-1", Outcome::Cancelled);
    trigger.step();
    assert_eq!(trigger.names(), ["cart-1-1", "docs-1-1", "web-1-1"]);
    assert_eq!(trigger.plan().running, 2);
}

#[test]
fn of_one_component_the_earlier_seen_begins_first_whatever_the_commits_say() {
    let mut trigger = Trigger::new();
    trigger.rules.supersede = Supersede::None;
    trigger.room = 0;
    trigger.push(9, &[("cart", "A")]);
    trigger.step();
    trigger.push(5, &[("cart", "B")]);
    trigger.step();
    trigger.room = 1;
    trigger.step();
    assert_eq!(trigger.runs.as_ref().expect("runs")[0].build.inputs.0, "A");
}

#[test]
fn nothing_begins_while_something_is_not_known_or_the_trigger_is_suspended() {
    let check = |change: fn(&mut Trigger), why: Option<Why>| {
        let mut trigger = Trigger::new();
        trigger.push(1, &[("cart", "A"), ("web", "X")]);
        trigger.step();
        trigger.end("cart-1-1", Outcome::Succeeded);
        change(&mut trigger);
        let planned = trigger.plan();
        assert!(planned.create.is_empty() && planned.cancel.is_empty() && planned.remove.is_empty());
        assert_eq!(planned.queued.first().map(|queued| queued.why), why);
        let seen = trigger.runs.is_some();
        assert_eq!(planned.facts.len(), usize::from(seen), "ended runs are taken in");
    };
    check(|trigger| trigger.runs = None, Some(Why::RunsUnknown));
    check(|trigger| trigger.head = None, Some(Why::Unreadable));
    check(|trigger| trigger.rules.suspended = true, Some(Why::Suspended));
    check(|trigger| trigger.room = 0, Some(Why::Room));
}

#[test]
fn what_it_ran_on_failed_and_it_is_tried_again_later_and_not_for_ever() {
    let mut trigger = Trigger::new();
    trigger.rules.history.failed = 9;
    trigger.push(1, &[("cart", "A")]);
    trigger.step();
    for (round, pause) in [(1, 10), (2, 20)] {
        trigger.end(&format!("cart-1-{round}"), Outcome::Infrastructure);
        assert_eq!(trigger.step(), ["cart of 0000001 failed because of what it ran on: it says why"]);
        let planned = trigger.plan();
        let due = at(trigger.now + pause);
        assert_eq!((planned.queued[0].why, planned.again), (Why::Pause(due), Some(due)));
        trigger.now += pause - 1;
        rests(&trigger);
        trigger.now += 1;
        assert_eq!(trigger.step(), [format!("cart of 0000001 is tried again, for the {round}. time")]);
        trigger.step();
    }
    assert_eq!(trigger.names(), ["cart-1-1", "cart-1-2", "cart-1-3"]);
    trigger.end("cart-1-3", Outcome::Infrastructure);
    trigger.step();
    trigger.now += 500;
    let planned = trigger.plan();
    assert!(planned.create.is_empty() && planned.queued.is_empty(), "two rounds more are all");
}

#[test]
fn a_failure_of_its_own_is_not_tried_again() {
    for outcome in [Outcome::Failed, Outcome::Misconfigured, Outcome::Cancelled] {
        let mut trigger = Trigger::new();
        trigger.push(1, &[("cart", "A")]);
        trigger.step();
        trigger.end("cart-1-1", outcome);
        trigger.step();
        trigger.now += 500;
        rests(&trigger);
        assert!(trigger.plan().queued.is_empty(), "{outcome:?}");
    }
}

#[test]
fn a_newer_change_comes_before_a_retry() {
    let mut trigger = Trigger::new();
    trigger.push(1, &[("cart", "A")]);
    trigger.step();
    trigger.end("cart-1-1", Outcome::Infrastructure);
    trigger.push(2, &[("cart", "B")]);
    trigger.step();
    assert_eq!(trigger.names(), ["cart-1-1", "cart-2-1"]);
}

#[test]
fn a_run_that_does_not_get_on_is_looked_at_again_when_it_becomes_an_alarm() {
    let mut trigger = Trigger::new();
    trigger.push(1, &[("cart", "A")]);
    trigger.step();
    assert_eq!(trigger.plan().again, Some(at(1300)));
    trigger.runs.as_mut().expect("runs")[0].state = State::Running { since: at(1001), waits: None };
    assert_eq!(trigger.plan().again, None);
}
