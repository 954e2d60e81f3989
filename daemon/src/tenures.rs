//! Which shards this replica writes for at the moment, and what belongs to which shard.
//!
//! All environments of one target cluster belong to the shard of that cluster's UID, so that one replica knows all claims
//! of its objects; a Repository belongs to the shard of its namespace and name.

use std::collections::BTreeMap;

use plumb_cluster::tenure::Tenure;
use plumb_core::lease::Shard;
use tokio::sync::watch;

use crate::repositories::RepositoryName;

/// What whoever keeps the leases knows.
#[derive(Default)]
pub(crate) struct View {
    pub(crate) held: BTreeMap<Shard, Tenure>,
    /// Of every shard it was known at some time who writes for it.
    pub(crate) decided: bool,
}

/// The tenures that this replica has, by shard; clones see the same.
#[derive(Clone)]
pub(crate) struct Tenures {
    view: watch::Receiver<View>,
    count: u32,
    of_cluster: Shard,
}

impl Tenures {
    /// Opens the view of one replica's tenures on the cluster with this UID; the sender is whoever keeps the leases.
    pub(crate) fn open(cluster_uid: &str, count: u32) -> (watch::Sender<View>, Self) {
        let (sender, view) = watch::channel(View::default());
        (sender, Self { view, count, of_cluster: Shard::of(cluster_uid, count) })
    }

    /// Returns the shard of the cluster's environments.
    pub(crate) fn cluster_shard(&self) -> Shard {
        self.of_cluster
    }

    /// Returns the shard of a Repository.
    pub(crate) fn repository_shard(&self, (namespace, name): &RepositoryName) -> Shard {
        Shard::of(&format!("{namespace}/{name}"), self.count)
    }

    /// Returns the tenure of a shard, if this replica has it.
    pub(crate) fn of(&self, shard: Shard) -> Option<Tenure> {
        self.view.borrow().held.get(&shard).filter(|tenure| tenure.is_valid()).cloned()
    }

    /// Returns every tenure that was given out and not yet taken back.
    pub(crate) fn all(&self) -> BTreeMap<Shard, Tenure> {
        self.view.borrow().held.clone()
    }

    /// Waits until it is known who writes for which shard.
    pub(crate) async fn decided(&mut self) {
        while !self.view.borrow_and_update().decided {
            self.changed().await;
        }
    }

    /// Waits until a tenure begins or ends.
    pub(crate) async fn changed(&mut self) {
        if self.view.changed().await.is_err() {
            // Nobody keeps the leases any more: the daemon stops.
            std::future::pending::<()>().await;
        }
    }
}
