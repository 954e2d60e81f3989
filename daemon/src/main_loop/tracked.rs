//! One Repository as the loop sees it: its resource, who follows it, and what was last seen of it.

use std::{collections::BTreeSet, sync::Arc};

use plumb_api::{Environment, Repository, repository::Records};
use plumb_core::{class::Class, operation::Failure, record::line::Origin};

use crate::{
    ledger::Keeping,
    publisher::Publisher,
    repositories::{Follower, Ground, RepositoryName},
    source::Source,
};

/// A Repository that is followed.
pub(super) struct Tracked {
    pub(super) resource: Arc<Repository>,
    pub(super) follower: Follower,
    /// Absent where the Repository wants no notes.
    pub(super) _publisher: Option<Publisher>,
    pub(super) source: Option<Source>,
    /// The source comes from a look, and not from memory.
    pub(super) looked: bool,
    pub(super) failure: Option<Failure>,
}

impl Tracked {
    pub(super) fn follow(ground: &Ground, resource: Arc<Repository>) -> Self {
        let (publisher, trouble) = Publisher::start(ground, &resource);
        let follower = Follower::start(ground.clone(), Arc::clone(&resource), trouble);
        Self { resource, follower, _publisher: publisher, source: None, looked: false, failure: None }
    }

    /// Returns the source, as far as an environment may use it of which these commits are known: what is only
    /// remembered may be older than them, and nothing goes back because Git was not asked.
    pub(super) fn source_for(&self, known: &[&str]) -> Option<&Source> {
        let source = self.source.as_ref()?;
        let usable = self.looked || known.is_empty() || known.contains(&source.revision.commit.as_str());
        usable.then_some(source)
    }

    /// Returns whether the look that a person may have asked for before this process followed it is still to come.
    pub(super) fn is_unlooked(&self) -> bool {
        !self.looked && self.failure.is_none() && !self.resource.spec.suspend
    }

    /// Returns whether it has yet to be looked at: the environment waits for that.
    pub(super) fn is_unread(&self, known: &[&str]) -> bool {
        self.failure.is_none() && self.source_for(known).is_none()
    }
}

/// Returns what becomes of the records of an environment.
pub(super) fn keeping(repository: Option<&Tracked>, ground: &Ground, environment: &Environment) -> Keeping {
    let Some(repository) = repository else { return Keeping::Unknown };
    match repository.resource.spec.records {
        Records::None => Keeping::Nowhere(repository.resource.metadata.uid.clone().unwrap_or_default()),
        Records::Notes => Keeping::Notes(Origin {
            cluster: ground.cluster_name.clone(),
            environment: environment.metadata.uid.clone().unwrap_or_default(),
            repository: repository.resource.metadata.uid.clone().unwrap_or_default(),
        }),
    }
}

/// Returns the UIDs among these of Repositories that are not known to publish records.
pub(super) fn unpublished<'a>(
    awaited: BTreeSet<String>,
    repositories: impl Iterator<Item = &'a Tracked> + Clone,
) -> BTreeSet<String> {
    let publishes = |uid: &String| {
        repositories.clone().any(|known| {
            known.resource.metadata.uid.as_ref() == Some(uid) && known.resource.spec.records == Records::Notes
        })
    };
    awaited.into_iter().filter(|uid| !publishes(uid)).collect()
}

/// Returns the newest commit for an environment of which these are known, or why there is none.
pub(super) fn source(repository: Option<&Tracked>, name: &RepositoryName, known: &[&str]) -> Result<Source, Failure> {
    let failure = |class, message| Err(Failure { class, message });
    if let Some(source) = repository.and_then(|repository| repository.source_for(known)) {
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

/// Returns what is the same of all addresses of one repository, as far as they tell: host and path, whatever the protocol
/// and the user.
pub(super) fn address(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let (host, path) = rest.split_once(['/', ':']).unwrap_or((rest, ""));
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    let path = path.trim_end_matches('/');
    format!("{}/{}", host.to_lowercase(), path.strip_suffix(".git").unwrap_or(path).trim_start_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_repository_has_several_addresses() {
        #[track_caller]
        fn check(one: &str, other: &str, same: bool) {
            assert_eq!(address(one) == address(other), same, "{} {}", address(one), address(other));
        }
        check("https://git.example.com/team/envs.git", "git@git.example.com:team/envs", true);
        check("https://git.example.com/team/envs.git", "ssh://git@Git.example.com/team/envs.git/", true);
        check("https://git.example.com/team/envs", "https://git.example.com/team/environments", false);
        check("https://git.example.com/team/envs", "https://git.example.org/team/envs", false);
        check("file:///srv/git/envs.git", "file:///srv/git/envs", true);
        check("file:///srv/git/envs.git", "/srv/git/other", false);
    }
}
