//! Triggers: one pass over one trigger at a time, on the model of an environment's: gather, decide, act, record.
//!
//! Owns: what every such pass shares. Must never do: decide what is built (`plumb_core::trigger` does), or begin anything while
//! it is not known what runs.

mod acting;
mod gather;
pub(crate) mod images;
mod objects;
mod pass;
mod references;
mod room;
pub(crate) mod settings;
mod state;
pub(crate) mod writing;

use plumb_cluster::{cluster::Cluster, runs::Runs};

pub(crate) use self::{
    pass::{Finished, Pass, look},
    room::Room,
    state::State,
};
use gather::Listings;

/// What every pass of every trigger shares.
pub(crate) struct Builder {
    /// What triggers made, as it was last seen.
    pub(crate) runs: Runs,
    /// How many more runs the daemon may begin.
    pub(crate) room: Room,
    /// What the components of a tree read.
    listings: Listings,
}

impl Builder {
    /// Makes what passes share; at most so many runs go on at once.
    pub(crate) fn new(cluster: Cluster, runs_max: usize) -> Self {
        Self { runs: Runs::new(cluster), room: Room::new(runs_max), listings: Listings::default() }
    }
}
