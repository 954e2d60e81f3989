//! One Kubernetes cluster, as somebody who may or may not do things there.
//!
//! Owns: reads, deletes and patches of single objects, and with whose rights each is made: reads with plumb's own, writes
//! and dry-runs with those of the identity. `apply`, `discovery`, `contents`, `parent` and `events` add
//! the rest, each in its own file. May touch: the API server. Must never do: decide, or remember what it read.

use std::sync::Arc;

use http::Method;
use plumb_core::{
    environment::{ApplySetId, FieldManager},
    identity::Identity,
    kinds::Kind,
    object::{ObjectKey, PART_OF},
};
use serde_json::{Value, json};

use crate::{
    client::Connections,
    error::{Action, ApiError},
    path,
    request::{Answer, Ask, send},
    tenure::Tenure,
};

/// Objects on one page of a list; the number that client-go uses too.
pub(crate) const PAGE: &str = "500";
/// The `Accept` of lists of which only metadata is wanted.
pub(crate) const METADATA_LIST: &str =
    "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json";
/// The media type of JSON patches (RFC 6902).
const JSON_PATCH: &str = "application/json-patch+json";
/// The media type of merge patches (RFC 7386).
const MERGE_PATCH: &str = "application/merge-patch+json";

/// Requests to one cluster: reads as plumb itself, writes and dry-runs as an identity; clones share the connections.
#[derive(Debug, Clone)]
pub struct Cluster {
    pub(crate) connections: Connections,
    identity: Arc<Identity>,
    pub(crate) tenure: Option<Tenure>,
}

/// What came of a delete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deleted {
    /// It is gone.
    Gone,
    /// Its deletion has begun; finalizers hold it.
    Finalizing,
    /// It was gone before.
    Missing,
}

/// Which state of an object a write is meant for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Precondition {
    /// Its UID.
    pub uid: String,
    /// Its resourceVersion.
    pub resource_version: String,
}

impl Precondition {
    /// Reads UID and resourceVersion of an object that the API server gave.
    pub fn of(object: &Value) -> Self {
        let text = |name: &str| object["metadata"][name].as_str().unwrap_or_default().to_owned();
        Self { uid: text("uid"), resource_version: text("resourceVersion") }
    }
}

impl Cluster {
    /// Makes all requests as plumb itself, writes at any time.
    pub fn new(connections: Connections) -> Self {
        Self { connections, identity: Arc::new(Identity::Own), tenure: None }
    }

    /// Makes the same requests, but sends writes only while a tenure is valid.
    ///
    /// *Guarantees:* it is asked right before a write is sent and again when the connection takes it, whatever was waited
    /// for; a write that comes too late is `LeaseLost`. Only what was sent before may still land.
    pub fn during(&self, tenure: &Tenure) -> Self {
        Self { tenure: Some(tenure.clone()), ..self.clone() }
    }

    /// Makes writes and dry-runs as somebody, over the same connections; reads stay plumb's own.
    pub fn acting_as(&self, identity: Identity) -> Self {
        Self { identity: Arc::new(identity), ..self.clone() }
    }

    /// Returns who makes writes and dry-runs.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Returns the connections, for watches.
    pub fn connections(&self) -> &Connections {
        &self.connections
    }

    /// Returns the cluster's identity: the UID of its namespace `kube-system`.
    ///
    /// # Errors
    /// As every request.
    pub async fn uid(&self) -> Result<String, ApiError> {
        let action = Action::of("get", "Namespace kube-system");
        let answer = self.send(Ask::get(action.clone(), "/api/v1/namespaces/kube-system".to_owned())).await?;
        let uid = answer.value(&action)?["metadata"]["uid"].as_str().map(str::to_owned);
        uid.ok_or(ApiError::Unexpected { action, message: "the namespace has no uid".to_owned() })
    }

    /// Returns the name under which the API server knows the one who writes.
    ///
    /// # Errors
    /// As every request.
    pub async fn user(&self) -> Result<String, ApiError> {
        let user = self.review().await?["username"].as_str().map(str::to_owned);
        let (action, message) = (Action::of("review", "the own user"), "the review names no user".to_owned());
        user.ok_or(ApiError::Unexpected { action, message })
    }

    /// Returns the groups in which the API server sees the one who writes.
    ///
    /// # Errors
    /// As every request.
    pub async fn groups(&self) -> Result<Vec<String>, ApiError> {
        let review = self.review().await?;
        let groups = review["groups"].as_array().into_iter().flatten();
        Ok(groups.filter_map(Value::as_str).map(str::to_owned).collect())
    }

    async fn review(&self) -> Result<Value, ApiError> {
        let action = Action::of("review", "the own user");
        let review = json!({ "apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview" });
        let uri = "/apis/authentication.k8s.io/v1/selfsubjectreviews".to_owned();
        let ask = Ask::new(action.clone(), Method::POST, uri).with("application/json", &review).without_effect();
        Ok(self.send_as_identity(ask).await?.value(&action)?["status"]["userInfo"].take())
    }

    /// Returns an object, or nothing if it does not exist.
    ///
    /// # Errors
    /// As every request; a kind that is not served is an error, not an absent object.
    pub async fn get(&self, kind: &Kind, key: &ObjectKey) -> Result<Option<Value>, ApiError> {
        let action = Action::on("get", key);
        found(self.send(Ask::get(action.clone(), path::object(kind, key))).await, &action)
    }

    /// Returns an object as [`Cluster::get`] does, if the identity may read it: for what is shown to its users.
    ///
    /// # Errors
    /// As every request; `Forbidden` where plumb might read it and the identity may not.
    pub async fn get_permitted(&self, kind: &Kind, key: &ObjectKey) -> Result<Option<Value>, ApiError> {
        let action = Action::on("get", key);
        found(self.send_as_identity(Ask::get(action.clone(), path::object(kind, key))).await, &action)
    }

    /// Deletes an object in exactly this state; what it owns follows in the background.
    ///
    /// *Guarantees:* an object that changed or was created anew in the meantime stays.
    ///
    /// # Errors
    /// `Stale` for a precondition that no longer holds, `Denied` for a webhook's veto, else as every request.
    pub async fn delete(&self, kind: &Kind, key: &ObjectKey, state: &Precondition) -> Result<Deleted, ApiError> {
        let action = Action::on("delete", key);
        assert!(!state.uid.is_empty() && !state.resource_version.is_empty(), "{action} has no precondition");
        let options = json!({
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "preconditions": { "uid": state.uid, "resourceVersion": state.resource_version },
            "propagationPolicy": "Background",
        });
        let ask = Ask::new(action.clone(), Method::DELETE, path::object(kind, key)).with("application/json", &options);
        match self.send_as_identity(ask).await {
            // What is held by finalizers is answered with the object, what is gone with a Status.
            Ok(answer) if answer.value(&action)?["metadata"]["deletionTimestamp"].is_string() => {
                Ok(Deleted::Finalizing)
            }
            Ok(_) => Ok(Deleted::Gone),
            Err(ApiError::NotFound { .. }) => Ok(Deleted::Missing),
            Err(error) => Err(error),
        }
    }

    /// Changes an object by a JSON patch (RFC 6902) and returns what it became; preconditions are the patch's `test`s.
    ///
    /// # Errors
    /// `Stale` for a resourceVersion in the patch that no longer holds, `Invalid` for a failed `test`, else as every
    /// request.
    pub async fn json_patch(
        &self,
        kind: &Kind,
        key: &ObjectKey,
        patch: &Value,
        manager: &FieldManager,
    ) -> Result<Value, ApiError> {
        self.patch(kind, key, JSON_PATCH, patch, manager).await
    }

    /// Changes an object by a merge patch (RFC 7386) and returns what it became; a resourceVersion in it is a
    /// precondition.
    ///
    /// # Errors
    /// As [`Cluster::json_patch`].
    pub async fn merge_patch(
        &self,
        kind: &Kind,
        key: &ObjectKey,
        patch: &Value,
        manager: &FieldManager,
    ) -> Result<Value, ApiError> {
        self.patch(kind, key, MERGE_PATCH, patch, manager).await
    }

    async fn patch(
        &self,
        kind: &Kind,
        key: &ObjectKey,
        content_type: &'static str,
        patch: &Value,
        manager: &FieldManager,
    ) -> Result<Value, ApiError> {
        let action = Action::on("patch", key);
        let query = path::query([("fieldManager", manager.as_str())]);
        let uri = format!("{}{query}", path::object(kind, key));
        let ask = Ask::new(action.clone(), Method::PATCH, uri).with(content_type, patch);
        self.send_as_identity(ask).await?.value(&action)
    }

    /// Replaces the status of an object by the one in `object`, if the object still has the resourceVersion given
    /// there, and returns what it became.
    ///
    /// # Errors
    /// `Stale` for another resourceVersion, else as every request.
    pub async fn replace_status(
        &self,
        kind: &Kind,
        key: &ObjectKey,
        object: &Value,
        manager: &FieldManager,
    ) -> Result<Value, ApiError> {
        let action = Action::on("write the status of", key);
        assert!(object["metadata"]["resourceVersion"].is_string(), "{action} has no precondition");
        let query = path::query([("fieldManager", manager.as_str())]);
        let uri = format!("{}/status{query}", path::object(kind, key));
        let ask = Ask::new(action.clone(), Method::PUT, uri).with("application/json", object);
        self.send_as_identity(ask).await?.value(&action)
    }

    /// Returns every object of a kind that carries this environment's label, in all namespaces.
    ///
    /// # Errors
    /// As every request.
    pub async fn list_owned(&self, kind: &Kind, id: &ApplySetId) -> Result<Vec<Value>, ApiError> {
        self.list(kind, None, Some(&format!("{PART_OF}={id}"))).await
    }

    /// Returns every object of a kind, in one namespace or in all, with this label selector.
    ///
    /// # Errors
    /// As every request.
    pub async fn list(
        &self,
        kind: &Kind,
        namespace: Option<&str>,
        selector: Option<&str>,
    ) -> Result<Vec<Value>, ApiError> {
        let action = Action::of("list", kind.gvk.to_string());
        let mut objects = Vec::new();
        let mut next = String::new();
        loop {
            let mut parameters = vec![("limit", PAGE)];
            parameters.extend(selector.map(|selector| ("labelSelector", selector)));
            parameters.extend((!next.is_empty()).then_some(("continue", next.as_str())));
            let uri = format!("{}{}", path::collection(kind, namespace), path::query(parameters));
            let mut page = self.send(Ask::get(action.clone(), uri)).await?.value(&action)?;
            if let Value::Array(items) = page["items"].take() {
                objects.extend(items.into_iter().map(|item| with_kind(item, kind)));
            }
            match page["metadata"]["continue"].as_str() {
                Some(token) if !token.is_empty() => next = token.to_owned(),
                _ => return Ok(objects),
            }
        }
    }

    /// Sends as plumb itself.
    pub(crate) async fn send<'a>(&'a self, ask: Ask<'a>) -> Result<Answer, ApiError> {
        send(&self.connections, ask.during(self.tenure.as_ref())).await
    }

    /// Sends with exactly the rights of the identity: every write, every dry-run, and reads that its users are shown.
    pub(crate) async fn send_as_identity<'a>(&'a self, ask: Ask<'a>) -> Result<Answer, ApiError> {
        let answer = send(&self.connections, ask.by(&self.identity).during(self.tenure.as_ref())).await;
        answer.map_err(|error| error.acting_as(&self.identity))
    }
}

fn found(answer: Result<Answer, ApiError>, action: &Action) -> Result<Option<Value>, ApiError> {
    match answer {
        Ok(answer) => answer.value(action).map(Some),
        Err(ApiError::NotFound { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Fills in what items of a list leave out.
pub(crate) fn with_kind(mut object: Value, kind: &Kind) -> Value {
    if let Value::Object(fields) = &mut object {
        fields.entry("apiVersion").or_insert_with(|| kind.gvk.api_version().into());
        fields.entry("kind").or_insert_with(|| kind.gvk.kind.clone().into());
    }
    object
}
