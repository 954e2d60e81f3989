//! Wall clock and randomness: the one value through which both come in, so that a simulation can hand in its own.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

use jiff::Timestamp;
use plumb_cluster::tenure::Uptime;
use rustix::time::{ClockId, clock_gettime};

/// Where time and randomness come from.
#[derive(Clone)]
pub(crate) struct Clock {
    now: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    random: Arc<dyn Fn() -> u64 + Send + Sync>,
    uptime: Uptime,
}

impl Clock {
    /// Returns the machine's own clock and randomness.
    pub(crate) fn system() -> Self {
        let random = || {
            use std::hash::{BuildHasher as _, Hasher as _, RandomState};
            let mut hasher = RandomState::new().build_hasher();
            hasher.write_u128(SystemTime::UNIX_EPOCH.elapsed().map_or(0, |elapsed| elapsed.as_nanos()));
            hasher.finish()
        };
        Self::new(Timestamp::now, random, uptime)
    }

    /// Makes a clock of three functions; `uptime` never goes back.
    pub(crate) fn new(
        now: impl Fn() -> Timestamp + Send + Sync + 'static,
        random: impl Fn() -> u64 + Send + Sync + 'static,
        uptime: impl Fn() -> Duration + Send + Sync + 'static,
    ) -> Self {
        Self { now: Arc::new(now), random: Arc::new(random), uptime: Arc::new(uptime) }
    }

    /// Returns the time since the machine started, during which it may have slept.
    pub(crate) fn uptime(&self) -> Duration {
        (self.uptime)()
    }

    /// Returns the function behind [`Clock::uptime`].
    pub(crate) fn uptime_of(&self) -> Uptime {
        Arc::clone(&self.uptime)
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

/// Returns the time since the machine started. Unlike the clock of `Instant` it counts the time that the machine slept,
/// in which another replica may have got the lease.
fn uptime() -> Duration {
    let time = clock_gettime(ClockId::Boottime);
    Duration::new(time.tv_sec.try_into().unwrap_or_default(), time.tv_nsec.try_into().unwrap_or_default())
}
