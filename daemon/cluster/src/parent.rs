//! The ApplySet parent (KEP-3659): an Environment's label and annotations that say where its objects may be.
//!
//! Owns: writing them as a manager of their own, so that whoever applies the Environment again can't erase them.
//! Must never do: create an Environment, or touch its spec.

use plumb_core::{
    environment::{EnvironmentName, FieldManager, GROUP},
    ignore::Ignored,
    inventory::{ID_LABEL, Inventory},
    kinds::Kind,
    object::{Gvk, ObjectKey},
};
use serde_json::{Value, json};

use crate::{
    apply::{Apply, Force, Persistence},
    cluster::Cluster,
    error::ApiError,
};

/// The manager of the parent's label and annotations.
pub const INVENTORY_MANAGER: &str = "plumb-inventory";

/// The version of plumb's resources.
const VERSION: &str = "v1alpha1";

impl Cluster {
    /// Writes where an environment's objects may be, and returns the Environment as it is then.
    ///
    /// *Guarantees:* an Environment that was deleted, or deleted and made anew, is left alone: `uid` is a precondition.
    ///
    /// # Errors
    /// `Stale` for another UID, else as every request.
    pub async fn write_parent(
        &self,
        environment: &EnvironmentName,
        uid: &str,
        inventory: &Inventory,
        tooling: &str,
    ) -> Result<Value, ApiError> {
        assert!(!uid.is_empty(), "the parent of {environment} has no uid: it would be created");
        let kind = environment_kind();
        let key = environment_key(environment);
        let object = json!({
            "apiVersion": kind.gvk.api_version(),
            "kind": kind.gvk.kind,
            "metadata": {
                "name": environment.name,
                "namespace": environment.namespace,
                "uid": uid,
                "labels": { ID_LABEL: environment.applyset_id().as_str() },
                "annotations": inventory.annotations(tooling, &environment.namespace),
            },
        });
        let manager = FieldManager::new(INVENTORY_MANAGER);
        let apply = Apply {
            kind: &kind,
            key: &key,
            object: &object,
            ignored: &Ignored::default(),
            manager: &manager,
            force: Force::Yes,
            persistence: Persistence::Stored,
        };
        Ok(self.apply(&apply).await?.object)
    }
}

pub(crate) fn environment_key(environment: &EnvironmentName) -> ObjectKey {
    ObjectKey {
        group: GROUP.to_owned(),
        kind: "Environment".to_owned(),
        namespace: Some(environment.namespace.clone()),
        name: environment.name.clone(),
    }
}

pub(crate) fn environment_kind() -> Kind {
    Kind::namespaced(
        Gvk { group: GROUP.to_owned(), version: VERSION.to_owned(), kind: "Environment".to_owned() },
        "environments",
    )
}
