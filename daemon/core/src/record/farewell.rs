//! How long an Environment that is deleted stays for the sake of its records.

use std::time::Duration;

use jiff::Timestamp;

use super::ledger::Ledger;

/// Longest wait: a Git server that is down, or a remote that refuses notes, must not keep an Environment for good.
pub const PATIENCE: Duration = Duration::from_secs(5 * 60);

/// Returns for how long records are still waited for, if they are; `since` is when everything else was done.
pub fn wait(ledger: &Ledger, since: Timestamp, now: Timestamp) -> Option<Duration> {
    let waited = Duration::try_from(now.duration_since(since)).unwrap_or_default();
    PATIENCE.checked_sub(waited).filter(|left| !left.is_zero() && !ledger.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_waited_for_and_not_for_ever() {
        let pending = Ledger { pending: vec!["a line".to_owned()], ..Ledger::default() };
        let counted = Ledger { overflow: Some("a line".to_owned()), ..Ledger::default() };
        let check = |ledger: &Ledger, seconds: i64, expected: Option<u64>| {
            let now = Timestamp::UNIX_EPOCH + jiff::SignedDuration::from_secs(seconds);
            assert_eq!(wait(ledger, Timestamp::UNIX_EPOCH, now).map(|left| left.as_secs()), expected, "{seconds}");
        };
        check(&Ledger::default(), 0, None);
        check(&pending, 0, Some(300));
        check(&counted, 299, Some(1));
        check(&pending, 300, None);
        check(&pending, 5000, None);
        // A clock that was set back.
        check(&pending, -60, Some(300));
    }
}
