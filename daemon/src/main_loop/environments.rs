//! Environments come and go: as resources that can be read or not, and as what the gone ones have left.
//!
//! Owns: who counts as existing. Must never do: take one that can't be read for one that is gone.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use plumb_api::Environment;
use plumb_core::{
    backoff,
    class::Class,
    environment::{ApplySetId, EnvironmentName},
};
use tokio::time::Instant;

use super::{Ended, Loop, gate, watched::Watched};
use crate::{settings, sweep};

/// After an Environment was let go of, the watches need some moments to show it.
const SETTLED_AFTER: Duration = Duration::from_secs(5);

/// When it is next looked for what Environments have left that do not exist any more.
#[derive(Debug, Default)]
pub(super) struct Sweeping {
    due: Option<Instant>,
    running: bool,
    failures: u32,
}

impl Sweeping {
    /// Looks at once: something has become known.
    pub(super) fn look(&mut self) {
        self.due = Some(Instant::now());
    }

    /// Looks when what was just done can be seen.
    pub(super) fn look_later(&mut self) {
        self.due.get_or_insert(Instant::now() + SETTLED_AFTER);
    }

    /// Returns when to wake up for it.
    pub(super) fn due(&self) -> Option<Instant> {
        self.due.filter(|_| !self.running)
    }
}

impl Loop {
    pub(super) fn environment_set(&mut self, environment: Environment) {
        let name = crate::settings::name(&environment);
        let uid = environment.metadata.uid.as_deref().unwrap_or_default();
        let records = environment.status.as_ref().and_then(|status| status.records.as_ref());
        self.ground.backlog.see(&name, uid, records);
        let depends_on = crate::settings::depends_on(&environment);
        let waiting = self.dependencies.see(&name, depends_on, gate::progress(&environment));
        self.start_over(waiting);
        match self.environments.get_mut(&name) {
            Some(watched) => {
                if watched.see(environment) {
                    match self.repositories.get(&watched.repository()) {
                        Some(repository) if !repository.resource.spec.suspend => {
                            watched.await_look(self.context.clock.uptime());
                            repository.follower.look();
                        }
                        _ => watched.start_over(),
                    }
                }
            }
            None => {
                let watched = Watched::new(environment);
                self.environments.insert(name.clone(), watched);
                self.names.insert(name.applyset_id(), name.clone());
                Arc::make_mut(&mut self.managers).insert(name.applyset_id().manager(), name.clone());
            }
        }
        let watched = &self.environments[&name];
        let repository = watched.repository().1;
        let predecessor = settings::predecessor(watched.resource()).ok().flatten();
        let mut claims = self.context.claims();
        claims.expect(&name, &repository);
        let before = claims.predecessor(&name).cloned();
        claims.inherit(&name, predecessor.as_ref());
        drop(claims);
        if before != predecessor {
            self.start_over(before.into_iter().chain(predecessor).collect());
        }
    }

    pub(super) fn environment_gone(&mut self, environment: &Environment) {
        let name = crate::settings::name(environment);
        self.ground.backlog.forget(&name);
        if let Some(watched) = self.environments.get_mut(&name) {
            watched.delete();
            watched.forget_successor(environment);
        }
    }

    /// Takes an Environment in that is there and can't be read: nobody may take its objects for free.
    pub(super) fn environment_unreadable(&mut self, name: &EnvironmentName) {
        self.names.insert(name.applyset_id(), name.clone());
        Arc::make_mut(&mut self.managers).insert(name.applyset_id().manager(), name.clone());
        self.context.claims().expect_unreadable(name);
    }

    /// One that could never be read is gone.
    pub(super) fn unreadable_gone(&mut self, name: &EnvironmentName) {
        self.forget(name);
        self.sweeping.look_later();
        self.claims_withdrawn();
    }

    /// Forgets that an Environment exists.
    pub(super) fn forget(&mut self, name: &EnvironmentName) {
        self.names.remove(&name.applyset_id());
        Arc::make_mut(&mut self.managers).remove(&name.applyset_id().manager());
        self.context.claims().forget(name);
    }

    /// Starts a sweep, if one is due.
    pub(super) fn start_sweep(&mut self) {
        if self.sweeping.running || self.sweeping.due.is_none_or(|due| due > Instant::now()) {
            return;
        }
        let Some(tenure) = self.tenures.get(&self.ground.tenures.cluster_shard()).cloned() else { return };
        self.sweeping.due = None;
        self.sweeping.running = true;
        let context = Arc::clone(&self.context);
        // What somebody inherits is not let go of.
        let inherited: BTreeSet<ApplySetId> =
            context.claims().predecessors().iter().map(EnvironmentName::applyset_id).collect();
        let known = self.names.keys().cloned().chain(inherited).collect();
        self.tasks.spawn(async move { Ended::Swept(sweep::sweep(&context, known, &tenure).await) });
    }

    /// Takes down what a sweep has left to do.
    pub(super) fn swept(&mut self, retry: Option<Class>) {
        let sweeping = &mut self.sweeping;
        sweeping.running = false;
        sweeping.failures = if retry.is_some() { sweeping.failures + 1 } else { 0 };
        if let Some(class) = retry {
            let delay = backoff::delay(class, sweeping.failures, self.context.clock.random());
            sweeping.due.get_or_insert(Instant::now() + delay);
        }
    }
}
