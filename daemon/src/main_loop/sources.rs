//! Where commits come from: Repositories that are made, changed and deleted, and what looks at them give.
//!
//! Has the environments of a Repository look again when another commit counts, and only then.

use std::{sync::Arc, time::Duration};

use plumb_api::Repository;
use plumb_core::{environment::EnvironmentName, operation::Failure};

use super::{Ended, Loop, tracked::Tracked, watched::Watched};
use crate::{
    repositories::{self, RepositoryName},
    rollback::{self, Job, Reverted},
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
        let changed = match looked {
            Ok(source) => {
                repository.failure = None;
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
        self.of(name).for_each(|watched| watched.looked(begun));
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

    /// Starts to push a revert, one at a time for each environment.
    pub(super) fn revert(&mut self, job: Job) {
        let Some(watched) = self.environments.get_mut(&job.environment) else { return };
        let Some(repository) = self.repositories.get(&watched.repository()) else { return };
        let Some(tenure) = self.tenures.get(&self.ground.tenures.cluster_shard()).cloned() else { return };
        if !watched.may_revert() {
            return;
        }
        let (ground, resource) = (self.ground.clone(), Arc::clone(&repository.resource));
        self.tasks.spawn(async move {
            Ended::Reverted(Box::new(rollback::carry_out(&ground, &resource, &tenure, job).await))
        });
    }

    /// Takes down what became of a revert, and looks at the branch that it may have moved.
    pub(super) fn reverted(&mut self, reverted: Reverted) {
        let Some(watched) = self.environments.get_mut(&reverted.environment) else { return };
        if let Some(repository) = self.repositories.get(&watched.repository()) {
            repository.follower.look();
        }
        watched.reverted(reverted);
    }

    /// Has every environment of a repository look again, at another commit than the one that may be under way.
    pub(super) fn touch(&mut self, name: &RepositoryName) {
        self.of(name).for_each(Watched::replace);
    }

    fn of<'a>(&'a mut self, name: &'a RepositoryName) -> impl Iterator<Item = &'a mut Watched> {
        self.environments.values_mut().filter(move |watched| watched.repository() == *name)
    }
}
