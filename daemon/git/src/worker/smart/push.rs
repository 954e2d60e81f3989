//! Moving refs of a server.
//!
//! libgit2 knows no lease, and calls a push good whose refs were refused. So what the server lists is compared before
//! anything is sent (the server itself compares that with what it has when it moves the ref), and what it says of each ref
//! decides. Where it said nothing, its list is read again.

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, BTreeSet},
};

use git2::{ErrorClass, ErrorCode, Oid, PushUpdate, Repository};
use plumb_core::commit::{CommitId, RefName};

use super::list;
use crate::{
    error::GitError,
    push::{PushOutcome, RefUpdate},
    remote::Remote,
    worker::{advertised::Head, conversation::Conversation},
};

/// Most that is kept of what a server says beside its answer, such as the name of the rule that protects a branch.
const MAX_SAID_BYTES: usize = 1024;

/// What a push found out on its way.
#[derive(Default)]
struct Findings {
    /// Nothing was sent, because a ref holds something else.
    raced: RefCell<Option<PushOutcome>>,
    /// Nothing was sent, because there is nothing to move.
    done: Cell<bool>,
    moved: RefCell<BTreeSet<String>>,
    refused: RefCell<BTreeMap<String, String>>,
    said: RefCell<Vec<u8>>,
}

/// Moves refs of the server to commits of the mirror.
pub(super) fn perform(
    remote: &Remote,
    conversation: &Conversation<'_>,
    mirror: &Repository,
    updates: &[RefUpdate],
) -> Result<PushOutcome, GitError> {
    let findings = Findings::default();
    let sent = send(remote, conversation, mirror, updates, &findings);
    if let Some(raced) = findings.raced.take() {
        return Ok(raced);
    }
    if findings.done.get() {
        return Ok(PushOutcome::Pushed);
    }
    sent.map_err(|error| conversation.fault(&error))?;
    let moved = findings.moved.borrow();
    if updates.iter().all(|update| moved.contains(update.name.as_str())) {
        return Ok(PushOutcome::Pushed);
    }
    let heads = list(remote, conversation, mirror).map_err(|error| conversation.fault(&error))?;
    judge(remote, conversation, updates, &heads, &findings)
}

fn send(
    remote: &Remote,
    conversation: &Conversation<'_>,
    mirror: &Repository,
    updates: &[RefUpdate],
    findings: &Findings,
) -> Result<(), git2::Error> {
    let mut callbacks = conversation.callbacks();
    callbacks.push_negotiation(|listed| negotiate(listed, updates, findings));
    callbacks.push_update_reference(|name, refusal| {
        match refusal {
            None => drop(findings.moved.borrow_mut().insert(name.to_owned())),
            Some(message) => drop(findings.refused.borrow_mut().insert(name.to_owned(), message.to_owned())),
        }
        Ok(())
    });
    callbacks.sideband_progress(|bytes| {
        let mut said = findings.said.borrow_mut();
        let room = MAX_SAID_BYTES.saturating_sub(said.len());
        said.extend(bytes.iter().take(room));
        true
    });
    // The plus: whether the ref may move is decided by what it holds, not by whether that is in the mirror.
    let refspecs: Vec<String> = updates.iter().map(|update| format!("+{}:{}", update.target, update.name)).collect();
    let mut connection = mirror.remote_anonymous(remote.url.as_str())?;
    connection.push(&refspecs, Some(&mut conversation.push_options(callbacks)))
}

/// Ends the push before anything is sent if a ref does not hold what is expected, or if all hold what they shall.
fn negotiate(listed: &[PushUpdate<'_>], updates: &[RefUpdate], findings: &Findings) -> Result<(), git2::Error> {
    let mut missing = false;
    for update in updates {
        let held = listed.iter().find(|found| found.dst_refname_bytes() == update.name.as_str().as_bytes());
        let held = held.map(PushUpdate::src).and_then(id);
        if held.as_ref() == Some(&update.target) {
            continue;
        }
        missing = true;
        if held != update.expected {
            *findings.raced.borrow_mut() = Some(PushOutcome::Raced { name: update.name.clone(), actual: held });
            return Err(stop());
        }
    }
    findings.done.set(!missing);
    if missing { Ok(()) } else { Err(stop()) }
}

/// Says what became of refs that the server did not say it has moved.
fn judge(
    remote: &Remote,
    conversation: &Conversation<'_>,
    updates: &[RefUpdate],
    heads: &[Head],
    findings: &Findings,
) -> Result<PushOutcome, GitError> {
    for update in updates {
        let head = heads.iter().find(|head| head.name == update.name.as_str());
        let actual = head.and_then(|head| CommitId::parse(&head.id).ok());
        if actual.as_ref() == Some(&update.target) {
            continue;
        }
        let name: RefName = update.name.clone();
        if actual != update.expected {
            return Ok(PushOutcome::Raced { name, actual });
        }
        return match findings.refused.borrow().get(name.as_str()) {
            Some(message) => {
                let said = String::from_utf8_lossy(&findings.said.borrow()).into_owned();
                let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
                let message = if said.is_empty() { message.clone() } else { format!("{message} ({said})") };
                Ok(PushOutcome::Refused { name, message: conversation.cleaned(&message) })
            }
            None => {
                let detail = format!("it took the push and did not move {name}");
                Err(GitError::Server { url: remote.url.to_string(), detail })
            }
        };
    }
    Ok(PushOutcome::Pushed)
}

/// Returns the commit of an id; nothing for a ref that is not there.
fn id(id: Oid) -> Option<CommitId> {
    if id.is_zero() { None } else { CommitId::parse(&id.to_string()).ok() }
}

fn stop() -> git2::Error {
    git2::Error::new(ErrorCode::User, ErrorClass::Callback, "there is nothing to send")
}
