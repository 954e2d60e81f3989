//! Giving an object to another environment: one patch of label and managers, in exactly the state that was judged.
//!
//! Owns: the order of requests. What the patches say is `plumb_core::adoption`'s. Must never do: change a value, or give
//! what does not carry the giver's label.

use plumb_core::{adoption, environment::ApplySetId, kinds::Kind, object::ObjectKey};
use serde_json::Value;

use crate::{
    cluster::{Cluster, Precondition},
    error::{Action, ApiError},
};

impl Cluster {
    /// Gives an object to another environment and returns what it became.
    ///
    /// *Guarantees:* an object that changed, was created anew or belongs to somebody else by now is left alone; values and
    /// identity stay. *Assumptions:* the taker's parent says where the object is.
    ///
    /// # Errors
    /// `Stale` for another state, `NotFound` where it is gone, else as every request.
    pub async fn hand_over(
        &self,
        kind: &Kind,
        key: &ObjectKey,
        state: &Precondition,
        giver: &ApplySetId,
        taker: &ApplySetId,
    ) -> Result<Value, ApiError> {
        let action = Action::on("hand over", key);
        let stale = |message: &str| ApiError::Stale { action: action.clone(), message: message.to_owned() };
        let object = self.get(kind, key).await?.ok_or_else(|| stale("it was deleted"))?;
        if Precondition::of(&object) != *state {
            return Err(stale("somebody wrote in between"));
        }
        if adoption::part_of(&object).as_ref() != Some(giver) {
            return Err(stale("it does not carry the label of the environment that gives it"));
        }
        let patch = adoption::hand_over(&object, &giver.manager(), taker);
        let patch = patch.ok_or_else(|| stale("the environment that gives it owns nothing of it"))?;
        let given = self.json_patch(kind, key, &Value::Array(patch), &taker.manager()).await?;
        // The patch itself owns the label then, beside what was given. Where joining them fails, the taker's first apply
        // does it.
        match adoption::join(&given, &taker.manager()) {
            None => Ok(given),
            Some(join) => {
                let joined = self.json_patch(kind, key, &Value::Array(join), &taker.manager()).await;
                Ok(joined.unwrap_or(given))
            }
        }
    }
}
