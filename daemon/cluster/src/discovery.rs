//! Which kinds the API server serves.
//!
//! Owns: reading aggregated discovery (KEP-3352), and the older way for servers without it. A group that could not be
//! read is `unknown`, never absent: an aggregated API server that is down must not look like deleted objects.

#[cfg(test)]
mod tests;

use plumb_core::{
    kinds::{Kind, Kinds, Scope},
    object::Gvk,
};
use serde_json::Value;

use crate::{
    cluster::Cluster,
    error::{Action, ApiError},
    path,
    request::Ask,
};

/// Asks for aggregated discovery, and takes the list of groups from servers that do not have it.
const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,\
    application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json";

/// What discovery has found so far.
#[derive(Debug, Default)]
struct Found {
    served: Vec<Kind>,
    unknown: Vec<(String, String)>,
}

impl Cluster {
    /// Returns every kind that the cluster serves, in the server's order of preference.
    ///
    /// *Guarantees:* groups and versions that could not be read are among the unknown ones.
    ///
    /// # Errors
    /// As every request, if even the list of groups can't be read.
    pub async fn kinds(&self) -> Result<Kinds, ApiError> {
        let mut found = Found::default();
        for root in ["/api", "/apis"] {
            let document = self.discover(root, AGGREGATED).await?;
            match document["kind"].as_str() {
                Some("APIGroupDiscoveryList") => read_aggregated(&document, &mut found),
                Some("APIVersions") => self.read_versions("", &document["versions"], &mut found).await,
                Some("APIGroupList") => self.read_groups(&document, &mut found).await,
                other => {
                    let message = format!("discovery answered with kind {other:?}");
                    return Err(ApiError::Unexpected { action: Action::of("discover", root), message });
                }
            }
        }
        Ok(Kinds::new(found.served, found.unknown))
    }

    /// Returns whether the server has stopped serving a kind: neither discovery nor a definition knows it any more.
    ///
    /// # Errors
    /// As every request; then nothing is known.
    pub(crate) async fn is_gone(&self, kind: &Kind) -> Result<bool, ApiError> {
        let Gvk { group, version, kind: name } = &kind.gvk;
        match self.discover(&path::version(group, version), "application/json").await {
            Ok(document) => {
                let mut found = Found::default();
                read_resources(group, version, &document, &mut found);
                if found.served.iter().any(|served| served.gvk.kind == *name) {
                    return Ok(false);
                }
            }
            Err(ApiError::NotServed { .. } | ApiError::NotFound { .. }) => {}
            Err(error) => return Err(error),
        }
        // Another version may still be served, with the same objects; and a server that has just started may serve
        // its definitions late.
        let definition = format!("{}.{group}", kind.plural);
        let uri = format!("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{definition}");
        let action = Action::of("get", format!("CustomResourceDefinition {definition}"));
        match self.send(Ask::get(action, uri)).await {
            Ok(_) => Ok(false),
            Err(ApiError::NotFound { .. }) => Ok(true),
            Err(error) => Err(error),
        }
    }

    async fn discover(&self, uri: &str, accept: &'static str) -> Result<Value, ApiError> {
        let action = Action::of("discover", uri);
        let mut ask = Ask::get(action.clone(), uri.to_owned());
        ask.accept = accept;
        self.send(ask).await?.value(&action)
    }

    async fn read_groups(&self, document: &Value, found: &mut Found) {
        for group in items(&document["groups"]) {
            let name = text(&group["name"]);
            // The preferred version comes first, whatever the list's order.
            let preferred = &group["preferredVersion"]["version"];
            let mut versions: Vec<_> = items(&group["versions"]).map(|version| version["version"].clone()).collect();
            versions.sort_by_key(|version| version != preferred);
            self.read_versions(name, &Value::Array(versions), found).await;
        }
    }

    async fn read_versions(&self, group: &str, versions: &Value, found: &mut Found) {
        for version in items(versions).map(text) {
            match self.discover(&path::version(group, version), "application/json").await {
                Ok(document) => read_resources(group, version, &document, found),
                Err(error) => {
                    tracing::warn!(group, version, error = %error, "discovery failed: its kinds are unknown");
                    found.unknown.push((group.to_owned(), version.to_owned()));
                }
            }
        }
    }
}

fn read_aggregated(document: &Value, found: &mut Found) {
    for item in items(&document["items"]) {
        let group = text(&item["metadata"]["name"]);
        for version in items(&item["versions"]) {
            let name = text(&version["version"]);
            // A stale document is what an API server said before it went down.
            if version["freshness"] == "Stale" {
                found.unknown.push((group.to_owned(), name.to_owned()));
                continue;
            }
            for resource in items(&version["resources"]) {
                let scope = if resource["scope"] == "Namespaced" { Scope::Namespaced } else { Scope::Cluster };
                let kind = text(&resource["responseKind"]["kind"]);
                push(found, group, name, kind, text(&resource["resource"]), scope, &resource["verbs"]);
            }
        }
    }
}

/// Reads an `APIResourceList`.
fn read_resources(group: &str, version: &str, document: &Value, found: &mut Found) {
    for resource in items(&document["resources"]) {
        let scope = if resource["namespaced"] == true { Scope::Namespaced } else { Scope::Cluster };
        push(found, group, version, text(&resource["kind"]), text(&resource["name"]), scope, &resource["verbs"]);
    }
}

fn push(found: &mut Found, group: &str, version: &str, kind: &str, plural: &str, scope: Scope, verbs: &Value) {
    // `deployments/scale` is a subresource; a resource without a kind holds only subresources.
    if plural.contains('/') || plural.is_empty() || kind.is_empty() {
        return;
    }
    let can = |verb: &str| items(verbs).any(|have| have == verb);
    found.served.push(Kind {
        gvk: Gvk { group: group.to_owned(), version: version.to_owned(), kind: kind.to_owned() },
        plural: plural.to_owned(),
        scope,
        watchable: can("list") && can("watch"),
        defined_by: None,
    });
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().map(Vec::as_slice).unwrap_or_default().iter()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
