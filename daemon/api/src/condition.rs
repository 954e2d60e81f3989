//! Status conditions in kstatus's vocabulary: `Ready`, `Reconciling`, `Stalled`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One condition, as `metav1.Condition` defines it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// `Ready`, `Reconciling`, `Stalled`, `Contended`, or `RecordsUnpublished`.
    #[serde(rename = "type")]
    pub type_: String,
    /// `True`, `False` or `Unknown`.
    pub status: ConditionStatus,
    /// The generation of the spec that this condition was computed for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// When `status` last changed (RFC 3339).
    pub last_transition_time: String,
    /// One word for programs, in CamelCase.
    pub reason: String,
    /// A sentence for people.
    pub message: String,
}

/// The three values of a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ConditionStatus {
    /// The condition holds.
    True,
    /// It does not hold.
    False,
    /// It is not known whether it holds.
    Unknown,
}

/// Type of the condition that says whether all is as it should be.
pub const READY: &str = "Ready";
/// Type of the condition that says that work is going on.
pub const RECONCILING: &str = "Reconciling";
/// Type of the condition that says that no progress is possible without a person.
pub const STALLED: &str = "Stalled";
/// Type of the condition that says that somebody undoes every correction of an object.
pub const CONTENDED: &str = "Contended";
/// Type of the condition that says that records wait because they can't be pushed as notes.
pub const RECORDS_UNPUBLISHED: &str = "RecordsUnpublished";
