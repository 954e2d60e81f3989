//! Repositories behind http and https.
//!
//! Credentials are sent when the server asks, once, and never to another host: with credentials no redirect that leaves
//! the host is followed.

use std::{
    cell::Cell,
    io,
    panic::{self, AssertUnwindSafe},
};

use git2::{
    AutotagOption, Config, Cred, Direction, ErrorClass, ErrorCode, FetchOptions, RemoteCallbacks, RemoteRedirect,
    RemoteUpdateFlags, Repository,
};
use tempfile::TempDir;

use super::{
    advertised::{self, Head},
    fault,
};
use crate::{
    error::GitError,
    globals, mirror,
    protocol::Job,
    remote::{Advertised, Credentials, RefSelector, Remote},
};

/// Most that one fetch may receive: a server must not fill the disk, and no repository of environments comes near.
const MAX_FETCH_BYTES: usize = 4 << 30;

/// An empty repository of the worker: libgit2 takes the rule for redirects of a bare look-up from a configuration only.
pub(super) struct Scratch {
    _directory: TempDir,
    repository: Repository,
}

impl Scratch {
    pub(super) fn new() -> io::Result<Self> {
        let directory = tempfile::tempdir()?;
        let repository = Repository::init_bare(directory.path()).map_err(io::Error::other)?;
        Ok(Self { _directory: directory, repository })
    }
}

/// Does one job at a server.
pub(super) fn perform(remote: &Remote, job: &Job, scratch: &Scratch) -> Result<Advertised, GitError> {
    globals::set_server_timeout(remote.timeout);
    match job {
        Job::Advertise(selector) => {
            let heads = list(remote, &scratch.repository).map_err(|error| fault::of_server(&error, remote))?;
            advertised::select(&remote.url, &heads, selector)
        }
        Job::Fetch { mirror, what } => {
            mirror::clear_leftovers(mirror);
            fetch(remote, &mirror::open(mirror)?, what)
        }
    }
}

fn list(remote: &Remote, scratch: &Repository) -> Result<Vec<Head>, git2::Error> {
    let mut config: Config = scratch.config()?;
    config.set_str("http.followRedirects", if remote.credentials.is_some() { "false" } else { "initial" })?;
    let mut connection = scratch.remote_anonymous(remote.url.as_str())?;
    let callbacks = callbacks(remote.credentials.as_ref());
    let connection = connection.connect_auth(Direction::Fetch, Some(callbacks), None)?;
    Ok(heads(connection.list()?))
}

fn fetch(remote: &Remote, mirror: &Repository, what: &Advertised) -> Result<Advertised, GitError> {
    let source = what.reference.as_ref().map_or("HEAD", |name| name.as_str());
    let target = mirror::upstream(what.reference.as_ref());
    let too_large = Cell::new(false);
    let mut callbacks = callbacks(remote.credentials.as_ref());
    callbacks.transfer_progress(|progress| {
        too_large.set(progress.received_bytes() > MAX_FETCH_BYTES);
        !too_large.get()
    });
    let mut options = FetchOptions::new();
    options.remote_callbacks(callbacks).download_tags(AutotagOption::None).update_fetchhead(false);
    options.follow_redirects(match remote.credentials {
        Some(_) => RemoteRedirect::None,
        None => RemoteRedirect::Initial,
    });
    let fetched = (|| {
        let mut connection = mirror.remote_anonymous(remote.url.as_str())?;
        // The plus takes a branch that was force-pushed.
        connection.download(&[format!("+{source}:{target}")], Some(&mut options))?;
        let heads = heads(connection.list()?);
        connection.update_tips(None, RemoteUpdateFlags::empty(), AutotagOption::None, None)?;
        connection.disconnect()?;
        Ok(heads)
    })();
    drop(options);
    match fetched {
        Ok(heads) => {
            let selector = what.reference.clone().map_or(RefSelector::Head, RefSelector::Branch);
            let found = advertised::select(&remote.url, &heads, &selector)?;
            Ok(Advertised { reference: what.reference.clone(), ..found })
        }
        Err(_) if too_large.get() => {
            let limit_mebibytes = u64::try_from(MAX_FETCH_BYTES >> 20).unwrap_or(u64::MAX);
            Err(GitError::TooLarge { url: remote.url.to_string(), limit_mebibytes })
        }
        Err(error) => Err(of_fetch(&error, remote, mirror)),
    }
}

/// Tells a failing disk from a failing server.
fn of_fetch(error: &git2::Error, remote: &Remote, mirror: &Repository) -> GitError {
    let local = matches!(error.class(), ErrorClass::Filesystem | ErrorClass::Odb | ErrorClass::Reference)
        || (error.class() == ErrorClass::Os && error.message().contains(&*mirror.path().to_string_lossy()));
    if local { mirror::fault(mirror.path(), error) } else { fault::of_server(error, remote) }
}

fn callbacks(credentials: Option<&Credentials>) -> RemoteCallbacks<'_> {
    let mut callbacks = RemoteCallbacks::new();
    let mut sent = false;
    callbacks.credentials(move |_url, _username, allowed| match credentials {
        Some(Credentials { username, password }) if !sent && allowed.is_user_pass_plaintext() => {
            sent = true;
            Cred::userpass_plaintext(username, password)
        }
        // Asked again means refused; without this libgit2 would send them for ever.
        _ => Err(git2::Error::new(ErrorCode::Auth, ErrorClass::Http, "the server asks for other credentials")),
    });
    callbacks
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
