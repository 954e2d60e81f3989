//! One commit for many images, on top of a given one: read, judged, edited; blocks on the disk.
//!
//! Must never do: push, or write a file that no verdict asks for.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use jiff::Timestamp;
use plumb_core::{
    commit::{CommitId, RepoPath},
    person::Person,
    rollback::hold::RecordsEnd,
    trigger::{
        change::{Change, Ending, Lineage},
        name::ComponentName,
        place::Place,
        write_back::{
            self, COMMITS_MAX, Input, Value, Verdict,
            message::{self, IMAGES_MAX, Put},
        },
    },
};
use plumb_git::{
    draft::{Draft, Sign},
    error::GitError,
    mirror::Mirror,
    snapshot::Snapshot,
};
use plumb_render::placing;
use sha2::{Digest as _, Sha256};

use super::Want;
use crate::chain::chain;

/// Bytes of the digest that tells a branch of plumb's own from others: enough for all that a person will ever look at.
const CONTENT_BYTES: usize = 6;

/// What was made of some wants.
pub(super) struct Composed {
    /// One for each want, in their order.
    pub(super) verdicts: Vec<Verdict>,
    /// The commit that carries out those that say `Write`; absent where none does.
    pub(super) commit: Option<CommitId>,
    /// What it puts where, as a few digits: the same whatever it follows.
    pub(super) content: String,
}

/// A commit that is being made.
struct Composing<'a> {
    mirror: Mirror,
    head: &'a CommitId,
    snapshot: Snapshot,
    /// The files as they will be.
    files: BTreeMap<RepoPath, Vec<u8>>,
    /// Where something will be written, and what.
    written: BTreeMap<Place, String>,
    puts: BTreeSet<(ComponentName, Put)>,
    at: Option<Timestamp>,
}

/// Judges wants at a commit, and makes the commit that follows it; no ref is moved.
///
/// The same arguments make the same commit, with a signature that does not vary.
pub(super) fn compose(
    mirror: &Path,
    head: &CommitId,
    wants: &[Want],
    person: &Person,
    records: Option<&RecordsEnd>,
    sign: Option<&Sign<'_>>,
) -> Result<Composed, GitError> {
    let mirror = Mirror::open_or_create(mirror)?;
    let snapshot = mirror.snapshot(head)?;
    let mut composing = Composing {
        mirror,
        head,
        snapshot,
        files: BTreeMap::new(),
        written: BTreeMap::new(),
        puts: BTreeSet::new(),
        at: None,
    };
    let mut verdicts = Vec::with_capacity(wants.len());
    for want in wants {
        verdicts.push(composing.want(want)?);
    }
    let Composing { mirror, files, puts, written, at, .. } = composing;
    let content = content(&written);
    let Some(at) = at else { return Ok(Composed { verdicts, commit: None, content }) };
    let puts: Vec<_> = puts.into_iter().collect();
    let draft = Draft {
        tree: mirror.tree_with_files(head, &files)?,
        parents: vec![head.clone()],
        author: person.clone(),
        committer: person.clone(),
        at,
        message: message::message(&puts, records),
    };
    let commit = mirror.write_commit(&draft, sign)?;
    Ok(Composed { verdicts, commit: Some(commit), content })
}

/// Returns a digest of what is written where, as part of the name of a branch.
fn content(written: &BTreeMap<Place, String>) -> String {
    let mut digest = Sha256::new();
    for (place, image) in written {
        digest.update(format!("{place}\n{image}\n"));
    }
    digest.finalize().iter().take(CONTENT_BYTES).map(|byte| format!("{byte:02x}")).collect()
}

impl Composing<'_> {
    /// Judges one want, and edits its file where it is to be written.
    ///
    /// *Errors:* the mirror can't be read. What is wrong with a file or a place is a verdict.
    fn want(&mut self, want: &Want) -> Result<Verdict, GitError> {
        let place = &want.wanted.place;
        let (file, content) = match self.file(place)? {
            Ok(found) => found,
            Err(why) => return Ok(Verdict::Problem(why)),
        };
        let stands = placing::stands(&file, &content, place).map_err(|error| chain(&error));
        let lineage = match &stands {
            Ok(_) => self.lineage(&file, place)?,
            Err(_) => Lineage { changes: Vec::new(), ending: Ending::Enough },
        };
        let verdict = write_back::decide(&Input {
            wanted: &want.wanted,
            stands: stands.as_ref().map_err(String::as_str),
            lineage: &lineage,
            written: want.written.as_ref(),
            newest: want.newest,
        });
        if verdict != Verdict::Write {
            return Ok(verdict);
        }
        Ok(match self.edit(want, file, &content) {
            Ok(()) => Verdict::Write,
            Err(why) => Verdict::Problem(why),
        })
    }

    /// Puts the image of a want into its file.
    fn edit(&mut self, want: &Want, file: RepoPath, content: &[u8]) -> Result<(), String> {
        let Want { wanted, built, .. } = want;
        let image = &wanted.image;
        match self.written.get(&wanted.place) {
            Some(other) if *other == image.to_string() => {}
            Some(other) => {
                return Err(format!(
                    "{} is to hold {other} as well; let one entry of one trigger write it",
                    wanted.place
                ));
            }
            None if self.puts.len() >= IMAGES_MAX => {
                return Err(format!("one commit puts in {IMAGES_MAX} images at most; it follows in another one"));
            }
            None => {
                let put = Put::of(wanted).map_err(|error| error.to_string())?;
                let content = self.files.get(&file).map_or(content, Vec::as_slice);
                let content = placing::put(&file, content, &wanted.place, image).map_err(|error| chain(&error))?;
                self.files.insert(file, content);
                self.written.insert(wanted.place.clone(), image.to_string());
                self.puts.insert((wanted.component.clone(), put));
                self.at = self.at.max(Some(*built));
            }
        }
        Ok(())
    }

    /// Returns the file of a place as it is at the commit, or why there is none.
    fn file(&self, place: &Place) -> Result<Result<(RepoPath, Vec<u8>), String>, GitError> {
        let names = match place.files() {
            Ok(names) => names,
            Err(error) => return Ok(Err(error.to_string())),
        };
        let mut found = Vec::new();
        for name in &names {
            match self.snapshot.file(name) {
                Ok(Some(content)) => found.push((name.clone(), content)),
                Ok(None) => {}
                Err(error @ GitError::NotAFile { .. }) => return Ok(Err(error.to_string())),
                Err(error) => return Err(error),
            }
        }
        let listed =
            |names: &[RepoPath], with: &str| names.iter().map(ToString::to_string).collect::<Vec<_>>().join(with);
        let there: Vec<RepoPath> = found.iter().map(|(name, _)| name.clone()).collect();
        Ok(match (found.pop(), found.is_empty()) {
            (Some(only), true) => Ok(only),
            (Some(_), false) => {
                Err(format!("{} are all there; kustomize takes one: remove the others", listed(&there, " and ")))
            }
            (None, _) => {
                let (names, head) = (listed(&names, " or "), self.head.short());
                Err(format!("there is no {names} in commit {head}; write it first, or correct spec.writeBack"))
            }
        })
    }

    /// Returns the changes of a place, as far as the verdict needs them.
    fn lineage(&self, file: &RepoPath, place: &Place) -> Result<Lineage<Value>, GitError> {
        // What can't be read holds no image.
        let value = |content: Option<&[u8]>| placing::stands(file, content?, place).ok().flatten();
        let more = |changes: &[Change<Value>]| write_back::more(place, changes);
        self.mirror.lineage(self.head, file, COMMITS_MAX, &value, &more)
    }
}
