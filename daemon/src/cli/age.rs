//! Spans of time as kubectl writes them.

use std::time::Duration;

use jiff::Timestamp;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;
const YEAR: u64 = 365 * DAY;

/// Returns how long ago a time (RFC 3339) was; nothing for a text that is none.
pub(crate) fn since(time: &str, now: Timestamp) -> Option<String> {
    let then: Timestamp = time.parse().ok()?;
    Some(span(Duration::try_from(now.duration_since(then)).unwrap_or_default()))
}

/// Writes a span with one unit, or two while the second still tells something (`HumanDuration` of apimachinery).
pub(crate) fn span(span: Duration) -> String {
    let seconds = span.as_secs();
    let two = |large: u64, unit: &str, small: u64, other: &str| match seconds % large / small {
        0 => format!("{}{unit}", seconds / large),
        rest => format!("{}{unit}{rest}{other}", seconds / large),
    };
    match seconds {
        0..120 => format!("{seconds}s"),
        120..600 => two(MINUTE, "m", 1, "s"),
        600..10_800 => format!("{}m", seconds / MINUTE),
        10_800..28_800 => two(HOUR, "h", MINUTE, "m"),
        28_800..172_800 => format!("{}h", seconds / HOUR),
        172_800..691_200 => two(DAY, "d", HOUR, "h"),
        _ if seconds < 2 * YEAR => format!("{}d", seconds / DAY),
        _ if seconds < 8 * YEAR => two(YEAR, "y", DAY, "d"),
        _ => format!("{}y", seconds / YEAR),
    }
}

/// Writes how long an operation took.
pub(crate) fn took(milliseconds: u32) -> String {
    match milliseconds {
        0..1_000 => format!("{milliseconds} ms"),
        1_000..60_000 => format!("{:.1} s", f64::from(milliseconds) / 1_000.0),
        _ => span(Duration::from_millis(milliseconds.into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_written_as_kubectl_writes_them() {
        let check = |seconds: u64, expected: &str| assert_eq!(span(Duration::from_secs(seconds)), expected);
        check(0, "0s");
        check(119, "119s");
        check(120, "2m");
        check(330, "5m30s");
        check(7_500, "125m");
        check(18_600, "5h10m");
        check(100_000, "27h");
        check(3 * DAY + 2 * HOUR, "3d2h");
        check(300 * DAY, "300d");
        check(2 * YEAR + 40 * DAY, "2y40d");
        check(9 * YEAR, "9y");
    }

    #[test]
    fn times_are_told_as_ages() {
        let now: Timestamp = "2026-11-20T10:00:00Z".parse().unwrap();
        let check = |time: &str, expected: Option<&str>| assert_eq!(since(time, now).as_deref(), expected, "{time}");
        check("2026-11-20T09:54:30Z", Some("5m30s"));
        // Another machine's clock may be ahead.
        check("2026-11-20T10:00:05Z", Some("0s"));
        check("yesterday", None);
    }

    #[test]
    fn short_operations_are_told_in_milliseconds() {
        let check = |milliseconds: u32, expected: &str| assert_eq!(took(milliseconds), expected);
        check(0, "0 ms");
        check(87, "87 ms");
        check(1_234, "1.2 s");
        check(125_000, "2m5s");
    }
}
