//! Waiting until a CustomResourceDefinition can be used.
//!
//! Owns: the one wait of a first sync: objects of a kind can only be applied once the server serves it.

use std::time::Duration;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{Api, runtime::wait};
use plumb_core::class::Class;

use crate::{
    backoff::Backoff,
    cluster::Cluster,
    error::{Action, ApiError},
    path,
    request::Ask,
};

/// Why a definition can't be used.
#[derive(Debug, thiserror::Error)]
pub enum EstablishError {
    /// Another definition has its names.
    #[error(
        "CustomResourceDefinition {name} is not accepted: {message}; choose other names or delete the other definition"
    )]
    Names {
        /// The definition.
        name: String,
        /// What the API server says.
        message: String,
    },
    /// It takes too long.
    #[error("CustomResourceDefinition {name} is not served after {} s; see its conditions", .after.as_secs())]
    Deadline {
        /// The definition.
        name: String,
        /// How long was waited.
        after: Duration,
    },
}

impl EstablishError {
    /// Returns what helps against it.
    pub fn class(&self) -> Class {
        match self {
            Self::Names { .. } => Class::Wait,
            Self::Deadline { .. } => Class::Retry,
        }
    }
}

impl Cluster {
    /// Waits until the definition with this name is Established, its names are accepted and its kind can be listed.
    ///
    /// # Errors
    /// `Names` as soon as the server refuses them; `Deadline` if it takes longer, for whatever reason.
    pub async fn established(&self, name: &str, deadline: Duration) -> Result<(), EstablishError> {
        let late = || EstablishError::Deadline { name: name.to_owned(), after: deadline };
        tokio::time::timeout(deadline, self.establish(name)).await.unwrap_or_else(|_| Err(late()))
    }

    async fn establish(&self, name: &str) -> Result<(), EstablishError> {
        let lease = self.connections.lease_watch();
        let api = Api::<CustomResourceDefinition>::all(lease.client.clone());
        let mut backoff = Backoff::new(self.connections.seed());
        let decided = |definition: Option<&CustomResourceDefinition>| {
            is(definition, "NamesAccepted", "False") || is(definition, "Established", "True")
        };
        let definition = loop {
            match wait::await_condition(api.clone(), name, decided).await {
                Ok(Some(definition)) => break definition,
                // Not there, or not to be read at the moment: the caller's deadline decides.
                Ok(None) | Err(_) => tokio::time::sleep(backoff.next_wait()).await,
            }
        };
        if let Some(message) = refused(&definition) {
            return Err(EstablishError::Names { name: name.to_owned(), message });
        }
        backoff.reset();
        while !self.is_listed(&definition).await {
            tokio::time::sleep(backoff.next_wait()).await;
        }
        Ok(())
    }

    /// Returns whether the kind can be listed, which it can a moment after the condition says so.
    async fn is_listed(&self, definition: &CustomResourceDefinition) -> bool {
        let spec = &definition.spec;
        let Some(version) = spec.versions.iter().find(|version| version.served) else { return true };
        let uri = format!("{}/{}?limit=1", path::version(&spec.group, &version.name), spec.names.plural);
        let answer = self.send(Ask::get(Action::of("list", uri.clone()), uri)).await;
        // Whoever may not list it will hear so when it matters.
        matches!(answer, Ok(_) | Err(ApiError::Forbidden { .. }))
    }
}

fn is(definition: Option<&CustomResourceDefinition>, condition: &str, status: &str) -> bool {
    let conditions = definition.and_then(|definition| definition.status.as_ref()?.conditions.as_ref());
    conditions.into_iter().flatten().any(|found| found.type_ == condition && found.status == status)
}

fn refused(definition: &CustomResourceDefinition) -> Option<String> {
    let conditions = definition.status.as_ref()?.conditions.as_ref()?;
    let refusal = conditions.iter().find(|found| found.type_ == "NamesAccepted" && found.status == "False")?;
    Some(refusal.message.clone().unwrap_or_else(|| "its names are taken".to_owned()))
}
