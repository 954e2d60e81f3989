//! One Lease and one process, step by step; the properties of many are in `tests/leases`.

use std::collections::BTreeMap;

use super::{
    elector::{Answer, Ask, Elector, Step, Want},
    shards::Shards,
    *,
};

fn id(name: &str) -> Replica {
    Replica::new(name)
}

fn timing() -> Timing {
    Timing::new(Duration::from_secs(15)).unwrap()
}

fn at(seconds: f64) -> Now {
    Now { uptime: Duration::from_secs_f64(seconds), wall: stamp(seconds), seed: 7 }
}

fn stamp(seconds: f64) -> Timestamp {
    Timestamp::from_microsecond((seconds * 1e6) as i64).unwrap()
}

fn lease(holder: Option<&str>, renewed: f64) -> Lease {
    Lease {
        holder: holder.map(id),
        duration: Duration::from_secs(15),
        acquired: Some(stamp(0.0)),
        renewed: Some(stamp(renewed)),
        transitions: 3,
        shards: 1,
        wanted_by: None,
    }
}

fn version(number: u64) -> Version {
    Version::new(number.to_string())
}

fn elector() -> Elector {
    Elector::new(id("me"), Some(id("before me")), timing(), 1)
}

/// Returns a process that has just read the Lease, at 100 s.
fn reader(found: Option<(Lease, Version)>) -> Elector {
    let mut elector = elector();
    assert_eq!(elector.poll(at(100.0), &Want::Hold), Step::Ask(Ask::Get));
    elector.answer(Answer::Found(found), at(100.0));
    elector
}

/// Returns a process that holds the Lease since 100 s, at version 1.
fn holder() -> Elector {
    let mut elector = reader(None);
    let Step::Ask(Ask::Create(_)) = elector.poll(at(100.0), &Want::Hold) else { panic!("it takes what is free") };
    elector.answer(Answer::Written(version(1)), at(100.1));
    elector
}

fn seconds(duration: f64) -> Duration {
    Duration::from_secs_f64(duration)
}

#[test]
fn the_times_are_client_gos() {
    let timing = timing();
    assert_eq!(timing.renew_deadline(), seconds(10.0));
    assert_eq!(timing.renew_after(), seconds(2.0));
    for wrong in [Duration::ZERO, seconds(1.0), seconds(15.5), seconds(4000.0)] {
        assert_eq!(Timing::new(wrong), Err(NoDuration(wrong)));
    }
}

#[test]
fn what_belongs_to_which_shard_never_changes() {
    for (name, of_three, of_sixteen) in [("team/repo", 2, 15), ("team/other", 0, 12), ("", 1, 4)] {
        assert_eq!((Shard::of(name, 3), Shard::of(name, 16)), (Shard(of_three), Shard(of_sixteen)), "{name}");
        assert_eq!(Shard::of(name, 1), Shard(0));
    }
}

#[test]
fn a_lease_is_taken_when_nobody_has_it_or_nobody_has_renewed_it_for_long_enough() {
    let check = |found: Option<Lease>, expected: Step| {
        let mut elector = reader(found.clone().map(|lease| (lease, version(1))));
        assert_eq!(elector.poll(at(101.0), &Want::Hold), expected, "{found:?}");
    };
    let mine = |before: Lease, transitions: u32| {
        let (holder, stamp) = (Some(id("me")), Some(stamp(101.0)));
        let lease = Lease { holder, acquired: stamp, renewed: stamp, transitions, ..before };
        Step::Ask(Ask::Update(lease, version(1)))
    };
    let made = Lease { acquired: Some(stamp(101.0)), transitions: 0, ..lease(Some("me"), 101.0) };
    check(None, Step::Ask(Ask::Create(made)));
    check(Some(lease(None, 90.0)), mine(lease(None, 90.0), 4));
    // However old its time of renewal is: clocks of others say nothing.
    check(Some(lease(Some("you"), 0.0)), Step::Wait(Some(seconds(115.0))));
    let short = Lease { duration: seconds(3.0), ..lease(Some("you"), 0.0) };
    check(Some(short), Step::Wait(Some(seconds(103.0))));
    // A process that certainly has ended holds nothing.
    check(Some(lease(Some("before me"), 99.0)), mine(lease(None, 99.0), 4));
}

#[test]
fn every_change_that_is_seen_begins_the_wait_anew_and_other_writes_do_not() {
    let mut elector = reader(Some((lease(Some("you"), 99.0), version(1))));
    elector.see(&lease(Some("you"), 105.0), &version(2), seconds(105.5));
    assert_eq!(elector.poll(at(106.0), &Want::Hold), Step::Wait(Some(seconds(120.5))));
    let marked = Lease { wanted_by: Some(id("somebody")), ..lease(Some("you"), 105.0) };
    elector.see(&marked, &version(3), seconds(108.0));
    assert_eq!(elector.poll(at(109.0), &Want::Hold), Step::Wait(Some(seconds(120.5))));
    elector.see(&lease(Some("you"), 99.0), &version(1), seconds(110.0));
    assert_eq!(elector.poll(at(111.0), &Want::Hold), Step::Wait(Some(seconds(120.5))), "an old state says nothing");
    assert!(matches!(elector.poll(at(120.5), &Want::Hold), Step::Ask(Ask::Update(_, at)) if at == version(3)));
}

#[test]
fn it_is_held_from_when_the_write_was_sent_and_renewed_in_time() {
    let mut elector = holder();
    assert_eq!(elector.held(seconds(109.9)), Some((1, seconds(110.0))));
    assert_eq!(elector.held(seconds(110.0)), None);
    let Step::Wait(Some(renewal)) = elector.poll(at(100.2), &Want::Hold) else { panic!("it was just taken") };
    assert!(renewal > seconds(101.7) && renewal < seconds(102.3), "{renewal:?}");
    let Step::Ask(Ask::Update(renewed, _)) = elector.poll(at(102.3), &Want::Hold) else { panic!("it is time") };
    assert_eq!((renewed.acquired, renewed.renewed), (Some(stamp(100.0)), Some(stamp(102.3))));
    assert_eq!(renewed.transitions, 0);
    elector.answer(Answer::Written(version(2)), at(103.0));
    assert_eq!(elector.held(seconds(112.0)), Some((1, seconds(112.3))), "the same term");
}

#[test]
fn who_was_away_for_too_long_has_another_term() {
    let mut elector = holder();
    assert_eq!(elector.held(seconds(500.0)), None);
    // Nobody has taken it in between, which only the write can tell.
    let Step::Ask(Ask::Update(_, seen)) = elector.poll(at(500.0), &Want::Hold) else { panic!("it is worth a try") };
    assert_eq!((elector.held(seconds(500.0)), seen), (None, version(1)));
    elector.answer(Answer::Written(version(2)), at(500.1));
    assert_eq!(elector.held(seconds(501.0)).map(|(term, _)| term), Some(2));
    // Somebody has: it is read, and left to them.
    assert!(matches!(elector.poll(at(900.0), &Want::Hold), Step::Ask(Ask::Update(..))));
    elector.answer(Answer::Conflict, at(900.1));
    assert_eq!(elector.poll(at(900.1), &Want::Hold), Step::Ask(Ask::Get));
    elector.answer(Answer::Found(Some((lease(Some("you"), 890.0), version(9)))), at(900.2));
    assert_eq!(elector.poll(at(900.3), &Want::Hold), Step::Wait(Some(seconds(915.2))));
}

#[test]
fn a_lost_answer_costs_no_more_than_time() {
    let mut elector = reader(None);
    assert!(matches!(elector.poll(at(100.0), &Want::Hold), Step::Ask(Ask::Create(_))));
    elector.answer(Answer::Failed, at(105.0));
    assert_eq!(elector.held(seconds(105.0)), None);
    assert!(matches!(elector.poll(at(105.0), &Want::Hold), Step::Wait(Some(_))), "not at once");
    assert!(matches!(elector.poll(at(107.5), &Want::Hold), Step::Ask(Ask::Create(_))));
    // It had arrived.
    elector.answer(Answer::Conflict, at(107.6));
    assert_eq!(elector.poll(at(107.6), &Want::Hold), Step::Ask(Ask::Get));
    elector.answer(Answer::Found(Some((lease(Some("me"), 100.0), version(1)))), at(107.7));
    assert_eq!(elector.held(seconds(107.7)), None, "from when nobody knows");
    assert!(matches!(elector.poll(at(107.7), &Want::Hold), Step::Ask(Ask::Update(..))));
    elector.answer(Answer::Written(version(2)), at(107.8));
    assert_eq!(elector.held(seconds(108.0)), Some((1, seconds(117.7))));
}

#[test]
fn an_answer_that_comes_too_late_gives_nothing() {
    let mut elector = reader(None);
    assert!(matches!(elector.poll(at(100.0), &Want::Hold), Step::Ask(Ask::Create(_))));
    elector.answer(Answer::Written(version(1)), at(111.0));
    assert_eq!(elector.held(seconds(111.0)), None);
    assert!(matches!(elector.poll(at(111.0), &Want::Hold), Step::Ask(Ask::Update(..))));
}

#[test]
fn a_release_ends_it_before_it_is_sent_and_lets_others_in_at_once() {
    let mut elector = holder();
    let Step::Ask(Ask::Update(released, _)) = elector.poll(at(100.5), &Want::Release(None)) else { panic!("at once") };
    assert_eq!((elector.held(seconds(100.5)), released.holder.clone()), (None, None));
    elector.answer(Answer::Written(version(2)), at(100.6));
    assert_eq!(elector.poll(at(100.7), &Want::StandBy), Step::Wait(None));
    let mut other = Elector::new(id("you"), None, timing(), 1);
    assert_eq!(other.poll(at(7.0), &Want::Hold), Step::Ask(Ask::Get));
    other.answer(Answer::Found(Some((released, version(2)))), at(7.0));
    assert!(matches!(other.poll(at(7.0), &Want::Hold), Step::Ask(Ask::Update(..))));
}

#[test]
fn a_lease_that_somebody_deletes_is_left_to_its_holder_until_it_would_have_expired() {
    let mut elector = reader(Some((lease(Some("you"), 99.0), version(1))));
    elector.doubt();
    assert_eq!(elector.poll(at(105.0), &Want::Hold), Step::Ask(Ask::Get));
    elector.answer(Answer::Found(None), at(105.0));
    assert_eq!(elector.poll(at(105.0), &Want::Hold), Step::Wait(Some(seconds(120.0))));
    assert!(matches!(elector.poll(at(120.0), &Want::Hold), Step::Ask(Ask::Create(_))));
    let mut holder = holder();
    holder.doubt();
    assert_eq!(holder.poll(at(101.0), &Want::Hold), Step::Ask(Ask::Get));
    holder.answer(Answer::Found(None), at(101.1));
    assert_eq!(holder.held(seconds(101.1)), None);
    assert!(matches!(holder.poll(at(101.1), &Want::Hold), Step::Ask(Ask::Create(_))), "and is the first to make it");
}

#[test]
fn versions_that_can_not_be_compared_are_read_again() {
    let mut elector = reader(Some((lease(Some("you"), 99.0), Version::new("a"))));
    elector.see(&lease(None, 101.0), &Version::new("b"), seconds(101.0));
    assert_eq!(elector.poll(at(101.0), &Want::Hold), Step::Ask(Ask::Get));
}

#[test]
fn a_tenure_begins_once_nobody_is_found_who_divides_the_work_otherwise() {
    let alone = BTreeMap::new();
    let others = BTreeMap::from([(Shard(2), (Lease { shards: 3, ..lease(Some("you"), 99.0) }, version(5)))]);
    let begin = |found: &BTreeMap<Shard, (Lease, Version)>| {
        let mut shards = Shards::new(id("me"), None, timing(), 1);
        assert!(shards.poll(at(100.0)).list, "first of all");
        shards.listed(Some(found), at(100.0));
        shards
    };
    let mut shards = begin(&alone);
    assert!(matches!(shards.poll(at(100.0)).asks.as_slice(), [(Shard(0), Ask::Create(_))]));
    shards.answer(Shard(0), Answer::Written(version(7)), at(100.1));
    assert_eq!(shards.tenures(seconds(100.1)).len(), 0);
    assert!(shards.poll(at(100.1)).list, "who came at the same time is found now");
    let mut collides = shards.clone();
    shards.listed(Some(&alone), at(100.2));
    assert_eq!(Vec::from_iter(shards.tenures(seconds(100.2))), [((Shard(0), 1), seconds(110.0))]);
    collides.listed(Some(&others), at(100.2));
    assert_eq!(collides.tenures(seconds(100.2)).len(), 0);
    let turn = collides.poll(at(100.3));
    assert!(matches!(turn.asks.as_slice(), [(Shard(0), Ask::Get)]), "it was not in the list: {turn:?}");
    collides.answer(Shard(0), Answer::Found(Some((lease(Some("me"), 100.0), version(7)))), at(100.3));
    let turn = collides.poll(at(100.3));
    let released = |ask: &Ask| matches!(ask, Ask::Update(Lease { holder: None, .. }, _));
    assert!(matches!(turn.asks.as_slice(), [(Shard(0), ask)] if released(ask)), "{turn:?}");
    // From the start: nothing is taken while they are there.
    let mut late = begin(&others);
    assert_eq!(late.divided_otherwise(seconds(101.0)), Some(3));
    assert_eq!(late.poll(at(101.0)).asks, []);
    assert_eq!(late.poll(at(115.0)).asks.len(), 1, "they have expired");
}
