//! Publishing records as Git notes: what waits in the statuses of Environments is written to the notes ref of their
//! Repository, pushed, and then taken out of the statuses.
//!
//! Killed at any point it goes on where the remote is: what is there already is not added again, and what is published is
//! taken out only after the push. Only whoever has the tenure of the Repository publishes.
//! Must never do: decide anything by what a note says, move another ref, force.

mod clear;
pub(crate) mod signing;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use plumb_api::{Repository, repository::Records};
use plumb_cluster::tenure::Tenure;
use plumb_core::{
    class::Class,
    commit::{CommitId, NOTES, RefName},
    operation::Failure,
    person::Person,
    record::{
        batch::{self, Batch},
        cadence::{Cadence, Next},
        line::{Line, Series},
    },
};
use plumb_git::{
    draft::Draft,
    error::GitError,
    mirror::Mirror,
    notes::Addition,
    push::{PushOutcome, RefUpdate},
    remote::{Remote, RemoteUrl},
};
use plumb_signature::SigningKey;
use tokio::{sync::watch, task::AbortHandle};

use crate::{
    backlog::{Lot, Waiting},
    chain::chain,
    metrics::NotesPush,
    repositories::{self, Ground, login},
};

/// Times a push is rebuilt on what somebody else has pushed in between, before it waits like any failure.
const RACES_MAX: u32 = 5;

/// Why records can't be published; nothing while they can.
pub(crate) type Trouble = watch::Receiver<Option<Failure>>;

/// Publishes for one Repository; dropped, it does no longer.
pub(crate) struct Publisher(AbortHandle);

impl Drop for Publisher {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Publisher {
    /// Starts to publish, if the Repository wants that; the follower tells of trouble.
    pub(crate) fn start(ground: &Ground, resource: &Arc<Repository>) -> (Option<Self>, Trouble) {
        let (trouble, told) = watch::channel(None);
        if resource.spec.records == Records::None {
            return (None, told);
        }
        let publish =
            Publish { ground: ground.clone(), resource: Arc::clone(resource), trouble, heads: BTreeMap::new() };
        (Some(Self(tokio::spawn(publish.run()).abort_handle())), told)
    }
}

struct Publish {
    ground: Ground,
    resource: Arc<Repository>,
    trouble: watch::Sender<Option<Failure>>,
    /// What notes refs of the remote hold, as far as that is known.
    heads: BTreeMap<RefName, Option<CommitId>>,
}

impl Publish {
    async fn run(mut self) {
        let mut changes = self.ground.backlog.changes();
        let uid = self.resource.metadata.uid.clone().unwrap_or_default();
        let mut cadence = Cadence::default();
        loop {
            changes.borrow_and_update();
            let mut waiting = self.ground.backlog.of(&uid);
            let shard = self.ground.tenures.repository_shard(&repositories::name(&self.resource));
            let tenure = self.ground.tenures.of(shard);
            if tenure.is_none() {
                // Another replica publishes. When a tenure begins, so does a new publisher.
                self.heads.clear();
                waiting.clear();
            }
            let now = self.ground.clock.uptime();
            let kinds = waiting.iter().flat_map(|waiting| &waiting.lines).map(|line| line.kind);
            match (cadence.next(now, kinds), tenure) {
                (Next::Push, Some(tenure)) => self.publish_as(&mut cadence, &waiting, &tenure).await,
                (Next::At(at), _) => {
                    tokio::select! {
                        () = tokio::time::sleep(at.saturating_sub(now)) => {}
                        changed = changes.changed() => if changed.is_err() { return },
                    }
                }
                (Next::Nothing | Next::Push, _) => {
                    if changes.changed().await.is_err() {
                        return;
                    }
                }
            }
        }
    }

    /// Publishes, and takes down in the cadence and in the condition what came of it.
    async fn publish_as(&mut self, cadence: &mut Cadence, waiting: &[Waiting], tenure: &Tenure) {
        let published = self.publish(waiting, tenure).await;
        let now = self.ground.clock.uptime();
        match published {
            Ok(()) => {
                cadence.pushed(now);
                self.trouble.send_if_modified(|trouble| trouble.take().is_some());
            }
            Err(failure) => {
                cadence.failed(now, failure.class, self.ground.clock.random());
                self.count(NotesPush::Failed);
                self.heads.clear();
                self.tell(failure);
            }
        }
    }

    fn tell(&self, failure: Failure) {
        let news = self.trouble.send_if_modified(|trouble| {
            let news = trouble.as_ref() != Some(&failure);
            *trouble = Some(failure.clone());
            news
        });
        if news {
            let (namespace, name) = repositories::name(&self.resource);
            tracing::warn!(repository = %format!("{namespace}/{name}"), "records can't be published: {}", failure.message);
        }
    }

    /// Pushes everything that waits, then takes it out of the statuses.
    async fn publish(&mut self, waiting: &[Waiting], tenure: &Tenure) -> Result<(), Failure> {
        let remote = remote(&self.ground, &self.resource).await?;
        let key = Arc::new(signing::key(&self.ground.cluster, &self.resource).await?);
        let lines = waiting.iter().flat_map(|waiting| &waiting.lines);
        // What waited when the cluster got another name goes where its numbers are.
        let all: BTreeSet<Series> = lines.map(Line::series).collect();
        let mut done = Ok(());
        for series in all {
            let of_it = waiting.iter().map(|waiting| waiting.of(&series)).filter(|waiting| !waiting.lines.is_empty());
            // A ref that can't be written holds up no other.
            done = done.and(self.publish_series(&series, &of_it.collect::<Vec<_>>(), (&remote, &key), tenure).await);
        }
        done
    }

    async fn publish_series(
        &mut self,
        series: &Series,
        waiting: &[Waiting],
        (remote, key): (&Remote, &Arc<Option<SigningKey>>),
        tenure: &Tenure,
    ) -> Result<(), Failure> {
        let batch = Arc::new(Batch::of(waiting.iter().flat_map(|waiting| waiting.lines.iter().cloned())));
        let name = RefName::parse(&notes_ref(&series.cluster))
            .map_err(|error| Failure { class: Class::Wait, message: error.to_string() })?;
        let path = self.ground.mirrors.place(&self.resource, &remote.url);
        let head = self.push(&batch, remote, (&name, path), key).await?;
        for waiting in waiting {
            let sequences = batch.sequences(&waiting.uid);
            let cleared = clear::clear(&self.ground, series, waiting, &sequences, head.as_ref(), tenure).await;
            // What is still there is found to be published the next time.
            cleared.map_err(|error| Failure { class: error.class(), message: chain(&error) })?;
            self.ground.metrics.published(&repositories::name(&self.resource), Lot::of(&waiting.lines));
        }
        Ok(())
    }

    /// Brings the batch to the remote's notes ref, and returns what that holds then.
    async fn push(
        &mut self,
        batch: &Arc<Batch>,
        remote: &Remote,
        (name, path): (&RefName, PathBuf),
        key: &Arc<Option<SigningKey>>,
    ) -> Result<Option<CommitId>, Failure> {
        for _ in 0..RACES_MAX {
            let head = match self.heads.get(name).cloned() {
                Some(head) => head,
                None => self.ground.workers.fetch_ref(remote, &path, name).await.map_err(|error| failed(&error))?,
            };
            let Some(next) = self.write(batch, &path, head.clone(), Arc::clone(key)).await? else {
                self.heads.insert(name.clone(), head.clone());
                return Ok(head);
            };
            let update = RefUpdate { name: name.clone(), expected: head, target: next.clone() };
            let pushed = self.ground.push(remote, &path, &update).await;
            match pushed.map_err(|error| failed(&error))? {
                PushOutcome::Pushed => {
                    self.count(NotesPush::Pushed);
                    self.heads.insert(name.clone(), Some(next.clone()));
                    let (path, name, pushed) = (path.clone(), name.clone(), next.clone());
                    // Without it the next fetch brings it once more.
                    let _ = tokio::task::spawn_blocking(move || Mirror::open_or_create(&path)?.pushed(&name, &pushed))
                        .await;
                    return Ok(Some(next));
                }
                PushOutcome::Raced { .. } => {
                    self.count(NotesPush::Raced);
                    self.heads.remove(name);
                }
                PushOutcome::Refused { name, message } => {
                    let message = format!("{} does not take {name}: {message}; allow plumb to write it", remote.url);
                    return Err(Failure { class: Class::Wait, message });
                }
            }
        }
        let message = format!("{name} of {} is written by others at each try", remote.url);
        Err(Failure { class: Class::Retry, message })
    }

    /// Writes the commit that adds the batch; nothing if it is all there.
    async fn write(
        &self,
        batch: &Arc<Batch>,
        path: &std::path::Path,
        head: Option<CommitId>,
        key: Arc<Option<SigningKey>>,
    ) -> Result<Option<CommitId>, Failure> {
        let (batch, path, at) = (Arc::clone(batch), path.to_owned(), self.ground.clock.now());
        let author = self.resource.spec.commit.clone().unwrap_or_default().author;
        let author = Person::parse(&author)
            .map_err(|error| Failure { class: Class::Wait, message: format!("spec.commit.author: {error}") })?;
        let written = tokio::task::spawn_blocking(move || -> Result<Option<CommitId>, GitError> {
            let mirror = Mirror::open_or_create(&path)?;
            let edits: Vec<_> = batch
                .notes
                .iter()
                .map(|(commit, lines)| (commit, move |note: &str| batch::append(note, lines)))
                .collect();
            let additions: Vec<_> = edits.iter().map(|(commit, edit)| Addition { commit, edit }).collect();
            let Some(tree) = mirror.add_notes(head.as_ref(), &additions)? else { return Ok(None) };
            let draft = Draft {
                tree,
                parents: head.into_iter().collect(),
                author: author.clone(),
                committer: author,
                at,
                message: message(&batch),
            };
            let sign =
                key.as_ref().as_ref().map(|key| move |bytes: &[u8]| key.sign(bytes).map_err(|error| error.to_string()));
            let sign = sign.as_ref().map(|sign| sign as &plumb_git::draft::Sign<'_>);
            mirror.write_commit(&draft, sign).map(Some)
        });
        let written = written.await.map_err(|error| Failure { class: Class::Bug, message: error.to_string() })?;
        written.map_err(|error| failed(&error))
    }

    fn count(&self, push: NotesPush) {
        self.ground.metrics.notes_push(&repositories::name(&self.resource), push);
    }
}

/// Returns the ref that the notes of a cluster are at.
pub(crate) fn notes_ref(cluster: &str) -> String {
    format!("{NOTES}{cluster}")
}

/// Returns how a Repository is reached, for pushes.
///
/// # Errors
/// Its address or its Secret can't be read.
pub(crate) async fn remote(ground: &Ground, resource: &Repository) -> Result<Remote, Failure> {
    let spec = &resource.spec;
    let url = RemoteUrl::parse(&spec.url, ground.file_urls)
        .map_err(|error| Failure { class: Class::Wait, message: chain(&error) })?;
    let credentials = login::read(&ground.cluster, resource, &url).await?;
    Ok(Remote { url, credentials, timeout: spec.timeout.get().max(Duration::from_secs(1)) })
}

fn failed(error: &GitError) -> Failure {
    Failure { class: error.class(), message: chain(error) }
}

/// Returns the message of a commit of notes.
fn message(batch: &Batch) -> String {
    let (records, commits) = (batch.len(), batch.notes.len());
    format!("plumb: {records} record(s) on {commits} commit(s)\n")
}
