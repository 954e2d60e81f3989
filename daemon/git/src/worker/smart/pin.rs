//! One commit by its id: brought into the mirror, and shown to be reachable from a ref that the server lists.
//!
//! The server is never asked for the id itself: many give out any object that they have to whoever knows its id, also of
//! forks and of branches that are hidden from us. What we may read is what our refs lead to.

use git2::{Oid, Repository};
use plumb_core::commit::{CommitId, RefName};

use super::{download, list};
use crate::{
    error::GitError,
    mirror,
    remote::{Advertised, Remote},
    worker::{advertised::Head, conversation::Conversation},
};

/// Refs that one fetch brings: libgit2 compares each of them with each that the server lists.
const REFS_AT_ONCE: usize = 500;

/// Makes sure that the mirror holds the commit and that a listed ref leads to it.
pub(super) fn perform(
    remote: &Remote,
    conversation: &Conversation<'_>,
    mirror: &Repository,
    commit: &CommitId,
) -> Result<Advertised, GitError> {
    let listed = list(remote, conversation, mirror).map_err(|error| conversation.fault(&error))?;
    let fault = |error: git2::Error| mirror::fault(mirror.path(), &error);
    let wanted = Oid::from_str(commit.as_str()).map_err(fault)?;
    let found = Advertised { reference: None, commit: commit.clone() };
    if proved_before(mirror, commit, &listed) || prove(mirror, commit, wanted, &listed).map_err(fault)? {
        return Ok(found);
    }
    // What points at the commit itself is enough; else branches hold it more often than tags.
    for stage in [Stage::Commit, Stage::Branches, Stage::Tags] {
        let missing: Vec<&Head> = listed.iter().filter(|head| stage.has(head, commit) && !held(mirror, head)).collect();
        for part in missing.chunks(REFS_AT_ONCE) {
            let refspecs: Vec<String> = part.iter().filter_map(|head| refspec(head)).collect();
            download(remote, conversation, mirror, &refspecs)?;
            if prove(mirror, commit, wanted, &listed).map_err(fault)? {
                return Ok(found);
            }
        }
    }
    Err(GitError::CommitNotListed { url: remote.url.to_string(), commit: commit.clone() })
}

enum Stage {
    Commit,
    Branches,
    Tags,
}

impl Stage {
    fn has(&self, head: &Head, commit: &CommitId) -> bool {
        match self {
            Self::Commit => head.id == commit.as_str(),
            Self::Branches => head.name.starts_with("refs/heads/"),
            Self::Tags => head.name.starts_with("refs/tags/"),
        }
    }
}

/// Returns the refspec of a listed ref; HEAD and the lines of commits behind tags have none.
fn refspec(head: &Head) -> Option<String> {
    let name = RefName::parse(&head.name).ok()?;
    Some(format!("+{name}:{}", mirror::upstream(Some(&name))))
}

/// Returns the commit that a listed ref leads to, if the mirror has the ref with all that belongs to it.
fn tip(mirror: &Repository, head: &Head) -> Option<Oid> {
    let name = RefName::parse(&head.name).ok()?;
    let reference = mirror.find_reference(&mirror::upstream(Some(&name))).ok()?;
    let current = reference.target().is_some_and(|target| target.to_string() == head.id);
    current.then(|| reference.peel_to_commit().ok().map(|tip| tip.id())).flatten()
}

fn held(mirror: &Repository, head: &Head) -> bool {
    tip(mirror, head).is_some()
}

/// Returns whether the ref that led to the commit last time is still where it was.
fn proved_before(mirror: &Repository, commit: &CommitId, listed: &[Head]) -> bool {
    let proof = mirror.find_reference(&mirror::pinned(commit)).ok().and_then(|proof| proof.target());
    proof.is_some_and(|proof| listed.iter().any(|head| head.id == proof.to_string()))
}

/// Looks for a listed ref that leads to the commit, and remembers the first.
fn prove(mirror: &Repository, commit: &CommitId, wanted: Oid, listed: &[Head]) -> Result<bool, git2::Error> {
    if mirror.find_commit(wanted).is_err() {
        return Ok(false);
    }
    let mut tips: Vec<Oid> = listed.iter().filter_map(|head| tip(mirror, head)).collect();
    tips.sort_unstable();
    tips.dedup();
    let direct = tips.iter().find(|tip| **tip == wanted);
    let leads = |tip: &&Oid| mirror.graph_descendant_of(**tip, wanted).unwrap_or(false);
    let Some(tip) = direct.or_else(|| tips.iter().find(leads)) else { return Ok(false) };
    mirror.reference(&mirror::pinned(commit), *tip, true, "pin")?;
    Ok(true)
}
