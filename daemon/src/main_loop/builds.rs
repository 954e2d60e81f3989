//! Triggers as the loop sees them: their resources, whether to look again and when, and what was last written of them.
//!
//! Owns: one pass at a time for each. Must never do: look at one that another replica looks at.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use jiff::Timestamp;
use plumb_api::PipelineTrigger;
use plumb_cluster::runs::News;
use plumb_core::{
    backoff,
    lease::Shard,
    trigger::{name::TriggerName, naming},
};
use tokio::time::Instant;

use super::{Ended, Loop, tracked::source};
use crate::{
    repositories::RepositoryName,
    triggers::{self, Finished, Pass, images::Answer, settings},
};

/// Looks under way at once: each reads trees of Git, and environments have their turns, too.
const LOOKS_MAX: usize = 64;

/// One trigger as the loop sees it.
struct Watched {
    resource: Arc<PipelineTrigger>,
    settings: settings::Read,
    /// What a pass has left for the next one; absent while one runs.
    state: Option<triggers::State>,
    /// Something calls for another look.
    dirty: bool,
    /// Looks again at this moment, whatever happens until then.
    deadline: Option<Instant>,
    failures: u32,
    /// What became of images of it, for the next pass.
    answers: Vec<Answer>,
    /// How many of its runs went on when it was last looked at.
    running: u32,
    /// It has more to begin than there is room for.
    waits_for_room: bool,
    /// What the pass under way will leave belongs to a tenure that has ended.
    stale: bool,
    deleted: bool,
}

impl Watched {
    fn new(resource: Arc<PipelineTrigger>) -> Self {
        Self {
            settings: settings::read(&resource),
            state: Some(triggers::State::of(&resource)),
            resource,
            dirty: true,
            deadline: None,
            failures: 0,
            answers: Vec::new(),
            running: 0,
            waits_for_room: false,
            stale: false,
            deleted: false,
        }
    }

    fn look_again(&mut self) {
        self.dirty = true;
    }

    /// Begins as after a restart: others may have written since.
    fn begin(&mut self) {
        match &mut self.state {
            Some(state) => *state = triggers::State::of(&self.resource),
            None => self.stale = true,
        }
        self.look_again();
    }

    /// Returns when a pass is called for, which may be over.
    fn next(&self, now: Instant) -> Option<Instant> {
        let at_once = self.dirty.then_some(now);
        at_once.into_iter().chain(self.deadline).min().filter(|_| self.state.is_some())
    }
}

/// All triggers.
#[derive(Default)]
pub(super) struct Builds {
    /// Looks under way.
    looking: usize,
    triggers: BTreeMap<TriggerName, Watched>,
}

impl Builds {
    /// Has the triggers of a repository look again.
    pub(super) fn touch(&mut self, repository: &RepositoryName) {
        let of = |watched: &&mut Watched| settings::repository(&watched.resource) == *repository;
        self.triggers.values_mut().filter(of).for_each(Watched::look_again);
    }

    /// Takes down what became of an image of a trigger.
    pub(super) fn answered(&mut self, name: &TriggerName, answer: Answer) {
        if let Some(watched) = self.triggers.get_mut(name) {
            watched.answers.push(answer);
            watched.look_again();
        }
    }

    /// Has those look again of whose runs something is new.
    pub(super) fn runs_changed(&mut self, news: &News) {
        for (name, watched) in &mut self.triggers {
            let labelled = TriggerName::new(&name.namespace, &naming::label(name));
            if news.everybody || news.triggers.contains(&labelled) {
                watched.look_again();
            }
        }
    }
}

impl Loop {
    /// Begins with the triggers of shards that were got, and lets go of those of others.
    pub(super) fn builds_of_tenures(&mut self, begun: &BTreeSet<Shard>) {
        let names: Vec<TriggerName> = self.builds.triggers.keys().cloned().collect();
        for name in names {
            let shard = self.shard_of(&name);
            if !self.tenures.contains_key(&shard) {
                self.builder.room.forget(&name);
                self.context.metrics.hide_trigger(&name);
            } else if begun.contains(&shard) {
                self.builder.room.forget(&name);
                self.builder.room.expect(&name);
                if let Some(watched) = self.builds.triggers.get_mut(&name) {
                    watched.begin();
                }
            }
        }
    }

    pub(super) fn trigger_set(&mut self, trigger: PipelineTrigger) {
        let name = settings::name(&trigger);
        let resource = Arc::new(trigger);
        match self.builds.triggers.get_mut(&name) {
            Some(known) => {
                let again = known.resource.metadata.generation != resource.metadata.generation
                    || known.resource.metadata.annotations != resource.metadata.annotations
                    || known.resource.metadata.uid != resource.metadata.uid;
                let anew = known.resource.metadata.uid != resource.metadata.uid;
                known.resource = resource;
                if anew {
                    // Another one under the same name remembers nothing.
                    known.answers.clear();
                    known.running = 0;
                    known.begin();
                }
                if again {
                    known.settings = settings::read(&known.resource);
                    known.deleted = false;
                    known.look_again();
                }
            }
            None => {
                if self.tenures.contains_key(&self.shard_of(&name)) {
                    self.builder.room.expect(&name);
                }
                self.builds.triggers.insert(name, Watched::new(resource));
            }
        }
    }

    pub(super) fn trigger_gone(&mut self, trigger: &PipelineTrigger) {
        let name = settings::name(trigger);
        self.forget_writes(&name);
        match self.builds.triggers.get_mut(&name) {
            // A pass is under way: its end forgets it.
            Some(watched) if watched.state.is_none() => watched.deleted = true,
            Some(_) => self.forget_trigger(&name),
            None => {}
        }
    }

    fn forget_trigger(&mut self, name: &TriggerName) {
        self.builds.triggers.remove(name);
        self.builder.room.forget(name);
        self.context.metrics.forget_trigger(name);
    }

    /// Returns when the next look at a trigger is called for.
    pub(super) fn next_look(&self) -> Option<Instant> {
        let ours = |(name, _): &(&TriggerName, &Watched)| self.tenures.contains_key(&self.shard_of(name));
        let now = Instant::now();
        let due = self.builds.triggers.iter().filter(ours).filter_map(|(_, watched)| watched.next(now)).min();
        due.filter(|_| self.builds.looking < LOOKS_MAX)
    }

    fn shard_of(&self, name: &TriggerName) -> Shard {
        self.ground.tenures.repository_shard(&(name.namespace.clone(), name.name.clone()))
    }

    /// Starts every look at a trigger that is called for.
    pub(super) fn start_looks(&mut self) {
        let now = Instant::now();
        let called_for = |(_, watched): &(&TriggerName, &Watched)| watched.next(now).is_some_and(|due| due <= now);
        let names: Vec<TriggerName> =
            self.builds.triggers.iter().filter(called_for).map(|(name, _)| name.clone()).collect();
        for name in names {
            if self.builds.looking >= LOOKS_MAX {
                return;
            }
            let Some(tenure) = self.tenures.get(&self.shard_of(&name)).cloned() else { continue };
            let Some(watched) = self.builds.triggers.get_mut(&name) else { continue };
            let repository = settings::repository(&watched.resource);
            let tracked = self.repositories.get(&repository);
            let Some(state) = watched.state.take() else { continue };
            // What is only remembered of Git may be older than what was built.
            let built: Vec<&str> = state.commit().into_iter().collect();
            let source = source(tracked, &repository, if built.is_empty() { &["none"] } else { &built });
            (watched.dirty, watched.deadline) = (false, None);
            let pass = Pass {
                name,
                settings: watched.settings.clone(),
                resource: Arc::clone(&watched.resource),
                source,
                url: tracked.map(|tracked| tracked.resource.spec.url.clone()).unwrap_or_default(),
                state,
                answers: std::mem::take(&mut watched.answers),
                tenure,
            };
            self.builds.looking += 1;
            let (context, builder) = (Arc::clone(&self.context), Arc::clone(&self.builder));
            self.tasks.spawn(async move { Ended::Look(Box::new(triggers::look(&context, &builder, pass).await)) });
        }
    }

    /// Takes down what a look has left to do.
    pub(super) fn look_ended(&mut self, finished: Finished) {
        let Finished { name, state, asks, tenure, retry, again, waits_for_room } = finished;
        self.builds.looking -= 1;
        let Some(watched) = self.builds.triggers.get_mut(&name) else { return };
        if watched.deleted {
            self.forget_trigger(&name);
            return;
        }
        watched.waits_for_room = waits_for_room;
        let freed = state.running() < watched.running;
        watched.running = state.running();
        watched.state = Some(if watched.stale { triggers::State::of(&watched.resource) } else { state });
        watched.stale = false;
        let random = self.context.clock.random();
        match retry {
            Some(class) => {
                watched.failures += 1;
                let due = Instant::now() + backoff::delay(class, watched.failures, random);
                watched.deadline = Some(due);
            }
            None => watched.failures = 0,
        }
        let again = again.map(|at| at_instant(at, self.context.clock.now()));
        watched.deadline = watched.deadline.into_iter().chain(again).min();
        let unanswered = watched.answers.is_empty();
        if unanswered {
            self.ask_to_write(&name, asks, &tenure);
        }
        if !self.tenures.contains_key(&self.shard_of(&name)) {
            self.context.metrics.hide_trigger(&name);
        }
        if freed {
            self.builds.triggers.values_mut().filter(|watched| watched.waits_for_room).for_each(Watched::look_again);
        }
    }
}

/// Returns the moment of a time of the wall clock.
fn at_instant(at: Timestamp, now: Timestamp) -> Instant {
    Instant::now() + std::time::Duration::try_from(at.duration_since(now)).unwrap_or_default()
}
