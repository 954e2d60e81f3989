//! The two processes of Tekton Pipelines, which a test may stop and start one by one.

use serde::{Deserialize, Serialize};

/// A process of Tekton.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tekton {
    /// Makes Pods of runs and tells in their status how they end.
    Controller,
    /// Judges and completes what is written; while it is away, nobody writes an object of Tekton's.
    Webhook,
}

impl Tekton {
    /// Returns the name of its binary and of its log.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Controller => "tekton-controller",
            Self::Webhook => "tekton-webhook",
        }
    }
}
