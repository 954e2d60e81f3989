//! Environments to measure with: a namespace, a Repository on this machine, and a commit that can appear at once.

use std::time::Duration;

use anyhow::ensure;
use lab::{
    git::{BareRepository, WorkingCopy},
    namespace,
};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::server::Server;

/// Objects of one environment.
pub(super) const OBJECTS: u32 = 4;
/// The branch that plumb follows.
const BRANCH: &str = "refs/heads/main";
/// The branch on which a commit waits.
const STAGED: &str = "refs/heads/staged";
/// Environments made at once.
const MADE_AT_ONCE: usize = 16;
/// Between two looks at whether the definitions are there.
const PAUSE: Duration = Duration::from_millis(100);
/// The API of plumb's resources.
const PLUMB_API: &str = "/apis/plumb.dev/v1alpha1";

/// Environments of one namespace, which is also where their objects go.
pub(super) struct Site {
    pub(super) namespace: String,
    pub(super) environments: Vec<String>,
    repository: BareRepository,
    copy: WorkingCopy,
}

/// Fields beside those that every site has.
#[derive(Default)]
pub(super) struct Specs {
    /// Of the Repository.
    pub(super) repository: Value,
    /// Of each Environment.
    pub(super) environment: Value,
}

impl Site {
    /// Waits until plumb's resources can be made.
    pub(super) async fn can_be_laid(admin: &Server) -> anyhow::Result<()> {
        for kind in ["repositories", "environments"] {
            while admin.get(&format!("{PLUMB_API}/{kind}")).await.is_err() {
                tokio::time::sleep(PAUSE).await;
            }
        }
        Ok(())
    }

    /// Makes a namespace, a Repository without manifests, and environments whose paths do not exist yet.
    pub(super) async fn lay(admin: &Server, prefix: &str, environments: u32) -> anyhow::Result<Self> {
        Self::lay_with(admin, prefix, environments, Specs::default()).await
    }

    /// Does the same, with more fields in the specs.
    pub(super) async fn lay_with(
        admin: &Server,
        prefix: &str,
        environments: u32,
        specs: Specs,
    ) -> anyhow::Result<Self> {
        let namespace = namespace(prefix);
        let repository = BareRepository::create()?;
        repository.git(&["symbolic-ref", "HEAD", BRANCH])?;
        let copy = WorkingCopy::clone(&repository.url())?;
        copy.git(&["symbolic-ref", "HEAD", BRANCH])?;
        copy.commit_and_push(&[("README.md", "Environments to measure with.\n")], "No manifests yet")?;
        let environments = (0..environments).map(|number| format!("e{number:04}")).collect();
        let site = Self { namespace, environments, repository, copy };
        site.make(admin, specs).await?;
        Ok(site)
    }

    async fn make(&self, admin: &Server, specs: Specs) -> anyhow::Result<()> {
        let Self { namespace, .. } = self;
        let object = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}});
        admin.apply(&format!("/api/v1/namespaces/{namespace}"), &object).await?;
        let mut repository = json!({
            "apiVersion": "plumb.dev/v1alpha1", "kind": "Repository",
            "metadata": {"name": "environments", "namespace": namespace},
            "spec": {"url": self.repository.url(), "ref": {"branch": "main"}},
        });
        merge(&mut repository["spec"], &specs.repository);
        admin.apply(&format!("{PLUMB_API}/namespaces/{namespace}/repositories/environments"), &repository).await?;
        let mut making = JoinSet::new();
        for name in &self.environments {
            let mut environment = json!({
                "apiVersion": "plumb.dev/v1alpha1", "kind": "Environment",
                "metadata": {"name": name, "namespace": namespace},
                "spec": {"repository": "environments", "path": format!("environments/{name}"),
                         "target": {"namespace": namespace}},
            });
            merge(&mut environment["spec"], &specs.environment);
            let (admin, path) = (admin.clone(), self.environment(name));
            making.spawn(async move { admin.apply(&path, &environment).await });
            if making.len() == MADE_AT_ONCE
                && let Some(made) = making.join_next().await
            {
                made??;
            }
        }
        while let Some(made) = making.join_next().await {
            made??;
        }
        Ok(())
    }

    /// Returns the path of an Environment at the API server.
    pub(super) fn environment(&self, name: &str) -> String {
        format!("{}/{name}", self.environments_path())
    }

    /// Returns the path of all Environments of this site at the API server.
    pub(super) fn environments_path(&self) -> String {
        format!("{PLUMB_API}/namespaces/{}/environments", self.namespace)
    }

    /// Returns the path of the ConfigMaps of this site at the API server.
    pub(super) fn objects_path(&self) -> String {
        format!("/api/v1/namespaces/{}/configmaps", self.namespace)
    }

    /// Brings a commit with every object into the repository, on a branch that nobody follows; returns its id.
    pub(super) fn stage(&self) -> anyhow::Result<String> {
        let mut files = Vec::new();
        for name in &self.environments {
            for number in 0..OBJECTS {
                let text = serde_json::to_string_pretty(&object(name, number))?;
                files.push((format!("environments/{name}/settings-{number}.json"), text));
            }
        }
        let borrowed: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
        let commit = self.copy.commit(&borrowed, "Settings for every environment")?;
        self.copy.git(&["push", "--quiet", "origin", &format!("HEAD:{STAGED}")])?;
        Ok(commit)
    }

    /// Brings a commit onto the branch that is followed, from wherever that is now; returns its id.
    pub(super) fn push(&self, files: &[(&str, &str)], message: &str) -> anyhow::Result<String> {
        self.copy.git(&["pull", "--quiet", "--ff-only", "origin", BRANCH])?;
        Ok(self.copy.commit_and_push(files, message)?)
    }

    /// Returns the commit of the branch that is followed.
    pub(super) fn head(&self) -> anyhow::Result<String> {
        Ok(self.repository.git(&["rev-parse", BRANCH])?)
    }

    /// Moves the followed branch to the staged commit: from here on there is something to do.
    pub(super) fn reveal(&self) -> anyhow::Result<()> {
        self.repository.git(&["update-ref", BRANCH, STAGED])?;
        Ok(())
    }

    /// Fails unless the cluster holds every object of this site.
    pub(super) async fn is_complete(&self, admin: &Server) -> anyhow::Result<()> {
        let list = admin.get_value(&format!("{}?labelSelector=app", self.objects_path())).await?;
        let found = list["items"].as_array().map_or(0, Vec::len);
        let expected = self.environments.len() * OBJECTS as usize;
        ensure!(found == expected, "{found} of {expected} objects are in the cluster");
        Ok(())
    }

    /// Waits until no Environment is left: one whose records are notes goes when they are published.
    pub(super) async fn is_empty(&self, admin: &Server) -> anyhow::Result<()> {
        while !admin.get_value(&self.environments_path()).await?["items"].as_array().is_none_or(Vec::is_empty) {
            tokio::time::sleep(PAUSE).await;
        }
        Ok(())
    }

    /// Removes what a later measurement would have to carry along.
    pub(super) async fn clear(&self, admin: &Server) -> anyhow::Result<()> {
        admin.delete_all(&self.environments_path()).await?;
        admin.delete_all(&format!("{PLUMB_API}/namespaces/{}/repositories", self.namespace)).await?;
        admin.delete_all(&self.objects_path()).await
    }
}

fn merge(spec: &mut Value, more: &Value) {
    for (field, value) in more.as_object().into_iter().flatten() {
        spec[field] = value.clone();
    }
}

/// Returns the name of an object.
pub(super) fn object_name(environment: &str, number: u32) -> String {
    format!("{environment}-{number}")
}

/// Returns an object of some 200 bytes as it stands in Git.
pub(super) fn object(environment: &str, number: u32) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": object_name(environment, number), "labels": {"app": environment}},
        "data": {"greeting": "hello", "environment": environment, "level": "info", "number": number.to_string()},
    })
}
