//! What a component reads of a commit.

use serde::Serialize;

use crate::commit::{RepoPath, TreeId};

/// One entry of a commit's tree that is no directory: a file, a symbolic link, a submodule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Entry {
    /// Where it stands.
    pub path: RepoPath,
    /// The id of its content: of a file, of a link's text, of a submodule's commit.
    pub id: TreeId,
    /// Its mode, as Git writes it (gitformat-tree: 0o100644, 0o100755, 0o120000, 0o160000).
    pub mode: u32,
}
