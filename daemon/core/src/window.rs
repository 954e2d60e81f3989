//! Sync windows: the hours at which a new commit may begin.
//!
//! A schedule in cron's notation says when a window opens, in a time zone of the IANA database; a duration says for how
//! long. The time is an argument.

use std::time::Duration;

use cronexpr::Crontab;
use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use serde::{Serialize, Serializer};

/// Fields of a schedule; a sixth would be read as a time zone, which has a place of its own.
const FIELDS: usize = 5;

/// One window that opens again and again.
#[derive(Debug, Clone)]
pub struct Window {
    written: Written,
    schedule: Crontab,
}

/// A window as its author wrote it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Written {
    schedule: String,
    duration: Duration,
    zone: String,
}

/// Why a window can't be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WindowError {
    /// The schedule is not one of cron.
    #[error(
        "schedule {schedule:?}: {reason}; write minute, hour, day of month, month, day of week, such as 0 9 * * 1-5"
    )]
    Schedule {
        /// As written.
        schedule: String,
        /// In words.
        reason: String,
    },
    /// Nobody knows the time zone.
    #[error("timeZone {zone:?} is not in the IANA database; write one such as Europe/Berlin or UTC")]
    Zone {
        /// As written.
        zone: String,
    },
    /// It is never open.
    #[error("duration is 0, so the window never opens; write one such as 8h")]
    Empty,
}

/// Every window of an environment; none means that it is always open.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Windows(Vec<Window>);

/// How the windows stand at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Opening {
    /// A commit may begin.
    Open,
    /// It may begin at this time; absent: no window opens within four years.
    Closed(Option<Timestamp>),
}

impl Window {
    /// Reads a window; without a time zone its schedule is in UTC.
    ///
    /// # Errors
    /// The schedule, the time zone or the duration is wrong.
    pub fn parse(schedule: &str, duration: Duration, zone: Option<&str>) -> Result<Self, WindowError> {
        let zone = zone.unwrap_or("UTC");
        if duration.is_zero() {
            return Err(WindowError::Empty);
        }
        TimeZone::get(zone).map_err(|_| WindowError::Zone { zone: zone.to_owned() })?;
        let wrong = |reason: String| WindowError::Schedule { schedule: schedule.to_owned(), reason };
        let fields: Vec<&str> = schedule.split_whitespace().collect();
        if fields.len() != FIELDS {
            return Err(wrong(format!("it has {} fields instead of {FIELDS}", fields.len())));
        }
        let parsed = cronexpr::parse_crontab(&format!("{} {zone}", fields.join(" ")));
        let parsed = parsed.map_err(|error| wrong(reason(&error)))?;
        let written = Written { schedule: fields.join(" "), duration, zone: zone.to_owned() };
        Ok(Self { written, schedule: parsed })
    }

    fn at(&self, now: Timestamp) -> Opening {
        // It is open if the first opening after `now - duration` has come already.
        let before = SignedDuration::try_from(self.written.duration).ok().and_then(|long| now.checked_sub(long).ok());
        let since = before.and_then(|before| self.next(before));
        match since {
            Some(since) if since <= now => Opening::Open,
            Some(next) => Opening::Closed(Some(next)),
            None => Opening::Closed(None),
        }
    }

    fn next(&self, after: Timestamp) -> Option<Timestamp> {
        let next = self.schedule.find_next(cronexpr::MakeTimestamp(after)).ok()?;
        Some(next.timestamp())
    }
}

/// Returns the last line of what the parser draws, without the arrow that points into the schedule.
fn reason(error: &cronexpr::Error) -> String {
    error.to_string().lines().last().unwrap_or_default().trim_start_matches([' ', '^']).to_owned()
}

impl PartialEq for Window {
    fn eq(&self, other: &Self) -> bool {
        self.written == other.written
    }
}

impl Eq for Window {}

impl Serialize for Window {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.written.serialize(serializer)
    }
}

impl Windows {
    /// Returns whether a commit may begin, or when it may.
    pub fn at(&self, now: Timestamp) -> Opening {
        let mut opens: Option<Timestamp> = None;
        for window in &self.0 {
            match window.at(now) {
                Opening::Open => return Opening::Open,
                Opening::Closed(Some(time)) => opens = Some(opens.map_or(time, |before| before.min(time))),
                Opening::Closed(None) => {}
            }
        }
        if self.0.is_empty() { Opening::Open } else { Opening::Closed(opens) }
    }
}

impl FromIterator<Window> for Windows {
    fn from_iter<I: IntoIterator<Item = Window>>(windows: I) -> Self {
        Self(windows.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn time(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    #[track_caller]
    fn check(windows: &[(&str, Duration, &str)], now: &str, expected: Option<&str>) {
        let windows: Windows = windows
            .iter()
            .map(|(schedule, duration, zone)| Window::parse(schedule, *duration, Some(zone)).expect("a window"))
            .collect();
        let opening = windows.at(time(now));
        match expected {
            None => assert_eq!(opening, Opening::Open, "{now}"),
            Some("never") => assert_eq!(opening, Opening::Closed(None), "{now}"),
            Some(opens) => assert_eq!(opening, Opening::Closed(Some(time(opens))), "{now}"),
        }
    }

    #[test]
    fn a_window_is_open_from_its_schedule_for_its_duration() {
        let office = &[("0 9 * * 1-5", 8 * HOUR, "Europe/Berlin")];
        check(office, "2026-11-20T07:59:59Z", Some("2026-11-20T08:00:00Z"));
        check(office, "2026-11-20T08:00:00Z", None);
        check(office, "2026-11-20T15:59:59Z", None);
        // The end is not part of it, and the weekend comes next.
        check(office, "2026-11-20T16:00:00Z", Some("2026-11-23T08:00:00Z"));
        // In summer the same hour is another one.
        check(office, "2026-07-01T06:59:00Z", Some("2026-07-01T07:00:00Z"));
        check(office, "2026-07-01T07:00:00Z", None);
    }

    #[test]
    fn windows_reach_over_midnight_and_over_the_change_of_the_clock() {
        let night = &[("30 23 * * *", 2 * HOUR, "UTC")];
        check(night, "2026-11-21T00:30:00Z", None);
        check(night, "2026-11-21T01:30:00Z", Some("2026-11-21T23:30:00Z"));
        // 02:30 does not exist on the day on which the clock goes forward.
        let skipped = &[("30 2 * * *", HOUR, "Europe/Berlin")];
        check(skipped, "2026-03-28T01:45:00Z", None);
        check(skipped, "2026-03-28T12:00:00Z", Some("2026-03-30T00:30:00Z"));
        // An hour lasts an hour on the day on which 02:30 comes twice.
        check(skipped, "2026-10-25T00:29:00Z", Some("2026-10-25T00:30:00Z"));
        check(skipped, "2026-10-25T00:31:00Z", None);
    }

    #[test]
    fn any_open_window_will_do_and_the_earliest_opening_is_told() {
        let two = &[("0 9 * * *", HOUR, "UTC"), ("0 20 * * *", HOUR, "UTC")];
        check(two, "2026-11-21T20:10:00Z", None);
        check(two, "2026-11-21T11:00:00Z", Some("2026-11-21T20:00:00Z"));
        check(two, "2026-11-21T21:30:00Z", Some("2026-11-22T09:00:00Z"));
        check(&[], "2026-11-21T21:30:00Z", None);
        check(&[("0 0 30 2 *", HOUR, "UTC")], "2026-11-21T21:30:00Z", Some("never"));
    }

    #[test]
    fn what_is_wrong_with_a_window_is_said() {
        let check = |schedule: &str, duration, zone, expected: &str| {
            let error = Window::parse(schedule, duration, Some(zone)).expect_err("not a window").to_string();
            assert!(error.contains(expected), "{error}");
        };
        check("0 9 * *", HOUR, "UTC", "4 fields instead of 5");
        check("0 9 * * 1-5 Europe/Berlin", HOUR, "UTC", "6 fields instead of 5");
        check("0 25 * * *", HOUR, "UTC", "schedule \"0 25 * * *\": value must be in range");
        check("@daily", HOUR, "UTC", "1 fields");
        check("0 9 * * *", HOUR, "Europe/Berlim", "timeZone \"Europe/Berlim\"");
        check("0 9 * * *", Duration::ZERO, "UTC", "duration is 0");
    }

    #[test]
    fn a_window_longer_than_the_time_between_two_openings_is_always_open() {
        let always = &[("0 * * * *", 24 * HOUR, "UTC")];
        for now in ["2026-11-21T00:00:00Z", "2026-11-21T13:37:11Z"] {
            check(always, now, None);
        }
    }

    #[test]
    fn zones_are_known_without_a_database_of_the_system() {
        let inside = jiff::tz::TimeZoneDatabase::bundled();
        assert!(inside.get("Europe/Berlin").is_ok() && inside.get("America/St_Johns").is_ok());
    }
}
