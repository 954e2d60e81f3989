//! Waiting until a CustomResourceDefinition can be used.
//!
//! Owns: the one wait of a first sync: objects of a kind can only be applied once the server serves it.

use std::time::Duration;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{Api, runtime::wait};

use crate::{
    backoff::Backoff,
    cluster::Cluster,
    error::{Action, ApiError, FieldProblem},
    path,
    request::Ask,
};

impl Cluster {
    /// Waits until the definition with this name is Established, its names are accepted and its kind can be listed.
    ///
    /// # Errors
    /// `Invalid` as soon as the server refuses its names; `NotEstablished` if it takes longer, for whatever reason.
    pub async fn established(&self, name: &str, deadline: Duration) -> Result<(), ApiError> {
        let action = Action::of("wait for", format!("CustomResourceDefinition {name}"));
        let late = || ApiError::NotEstablished { action: action.clone(), after: deadline };
        tokio::time::timeout(deadline, self.establish(&action, name)).await.unwrap_or_else(|_| Err(late()))
    }

    async fn establish(&self, action: &Action, name: &str) -> Result<(), ApiError> {
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
            let problem = FieldProblem { field: "spec.names".to_owned(), message, immutable: false };
            return Err(ApiError::Invalid { action: action.clone(), problems: vec![problem] });
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
