//! What a guard is told and what it answers: JSON lines on its stdin and stdout.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::assets::{Assets, TektonAssets};
use crate::node::Node;
use crate::tekton::Tekton;

/// What a guard is told to do.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Order {
    /// Start everything but Tekton.
    Start {
        /// The binaries.
        assets: Assets,
        /// Who plays the kubelet.
        node: Node,
    },
    /// Put Tekton on the control plane that is up, and start its processes.
    InstallTekton {
        /// Its binaries and objects.
        assets: TektonAssets,
    },
    /// Kill a process of Tekton.
    StopTekton {
        /// Which.
        process: Tekton,
    },
    /// Start a process of Tekton again.
    StartTekton {
        /// Which.
        process: Tekton,
    },
    /// Kill the API server; the data stays.
    StopApiServer,
    /// Start the API server again, on the same port and data.
    StartApiServer,
    /// Have the store forget every version but the newest of each object.
    CompactStore,
    /// Kill this process too when the control plane ends, however it ends.
    Adopt {
        /// Its id.
        process: u32,
    },
    /// Write a kubeconfig for a user with a client certificate.
    AddUser {
        /// The user's name.
        user: String,
        /// The user's groups.
        groups: Vec<String>,
    },
}

/// What a guard says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Answer {
    /// The control plane is up.
    Up {
        /// The URL of the API server.
        server: String,
    },
    /// The order is carried out.
    Done,
    /// The kubeconfig is written.
    User {
        /// The file.
        kubeconfig: PathBuf,
    },
    /// The order could not be carried out.
    Failed {
        /// The error with its causes and, if a tool is to blame, the end of its log.
        message: String,
    },
    /// A tool ended that should not have; this is no answer to an order.
    Died {
        /// Which tool, how, and the end of its log.
        message: String,
    },
}
