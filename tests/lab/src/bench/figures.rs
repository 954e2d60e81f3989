//! Figures: order statistics, what machine they come from, and how they are written.

use std::{
    fmt::{self, Display},
    fs,
    io::{Write as _, stderr},
    time::Duration,
};

use serde::Serialize;

/// Says on stderr what is being done; figures go to stdout.
pub(super) fn step(text: &str) {
    // A closed stderr must not end a measurement.
    let _ = writeln!(stderr(), "bench: {text}");
}

/// Returns a part of the report as text.
pub(super) fn shown(part: &impl Display) -> String {
    part.to_string()
}

/// Returns milliseconds with three decimals, which is what JSON shows.
pub(super) fn milliseconds(duration: Duration) -> f64 {
    round(duration.as_secs_f64() * 1000.0)
}

/// Returns a number rounded to three decimals.
pub(super) fn round(number: f64) -> f64 {
    (number * 1000.0).round() / 1000.0
}

/// Order statistics of a series of samples.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Series {
    pub(super) min: f64,
    pub(super) median: f64,
    pub(super) p99: f64,
    pub(super) max: f64,
}

impl Series {
    /// Summarises samples; percentiles are samples themselves (nearest rank).
    ///
    /// # Panics
    /// Without samples.
    pub(super) fn of(samples: impl IntoIterator<Item = f64>) -> Self {
        let mut samples: Vec<f64> = samples.into_iter().collect();
        samples.sort_by(f64::total_cmp);
        let rank = |percent: usize| samples[(samples.len() * percent).div_ceil(100).max(1) - 1];
        Self { min: samples[0], median: rank(50), p99: rank(99), max: samples[samples.len() - 1] }
    }
}

/// Where the figures come from.
#[derive(Debug, Default, Serialize)]
pub(super) struct Machine {
    cpus: usize,
    profile: &'static str,
    /// How many others wanted a core in the minute before.
    load: f64,
}

impl Machine {
    pub(super) fn this() -> Self {
        let cpus = std::thread::available_parallelism().map_or(1, usize::from);
        let load = fs::read_to_string("/proc/loadavg").ok();
        let load = load.and_then(|load| load.split_whitespace().next()?.parse().ok()).unwrap_or_default();
        Self { cpus, load, profile: if cfg!(debug_assertions) { "dev" } else { "release" } }
    }
}

impl Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cpus, profile, load } = self;
        write!(
            f,
            "{cpus} cores, shared by plumb, the API server, etcd and the measuring; load {load:.1} before; {profile} profile"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_samples() {
        let check = |samples: &[f64], median: f64, p99: f64| {
            let series = Series::of(samples.iter().copied());
            assert_eq!((series.median, series.p99), (median, p99), "{samples:?}");
        };
        check(&[7.0], 7.0, 7.0);
        check(&[2.0, 1.0], 1.0, 2.0);
        check(&[3.0, 1.0, 2.0], 2.0, 3.0);
        let hundred: Vec<f64> = (1..=100).map(f64::from).collect();
        check(&hundred, 50.0, 99.0);
        let two_hundred: Vec<f64> = (1..=200).map(f64::from).collect();
        check(&two_hundred, 100.0, 198.0);
    }
}
