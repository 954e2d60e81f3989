//! Plain manifests: every YAML and JSON file below the path, each document an object.
//!
//! Pure. Must never skip a document that holds something, or guess at a field that identifies an object.

mod list;
mod object;

use std::collections::BTreeMap;

use plumb_core::{
    commit::RepoPath,
    object::{Manifest, ObjectKey, Origin},
    problem::Problem,
    source::{SourceFile, SourceTree},
};

use crate::yaml::{self, Options};

/// The endings of files that are read.
const ENDINGS: [&str; 3] = [".yaml", ".yml", ".json"];

/// Renders all files of a tree; the manifests are sorted by their origin.
///
/// # Errors
/// Every problem of every file, sorted by place; none of the manifests may be used then.
pub fn render(tree: &SourceTree) -> Result<Vec<Manifest>, Vec<Problem>> {
    let options = Options::default();
    let mut rendered = Vec::new();
    let mut problems = tree.problems.clone();
    for file in visible(tree).filter(|file| is_manifest(&file.path)) {
        let (found, wrong) = objects(&file.path, &file.content, &options);
        rendered.extend(found);
        problems.extend(wrong);
    }
    rendered.sort_by(|a, b| a.origin.cmp(&b.origin));
    problems.extend(duplicates(&rendered));
    problems.sort();
    if problems.is_empty() { Ok(rendered) } else { Err(problems) }
}

/// Reads the objects of one file.
///
/// # Errors
/// Every problem of the file.
pub fn manifests(file: &RepoPath, bytes: &[u8], options: &Options) -> Result<Vec<Manifest>, Vec<Problem>> {
    let (found, problems) = objects(file, bytes, options);
    if problems.is_empty() { Ok(found) } else { Err(problems) }
}

/// Returns the files that are not hidden: no name between the tree's root and the file starts with a dot.
pub(crate) fn visible(tree: &SourceTree) -> impl Iterator<Item = &SourceFile> {
    tree.files.iter().filter(|file| {
        // The root itself may be hidden: whoever names it means it.
        let below = file.path.below(&tree.root).unwrap_or(file.path.as_str());
        !below.split('/').any(|name| name.starts_with('.'))
    })
}

fn is_manifest(path: &RepoPath) -> bool {
    ENDINGS.iter().any(|ending| path.as_str().ends_with(ending))
}

fn objects(file: &RepoPath, bytes: &[u8], options: &Options) -> (Vec<Manifest>, Vec<Problem>) {
    let mut reading = yaml::scan(file, bytes, options);
    let mut found = Vec::new();
    for document in std::mem::take(&mut reading.documents) {
        let mut checks = object::Checks::new(&mut reading, bytes, &document.origin);
        for (value, at) in list::flatten(document, &mut checks) {
            found.extend(checks.manifest(value, at));
        }
    }
    (found, reading.into_problems())
}

/// Finds objects that are there more than once; the version of their kind makes no difference.
fn duplicates(manifests: &[Manifest]) -> Vec<Problem> {
    let mut first: BTreeMap<&ObjectKey, &Origin> = BTreeMap::new();
    let mut problems = Vec::new();
    for manifest in manifests {
        if let Some(other) = first.get(&manifest.key) {
            problems.push(Problem {
                origin: manifest.origin.clone(),
                message: format!("{} is already defined at {other}", manifest.key),
                remedy: "remove one of the two".to_owned(),
            });
        } else {
            first.insert(&manifest.key, &manifest.origin);
        }
    }
    problems
}
