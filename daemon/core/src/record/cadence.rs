//! When what waits is published: in one push every ten seconds for each repository, after a moment without anything new, and at
//! once after a rollback.
//!
//! Times are those of a clock that never goes back, since some beginning.

use std::time::Duration;

use super::RecordKind;
use crate::{backoff, class::Class};

/// Pushes to one repository are at least this far apart: records of an operation come in bursts, and each push costs the
/// server a connection, a hook and a webhook.
pub const PUSH_EVERY: Duration = Duration::from_secs(10);

/// What is not urgent waits until nothing has come for as long as this: publishing in the middle of a sync would slow the sync down, and
/// tell half of it.
pub const GATHERS: Duration = Duration::from_secs(1);

/// The pace of pushes to one repository.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cadence {
    /// What waits, as it was last seen.
    gathered: Option<Gathered>,
    /// No push before, except for what is urgent.
    rests_until: Duration,
    /// Pushes in a row that failed.
    failures: u32,
    /// What could not be published though a push went well is not tried before, unless something else is pushed.
    stuck_until: Duration,
    /// Pushes in a row that left something behind.
    stuck: u32,
}

/// What waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Gathered {
    /// How many records.
    count: usize,
    /// Since when there are some.
    since: Duration,
    /// When it was last another number.
    changed: Duration,
}

/// What is to be done now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Everything that waits is pushed.
    Push,
    /// It is looked at again then, or when more waits.
    At(Duration),
    /// Nothing waits.
    Nothing,
}

impl Cadence {
    /// Returns what is to be done about records of these kinds, which wait, and about some that the last push has left behind
    /// (`stuck`). What is urgent takes everything else with it; where pushes fail it waits like the rest, since what fails does
    /// not get better by haste.
    pub fn next(&mut self, now: Duration, waiting: impl IntoIterator<Item = RecordKind>, stuck: bool) -> Next {
        let (mut count, mut urgent) = (0, false);
        for kind in waiting {
            count += 1;
            urgent |= kind.is_urgent();
        }
        let gathered = self.gather(now, count);
        if stuck && now >= self.stuck_until.max(self.rests_until) {
            return Next::Push;
        }
        let Some(gathered) = gathered else {
            return if stuck { Next::At(self.stuck_until.max(self.rests_until)) } else { Next::Nothing };
        };
        let at = self.rests_until.max(gathered.until());
        if now >= at || self.failures == 0 && urgent { Next::Push } else { Next::At(at) }
    }

    /// Takes down how many records wait, and returns what is known of them.
    fn gather(&mut self, now: Duration, count: usize) -> Option<Gathered> {
        self.gathered = match self.gathered {
            _ if count == 0 => None,
            None => Some(Gathered { count, since: now, changed: now }),
            Some(known) if known.count == count => Some(known),
            Some(known) => Some(Gathered { count, changed: now, ..known }),
        };
        self.gathered
    }

    /// Takes down that a push went well.
    pub fn pushed(&mut self, now: Duration) {
        *self = Self { rests_until: now + PUSH_EVERY, ..Self::default() };
    }

    /// Takes down that a push went well and left something behind; `seed` spreads the next try of that.
    pub fn pushed_in_part(&mut self, now: Duration, class: Class, seed: u64) {
        let stuck = self.stuck.saturating_add(1);
        let stuck_until = now + backoff::delay(class, stuck, seed);
        *self = Self { gathered: None, rests_until: now + PUSH_EVERY, failures: 0, stuck_until, stuck };
    }

    /// Takes down that one failed; `seed` spreads the next try.
    pub fn failed(&mut self, now: Duration, class: Class, seed: u64) {
        let failures = self.failures.saturating_add(1);
        *self = Self { rests_until: now + backoff::delay(class, failures, seed).max(PUSH_EVERY), failures, ..*self };
    }
}

impl Gathered {
    /// Returns when it is published, where nothing else comes: a stream that never ends is no reason to wait on and on.
    fn until(self) -> Duration {
        (self.changed + GATHERS).min(self.since + PUSH_EVERY)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_rollback_is_told_at_once_and_all_else_every_ten_seconds() {
        use RecordKind::{Applied, DriftCorrected, Held};
        let at = |seconds: u32| SECOND * seconds;
        let mut cadence = Cadence::default();
        assert_eq!(cadence.next(at(100), [], false), Next::Nothing);
        assert_eq!(cadence.next(at(99), [Applied], false), Next::At(at(100)), "more may come");
        assert_eq!(cadence.next(at(100), [Applied], false), Next::Push);
        cadence.pushed(at(100));
        assert_eq!(cadence.next(at(101), [], false), Next::Nothing);
        assert_eq!(cadence.next(at(101), [Applied], false), Next::At(at(110)));
        assert_eq!(cadence.next(at(102), [Applied, DriftCorrected, Held], false), Next::Push);
        cadence.pushed(at(102));
        assert_eq!(cadence.next(at(111), [Applied], false), Next::At(at(112)));
        assert_eq!(cadence.next(at(111), [Applied], false), Next::At(at(112)), "looking at it changes nothing");
        assert_eq!(cadence.next(at(112), [Applied], false), Next::Push);
        cadence.failed(at(112), Class::Wait, 7);
        assert_eq!(cadence.next(at(113), [Held], false), Next::At(at(122)), "a remote that refuses is not pressed");
        assert_eq!(cadence.next(at(122), [Held], false), Next::Push);
        for _ in 0..20 {
            cadence.failed(at(200), Class::Wait, 7);
        }
        let Next::At(again) = cadence.next(at(201), [Held], false) else { panic!("it is tried again and again") };
        assert!(again <= at(200) + SECOND * 330, "{again:?}");
        cadence.pushed(at(600));
        assert_eq!(cadence.next(at(600), [Held], false), Next::Push, "what failed before is over");
    }

    #[test]
    fn what_comes_in_a_burst_is_told_at_its_end_and_a_stream_without_end_every_ten_seconds() {
        use RecordKind::{Applied, Held};
        let at = |seconds: u32| SECOND * seconds;
        let mut cadence = Cadence::default();
        for (tenth, count) in (0..30).zip(1..) {
            let now = at(100) + SECOND / 10 * tenth;
            assert_eq!(cadence.next(now, vec![Applied; count], false), Next::At(now + GATHERS), "{tenth}");
        }
        assert_eq!(cadence.next(at(103), [Held], false), Next::Push, "what is urgent waits for no more");
        cadence.pushed(at(200));
        let (mut now, mut count) = (at(300), 1);
        while cadence.next(now, vec![Applied; count], false) != Next::Push {
            (now, count) = (now + GATHERS / 2, count + 1);
        }
        assert_eq!(now, at(300) + PUSH_EVERY);
    }

    #[test]
    fn what_is_left_behind_is_tried_again_less_and_less_often_and_holds_nothing_up() {
        use RecordKind::{Applied, Held};
        let at = |seconds: u32| SECOND * seconds;
        let mut cadence = Cadence::default();
        cadence.pushed_in_part(at(100), Class::Wait, 7);
        assert_eq!(cadence.next(at(101), [Held], true), Next::Push, "what is urgent and free goes at once");
        assert_eq!(cadence.next(at(101), [Applied], true), Next::At(at(110)));
        assert_eq!(cadence.next(at(110), [], true), Next::Push);
        for _ in 0..20 {
            cadence.pushed_in_part(at(200), Class::Wait, 7);
        }
        let Next::At(again) = cadence.next(at(210), [], true) else { panic!("not without a pause") };
        assert!(again > at(400) && again <= at(530), "{again:?}");
        assert_eq!(cadence.next(at(209), [Applied], true), Next::At(at(210)));
        assert_eq!(cadence.next(at(210), [Applied], true), Next::Push, "the others go on");
        assert_eq!(cadence.next(again, [], true), Next::Push);
        cadence.pushed(at(600));
        cadence.pushed_in_part(at(601), Class::Wait, 7);
        assert_eq!(cadence.next(at(611), [], true), Next::Push, "what was stuck before is over");
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
        /// Any records at any times, pushed as the cadence says, each push taking a moment.
        #[test]
        fn nothing_urgent_waits_and_nothing_else_costs_more_than_a_push_in_ten_seconds(
            records in prop::collection::vec((0_u64..120_000, any::<bool>()), 0..60),
            took in 0_u64..3_000,
        ) {
            let kind = |urgent| if urgent { RecordKind::Held } else { RecordKind::DriftFound };
            let mut records: Vec<(Duration, RecordKind)> =
                records.into_iter().map(|(at, urgent)| (Duration::from_millis(at), kind(urgent))).collect();
            records.sort_by_key(|(at, _)| *at);
            let mut coming = records.iter().copied().peekable();
            let (mut cadence, mut now, mut waiting) = (Cadence::default(), Duration::ZERO, Vec::new());
            let (mut usual, mut told): (Vec<Duration>, usize) = (Vec::new(), 0);
            loop {
                while let Some((at, kind)) = coming.next_if(|(at, _)| *at <= now) {
                    waiting.push((at, kind));
                }
                match cadence.next(now, waiting.iter().map(|(_, kind)| *kind), false) {
                    Next::Push => {
                        if waiting.iter().any(|(_, kind)| kind.is_urgent()) {
                            let late = waiting.iter().filter(|(_, kind)| kind.is_urgent()).map(|(at, _)| now - *at).max();
                            prop_assert!(late <= Some(Duration::from_millis(took)), "only a push under way holds it up");
                        } else {
                            usual.push(now);
                        }
                        told += waiting.len();
                        waiting.clear();
                        now += Duration::from_millis(took);
                        cadence.pushed(now);
                    }
                    Next::At(at) => {
                        prop_assert!(at > now);
                        now = coming.peek().map_or(at, |(more, _)| at.min(*more)).max(now);
                    }
                    Next::Nothing => match coming.peek() {
                        Some((at, _)) => now = *at,
                        None => break,
                    },
                }
            }
            prop_assert_eq!(told, records.len());
            prop_assert!(usual.windows(2).all(|pair| pair[1] - pair[0] >= PUSH_EVERY), "{:?}", usual);
        }
    }
}
