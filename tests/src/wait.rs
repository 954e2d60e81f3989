//! Waiting for conditions: polled, with a deadline, and with the last thing seen in the failure.

use std::{
    fmt::Display,
    thread,
    time::{Duration, Instant},
};

/// Long past anything that should happen, even on a machine that does something else.
const DEADLINE: Duration = Duration::from_secs(60);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(50);

/// Waits until `look` gives a value.
///
/// # Panics
/// After a minute, with what was waited for and the last reason why not.
pub fn until<T, E: Display>(what: &str, look: impl FnMut() -> Result<T, E>) -> T {
    reach(what, look).unwrap_or_else(|late| panic!("{late}"))
}

/// Waits until `look` gives a value, for those who have more to say than that it never did.
///
/// # Errors
/// After a minute, with what was waited for and the last reason why not.
pub fn reach<T, E: Display>(what: &str, mut look: impl FnMut() -> Result<T, E>) -> Result<T, String> {
    let end = Instant::now() + DEADLINE;
    loop {
        match look() {
            Ok(value) => return Ok(value),
            Err(reason) if Instant::now() > end => return Err(format!("waited for {what}; last seen: {reason}")),
            Err(_) => thread::sleep(PAUSE),
        }
    }
}

/// Waits until `look` gives exactly this.
///
/// # Panics
/// After a minute, with the last value seen.
pub fn until_equal<T: PartialEq + std::fmt::Debug>(what: &str, expected: &T, mut look: impl FnMut() -> T) {
    until(what, || {
        let seen = look();
        if seen == *expected { Ok(()) } else { Err(format!("{seen:?} instead of {expected:?}")) }
    });
}
