//! Which files differ between two trees of notes.

use git2::{ObjectType, Oid, Repository, Tree, TreeEntry};

/// Depth of directories in a tree of notes: Git itself uses up to three, two characters each.
const DEPTH_MAX: usize = 20;

/// Entries of a tree that are passed over in search of the next one: links add a few notes to a folder, and take out none.
const AHEAD_MAX: usize = 3;

/// One file that differs.
pub(super) struct Change {
    /// Its path in the tree, with slashes.
    pub(super) path: String,
    /// The object that it is now; absent: it is gone.
    pub(super) after: Option<Oid>,
}

/// Collects the files that differ between two trees; equal ids are not looked into.
pub(super) fn compare(
    repository: &Repository,
    before: Option<&Tree<'_>>,
    after: Option<&Tree<'_>>,
    below: &str,
    changes: &mut Vec<Change>,
) -> Result<(), git2::Error> {
    if below.len() > DEPTH_MAX * 3 {
        return Err(git2::Error::from_str("the tree of notes is too deep"));
    }
    let mut place = 0;
    for entry in after.iter().flat_map(|tree| tree.iter()) {
        let old = before.and_then(|tree| found(tree, &mut place, entry.name_bytes()));
        if old.as_ref().is_none_or(|old| old.id() != entry.id()) {
            differ(repository, old.as_ref(), Some(&entry), below, changes)?;
        }
    }
    let mut place = 0;
    for entry in before.iter().flat_map(|tree| tree.iter()) {
        if after.is_none_or(|tree| found(tree, &mut place, entry.name_bytes()).is_none()) {
            differ(repository, Some(&entry), None, below, changes)?;
        }
    }
    Ok(())
}

/// Returns the entry of this name. Both trees have the same order, so it mostly follows the one that was found last.
fn found<'a>(tree: &'a Tree<'_>, place: &mut usize, name: &[u8]) -> Option<TreeEntry<'a>> {
    for next in *place..*place + AHEAD_MAX {
        if let Some(entry) = tree.get(next).filter(|entry| entry.name_bytes() == name) {
            *place = next + 1;
            return Some(entry);
        }
    }
    tree.get_name_bytes(name)
}

/// Collects what differs below two entries of one name, or at them.
fn differ(
    repository: &Repository,
    before: Option<&TreeEntry<'_>>,
    after: Option<&TreeEntry<'_>>,
    below: &str,
    changes: &mut Vec<Change>,
) -> Result<(), git2::Error> {
    let of_kind = |entry: Option<&TreeEntry<'_>>, kind: ObjectType| {
        entry.filter(|entry| entry.kind() == Some(kind)).map(TreeEntry::id)
    };
    let tree = |entry| of_kind(entry, ObjectType::Tree).map(|id| repository.find_tree(id)).transpose();
    let name = after.or(before).map(TreeEntry::name_bytes).unwrap_or_default();
    let path = format!("{below}{}", String::from_utf8_lossy(name));
    let (old_tree, new_tree) = (tree(before)?, tree(after)?);
    if old_tree.is_some() || new_tree.is_some() {
        compare(repository, old_tree.as_ref(), new_tree.as_ref(), &format!("{path}/"), changes)?;
    }
    let (before, after) = (of_kind(before, ObjectType::Blob), of_kind(after, ObjectType::Blob));
    if before.is_some() || after.is_some() {
        changes.push(Change { path, after });
    }
    Ok(())
}
