//! Waves: which objects are applied together, as their annotations say, and since when one is waited for.

use std::{fmt, time::Duration};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The annotations that name an object's wave; the first one that is there counts.
pub const ANNOTATIONS: [&str; 2] = ["plumb.dev/wave", "argocd.argoproj.io/sync-wave"];

/// A set of objects that are applied together; the next wave waits until this one is healthy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Wave(pub i32);

/// An annotation that does not say which wave an object belongs to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the annotation {annotation} is {value}")]
pub struct MalformedWave {
    annotation: &'static str,
    value: Value,
}

impl Wave {
    /// Comes before every other wave: where an object stands whose wave can't be read.
    pub const FIRST: Self = Self(i32::MIN);

    /// Reads the wave of a manifest; objects that name none are in wave 0.
    ///
    /// # Errors
    /// Where the annotation is not a whole number, written as text.
    pub fn of(manifest: &Value) -> Result<Self, MalformedWave> {
        let annotations = &manifest["metadata"]["annotations"];
        for annotation in ANNOTATIONS {
            let value = &annotations[annotation];
            if value.is_null() {
                continue;
            }
            let wave = value.as_str().and_then(|text| text.trim().parse().ok()).map(Self);
            return wave.ok_or_else(|| MalformedWave { annotation, value: value.clone() });
        }
        Ok(Self::default())
    }
}

impl fmt::Display for Wave {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// A wave that is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Waiting {
    /// Which one.
    pub wave: Wave,
    /// Since when.
    pub since: Timestamp,
}

impl Waiting {
    /// Goes on waiting where the same wave of the same inputs was waited for before, and begins otherwise.
    pub fn go_on(before: Option<Self>, wave: Wave, now: Timestamp) -> Self {
        before.filter(|before| before.wave == wave).unwrap_or(Self { wave, since: now })
    }

    /// Returns how much longer the wave may take; zero when it has taken too long.
    pub fn left(&self, timeout: Duration, now: Timestamp) -> Duration {
        // A clock that was set back does not make it wait longer than all of it.
        let waited = Duration::try_from(now.duration_since(self.since)).unwrap_or_default();
        timeout.saturating_sub(waited)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_wave_is_a_whole_number_in_either_annotation() {
        let check = |annotations: Value, expected: Result<i32, &str>| {
            let found = Wave::of(&json!({"metadata": {"annotations": annotations}}));
            assert_eq!(found.map(|wave| wave.0).map_err(|error| error.to_string()), expected.map_err(str::to_owned));
        };
        check(Value::Null, Ok(0));
        check(json!({"plumb.dev/wave": "3"}), Ok(3));
        check(json!({"plumb.dev/wave": "-10"}), Ok(-10));
        check(json!({"argocd.argoproj.io/sync-wave": " 2 "}), Ok(2));
        check(json!({"argocd.argoproj.io/sync-wave": "2", "plumb.dev/wave": "1"}), Ok(1));
        check(json!({"plumb.dev/wave": "first"}), Err("the annotation plumb.dev/wave is \"first\""));
        check(json!({"plumb.dev/wave": "1.5"}), Err("the annotation plumb.dev/wave is \"1.5\""));
        check(json!({"plumb.dev/wave": ""}), Err("the annotation plumb.dev/wave is \"\""));
        check(json!({"plumb.dev/wave": 1}), Err("the annotation plumb.dev/wave is 1"));
        let far = json!({"argocd.argoproj.io/sync-wave": "99999999999"});
        check(far, Err("the annotation argocd.argoproj.io/sync-wave is \"99999999999\""));
    }

    #[test]
    fn waiting_is_counted_from_its_beginning_for_each_wave() {
        let at = |second| Timestamp::from_second(second).expect("a time");
        let minute = Duration::from_secs(60);
        let begun = Waiting::go_on(None, Wave(1), at(100));
        assert_eq!(begun.left(minute, at(100)), minute);
        let later = Waiting::go_on(Some(begun), Wave(1), at(130));
        assert_eq!((later, later.left(minute, at(130))), (begun, Duration::from_secs(30)));
        assert_eq!(later.left(minute, at(160)), Duration::ZERO);
        assert_eq!(later.left(minute, at(50)), minute, "the clock was set back");
        assert_eq!(Waiting::go_on(Some(begun), Wave(2), at(200)).since, at(200));
    }
}
