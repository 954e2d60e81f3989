//! A damaged mirror is made anew beside the old one, and takes its place only once it has the commit.

use std::path::Path;

use plumb_core::commit::Revision;
use plumb_git::{
    error::GitError,
    remote::{Remote, Wanted},
    renewal,
};

use tokio::time::Instant;

use super::{Follow, name};
use crate::{chain::chain, main_loop::Event};

impl Follow {
    /// Looks with a new mirror in the place of one that can't be used, because of `why` if that is known here; not twice in
    /// short order. Where it can't be made the old one stays, of which something may still be read.
    pub(super) async fn find_anew(
        &mut self,
        remote: &Remote,
        mirror: &Path,
        wanted: &Wanted,
        why: Option<GitError>,
    ) -> Result<Revision, GitError> {
        self.ground.mirrors.report(mirror);
        if let Some(why) = why.as_ref().filter(|_| !self.ground.mirrors.is_to_renew(mirror, Instant::now())) {
            return Err(why.clone());
        }
        let detail = why.as_ref().map_or_else(|| "something in it can't be read".to_owned(), |error| chain(error));
        let anew = renewal::beside(mirror, self.ground.clock.random());
        let found = self.find(remote, &anew, wanted).await;
        let (place, made) = (mirror.to_owned(), anew.clone());
        let replaced = tokio::task::spawn_blocking(move || match found {
            Ok(revision) => Ok((renewal::replace(&place, &made)?, revision)),
            Err(error) => {
                renewal::abandon(&made);
                Err(error)
            }
        });
        let replaced = replaced.await.map_err(|error| GitError::Worker { detail: error.to_string() })?;
        match replaced {
            Ok((aside, revision)) => {
                self.ground.mirrors.renewed(mirror);
                let (namespace, repository) = name(&self.resource);
                tracing::warn!(
                    repository = format!("{namespace}/{repository}"),
                    "the mirror was damaged ({detail}) and is fetched anew; the old one is at {}",
                    aside.display()
                );
                // A closed channel means that the daemon stops.
                let _ = self.ground.events.send(Event::Renewed((namespace, repository))).await;
                Ok(revision)
            }
            // The server is asked again after a pause; what it says is no reason to wait for the disk.
            Err(error @ GitError::Mirror { .. }) => {
                self.ground.mirrors.renewed(mirror);
                Err(why.unwrap_or(error))
            }
            Err(error) => Err(error),
        }
    }
}
