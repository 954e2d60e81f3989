//! Repositories behind http, https and ssh.

mod pin;
mod push;

use std::{
    io,
    panic::{self, AssertUnwindSafe},
};

use git2::{AutotagOption, ErrorClass, RemoteUpdateFlags, Repository};
use plumb_core::commit::{CommitId, InvalidName, RefName};

use super::{
    advertised::{self, Head},
    conversation::{Conversation, Desk},
};
use crate::{
    error::GitError,
    globals, mirror,
    protocol::{Answer, Job},
    remote::{Advertised, RefSelector, Remote},
};

/// A ref that no server has: what a look-up asks for, so that it gets the list of refs and nothing else.
const NOTHING: &str = "refs/plumb/nothing:refs/plumb/nothing";

/// A worker's own place: files, and an empty repository for look-ups.
pub(super) struct Scratch {
    desk: Desk,
    repository: Repository,
}

impl Scratch {
    pub(super) fn new() -> io::Result<Self> {
        let desk = Desk::new()?;
        let repository = Repository::init_bare(desk.path().join("scratch.git")).map_err(io::Error::other)?;
        Ok(Self { desk, repository })
    }
}

/// Does one job at a server.
pub(super) fn perform(remote: &Remote, job: &Job, scratch: &Scratch) -> Result<Answer, GitError> {
    globals::set_server_timeout(remote.timeout);
    let conversation = Conversation::prepare(remote, &scratch.desk)?;
    match job {
        Job::Advertise(selector) => {
            let heads = list(remote, &conversation, &scratch.repository);
            let heads = heads.map_err(|error| conversation.fault(&error))?;
            advertised::select(&remote.url, &heads, selector).map(Answer::Advertised)
        }
        Job::Fetch { mirror, what } => {
            mirror::clear_leftovers(mirror);
            fetch(remote, &conversation, &mirror::open(mirror)?, what).map(Answer::Advertised)
        }
        Job::Pin { mirror, commit } => {
            mirror::clear_leftovers(mirror);
            pin::perform(remote, &conversation, &mirror::open(mirror)?, commit).map(Answer::Advertised)
        }
        Job::FetchRef { mirror, name } => {
            mirror::clear_leftovers(mirror);
            fetch_ref(remote, &conversation, &mirror::open(mirror)?, name).map(Answer::Held)
        }
        Job::Push { mirror, updates } => {
            push::perform(remote, &conversation, &mirror::open(mirror)?, updates).map(Answer::Push)
        }
    }
}

/// Returns what the server has. libgit2's plain look-up takes no headers, so this is a fetch of nothing.
fn list(remote: &Remote, conversation: &Conversation<'_>, scratch: &Repository) -> Result<Vec<Head>, git2::Error> {
    let mut connection = scratch.remote_anonymous(remote.url.as_str())?;
    connection.download(&[NOTHING], Some(&mut conversation.options()))?;
    let heads = heads(connection.list()?);
    connection.disconnect()?;
    Ok(heads)
}

fn fetch(
    remote: &Remote,
    conversation: &Conversation<'_>,
    mirror: &Repository,
    what: &Advertised,
) -> Result<Advertised, GitError> {
    let source = what.reference.as_ref().map_or("HEAD", |name| name.as_str());
    // The plus takes a branch that was force-pushed, and a tag that was moved.
    let refspec = format!("+{source}:{}", mirror::upstream(what.reference.as_ref()));
    let heads = download(remote, conversation, mirror, &[refspec])?;
    let found = advertised::select(&remote.url, &heads, &RefSelector::again(what.reference.as_ref()))?;
    Ok(Advertised { reference: what.reference.clone(), ..found })
}

fn fetch_ref(
    remote: &Remote,
    conversation: &Conversation<'_>,
    mirror: &Repository,
    name: &RefName,
) -> Result<Option<CommitId>, GitError> {
    let refspec = format!("+{name}:{}", mirror::upstream(Some(name)));
    let heads = download(remote, conversation, mirror, &[refspec])?;
    let Some(head) = heads.iter().find(|head| head.name == name.as_str()) else { return Ok(None) };
    let invalid = |error: InvalidName| GitError::Server { url: remote.url.to_string(), detail: error.to_string() };
    CommitId::parse(&head.id).map(Some).map_err(invalid)
}

/// Brings refs into the mirror, and returns what the server has.
fn download(
    remote: &Remote,
    conversation: &Conversation<'_>,
    mirror: &Repository,
    refspecs: &[String],
) -> Result<Vec<Head>, GitError> {
    let fetched = (|| {
        let mut connection = mirror.remote_anonymous(remote.url.as_str())?;
        connection.download(refspecs, Some(&mut conversation.options()))?;
        let heads = heads(connection.list()?);
        connection.update_tips(None, RemoteUpdateFlags::empty(), AutotagOption::None, None)?;
        connection.disconnect()?;
        Ok(heads)
    })();
    fetched.map_err(|error| of_fetch(&error, conversation, mirror))
}

/// Tells a failing disk from a failing server.
fn of_fetch(error: &git2::Error, conversation: &Conversation<'_>, mirror: &Repository) -> GitError {
    let local = matches!(error.class(), ErrorClass::Filesystem | ErrorClass::Odb | ErrorClass::Reference)
        || (error.class() == ErrorClass::Os && error.message().contains(&*mirror.path().to_string_lossy()));
    if local { mirror::fault(mirror.path(), error) } else { conversation.fault(error) }
}

fn heads(list: &[git2::RemoteHead<'_>]) -> Vec<Head> {
    let head = |head: &git2::RemoteHead<'_>| Head {
        name: head.name().to_owned(),
        id: head.oid().to_string(),
        target: head.symref_target().map(str::to_owned),
    };
    // git2 panics for a name that is not UTF-8. One such ref must not hide the others, and none can be named in a resource.
    list.iter().filter_map(|listed| panic::catch_unwind(AssertUnwindSafe(|| head(listed))).ok()).collect()
}
