//! The entries of `metadata.managedFields`: who owns which fields since when.
//!
//! Owns: reading them. Must never do: write them; `adoption` plans that.

use std::fmt;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use crate::{
    environment::FieldManager,
    fields::{FieldSet, FieldsError},
};

/// How a manager came to own its fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum ManagedBy {
    /// Server-side apply.
    Apply,
    /// Any other write.
    Update,
}

impl fmt::Display for ManagedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Apply => "Apply",
            Self::Update => "Update",
        })
    }
}

/// One entry of `metadata.managedFields`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManagedFields {
    /// Who writes.
    pub manager: FieldManager,
    /// How it wrote.
    pub operation: ManagedBy,
    /// The version in whose schema the paths are meant; other versions of the object need not have them.
    pub api_version: String,
    /// When its set last changed, as the API server's clock says, in whole seconds.
    pub time: Option<Timestamp>,
    /// The subresource it wrote to, such as `status`.
    pub subresource: Option<String>,
    /// What it owns.
    pub fields: FieldSet,
}

impl ManagedFields {
    /// Returns the entries of an object, in the object's order; none if it has no such field.
    ///
    /// # Errors
    /// An entry without manager or operation, or with a field set that cannot be read.
    pub fn of(object: &Value) -> Result<Vec<Self>, FieldsError> {
        entries(object).iter().map(Self::parse).collect()
    }

    /// Returns one entry.
    ///
    /// # Errors
    /// As [`ManagedFields::of`].
    pub fn parse(entry: &Value) -> Result<Self, FieldsError> {
        let text = |name: &str| entry.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        let manager = text("manager").ok_or(FieldsError::Entry { field: "manager" })?;
        let operation = match text("operation") {
            Some("Apply") => ManagedBy::Apply,
            Some("Update") => ManagedBy::Update,
            _ => return Err(FieldsError::Entry { field: "operation" }),
        };
        let time = match text("time") {
            Some(time) => Some(time.parse().map_err(|_| FieldsError::Entry { field: "time" })?),
            None => None,
        };
        Ok(Self {
            manager: FieldManager::new(manager),
            operation,
            api_version: text("apiVersion").unwrap_or_default().to_owned(),
            time,
            subresource: text("subresource").map(str::to_owned),
            fields: entry.get("fieldsV1").map_or_else(|| Ok(FieldSet::default()), FieldSet::parse)?,
        })
    }

    /// Returns whether this is what the manager applied to the object itself (not to a subresource).
    pub fn is_apply_of(&self, manager: &FieldManager) -> bool {
        self.manager == *manager && self.operation == ManagedBy::Apply && self.subresource.is_none()
    }

    /// Returns the entry of what the manager applied to the object itself; there is at most one.
    pub fn find<'a>(entries: &'a [Self], manager: &FieldManager) -> Option<&'a Self> {
        entries.iter().find(|entry| entry.is_apply_of(manager))
    }
}

/// Returns the raw entries of an object.
pub(crate) fn entries(object: &Value) -> &[Value] {
    object.pointer("/metadata/managedFields").and_then(Value::as_array).map_or(&[], Vec::as_slice)
}
