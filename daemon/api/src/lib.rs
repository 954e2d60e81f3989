//! The resources of `plumb.dev/v1alpha1`.
//!
//! Owns: the Rust types from which the CustomResourceDefinitions are generated, and their schemas.
//! Must never do: I/O, or decide anything; plumb's own decisions read them through `daemon/src/settings.rs`.

pub mod condition;
pub mod duration;
pub mod environment;
pub mod repository;
pub mod request;
pub mod rollback;
pub mod trigger;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt as _;

pub use condition::Condition;
pub use environment::{Environment, EnvironmentSpec, EnvironmentStatus};
pub use repository::{Repository, RepositorySpec, RepositoryStatus};
pub use trigger::{PipelineTrigger, PipelineTriggerSpec, PipelineTriggerStatus};

/// Returns the CustomResourceDefinitions in the order in which they are installed.
pub fn definitions() -> Vec<CustomResourceDefinition> {
    vec![Environment::crd(), PipelineTrigger::crd(), Repository::crd()]
}
