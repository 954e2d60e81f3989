//! `--bootstrap DIR`: plumb's own CustomResourceDefinitions, then the YAML files of a directory, applied as manager
//! `plumb-bootstrap`; changes of the directory are followed. What disappears from it is left alone, never pruned.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, bail};
use plumb_cluster::{
    apply::{Apply, Force, Persistence},
    cluster::Cluster,
    tenure::Tenure,
};
use plumb_core::{
    commit::RepoPath,
    environment::FieldManager,
    ignore::Ignored,
    kinds::{Kinds, Scope},
    object::{Gvk, Manifest, ObjectKey, Origin},
    order::Rank,
    presence::Presence,
    problem::Problem,
};
use plumb_git::watch::DirectoryWatch;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::{act::ESTABLISHED_WITHIN, chain::chain, run, tenures::Tenures};

/// The field manager that writes what is bootstrapped.
const MANAGER: &str = "plumb-bootstrap";
/// How often a replica that stands by looks whether another one has installed the definitions.
const SERVED_AFTER: Duration = Duration::from_secs(1);
/// Namespace of objects that name none, as kubectl does without a context's namespace.
const NAMESPACE: &str = "default";

/// How often a directory is applied that can't be watched: an apply that changes nothing costs the API server little.
const UNWATCHED_EVERY: Duration = Duration::from_secs(60);

/// A directory that was applied once.
pub(crate) struct Bootstrap {
    directory: PathBuf,
    /// Absent where the system has no more watches to give: the directory is looked at from time to time then.
    watch: Option<DirectoryWatch>,
    tenures: Tenures,
    /// What was said to be applied: the manifest, and the generation that it led to.
    said: BTreeMap<ObjectKey, (Arc<Value>, Option<i64>)>,
}

/// Installs plumb's definitions and applies the directory, if this replica has the lease; every problem of every file is
/// in the error. A replica that stands by waits until the definitions are there.
pub(crate) async fn start(cluster: &Cluster, tenures: &Tenures, directory: &Path) -> anyhow::Result<Bootstrap> {
    if !directory.is_dir() {
        bail!("--bootstrap {}: not a directory", directory.display());
    }
    // The watch starts first, so that no change between reading and watching is missed.
    let watch = DirectoryWatch::new(directory);
    let watch = watch.inspect_err(|error| tracing::warn!("--bootstrap: {}", chain(error))).ok();
    let (directory, said) = (directory.to_owned(), BTreeMap::new());
    let mut bootstrap = Bootstrap { directory, watch, tenures: tenures.clone(), said };
    bootstrap.tenures.decided().await;
    loop {
        if let Some(tenure) = bootstrap.tenure() {
            match bootstrap.install_and_apply(&cluster.during(&tenure)).await {
                // Somebody else does it now.
                Err(_) if !tenure.is_valid() => {}
                Err(error) => return Err(anyhow::anyhow!("--bootstrap: {error:#}")),
                Ok(()) => return Ok(bootstrap),
            }
        }
        if run::feeds::serves_own_kinds(cluster).await? {
            return Ok(bootstrap);
        }
        tokio::select! {
            () = bootstrap.tenures.changed() => {}
            () = tokio::time::sleep(SERVED_AFTER) => {}
        }
    }
}

impl Bootstrap {
    /// Applies the directory again whenever it changes, and when this replica gets the lease; what is wrong then is
    /// logged, and the daemon goes on.
    pub(crate) async fn run(mut self, cluster: Cluster, stop: CancellationToken) -> anyhow::Result<()> {
        let mut last = self.tenure();
        loop {
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                () = changed(self.watch.as_mut()) => last = None,
                () = self.tenures.changed() => {}
            }
            let Some(tenure) = self.tenure() else { continue };
            if last.as_ref() == Some(&tenure) {
                continue;
            }
            if let Err(error) = self.install_and_apply(&cluster.during(&tenure)).await {
                format!("{error:#}").lines().for_each(|line| tracing::error!("--bootstrap {line}"));
            }
            last = Some(tenure);
        }
    }

    fn tenure(&self) -> Option<Tenure> {
        self.tenures.of(self.tenures.cluster_shard())
    }

    async fn install_and_apply(&mut self, cluster: &Cluster) -> anyhow::Result<()> {
        install(cluster).await.context("plumb's CustomResourceDefinitions could not be installed")?;
        let problems = self.apply(cluster).await?;
        if !problems.is_empty() {
            let lines = problems.iter().map(|problem| format!("{}/{problem}", self.directory.display()));
            bail!("{}", lines.collect::<Vec<_>>().join("\n"));
        }
        Ok(())
    }

    async fn apply(&mut self, cluster: &Cluster) -> anyhow::Result<Vec<Problem>> {
        let path = self.directory.clone();
        let rendered = tokio::task::spawn_blocking(move || {
            let tree = plumb_git::directory::read(&path)?;
            if !tree.problems.is_empty() {
                return Ok(Err(tree.problems));
            }
            Ok::<_, plumb_git::error::GitError>(plumb_render::plain::render(&tree))
        });
        let mut manifests = match rendered.await?? {
            Ok(manifests) => manifests,
            Err(problems) => return Ok(problems),
        };
        manifests.sort_by_key(|manifest| (Rank::of(&manifest.gvk.group_kind()), manifest.key.clone()));
        let kinds = cluster.kinds().await?;
        let mut problems = Vec::new();
        for manifest in &manifests {
            match apply_one(cluster, &kinds, manifest).await {
                Ok(generation) => self.say(manifest, generation),
                Err(problem) => problems.push(problem),
            }
        }
        Ok(problems)
    }

    /// Logs that an object is as its file says, unless nothing has changed since that was logged.
    fn say(&mut self, manifest: &Manifest, generation: Option<i64>) {
        let now = (Arc::clone(&manifest.value), generation);
        if self.said.get(&manifest.key) != Some(&now) {
            tracing::info!("--bootstrap: {} is as in {}/{}", manifest.key, self.directory.display(), manifest.origin);
            self.said.insert(manifest.key.clone(), now);
        }
    }
}

/// Applies plumb's own definitions and waits until they are served.
async fn install(cluster: &Cluster) -> anyhow::Result<()> {
    let kinds = cluster.kinds().await?;
    let origin = Origin { file: RepoPath::parse("plumb")?, line: 0, column: 0 };
    for definition in plumb_api::definitions() {
        let name = definition.metadata.name.clone().unwrap_or_default();
        let mut value = serde_json::to_value(&definition)?;
        value["apiVersion"] = "apiextensions.k8s.io/v1".into();
        value["kind"] = "CustomResourceDefinition".into();
        let gvk = Gvk::new("apiextensions.k8s.io/v1", "CustomResourceDefinition");
        let key = ObjectKey { group: gvk.group.clone(), kind: gvk.kind.clone(), namespace: None, name: name.clone() };
        let manifest = Manifest { gvk, key, value: Arc::new(value), origin: origin.clone() };
        apply_one(cluster, &kinds, &manifest).await.map_err(|problem| anyhow::anyhow!("{problem}"))?;
        cluster.established(&name, ESTABLISHED_WITHIN).await?;
    }
    Ok(())
}

/// Waits until the directory may have changed.
async fn changed(watch: Option<&mut DirectoryWatch>) {
    match watch {
        Some(watch) => watch.changed().await,
        None => tokio::time::sleep(UNWATCHED_EVERY).await,
    }
}

/// Applies an object and returns the generation that it has now, if its kind counts them.
async fn apply_one(cluster: &Cluster, kinds: &Kinds, manifest: &Manifest) -> Result<Option<i64>, Problem> {
    let problem = |message: String, remedy: &str| Problem {
        origin: manifest.origin.clone(),
        message: format!("{}: {message}", manifest.key),
        remedy: remedy.to_owned(),
    };
    let Presence::Present(kind) = kinds.find(&manifest.gvk) else {
        return Err(problem(format!("the cluster does not serve {}", manifest.gvk), "check apiVersion and kind"));
    };
    let mut key = manifest.key.clone();
    let mut value = manifest.value.as_ref().clone();
    match kind.scope {
        Scope::Cluster => key.namespace = None,
        Scope::Namespaced => {
            let namespace = key.namespace.get_or_insert_with(|| NAMESPACE.to_owned());
            value["metadata"]["namespace"] = namespace.as_str().into();
        }
    }
    let manager = FieldManager::new(MANAGER);
    let request = Apply {
        kind,
        key: &key,
        object: &value,
        ignored: &Ignored::default(),
        manager: &manager,
        force: Force::Yes,
        persistence: Persistence::Stored,
    };
    match cluster.apply(&request).await {
        Ok(applied) => Ok(applied.object["metadata"]["generation"].as_i64()),
        // The error names the object.
        Err(error) => Err(Problem { message: chain(&error), ..problem(String::new(), "") }),
    }
}
