//! Where files are, as seen by the person who named a path.

use std::path::{Path, PathBuf};

use plumb_core::{commit::RepoPath, object::Origin, problem::Problem};

use super::screen;

/// Returns the name of a file that was read below `path`; inside the program it is named from the repository's root.
pub(crate) fn seen(path: &Path, root: &RepoPath, file: &RepoPath) -> String {
    let file = match file.below(root) {
        Some("") => path.to_owned(),
        Some(below) => path.join(below),
        None => PathBuf::from(file.as_str()),
    };
    file.display().to_string()
}

/// Returns a place as `file:line:column`, or the file alone if it is about all of it.
pub(crate) fn at(path: &Path, root: &RepoPath, origin: &Origin) -> String {
    let Origin { file, line, column } = origin;
    let file = seen(path, root, file);
    if *line == 0 { file } else { format!("{file}:{line}:{column}") }
}

/// Returns a problem as a line with its place.
pub(crate) fn line(path: &Path, root: &RepoPath, problem: &Problem) -> String {
    let Problem { origin, message, remedy } = problem;
    let remedy = if remedy.is_empty() { String::new() } else { format!(" ({remedy})") };
    screen::plain(&format!("{}: {message}{remedy}", at(path, root, origin)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_seen_from_where_the_user_is() {
        let check = |path: &str, root: &str, file: &str, expected: &str| {
            let file = RepoPath::parse(file).unwrap();
            let problem = Problem {
                origin: Origin { file, line: 3, column: 5 },
                message: "wrong".to_owned(),
                remedy: "right".to_owned(),
            };
            let root = RepoPath::parse(root).unwrap();
            assert_eq!(line(Path::new(path), &root, &problem), format!("{expected}:3:5: wrong (right)"));
        };
        check("staging", "environments/staging", "environments/staging/a.yaml", "staging/a.yaml");
        check("../x", ".", "a/b.yaml", "../x/a/b.yaml");
        check("a.yaml", "env/a.yaml", "env/a.yaml", "a.yaml");
        check("env", "env", "environments/a.yaml", "environments/a.yaml");
    }
}
