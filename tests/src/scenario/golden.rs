//! Comparing a transcript with the one that was reviewed, or writing it anew.

use std::{env, fs, path::Path};

use similar::TextDiff;

/// Set to `1`, transcripts are written instead of compared.
const UPDATE: &str = "PLUMB_UPDATE";
/// Lines around a difference.
const CONTEXT: usize = 3;

/// Compares a transcript with `expected.txt`.
///
/// # Errors
/// The difference, as a unified diff.
pub fn compare(file: &Path, transcript: &str) -> Result<(), String> {
    if env::var_os(UPDATE).is_some_and(|value| value == "1") {
        return fs::write(file, transcript).map_err(|error| format!("{}: {error}", file.display()));
    }
    let expected = fs::read_to_string(file).unwrap_or_default();
    if expected == transcript {
        return Ok(());
    }
    let diff = TextDiff::from_lines(expected.as_str(), transcript);
    let diff = diff.unified_diff().context_radius(CONTEXT).header("expected.txt", "what happened").to_string();
    Err(format!("{diff}\nIf that is right, write it down with {UPDATE}=1"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_is_shown_as_a_diff() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("expected.txt");
        fs::write(&file, "> push 1\n+ a\n").expect("a file");
        assert_eq!(compare(&file, "> push 1\n+ a\n"), Ok(()));
        let difference = compare(&file, "> push 1\n+ b\n").expect_err("a difference");
        assert!(difference.contains("-+ a\n++ b\n"), "{difference}");
    }
}
