//! What the API server, or the way to it, can answer instead of what was asked for.
//!
//! Owns: the one enum of failed requests, its classes and its texts, and the reading of a `Status`.
//! Must never do: send anything; show a value of a Secret (`redact` cuts them out).

mod redact;
mod status;

#[cfg(test)]
mod tests;

use std::{fmt, time::Duration};

use plumb_core::{class::Class, identity::Identity, object::ObjectKey, right::MissingRight};
use serde_json::Value;

use redact::Values;
pub(crate) use status::read;

/// What was being done, in words that fit at the start of a sentence: `apply Deployment shop/web`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Action {
    /// The verb, such as `apply`.
    pub verb: &'static str,
    /// The object or the path it was done to.
    pub to: String,
    /// Whether the answer may quote values that must not be shown.
    pub(crate) secret: bool,
    /// Those of them that were sent.
    pub(crate) values: Values,
}

impl Action {
    /// Makes the description of a request about one object.
    pub(crate) fn on(verb: &'static str, key: &ObjectKey) -> Self {
        let secret = key.group.is_empty() && key.kind == "Secret";
        Self { verb, to: key.to_string(), secret, values: Values::default() }
    }

    /// Makes the description of a request that sends an object.
    pub(crate) fn sending(verb: &'static str, key: &ObjectKey, object: &Value) -> Self {
        Self { values: Values::of(object), ..Self::on(verb, key) }
    }

    /// Makes the description of a request about something else than one object.
    pub(crate) fn of(verb: &'static str, to: impl Into<String>) -> Self {
        Self { verb, to: to.into(), secret: false, values: Values::default() }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.verb, self.to)
    }
}

/// One field that an unforced apply would have taken from another manager.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldConflict {
    /// The manager that owns it, as managedFields names it.
    pub manager: String,
    /// The field, as the API server writes it: `.spec.replicas`.
    pub field: String,
}

/// One field that the API server refuses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldProblem {
    /// The field without a leading dot, such as `spec.template.spec.containers[0].image`; empty: the whole object.
    pub field: String,
    /// What is wrong with it.
    pub message: String,
    /// Whether it can't be changed once set: only deleting and creating the object again helps.
    pub immutable: bool,
}

/// A request that did not do what was asked for.
///
/// Texts name the object and the next step and never a value of a Secret.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// Another manager owns fields that an unforced apply wants to set.
    #[error("{action}: other managers own its fields: {}", conflicts_in_words(.conflicts))]
    Conflict {
        /// The request.
        action: Action,
        /// Who owns what.
        conflicts: Vec<FieldConflict>,
    },
    /// The object is not the one, or not in the state, that the request was meant for.
    #[error("{action}: it changed in the meantime ({message}); read it again and decide again")]
    Stale {
        /// The request.
        action: Action,
        /// The server's words.
        message: String,
    },
    /// It is there already.
    #[error("{action}: it exists already; read it and decide again")]
    AlreadyExists {
        /// The request.
        action: Action,
    },
    /// The credentials are not accepted at all.
    #[error("{action}: the API server does not accept these credentials ({message}); renew the kubeconfig or token")]
    Unauthorized {
        /// The request.
        action: Action,
        /// The server's words.
        message: String,
    },
    /// The user may not do this, or admission (a quota, the Pod security standards) does not let it.
    #[error("{action}: {}", forbidden_in_words(.message, .missing.as_deref()))]
    Forbidden {
        /// The request.
        action: Action,
        /// The server's words.
        message: String,
        /// The right that RBAC would have to give, where it is about one.
        missing: Option<Box<MissingRight>>,
    },
    /// An admission webhook or policy refused.
    #[error(
        "{action}: admission by {by:?} denied the request: {message}; change the object or ask the owner of {by:?}"
    )]
    Denied {
        /// The request.
        action: Action,
        /// The webhook or the policy.
        by: String,
        /// What it said.
        message: String,
    },
    /// An admission webhook could not be asked.
    #[error("{action}: admission webhook {webhook:?} could not be asked ({message}); see whether its Pods run")]
    WebhookFailed {
        /// The request.
        action: Action,
        /// The webhook.
        webhook: String,
        /// Why not.
        message: String,
    },
    /// The object breaks a rule of its kind.
    #[error("{action}: refused: {}; correct the object in Git", problems_in_words(.problems))]
    Invalid {
        /// The request.
        action: Action,
        /// Every field that the server names; never empty.
        problems: Vec<FieldProblem>,
    },
    /// The request is larger than the server or its database takes.
    #[error("{action}: it is too large ({message}); split the object or move its data out of the cluster")]
    TooLarge {
        /// The request.
        action: Action,
        /// The server's words.
        message: String,
    },
    /// The object, or the namespace it belongs into, does not exist.
    #[error("{action}: {message}; {}", missing_in_words(.message))]
    NotFound {
        /// The request.
        action: Action,
        /// The server's words, which say what is missing.
        message: String,
    },
    /// The server has no such resource, or not at this version.
    #[error("{action}: the API server does not serve this kind at this version; see `kubectl api-resources`")]
    NotServed {
        /// The request.
        action: Action,
    },
    /// A resourceVersion or a continue token is too old: list again.
    #[error("{action}: the server no longer has this version of the list ({message}); list again")]
    Gone {
        /// The request.
        action: Action,
        /// The server's words.
        message: String,
    },
    /// The namespace is being deleted.
    #[error("{action}: the namespace is being deleted; wait until it is gone or choose another one")]
    NamespaceTerminating {
        /// The request.
        action: Action,
    },
    /// The server asks to wait.
    #[error("{action}: the API server is busy; the request is repeated later")]
    TooManyRequests {
        /// The request.
        action: Action,
        /// How long it asks to wait.
        retry_after: Option<Duration>,
    },
    /// No answer, because no connection.
    #[error("{action}: the API server cannot be reached; see whether it runs and whether its address is right")]
    Unreachable {
        /// The request.
        action: Action,
        /// Why.
        #[source]
        source: kube::Error,
    },
    /// No answer in time.
    #[error("{action}: no answer within {} s; see whether the API server is overloaded", .after.as_secs())]
    Timeout {
        /// The request.
        action: Action,
        /// How long was waited.
        after: Duration,
    },
    /// A definition is not usable in time.
    #[error("{action}: its kind is not served after {} s; see the conditions of the definition", .after.as_secs())]
    NotEstablished {
        /// The request.
        action: Action,
        /// How long was waited.
        after: Duration,
    },
    /// This process has lost the lease that it needs to write.
    #[error("{action}: not sent, because the lease was lost; whoever holds it now goes on")]
    LeaseLost {
        /// The request.
        action: Action,
    },
    /// The server failed.
    #[error("{action}: the API server failed with status {code} ({message}); its log says more")]
    Server {
        /// The request.
        action: Action,
        /// The HTTP status.
        code: u16,
        /// The server's words.
        message: String,
    },
    /// The request or the answer is not what the API promises.
    #[error("{action}: {message}; this is a defect, please report it")]
    Unexpected {
        /// The request.
        action: Action,
        /// What was seen instead.
        message: String,
    },
}

impl ApiError {
    /// Returns what helps against it.
    pub fn class(&self) -> Class {
        match self {
            Self::Conflict { .. }
            | Self::Stale { .. }
            | Self::AlreadyExists { .. }
            | Self::WebhookFailed { .. }
            | Self::Gone { .. }
            | Self::NamespaceTerminating { .. }
            | Self::TooManyRequests { .. }
            | Self::Unreachable { .. }
            | Self::Timeout { .. }
            | Self::NotEstablished { .. }
            | Self::LeaseLost { .. }
            | Self::Server { .. } => Class::Retry,
            Self::Unauthorized { .. }
            | Self::Forbidden { .. }
            | Self::Denied { .. }
            | Self::Invalid { .. }
            | Self::TooLarge { .. }
            | Self::NotFound { .. }
            | Self::NotServed { .. } => Class::Wait,
            Self::Unexpected { .. } => Class::Bug,
        }
    }

    /// Returns what was being done.
    pub fn action(&self) -> &Action {
        match self {
            Self::Conflict { action, .. }
            | Self::Stale { action, .. }
            | Self::AlreadyExists { action }
            | Self::Unauthorized { action, .. }
            | Self::Forbidden { action, .. }
            | Self::Denied { action, .. }
            | Self::WebhookFailed { action, .. }
            | Self::Invalid { action, .. }
            | Self::TooLarge { action, .. }
            | Self::NotFound { action, .. }
            | Self::NotServed { action }
            | Self::Gone { action, .. }
            | Self::NamespaceTerminating { action }
            | Self::TooManyRequests { action, .. }
            | Self::Unreachable { action, .. }
            | Self::Timeout { action, .. }
            | Self::NotEstablished { action, .. }
            | Self::LeaseLost { action }
            | Self::Server { action, .. }
            | Self::Unexpected { action, .. } => action,
        }
    }

    /// Returns the right that somebody lacks.
    pub fn missing_right(&self) -> Option<&MissingRight> {
        match self {
            Self::Forbidden { missing, .. } => missing.as_deref(),
            _ => None,
        }
    }

    /// Names the service account where plumb may not act as it.
    pub(crate) fn acting_as(self, identity: &Identity) -> Self {
        match (self, identity) {
            (Self::Forbidden { action, message, missing: Some(right) }, Identity::ServiceAccount(account)) => {
                Self::Forbidden { action, message, missing: Some(Box::new(right.as_impersonation_of(account))) }
            }
            (error, _) => error,
        }
    }

    /// Returns the fields that the server refused; empty for every other failure.
    pub fn problems(&self) -> &[FieldProblem] {
        match self {
            Self::Invalid { problems, .. } => problems,
            _ => &[],
        }
    }

    /// Returns whether the refused change can only be made by deleting and creating the object again.
    pub fn is_immutable(&self) -> bool {
        self.problems().iter().any(|problem| problem.immutable)
    }
}

fn forbidden_in_words(message: &str, missing: Option<&MissingRight>) -> String {
    match missing {
        Some(right) => right.to_string(),
        None => format!("not allowed ({message}); change the object, or what forbids it"),
    }
}

fn conflicts_in_words(conflicts: &[FieldConflict]) -> String {
    let words: Vec<_> = conflicts.iter().map(|conflict| format!("{} ({})", conflict.field, conflict.manager)).collect();
    words.join(", ")
}

/// Returns what helps where something does not exist.
fn missing_in_words(message: &str) -> &'static str {
    if message.starts_with("namespaces \"") {
        "add the Namespace to Git, or let spec.target.createNamespace make it"
    } else {
        "create what is missing first"
    }
}

fn problems_in_words(problems: &[FieldProblem]) -> String {
    let words = problems.iter().map(|problem| {
        if problem.field.is_empty() {
            problem.message.clone()
        } else {
            format!("{}: {}", problem.field, problem.message)
        }
    });
    words.collect::<Vec<_>>().join("; ")
}
