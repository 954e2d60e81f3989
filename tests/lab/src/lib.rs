//! A throwaway Kubernetes control plane and real Git servers on loopback, for tests, benchmarks and the demonstration.
//!
//! Owns the processes and folders that it starts, and ends every one of them: on drop, on panic, on Ctrl-C and when the
//! process that asked for them is killed. Touches loopback, the folder of temporary files and the user's cache.
//! Must never need rights that a plain user lacks, read the user's own kubeconfig or Git configuration, or know
//! anything of plumb but how its binary is built.

pub mod assets;
pub mod control_plane;
pub mod git;
pub mod guard;
pub mod node;
pub mod planes;
pub mod process;
pub mod progress;
pub mod proxy;
pub mod tekton;

mod certificates;
mod kubeconfig;
mod port;

pub use control_plane::{ControlPlane, LabError, namespace, own, own_with_tekton, shared, shared_with_tekton};
