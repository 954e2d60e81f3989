//! Records that nobody will publish: their Repository was deleted, or wants no notes any more.
//!
//! May touch: the API server, for a list of the Repositories as they are now. Must never do: give up what waits for a
//! Repository because it could not be read.

use std::collections::BTreeSet;

use plumb_api::{Repository, repository::Records};
use plumb_cluster::resources;

use crate::{chain::chain, context::Context, reconcile::Pass};

/// Has the next write of the status leave out the records for Repositories that are gone or want none. Without a list of all
/// of them they stay.
pub(crate) async fn abandon(context: &Context, pass: &mut Pass) {
    if pass.unpublished.is_empty() {
        return;
    }
    let namespace = &pass.settings.name.namespace;
    match resources::list::<Repository>(&context.cluster, Some(namespace)).await {
        Ok(repositories) => {
            let abandoned = gone(std::mem::take(&mut pass.unpublished), &repositories);
            pass.memory.book.abandon(abandoned);
        }
        Err(error) => {
            let environment = &pass.settings.name;
            tracing::warn!(%environment, "whether records still can be published is not known: {}", chain(&error));
        }
    }
}

/// Returns the UIDs that no Repository has which publishes records.
fn gone(awaited: BTreeSet<String>, repositories: &[Repository]) -> BTreeSet<String> {
    let publishes = |uid: &String| {
        let of_it = |repository: &&Repository| repository.metadata.uid.as_ref() == Some(uid);
        repositories.iter().find(of_it).is_some_and(|repository| repository.spec.records == Records::Notes)
    };
    awaited.into_iter().filter(|uid| !publishes(uid)).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_no_repository_publishes_is_given_up() {
        let repository = |uid: &str, records: &str| -> Repository {
            let made = json!({
                "apiVersion": "plumb.dev/v1alpha1",
                "kind": "Repository",
                "metadata": { "name": uid, "namespace": "team", "uid": uid },
                "spec": { "url": "https://git.example.com/a.git", "records": records },
            });
            serde_json::from_value(made).expect("a Repository")
        };
        let there = [repository("a", "Notes"), repository("b", "None")];
        let awaited = ["a", "b", "c"].map(str::to_owned).into();
        assert_eq!(gone(awaited, &there), ["b", "c"].map(str::to_owned).into());
    }
}
