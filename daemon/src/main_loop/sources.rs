//! Where commits come from: Repositories that are made, changed and deleted, and what looks at them give.
//!
//! Has the environments of a Repository look again when another commit counts, and only then.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use plumb_api::Repository;
use plumb_core::{backoff, environment::EnvironmentName, operation::Failure};
use tokio::time::Instant;

use super::{
    Ended, Loop,
    tracked::{self, Tracked},
    watched::Watched,
};
use crate::{
    repositories::{self, RepositoryName},
    rollback::{Answer, Done, Job},
    source::Source,
};

impl Loop {
    pub(super) fn repository_set(&mut self, repository: Repository) {
        let name = repositories::name(&repository);
        let resource = Arc::new(repository);
        self.context.claims().follow(&name, resource.spec.suspend);
        if resource.spec.suspend {
            self.of(&name).for_each(Watched::unfollowed);
        }
        match self.repositories.get_mut(&name) {
            // Only the status changed: that was plumb itself, here or in another replica.
            Some(known) if known.resource.metadata.generation == resource.metadata.generation => {
                known.resource = resource;
            }
            Some(known) => {
                // Another address or ref, or other rules of trust: what was seen before is of no use.
                let same = known.resource.spec.url == resource.spec.url
                    && known.resource.spec.reference == resource.spec.reference
                    && known.resource.spec.verify == resource.spec.verify;
                let source = known.source.take().filter(|_| same);
                let looked = known.looked && same;
                *known = Tracked { source, looked, ..Tracked::follow(&self.ground, resource) };
                self.try_errands_again(&name);
            }
            None => {
                self.repositories.insert(name, Tracked::follow(&self.ground, resource));
            }
        }
    }

    pub(super) fn repository_gone(&mut self, name: &RepositoryName) {
        self.repositories.remove(name);
        self.context.claims().unfollow(name);
        self.context.metrics.forget_repository(name);
        self.of(name).for_each(Watched::unfollowed);
        self.touch(name);
    }

    pub(super) fn remembered(&mut self, name: &RepositoryName, source: Source) {
        let Some(repository) = self.repositories.get_mut(name) else { return };
        if repository.source.is_none() {
            repository.source = Some(source);
            self.touch(name);
        }
    }

    pub(super) fn looked(&mut self, name: &RepositoryName, begun: Duration, looked: Result<Source, Failure>) {
        let Some(repository) = self.repositories.get_mut(name) else { return };
        let commit = looked.as_ref().ok().map(|source| &source.revision.commit);
        self.context.claims().looked(name, begun, commit);
        {
            let mut overview = self.context.metrics.overview();
            let seen = overview.repositories.entry(name.clone()).or_default();
            seen.uid = repository.resource.metadata.uid.clone().unwrap_or_default();
            seen.ready = looked.is_ok();
            if looked.is_ok() {
                seen.seen = Some(self.context.clock.now());
            }
        }
        let mut back = false;
        let changed = match looked {
            Ok(source) => {
                back = repository.failure.take().is_some();
                let changed = repository.source.as_ref() != Some(&source) || !repository.looked;
                repository.source = Some(source);
                repository.looked = true;
                changed
            }
            Err(failure) => {
                let unsure = repository.source.is_none() || !repository.looked;
                let changed = unsure && repository.failure.as_ref() != Some(&failure);
                repository.failure = Some(failure);
                changed
            }
        };
        if changed {
            self.touch(name);
        }
        if back {
            self.try_errands_again(name);
        }
        self.of(name).for_each(|watched| watched.looked(begun));
    }

    /// Returns, for each environment that is rolled back and called for, the others that read the same repository, by
    /// whichever Repository, and have applied something of it.
    pub(super) fn siblings(&self, now: Instant) -> BTreeMap<EnvironmentName, BTreeSet<EnvironmentName>> {
        let held = |(_, watched): &(_, &Watched)| watched.is_rolled_back() && watched.is_called_for(now);
        let held = self.environments.iter().filter(held);
        let address = |watched: &Watched| {
            let repository = self.repositories.get(&watched.repository())?;
            Some(tracked::address(&repository.resource.spec.url))
        };
        let siblings = |own: &EnvironmentName, read: &Option<String>| {
            let others = self.environments.iter().filter(|(name, other)| {
                *name != own && other.has_applied() && read.is_some() && address(other) == *read
            });
            others.map(|(name, _)| name.clone()).collect()
        };
        held.map(|(name, watched)| (name.clone(), siblings(name, &address(watched)))).collect()
    }

    /// Has the repositories looked at from which others may desire what an environment no longer does.
    pub(super) fn look_around(&self, name: &EnvironmentName) {
        for repository in self.context.claims().unlooked(name) {
            if let Some(tracked) = self.repositories.get(&repository) {
                tracked.follower.look();
            }
        }
    }

    /// Takes a commit back: what it says is neither applied anew nor put back. The cluster stays as it is.
    pub(super) fn distrusted(&mut self, name: &RepositoryName, failure: Failure) {
        let Some(repository) = self.repositories.get_mut(name) else { return };
        repository.failure = Some(failure);
        if repository.source.take().is_some() {
            self.touch(name);
        }
    }

    /// Starts what a rollback asks for, one errand at a time for each environment.
    pub(super) fn start(&mut self, job: Job) {
        let Some(watched) = self.environments.get_mut(&job.environment) else { return };
        let Some(repository) = self.repositories.get(&watched.repository()) else { return };
        let Some(tenure) = self.tenures.get(&self.ground.tenures.cluster_shard()).cloned() else { return };
        if !job.is_wanted(&repository.resource) {
            return;
        }
        let Some(end) = watched.begin_errand(Instant::now()) else { return };
        let (ground, resource) = (self.ground.clone(), Arc::clone(&repository.resource));
        self.tasks.spawn(async move { Ended::Job(Box::new(job.carry_out(&ground, &resource, &tenure, &end).await)) });
    }

    /// Takes down what became of an errand, and looks at the branch that a push may have moved.
    pub(super) fn done(&mut self, done: Done) {
        let Some(watched) = self.environments.get_mut(&done.environment) else { return };
        if let (Some(repository), Answer::Push(_)) = (self.repositories.get(&watched.repository()), &done.answer) {
            repository.follower.look();
            if !repository.resource.spec.suspend {
                watched.pushed(self.context.clock.uptime());
            }
        }
        let (now, random) = (Instant::now(), self.context.clock.random());
        watched.done(done, |class, failures| now + backoff::delay(class, failures, random));
    }

    /// Has every environment of a repository look again, at another commit than the one that may be under way, and every trigger.
    pub(super) fn touch(&mut self, name: &RepositoryName) {
        self.builds.touch(name);
        self.of(name).for_each(Watched::replace);
    }

    fn try_errands_again(&mut self, name: &RepositoryName) {
        let now = Instant::now();
        self.of(name).for_each(|watched| watched.try_errand_again(now));
    }

    fn of<'a>(&'a mut self, name: &'a RepositoryName) -> impl Iterator<Item = &'a mut Watched> {
        self.environments.values_mut().filter(move |watched| watched.repository() == *name)
    }
}
