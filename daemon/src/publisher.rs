//! Publishing records as Git notes: what waits in the statuses of Environments is written to the notes ref of their
//! Repository, pushed, and then taken out of the statuses.
//!
//! Killed at any point it goes on where the remote is: what is there already is not added again, and what is published is
//! taken out only after the push. Only whoever has the tenure of the Repository publishes.
//! Must never do: decide anything by what a note says, move another ref, force.

mod clear;
pub(crate) mod signing;
pub(crate) mod trouble;

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
        RecordKind,
        batch::{self, Batch},
        cadence::{Cadence, Next},
        line::{Line, Series},
        sift::{self, Hindrance, Sifted},
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
use trouble::{Obstacle, Trouble};

use crate::{
    backlog::{Lot, Waiting},
    chain::chain,
    metrics::NotesPush,
    repositories::{self, Ground, login},
};

/// Times a push is rebuilt on what somebody else has pushed in between, before it waits like any failure.
const RACES_MAX: u32 = 5;

/// Why records wait; nothing while they can be published.
pub(crate) type Troubles = watch::Receiver<Option<Trouble>>;

/// Publishes for one Repository; dropped, it does no longer.
pub(crate) struct Publisher(AbortHandle);

impl Drop for Publisher {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Publisher {
    /// Starts to publish, if the Repository wants that; the follower tells of trouble.
    pub(crate) fn start(ground: &Ground, resource: &Arc<Repository>) -> (Option<Self>, Troubles) {
        let (trouble, told) = watch::channel(None);
        if resource.spec.records == Records::None {
            return (None, told);
        }
        let publish = Publish {
            ground: ground.clone(),
            resource: Arc::clone(resource),
            trouble,
            heads: BTreeMap::new(),
            stuck: BTreeSet::new(),
            doubts: BTreeMap::new(),
        };
        (Some(Self(tokio::spawn(publish.run()).abort_handle())), told)
    }
}

struct Publish {
    ground: Ground,
    resource: Arc<Repository>,
    trouble: watch::Sender<Option<Trouble>>,
    /// What notes refs of the remote hold, as far as that is known.
    heads: BTreeMap<RefName, Option<CommitId>>,
    /// What the last push has left behind.
    stuck: BTreeSet<(String, String)>,
    /// What was last said of refs whose history was rewritten.
    doubts: BTreeMap<RefName, String>,
}

/// What is in Git after a push, and what is not.
struct Pushed {
    head: Option<CommitId>,
    sifted: Sifted,
}

impl Publish {
    async fn run(mut self) {
        let mut changes = self.ground.backlog.changes();
        let uid = self.resource.metadata.uid.clone().unwrap_or_default();
        let mut cadence = Cadence::default();
        loop {
            changes.borrow_and_update();
            let shard = self.ground.tenures.repository_shard(&repositories::name(&self.resource));
            let tenure = self.ground.tenures.of(shard);
            if tenure.is_none() {
                // Another replica publishes. When a tenure begins, so does a new publisher.
                self.heads.clear();
                self.stuck.clear();
            }
            let now = self.ground.clock.uptime();
            let free = if tenure.is_some() { self.free(&uid) } else { Vec::new() };
            match (cadence.next(now, free, !self.stuck.is_empty()), tenure) {
                (Next::Push, Some(tenure)) => {
                    let waiting = self.ground.backlog.of(&uid);
                    self.publish_as(&mut cadence, &waiting, &tenure).await;
                }
                (Next::At(at), _) => {
                    tokio::select! {
                        () = tokio::time::sleep(at.saturating_sub(now)) => {}
                        changed = changes.changed() => if changed.is_err() { return },
                    }
                }
                (Next::Nothing | Next::Push, _) => {
                    // What could not be published is not there any more, or another replica's.
                    self.trouble.send_if_modified(|trouble| trouble.take().is_some());
                    if changes.changed().await.is_err() {
                        return;
                    }
                }
            }
        }
    }

    /// Returns of which kinds what waits is, besides what the last push has left behind and is still there.
    fn free(&mut self, uid: &str) -> Vec<RecordKind> {
        let (before, mut free) = (std::mem::take(&mut self.stuck), Vec::new());
        self.ground.backlog.each(uid, |line| {
            let left = Some(line).filter(|_| !before.is_empty()).map(place).filter(|place| before.contains(place));
            match left {
                Some(left) => drop(self.stuck.insert(left)),
                None => free.push(line.kind),
            }
        });
        free
    }

    /// Publishes, and takes down in the cadence and in the condition what came of it.
    async fn publish_as(&mut self, cadence: &mut Cadence, waiting: &[Waiting], tenure: &Tenure) {
        let published = self.publish(waiting, tenure).await;
        let (now, random) = (self.ground.clock.uptime(), self.ground.clock.random());
        let troubles = match published {
            Ok(troubles) => {
                match troubles.iter().map(|trouble| trouble.failure.class).max_by_key(|class| *class != Class::Retry) {
                    None => cadence.pushed(now),
                    Some(class) => cadence.pushed_in_part(now, class, random),
                }
                troubles
            }
            Err(trouble) => {
                cadence.failed(now, trouble.failure.class, random);
                self.count(NotesPush::Failed);
                self.heads.clear();
                vec![trouble]
            }
        };
        self.tell(Trouble::all(troubles));
    }

    fn tell(&self, trouble: Option<Trouble>) {
        let news = self.trouble.send_if_modified(|known| {
            let news = *known != trouble;
            known.clone_from(&trouble);
            news
        });
        if let (true, Some(Trouble { failure, .. })) = (news, trouble) {
            let (namespace, name) = repositories::name(&self.resource);
            tracing::warn!(repository = %format!("{namespace}/{name}"), "records can't be published: {}", failure.message);
        }
    }

    /// Pushes what waits, then takes it out of the statuses; returns what stands in the way of the rest.
    ///
    /// *Errors:* nothing could be pushed.
    async fn publish(&mut self, waiting: &[Waiting], tenure: &Tenure) -> Result<Vec<Trouble>, Trouble> {
        let remote = remote(&self.ground, &self.resource).await?;
        let key = Arc::new(signing::key(&self.ground.cluster, &self.resource).await?);
        let lines = waiting.iter().flat_map(|waiting| &waiting.lines);
        // What waited when the cluster got another name goes where its numbers are.
        let all: BTreeSet<Series> = lines.map(Line::series).collect();
        let before = std::mem::take(&mut self.stuck);
        let (mut went_well, mut troubles, mut failures) = (false, Vec::new(), Vec::new());
        for series in all {
            let of_it = waiting.iter().map(|waiting| waiting.of(&series)).filter(|waiting| !waiting.lines.is_empty());
            let of_it: Vec<Waiting> = of_it.collect();
            match self.publish_series(&series, &of_it, (&remote, &key), tenure).await {
                Ok(more) => {
                    went_well = true;
                    troubles.extend(more);
                }
                // A ref that can't be written holds up no other.
                Err(trouble) => {
                    self.stuck.extend(of_it.iter().flat_map(|waiting| &waiting.lines).map(place));
                    failures.push(trouble);
                }
            }
        }
        if !went_well && let Some(trouble) = Trouble::all(failures.clone()) {
            self.stuck = before;
            return Err(trouble);
        }
        failures.iter().for_each(|_| self.count(NotesPush::Failed));
        troubles.extend(failures);
        Ok(troubles)
    }

    /// Does so for what one notes ref takes.
    async fn publish_series(
        &mut self,
        series: &Series,
        waiting: &[Waiting],
        (remote, key): (&Remote, &Arc<Option<SigningKey>>),
        tenure: &Tenure,
    ) -> Result<Vec<Trouble>, Trouble> {
        let name = RefName::parse(&notes_ref(&series.cluster))
            .map_err(|error| Failure { class: Class::Wait, message: error.to_string() })?;
        let path = self.ground.mirrors.place(&self.resource, &remote.url);
        let lines: Vec<Line> = waiting.iter().flat_map(|waiting| waiting.lines.iter().cloned()).collect();
        let Pushed { head, sifted } = self.push(&lines, (series, &name), (remote, path, key), tenure).await?;
        let unwritable: BTreeSet<CommitId> = sifted.unwritable().into_keys().cloned().collect();
        let mut troubles = hindrances(&sifted, &name);
        self.stuck.extend(sifted.held.iter().map(|(line, _)| place(line)));
        for waiting in waiting {
            let sequences = sifted.batch.sequences(&waiting.uid);
            if sequences.is_empty() && !waiting.lines.iter().any(|line| unwritable.contains(&line.commit)) {
                continue;
            }
            let published = clear::Published { sequences, unwritable: &unwritable, head: head.as_ref() };
            // One status that can't be written is no reason to leave the others; what is in it is found to be published later.
            match clear::clear(&self.ground, series, waiting, published, tenure).await {
                Ok(()) => {
                    let lot = Lot::of(sifted.batch.of_environment(&waiting.uid));
                    self.ground.metrics.published(&repositories::name(&self.resource), lot);
                }
                Err(error) => {
                    self.stuck.extend(waiting.lines.iter().map(place));
                    let why = format!(
                        "what is published of Environment {} can't be taken out of its status: {}",
                        waiting.environment,
                        chain(&error)
                    );
                    troubles.push(Trouble::new(Obstacle::Status, error.class(), why));
                }
            }
        }
        Ok(troubles)
    }

    /// Brings lines to the remote's notes ref, as far as they can be added there.
    async fn push(
        &mut self,
        lines: &[Line],
        (series, name): (&Series, &RefName),
        (remote, path, key): (&Remote, PathBuf, &Arc<Option<SigningKey>>),
        tenure: &Tenure,
    ) -> Result<Pushed, Trouble> {
        for _ in 0..RACES_MAX {
            // What is known counts again once a push has confirmed it.
            let head = match self.heads.remove(name) {
                Some(head) => head,
                None => {
                    let head =
                        self.ground.workers.fetch_ref(remote, &path, name).await.map_err(|error| failed(&error))?;
                    self.check_history((series, name, &path), head.as_ref(), tenure).await?;
                    head
                }
            };
            let (sifted, next) = self.write(lines.to_vec(), &path, head.clone(), Arc::clone(key)).await?;
            let Some(next) = next else {
                self.heads.insert(name.clone(), head.clone());
                return Ok(Pushed { head, sifted });
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
                    return Ok(Pushed { head: Some(next), sifted });
                }
                PushOutcome::Raced { .. } => self.count(NotesPush::Raced),
                PushOutcome::Refused { name, message } => {
                    let message = format!("{} does not take {name}: {message}; allow plumb to write it", remote.url);
                    return Err(Trouble::new(Obstacle::Push, Class::Wait, message));
                }
            }
        }
        let message = format!("{name} of {} is written by others at each try", remote.url);
        Err(Trouble::new(Obstacle::Push, Class::Retry, message))
    }

    /// Makes sure that the notes ref still leads to wherever it was when records were published: nothing is built on a history
    /// that somebody has put in place of it, and no anchor is moved there.
    async fn check_history(
        &mut self,
        (series, name, path): (&Series, &RefName, &std::path::Path),
        head: Option<&CommitId>,
        tenure: &Tenure,
    ) -> Result<(), Trouble> {
        let uid = self.resource.metadata.uid.as_deref().unwrap_or_default();
        let anchors = self.ground.backlog.anchors(series);
        let (path, sought, newest) = (path.to_owned(), anchors.keys().cloned().collect(), head.cloned());
        let missing =
            tokio::task::spawn_blocking(move || Mirror::open_or_create(&path)?.missing(newest.as_ref(), sought));
        let missing = missing.await.map_err(|error| Failure { class: Class::Bug, message: error.to_string() })?;
        let missing = missing.map_err(|error| failed(&error))?;
        let Some(anchor) = missing.first() else {
            self.doubts.remove(name);
            return Ok(());
        };
        let environments: Vec<String> = anchors
            .iter()
            .filter(|(anchor, _)| missing.contains(anchor))
            .flat_map(|(_, names)| names)
            .map(ToString::to_string)
            .collect();
        let why = rewritten(name, head, anchor, &environments);
        if self.doubts.get(name) != Some(&why) {
            let (namespace, repository) = repositories::name(&self.resource);
            let said = (why.clone(), self.ground.clock.now());
            self.ground.journal.repository(RecordKind::NotesRewritten, (&namespace, &repository), uid, tenure, said);
            self.doubts.insert(name.clone(), why.clone());
        }
        Err(Trouble::new(Obstacle::History, Class::Wait, why))
    }

    /// Writes the commit that adds the lines which can be added; none if they are all there.
    async fn write(
        &self,
        lines: Vec<Line>,
        path: &std::path::Path,
        head: Option<CommitId>,
        key: Arc<Option<SigningKey>>,
    ) -> Result<(Sifted, Option<CommitId>), Failure> {
        let (path, at) = (path.to_owned(), self.ground.clock.now());
        let author = self.resource.spec.commit.clone().unwrap_or_default().author;
        let author = Person::parse(&author)
            .map_err(|error| Failure { class: Class::Wait, message: format!("spec.commit.author: {error}") })?;
        let written = tokio::task::spawn_blocking(move || -> Result<(Sifted, Option<CommitId>), GitError> {
            let mirror = Mirror::open_or_create(&path)?;
            let commits: BTreeSet<CommitId> = lines.iter().map(|line| line.commit.clone()).collect();
            let sifted = sift::sift(lines, &mirror.notes(head.as_ref(), commits)?);
            let edits: Vec<_> = sifted
                .batch
                .notes
                .iter()
                .map(|(commit, lines)| (commit, move |note: &[u8]| batch::append(note, lines)))
                .collect();
            let additions: Vec<_> = edits.iter().map(|(commit, edit)| Addition { commit, edit }).collect();
            let Some(tree) = mirror.add_notes(head.as_ref(), &additions)? else { return Ok((sifted, None)) };
            let draft = Draft {
                tree,
                parents: head.into_iter().collect(),
                author: author.clone(),
                committer: author,
                at,
                message: message(&sifted.batch),
            };
            let sign =
                key.as_ref().as_ref().map(|key| move |bytes: &[u8]| key.sign(bytes).map_err(|error| error.to_string()));
            let sign = sign.as_ref().map(|sign| sign as &plumb_git::draft::Sign<'_>);
            let commit = mirror.write_commit(&draft, sign)?;
            Ok((sifted, Some(commit)))
        });
        let written = written.await.map_err(|error| Failure { class: Class::Bug, message: error.to_string() })?;
        written.map_err(|error| failed(&error))
    }

    fn count(&self, push: NotesPush) {
        self.ground.metrics.notes_push(&repositories::name(&self.resource), push);
    }
}

/// Returns what is said of a notes ref that no longer leads to where it was.
fn rewritten(name: &RefName, head: Option<&CommitId>, anchor: &CommitId, environments: &[String]) -> String {
    /// Environments that are named.
    const NAMED_MAX: usize = 3;
    let head = head.map_or_else(|| "is gone".to_owned(), |head| format!("ends at {head}"));
    let named = environments.iter().take(NAMED_MAX).map(String::as_str).collect::<Vec<_>>().join(", ");
    let more = environments.len().saturating_sub(NAMED_MAX);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!(
        "{name} {head} and does not lead to {anchor}, where it was when records of {named}{more} were published: somebody has \
         rewritten it or cut it off. Records wait until the old history is back, or the new one is accepted (docs/records.md)"
    )
}

/// Returns what tells a line from all others that wait: its number may stand for others as well once.
fn place(line: &Line) -> (String, String) {
    (line.environment.uid.clone(), line.text())
}

/// Returns what stands in the way of lines: one sentence for each note, and one for each environment whose numbers are taken.
fn hindrances(sifted: &Sifted, name: &RefName) -> Vec<Trouble> {
    let mut notes: BTreeMap<&CommitId, u64> = BTreeMap::new();
    let mut troubles = Vec::new();
    let mut counted = BTreeSet::new();
    for (line, hindrance) in &sifted.held {
        let environment = format!("{}/{}", line.environment.namespace, line.environment.name);
        match hindrance {
            Hindrance::Unwritable(_) => *notes.entry(&line.commit).or_default() += 1,
            Hindrance::Taken if counted.insert(&line.environment.uid) => {
                let why = format!(
                    "record {} of Environment {environment} is in the note on {} with another text, as after a restore of etcd: \
                     its records wait until its status.records.next is higher than every number in {name} (docs/records.md)",
                    line.sequence, line.commit
                );
                troubles.push(Trouble::new(Obstacle::Number, Class::Wait, why));
            }
            Hindrance::Taken | Hindrance::Behind => {}
        }
    }
    let why = sifted.unwritable();
    troubles.extend(notes.into_iter().map(|(commit, lines)| {
        let why = format!(
            "{lines} record(s) on {commit} wait, since its note in {name} takes no more: {}; take out of the note what others \
             have put there, or push another commit, with which they are counted in one record",
            why[commit]
        );
        Trouble::new(Obstacle::Note, Class::Wait, why)
    }));
    troubles
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
