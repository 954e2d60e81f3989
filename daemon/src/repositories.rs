//! Following repositories: one task for each, so that one that hangs costs the others nothing.
//!
//! A look is an ls-remote; only a new commit is fetched. A poll, a file watch or a kick says "look again", never what
//! changed. Where signatures are verified, a commit becomes the source only once it is trusted (`trust.rs`).

pub(crate) mod login;
mod news;
mod renewal;
mod verdict;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use plumb_api::{Repository, RepositoryStatus, repository::RevisionStatus};
use plumb_cluster::{cluster::Cluster, crash};
use plumb_core::{
    backoff,
    class::Class,
    commit::{CommitId, RefName, Revision},
    operation::Failure,
    record::RecordKind,
};
use plumb_git::{
    error::GitError,
    mirror::Mirror,
    poll,
    push::{PushOutcome, RefUpdate},
    remote::{Advertised, Credentials, FileUrls, RefSelector, Remote, RemoteUrl, Wanted},
    watch::{LocalWatch, LocalWatches},
    workers::Workers,
};
use tokio::{sync::mpsc, task::AbortHandle, time::Instant};

use crate::{
    backlog::Backlog,
    chain::chain,
    clock::Clock,
    journal::Journal,
    main_loop::Event,
    metrics::{Look, Metrics},
    mirrors::{InUse, Mirrors},
    publisher::Troubles,
    reference, report,
    source::Source,
    status,
    tenures::Tenures,
    trust::{Demand, Doubt, Trust},
};
use news::{changed, damaged, rotated, troubled};
use verdict::conditions;

/// Kicks that may wait: any number of them means one look.
const KICKS_MAX: usize = 1;

/// Namespace and name of a Repository.
pub(crate) type RepositoryName = (String, String);

/// What every follower needs.
#[derive(Clone)]
pub(crate) struct Ground {
    pub(crate) cluster: Cluster,
    pub(crate) metrics: Metrics,
    pub(crate) workers: Workers,
    pub(crate) clock: Clock,
    pub(crate) events: mpsc::Sender<Event>,
    pub(crate) journal: Journal,
    pub(crate) mirrors: Mirrors,
    pub(crate) file_urls: FileUrls,
    pub(crate) local_watches: LocalWatches,
    /// Only whoever has the tenure of a Repository writes its status.
    pub(crate) tenures: Tenures,
    /// What waits to be published as notes.
    pub(crate) backlog: Backlog,
    /// The cluster's name in notes.
    pub(crate) cluster_name: String,
}

impl Ground {
    /// Moves one ref of a remote, as [`Workers::push`] does.
    pub(crate) async fn push(
        &self,
        remote: &Remote,
        mirror: &Path,
        update: &RefUpdate,
    ) -> Result<PushOutcome, GitError> {
        let effect = crash::Effect::begin(format_args!("push {} to {}", update.name, remote.url));
        let outcome = self.workers.push(remote, mirror, std::slice::from_ref(update)).await;
        effect.end();
        outcome
    }
}

/// A repository being followed; dropped, it is no longer.
pub(crate) struct Follower {
    task: AbortHandle,
    kick: mpsc::Sender<()>,
    /// Absent while its address is none.
    _mirror: Option<InUse>,
}

impl Follower {
    /// Starts to follow a repository.
    pub(crate) fn start(ground: Ground, resource: Arc<Repository>, trouble: Troubles) -> Self {
        let (kick, kicks) = mpsc::channel(KICKS_MAX);
        let written = resource.status.clone().unwrap_or_default();
        let revision = written.revision.clone();
        let trust = Trust::of(&ground.cluster, &resource);
        let mirrors = ground.mirrors.clone();
        let follow = Follow {
            ground,
            resource,
            written,
            revision,
            credentials: None,
            trust,
            trouble,
            told: None,
            failures: 0,
            fetched: false,
        };
        let mirror = follow.url().ok().map(|url| mirrors.take_up(follow.mirror(&url)));
        let task = tokio::spawn(follow.run(kicks)).abort_handle();
        Self { task, kick, _mirror: mirror }
    }

    /// Asks for a look now.
    pub(crate) fn look(&self) {
        // A kick that waits already means the same.
        let _ = self.kick.try_send(());
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Returns namespace and name.
pub(crate) fn name(repository: &Repository) -> RepositoryName {
    let metadata = &repository.metadata;
    (metadata.namespace.clone().unwrap_or_default(), metadata.name.clone().unwrap_or_default())
}

struct Follow {
    ground: Ground,
    resource: Arc<Repository>,
    /// The status as last read or written.
    written: RepositoryStatus,
    /// The newest commit seen.
    revision: Option<RevisionStatus>,
    /// Read once, and again when they are refused: a rotated Secret makes the old one fail.
    credentials: Option<Credentials>,
    /// What has to be signed by whom; absent: nothing.
    trust: Option<Trust>,
    /// Why its records can't be published.
    trouble: Troubles,
    /// The commit that environments were last told of.
    told: Option<CommitId>,
    failures: u32,
    /// Whether the last look had to fetch.
    fetched: bool,
}

/// Why a look gave no commit to apply.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Unfound {
    Fetch(Failure),
    Trust(Doubt),
}

impl Unfound {
    fn failure(&self) -> &Failure {
        match self {
            Self::Fetch(failure) => failure,
            Self::Trust(doubt) => doubt.failure(),
        }
    }
}

impl Follow {
    async fn run(mut self, mut kicks: mpsc::Receiver<()>) {
        let remembered = self.remembered().await;
        if self.resource.spec.suspend {
            let never = "it is suspended and was never read: set spec.suspend to false".to_owned();
            let remembered = remembered.and_then(|found| found.ok_or(Failure { class: Class::Wait, message: never }));
            self.tell(Duration::ZERO, remembered).await;
            self.write_status(Ok(())).await;
            return;
        }
        if let Ok(Some(source)) = remembered {
            let remembered = Event::Remembered(name(&self.resource), source);
            // A closed channel means that the daemon stops.
            let _ = self.ground.events.send(remembered).await;
        }
        let mut watch = self.file_watch();
        let (mirrors, mirror) = (self.ground.mirrors.clone(), self.url().ok().map(|url| self.mirror(&url)));
        loop {
            let (begun, seen_from) = (Instant::now(), self.ground.clock.uptime());
            let looked = match self.trusted_look().await {
                Err(Unfound::Trust(doubt)) => Err(Unfound::Trust(self.fall_back(doubt).await)),
                looked => looked,
            };
            let result = match &looked {
                Err(Unfound::Fetch(_)) => Look::Failed,
                _ if self.fetched => Look::Fetched,
                _ => Look::Unchanged,
            };
            self.ground.metrics.look(&name(&self.resource), result, begun.elapsed());
            let wait = self.wait(looked.as_ref().err());
            let outcome = looked.as_ref().map(|_| ()).map_err(Clone::clone);
            match &looked {
                Ok(source) => self.revision = Some(report::state::revision_status(&source.revision)),
                Err(Unfound::Fetch(failure)) if failure.class != Class::Retry => self.credentials = None,
                Err(Unfound::Fetch(_) | Unfound::Trust(_)) => {}
            }
            // Who waits for a look reads in the status how it went.
            if outcome.is_err() || verdict::is_failed(&self.written.conditions) {
                self.write_status(outcome.clone()).await;
            }
            self.tell(seen_from, looked.map_err(|unfound| unfound.failure().clone())).await;
            self.write_status(outcome).await;
            let due = Instant::now() + wait;
            tokio::select! {
                () = tokio::time::sleep_until(due) => {}
                () = troubled(&mut self.trouble) => {}
                kicked = kicks.recv() => if kicked.is_none() { return },
                () = changed(&mut watch) => {}
                () = rotated(&mut self.trust) => {}
                () = damaged(&mirrors, mirror.as_deref()) => {}
            }
        }
    }

    /// Looks, and judges what was found.
    async fn trusted_look(&mut self) -> Result<Source, Unfound> {
        let mut source = self.look().await.map_err(Unfound::Fetch)?;
        // What was trusted once is where each new commit counts from.
        let verified = self.revision.as_ref().filter(|revision| revision.signer.is_some());
        let since = verified.and_then(|revision| CommitId::parse(&revision.commit).ok());
        if let Some(trust) = &mut self.trust {
            let signer = trust
                .judge((&source.mirror, &source.revision), since, self.ground.clock.now())
                .await
                .map_err(Unfound::Trust)?;
            source.revision.signer = Some(signer.to_string());
            source.demand = trust.demand().await;
        }
        Ok(source)
    }

    /// Keeps environments at the last commit that was trusted, as long as that is so, and returns the doubt with what
    /// comes of it.
    async fn fall_back(&mut self, doubt: Doubt) -> Doubt {
        match self.remembered().await {
            Ok(Some(source)) if self.told.as_ref() != Some(&source.revision.commit) => {
                self.tell(Duration::ZERO, Ok(source)).await;
            }
            Ok(_) => {}
            Err(why) => {
                self.told = None;
                let stays = "the cluster stays as it is, and nothing is corrected";
                let doubt = match doubt {
                    Doubt::Untrusted(failure) if failure == why => Doubt::Untrusted(with(failure, stays)),
                    Doubt::Untrusted(failure) => Doubt::Untrusted(with(
                        failure,
                        &format!("nor is what was applied before: {}\n{stays}", why.message),
                    )),
                    other => other,
                };
                let failure = doubt.failure().clone();
                // A closed channel means that the daemon stops.
                let _ = self.ground.events.send(Event::Distrusted(name(&self.resource), failure)).await;
                return doubt;
            }
        }
        doubt
    }

    /// Returns the commit that the status names, if the mirror still has it: environments go on from it while the Git
    /// server is down, or a newer commit is not trusted.
    ///
    /// # Errors
    /// Why it is not trusted any more.
    async fn remembered(&mut self) -> Result<Option<Source>, Failure> {
        let Some(mut source) = self.in_mirror_still().await else { return Ok(None) };
        let Some(trust) = &mut self.trust else { return Ok(Some(source)) };
        source.demand = trust.demand().await;
        match trust.judge((&source.mirror, &source.revision), None, self.ground.clock.now()).await {
            Ok(signer) => source.revision.signer = Some(signer.to_string()),
            Err(Doubt::Untrusted(failure)) => return Err(failure),
            // It was trusted when it was applied, and nothing says otherwise.
            Err(Doubt::Keys(_) | Doubt::Mirror(_)) => {
                source.revision.signer = self.revision.as_ref().and_then(|revision| revision.signer.clone());
            }
        }
        Ok(Some(source).filter(|source| source.revision.signer.is_some()))
    }

    async fn in_mirror_still(&self) -> Option<Source> {
        let commit = CommitId::parse(&self.revision.as_ref()?.commit).ok()?;
        let mirror = self.mirror(&self.url().ok()?);
        let source = tokio::task::spawn_blocking(move || {
            let opened = Mirror::open_or_create(&mirror).ok()?;
            if !opened.holds(&commit).ok()? {
                return None;
            }
            let mut revision = opened.revision(&commit).ok()?;
            revision.reference = None;
            Some(Source { mirror, revision, demand: Demand::Nothing })
        });
        let mut source = source.await.ok()??;
        let reference = self.revision.as_ref()?.reference.as_deref();
        source.revision.reference = reference.and_then(|name| RefName::parse(name).ok());
        Some(source)
    }

    async fn look(&mut self) -> Result<Source, Failure> {
        let remembered = self.credentials.clone();
        let remote = self.remote().await?;
        let looked = self.look_at(&remote).await;
        match (&looked, remembered) {
            // Where the Secret was changed meanwhile, the old one's refusal is no news.
            (Err(failure), Some(remembered)) if failure.class == Class::Wait => {
                self.credentials = None;
                let fresh = self.remote().await?;
                if fresh.credentials == remembered { looked } else { self.look_at(&fresh).await }
            }
            _ => looked,
        }
    }

    async fn look_at(&mut self, remote: &Remote) -> Result<Source, Failure> {
        let wanted = reference::wanted(self.resource.spec.reference.as_ref()).map_err(wait)?;
        let mirror = self.mirror(&remote.url);
        let found = match self.ground.mirrors.is_to_renew(&mirror, Instant::now()) {
            true => self.find_anew(remote, &mirror, &wanted, None).await,
            false => self.find(remote, &mirror, &wanted).await,
        };
        let found = match found {
            Err(error @ GitError::Mirror { .. }) => self.find_anew(remote, &mirror, &wanted, Some(error)).await,
            found => found,
        };
        let revision = found.map_err(|error| self.failure(&error))?;
        Ok(Source { mirror, revision, demand: Demand::Nothing })
    }

    /// Returns the wanted commit once the mirror has it.
    async fn find(&mut self, remote: &Remote, mirror: &Path, wanted: &Wanted) -> Result<Revision, GitError> {
        let advertised = match wanted {
            Wanted::Ref(selector) => self.bring(remote, mirror, selector).await?,
            Wanted::Commit(commit) => self.pin(remote, mirror, commit).await?,
        };
        let (path, commit) = (mirror.to_owned(), advertised.commit);
        let revision = tokio::task::spawn_blocking(move || Mirror::open_or_create(&path)?.revision(&commit)).await;
        let mut revision = revision.map_err(|error| GitError::Worker { detail: error.to_string() })??;
        revision.reference = advertised.reference;
        Ok(revision)
    }

    async fn bring(&mut self, remote: &Remote, mirror: &Path, selector: &RefSelector) -> Result<Advertised, GitError> {
        let advertised = self.ground.workers.advertised(remote, selector).await?;
        self.fetched = !self.in_mirror(mirror, &advertised.commit).await;
        match self.fetched {
            false => Ok(advertised),
            true => self.ground.workers.fetch(remote, mirror, &advertised).await,
        }
    }

    async fn pin(&mut self, remote: &Remote, mirror: &Path, commit: &CommitId) -> Result<Advertised, GitError> {
        // Also makes the mirror; that the commit is there does not say that we may still read it.
        self.fetched = !self.in_mirror(mirror, commit).await;
        self.ground.workers.pin(remote, mirror, commit).await
    }

    /// Returns whether the mirror has the commit already; makes the mirror if it is not there.
    async fn in_mirror(&self, mirror: &Path, commit: &CommitId) -> bool {
        let (path, commit) = (mirror.to_owned(), commit.clone());
        let held = tokio::task::spawn_blocking(move || Mirror::open_or_create(&path)?.holds(&commit));
        matches!(held.await, Ok(Ok(true)))
    }

    fn url(&self) -> Result<RemoteUrl, Failure> {
        RemoteUrl::parse(&self.resource.spec.url, self.ground.file_urls)
            .map_err(|error| wait(format!("spec.url: {}", chain(&error))))
    }

    async fn remote(&mut self) -> Result<Remote, Failure> {
        let url = self.url()?;
        let credentials = match &self.credentials {
            Some(credentials) => credentials.clone(),
            None => login::read(&self.ground.cluster, &self.resource, &url).await?,
        };
        self.credentials = Some(credentials.clone());
        let timeout = self.resource.spec.timeout.get().max(Duration::from_secs(1));
        Ok(Remote { url, credentials, timeout })
    }

    fn mirror(&self, url: &RemoteUrl) -> PathBuf {
        self.ground.mirrors.place(&self.resource, url)
    }

    fn file_watch(&self) -> Option<LocalWatch> {
        let url = self.url().ok()?;
        let path = url.local_path()?;
        match self.ground.local_watches.watch(path) {
            Ok(watch) => Some(watch),
            Err(error) => {
                tracing::warn!(
                    repository = self.resource.metadata.name,
                    "no file watch, polling only: {}",
                    chain(&error)
                );
                None
            }
        }
    }

    fn wait(&mut self, unfound: Option<&Unfound>) -> Duration {
        let random = self.ground.clock.random();
        let interval = poll::jittered(self.resource.spec.interval.get().max(Duration::from_secs(1)), random);
        match unfound {
            // The repository can be read, and its next commit may be trusted.
            None | Some(Unfound::Trust(Doubt::Untrusted(_))) => {
                self.failures = 0;
                interval
            }
            Some(unfound) => {
                let failure = unfound.failure();
                self.failures += 1;
                backoff::delay(failure.class, self.failures, random)
            }
        }
    }

    fn failure(&self, error: &GitError) -> Failure {
        Failure { class: error.class(), message: chain(error) }
    }

    async fn tell(&mut self, begun: Duration, looked: Result<Source, Failure>) {
        if let Ok(source) = &looked {
            self.told = Some(source.revision.commit.clone());
        }
        // A closed channel means that the daemon stops.
        let _ = self.ground.events.send(Event::Looked(name(&self.resource), begun, looked)).await;
    }

    async fn write_status(&mut self, outcome: Result<(), Unfound>) {
        let now = self.ground.clock.now();
        let status = RepositoryStatus {
            observed_generation: self.resource.metadata.generation,
            conditions: conditions(
                (&self.resource, &outcome),
                self.revision.as_ref(),
                self.trouble.borrow_and_update().as_ref(),
                &self.written.conditions,
                now,
            ),
            revision: self.revision.clone(),
        };
        if self.written == status {
            return;
        }
        let whole = name(&self.resource);
        let Some(tenure) = self.ground.tenures.of(self.ground.tenures.repository_shard(&whole)) else { return };
        let cluster = self.ground.cluster.during(&tenure);
        let (namespace, name) = whole;
        let uid = self.resource.metadata.uid.clone().unwrap_or_default();
        let said = |status: &RepositoryStatus| status.conditions.first().map(|ready| ready.message.clone());
        if let (Err(Unfound::Trust(Doubt::Untrusted(_))), Some(message)) = (&outcome, said(&status))
            && said(&self.written).as_ref() != Some(&message)
        {
            let kind = RecordKind::Untrusted;
            self.ground.journal.repository(kind, (&namespace, &name), &uid, &tenure, (message, now));
        }
        match status::write::<Repository, _>(&cluster, (&namespace, &name), &uid, "", |_| &status).await {
            Ok(_) => self.written = status,
            Err(error) => tracing::warn!(repository = name, "the status could not be written: {}", chain(&error)),
        }
    }
}

fn with(failure: Failure, more: &str) -> Failure {
    Failure { message: format!("{}\n{more}", failure.message), ..failure }
}

/// Returns a failure that a person or a change has to help with.
fn wait(message: String) -> Failure {
    Failure { class: Class::Wait, message }
}
