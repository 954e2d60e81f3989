//! Where the commit of an environment comes from, with all that reading from there needs.

use std::path::PathBuf;

use plumb_core::commit::Revision;

use crate::trust::Demand;

/// Where an environment's commit is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Source {
    /// The mirror.
    pub(crate) mirror: PathBuf,
    /// The commit.
    pub(crate) revision: Revision,
    /// What has to be signed by whom; the commit itself was judged.
    pub(crate) demand: Demand,
}
