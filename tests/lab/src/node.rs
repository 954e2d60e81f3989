//! Who plays the kubelet.

use serde::{Deserialize, Serialize};

/// The node that runs a control plane's Pods.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Node {
    /// kwok: Pods change their status as `stages.yaml` says, nothing is executed. Needs no rights.
    #[default]
    Kwok,
}

/// The name of the one node.
pub const NAME: &str = "lab";

/// What kwok does with nodes and Pods.
pub(crate) const STAGES: &str = include_str!("../stages.yaml");
