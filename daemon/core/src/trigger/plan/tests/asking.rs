//! Builds that people ask for.

use super::fixture::{Trigger, rests};
use crate::trigger::{
    plan::{Handled, Why},
    run::{Outcome, ROUND_MAX},
};

#[test]
fn the_same_commit_again_is_another_round() {
    let mut trigger = Trigger::new();
    trigger.build(1, &[("cart", "A")]);
    trigger.ask("r1", Some("cart"), 1, &[("cart", "A")]);
    assert_eq!(trigger.plan().handled, [Handled { id: "r1".to_owned(), refused: None }]);
    assert_eq!(
        trigger.step(),
        ["cart of 0000001 waits to be built", "cart of 0000001 is being built, as asked for by hand (r1)"]
    );
    trigger.step();
    rests(&trigger);
    trigger.end("cart-1-2", Outcome::Failed);
    trigger.step();
    trigger.ask("r2", None, 1, &[("cart", "A"), ("gone", "G")]);
    trigger.step();
    assert_eq!(trigger.names(), ["cart-1-1", "cart-1-2", "cart-1-3"]);
}

#[test]
fn rounds_are_bounded_and_then_it_is_another_attempt() {
    let mut trigger = Trigger::new();
    trigger.build(1, &[("cart", "A")]);
    let known = trigger.memory.components.values_mut().next().expect("a component");
    known.attempted.as_mut().expect("an attempt").round = ROUND_MAX;
    trigger.ask("r1", Some("cart"), 1, &[("cart", "A")]);
    trigger.step();
    assert!(trigger.names().contains(&"cart-2-1"), "{:?}", trigger.names());
}

#[test]
fn an_older_commit_is_another_attempt_and_the_branch_is_not_built_again_for_it() {
    let mut trigger = Trigger::new();
    trigger.build(1, &[("cart", "A")]);
    trigger.build(2, &[("cart", "B")]);
    trigger.ask("r1", Some("cart"), 1, &[("cart", "A")]);
    trigger.step();
    assert!(trigger.names().contains(&"cart-3-1"));
    trigger.end("cart-3-1", Outcome::Succeeded);
    trigger.step();
    rests(&trigger);
    assert!(trigger.plan().queued.is_empty());
}

#[test]
fn what_is_under_way_or_waits_is_not_built_twice() {
    let mut trigger = Trigger::new();
    trigger.push(1, &[("cart", "A"), ("web", "X")]);
    trigger.step();
    trigger.ask("r1", None, 1, &[("cart", "A"), ("web", "X")]);
    let told = |name| format!("{name} of 0000001 is being built, or waits, already: nothing more is done for r1");
    assert_eq!(trigger.step(), [told("cart"), told("web")]);
    let queued = trigger.plan().queued;
    assert_eq!((queued.len(), queued[0].why), (1, Why::Limit(1)));
    // A person waits for it now: a newer commit does not drop it.
    trigger.push(2, &[("cart", "A"), ("web", "Y")]);
    trigger.step();
    assert_eq!(trigger.plan().queued.len(), 2);
}

#[test]
fn what_was_asked_for_before_the_branch_had_it_is_not_built_again() {
    let mut trigger = Trigger::new();
    trigger.build(1, &[("cart", "A")]);
    trigger.ask("r1", Some("cart"), 2, &[("cart", "B")]);
    trigger.step();
    trigger.push(2, &[("cart", "B")]);
    assert!(trigger.step().is_empty(), "it is under way");
    trigger.end("cart-2-1", Outcome::Failed);
    trigger.step();
    rests(&trigger);
    assert_eq!(trigger.names(), ["cart-1-1", "cart-2-1"]);
}

#[test]
fn what_can_not_be_built_is_refused_in_words() {
    let check = |component: Option<&str>, components: &[(&str, &str)], why: &str| {
        let mut trigger = Trigger::new();
        trigger.build(1, &[("cart", "A")]);
        trigger.ask("r1", component, 2, components);
        let planned = trigger.plan();
        assert_eq!(planned.handled, [Handled { id: "r1".to_owned(), refused: Some(why.to_owned()) }]);
        assert!(planned.create.is_empty() && planned.queued.is_empty() && planned.facts.is_empty());
    };
    check(Some("web"), &[("cart", "A"), ("web", "X")], "the trigger has no component web");
    check(Some("cart"), &[("cart", "")], "the component cart reads no file of 0000002");
    check(None, &[("cart", ""), ("web", "X")], "no component reads a file of 0000002");
}

#[test]
fn a_request_waits_until_it_can_be_taken_in() {
    let mut trigger = Trigger::new();
    trigger.build(1, &[("cart", "A")]);
    for change in [|trigger: &mut Trigger| trigger.head = None, |trigger: &mut Trigger| trigger.runs = None] {
        let (head, runs) = (trigger.head.clone(), trigger.runs.clone());
        trigger.ask("r1", Some("cart"), 1, &[("cart", "A")]);
        change(&mut trigger);
        assert!(trigger.plan().handled.is_empty());
        (trigger.head, trigger.runs) = (head, runs);
    }
}
