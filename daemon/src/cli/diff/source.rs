//! Where the files of a diff come from.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use k8s_openapi::api::core::v1::Secret;
use plumb_api::{Environment, Repository};
use plumb_cluster::resources;
use plumb_core::{
    commit::{CommitId, RefName, RepoPath},
    source::SourceTree,
};

use plumb_git::{
    error::GitError,
    mirror::Mirror,
    remote::{Advertised, FileUrls, RefSelector, Remote, RemoteUrl, Wanted},
    workers::Workers,
};
use tempfile::TempDir;

use crate::{
    cli::{allow, connection::Session, error::CliError, render},
    credentials, reference,
    settings::Settings,
};

/// Files, and what they are called.
pub(in crate::cli) struct Source {
    pub(in crate::cli) tree: SourceTree,
    /// The path that problems are shown below.
    pub(in crate::cli) shown: PathBuf,
    /// The commit; nothing for a directory.
    pub(in crate::cli) commit: Option<CommitId>,
}

/// A Repository as it was just fetched, into a mirror that goes with this value.
pub(in crate::cli) struct Fetched {
    _place: TempDir,
    pub(in crate::cli) mirror: Mirror,
    /// The commit that was looked for, and the ref that it was found at.
    pub(in crate::cli) commit: CommitId,
    pub(in crate::cli) reference: Option<RefName>,
    /// The Repository's namespace and name.
    name: String,
}

impl Fetched {
    /// Fetches what a Repository follows, or a commit or branch that was written.
    pub(in crate::cli) async fn new(
        session: &Session,
        settings: &Settings,
        commit: Option<&CommitId>,
        revision: Option<&str>,
    ) -> Result<Self, CliError> {
        let (namespace, name) = (&settings.name.namespace, &settings.repository);
        let found = resources::get::<Repository>(&session.cluster, namespace, name).await?;
        let name = format!("{namespace}/{name}");
        let repository = found
            .ok_or_else(|| CliError::Repository { name: name.clone(), message: "it does not exist".to_owned() })?;
        let remote = remote(session, namespace, &repository).await?;
        let wanted = match commit {
            Some(commit) => Wanted::Commit(commit.clone()),
            // What is no commit that is known can only be a branch.
            None => wanted(&repository, revision)?,
        };
        let git = |source: GitError| CliError::Git { name: name.clone(), source: Box::new(source) };
        let place = tempfile::tempdir().map_err(CliError::Scratch)?;
        let mirror = Mirror::open_or_create(&place.path().join("mirror.git")).map_err(git)?;
        let command = crate::run::worker_command(place.path(), &[]).map_err(CliError::Worker)?;
        let workers = Workers::new(command.spawner(), 1);
        let fetched = match wanted {
            Wanted::Ref(selector) => {
                let advertised = workers.advertised(&remote, &selector).await.map_err(git)?;
                workers.fetch(&remote, mirror.path(), &advertised).await
            }
            Wanted::Commit(commit) => workers.pin(&remote, mirror.path(), &commit).await,
        };
        let Advertised { commit, reference, .. } = fetched.map_err(git)?;
        Ok(Self { _place: place, mirror, commit, reference, name })
    }

    /// Reads a path of a commit.
    pub(in crate::cli) fn read(&self, commit: &CommitId, path: &RepoPath) -> Result<Source, CliError> {
        let tree = self.mirror.snapshot(commit).and_then(|snapshot| snapshot.read(path));
        let tree = tree.map_err(|source| self.unreadable(source))?;
        let shown = PathBuf::from(tree.root.as_str());
        Ok(Source { tree, shown, commit: Some(commit.clone()) })
    }

    /// Returns the error for what can't be read of it.
    pub(in crate::cli) fn unreadable(&self, source: GitError) -> CliError {
        CliError::Git { name: self.name.clone(), source: Box::new(source) }
    }
}

impl Source {
    /// Reads a directory of this machine.
    pub(super) fn from_directory(path: &Path) -> Result<Self, CliError> {
        Ok(Self { tree: render::read(path)?, shown: path.to_owned(), commit: None })
    }

    /// Fetches the Environment's Repository into a mirror that goes with this process, and reads the path of a commit.
    pub(super) async fn from_repository(
        session: &Session,
        environment: &Environment,
        settings: &Settings,
        revision: Option<&str>,
    ) -> Result<Self, CliError> {
        let status = environment.status.clone().unwrap_or_default();
        let commit = revision.and_then(|written| allow::resolve(written, &status).ok());
        let fetched = Fetched::new(session, settings, commit.as_ref(), revision).await?;
        fetched.read(commit.as_ref().unwrap_or(&fetched.commit), &settings.path)
    }
}

/// Returns what to fetch: a branch that was written, else what the Repository follows.
fn wanted(repository: &Repository, written: Option<&str>) -> Result<Wanted, CliError> {
    let Some(written) = written else {
        let name = repository.metadata.name.clone().unwrap_or_default();
        let followed = reference::wanted(repository.spec.reference.as_ref());
        return followed.map_err(|message| CliError::Repository { name, message });
    };
    let branch = RefSelector::branch(written);
    branch.map(Wanted::Ref).map_err(|_| CliError::NoCommit { written: written.to_owned(), known: Vec::new() })
}

async fn remote(session: &Session, namespace: &str, repository: &Repository) -> Result<Remote, CliError> {
    let name = format!("{namespace}/{}", repository.metadata.name.as_deref().unwrap_or_default());
    let refused = |message: String| CliError::Repository { name: name.clone(), message };
    let spec = &repository.spec;
    // Reading one's own disk is no risk here, unlike in the daemon.
    let url = RemoteUrl::parse(&spec.url, FileUrls::Allowed).map_err(|error| refused(error.to_string()))?;
    let credentials = match &spec.secret_ref {
        None => credentials::without(&url).map_err(refused)?,
        Some(reference) => {
            let secret = resources::get::<Secret>(&session.cluster, namespace, &reference.name).await;
            let secret =
                secret.map_err(|error| refused(format!("its Secret {} can't be read: {error}", reference.name)))?;
            let secret = secret.ok_or_else(|| refused(format!("its Secret {} does not exist", reference.name)))?;
            credentials::read(&url, &secret)
                .map_err(|message| refused(format!("its Secret {} {message}", reference.name)))?
        }
    };
    Ok(Remote { url, credentials, timeout: spec.timeout.get().max(Duration::from_secs(1)) })
}
