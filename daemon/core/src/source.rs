//! The files that a render reads, as plain data: what passes from Git (or a directory) to the renderer.

use std::{collections::BTreeMap, sync::Arc};

use serde::Serialize;

use crate::{
    commit::{RepoPath, TreeId},
    problem::Problem,
};

/// One regular file; symbolic links inside the repository are already followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFile {
    /// Its path as seen from the root of the repository (of the link, not of its target).
    pub path: RepoPath,
    /// The id of its content.
    pub blob: TreeId,
    /// Its content.
    pub content: Arc<[u8]>,
}

/// The ids of everything a render read: equal inputs render to equal objects.
///
/// A path's tree and, for each symbolic link that leaves the path, its target.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize)]
pub struct Inputs(pub BTreeMap<RepoPath, TreeId>);

/// All files below one path of one commit (or of a directory), sorted by path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceTree {
    /// The path that was read.
    pub root: RepoPath,
    /// What its content depends on.
    pub inputs: Inputs,
    /// Every file below it, sorted by path.
    pub files: Vec<SourceFile>,
    /// What could not be read: links that leave the repository, submodules, files past the limits. Not empty: the tree must not be rendered.
    pub problems: Vec<Problem>,
}
