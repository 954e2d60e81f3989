//! Wall clock and randomness: the one value through which both come in, so that a simulation can hand in its own.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

use jiff::Timestamp;

/// Where time and randomness come from.
#[derive(Clone)]
pub(crate) struct Clock {
    now: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    random: Arc<dyn Fn() -> u64 + Send + Sync>,
}

impl Clock {
    /// Returns the machine's own clock and randomness.
    pub(crate) fn system() -> Self {
        Self::new(Timestamp::now, || {
            use std::hash::{BuildHasher as _, Hasher as _, RandomState};
            let mut hasher = RandomState::new().build_hasher();
            hasher.write_u128(SystemTime::UNIX_EPOCH.elapsed().map_or(0, |elapsed| elapsed.as_nanos()));
            hasher.finish()
        })
    }

    /// Makes a clock of two functions.
    pub(crate) fn new(
        now: impl Fn() -> Timestamp + Send + Sync + 'static,
        random: impl Fn() -> u64 + Send + Sync + 'static,
    ) -> Self {
        Self { now: Arc::new(now), random: Arc::new(random) }
    }

    /// Returns the time.
    pub(crate) fn now(&self) -> Timestamp {
        (self.now)()
    }

    /// Returns how long it is until a time; nothing if it has passed.
    pub(crate) fn until(&self, time: Timestamp) -> Duration {
        Duration::try_from(time.duration_since(self.now())).unwrap_or_default()
    }

    /// Returns a number that nobody can foresee.
    pub(crate) fn random(&self) -> u64 {
        (self.random)()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}
