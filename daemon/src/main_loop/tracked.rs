//! One Repository as the loop sees it: its resource, who follows it, and what was last seen of it.

use std::sync::Arc;

use plumb_api::Repository;
use plumb_core::{class::Class, operation::Failure};

use crate::{
    gather::Source,
    repositories::{Follower, Ground, RepositoryName},
};

/// A Repository that is followed.
pub(super) struct Tracked {
    pub(super) resource: Arc<Repository>,
    pub(super) follower: Follower,
    pub(super) source: Option<Source>,
    /// The source comes from a look, and not from memory.
    pub(super) looked: bool,
    pub(super) failure: Option<Failure>,
}

impl Tracked {
    pub(super) fn follow(ground: &Ground, resource: Arc<Repository>) -> Self {
        let follower = Follower::start(ground.clone(), Arc::clone(&resource));
        Self { resource, follower, source: None, looked: false, failure: None }
    }

    /// Returns the source, as far as an environment may use it that was last applied at `attempted`: what is only
    /// remembered may be older than that, and nothing goes back because Git was not asked.
    pub(super) fn source_for(&self, attempted: Option<&str>) -> Option<&Source> {
        let source = self.source.as_ref()?;
        let usable = self.looked || attempted.is_none_or(|commit| source.revision.commit.as_str() == commit);
        usable.then_some(source)
    }

    /// Returns whether it has yet to be looked at: the environment waits for that.
    pub(super) fn is_unread(&self, attempted: Option<&str>) -> bool {
        self.failure.is_none() && self.source_for(attempted).is_none()
    }
}

/// Returns the commit that an environment is to be at, last applied at `attempted`, or why there is none.
pub(super) fn source(
    repository: Option<&Tracked>,
    name: &RepositoryName,
    attempted: Option<&str>,
) -> Result<Source, Failure> {
    let failure = |class, message| Err(Failure { class, message });
    if let Some(source) = repository.and_then(|repository| repository.source_for(attempted)) {
        return Ok(source.clone());
    }
    match repository {
        None => failure(
            Class::Wait,
            format!("there is no Repository {}/{}: create it, or correct spec.repository", name.0, name.1),
        ),
        Some(Tracked { failure: Some(why), .. }) => {
            failure(why.class, format!("Repository {}/{}: {}", name.0, name.1, why.message))
        }
        Some(_) => failure(Class::Retry, format!("Repository {}/{} has yet to be read", name.0, name.1)),
    }
}
