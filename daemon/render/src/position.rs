//! Where a field of an object stands in its file, so that an answer of the API server can name file and line.
//!
//! Nothing is kept for it: the file is read again when a message needs a place.

pub(crate) mod path;

use plumb_core::{
    object::{Manifest, Origin},
    source::SourceTree,
};

use crate::yaml::{Outline, Position};

pub(crate) use path::{Found, descend};

/// Returns where the field stands that a path names, or the nearest node above it that the file has.
///
/// `bytes` is the content of the file that `origin` names; `origin` is where the object stands in it. Paths are read as
/// the API server writes them (`.spec.template.spec.containers[name="app"].imge`, `spec.replica`,
/// `metadata.labels[app.kubernetes.io/name]`) and as JSON pointers (`/spec/replicas`, RFC 6901).
pub fn locate(bytes: &[u8], origin: &Origin, path: &str) -> Option<Position> {
    let at = Position { line: origin.line, column: origin.column };
    let outline = Outline::of(bytes, at)?;
    Some(descend(outline.node_at(at)?, path).at)
}

/// Returns where a field of a manifest stands; the manifest's own origin if its file is not in the tree.
pub fn origin_of(tree: &SourceTree, manifest: &Manifest, path: &str) -> Origin {
    let origin = &manifest.origin;
    let file = tree.files.binary_search_by(|file| file.path.cmp(&origin.file)).ok().map(|index| &tree.files[index]);
    let position = file.and_then(|file| locate(&file.content, origin, path));
    position.map_or_else(|| origin.clone(), |position| position.in_file(&origin.file))
}
