//! One writer at a time: who holds which Lease, by client-go's rule.
//!
//! Owns: what a Lease says, the times that all derive from its duration, and which shard something belongs to. `elector`
//! decides about one Lease, `shards` about all of them together. A Lease has expired when this process has seen no change
//! of it for as long as it is meant to last, on its own clock: clocks of others are never compared.
//! Source: client-go, `tools/leaderelection`, and KEP-1923 for what a Lease holds.

pub mod elector;
pub mod shards;

#[cfg(test)]
mod tests;

use std::{fmt, time::Duration};

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

/// The shortest duration: below, a garbage collection of etcd costs the lease. A Lease counts whole seconds.
const SHORTEST: Duration = Duration::from_secs(2);
/// The longest duration: it is how long nobody writes after a crash.
const LONGEST: Duration = Duration::from_secs(3600);

/// Who can hold a Lease: one process, under a name that no other process ever has; client-go calls it an identity.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Replica(String);

impl Replica {
    /// Makes a replica of a name that nobody else has.
    pub fn new(name: impl Into<String>) -> Self {
        Self(name.into())
    }

    /// Returns the name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Replica {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What one Lease says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// Who holds it; nobody, if it was released.
    pub holder: Option<Replica>,
    /// How long it lasts after each renewal.
    pub duration: Duration,
    /// When its holder got it, for people.
    pub acquired: Option<Timestamp>,
    /// When it was renewed last, for people; that it changes is what counts.
    pub renewed: Option<Timestamp>,
    /// How often it changed hands.
    pub transitions: u32,
    /// Into how many shards its holder divides the work; nobody else may hold any at the same time who divides it
    /// otherwise.
    pub shards: u32,
    /// Who asks its holder for it; of a free one: for whom it was released.
    pub wanted_by: Option<Replica>,
}

impl Lease {
    /// Returns whether nobody has renewed, taken or released it in between.
    fn is_unchanged(&self, since: &Self) -> bool {
        let facts = |lease: &Self| (lease.holder.clone(), lease.renewed, lease.acquired, lease.transitions);
        facts(self) == facts(since)
    }
}

/// One state of a Lease, as the API server counts them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version(String);

impl Version {
    /// Makes a version of a resourceVersion.
    pub fn new(resource_version: impl Into<String>) -> Self {
        Self(resource_version.into())
    }

    /// Returns the resourceVersion.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns whether it is newer than another one; nothing if they can't be compared (KEP-5504).
    fn is_newer(&self, than: &Self) -> Option<bool> {
        Some(self.0.parse::<u64>().ok()? > than.0.parse::<u64>().ok()?)
    }
}

/// The number of a shard, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Shard(pub u32);

impl Shard {
    /// Returns the shard of something with this name among `count`: the first eight bytes of the name's SHA-256, as a
    /// big-endian number, modulo `count`.
    ///
    /// *Guarantees:* the same on every machine and in every version.
    pub fn of(name: &str, count: u32) -> Self {
        let digest = Sha256::digest(name.as_bytes());
        let number = digest.iter().take(8).fold(0_u64, |number, byte| (number << 8) | u64::from(*byte));
        // The remainder is smaller than a u32.
        Self(u32::try_from(number % u64::from(count.max(1))).unwrap_or_default())
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A duration that no lease can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{} is no duration of a lease; write whole seconds from {} to {}", .0.as_secs_f64(), SHORTEST.as_secs(), LONGEST.as_secs())]
pub struct NoDuration(Duration);

/// How long a lease lasts, and what follows from that, in client-go's proportions (15 s, 10 s, 2 s).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing(Duration);

impl Timing {
    /// Makes the times of leases with this duration.
    ///
    /// # Errors
    /// A duration that is too short or too long, or no whole number of seconds.
    pub fn new(duration: Duration) -> Result<Self, NoDuration> {
        let fits = (SHORTEST..=LONGEST).contains(&duration) && duration.subsec_nanos() == 0;
        if fits { Ok(Self(duration)) } else { Err(NoDuration(duration)) }
    }

    /// Returns how long others leave a lease alone that does not change.
    pub fn duration(self) -> Duration {
        self.0
    }

    /// Returns how long after a renewal was sent its holder writes: a third less than others wait, for clocks that differ
    /// and for requests that are on their way.
    pub fn renew_deadline(self) -> Duration {
        self.0 * 2 / 3
    }

    /// Returns how long after a renewal was sent the next one is.
    pub fn renew_after(self) -> Duration {
        self.0 * 2 / 15
    }

    /// Returns how long a request about a lease may take: so that there is time for a second one.
    pub fn request_timeout(self) -> Duration {
        self.renew_deadline() / 2
    }

    /// Returns how long a released lease is kept for whom it was released.
    pub fn reservation(self) -> Duration {
        self.renew_after() * 2
    }
}

/// The time, as a decision needs it.
#[derive(Debug, Clone, Copy)]
pub struct Now {
    /// On this machine's own clock, which never goes back.
    pub uptime: Duration,
    /// For people.
    pub wall: Timestamp,
    /// For jitter.
    pub seed: u64,
}
