//! `plumb render`.

use std::path::{Path, PathBuf};

use clap::Args;
use plumb_core::{problem::Problem, source::SourceTree};
use plumb_render::{Parameters, Rendered};
use serde_json::Value;

use super::{Outcome, error::CliError, place, screen, yaml};

/// Print the objects that a path renders to, as YAML
///
/// Reads files of this machine, needs no cluster, and prints what plumb would apply before namespaces and labels are
/// filled in. Secrets are printed as they stand in the files.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  plumb render environments/staging
  plumb render environments/staging | kubectl diff -f -")]
pub(crate) struct RenderArgs {
    /// Directory or file, as an Environment's spec.path would name it
    path: PathBuf,
}

/// Prints the objects.
pub(crate) fn perform(arguments: &RenderArgs) -> Result<Outcome, CliError> {
    let tree = read(&arguments.path)?;
    let rendered = rendered(&arguments.path, &tree)?;
    let objects: Vec<&Value> = rendered.manifests.iter().map(|manifest| manifest.value.as_ref()).collect();
    screen::print(&yaml::documents(objects)?)?;
    Ok(Outcome::Yes)
}

/// Reads the files below a path of this machine.
pub(crate) fn read(path: &Path) -> Result<SourceTree, CliError> {
    plumb_git::directory::read(path)
        .map_err(|source| CliError::Unreadable { path: path.to_owned(), source: Box::new(source) })
}

/// Renders the files that were read below `path`, or says everything that is wrong with them.
pub(crate) fn rendered(path: &Path, tree: &SourceTree) -> Result<Rendered, CliError> {
    let invalid = |problems: &[Problem]| {
        CliError::Files(problems.iter().map(|problem| place::line(path, &tree.root, problem)).collect())
    };
    if !tree.problems.is_empty() {
        return Err(invalid(&tree.problems));
    }
    plumb_render::render(tree, &Parameters::default()).map_err(|error| invalid(error.problems()))
}
