//! Server-side apply of one object.
//!
//! Owns: the request and the reading of its answer. `take` holds the conversation of a first apply. Must never do:
//! decide whether to force.

use http::{Method, StatusCode};
use plumb_core::{
    environment::FieldManager,
    ignore::{self, Ignored},
    kinds::Kind,
    object::ObjectKey,
};
use serde_json::{Value, json};

use crate::{
    cluster::{Cluster, Precondition},
    error::{Action, ApiError},
    path,
    request::Ask,
};

/// The media type of server-side apply; JSON is YAML.
const APPLY_PATCH: &str = "application/apply-patch+yaml";

/// How often an apply that leaves fields alone reads the object again because somebody wrote in between; controllers
/// write several times while an object is young.
const TRIES: u32 = 5;

/// Whether an apply takes fields that others own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Force {
    /// It does not: the answer is a conflict.
    No,
    /// It does.
    Yes,
}

/// Whether an apply is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Persistence {
    /// It is.
    Stored,
    /// It is only answered.
    DryRun,
}

/// One object to be applied.
#[derive(Debug, Clone)]
pub struct Apply<'a> {
    /// Its kind, at the version of `object`.
    pub kind: &'a Kind,
    /// Its key, with the namespace filled in or cleared.
    pub key: &'a ObjectKey,
    /// The whole manifest, the part-of label included.
    pub object: &'a Value,
    /// What of it an object that is there already keeps as it is.
    pub ignored: &'a Ignored,
    /// Who applies.
    pub manager: &'a FieldManager,
    /// Whether it takes fields that others own.
    pub force: Force,
    /// Whether it is stored.
    pub persistence: Persistence,
}

/// What an apply left.
#[derive(Debug, Clone, PartialEq)]
pub struct Applied {
    /// The whole object.
    pub object: Value,
    /// Whether it was not there before.
    pub created: bool,
    /// What the API server warns of, such as deprecated versions.
    pub warnings: Vec<String>,
}

impl Cluster {
    /// Applies an object with strict field validation.
    ///
    /// *Guarantees:* a repetition after a lost answer changes nothing. What is ignored of an object that is there keeps the
    /// value that it has at the moment of the write, whoever owns it.
    ///
    /// # Errors
    /// `Conflict` (never when forced), `Invalid` with the fields, `Denied`, else as every request; `Stale` if something is
    /// ignored and somebody wrote in between every time.
    pub async fn apply(&self, apply: &Apply<'_>) -> Result<Applied, ApiError> {
        if apply.ignored.is_empty() {
            return self.apply_as_is(apply).await;
        }
        let mut last = None;
        for _ in 0..TRIES {
            let Some(live) = self.get(apply.kind, apply.key).await? else { return self.apply_as_is(apply).await };
            let object = over(apply, &live);
            match self.apply_as_is(&Apply { object: &object, ..apply.clone() }).await {
                Err(error @ ApiError::Stale { .. }) => last = Some(error),
                answer => return answer,
            }
        }
        Err(last.expect("because TRIES is not 0"))
    }

    pub(crate) async fn apply_as_is(&self, apply: &Apply<'_>) -> Result<Applied, ApiError> {
        let verb = if apply.persistence == Persistence::DryRun { "try to apply" } else { "apply" };
        let action = Action::sending(verb, apply.key, apply.object);
        let mut parameters = vec![("fieldManager", apply.manager.as_str()), ("fieldValidation", "Strict")];
        parameters.extend((apply.force == Force::Yes).then_some(("force", "true")));
        parameters.extend((apply.persistence == Persistence::DryRun).then_some(("dryRun", "All")));
        let uri = format!("{}{}", path::object(apply.kind, apply.key), path::query(parameters));
        let ask = Ask::new(action.clone(), Method::PATCH, uri).with(APPLY_PATCH, apply.object);
        let ask = if apply.persistence == Persistence::DryRun { ask.without_effect() } else { ask };
        let answer = self.send_as_identity(ask).await?;
        let object = answer.value(&action)?;
        let warnings = answer.warnings.iter().map(|warning| action.values.hide(warning)).collect();
        Ok(Applied { object, created: answer.code == StatusCode::CREATED, warnings })
    }
}

/// Returns the manifest for exactly this state of the live object: what is ignored is left out or as it is, and the API
/// server refuses it for any other state.
pub(crate) fn over(apply: &Apply<'_>, live: &Value) -> Value {
    let mut object = ignore::to_send(apply.object, live, apply.manager, apply.ignored);
    let state = Precondition::of(live);
    object["metadata"]["uid"] = json!(state.uid);
    object["metadata"]["resourceVersion"] = json!(state.resource_version);
    object
}
