//! `plumb check`: everything that can be known to be wrong without a cluster.

mod own;
mod schema;

use std::path::{Path, PathBuf};

use clap::Args;
use plumb_core::{
    commit::RepoPath,
    object::{Manifest, Origin},
    problem::Problem,
    source::SourceTree,
};
use plumb_render::{Parameters, plain, yaml::Options};
use serde::Serialize;

use super::{Outcome, error::CliError, format::FormatArgs, place, render, screen::Tone};

/// Find what is wrong in files, without a cluster
///
/// Reads and renders each path as plumb does for an Environment with this spec.path, and checks plumb's own resources
/// against their schemas. Reports every problem with file, line and column, not only the first. What only a cluster
/// knows (kinds that it does not serve, fields of their schemas) is found by `plumb diff`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  plumb check environments/staging            one environment
  plumb check environments/* plumb            several; each path is checked by itself
  plumb check . -o json | jq '.problems'

Exit codes: 0 no problem, 1 problems were found, 2 a path could not be read")]
pub(crate) struct CheckArgs {
    /// Directories or files, as Environments' spec.path would name them
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    format: FormatArgs,
}

/// What was found.
#[derive(Debug, Default, Serialize)]
struct Report {
    problems: Vec<Found>,
    /// Objects in paths that are valid.
    objects: usize,
}

/// One problem, with the file as seen from where plumb was started.
#[derive(Debug, Serialize)]
struct Found {
    file: String,
    #[serde(skip_serializing_if = "is_zero")]
    line: u32,
    #[serde(skip_serializing_if = "is_zero")]
    column: u32,
    message: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    remedy: String,
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// Checks all paths and prints what is wrong.
pub(crate) fn perform(arguments: &CheckArgs) -> Result<Outcome, CliError> {
    let mut report = Report::default();
    let (mut lines, mut good) = (Vec::new(), Vec::new());
    for path in &arguments.paths {
        let tree = render::read(path)?;
        let (manifests, problems) = problems(&tree);
        if problems.is_empty() {
            report.objects += manifests.len();
            good.push((path, manifests.len()));
        }
        lines.extend(problems.iter().map(|problem| place::line(path, &tree.root, problem)));
        report.problems.extend(problems.into_iter().map(|problem| found(path, &tree.root, problem)));
    }
    let table = || {
        let mut text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        for (path, objects) in &good {
            text.push_str(&format!("{}: {objects} object(s), {}\n", path.display(), Tone::Good.paint("no problem")));
        }
        text
    };
    arguments.format.print(&report, table)?;
    Ok(if report.problems.is_empty() { Outcome::Yes } else { Outcome::No })
}

fn found(path: &Path, root: &RepoPath, problem: Problem) -> Found {
    let Problem { origin: Origin { file, line, column }, message, remedy } = problem;
    Found { file: place::seen(path, root, &file), line, column, message, remedy }
}

/// Returns the objects of a tree and everything that is wrong with it, sorted by place.
fn problems(tree: &SourceTree) -> (Vec<Manifest>, Vec<Problem>) {
    let (manifests, mut problems) = match plumb_render::render(tree, &Parameters::default()) {
        Ok(rendered) => (rendered.manifests, tree.problems.clone()),
        // One bad file must not hide what is wrong in the others.
        Err(error) => (readable(tree), error.problems().to_vec()),
    };
    problems.extend(manifests.iter().flat_map(|manifest| own::problems(tree, manifest)));
    problems.extend(own::cycles(tree, &manifests));
    problems.sort();
    problems.dedup();
    (manifests, problems)
}

/// Returns the objects of the files that are valid by themselves.
fn readable(tree: &SourceTree) -> Vec<Manifest> {
    let manifests = tree
        .files
        .iter()
        .filter(|file| [".yaml", ".yml", ".json"].iter().any(|ending| file.path.as_str().ends_with(ending)));
    let read = manifests.filter_map(|file| plain::manifests(&file.path, &file.content, &Options::default()).ok());
    read.flatten().collect()
}
