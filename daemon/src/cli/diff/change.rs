//! One object that would be created or changed.

use plumb_cluster::error::ApiError;
use plumb_core::{
    desired::{Desired, DesiredObject, Replace},
    diff,
    environment::ApplySetId,
    object::{ObjectKey, PART_OF},
    plan::Foreign,
};
use plumb_render::position;
use serde::Serialize;
use serde_json::Value;

use super::{
    Subject,
    predict::{self, Gathered},
    source::Source,
};
use crate::{
    cli::{error::CliError, place, yaml},
    trial,
};

/// What would be done to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Action {
    /// It is not there.
    Create,
    /// It is there without an owner.
    Adopt,
    /// It differs.
    Change,
    /// It differs, and can't be changed in place: it is deleted and created anew.
    Replace,
    /// Others added fields to it.
    Clean,
}

impl Action {
    /// Returns the word for people.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Adopt => "adopt",
            Self::Change => "change",
            Self::Replace => "replace",
            Self::Clean => "clean",
        }
    }
}

/// One object that would be written.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Change {
    pub(super) object: String,
    pub(super) action: Action,
    /// Where it stands in the files.
    pub(super) origin: String,
    /// A unified diff; empty where only the ownership would change.
    pub(super) diff: String,
}

/// What is known of an object that is to be applied.
#[derive(Debug)]
pub(super) enum Judged {
    /// It would be written.
    Change(Change),
    /// It is as it should be.
    Same,
    /// plumb would not touch it.
    Refused(String),
    /// The API server would not take it.
    Problem(String),
}

/// Returns what would be removed from an object that is otherwise as it should be.
pub(super) fn cleaned(subject: &Subject<'_>, object: &DesiredObject, foreign: &Foreign) -> Change {
    let lines = foreign
        .additions
        .iter()
        .flat_map(|addition| addition.fields.iter().map(|field| format!("-{field}   of {}\n", addition.manager)));
    let origin = place_of(subject, object, "");
    Change { object: object.key.to_string(), action: Action::Clean, origin, diff: lines.collect() }
}

/// Compares one object with the cluster.
pub(super) async fn judge(
    subject: &Subject<'_>,
    gathered: &Gathered,
    desired: &Desired,
    object: &DesiredObject,
) -> Result<Judged, CliError> {
    // A kind that this commit defines has no objects, and can't be asked about.
    let defined_here = object.kind.defined_by.is_some();
    let live = if defined_here { None } else { subject.session.cluster.get(&object.kind, &object.key).await? };
    if let Some(owner) = live.as_ref().and_then(|live| foreign(subject, gathered, live)) {
        return Ok(Judged::Refused(format!("{}: {owner}", object.key)));
    }
    let mut replaced = false;
    let after = match predict::dry_run(subject, object).await {
        Ok(after) => after,
        Err(error) if trial::replaceable(&error) && object.replace == Replace::Enabled => {
            replaced = true;
            object.manifest.as_ref().clone()
        }
        // Its kind or its namespace comes with the same commit: it can't be tried, only shown.
        Err(ApiError::NotServed { .. }) if defined_here => object.manifest.as_ref().clone(),
        Err(ApiError::NotFound { .. }) if comes_along(subject, desired, object.key.namespace.as_ref()) => {
            object.manifest.as_ref().clone()
        }
        Err(error) => return refusal(subject, object, error),
    };
    let action = match &live {
        None => Action::Create,
        Some(_) if replaced => Action::Replace,
        Some(live) if label(live).is_none() => Action::Adopt,
        Some(_) => Action::Change,
    };
    let diff = compare(&object.key, live.as_ref().unwrap_or(&Value::Null), &after)?;
    if diff.is_empty() && action == Action::Change {
        return Ok(Judged::Same);
    }
    let origin = place_of(subject, object, "");
    Ok(Judged::Change(Change { object: object.key.to_string(), action, origin, diff }))
}

/// Returns the unified diff of two states of an object, as they may be shown.
fn compare(key: &ObjectKey, before: &Value, after: &Value) -> Result<String, CliError> {
    let (before, after) = diff::shown(before, after);
    let text = |value: &Value| match value {
        Value::Null => Ok(String::new()),
        value => yaml::document(&key.to_string(), value),
    };
    Ok(diff::unified(&text(&before)?, &text(&after)?, &key.to_string()))
}

fn label(object: &Value) -> Option<&str> {
    object["metadata"]["labels"][PART_OF].as_str()
}

/// Says whose label an object carries, if it is not this environment's.
fn foreign(subject: &Subject<'_>, gathered: &Gathered, live: &Value) -> Option<String> {
    let id = ApplySetId::from_label(label(live)?);
    if id == subject.name().applyset_id() {
        return None;
    }
    let owner = gathered.environments.get(&id.manager()).filter(|owner| owner.applyset_id() == id);
    Some(match owner {
        Some(owner) => format!("environment {owner} owns it, and keeps it as long as it desires it"),
        None => format!("it carries the label of another owner ({id})"),
    })
}

/// Returns whether the namespace is among what would be created.
fn comes_along(subject: &Subject<'_>, desired: &Desired, namespace: Option<&String>) -> bool {
    let Some(namespace) = namespace else { return false };
    subject.settings.policy.create_namespace.as_ref() == Some(namespace)
        || desired.objects.contains_key(&ObjectKey::of_namespace(namespace))
}

/// Says why the API server would not take an object, or fails where it could not be asked.
fn refusal(subject: &Subject<'_>, object: &DesiredObject, error: ApiError) -> Result<Judged, CliError> {
    let asked = matches!(
        error,
        ApiError::Invalid { .. }
            | ApiError::Denied { .. }
            | ApiError::NotFound { .. }
            | ApiError::TooLarge { .. }
            | ApiError::WebhookFailed { .. }
            | ApiError::NamespaceTerminating { .. }
    );
    if asked { Ok(Judged::Problem(located(subject, object, &error))) } else { Err(error.into()) }
}

fn located(subject: &Subject<'_>, object: &DesiredObject, error: &ApiError) -> String {
    let field = error.problems().first().map(|problem| problem.field.as_str()).unwrap_or_default();
    format!("{}: {error}", place_of(subject, object, field))
}

/// Returns the place of a field of an object, as the user sees it; that of the object for an empty field.
fn place_of(subject: &Subject<'_>, object: &DesiredObject, field: &str) -> String {
    let Source { tree, shown, .. } = subject.source;
    let file = tree.files.iter().find(|file| file.path == object.origin.file && !field.is_empty());
    let found = file.and_then(|file| position::locate(&file.content, &object.origin, field));
    let origin = found.map_or_else(|| object.origin.clone(), |at| at.in_file(&object.origin.file));
    place::at(shown, &tree.root, &origin)
}
