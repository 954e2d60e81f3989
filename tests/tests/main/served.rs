//! A site whose repository is served over smart HTTP.

use lab::{
    ControlPlane,
    git::{BareRepository, HttpServer, WorkingCopy},
};
use serde_json::{Value, json};
use system_tests::{daemon, site::Site, wait};
use tempfile::TempDir;

/// A site whose Repository `repo` is served over HTTP.
pub(crate) struct Served {
    pub(crate) site: Site,
    pub(crate) server: HttpServer,
    pub(crate) copy: WorkingCopy,
    /// What the server serves.
    pub(crate) bare: BareRepository,
    _folder: TempDir,
}

impl Served {
    pub(crate) fn new(name: &str, credentials: Option<(&str, &str)>) -> Self {
        daemon::shared();
        Self::on(lab::shared(), name, credentials)
    }

    /// As [`Served::new`], on a control plane of one's own.
    pub(crate) fn on(plane: &'static ControlPlane, name: &str, credentials: Option<(&str, &str)>) -> Self {
        let folder = TempDir::new().expect("a folder");
        let bare = BareRepository::create_in(folder.path(), "shop").expect("a repository");
        let copy = WorkingCopy::clone(&bare.url()).expect("a working copy");
        let server = HttpServer::start(folder.path(), credentials).expect("a server");
        Self { site: Site::new(plane, name), server, copy, bare, _folder: folder }
    }

    pub(crate) fn repository(&self, more: Value) {
        let mut spec = json!({ "url": self.server.url("shop"), "interval": "2s", "timeout": "3s" });
        for (key, value) in more.as_object().expect("a map") {
            spec[key] = value.clone();
        }
        self.site.follow(spec);
    }

    pub(crate) fn secret(&self, password: &str) {
        self.site.apply(&json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": { "name": "git", "namespace": self.site.namespace },
            "stringData": { "username": "ada", "password": password },
        }));
    }

    /// Waits until the Repository's Ready condition is this and its message holds the text; returns the message.
    pub(crate) fn wait(&self, status: &str, text: &str) -> String {
        wait::until(&format!("the repository to be {status}: {text}"), || {
            let repository = self.site.get("repositories.plumb.dev", "repo").unwrap_or_default();
            let condition = repository["status"]["conditions"][0].clone();
            let message = condition["message"].as_str().unwrap_or_default().to_owned();
            let met = condition["status"] == status && message.contains(text);
            let current = repository["status"]["observedGeneration"] == repository["metadata"]["generation"];
            if met && current { Ok(message) } else { Err(condition.to_string()) }
        })
    }
}
