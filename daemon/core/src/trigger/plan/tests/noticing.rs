//! What the branch has: changes are noticed once, and wait or are passed over.

use super::fixture::{Trigger, at, inputs, name, rests};
use crate::trigger::{
    plan::Why,
    rules::{Initial, Supersede},
    run::Outcome,
};

#[test]
fn a_component_is_built_when_its_inputs_change_and_only_then() {
    let mut trigger = Trigger::new();
    trigger.rules.limit = 2;
    trigger.push(1, &[("cart", "A"), ("docs", ""), ("web", "X")]);
    let told = [
        "cart of 0000001 waits to be built",
        "web of 0000001 waits to be built",
        "cart of 0000001 is being built",
        "web of 0000001 is being built",
    ];
    assert_eq!(trigger.step(), told);
    assert_eq!(trigger.names(), ["cart-1-1", "web-1-1"]);
    trigger.end("cart-1-1", Outcome::Succeeded);
    trigger.end("web-1-1", Outcome::Failed);
    let told = ["cart of 0000001 succeeded: it says why", "web of 0000001 failed: it says why"];
    assert_eq!(trigger.step(), told);
    rests(&trigger);
    // Another commit, the same inputs: what failed is not built again either.
    trigger.push(2, &[("cart", "A"), ("docs", ""), ("web", "X")]);
    assert!(trigger.step().is_empty());
    trigger.push(3, &[("cart", "A"), ("docs", ""), ("web", "Y")]);
    assert_eq!(trigger.step(), ["web of 0000003 waits to be built", "web of 0000003 is being built"]);
    // A force push back to an older commit is a change like any other.
    trigger.end("web-2-1", Outcome::Succeeded);
    trigger.push(1, &[("cart", "A"), ("docs", ""), ("web", "X")]);
    trigger.step();
    assert_eq!(trigger.names(), ["cart-1-1", "web-1-1", "web-2-1", "web-3-1"]);
}

#[test]
fn a_commit_that_asks_for_it_is_passed_over_once() {
    let mut trigger = Trigger::new();
    trigger.build(1, &[("cart", "A")]);
    trigger.push(2, &[("cart", "B")]);
    trigger.head.as_mut().expect("a head").passed_over = true;
    assert_eq!(trigger.step(), ["cart of 0000002 is not built: the commit asks for that"]);
    rests(&trigger);
    // The next commit has the same inputs, and does not ask for anything.
    trigger.push(3, &[("cart", "B")]);
    assert!(trigger.step().is_empty());
    trigger.push(4, &[("cart", "A")]);
    assert!(trigger.step().is_empty(), "it is what was built last");
    trigger.push(5, &[("cart", "C")]);
    trigger.step();
    assert_eq!(trigger.names(), ["cart-1-1", "cart-2-1"]);
}

#[test]
fn what_waits_when_a_commit_is_passed_over_is_built() {
    let mut trigger = Trigger::new();
    trigger.push(1, &[("cart", "A"), ("web", "X")]);
    trigger.step();
    trigger.push(2, &[("cart", "A"), ("web", "Y")]);
    trigger.head.as_mut().expect("a head").passed_over = true;
    trigger.end("cart-1-1", Outcome::Succeeded);
    let told = trigger.step();
    assert!(told.contains(&"web of 0000002 is not built: the commit asks for that".to_owned()), "{told:?}");
    assert_eq!(trigger.runs.as_ref().expect("runs")[1].build.inputs, inputs("X"));
}

#[test]
fn a_trigger_may_skip_what_it_sees_for_the_first_time() {
    let mut trigger = Trigger::new();
    trigger.rules.initial = Initial::Skip;
    trigger.push(1, &[("cart", "A")]);
    assert_eq!(
        trigger.step(),
        ["cart of 0000001 is not built: it was seen for the first time, and spec.initial is Skip"]
    );
    rests(&trigger);
    trigger.push(2, &[("cart", "B"), ("web", "X")]);
    trigger.step();
    assert_eq!(trigger.names(), ["cart-1-1"]);
}

#[test]
fn a_component_that_comes_back_is_built_if_it_changed_meanwhile() {
    let mut trigger = Trigger::new();
    trigger.build(1, &[("cart", "A")]);
    trigger.push(2, &[]);
    assert!(trigger.step().is_empty());
    trigger.push(3, &[("cart", "A")]);
    assert!(trigger.step().is_empty());
    trigger.push(4, &[]);
    trigger.step();
    trigger.push(5, &[("cart", "B")]);
    trigger.step();
    assert_eq!(trigger.names(), ["cart-1-1", "cart-2-1"]);
}

#[test]
fn what_waits_goes_with_its_component_and_with_its_files() {
    for (components, why) in [
        (&[("cart", "A")][..], "the trigger has no such component any more"),
        (&[("cart", "A"), ("web", "")][..], "the component reads no file of 0000002"),
    ] {
        let mut trigger = Trigger::new();
        trigger.push(1, &[("cart", "A"), ("web", "X")]);
        trigger.step();
        trigger.push(2, components);
        assert_eq!(trigger.step(), [format!("web of 0000001 waits no longer: {why}")]);
        rests(&trigger);
        // It never began: when it is back, it is a change.
        trigger.push(3, &[("cart", "A"), ("web", "X")]);
        assert_eq!(trigger.step(), ["web of 0000003 waits to be built"]);
    }
}

#[test]
fn commits_of_plumb_itself_build_nothing_and_hide_nothing() {
    let mut trigger = Trigger::new();
    trigger.build(1, &[("cart", "A")]);
    trigger.push(2, &[("cart", "A2")]);
    trigger.absorbed = [(name("cart"), inputs("A2"))].into();
    assert!(trigger.step().is_empty());
    rests(&trigger);
    trigger.absorbed.clear();
    trigger.push(3, &[("cart", "A2")]);
    assert!(trigger.step().is_empty(), "the next commit has the same inputs");
    // What is absorbed is these inputs, and no others.
    trigger.absorbed = [(name("cart"), inputs("A3"))].into();
    trigger.push(4, &[("cart", "B")]);
    assert_eq!(trigger.step().len(), 2);
}

#[test]
fn what_waits_is_built_at_the_newest_commit_with_the_same_inputs() {
    let mut trigger = Trigger::new();
    trigger.push(1, &[("cart", "A"), ("web", "X")]);
    trigger.step();
    trigger.now = 1010;
    trigger.push(2, &[("cart", "A"), ("web", "X")]);
    assert!(trigger.step().is_empty());
    let queued = trigger.plan().queued;
    let expected = (super::fixture::commit(2), at(1000), Why::Limit(1));
    assert_eq!((queued[0].build.commit.clone(), queued[0].since, queued[0].why), expected);
}

#[test]
fn with_none_each_commit_that_was_seen_is_built_and_otherwise_the_newest() {
    for (supersede, expected) in
        [(Supersede::None, vec!["B", "C"]), (Supersede::DropQueued, vec!["C"]), (Supersede::CancelRunning, vec!["C"])]
    {
        let mut trigger = Trigger::new();
        trigger.rules.supersede = supersede;
        trigger.build(1, &[("cart", "A")]);
        trigger.room = 0;
        trigger.push(2, &[("cart", "B")]);
        trigger.step();
        trigger.push(3, &[("cart", "C")]);
        trigger.step();
        let queued: Vec<_> = trigger.plan().queued.into_iter().map(|queued| queued.build.inputs.0).collect();
        assert_eq!(queued, expected, "{supersede:?}");
    }
}

#[test]
fn a_branch_that_is_back_where_it_was_leaves_nothing_waiting() {
    let mut trigger = Trigger::new();
    trigger.build(1, &[("cart", "A")]);
    trigger.room = 0;
    trigger.push(2, &[("cart", "B")]);
    trigger.step();
    trigger.push(1, &[("cart", "A")]);
    let told = ["cart of 0000002 waits no longer: with 0000001 the branch is back at what was built last"];
    assert_eq!(trigger.step(), told);
    trigger.room = 1;
    rests(&trigger);
}

#[test]
fn what_waits_moves_along_with_commits_of_plumb_itself() {
    let check = |asked: bool, contents: &[&str], expected: &[(u32, &str)]| {
        let mut trigger = Trigger::new();
        trigger.rules.supersede = Supersede::None;
        trigger.build(1, &[("cart", "A")]);
        trigger.room = 0;
        let mut newest = 1;
        for content in contents {
            newest += 1;
            trigger.push(newest, &[("cart", content)]);
            trigger.step();
        }
        if asked {
            trigger.ask("r1", Some("cart"), newest, &[("cart", contents[contents.len() - 1])]);
            trigger.step();
        }
        trigger.push(9, &[("cart", "own")]);
        trigger.absorbed = [(name("cart"), inputs("own"))].into();
        trigger.step();
        rests(&trigger);
        let queued = trigger.plan().queued;
        let queued: Vec<_> =
            queued.iter().map(|queued| (&queued.build.commit, queued.build.inputs.0.as_str())).collect();
        let expected: Vec<_> =
            expected.iter().map(|(number, inputs)| (super::fixture::commit(*number), *inputs)).collect();
        assert_eq!(queued, expected.iter().map(|(commit, inputs)| (commit, *inputs)).collect::<Vec<_>>());
    };
    check(false, &["B"], &[(9, "own")]);
    // Only the last of them is what the branch has.
    check(false, &["B", "C", "B"], &[(2, "B"), (3, "C"), (9, "own")]);
    check(false, &["own", "B"], &[(9, "own")]);
    // A person asked for it as it was.
    check(true, &["B"], &[(2, "B"), (9, "own")]);
}

#[test]
fn what_the_branch_comes_back_to_is_built_behind_what_it_had_before() {
    let mut trigger = Trigger::new();
    trigger.rules.supersede = Supersede::None;
    trigger.build(1, &[("cart", "A")]);
    trigger.room = 0;
    trigger.ask("r1", Some("cart"), 5, &[("cart", "B")]);
    trigger.step();
    trigger.push(6, &[("cart", "C")]);
    trigger.step();
    trigger.push(5, &[("cart", "B")]);
    trigger.step();
    let queued: Vec<_> = trigger.plan().queued.into_iter().map(|queued| queued.build.inputs.0).collect();
    assert_eq!(queued, ["C", "B"]);
}
