//! What each note said after each link, without reading every version.
//!
//! Each link writes the whole note anew, and a note that is right begins with what it said before. So its newest version is
//! read, and the older ones are recognised in its beginning: an object's id is the SHA-1 of its kind, its length and its
//! content (gitformat-object), so a beginning of the right length that hashes to the id is the content. One that is not there
//! was changed later, and is read like the newest. Each version is hashed once, and none is copied; less would leave
//! unproved what a version in between said.

use std::collections::{BTreeMap, VecDeque};

use git2::{Odb, Oid, Repository};
use openssl::sha::Sha1;
use plumb_core::audit::{NoteChange, version::Version};

use super::trees::Change;

/// Every note of a walk, as far as the walk is not past it.
#[derive(Default)]
pub(super) struct Versions {
    notes: BTreeMap<String, Note>,
}

#[derive(Default)]
struct Note {
    /// The versions that are still to come; absent: the note is gone.
    coming: VecDeque<Option<Oid>>,
    /// A version that was read, in whose beginning others are looked for.
    read: Version,
    /// The version that was handed out last.
    last: Option<Version>,
}

impl Versions {
    /// Learns of a change that the walk will come to.
    pub(super) fn expect(&mut self, change: &Change) {
        if let Some(note) = self.notes.get_mut(&change.path) {
            note.coming.push_back(change.after);
        } else {
            let note = Note { coming: VecDeque::from([change.after]), ..Note::default() };
            self.notes.insert(change.path.clone(), note);
        }
    }

    /// Returns what a change is about; changes are asked for in the order in which they were expected.
    pub(super) fn of(&mut self, repository: &Repository, change: Change) -> Result<NoteChange, git2::Error> {
        let Change { path, after } = change;
        let note = self.notes.get_mut(&path).expect("because each change was expected");
        let before = note.last.take();
        let after = after.map(|id| note.version(repository, id)).transpose()?;
        note.coming.pop_front();
        if note.coming.is_empty() {
            self.notes.remove(&path);
        } else {
            note.last.clone_from(&after);
        }
        Ok(NoteChange { path, before, after })
    }
}

impl Note {
    /// Returns the version that comes next.
    fn version(&mut self, repository: &Repository, id: Oid) -> Result<Version, git2::Error> {
        let database = repository.odb()?;
        if let Some(found) = beginning(&database, &self.read, id)? {
            return Ok(found);
        }
        // The newest one, and where that does not begin with it, one half as far ahead, …: a change in the middle of a
        // history costs a few objects, and not all of them.
        let mut ahead = self.coming.len().saturating_sub(1);
        while ahead > 0 {
            if let Some(Some(later)) = self.coming.get(ahead) {
                let later = read(repository, *later)?;
                if let Some(found) = beginning(&database, &later, id)? {
                    self.read = later;
                    return Ok(found);
                }
            }
            ahead /= 2;
        }
        self.read = read(repository, id)?;
        Ok(self.read.clone())
    }
}

/// Returns the version of an id, if it is the beginning of another one.
fn beginning(database: &Odb<'_>, of: &Version, id: Oid) -> Result<Option<Version>, git2::Error> {
    let (bytes, _) = database.read_header(id)?;
    let Some(version) = of.beginning(bytes) else { return Ok(None) };
    let mut hash = Sha1::new();
    hash.update(format!("blob {bytes}\0").as_bytes());
    hash.update(version.bytes());
    Ok((hash.finish() == id.as_bytes()).then_some(version))
}

fn read(repository: &Repository, id: Oid) -> Result<Version, git2::Error> {
    Ok(Version::of(repository.find_blob(id)?.content()))
}
