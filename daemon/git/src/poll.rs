//! When to look again.
//!
//! Must never do: read a clock or draw a random number; both come in.

use std::time::Duration;

/// Share of the interval by which a poll may come sooner or later, so that many repositories of one server spread out.
const JITTER_PER_MILLE: u64 = 100;

/// Returns the interval, up to a tenth shorter or longer as the seed says; equal seeds give equal intervals.
pub fn jittered(interval: Duration, seed: u64) -> Duration {
    // SplitMix64's finaliser (Steele, Lea, Flood 2014): neighbouring seeds land far apart.
    let mut mixed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^= mixed >> 31;
    let span = 2 * JITTER_PER_MILLE + 1;
    let per_mille = 1000 - JITTER_PER_MILLE + mixed % span;
    let nanoseconds = interval.as_nanos().saturating_mul(u128::from(per_mille)) / 1000;
    Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_poll_comes_at_most_a_tenth_sooner_or_later_and_uses_the_whole_range() {
        let interval = Duration::from_secs(30);
        let all: Vec<_> = (0..2000).map(|seed| jittered(interval, seed)).collect();
        assert!(all.iter().all(|found| (27.0..=33.0).contains(&found.as_secs_f64())));
        assert!(
            all.iter().any(|found| found.as_secs_f64() < 27.5) && all.iter().any(|found| found.as_secs_f64() > 32.5)
        );
        assert_eq!(jittered(interval, 7), jittered(interval, 7));
        assert_eq!(jittered(Duration::ZERO, 7), Duration::ZERO);
        assert!(jittered(Duration::MAX, 7) > interval);
    }
}
