//! Moving refs of a repository on this machine: the objects are written into it, then the ref is moved under its lock.
//!
//! Git's own push would run hooks. plumb runs none, so a repository that decides by a hook what it takes is not pushed to
//! by file: ssh and http go through Git there.

use std::{
    collections::BTreeSet,
    fs,
    io::Write,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use git2::{ErrorCode, Oid, Repository, Signature, Sort};
use plumb_core::commit::RefName;

use super::held;
use crate::{
    error::GitError,
    mirror,
    push::{PushOutcome, RefUpdate},
    remote::Remote,
    worker::{closing::Closing, fault},
};

/// Hooks by which a repository decides what it takes (githooks). Those that only tell others, such as `post-receive`,
/// are not run either, and hinder nothing.
const DECIDING_HOOKS: [&str; 4] = ["pre-receive", "update", "proc-receive", "reference-transaction"];

/// Moves refs of the repository to commits of the mirror.
pub(super) fn perform(
    remote: &Remote,
    target: &Repository,
    mirror: &Path,
    updates: &[RefUpdate],
    closing: &Closing,
) -> Result<PushOutcome, GitError> {
    let source = mirror::open(mirror)?;
    let readable = |error: git2::Error| fault::of_local(&error, remote);
    let mut missing = Vec::new();
    for update in updates {
        let actual = held(target, &update.name).map_err(readable)?;
        if actual.as_ref() == Some(&update.target) {
            continue;
        }
        if actual != update.expected {
            return Ok(PushOutcome::Raced { name: update.name.clone(), actual });
        }
        if let Some(message) = objection(target, &update.name) {
            return Ok(PushOutcome::Refused { name: update.name.clone(), message });
        }
        missing.push(update);
    }
    if missing.is_empty() {
        return Ok(PushOutcome::Pushed);
    }
    let unwritable = |error: git2::Error| GitError::Unwritable {
        path: target.path().display().to_string(),
        detail: error.message().to_owned(),
    };
    copy(&source, target, &missing).map_err(unwritable)?;
    for update in missing {
        let _uncut = closing.begin()?;
        match set(target, update) {
            Ok(None) => {}
            Ok(Some(raced)) => return Ok(raced),
            // Somebody moves it right now, and what to is seen the next time; or was killed while doing so.
            Err(error) if error.code() == ErrorCode::Locked => {
                let file = target.commondir().join(format!("{}.lock", update.name));
                let detail = format!(
                    "{} is locked by another process; if no git is at work there, remove {}",
                    update.name,
                    file.display()
                );
                return Err(GitError::Server { url: remote.url.to_string(), detail });
            }
            Err(error) => return Err(unwritable(error)),
        }
    }
    Ok(PushOutcome::Pushed)
}

/// Returns why this ref must not be moved from outside.
fn objection(target: &Repository, name: &RefName) -> Option<String> {
    if let Some(hook) = deciding_hook(target) {
        return Some(format!(
            "the repository has the hook {hook}, which plumb does not run; use an ssh or http address for it"
        ));
    }
    let checked_out = checked_out(target, name)?;
    Some(format!(
        "{name} is checked out in {}; push to a bare repository, or switch that working tree to another branch",
        checked_out.display()
    ))
}

fn deciding_hook(target: &Repository) -> Option<&'static str> {
    let configured = target.config().and_then(|config| config.get_path("core.hooksPath")).ok();
    let directory = match configured {
        Some(path) => target.path().join(path),
        None => target.commondir().join("hooks"),
    };
    let runs = |path: PathBuf| {
        fs::metadata(path).is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
    };
    DECIDING_HOOKS.into_iter().find(|hook| runs(directory.join(hook)))
}

/// Returns the working tree that has this branch checked out: the repository's own or a linked one.
fn checked_out(target: &Repository, name: &RefName) -> Option<PathBuf> {
    let common = target.commondir();
    let linked = fs::read_dir(common.join("worktrees")).into_iter().flatten().flatten().map(|entry| entry.path());
    let own = target.workdir().map(|_| common.to_owned());
    own.into_iter().chain(linked).find(|directory| {
        let head = fs::read_to_string(directory.join("HEAD")).unwrap_or_default();
        head.trim().strip_prefix("ref: ") == Some(name.as_str())
    })
}

/// Copies what the repository lacks of the commits.
fn copy(source: &Repository, target: &Repository, updates: &[&RefUpdate]) -> Result<(), git2::Error> {
    let mut walk = source.revwalk()?;
    walk.set_sorting(Sort::TIME)?;
    for update in updates {
        walk.push(Oid::from_str(update.target.as_str())?)?;
    }
    let tips: BTreeSet<Oid> = target.references()?.flatten().filter_map(|reference| reference.target()).collect();
    for tip in tips {
        // What the mirror does not know excludes nothing.
        if source.find_commit(tip).is_ok() {
            walk.hide(tip)?;
        }
    }
    let mut pack = source.packbuilder()?;
    pack.set_threads(1);
    pack.insert_walk(&mut walk)?;
    if pack.object_count() == 0 {
        return Ok(());
    }
    let database = target.odb()?;
    let mut writer = database.packwriter()?;
    pack.foreach(|bytes| writer.write_all(bytes).is_ok())?;
    writer.commit()?;
    Ok(())
}

/// Moves a ref that still holds what is expected; returns what it holds otherwise.
fn set(target: &Repository, update: &RefUpdate) -> Result<Option<PushOutcome>, git2::Error> {
    let name = update.name.as_str();
    let mut transaction = target.transaction()?;
    // The lock file that Git itself takes: from here to the commit nobody else moves it.
    transaction.lock_ref(name)?;
    let actual = held(target, &update.name)?;
    if actual != update.expected {
        return Ok(Some(PushOutcome::Raced { name: update.name.clone(), actual }));
    }
    let id = Oid::from_str(update.target.as_str())?;
    let commit = target.find_commit(id)?;
    let committer: Signature<'_> = commit.committer();
    transaction.set_target(name, id, Some(&committer), "push")?;
    transaction.commit()?;
    Ok(None)
}
