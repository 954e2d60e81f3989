//! How long to wait before trying again, by the class of the error and the number of failures in a row.

use std::time::Duration;

use crate::class::Class;

/// First wait where trying again may help: short, since most such errors are gone at the second try.
const RETRY_FIRST: Duration = Duration::from_millis(250);
/// Longest wait where trying again may help: an API server that is back is found within half a minute.
const RETRY_LONGEST: Duration = Duration::from_secs(30);
/// First wait where a person or another change has to help: nothing tells plumb that a quota or a role changed.
const WAIT_FIRST: Duration = Duration::from_secs(3);
/// Longest wait where a person has to help.
const WAIT_LONGEST: Duration = Duration::from_secs(300);

/// Returns the wait before the next try: exponential, with ±10 % jitter from `seed`; `failures` counts from 1.
pub fn delay(class: Class, failures: u32, seed: u64) -> Duration {
    let (first, longest) = match class {
        Class::Retry => (RETRY_FIRST, RETRY_LONGEST),
        Class::Wait | Class::Bug => (WAIT_FIRST, WAIT_LONGEST),
    };
    let doubled = first.saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1).min(20)));
    jittered(doubled.min(longest), seed)
}

/// Returns `interval` give or take 10 %.
pub fn jittered(interval: Duration, seed: u64) -> Duration {
    // splitmix64: spreads consecutive seeds over the whole range.
    let mut mixed = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    let share = ((mixed >> 11) as f64) / ((1_u64 << 53) as f64);
    interval.mul_f64(0.9 + 0.2 * share)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_and_are_bounded() {
        for class in [Class::Retry, Class::Wait, Class::Bug] {
            let mut before = Duration::ZERO;
            for failures in 1..=40 {
                let now = delay(class, failures, 7);
                assert!(now >= before, "{class:?} {failures}");
                assert!(now <= WAIT_LONGEST.mul_f64(1.1));
                before = now;
            }
        }
    }

    #[test]
    fn jitter_stays_within_a_tenth() {
        let second = Duration::from_secs(1);
        let waits: Vec<_> = (0..1000).map(|seed| jittered(second, seed)).collect();
        assert!(waits.iter().all(|wait| *wait >= second.mul_f64(0.9) && *wait <= second.mul_f64(1.1)));
        assert!(
            waits.iter().any(|wait| *wait < second.mul_f64(0.95))
                && waits.iter().any(|wait| *wait > second.mul_f64(1.05))
        );
    }
}
