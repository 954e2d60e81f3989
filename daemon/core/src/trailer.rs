//! Trailers of a commit's message, as `git interpret-trailers` reads them (git/trailer.c).
//!
//! They stand in the last paragraph, which is not the first one, and which holds nothing else; where it has one that Git itself
//! writes, up to three quarters of it may be anything. Must never do: take a line of the text above for a trailer.

/// What Git itself writes into a paragraph of trailers.
const GIT_WRITES: [&str; 2] = ["Signed-off-by: ", PICKED];
const PICKED: &str = "(cherry picked from commit ";

/// Returns the trailers of a message in their order, each as its key and the first line of its value.
pub fn all(message: &str) -> Vec<(&str, &str)> {
    let lines: Vec<&str> = message.trim_end().lines().collect();
    let Some(blank) = lines.iter().rposition(|line| line.trim().is_empty()) else { return Vec::new() };
    let paragraph = &lines[blank + 1..];
    let (mut trailers, mut picked, mut others) = (Vec::new(), 0, 0);
    let (mut of_git, mut goes_on) = (false, false);
    for line in paragraph.iter().filter(|line| !line.starts_with('#')) {
        of_git |= GIT_WRITES.iter().any(|start| line.starts_with(start));
        if line.starts_with(PICKED) {
            picked += 1;
            goes_on = true;
        } else if let Some(trailer) = trailer(line) {
            trailers.push(trailer);
            goes_on = true;
        } else if !(goes_on && line.starts_with([' ', '\t'])) {
            others += 1;
            goes_on = false;
        }
    }
    let are_trailers = others == 0 || of_git && (trailers.len() + picked) * 3 >= others;
    if are_trailers { trailers } else { Vec::new() }
}

/// Returns whether a message has a trailer with this key, whatever its case.
pub fn has(message: &str, key: &str) -> bool {
    all(message).iter().any(|(found, _)| found.eq_ignore_ascii_case(key))
}

fn trailer(line: &str) -> Option<(&str, &str)> {
    let (key, value) = line.split_once(':')?;
    let key = key.trim_end();
    let is_token = !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    is_token.then(|| (key, value.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trailers_are_those_of_git() {
        #[track_caller]
        fn check(message: &str, expected: &[(&str, &str)]) {
            assert_eq!(all(message), expected, "{message:?}");
        }
        check("subject\n\nA: 1\nb-2 :  x y \n", &[("A", "1"), ("b-2", "x y")]);
        check("subject\n\nText.\n\nA: 1\n\n\n", &[("A", "1")]);
        check("subject\r\n\r\nA: 1\r\n", &[("A", "1")]);
        check("subject\n \t\nA: 1", &[("A", "1")]);
        check("subject\n\nA: 1\n goes on\nB: 2", &[("A", "1"), ("B", "2")]);
        check("subject\n\nA: 1\n# B: 2\n", &[("A", "1")]);
        check("subject\n\nA:", &[("A", "")]);
        check("", &[]);
        check("A: 1", &[]);
        check("\n\nA: 1", &[("A", "1")]);
        check("subject\nA: 1", &[]);
        check("subject\n\nA: 1\n\nText.", &[]);
        check("subject\n\nText\nA: 1", &[]);
        check("subject\n\nA: 1\nText", &[]);
        check("subject\n\n A: 1", &[]);
        check("subject\n\nnot a: 1", &[]);
        check("subject\n\n: 1", &[]);
        check("subject\n\nText\nA: 1\nSigned-off-by: a", &[("A", "1"), ("Signed-off-by", "a")]);
        check("subject\n\n(cherry picked from commit 1)\nA: 1", &[("A", "1")]);
        check("subject\n\n(cherry picked from commit 1)\nT\nT\nT\nT\nA: 1", &[("A", "1")]);
        check("subject\n\n#x\n  c\nA: 1", &[]);
        check("subject\n\nT\nT\nT\nT\nSigned-off-by: a", &[]);
        check("subject\n\nT\nT\nT\nSigned-off-by: a", &[("Signed-off-by", "a")]);
    }

    #[test]
    fn keys_are_the_same_in_any_case() {
        assert!(has("subject\n\nPlumb-run: a", "Plumb-Run"));
        assert!(!has("subject\n\nPlumb-Runs: a", "Plumb-Run"));
    }
}
