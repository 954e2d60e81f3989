//! Taking away what others added to an object.
//!
//! Owns: the read before the patch, and how often it is tried. May touch: the fields that `core::foreign` names. Must never do:
//! decide whose a field is.

use plumb_cluster::{
    error::ApiError,
    index::{Observation, Seen},
};
use plumb_core::{class::Class, desired::DesiredObject, foreign};
use serde_json::Value;

use super::{Actor, Undone};
use crate::chain::chain;

/// How often the removal of foreign fields reads the object again because somebody wrote in between; after that they are
/// left until they change.
const TRIES: u32 = 5;

impl Actor<'_> {
    /// Removes what others added to an object; returns whether that was possible: where it is not clear whose a field is,
    /// or where the API server won't have it, it is left.
    pub(super) async fn clean(&self, desired: &DesiredObject) -> Result<bool, Box<Undone>> {
        let (kind, key) = (&desired.kind, &desired.key);
        let manager = self.environment.applyset_id().manager();
        for _ in 0..TRIES {
            let live = self.cluster.get(kind, key).await.map_err(|error| self.undone(&error, desired))?;
            let removal =
                |live: &Value| foreign::removal(live, &desired.manifest, &manager, self.foreign, &desired.ignored);
            let Some(patch) = live.as_ref().and_then(removal) else { return Ok(false) };
            match self.cluster.json_patch(kind, key, &Value::Array(patch), &manager).await {
                Ok(object) => {
                    // As an event shows it, not as an answer: what else of it differs is drift and not our doing.
                    let seen = Observation::Changed(kind.gvk.clone(), Seen(object));
                    let changes = self.context.index().observe(seen);
                    self.context.watches.tell(changes);
                    return Ok(true);
                }
                Err(ApiError::Stale { .. }) => {}
                Err(error) if error.class() == Class::Wait => {
                    let environment = self.environment;
                    tracing::warn!(%environment, "foreign fields stay: {}", chain(&error));
                    return Ok(false);
                }
                Err(error) => return Err(self.undone(&error, desired)),
            }
        }
        Ok(false)
    }
}
