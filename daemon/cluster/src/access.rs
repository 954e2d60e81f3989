//! What the one who writes may do, as the API server's authorization says.
//!
//! Owns: asking about a single right, before something is said or done on behalf of somebody who might not have it.

use http::Method;
use plumb_core::{identity::Identity, kinds::Kind};
use serde_json::json;

use crate::{
    cluster::Cluster,
    error::{Action, ApiError},
    request::Ask,
};

impl Cluster {
    /// Returns whether the identity may do something with objects of a kind, in one namespace or in all; `name` asks
    /// about one object.
    ///
    /// Plumb itself is not asked about: what it lacks shows when it tries.
    ///
    /// # Errors
    /// As every request.
    pub async fn may(
        &self,
        verb: &'static str,
        kind: &Kind,
        namespace: Option<&str>,
        name: Option<&str>,
    ) -> Result<bool, ApiError> {
        if *self.identity() == Identity::Own {
            return Ok(true);
        }
        self.is_allowed(verb, kind, namespace, name).await
    }

    /// Returns whether the identity may patch objects of a kind, in one namespace or in all, or the one that is named; plumb
    /// itself is asked about, too. One that plumb may not act as may nothing.
    ///
    /// # Errors
    /// As every request.
    pub async fn may_patch(&self, kind: &Kind, namespace: Option<&str>, name: Option<&str>) -> Result<bool, ApiError> {
        match self.is_allowed("patch", kind, namespace, name).await {
            Err(ApiError::Forbidden { .. }) => Ok(false),
            answer => answer,
        }
    }

    async fn is_allowed(
        &self,
        verb: &'static str,
        kind: &Kind,
        namespace: Option<&str>,
        name: Option<&str>,
    ) -> Result<bool, ApiError> {
        let who = self.identity().service_account().map_or_else(|| "plumb".to_owned(), ToString::to_string);
        let action = Action::of("ask for the rights of", who);
        let mut attributes = json!({
            "verb": verb, "group": kind.gvk.group, "version": kind.gvk.version, "resource": kind.plural,
        });
        attributes.as_object_mut().into_iter().for_each(|attributes| {
            attributes.extend(namespace.map(|namespace| ("namespace".to_owned(), namespace.into())));
            attributes.extend(name.map(|name| ("name".to_owned(), name.into())));
        });
        let review = json!({
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": { "resourceAttributes": attributes },
        });
        let uri = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews".to_owned();
        let ask = Ask::new(action.clone(), Method::POST, uri).with("application/json", &review).without_effect();
        let answer = self.send_as_identity(ask).await?.value(&action)?;
        // A review that does not say yes is a no.
        Ok(answer["status"]["allowed"] == true)
    }
}
