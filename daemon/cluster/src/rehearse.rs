//! The rehearsal of a write: what would be said to it, with nothing stored.
//!
//! Owns: the order of dry-runs, which is that of a first apply (`take`) where the object is not known to be ours, and the
//! question whether an object could be created anew while it is still there. Must never do: write.

use std::collections::BTreeMap;

use http::Method;
use plumb_core::environment::{EnvironmentName, FieldManager};
use serde_json::Value;

use crate::{
    apply::{Apply, Force, Persistence},
    cluster::Cluster,
    error::{Action, ApiError},
    path,
    request::Ask,
    take::Owner,
};

impl Cluster {
    /// Tries an apply, as it would be made; returns who owns the object already if it is not ours to take.
    ///
    /// # Errors
    /// As [`Cluster::apply`].
    pub async fn rehearse(
        &self,
        apply: &Apply<'_>,
        environments: &BTreeMap<FieldManager, EnvironmentName>,
    ) -> Result<Option<Owner>, ApiError> {
        let dry = Apply { persistence: Persistence::DryRun, ..apply.clone() };
        let object = match self.apply(&dry).await {
            Ok(_) if apply.force == Force::Yes => return Ok(None),
            Ok(answer) => answer.object,
            Err(ApiError::Conflict { .. }) if apply.force == Force::No => {
                // Whoever owns these fields is another tool, whose object is adopted, or another environment.
                let Some(object) = self.get(apply.kind, apply.key).await? else { return Ok(None) };
                object
            }
            Err(error) => return Err(error),
        };
        if let Some(by) = self.owner(&object, apply.manager, environments).await? {
            return Ok(Some(by));
        }
        self.apply(&Apply { force: Force::Yes, ..dry }).await.map(|_| None)
    }

    /// Tries to create an object that is there, as it would be created anew after its deletion.
    ///
    /// The API server looks last whether the name is taken: that nothing else is wrong shows in this answer. What a Service
    /// asks to be allocated is left out, since the Service that is there may hold it.
    ///
    /// # Errors
    /// As [`Cluster::apply`].
    pub async fn could_be_created(&self, apply: &Apply<'_>) -> Result<(), ApiError> {
        let action = Action::sending("try to create anew", apply.key, apply.object);
        let parameters = [("fieldManager", apply.manager.as_str()), ("fieldValidation", "Strict"), ("dryRun", "All")];
        let collection = path::collection(apply.kind, apply.key.namespace.as_deref());
        let ask = Ask::new(action, Method::POST, format!("{collection}{}", path::query(parameters)));
        let is_service = apply.key.group.is_empty() && apply.key.kind == "Service";
        let ask = if is_service {
            ask.with("application/json", &unallocated(apply.object))
        } else {
            ask.with("application/json", apply.object)
        };
        match self.send_as_identity(ask.without_effect()).await {
            Ok(_) | Err(ApiError::AlreadyExists { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// Returns a Service without the addresses and ports of nodes that it asks for: where one of them is taken, nothing else
/// is looked at.
fn unallocated(service: &Value) -> Value {
    let mut service = service.clone();
    if let Some(spec) = service["spec"].as_object_mut() {
        spec.remove("healthCheckNodePort");
        if spec.get("clusterIP").is_some_and(|address| address != "None") {
            spec.remove("clusterIP");
            spec.remove("clusterIPs");
        }
        let ports = spec.get_mut("ports").and_then(Value::as_array_mut);
        ports.into_iter().flatten().filter_map(Value::as_object_mut).for_each(|port| {
            port.remove("nodePort");
        });
    }
    service
}
