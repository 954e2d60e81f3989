//! The first fetch of a local repository: its packs and loose objects are copied as they are.
//!
//! libgit2 would compute every delta anew, which takes most of a minute for 30,000 files; copying takes as long as reading
//! them. Objects of other refs come along, which for a directory of the same machine gives nothing away.

use std::{
    collections::BTreeSet,
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
};

use git2::Repository;

/// Name under which a file is written before it is whole; `mirror::clear_leftovers` knows its beginning.
const UNFINISHED: &str = "pack_git2_seed";

/// Copies all objects of the source into a mirror that has no ref yet, if they can be had that way.
///
/// *Guarantees:* returns true only if the mirror then holds every object that the source held; otherwise nothing is left.
pub(super) fn seed(source: &Repository, mirror: &Repository) -> io::Result<bool> {
    let from = source.commondir().join("objects");
    let to = mirror.path().join("objects");
    // Objects that are elsewhere or nowhere: borrowed ones, and histories and trees that were cut off.
    if from.join("info/alternates").exists() || source.is_shallow() || holds_promises(&from)? {
        return Ok(false);
    }
    let before = packs(&from)?;
    let mut copied = Vec::new();
    let outcome = copy_all(&from, &to, &before, &mut copied);
    // A repack that ran meanwhile may have moved objects from where we had not looked to where we had.
    if outcome.is_ok() && packs(&from)? == before {
        return Ok(true);
    }
    for path in copied.iter().rev() {
        fs::remove_file(path)?;
    }
    match outcome {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(false),
    }
}

fn copy_all(from: &Path, to: &Path, packs: &BTreeSet<OsString>, copied: &mut Vec<PathBuf>) -> io::Result<()> {
    let unfinished = to.join("pack").join(UNFINISHED);
    let mut copy = |directory: &str, name: &Path| {
        let target = to.join(directory).join(name);
        if target.exists() {
            return Ok(());
        }
        fs::create_dir_all(to.join(directory))?;
        fs::copy(from.join(directory).join(name), &unfinished)?;
        copied.push(target.clone());
        fs::rename(&unfinished, target)
    };
    for index in packs {
        // The index last: libgit2 finds a pack by it.
        copy("pack", &Path::new(index).with_extension("pack"))?;
        copy("pack", Path::new(index))?;
    }
    for directory in fs::read_dir(from)? {
        let name = directory?.file_name();
        let Some(name) = name.to_str().filter(|name| name.len() == 2) else { continue };
        for object in fs::read_dir(from.join(name))? {
            let object = object?.file_name();
            if object.len() == 38 {
                copy(name, Path::new(&object))?;
            }
        }
    }
    Ok(())
}

fn packs(objects: &Path) -> io::Result<BTreeSet<OsString>> {
    with_extension(objects, "idx")
}

fn holds_promises(objects: &Path) -> io::Result<bool> {
    Ok(!with_extension(objects, "promisor")?.is_empty())
}

fn with_extension(objects: &Path, wanted: &str) -> io::Result<BTreeSet<OsString>> {
    let entries = match fs::read_dir(objects.join("pack")) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeSet::new()),
        Err(error) => return Err(error),
    };
    let mut found = BTreeSet::new();
    for entry in entries {
        let name = entry?.file_name();
        if Path::new(&name).extension().is_some_and(|extension| extension == wanted) {
            found.insert(name);
        }
    }
    Ok(found)
}
