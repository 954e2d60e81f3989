//! What live runs say, and what crashes leave.

use jiff::Timestamp;

use super::fixture::{Trigger, at, inputs, name, rests};
use crate::trigger::{
    plan::fact::Event,
    run::{Attempt, Outcome, Run, State},
};

fn only(trigger: &Trigger) -> &crate::trigger::memory::Known {
    &trigger.memory.components[&name("cart")]
}

#[test]
fn what_is_begun_is_created_until_it_is_seen_and_then_never_again() {
    let mut trigger = Trigger::new();
    trigger.push(1, &[("cart", "A")]);
    let first = trigger.write().create;
    assert_eq!(first[0].attempt, Attempt { number: 1, round: 1 });
    // Killed before it was created, or the answer was lost, or the watch is late.
    for _ in 0..3 {
        let again = trigger.write();
        assert_eq!((again.create, again.facts), (first.clone(), Vec::new()));
    }
    trigger.step();
    assert_eq!(trigger.names(), ["cart-1-1"]);
    trigger.step();
    assert_eq!(only(&trigger).attempted.as_ref().and_then(|last| last.run.as_deref()), Some("cart-1-1"));
    rests(&trigger);
}

#[test]
fn a_run_that_vanishes_counts_as_cancelled_and_is_not_built_again() {
    let mut trigger = Trigger::new();
    trigger.push(1, &[("cart", "A")]);
    trigger.step();
    trigger.step();
    trigger.runs = Some(Vec::new());
    let planned = trigger.write();
    assert_eq!(planned.facts.iter().map(|fact| fact.event.clone()).collect::<Vec<_>>(), [Event::Vanished]);
    assert_eq!(planned.facts[0].event.outcome(), Some(Outcome::Cancelled));
    let last = only(&trigger).attempted.clone().expect("an attempt");
    assert_eq!(last.outcome, Some((Outcome::Cancelled, at(1000))));
    assert_eq!(last.message, "it was deleted before it ended: nobody knows how it would have ended");
    rests(&trigger);
}

#[test]
fn an_end_is_told_with_the_time_since_when_the_run_had_worked() {
    let check = |began: Option<Timestamp>| {
        let mut trigger = Trigger::new();
        trigger.push(1, &[("cart", "A")]);
        trigger.step();
        trigger.step();
        trigger.end("cart-1-1", Outcome::Failed);
        let run = trigger.runs.iter_mut().flatten().next().expect("a run");
        let State::Ended(end) = &mut run.state else { panic!("{:?} has not ended", run.state) };
        end.started = began;
        let events: Vec<_> = trigger.write().facts.into_iter().map(|fact| fact.event).collect();
        let [Event::Ended { outcome: Outcome::Failed, started, .. }] = &events[..] else { panic!("{events:?}") };
        assert_eq!((*started, events[0].outcome()), (began, Some(Outcome::Failed)));
    };
    check(Some(at(950)));
    check(None);
}

#[test]
fn runs_that_the_status_does_not_know_are_taken_down_and_not_built_again() {
    let run = |number, text: &str| {
        let attempt = Attempt { number, round: 1 };
        let mut run = Run { attempt, ..Run::example(&format!("cart-{number}-1"), at(900)) };
        run.build.inputs = inputs(text);
        run
    };
    let mut trigger = Trigger::new();
    trigger.runs = Some(vec![run(7, "A"), run(6, "B")]);
    trigger.end("cart-6-1", Outcome::Succeeded);
    trigger.push(1, &[("cart", "A")]);
    assert_eq!(trigger.step(), ["cart of aaaaaaa succeeded: it says why", "cart of aaaaaaa is being built"]);
    assert_eq!(trigger.names(), ["cart-7-1", "cart-6-1"]);
    let known = only(&trigger);
    assert_eq!((known.attempt, known.succeeded.as_ref().map(|last| last.number)), (7, Some(6)));
    trigger.end("cart-7-1", Outcome::Failed);
    trigger.step();
    trigger.push(2, &[("cart", "B")]);
    trigger.step();
    assert!(trigger.names().contains(&"cart-8-1"), "numbers go on after those of live runs");
}

#[test]
fn a_build_that_ends_late_does_not_replace_a_later_success() {
    let mut trigger = Trigger::new();
    trigger.rules.limit = 2;
    trigger.push(1, &[("cart", "A")]);
    trigger.step();
    trigger.push(2, &[("cart", "B")]);
    trigger.step();
    trigger.step();
    trigger.end("cart-2-1", Outcome::Succeeded);
    trigger.step();
    assert_eq!(only(&trigger).earlier.len(), 1);
    trigger.end("cart-1-1", Outcome::Succeeded);
    assert_eq!(trigger.step(), ["cart of 0000001 succeeded: it says why"]);
    let known = only(&trigger);
    assert_eq!((known.earlier.len(), known.succeeded.as_ref().map(|last| last.number)), (0, Some(2)));
    rests(&trigger);
}

#[test]
fn what_the_api_server_refuses_for_good_is_said_and_not_tried_for_ever() {
    let mut trigger = Trigger::new();
    trigger.push(1, &[("cart", "A")]);
    let create = trigger.write().create.remove(0);
    assert!(trigger.memory.refuse(&name("cart"), create.attempt, "spec.params is no list", at(1001)));
    assert!(!trigger.memory.refuse(&name("cart"), create.attempt, "spec.params is no list", at(1001)), "it is no news");
    rests(&trigger);
    assert_eq!(only(&trigger).attempted.as_ref().map(|last| last.message.as_str()), Some("spec.params is no list"));
    // It was created all the same, by an earlier try.
    let attempt = create.attempt;
    trigger.runs = Some(vec![Run { build: create.build, attempt, ..Run::example("cart-1-1", at(1000)) }]);
    trigger.step();
    trigger.end("cart-1-1", Outcome::Succeeded);
    assert_eq!(trigger.step(), ["cart of 0000001 succeeded: it says why"]);
    trigger.push(2, &[("cart", "B")]);
    assert_eq!(trigger.step().len(), 2);
}

#[test]
fn of_components_that_are_none_any_more_only_so_many_are_remembered() {
    let mut trigger = Trigger::new();
    let names: Vec<String> = (0..120).map(|number| format!("c{number:03}")).collect();
    let all: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "A")).collect();
    trigger.push(1, &all);
    trigger.head.as_mut().expect("a head").passed_over = true;
    trigger.step();
    assert_eq!(trigger.memory.components.len(), 120);
    trigger.push(2, &[]);
    trigger.step();
    assert_eq!(trigger.memory.components.len(), 100);
}
