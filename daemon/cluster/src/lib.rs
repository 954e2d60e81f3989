//! The only user of kube's client and runtime.
//!
//! Owns: the connections to API servers, what is asked of them, the watches of owned objects and the index that they
//! feed. Takes any tower service as its client, so that a simulation can stand in for a cluster.
//! Must never do: decide. What a conflict means, what drifted and what may be deleted is `plumb_core`'s to say.

pub mod access;
pub mod apply;
pub mod client;
pub mod cluster;
pub mod contents;
pub mod crash;
pub mod error;
pub mod established;
pub mod events;
pub mod finalizer;
pub mod hand_over;
pub mod index;
pub mod leases;
pub mod logs;
pub mod parent;
pub mod pods;
pub mod resources;
pub mod runs;
pub mod secret_watch;
pub mod take;
pub mod template;
pub mod tenure;
pub mod traffic;
pub mod watches;

mod backoff;
mod discovery;
mod follow;
mod path;
mod rehearse;
mod request;
