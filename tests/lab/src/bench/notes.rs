//! Notes: how long it takes to add a line to one note, where a hundred thousand commits have notes.
//!
//! The samples are those of `plumb-git`'s example `notes_speed`, which calls the same functions as the daemon: the laboratory does
//! not depend on what it measures. The floor is `git notes append` in the same repository, in turns with it.

use std::{
    fmt::{self, Display},
    process::{Command, Stdio},
};

use anyhow::{Context as _, ensure};
use serde::{Deserialize, Serialize};

use super::figures::{Series, round, step};

/// What the goal allows, in milliseconds.
const GOAL_MS: u32 = 50;

/// What the example prints, in milliseconds.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Samples {
    /// Commits that have notes.
    commits: u32,
    floor_ms: Vec<f64>,
    plumb_ms: Vec<f64>,
}

/// Figures of one more line, in milliseconds.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Notes {
    commits: u32,
    rounds: usize,
    floor_ms: Series,
    plumb_ms: Series,
    /// Each time of plumb's to the floor that was measured just before it.
    ratio: Series,
}

/// Builds the example and runs it.
pub(super) fn measure() -> anyhow::Result<Notes> {
    step("notes: building what measures them, which takes some minutes the first time");
    let example = lab::process::example("notes_speed").context("the measurement of notes could not be built")?;
    step("notes: one more line among those of 100,000 commits, 50 times");
    let output = Command::new(&example).stdin(Stdio::null()).stderr(Stdio::inherit()).output()?;
    ensure!(output.status.success(), "{} ended with {}", example.display(), output.status);
    figures(serde_json::from_slice(&output.stdout).context("no samples of notes")?)
}

fn figures(Samples { commits, floor_ms, plumb_ms }: Samples) -> anyhow::Result<Notes> {
    let rounds = floor_ms.len();
    ensure!(rounds > 0 && rounds == plumb_ms.len(), "{rounds} floors and {} times of plumb's", plumb_ms.len());
    let ratios = floor_ms.iter().zip(&plumb_ms).map(|(floor, plumb)| round(plumb / floor)).collect::<Vec<_>>();
    let rounded = |samples: Vec<f64>| Series::of(samples.into_iter().map(round));
    let (floor_ms, plumb_ms) = (rounded(floor_ms), rounded(plumb_ms));
    Ok(Notes { commits, rounds, floor_ms, plumb_ms, ratio: Series::of(ratios) })
}

impl Display for Notes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { commits, rounds, floor_ms, plumb_ms, ratio } = self;
        write!(f, "one more line among the notes of {commits} commits, {rounds} rounds")?;
        for (name, series) in [("git notes append", floor_ms), ("plumb", plumb_ms)] {
            let Series { min, median, max, .. } = series;
            write!(f, "\n  {name:<26} min {min:.1} ms   p50 {median:.1} ms   max {max:.1} ms")?;
        }
        write!(f, "\n  ratio at p50               {:.3}      (goal: at most {GOAL_MS} ms)", ratio.median)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_time_stands_beside_the_floor_before_it() {
        let samples = r#"{"commits": 100000, "floorMs": [100.0, 400.0, 200.0], "plumbMs": [1.0, 2.0, 4.0]}"#;
        let notes = figures(serde_json::from_str(samples).unwrap()).unwrap();
        let Notes { rounds, floor_ms, plumb_ms, ratio, .. } = &notes;
        assert_eq!((*rounds, floor_ms.median, plumb_ms.median, ratio.median), (3, 200.0, 2.0, 0.01));
        assert!(notes.to_string().contains("ratio at p50               0.010"), "{notes}");
        let uneven = r#"{"commits": 1, "floorMs": [1.0], "plumbMs": []}"#;
        assert!(figures(serde_json::from_str(uneven).unwrap()).is_err());
    }
}
