//! Trust in commits: the keys that one Repository names, and the judgement of what was fetched.
//!
//! The keys are read once and again when their Secret changes. Whatever is in doubt is not trusted.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use jiff::Timestamp;
use k8s_openapi::{ByteString, api::core::v1::Secret};
use plumb_api::{
    Repository,
    repository::{Verify, VerifyMode},
};
use plumb_cluster::{
    cluster::Cluster,
    resources,
    secret_watch::{SecretWatch, Version},
};
use plumb_core::{
    class::Class,
    commit::{CommitId, Revision},
    operation::Failure,
};
use plumb_git::{error::GitError, mirror::Mirror};
use plumb_signature::{OBJECT_BYTES_MAX, Signer, TrustedKeys, Untrusted, verify_commit};

use crate::chain::chain;

/// Most commits that are verified at one time: each costs up to a millisecond, and whoever pushes must not keep the
/// daemon busy. More come with an import of another history, which a person should look at anyway.
const COMMITS_MAX: usize = 5000;

/// Why a commit is not applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Doubt {
    /// No trusted key has signed it.
    Untrusted(Failure),
    /// The trusted keys can't be read.
    Keys(Failure),
    /// The mirror can't be read.
    Mirror(Failure),
}

/// What has to be signed by whom, of all that comes from one source.
#[derive(Debug, Clone)]
pub(crate) enum Demand {
    /// Nothing has to be signed.
    Nothing,
    /// By one of these keys.
    Signed(Arc<TrustedKeys>),
    /// By keys that can't be read.
    Unknown(Failure),
}

impl PartialEq for Demand {
    /// Keys that were read once are the same; those that were read again count as others.
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Nothing, Self::Nothing) => true,
            (Self::Signed(keys), Self::Signed(others)) => Arc::ptr_eq(keys, others),
            (Self::Unknown(why), Self::Unknown(other)) => why == other,
            _ => false,
        }
    }
}

impl Eq for Demand {}

impl Demand {
    /// Judges a commit that was applied before, and returns who signed it; blocks on the disk.
    ///
    /// # Errors
    /// It is not trusted, or nobody can tell.
    pub(crate) fn judge(&self, mirror: &Path, revision: &Revision, now: Timestamp) -> Result<Option<Signer>, Doubt> {
        match self {
            Self::Nothing => Ok(None),
            Self::Signed(keys) => judge(mirror, revision, None, keys, now).map(Some),
            Self::Unknown(why) => Err(Doubt::Keys(why.clone())),
        }
    }
}

/// What one Repository trusts.
pub(crate) struct Trust {
    cluster: Cluster,
    namespace: String,
    verify: Verify,
    watch: SecretWatch,
    /// The keys as last read, and the version of the Secret that they are from.
    read: Option<(Version, Result<Arc<TrustedKeys>, Failure>)>,
}

impl Trust {
    /// Begins to watch the keys that a Repository names; nothing where it verifies no signatures.
    pub(crate) fn of(cluster: &Cluster, resource: &Repository) -> Option<Self> {
        let verify = resource.spec.verify.clone()?;
        let namespace = resource.metadata.namespace.clone().unwrap_or_default();
        let watch = cluster.watch_secret(&namespace, &verify.secret_ref.name);
        Some(Self { cluster: cluster.clone(), namespace, verify, watch, read: None })
    }

    /// Waits until the keys are others than those that were read.
    pub(crate) async fn changed(&mut self) {
        match &self.read {
            Some((version, _)) => self.watch.changed_from(version).await,
            None => std::future::pending().await,
        }
    }

    /// Judges a commit, and returns who signed it. `since` is the last one that was trusted.
    ///
    /// With `mode: EachCommit` all that came since then has to be signed, too; without one, nothing says where to begin,
    /// and the commit itself counts.
    pub(crate) async fn judge(
        &mut self,
        (mirror, revision): (&Path, &Revision),
        since: Option<CommitId>,
        now: Timestamp,
    ) -> Result<Signer, Doubt> {
        let keys = self.keys().await.map_err(Doubt::Keys)?;
        let since = since.filter(|_| self.verify.mode == VerifyMode::EachCommit);
        let (path, revision) = (mirror.to_owned(), revision.clone());
        let judged = tokio::task::spawn_blocking(move || judge(&path, &revision, since.as_ref(), &keys, now)).await;
        // A panic there is a hostile commit that no limit has kept out: it is not trusted, and nothing else is harmed.
        judged.map_err(|error| Doubt::Mirror(Failure { class: Class::Bug, message: error.to_string() }))?
    }

    /// Returns what has to be signed by whom.
    pub(crate) async fn demand(&mut self) -> Demand {
        match self.keys().await {
            Ok(keys) => Demand::Signed(keys),
            Err(why) => Demand::Unknown(why),
        }
    }

    async fn keys(&mut self) -> Result<Arc<TrustedKeys>, Failure> {
        if let Some((version, keys)) = &self.read
            && self.watch.version() == *version
        {
            return keys.clone();
        }
        let (namespace, name) = (&self.namespace, &self.verify.secret_ref.name);
        let secret = resources::get::<Secret>(&self.cluster, namespace, name).await;
        let secret = secret.map_err(|error| Failure { class: error.class(), message: chain(&error) })?;
        let version = secret.as_ref().map_or(Version::Absent, |secret| {
            Version::Present(secret.metadata.resource_version.clone().unwrap_or_default())
        });
        let keys = match &secret {
            Some(secret) => parse(secret.data.as_ref())
                .map_err(|what| format!("the Secret {namespace}/{name} of trusted keys can't be used: {what}")),
            None => Err(format!(
                "the Secret {namespace}/{name} that spec.verify.secretRef names does not exist: create it with allowed_signers, or with \
                 OpenPGP certificates as *.asc"
            )),
        };
        let keys = keys.map(Arc::new).map_err(|message| Failure { class: Class::Wait, message });
        self.read = Some((version, keys.clone()));
        keys
    }
}

fn parse(data: Option<&BTreeMap<String, ByteString>>) -> Result<TrustedKeys, String> {
    let data = data.into_iter().flatten().map(|(key, value)| (key.clone(), value.0.clone()));
    TrustedKeys::parse(&data.collect()).map_err(|error| error.to_string())
}

impl Doubt {
    /// Returns what keeps the commit from being applied, in words.
    pub(crate) fn failure(&self) -> &Failure {
        match self {
            Self::Untrusted(failure) | Self::Keys(failure) | Self::Mirror(failure) => failure,
        }
    }
}

fn judge(
    path: &Path,
    revision: &Revision,
    since: Option<&CommitId>,
    keys: &TrustedKeys,
    now: Timestamp,
) -> Result<Signer, Doubt> {
    let unread = |error: GitError| Doubt::Mirror(Failure { class: error.class(), message: chain(&error) });
    let mirror = Mirror::open_or_create(path).map_err(unread)?;
    let verify = |commit: &CommitId| match mirror.raw_commit(commit, OBJECT_BYTES_MAX) {
        Ok(Some(raw)) => Ok(verify_commit(&raw, keys, now)),
        Ok(None) => Ok(Err(Untrusted::TooLarge { limit_kibibytes: OBJECT_BYTES_MAX >> 10 })),
        Err(error) => Err(unread(error)),
    };
    let untrusted = |message: String| Doubt::Untrusted(Failure { class: Class::Wait, message });
    for commit in new_commits(&mirror, revision, since)?.iter().filter(|commit| **commit != revision.commit) {
        if let Err(why) = verify(commit)? {
            let found = mirror.revision(commit).map_err(unread)?;
            let head = revision.commit.short();
            return Err(untrusted(format!("{}, which {head} brings with it, is not trusted: {why}", named(&found))));
        }
    }
    verify(&revision.commit)?.map_err(|why| untrusted(format!("{} is not trusted: {why}", named(revision))))
}

/// Returns the commits that came since the last trusted one.
fn new_commits(mirror: &Mirror, revision: &Revision, since: Option<&CommitId>) -> Result<Vec<CommitId>, Doubt> {
    let Some(since) = since else { return Ok(Vec::new()) };
    let untrusted = |message: String| Doubt::Untrusted(Failure { class: Class::Wait, message });
    let head = revision.commit.short();
    match mirror.commits_since(&revision.commit, since, COMMITS_MAX + 1) {
        Ok(commits) if commits.len() > COMMITS_MAX => Err(untrusted(format!(
            "more than {COMMITS_MAX} commits came between {} and {head}, too many to verify: look at them, and let {head} be \
             applied with spec.verify.mode: Head",
            since.short()
        ))),
        Ok(commits) => Ok(commits),
        Err(GitError::CommitMissing { commit }) => Err(untrusted(format!(
            "{}, the last trusted commit, is no longer known, so that nobody can say what is new in {head}: look at its \
             history, and let it be applied with spec.verify.mode: Head",
            commit.short()
        ))),
        Err(error) => Err(Doubt::Mirror(Failure { class: error.class(), message: chain(&error) })),
    }
}

fn named(revision: &Revision) -> String {
    format!("commit {} {:?} by {}", revision.commit.short(), revision.subject, revision.author)
}
