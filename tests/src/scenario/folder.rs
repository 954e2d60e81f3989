//! A scenario's folder: read, and copied with its placeholders filled in.
//!
//! `${NAME}` is the scenario's namespace, which nothing else uses: names of cluster-scoped objects are made from it.
//! `${FILL n}` is a text of n characters, for what is too big to be kept in a folder. In steps, `${COMMIT n}` is the id of
//! the n-th commit, `${ID ENV}` an Environment's ApplySet id and `${UID KIND NAME}` an object's uid. Whatever else looks
//! like a placeholder is left as it is.

use std::{
    collections::BTreeMap,
    fs, io,
    ops::Range,
    path::{Path, PathBuf},
};

use tempfile::TempDir;

use super::steps::{self, Line, Step};

/// Names what an overlay deletes, one path a line.
const REMOVED: &str = ".removed";

/// Holds what a commit's message says below its subject.
const MESSAGE: &str = ".message";

/// A scenario as it stands in the tree.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// The name of its folder.
    pub name: String,
    /// Its folder.
    pub folder: PathBuf,
    /// Its steps.
    pub lines: Vec<Line>,
}

impl Scenario {
    /// Reads a scenario.
    ///
    /// # Errors
    /// In words: no `steps.txt`, or one that is not understood.
    pub fn read(folder: &Path) -> Result<Self, String> {
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let text = read(&folder.join("steps.txt"))?;
        let lines = steps::parse(&text).map_err(|error| format!("{name}/{error}"))?;
        Ok(Self { name, folder: folder.to_owned(), lines })
    }

    /// Returns whether it needs a daemon of its own, because it ends it.
    pub fn kills(&self) -> bool {
        self.lines.iter().any(|line| line.steps.contains(&Step::Kill))
    }

    /// Returns whether plumb reaches its repository by http: something happens to the server.
    pub fn is_served(&self) -> bool {
        let served = |step: &Step| matches!(step, Step::Server(_) | Step::Protect | Step::Race(_));
        self.lines.iter().any(|line| line.steps.iter().any(served))
    }

    /// Copies its files with placeholders filled in.
    ///
    /// # Errors
    /// In words: files that can't be copied.
    pub fn copy(&self, name: &str) -> Result<Copy, String> {
        let folder = TempDir::with_prefix("plumb-scenario-").map_err(|error| error.to_string())?;
        copy(&self.folder, folder.path(), name).map_err(|error| format!("copying {}: {error}", self.name))?;
        Ok(Copy { folder })
    }
}

/// A scenario's files with placeholders filled in.
#[derive(Debug)]
pub struct Copy {
    folder: TempDir,
}

impl Copy {
    /// Returns its folder.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Returns the message of a commit.
    pub fn message(&self, number: u32) -> String {
        let file = self.path().join("repository").join(number.to_string()).join(MESSAGE);
        let body = fs::read_to_string(file).map(|body| format!("\n\n{body}")).unwrap_or_default();
        format!("Commit {number}{body}")
    }

    /// Lays a commit's files over a working copy.
    ///
    /// # Errors
    /// In words: no such commit, or files that can't be copied or removed.
    pub fn overlay(&self, number: u32, onto: &Path) -> Result<(), String> {
        let from = self.path().join("repository").join(number.to_string());
        let failed = |error: io::Error| format!("repository/{number}: {error}");
        let removed = fs::read_to_string(from.join(REMOVED)).unwrap_or_default();
        for path in removed.lines().map(str::trim).filter(|path| !path.is_empty()) {
            let path = onto.join(path);
            let gone = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
            gone.map_err(failed)?;
        }
        if !from.is_dir() {
            return Err(format!("repository/{number} is missing"));
        }
        lay(&from, onto).map_err(failed)
    }
}

/// Fills in the placeholders of a text.
pub fn fill_in(text: &str, name: &str, commits: &BTreeMap<u32, String>) -> String {
    let mut text = text.replace("${NAME}", name);
    for (number, commit) in commits {
        text = text.replace(&format!("${{COMMIT {number}}}"), commit);
    }
    while let Some((range, argument)) = placeholder(&text, "FILL") {
        let Ok(count) = argument.parse() else { break };
        text.replace_range(range, &"x".repeat(count));
    }
    text
}

/// Returns where the first `${WORD argument}` stands, and its argument.
pub fn placeholder(text: &str, word: &str) -> Option<(Range<usize>, String)> {
    let opening = format!("${{{word} ");
    let start = text.find(&opening)?;
    let length = text[start..].find('}')?;
    let argument = text[start + opening.len()..start + length].to_owned();
    Some((start..start + length + 1, argument))
}

fn copy(from: &Path, to: &Path, name: &str) -> io::Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type()?.is_dir() {
            fs::create_dir(&target)?;
            copy(&source, &target, name)?;
        } else {
            match String::from_utf8(fs::read(&source)?) {
                Ok(text) => fs::write(target, fill_in(&text, name, &BTreeMap::new()))?,
                Err(bytes) => fs::write(target, bytes.into_bytes())?,
            }
        }
    }
    Ok(())
}

fn lay(from: &Path, onto: &Path) -> io::Result<()> {
    fs::create_dir_all(onto)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = onto.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            lay(&entry.path(), &target)?;
        } else if entry.file_name() != REMOVED && entry.file_name() != MESSAGE {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_filled_in_and_others_left() {
        let check = |text: &str, expected: &str| {
            let commits = BTreeMap::from([(2, "abc".to_owned())]);
            assert_eq!(fill_in(text, "shop-1", &commits), expected, "{text}");
        };
        check("namespace: ${NAME}", "namespace: shop-1");
        check("a ${FILL 3} b ${FILL 1}", "a xxx b x");
        check("${COMMIT 2} ${COMMIT 3}", "abc ${COMMIT 3}");
        check("${cluster} ${FILL x} $", "${cluster} ${FILL x} $");
    }
}
