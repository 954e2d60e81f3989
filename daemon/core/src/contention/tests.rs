//! The course of quarrels, as tables of seconds; and that writes are bounded, whatever the other side does.

use proptest::prelude::*;

use super::*;

fn at(seconds: u64) -> Timestamp {
    later("2026-01-01T00:00:00Z".parse().expect("a time"), Duration::from_secs(seconds))
}

fn fields(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// Corrects at these seconds and returns what became of each.
fn turns(corrections: &mut Corrections, times: &[(u64, &[&str])]) -> Vec<Turn> {
    times.iter().map(|(second, names)| corrections.correct(at(*second), fields(names), "other")).collect()
}

#[test]
fn only_the_same_field_again_and_again_makes_a_quarrel() {
    use Turn::{Began, Usual, Went};
    let check = |times: &[(u64, &[&str])], expected: &[Turn]| {
        assert_eq!(turns(&mut Corrections::default(), times), expected, "{times:?}");
    };
    let a: &[&str] = &["a"];
    check(&[(0, a), (1, a), (2, a), (3, a)], &[Usual; 4]);
    check(&[(0, a), (1, a), (2, a), (3, a), (4, a), (14, a)], &[Usual, Usual, Usual, Usual, Began, Went]);
    // Too far apart.
    check(&[(0, a), (20, a), (40, a), (60, a), (80, a), (100, a)], &[Usual; 6]);
    // Different fields are different matters.
    check(&[(0, &["a"]), (1, &["b"]), (2, &["c"]), (3, &["d"]), (4, &["e"])], &[Usual; 5]);
    check(
        &[(0, &["a", "x"]), (1, &["b", "x"]), (2, &["x"]), (3, &["x"]), (4, &["e", "x"])],
        &[Usual, Usual, Usual, Usual, Began],
    );
    // Another field during a quarrel is corrected as ever and does not prolong it.
    check(&[(0, a), (1, a), (2, a), (3, a), (4, a), (14, &["z"])], &[Usual, Usual, Usual, Usual, Began, Usual]);
}

#[test]
fn pauses_grow_to_their_limit_and_peace_ends_them() {
    let mut corrections = Corrections::default();
    turns(&mut corrections, &[(0, &["a"]), (0, &["a"]), (0, &["a"]), (0, &["a"]), (0, &["a"])]);
    let mut now = 0;
    for pause in [10, 20, 40, 80, 160, 320, 600, 600] {
        assert!(corrections.rest(at(now + pause - 1)) && !corrections.rest(at(now + pause)), "{pause}");
        assert_eq!(corrections.due(at(now + 1)), Some(at(now + pause)));
        now += pause;
        assert_eq!(corrections.settle(at(now)), None);
        assert_eq!(corrections.correct(at(now), fields(&["a"]), "third"), Turn::Went);
    }
    let peace = now + 600 + WINDOW.as_secs();
    assert_eq!(corrections.due(at(now + 600)), Some(at(peace)));
    assert_eq!(corrections.settle(at(peace - 1)), None);
    let over = corrections.settle(at(peace)).expect("peace");
    assert_eq!((over.by.as_str(), over.corrections, over.fields().as_str()), ("third", 13, "a"));
    assert!(corrections.is_empty() && !corrections.rest(at(peace)));
}

#[test]
fn what_was_corrected_once_is_forgotten() {
    let mut corrections = Corrections::default();
    turns(&mut corrections, &[(0, &["a"])]);
    assert_eq!(corrections.settle(at(59)), None);
    assert!(!corrections.is_empty());
    assert_eq!(corrections.settle(at(60)), None);
    assert!(corrections.is_empty());
}

proptest! {
    /// An opponent that undoes every correction after some milliseconds never gets more than a bounded number of writes.
    #[test]
    fn writes_are_bounded_whatever_the_opponent_does(waits in prop::collection::vec(1_u64..20_000, 400)) {
        let mut corrections = Corrections::default();
        let start = at(0);
        let (mut now, mut times) = (start, Vec::new());
        for wait in waits {
            now = later(now, Duration::from_millis(wait));
            corrections.settle(now);
            if !corrections.rest(now) {
                corrections.correct(now, fields(&["a"]), "other");
                times.push(now);
            }
        }
        for (index, first) in times.iter().enumerate() {
            let within = times[index..].iter().filter(|time| **time < later(*first, WINDOW)).count();
            // The free ones, and one at the end of each pause that fits into the window.
            prop_assert!(within <= CORRECTIONS_FREE + 3, "{within}");
        }
    }
}
