//! The files that a render reads, as plain data: what passes from Git (or a directory) to the renderer.

use std::{collections::BTreeMap, fmt, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{
    commit::{RepoPath, TreeId},
    problem::Problem,
};

/// One regular file; symbolic links inside the repository are already followed.
///
/// Its content may hold Secrets, so `Debug` leaves it out.
#[derive(Clone, PartialEq, Eq)]
pub struct SourceFile {
    /// Its path as seen from the root of the repository (of the link, not of its target).
    pub path: RepoPath,
    /// The id of its content.
    pub blob: TreeId,
    /// Its content.
    pub content: Arc<[u8]>,
}

impl fmt::Debug for SourceFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, blob, content: _ } = self;
        f.debug_struct("SourceFile").field("path", path).field("blob", blob).finish_non_exhaustive()
    }
}

/// The ids of everything a render read: equal inputs render to equal objects.
///
/// A path's tree and, for each symbolic link that leaves the path, its target.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize)]
pub struct Inputs(pub BTreeMap<RepoPath, TreeId>);

/// The digest of inputs under which a status remembers them: equal digests, equal objects.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct InputsDigest(pub String);

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_content_of_a_file_is_not_shown() {
        let file = SourceFile {
            path: RepoPath::parse("secret.yaml").expect("a path"),
            blob: TreeId::parse(&"a".repeat(40)).expect("an id"),
            content: Arc::from(&b"AB"[..]),
        };
        let tree = SourceTree {
            root: RepoPath::parse("").expect("a path"),
            inputs: Inputs::default(),
            files: vec![file.clone()],
            problems: Vec::new(),
        };
        for text in [format!("{file:?}"), format!("{tree:?}")] {
            assert!(text.contains("secret.yaml") && !text.contains("65, 66") && !text.contains("AB"), "{text}");
        }
    }
}
