//! What is told of the traffic with the API server, for whoever counts it.
//!
//! Must never do: tell what was in a request or an answer.

use std::{sync::Arc, time::Duration};

use http::Method;

use crate::{
    error::ApiError,
    request::{Ask, Effect},
};

/// Something that happened between plumb and the API server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Traffic {
    /// One try of a request has ended.
    Exchange {
        /// What was asked.
        verb: Verb,
        /// How it was answered.
        outcome: Outcome,
        /// How long that took.
        took: Duration,
    },
    /// A watch has begun, or has begun anew, with a list.
    Listed,
    /// A watch was cut, or could not be opened.
    Interrupted,
}

/// Hears of everything at once, on the path of every request: it must not block.
pub type Listener = Arc<dyn Fn(Traffic) + Send + Sync>;

/// What was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// An object or a list.
    Read,
    /// What a write would do, or what somebody may do.
    DryRun,
    /// An apply or a patch.
    Patch,
    /// A replacement, such as that of a status.
    Update,
    /// A new object.
    Create,
    /// A deletion.
    Delete,
}

impl Verb {
    pub(crate) fn of(ask: &Ask<'_>) -> Self {
        match (&ask.method, ask.effect) {
            (&Method::GET, _) => Self::Read,
            (_, Effect::None) => Self::DryRun,
            (&Method::PUT, _) => Self::Update,
            (&Method::POST, _) => Self::Create,
            (&Method::DELETE, _) => Self::Delete,
            _ => Self::Patch,
        }
    }

    /// Returns the closed label value of metrics.
    pub fn label(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::DryRun => "dry_run",
            Self::Patch => "patch",
            Self::Update => "update",
            Self::Create => "create",
            Self::Delete => "delete",
        }
    }
}

/// How a request was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// As asked.
    Success,
    /// Somebody else was faster, or owns a field.
    Conflict,
    /// The server, a webhook or a quota does not want it.
    Refused,
    /// plumb, or whom it impersonates, may not.
    Forbidden,
    /// There is no such object, kind or version.
    Missing,
    /// Too many requests.
    Throttled,
    /// The server failed.
    Server,
    /// No connection.
    Unreachable,
    /// No answer in time.
    Timeout,
    /// Not sent, or not understood.
    Other,
}

impl Outcome {
    pub(crate) fn of<T>(result: &Result<T, ApiError>) -> Self {
        let Err(error) = result else { return Self::Success };
        match error {
            ApiError::Conflict { .. } | ApiError::Stale { .. } | ApiError::AlreadyExists { .. } => Self::Conflict,
            ApiError::Denied { .. }
            | ApiError::WebhookFailed { .. }
            | ApiError::Invalid { .. }
            | ApiError::TooLarge { .. }
            | ApiError::NamespaceTerminating { .. } => Self::Refused,
            ApiError::Unauthorized { .. } | ApiError::Forbidden { .. } => Self::Forbidden,
            ApiError::NotFound { .. } | ApiError::NotServed { .. } | ApiError::Gone { .. } => Self::Missing,
            ApiError::TooManyRequests { .. } => Self::Throttled,
            ApiError::Server { .. } => Self::Server,
            ApiError::Unreachable { .. } => Self::Unreachable,
            ApiError::Timeout { .. } => Self::Timeout,
            ApiError::NotEstablished { .. } | ApiError::LeaseLost { .. } | ApiError::Unexpected { .. } => Self::Other,
        }
    }

    /// Returns the closed label value of metrics.
    pub fn label(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Conflict => "conflict",
            Self::Refused => "refused",
            Self::Forbidden => "forbidden",
            Self::Missing => "missing",
            Self::Throttled => "throttled",
            Self::Server => "server",
            Self::Unreachable => "unreachable",
            Self::Timeout => "timeout",
            Self::Other => "other",
        }
    }
}
