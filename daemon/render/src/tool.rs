//! Which tool a path is written for. Kustomize and Helm input is refused by name: read as plain manifests, it would
//! apply something else than its author means.

use plumb_core::{object::Origin, problem::Problem, source::SourceTree};

use crate::plain::visible;

/// The files by which a directory is told to be another tool's input.
const MARKS: [(&str, &str); 4] = [
    ("Chart.yaml", "Helm"),
    ("Kustomization", "Kustomize"),
    ("kustomization.yaml", "Kustomize"),
    ("kustomization.yml", "Kustomize"),
];

/// Returns a problem for each file that makes its directory the input of a tool that plumb does not run.
pub(crate) fn foreign(tree: &SourceTree) -> Vec<Problem> {
    visible(tree)
        .filter_map(|file| {
            let name = file.path.as_str().rsplit('/').next().unwrap_or_default();
            let (_, tool) = MARKS.iter().find(|(mark, _)| *mark == name)?;
            Some(Problem {
                origin: Origin { file: file.path.clone(), line: 0, column: 0 },
                message: format!("{name} makes this directory input of {tool}, which is not supported yet"),
                remedy: "commit the rendered manifests instead, or point the path at a directory of plain manifests"
                    .to_owned(),
            })
        })
        .collect()
}
