//! The finalizer that keeps a deleted Environment until its objects are gone.
//!
//! Owns: adding and taking away this one finalizer. Must never do: touch those of others, or add one to an Environment whose
//! deletion has begun.

use plumb_core::environment::{EnvironmentName, FieldManager};
use serde_json::{Value, json};

use crate::{
    cluster::Cluster,
    error::ApiError,
    parent::{INVENTORY_MANAGER, environment_key, environment_kind},
};

/// Says that plumb has something to do before the Environment is gone.
pub const FINALIZER: &str = "plumb.dev/deletion";

/// How often it is tried again after somebody else wrote in between.
const TRIES: u32 = 5;

/// Whether the finalizer is to be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finalizer {
    /// It is.
    Present,
    /// It is not.
    Absent,
}

impl Cluster {
    /// Adds plumb's finalizer to an Environment or takes it away, and returns the resourceVersion then; nothing where the
    /// Environment is gone, was made anew, or may not get it any more because its deletion has begun.
    ///
    /// # Errors
    /// As every request; `Stale` if somebody wrote in between every time.
    pub async fn set_finalizer(
        &self,
        environment: &EnvironmentName,
        uid: &str,
        wanted: Finalizer,
    ) -> Result<Option<String>, ApiError> {
        let (kind, key) = (environment_kind(), environment_key(environment));
        let manager = FieldManager::new(INVENTORY_MANAGER);
        let mut last = None;
        for _ in 0..TRIES {
            let Some(found) = self.get(&kind, &key).await? else { return Ok(None) };
            let metadata = &found["metadata"];
            if metadata["uid"] != uid {
                return Ok(None);
            }
            let version = metadata["resourceVersion"].as_str().unwrap_or_default().to_owned();
            let Some(finalizers) = changed(metadata, wanted) else { return Ok(Some(version)) };
            if wanted == Finalizer::Present && metadata["deletionTimestamp"].is_string() {
                return Ok(None);
            }
            // The resourceVersion makes it fail where somebody has written in between: no finalizer of others is lost.
            let patch = json!({ "metadata": { "uid": uid, "resourceVersion": version, "finalizers": finalizers } });
            match self.merge_patch(&kind, &key, &patch, &manager).await {
                Ok(written) => {
                    return Ok(Some(written["metadata"]["resourceVersion"].as_str().unwrap_or_default().to_owned()));
                }
                Err(ApiError::NotFound { .. }) => return Ok(None),
                Err(error @ ApiError::Stale { .. }) => last = Some(error),
                Err(error) => return Err(error),
            }
        }
        Err(last.expect("because TRIES is not 0"))
    }
}

/// Returns the finalizers as they are to be; nothing if they are so already.
fn changed(metadata: &Value, wanted: Finalizer) -> Option<Vec<Value>> {
    let mut finalizers = metadata["finalizers"].as_array().cloned().unwrap_or_default();
    let present = finalizers.iter().any(|name| name == FINALIZER);
    match (wanted, present) {
        (Finalizer::Present, false) => finalizers.push(FINALIZER.into()),
        (Finalizer::Absent, true) => finalizers.retain(|name| name != FINALIZER),
        (Finalizer::Present, true) | (Finalizer::Absent, false) => return None,
    }
    Some(finalizers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plumbs_finalizer_comes_and_goes() {
        let check = |before: &[&str], wanted, after: Option<&[&str]>| {
            let changed = changed(&json!({ "finalizers": before }), wanted);
            let after = after.map(|names| names.iter().map(|name| json!(name)).collect::<Vec<_>>());
            assert_eq!(changed, after, "{before:?} {wanted:?}");
        };
        check(&[], Finalizer::Present, Some(&[FINALIZER]));
        check(&["a.example.com/b"], Finalizer::Present, Some(&["a.example.com/b", FINALIZER]));
        check(&[FINALIZER], Finalizer::Present, None);
        check(&["a.example.com/b", FINALIZER], Finalizer::Absent, Some(&["a.example.com/b"]));
        check(&[FINALIZER], Finalizer::Absent, Some(&[]));
        check(&["a.example.com/b"], Finalizer::Absent, None);
    }
}
