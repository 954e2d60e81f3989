//! Repositories on this machine, by `file://`.
//!
//! Objects are copied from one database to the other directly: libgit2's own local transport would list and pack every
//! ref of the source for each fetch of one.

mod push;
mod seed;

use std::{fs, io::Write, os::unix::fs::MetadataExt, path::Path};

use git2::{ErrorCode, Oid, Repository, Sort};
use plumb_core::commit::{CommitId, RefName};

use super::{
    Desk, Settings,
    advertised::{self},
    fault,
};
use crate::{
    error::GitError,
    mirror,
    protocol::{Answer, Job},
    remote::{Advertised, RefSelector, Remote},
};

/// Does one job at a local repository.
pub(super) fn perform(remote: &Remote, path: &Path, job: &Job, desk: &Desk) -> Result<Answer, GitError> {
    let source = Repository::open(path).map_err(|error| fault::of_local(&error, remote))?;
    check_owner(&source, &desk.settings)?;
    match job {
        Job::Advertise(selector) => look_up(remote, &source, selector).map(Answer::Advertised),
        Job::Fetch { mirror, what } => {
            let found = look_up(remote, &source, &RefSelector::again(what.reference.as_ref()))?;
            bring(&source, mirror, &found, &mirror::upstream(found.reference.as_ref()))?;
            Ok(Answer::Advertised(found))
        }
        Job::Pin { mirror, commit } => {
            let leads = leads_to(&source, commit).map_err(|error| fault::of_local(&error, remote))?;
            if !leads {
                return Err(GitError::CommitNotListed { url: remote.url.to_string(), commit: commit.clone() });
            }
            let found = Advertised { reference: None, commit: commit.clone() };
            bring(&source, mirror, &found, &mirror::pinned(commit))?;
            Ok(Answer::Advertised(found))
        }
        Job::FetchRef { mirror, name } => {
            let held = held(&source, name).map_err(|error| fault::of_local(&error, remote))?;
            if let Some(commit) = &held {
                let found = Advertised { reference: Some(name.clone()), commit: commit.clone() };
                bring(&source, mirror, &found, &mirror::upstream(Some(name)))?;
            }
            Ok(Answer::Held(held))
        }
        Job::Push { mirror, updates } => {
            push::perform(remote, &source, mirror, updates, &desk.closing).map(Answer::Push)
        }
    }
}

/// Returns the commit that a ref holds, if it is there.
fn held(source: &Repository, name: &RefName) -> Result<Option<CommitId>, git2::Error> {
    let found = source.find_reference(name.as_str()).and_then(|reference| reference.peel_to_commit());
    match found {
        Ok(commit) => {
            let id = CommitId::parse(&commit.id().to_string());
            id.map(Some).map_err(|error| git2::Error::from_str(&error.to_string()))
        }
        Err(error) if error.code() == ErrorCode::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Copies into the mirror at a path.
fn bring(source: &Repository, mirror: &Path, found: &Advertised, name: &str) -> Result<(), GitError> {
    mirror::clear_leftovers(mirror);
    let target = mirror::open(mirror)?;
    copy(source, &target, found, name).map_err(|error| mirror::fault(mirror, &error))
}

/// Returns whether any ref of the repository is the commit or comes after it.
fn leads_to(source: &Repository, commit: &CommitId) -> Result<bool, git2::Error> {
    let wanted = Oid::from_str(commit.as_str())?;
    if source.find_commit(wanted).is_err() {
        return Ok(false);
    }
    let mut tips = Vec::new();
    for reference in source.references()?.flatten() {
        // What is no commit, and a ref that leads nowhere, leads to no commit.
        tips.extend(reference.peel_to_commit().ok().map(|tip| tip.id()));
    }
    Ok(tips.contains(&wanted) || tips.into_iter().any(|tip| source.graph_descendant_of(tip, wanted).unwrap_or(false)))
}

fn look_up(remote: &Remote, source: &Repository, selector: &RefSelector) -> Result<Advertised, GitError> {
    let fault = |error: &git2::Error| fault::of_local(error, remote);
    let names = || -> Result<Vec<String>, GitError> {
        let references = source.references().map_err(|error| fault(&error))?;
        Ok(references.flatten().filter_map(|reference| reference.name().ok().map(str::to_owned)).collect())
    };
    let name = match selector {
        // Only for a range all names are needed.
        RefSelector::Newest(_) => advertised::name(&remote.url, names()?.iter().map(String::as_str), selector)?,
        _ => advertised::name(&remote.url, std::iter::empty(), selector)?,
    };
    let found = source.find_reference(&name).and_then(|reference| {
        let target = reference.symbolic_target()?.map(str::to_owned);
        Ok((target, reference.peel_to_commit()?.id()))
    });
    let (target, id) = match found {
        Ok(found) => found,
        Err(error) if matches!(error.code(), ErrorCode::NotFound | ErrorCode::UnbornBranch) => {
            return Err(advertised::missing(&remote.url, names()?.iter().map(String::as_str), selector));
        }
        Err(error) => return Err(fault(&error)),
    };
    let reference = match selector {
        RefSelector::Head => target.and_then(|target| RefName::parse(&target).ok()),
        _ => RefName::parse(&name).ok(),
    };
    let commit = CommitId::parse(&id.to_string()).map_err(|error| GitError::Worker { detail: error.to_string() })?;
    Ok(Advertised { reference, commit })
}

/// Copies the commit with all that it needs and the mirror lacks, then moves the mirror's ref of this name.
fn copy(source: &Repository, target: &Repository, found: &Advertised, name: &str) -> Result<(), git2::Error> {
    let wanted = Oid::from_str(found.commit.as_str())?;
    let database = target.odb()?;
    // Without a ref, what is there comes from a first fetch that was cut off, and may lack something.
    let first = target.references()?.next().is_none();
    let seeded = first && seed::seed(source, target).map_err(|error| git2::Error::from_str(&error.to_string()))?;
    if seeded {
        database.refresh()?;
    } else if first || !database.exists(wanted) {
        let mut walk = source.revwalk()?;
        walk.set_sorting(Sort::TIME)?;
        walk.push(wanted)?;
        for reference in target.references()?.flatten() {
            // A commit that the source no longer has (it was force-pushed away) excludes nothing.
            if let Some(id) = reference.target().filter(|id| source.find_commit(*id).is_ok()) {
                walk.hide(id)?;
            }
        }
        let mut pack = source.packbuilder()?;
        pack.set_threads(1);
        pack.insert_walk(&mut walk)?;
        let mut writer = database.packwriter()?;
        pack.foreach(|bytes| writer.write_all(bytes).is_ok())?;
        writer.commit()?;
    }
    target.reference(name, wanted, true, "fetch")?;
    Ok(())
}

/// Refuses a repository of another user, whose configuration would then decide what is read (Git's `safe.directory`).
fn check_owner(source: &Repository, settings: &Settings) -> Result<(), GitError> {
    let user = rustix::process::geteuid().as_raw();
    let directory = source.workdir().unwrap_or_else(|| source.path());
    let foreign = [directory, source.path()]
        .into_iter()
        .any(|path| fs::metadata(path).is_ok_and(|metadata| metadata.uid() != user));
    if foreign && !trusted(directory, settings) {
        let path = directory.display().to_string();
        return Err(GitError::ForeignOwner { path: path.trim_end_matches('/').to_owned() });
    }
    Ok(())
}

fn trusted(directory: &Path, settings: &Settings) -> bool {
    let real = directory.canonicalize();
    settings.safe_directories.iter().any(|safe| {
        safe.as_os_str() == "*"
            || safe == directory
            || real.as_ref().is_ok_and(|real| safe.canonicalize().is_ok_and(|safe| safe == *real))
    })
}
