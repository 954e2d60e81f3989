//! Files to Kubernetes objects: what a commit says the cluster should hold.
//!
//! Owns: reading YAML and JSON as kubectl does, plain manifests, the key of a render and the store of results.
//! Pure: bytes in, manifests or every problem out. Must never touch Git, the cluster, a clock or the network, and never
//! drop content without saying so.

pub mod edit;
pub mod key;
pub mod placing;
pub mod plain;
pub mod position;
pub mod renders;
mod tool;
pub mod yaml;

use std::{fmt, sync::Arc};

use plumb_core::{class::Class, object::Manifest, problem::Problem, source::SourceTree};
use serde::Serialize;

pub use key::RenderKey;
pub use renders::Renders;

/// What a render depends on besides its files. Plain manifests take none.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Parameters {}

/// The objects of one render.
#[derive(Clone, PartialEq)]
pub struct Rendered {
    /// The objects, sorted by where they stand.
    pub manifests: Vec<Manifest>,
    /// What the result depends on; equal keys have equal manifests.
    pub key: RenderKey,
}

impl fmt::Debug for Rendered {
    /// Leaves the values out: some are Secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys = self.manifests.iter().map(|manifest| &manifest.key);
        f.debug_struct("Rendered").field("key", &self.key).field("manifests", &keys.collect::<Vec<_>>()).finish()
    }
}

/// Why there is no result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    /// The path holds the input of a tool that plumb does not run.
    #[error("the path can't be rendered: {}", summary(.0))]
    Unsupported(Vec<Problem>),
    /// Files are wrong; none of the objects may be used.
    #[error("the files are not valid: {}", summary(.0))]
    Invalid(Vec<Problem>),
}

impl RenderError {
    /// Returns everything that is wrong, sorted by place; never empty.
    pub fn problems(&self) -> &[Problem] {
        match self {
            Self::Unsupported(problems) | Self::Invalid(problems) => problems,
        }
    }

    /// Returns what helps: always a change of the files.
    pub fn class(&self) -> Class {
        match self {
            Self::Unsupported(_) | Self::Invalid(_) => Class::Wait,
        }
    }
}

/// Names the first problem and how many follow.
fn summary(problems: &[Problem]) -> String {
    match problems {
        [] => "no reason is known".to_owned(),
        [only] => only.to_string(),
        [first, rest @ ..] => format!("{first} (and {} more)", rest.len()),
    }
}

/// Renders the files of a tree by the tool that they are written for.
///
/// # Errors
/// Every problem of every file.
pub fn render(tree: &SourceTree, parameters: &Parameters) -> Result<Rendered, RenderError> {
    let foreign = tool::foreign(tree);
    if !foreign.is_empty() {
        return Err(RenderError::Unsupported(foreign));
    }
    let manifests = plain::render(tree).map_err(RenderError::Invalid)?;
    Ok(Rendered { manifests, key: RenderKey::of(tree, parameters) })
}

/// Returns the result of a render, from the store if it is there.
///
/// # Errors
/// As [`render`]; errors are not kept.
pub fn render_once(
    renders: &mut Renders,
    tree: &SourceTree,
    parameters: &Parameters,
) -> Result<Arc<Rendered>, RenderError> {
    if let Some(rendered) = renders.get(&RenderKey::of(tree, parameters)) {
        return Ok(rendered);
    }
    Ok(renders.put(render(tree, parameters)?))
}
