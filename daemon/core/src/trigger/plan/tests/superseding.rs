//! What gives way to a newer commit, and what does not.

use super::fixture::{Trigger, inputs, name, rests};
use crate::trigger::{
    rules::Supersede,
    run::{Outcome, Run},
};

fn cancelling() -> Trigger {
    let mut trigger = Trigger::new();
    trigger.rules.supersede = Supersede::CancelRunning;
    trigger
}

fn ending(trigger: &Trigger) -> Vec<&str> {
    let ends = |run: &&Run| run.ending && run.is_under_way();
    trigger.runs.iter().flatten().filter(ends).map(|run| run.name.as_str()).collect()
}

#[test]
fn a_run_ends_so_that_the_newer_commit_takes_its_place() {
    let mut trigger = cancelling();
    trigger.push(1, &[("cart", "A")]);
    trigger.step();
    trigger.push(2, &[("cart", "B")]);
    assert_eq!(trigger.step(), ["cart of 0000002 waits to be built", "cart of 0000001 gives way to 0000002"]);
    assert_eq!(ending(&trigger), ["cart-1-1"]);
    rests(&trigger);
    // Another component with an older commit does not take the place that was made.
    trigger.push(2, &[("aside", "Z"), ("cart", "B")]);
    trigger.step();
    trigger.end("cart-1-1", Outcome::Cancelled);
    trigger.step();
    assert_eq!(trigger.names(), ["cart-1-1", "cart-2-1"]);
}

#[test]
fn with_room_for_both_the_older_ends_once_the_newer_is_there() {
    let mut trigger = cancelling();
    trigger.rules.limit = 2;
    trigger.push(1, &[("cart", "A")]);
    trigger.step();
    trigger.push(2, &[("cart", "B")]);
    let planned = trigger.plan();
    assert_eq!((planned.create.len(), planned.cancel.len()), (1, 0));
    let _ = trigger.write();
    assert!(trigger.plan().cancel.is_empty(), "it could not be created yet");
    trigger.step();
    assert_eq!(trigger.step(), ["cart of 0000001 gives way to 0000002"]);
    assert_eq!(ending(&trigger), ["cart-1-1"]);
}

#[test]
fn nothing_ends_where_nothing_takes_its_place() {
    let check = |change: fn(&mut Trigger)| {
        let mut trigger = cancelling();
        trigger.push(1, &[("cart", "A")]);
        trigger.step();
        trigger.push(2, &[("cart", "B")]);
        change(&mut trigger);
        trigger.step();
        assert_eq!(ending(&trigger), Vec::<&str>::new());
    };
    check(|trigger| trigger.rules.supersede = Supersede::None);
    check(|trigger| trigger.rules.supersede = Supersede::DropQueued);
    check(|trigger| trigger.rules.suspended = true);
    check(|trigger| trigger.rules.limit = 0);
    check(|trigger| trigger.head.as_mut().expect("a head").passed_over = true);
    check(|trigger| trigger.push(2, &[("cart", ""), ("web", "X")]));
    check(|trigger| trigger.push(2, &[("cart", "A"), ("web", "X")]));
    check(|trigger| trigger.push(2, &[("web", "X")]));
    check(|trigger| trigger.head = None);
    // The place of one run would not do: three more are under way.
    check(|trigger| {
        let runs = trigger.runs.as_mut().expect("runs");
        for (number, component) in ["b", "c", "d"].into_iter().enumerate() {
            let mut run = Run { ..Run::example(&format!("{component}-1-1"), super::fixture::at(1)) };
            run.build.component = super::fixture::name(component);
            run.uid = format!("other-{number}");
            runs.push(run);
        }
    });
}

#[test]
fn what_gave_way_is_built_again_if_the_branch_comes_back_to_it() {
    let mut trigger = cancelling();
    trigger.push(1, &[("cart", "A")]);
    trigger.step();
    trigger.push(2, &[("cart", "B")]);
    trigger.step();
    trigger.push(1, &[("cart", "A")]);
    trigger.step();
    trigger.end("cart-1-1", Outcome::Cancelled);
    trigger.step();
    assert_eq!(trigger.names(), ["cart-1-1", "cart-2-1"]);
    assert_eq!(trigger.runs.as_ref().expect("runs")[1].build.inputs.0, "A");
}

#[test]
fn what_may_have_been_asked_to_end_is_not_relied_on() {
    let check = |outcome, expected: &[&str]| {
        let mut trigger = cancelling();
        trigger.push(1, &[("cart", "A")]);
        trigger.step();
        trigger.push(2, &[("cart", "B")]);
        // Killed, and nobody knows whether it was asked to end.
        assert_eq!(trigger.write().cancel.len(), 1);
        trigger.push(1, &[("cart", "A")]);
        trigger.step();
        assert_eq!((ending(&trigger), trigger.plan().queued.len()), (vec!["cart-1-1"], 1));
        trigger.end("cart-1-1", outcome);
        trigger.step();
        assert_eq!(trigger.names(), expected);
    };
    check(Outcome::Cancelled, &["cart-1-1", "cart-2-1"]);
    // It was faster than the request.
    check(Outcome::Succeeded, &["cart-1-1"]);
    check(Outcome::Failed, &["cart-1-1"]);
}

#[test]
fn what_was_begun_is_created_though_a_newer_commit_waits() {
    for supersede in [Supersede::None, Supersede::DropQueued, Supersede::CancelRunning] {
        let mut trigger = Trigger::new();
        trigger.rules.supersede = supersede;
        trigger.push(1, &[("cart", "A")]);
        let _ = trigger.write();
        trigger.push(2, &[("cart", "B")]);
        // It may be there already, and nobody has seen it: beside it there is no place.
        trigger.step();
        assert_eq!(trigger.names(), ["cart-1-1"], "{supersede:?}");
        trigger.step();
        assert_eq!(ending(&trigger).len(), usize::from(supersede == Supersede::CancelRunning));
    }
}

#[test]
fn what_a_person_asked_for_does_not_give_way() {
    // Whether the branch had led to it before, or only the request did.
    for (number, reads) in [(2, "B"), (1, "A")] {
        for limit in [1, 2] {
            let mut trigger = cancelling();
            trigger.build(1, &[("cart", "A")]);
            trigger.rules.limit = limit;
            trigger.push(2, &[("cart", "B")]);
            if number == 2 {
                trigger.step();
            }
            trigger.ask("r1", Some("cart"), number, &[("cart", reads)]);
            trigger.head.as_mut().expect("a head").passed_over = number == 1;
            trigger.step();
            trigger.push(3, &[("cart", "C")]);
            for _ in 0..3 {
                trigger.step();
            }
            assert_eq!(ending(&trigger), Vec::<&str>::new(), "{number} {limit}");
            let asked = if number == 2 { "cart-2-1" } else { "cart-1-2" };
            assert!(trigger.names().contains(&asked), "{:?}", trigger.names());
            trigger.end(asked, Outcome::Succeeded);
            trigger.step();
            let last = trigger.runs.iter().flatten().next_back().map(|run| run.build.inputs.0.as_str());
            assert_eq!(last, Some("C"), "{number} {limit}");
        }
    }
}

#[test]
fn what_was_faster_than_its_end_counts_as_built() {
    let mut trigger = cancelling();
    trigger.push(1, &[("cart", "A")]);
    trigger.step();
    // plumb's own commit, and a person takes it back.
    trigger.push(2, &[("cart", "A2")]);
    trigger.absorbed = [(name("cart"), inputs("A2"))].into();
    trigger.step();
    trigger.absorbed.clear();
    trigger.push(3, &[("cart", "A")]);
    assert_eq!(trigger.step(), ["cart of 0000003 waits to be built", "cart of 0000001 gives way to 0000003"]);
    trigger.end("cart-1-1", Outcome::Succeeded);
    trigger.step();
    rests(&trigger);
    trigger.room = 0;
    trigger.push(4, &[("cart", "A2")]);
    assert_eq!(trigger.step(), ["cart of 0000004 waits to be built"]);
    trigger.push(5, &[("cart", "A")]);
    let told = ["cart of 0000004 waits no longer: with 0000005 the branch is back at what was built last"];
    assert_eq!(trigger.step(), told);
}
