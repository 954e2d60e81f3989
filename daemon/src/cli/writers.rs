//! Whether a plumb runs at all: without one, what an Environment's status says is how it was when the last one ended.

use jiff::Timestamp;
use plumb_cluster::leases;
use plumb_core::lease::Lease;

use super::{connection::Session, error::CliError, screen};

/// How far this machine's clock may be from the clocks of replicas, besides the time that a lease lasts.
const CLOCKS_APART_SECONDS: i64 = 60;

/// Says so where no plumb holds a Lease of this cluster. Says nothing to who may not read Leases.
pub(super) async fn remark(session: &Session) -> Result<(), CliError> {
    let Ok(leases) = leases::everywhere(&session.cluster).await else { return Ok(()) };
    match absent(&leases, session.clock.now()) {
        Some(since) => {
            screen::remark(&format!("note: no plumb runs for this cluster{since}; nothing is applied or corrected"))
        }
        None => Ok(()),
    }
}

/// Returns since when nobody writes, in words; nothing where somebody does.
fn absent(leases: &[Lease], now: Timestamp) -> Option<String> {
    let lasts = |lease: &Lease| {
        let seconds = i64::try_from(lease.duration.as_secs()).unwrap_or(i64::MAX).saturating_add(CLOCKS_APART_SECONDS);
        lease.holder.is_some()
            && lease.renewed.is_none_or(|renewed| now.as_second().saturating_sub(renewed.as_second()) <= seconds)
    };
    if leases.iter().any(lasts) {
        return None;
    }
    let last = leases.iter().filter_map(|lease| lease.renewed).max();
    let ago = last.and_then(|last| super::age::since(&last.to_string(), now));
    Some(ago.map(|ago| format!(" since {ago}")).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use plumb_core::lease::Replica;

    use super::*;

    #[test]
    fn a_lease_that_lasts_is_a_plumb_that_runs() {
        let now: Timestamp = "2026-11-20T10:00:00Z".parse().unwrap();
        let lease = |holder: Option<&str>, renewed: &str| Lease {
            holder: holder.map(Replica::new),
            duration: Duration::from_secs(15),
            acquired: None,
            renewed: renewed.parse().ok(),
            transitions: 0,
            shards: 1,
            wanted_by: None,
        };
        let check = |leases: &[Lease], expected: Option<&str>| assert_eq!(absent(leases, now).as_deref(), expected);
        check(&[], Some(""));
        check(&[lease(Some("a"), "2026-11-20T09:59:55Z")], None);
        check(&[lease(Some("a"), "2026-11-20T09:58:50Z")], None);
        check(&[lease(Some("a"), "2026-11-20T10:03:00Z")], None);
        check(&[lease(Some("a"), "2026-11-20T09:50:00Z")], Some(" since 10m"));
        check(&[lease(None, "2026-11-20T09:59:55Z")], Some(" since 5s"));
        check(&[lease(None, "2026-11-20T09:59:55Z"), lease(Some("b"), "2026-11-20T09:59:59Z")], None);
    }
}
