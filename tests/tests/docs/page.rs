//! A Markdown document: its sections, the rows of its tables, its fenced blocks.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// A document of the repository.
pub(super) struct Page {
    /// Its path from the root of the repository.
    pub(super) path: String,
    pub(super) text: String,
}

/// Returns the root of the repository.
pub(super) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("because the package is a folder of the repository")
        .to_owned()
}

/// Reads a file of the repository.
pub(super) fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Returns one document.
pub(super) fn page(path: &str) -> Page {
    Page { path: path.to_owned(), text: read(path) }
}

/// Returns every document: the README, and all below `docs` and `manifests`.
pub(super) fn pages() -> Vec<Page> {
    let mut found = vec![page("README.md")];
    let mut folders = vec!["docs".to_owned(), "manifests".to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(root().join(&folder)).expect("a folder");
        for entry in entries.map(|entry| entry.expect("an entry")) {
            let path = format!("{folder}/{}", entry.file_name().to_string_lossy());
            if entry.path().is_dir() {
                folders.push(path);
            } else if path.ends_with(".md") {
                found.push(page(&path));
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

impl Page {
    /// Returns what stands below a heading, up to the next one of the same or a higher level.
    pub(super) fn section(&self, heading: &str) -> &str {
        let level = heading.bytes().take_while(|byte| *byte == b'#').count();
        let begin = self.text.find(&format!("\n{heading}\n"));
        let begin = begin.unwrap_or_else(|| panic!("{} has no heading {heading:?}", self.path)) + heading.len() + 2;
        let rest = &self.text[begin..];
        let end = (1..=level).filter_map(|level| rest.find(&format!("\n{} ", "#".repeat(level)))).min();
        &rest[..end.unwrap_or(rest.len())]
    }

    /// Returns the fenced blocks of a language.
    pub(super) fn blocks(&self, language: &str) -> Vec<String> {
        let mut found = Vec::new();
        let mut lines = self.text.lines();
        while let Some(line) = lines.next() {
            let Some(written) = line.strip_prefix("```") else { continue };
            let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
            if written == language {
                found.push(block.join("\n") + "\n");
            }
        }
        found
    }

    /// Returns the text without what stands in fenced blocks.
    pub(super) fn prose(&self) -> String {
        let parts = self.text.split("\n```").enumerate().filter(|(number, _)| number % 2 == 0);
        parts.map(|(_, part)| part).collect()
    }
}

/// Returns the rows of all tables whose first cell begins with code: that code, and the cells after it.
pub(super) fn rows(section: &str) -> Vec<(String, Vec<String>)> {
    let row = |line: &str| {
        let line = line.strip_prefix("| `")?;
        let (code, rest) = line.split_once('`')?;
        let cells = rest.trim_end_matches('|').split(" | ").skip(1).map(|cell| cell.trim().to_owned());
        Some((code.to_owned(), cells.collect()))
    };
    section.lines().filter_map(row).collect()
}

/// Expects a document to describe exactly what there is.
pub(super) fn check_same(what: &str, documented: &BTreeSet<String>, real: &BTreeSet<String>) {
    let missing: Vec<_> = real.difference(documented).collect();
    let gone: Vec<_> = documented.difference(real).collect();
    assert!(
        missing.is_empty() && gone.is_empty(),
        "{what}: not described {missing:?}; described but not there {gone:?}"
    );
    assert!(!real.is_empty(), "{what}: nothing was found to compare with");
}
