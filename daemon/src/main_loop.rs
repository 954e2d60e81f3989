//! The loop: one closed [`Event`] and one `match` show all that can wake the daemon.
//!
//! It decides nothing and waits for nothing but events. Every event only says "look again"; passes run as tasks, at most
//! one for each environment, and share the API server's turns fairly.

mod builds;
mod environments;
mod errand;
mod gate;
mod sources;
mod tracked;
mod watched;
mod writing;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use plumb_api::{Environment, PipelineTrigger, Repository};
use plumb_cluster::{index::change::Change, resources::Followed, runs::News, tenure::Tenure};
use plumb_core::{
    backoff,
    claims::Stir,
    class::Class,
    dependency::Dependencies,
    environment::{ApplySetId, EnvironmentName, FieldManager},
    lease::Shard,
    operation::Failure,
};
use tokio::{sync::mpsc, task::JoinSet, time::Instant};
use tokio_util::sync::CancellationToken;

use crate::{
    context::Context,
    departure,
    http::Readiness,
    let_go,
    reconcile::{Finished, Pass, reconcile},
    repositories::{self, Ground, RepositoryName},
    rollback::Done,
    source::Source,
    triggers::{self, Builder},
};
use builds::Builds;
use environments::Sweeping;
use tracked::{Tracked, keeping, source, unpublished};
use watched::{Taken, Watched};
use writing::{Target, Writing, Wrote};

/// Passes under way at once: what limits the work is the turns at the API server; a pass that hangs at a webhook or a
/// slow kind must only cost its own place.
const PASSES_MAX: usize = 256;

/// Events handled in one go before passes are started: a burst of changes leads to one pass.
const BURST_MAX: usize = 1024;

/// What has to be read once before anything is decided.
const REPOSITORIES: &str = "repositories";
const ENVIRONMENTS: &str = "environments";

/// Everything that can wake the daemon.
#[derive(Debug)]
pub(crate) enum Event {
    /// A Repository was made, changed or deleted, or all of them were read.
    Repository(Box<Followed<Repository>>),
    /// An Environment was made, changed or deleted, or all of them were read.
    Environment(Box<Followed<Environment>>),
    /// A PipelineTrigger was made, changed or deleted, or all of them were read.
    Trigger(Box<Followed<PipelineTrigger>>),
    /// Something is new of the runs of triggers.
    Runs(News),
    /// What a repository's status says of the last look, and the mirror still has; a look follows.
    Remembered(RepositoryName, Source),
    /// A repository was looked at, and when that began (`Clock::uptime`).
    Looked(RepositoryName, Duration, Result<Source, Failure>),
    /// The commit that environments of a repository are at is not trusted any more.
    Distrusted(RepositoryName, Failure),
    /// The mirror of a repository was damaged, and has been fetched anew.
    Renewed(RepositoryName),
    /// Owned objects changed.
    Live(BTreeSet<Change>),
    /// Pods of an unhealthy workload changed.
    Pods(EnvironmentName),
    /// The right to write for a shard was got, lost or given up.
    Tenures,
}

/// What a task of the loop ends with.
enum Ended {
    Pass(Box<Finished>),
    LetGo(EnvironmentName),
    Swept(Option<Class>),
    Job(Box<Done>),
    Look(Box<triggers::Finished>),
    Wrote(Box<Wrote>),
}

/// The loop and all that it knows.
pub(crate) struct Loop {
    context: Arc<Context>,
    ground: Ground,
    readiness: Readiness,
    stop: CancellationToken,
    repositories: BTreeMap<RepositoryName, Tracked>,
    environments: BTreeMap<EnvironmentName, Watched>,
    names: BTreeMap<ApplySetId, EnvironmentName>,
    managers: Arc<BTreeMap<FieldManager, EnvironmentName>>,
    dependencies: Dependencies,
    builder: Arc<Builder>,
    builds: Builds,
    writing: BTreeMap<Target, Writing>,
    read: BTreeSet<&'static str>,
    /// The tenures that are acted on.
    tenures: BTreeMap<Shard, Tenure>,
    tasks: JoinSet<Ended>,
    sweeping: Sweeping,
    /// The first environment that had no room for a pass.
    next: Option<EnvironmentName>,
}

impl Loop {
    pub(crate) fn new(
        context: Arc<Context>,
        builder: Arc<Builder>,
        ground: Ground,
        readiness: Readiness,
        stop: CancellationToken,
    ) -> Self {
        Self {
            context,
            ground,
            readiness,
            stop,
            repositories: BTreeMap::new(),
            environments: BTreeMap::new(),
            names: BTreeMap::new(),
            managers: Arc::default(),
            dependencies: Dependencies::default(),
            builder,
            builds: Builds::default(),
            writing: BTreeMap::new(),
            read: BTreeSet::new(),
            tenures: BTreeMap::new(),
            tasks: JoinSet::new(),
            sweeping: Sweeping::default(),
            next: None,
        }
    }

    /// Runs until it is told to stop; passes under way then end at the next effect.
    ///
    /// # Errors
    /// A task panicked, or the events ended: the daemon must not go on half alive.
    pub(crate) async fn run(mut self, mut events: mpsc::Receiver<Event>) -> Result<(), Broken> {
        loop {
            let due = [self.next_due(), self.next_look(), self.next_write()].into_iter().flatten().min();
            tokio::select! {
                event = events.recv() => {
                    self.handle(event.ok_or(Broken::EventsEnded)?);
                    for _ in 0..BURST_MAX {
                        let Ok(event) = events.try_recv() else { break };
                        self.handle(event);
                    }
                }
                Some(ended) = self.tasks.join_next() => self.ended(ended.map_err(Broken::TaskPanicked)?),
                () = sleep_until(due) => {}
                () = self.stop.cancelled() => break,
            }
            self.start_passes();
            self.start_looks();
            self.start_writes();
            self.tell_load();
        }
        while let Some(ended) = self.tasks.join_next().await {
            ended.map_err(Broken::TaskPanicked)?;
        }
        Ok(())
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Repository(followed) => match *followed {
                Followed::Set(repository) => self.repository_set(repository),
                Followed::Gone(repository) => self.repository_gone(&repositories::name(&repository)),
                Followed::Unreadable(..) | Followed::UnreadableGone(..) => {}
                Followed::Synced => self.all_read(REPOSITORIES),
            },
            Event::Environment(followed) => match *followed {
                Followed::Set(environment) => self.environment_set(environment),
                Followed::Gone(environment) => self.environment_gone(&environment),
                Followed::Unreadable(namespace, name) => {
                    self.environment_unreadable(&EnvironmentName::new(&namespace, &name));
                }
                Followed::UnreadableGone(namespace, name) => {
                    self.unreadable_gone(&EnvironmentName::new(&namespace, &name));
                }
                Followed::Synced => self.all_read(ENVIRONMENTS),
            },
            Event::Trigger(followed) => match *followed {
                Followed::Set(trigger) => self.trigger_set(trigger),
                Followed::Gone(trigger) => self.trigger_gone(&trigger),
                // What can't be read is left as it is.
                Followed::Unreadable(..) | Followed::UnreadableGone(..) | Followed::Synced => {}
            },
            Event::Runs(news) => self.builds.runs_changed(&news),
            Event::Remembered(name, source) => self.remembered(&name, source),
            Event::Looked(name, begun, looked) => self.looked(&name, begun, looked),
            Event::Distrusted(name, failure) => self.distrusted(&name, failure),
            Event::Renewed(name) => self.touch(&name),
            Event::Live(changes) => self.live(&changes),
            Event::Pods(name) => {
                if let Some(watched) = self.environments.get_mut(&name) {
                    watched.look_again();
                }
            }
            Event::Tenures => self.tenures_changed(),
        }
    }

    /// Begins with what was got and lets go of what was lost. A tenure that ended and one that began since are two: what
    /// others did in between is unknown.
    fn tenures_changed(&mut self) {
        let now = self.ground.tenures.all();
        let before = std::mem::replace(&mut self.tenures, now.clone());
        let of_cluster = self.ground.tenures.cluster_shard();
        let changed = before.get(&of_cluster) != now.get(&of_cluster);
        if changed && before.contains_key(&of_cluster) {
            self.environments.values_mut().for_each(Watched::stand_by);
            self.context.stand_by();
        }
        let begun: BTreeSet<Shard> =
            now.iter().filter(|(shard, tenure)| before.get(shard) != Some(tenure)).map(|(shard, _)| *shard).collect();
        if begun.contains(&of_cluster) {
            self.context.begin();
            self.sweeping.look();
            self.environments.values_mut().for_each(Watched::begin);
        }
        self.builds_of_tenures(&begun);
        // What was seen of Git before may be older than what others have applied since.
        for (name, tracked) in &mut self.repositories {
            if begun.contains(&of_cluster) || begun.contains(&self.ground.tenures.repository_shard(name)) {
                *tracked = Tracked::follow(&self.ground, Arc::clone(&tracked.resource));
            }
        }
    }

    fn all_read(&mut self, what: &'static str) {
        self.read.insert(what);
        if self.read.len() == 2 {
            self.sweeping.look();
            self.readiness.ready();
        }
    }

    fn live(&mut self, changes: &BTreeSet<Change>) {
        let now = self.context.clock.now();
        for change in changes {
            match change {
                Change::Object { environment, key: _, what } => {
                    let name = self.names.get(environment);
                    if let Some(watched) = name.and_then(|name| self.environments.get_mut(name)) {
                        watched.changed(*what, now);
                    }
                }
                // Rare, and any environment may wait for the kind, or hold objects of it.
                Change::Known { .. } => {
                    self.context.doubt_kinds();
                    self.sweeping.look();
                    self.environments.values_mut().for_each(Watched::kind_known);
                }
                Change::Unknown { kind, reason } => {
                    tracing::warn!(%kind, "objects of this kind are neither created nor pruned: {reason}");
                    self.context.doubt_kinds();
                    self.environments.values_mut().for_each(Watched::look_again);
                }
            }
        }
    }

    fn ended(&mut self, ended: Ended) {
        match ended {
            Ended::Pass(mut finished) => {
                let now = Instant::now();
                let name = finished.name.clone();
                let random = self.context.clock.random();
                let delay = |class: Class, failures: u32| now + backoff::delay(class, failures, random);
                let context = Arc::clone(&self.context);
                let events = self.ground.events.clone();
                let (opened, withdrew, unheard) = (finished.opened, finished.withdrew, finished.unheard);
                let stirred = finished.stirred.clone();
                let job = finished.job.take();
                if let Some(watched) = self.environments.get_mut(&name) {
                    watched.finished(*finished, delay, &context, &events);
                }
                if opened {
                    self.environments.values_mut().for_each(Watched::try_again);
                }
                if let Some(job) = job {
                    self.start(job);
                }
                self.start_over(stirred);
                if unheard {
                    self.look_around(&name);
                }
                if withdrew {
                    self.claims_withdrawn();
                }
            }
            Ended::LetGo(name) => {
                let again = self.environments.remove(&name).and_then(Watched::successor);
                let kin = self.context.claims().kin(&name);
                self.forget(&name);
                self.start_over(kin);
                self.sweeping.look_later();
                self.context.metrics.forget_environment(&name);
                self.context.census().forget(&name);
                let waiting = self.dependencies.forget(&name);
                self.start_over(waiting);
                self.claims_withdrawn();
                if let Some(environment) = again {
                    self.environment_set(environment);
                }
            }
            Ended::Swept(retry) => self.swept(retry),
            Ended::Job(done) => self.done(*done),
            Ended::Look(finished) => self.look_ended(*finished),
            Ended::Wrote(wrote) => self.wrote(*wrote),
        }
    }

    fn start_over(&mut self, names: BTreeSet<EnvironmentName>) {
        for name in names {
            if let Some(watched) = self.environments.get_mut(&name) {
                watched.start_over();
            }
        }
    }

    /// Has everybody look again who is refused because of another's claim.
    fn claims_withdrawn(&mut self) {
        self.environments.values_mut().filter(|watched| watched.is_claimed()).for_each(Watched::start_over);
    }

    fn next_due(&self) -> Option<Instant> {
        if self.tasks.len() >= PASSES_MAX || !self.tenures.contains_key(&self.ground.tenures.cluster_shard()) {
            return None;
        }
        let read = |watched: &&Watched| {
            let repository = self.repositories.get(&watched.repository());
            watched.is_departing() || !repository.is_some_and(|repository| repository.is_unread(&watched.known()))
        };
        self.environments.values().filter(read).filter_map(Watched::due).chain(self.sweeping.due()).min()
    }

    /// Says how many passes are under way, and how many environments wait for room.
    fn tell_load(&self) {
        let now = Instant::now();
        let called_for = |watched: &&Watched| watched.is_called_for(now);
        let waiting = match self.next {
            Some(_) => self.environments.values().filter(called_for).count(),
            None => 0,
        };
        let mut overview = self.context.metrics.overview();
        (overview.running, overview.waiting) = (self.tasks.len(), waiting);
    }

    /// Starts every pass that is called for, as long as there is room.
    fn start_passes(&mut self) {
        // An environment that is not known yet counts as deleted, and its objects as free to take.
        if self.read.len() < 2 {
            return;
        }
        self.start_sweep();
        let now = Instant::now();
        let mut siblings = self.siblings(now);
        let tenure = self.tenures.get(&self.ground.tenures.cluster_shard());
        let mut room = PASSES_MAX.saturating_sub(self.tasks.len());
        // Those that had no room the last time come first.
        let split = self.next.take().unwrap_or_else(|| EnvironmentName::new("", ""));
        let (later, first): (Vec<_>, Vec<_>) = self.environments.iter_mut().partition(|(name, _)| **name < split);
        for (name, watched) in first.into_iter().chain(later) {
            if room == 0 {
                self.next = Some(name.clone());
                return;
            }
            if watched.is_deleted() {
                // An heir takes over what is there, with its label.
                let inherited = self.context.claims().heir(name).is_some();
                if watched.has_departed() || inherited && watched.may_let_go() {
                    let name = name.clone();
                    self.tasks.spawn(async move { Ended::LetGo(name) });
                    room -= 1;
                } else if watched.may_let_go() {
                    let (context, name) = (Arc::clone(&self.context), name.clone());
                    let (settings, uid, kinds) = (watched.settings(), watched.uid(), watched.kinds());
                    let tenure = tenure.cloned();
                    self.tasks.spawn(async move {
                        // Without a tenure, whoever has it does so.
                        if let Some(tenure) = tenure {
                            let_go::let_go(&context, &settings, &uid, kinds, &tenure).await;
                        }
                        Ended::LetGo(name)
                    });
                    room -= 1;
                }
                continue;
            }
            let Some(tenure) = tenure.filter(|_| watched.is_called_for(now)) else { continue };
            let repository = self.repositories.get(&watched.repository());
            let departing = watched.is_departing();
            if !departing && repository.is_some_and(|repository| repository.is_unread(&watched.known())) {
                continue;
            }
            let known: Vec<String> = watched.known().into_iter().map(str::to_owned).collect();
            let known: Vec<&str> = known.iter().map(String::as_str).collect();
            let Some(taken) = watched.take(now) else { continue };
            let Taken { settings, invalid, memory, resource, noticed, done, synced, unsure, free } = taken;
            let source = match invalid {
                Some(failure) => Err(failure),
                None => source(repository, &watched.repository(), &known),
            };
            let unlooked = repository.is_some_and(Tracked::is_unlooked);
            // Whoever wrote before may have been killed after a push.
            let (synced, unsure) = (synced && !unlooked, unsure || unlooked);
            let environments = Arc::clone(&self.managers);
            let wall = self.context.clock.now();
            let held = source.as_ref().ok().and_then(|newest| {
                gate::held((&settings, &resource, &memory.status), newest, &self.dependencies, synced, wall)
            });
            let keeping = keeping(self.repositories.get(&watched.repository()), &self.ground, &resource);
            let unpublished = unpublished(memory.book.awaited(), self.repositories.values());
            let pass = Pass {
                settings,
                resource,
                source,
                repository: repository.map(|repository| Arc::clone(&repository.resource)),
                held,
                environments,
                siblings: siblings.remove(name),
                unsure,
                free,
                missed: None,
                noticed,
                synced,
                memory,
                keeping,
                unpublished,
                done,
                tenure: tenure.clone(),
                unwritten: None,
                stir: Stir::default(),
            };
            let (context, stop) = (Arc::clone(&self.context), watched.stop(&self.stop));
            self.tasks.spawn(async move {
                let begun = Instant::now();
                let finished = match departing {
                    true => departure::depart(&context, pass, &stop).await,
                    false => reconcile(&context, pass, &stop).await,
                };
                context.metrics.pass(begun.elapsed(), finished.retry);
                Ended::Pass(Box::new(finished))
            });
            room -= 1;
        }
    }
}

async fn sleep_until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}

/// Why the loop ended without being told to.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Broken {
    /// Nobody is left who could send an event.
    #[error("nothing can wake the daemon any more; it ends so that it is started anew")]
    EventsEnded,
    /// A task panicked.
    #[error("a task panicked; the daemon ends so that it is started anew")]
    TaskPanicked(#[source] tokio::task::JoinError),
}
