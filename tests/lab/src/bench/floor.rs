//! The floor of a first sync: its requests, all prepared, sent as fast as the API server takes them.
//!
//! For each environment: the ApplySet parent is applied, then its objects, then the status is replaced, each request
//! of an environment after the one before. Nothing is rendered, planned, compared, read back or watched.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::{
    server::{APPLY, JSON, Server},
    site::{OBJECTS, Site, object, object_name},
};

/// The time that every status of the floor names.
const TIME: &str = "2026-01-01T00:00:00Z";

/// One environment's requests, ready to be sent.
struct Work {
    parent: (String, Bytes),
    objects: Vec<(String, Bytes)>,
    status: String,
    /// The status but for the resourceVersion, which only the parent's answer tells.
    environment: Value,
}

/// All requests of a site.
pub(super) struct Floor {
    works: Arc<Vec<Work>>,
}

impl Floor {
    /// Prepares all requests.
    pub(super) fn prepare(site: &Site, commit: &str) -> Self {
        Self { works: Arc::new(site.environments.iter().map(|name| Work::of(site, name, commit)).collect()) }
    }

    /// Sends them all, at most `in_flight` at once.
    pub(super) async fn run(&self, server: &Server, in_flight: usize) -> anyhow::Result<()> {
        let next = Arc::new(AtomicUsize::new(0));
        let mut workers = JoinSet::new();
        for _ in 0..in_flight {
            let (works, next, server) = (Arc::clone(&self.works), Arc::clone(&next), server.clone());
            workers.spawn(async move {
                while let Some(work) = works.get(next.fetch_add(1, Ordering::Relaxed)) {
                    work.send(&server).await?;
                }
                anyhow::Ok(())
            });
        }
        while let Some(ended) = workers.join_next().await {
            ended??;
        }
        Ok(())
    }
}

impl Work {
    fn of(site: &Site, name: &str, commit: &str) -> Self {
        let id = format!("applyset-floor-{name}-v1");
        let manager = format!("floor-{name}");
        let path = site.environment(name);
        let parent = json!({
            "apiVersion": "plumb.dev/v1alpha1", "kind": "Environment",
            "metadata": {
                "name": name, "namespace": site.namespace,
                "labels": {"applyset.kubernetes.io/id": id},
                "annotations": {
                    "applyset.kubernetes.io/tooling": "plumb/0",
                    "applyset.kubernetes.io/contains-group-kinds": "ConfigMap",
                    "applyset.kubernetes.io/additional-namespaces": "",
                },
            },
        });
        let objects = (0..OBJECTS).map(|number| {
            let mut object = object(name, number);
            object["metadata"]["labels"]["applyset.kubernetes.io/part-of"] = json!(id);
            let path = format!("{}/{}?fieldManager={manager}", site.objects_path(), object_name(name, number));
            (path, Bytes::from(object.to_string()))
        });
        Self {
            parent: (format!("{path}?fieldManager=floor-inventory&force=true"), Bytes::from(parent.to_string())),
            objects: objects.collect(),
            status: format!("{path}/status?fieldManager=floor-status"),
            environment: json!({
                "apiVersion": "plumb.dev/v1alpha1", "kind": "Environment",
                "metadata": {"name": name, "namespace": site.namespace},
                // The API server asks for the specification too, although it ignores it here.
                "spec": {"repository": "environments", "path": format!("environments/{name}")},
                "status": status(commit),
            }),
        }
    }

    async fn send(&self, server: &Server) -> anyhow::Result<()> {
        let (path, body) = &self.parent;
        let (_, answer) = server.send(Method::PATCH, path, APPLY, body.clone()).await?;
        for (path, body) in &self.objects {
            let (status, _) = server.send(Method::PATCH, path, APPLY, body.clone()).await?;
            ensure!(status == StatusCode::CREATED, "{path} was there before: this is no first sync");
        }
        let mut environment = self.environment.clone();
        environment["metadata"]["resourceVersion"] = json!(resource_version(&answer)?);
        server.send(Method::PUT, &self.status, JSON, Bytes::from(environment.to_string())).await.map(drop)
    }
}

/// Finds the resourceVersion in an answer without parsing all of it.
fn resource_version(answer: &Bytes) -> anyhow::Result<String> {
    let text = std::str::from_utf8(answer)?;
    let (_, rest) = text.split_once("\"resourceVersion\":\"").context("an answer has no resourceVersion")?;
    let (version, _) = rest.split_once('"').context("an answer is cut off")?;
    Ok(version.to_owned())
}

/// Returns a status of about the size of plumb's after a first sync.
fn status(commit: &str) -> Value {
    let attempt = json!({"commit": commit, "inputs": "00000000000000000000000000000000", "generation": 1, "at": TIME});
    let revision = json!({
        "ref": "refs/heads/main", "commit": commit, "author": "Lab <lab@example.com>", "committed": TIME,
        "subject": "Settings for every environment",
    });
    json!({
        "observedGeneration": 1,
        "conditions": [{
            "type": "Ready", "status": "True", "observedGeneration": 1, "lastTransitionTime": TIME,
            "reason": "Applied", "message": format!("applied {commit}, everything is as in Git and healthy"),
        }],
        "lastAttempted": attempt,
        "lastApplied": attempt,
        "inventory": {"objects": OBJECTS, "kinds": ["ConfigMap"], "namespaces": ["floor"], "health": {"Current": OBJECTS}},
        "history": [{"revision": revision, "at": TIME, "tookMs": 100, "result": "Applied", "summary": "4 created"}],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_resource_version_is_found() {
        let answer = Bytes::from_static(br#"{"metadata":{"name":"a","resourceVersion":"1234","uid":"x"}}"#);
        assert_eq!(resource_version(&answer).unwrap(), "1234");
        assert!(resource_version(&Bytes::from_static(b"{}")).is_err());
    }
}
