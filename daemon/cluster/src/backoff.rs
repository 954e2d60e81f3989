//! How long to wait before a request or a watch is tried again inside this crate.
//!
//! Owns: the short waits of the transport; how often a whole operation is tried again is `plumb_core::backoff`'s
//! matter. Must never do: read a clock, or randomness that was not handed in as a seed.

use std::time::Duration;

/// The first wait: most broken connections are whole again at once.
pub(crate) const FIRST: Duration = Duration::from_millis(50);
/// The longest wait: an API server that is back is noticed within 5 s.
pub(crate) const LONGEST: Duration = Duration::from_secs(5);

/// Doubling waits with jitter, which start over after a success.
#[derive(Debug, Clone)]
pub(crate) struct Backoff {
    state: u64,
    failures: u32,
}

impl Backoff {
    /// Starts with the first wait; equal seeds give equal waits.
    pub(crate) fn new(seed: u64) -> Self {
        Self { state: seed, failures: 0 }
    }

    /// Returns the next wait: between half of it and all of it, so that many watches do not return in one moment.
    pub(crate) fn next_wait(&mut self) -> Duration {
        let doubled = FIRST.saturating_mul(2_u32.saturating_pow(self.failures.min(16)));
        self.failures = self.failures.saturating_add(1);
        doubled.min(LONGEST).mul_f64(0.5 + 0.5 * self.share())
    }

    /// Starts over with the first wait.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }

    /// Returns a number in [0, 1) by splitmix64.
    fn share(&mut self) -> f64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^= mixed >> 31;
        (mixed >> 11) as f64 / (1_u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_within_their_bounds_and_start_over() {
        let mut backoff = Backoff::new(7);
        for failures in 0..20 {
            let full = FIRST.saturating_mul(2_u32.pow(failures.min(16))).min(LONGEST);
            let wait = backoff.next_wait();
            assert!(wait >= full / 2 && wait <= full, "{failures}: {wait:?} of {full:?}");
        }
        backoff.reset();
        assert!(backoff.next_wait() <= FIRST);
    }

    #[test]
    fn equal_seeds_wait_equally() {
        let waits = |seed| {
            let mut backoff = Backoff::new(seed);
            (0..10).map(|_| backoff.next_wait()).collect::<Vec<_>>()
        };
        assert_eq!(waits(1), waits(1));
        assert_ne!(waits(1), waits(2));
    }
}
