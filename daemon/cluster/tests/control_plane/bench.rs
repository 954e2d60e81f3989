//! One namespace of the shared control plane, with objects to put into it.

use std::{collections::BTreeMap, path::Path, time::Duration};

use kube::config::{KubeConfigOptions, Kubeconfig};
use lab::{ControlPlane, proxy::Proxy};
use plumb_cluster::{
    apply::{Applied, Apply, Force, Persistence},
    client::connect,
    cluster::Cluster,
    error::ApiError,
    take::Taken,
    traffic::Listener,
};
use plumb_core::{
    environment::{ApplySetId, EnvironmentName, FieldManager},
    ignore::Ignored,
    kinds::{Kind, Scope},
    object::{Gvk, ObjectKey, PART_OF},
};
use serde_json::{Value, json};

/// How long a condition may take to come true on a busy machine.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

pub(crate) struct Bench {
    pub(crate) plane: &'static ControlPlane,
    pub(crate) cluster: Cluster,
    pub(crate) namespace: String,
}

pub(crate) async fn cluster_of(kubeconfig: &Path) -> Cluster {
    heard_cluster_of(kubeconfig, None).await
}

async fn heard_cluster_of(kubeconfig: &Path, listener: Option<Listener>) -> Cluster {
    let kubeconfig = Kubeconfig::read_from(kubeconfig).unwrap();
    let mut config = kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
    config.proxy_url = None;
    let connections = connect(config, 7).unwrap();
    Cluster::new(match listener {
        Some(listener) => connections.heard_by(listener),
        None => connections,
    })
}

pub(crate) async fn bench(name: &str) -> Bench {
    bench_on(lab::shared(), name).await
}

/// A namespace of another control plane than the one that all share.
pub(crate) async fn bench_on(plane: &'static ControlPlane, name: &str) -> Bench {
    let cluster = cluster_of(plane.kubeconfig()).await;
    let namespace = lab::namespace(name);
    plane.kubectl(&["create", "namespace", &namespace]).unwrap();
    Bench { plane, cluster, namespace }
}

pub(crate) fn environment(name: &str) -> EnvironmentName {
    EnvironmentName::new("team", name)
}

pub(crate) fn id(name: &str) -> ApplySetId {
    environment(name).applyset_id()
}

pub(crate) fn manager(name: &str) -> FieldManager {
    id(name).manager()
}

pub(crate) fn kind(api_version: &str, kind: &str, plural: &str, scope: Scope) -> Kind {
    Kind { gvk: Gvk::new(api_version, kind), plural: plural.to_owned(), scope, watchable: true, defined_by: None }
}

pub(crate) fn config_map() -> Kind {
    kind("v1", "ConfigMap", "configmaps", Scope::Namespaced)
}

pub(crate) fn deployment() -> Kind {
    kind("apps/v1", "Deployment", "deployments", Scope::Namespaced)
}

/// Returns a cluster behind a proxy, not yet connected; who listens hears what it exchanges.
pub(crate) async fn behind_a_proxy(bench: &Bench, listener: Option<Listener>) -> (Proxy, Cluster) {
    let server = bench.plane.server();
    let proxy = Proxy::start(server.trim_start_matches("https://").parse().unwrap()).unwrap();
    let text = std::fs::read_to_string(bench.plane.kubeconfig()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let kubeconfig = folder.path().join("kubeconfig");
    std::fs::write(&kubeconfig, text.replace(&server, &format!("https://{}", proxy.address()))).unwrap();
    (proxy, heard_cluster_of(&kubeconfig, listener).await)
}

impl Bench {
    pub(crate) fn key(&self, kind: &Kind, name: &str) -> ObjectKey {
        ObjectKey {
            group: kind.gvk.group.clone(),
            kind: kind.gvk.kind.clone(),
            namespace: (kind.scope == Scope::Namespaced).then(|| self.namespace.clone()),
            name: name.to_owned(),
        }
    }

    /// A ConfigMap without an owner.
    pub(crate) fn plain(&self, name: &str, data: Value) -> Value {
        let metadata = json!({ "name": name, "namespace": self.namespace });
        json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data })
    }

    /// A ConfigMap of an environment.
    pub(crate) fn owned(&self, environment: &str, name: &str, data: Value) -> Value {
        labelled(self.plain(name, data), environment)
    }

    pub(crate) async fn apply(&self, environment: &str, object: &Value, force: Force) -> Result<Applied, ApiError> {
        self.apply_kind(&config_map(), environment, object, force).await
    }

    /// Applies an object of any kind, into the namespace that it names.
    pub(crate) async fn apply_kind(
        &self,
        kind: &Kind,
        environment: &str,
        object: &Value,
        force: Force,
    ) -> Result<Applied, ApiError> {
        let mut key = self.key(kind, name_of(object));
        key.namespace = object["metadata"]["namespace"].as_str().map(str::to_owned);
        let manager = manager(environment);
        let persistence = Persistence::Stored;
        let ignored = &Ignored::default();
        self.cluster.apply(&Apply { kind, key: &key, object, ignored, manager: &manager, force, persistence }).await
    }

    /// Applies a ConfigMap for the first time, among these living environments.
    pub(crate) async fn take(&self, environment: &str, object: &Value, living: &[&str]) -> Result<Taken, ApiError> {
        let (kind, key) = (config_map(), self.key(&config_map(), name_of(object)));
        let own = manager(environment);
        let apply = Apply {
            kind: &kind,
            key: &key,
            object,
            ignored: &Ignored::default(),
            manager: &own,
            force: Force::No,
            persistence: Persistence::Stored,
        };
        let living: BTreeMap<_, _> =
            living.iter().map(|name| (manager(name), crate::bench::environment(name))).collect();
        self.cluster.take(&apply, &living).await
    }

    pub(crate) async fn get(&self, name: &str) -> Value {
        let key = self.key(&config_map(), name);
        self.cluster.get(&config_map(), &key).await.unwrap().expect("it exists")
    }

    pub(crate) fn kubectl(&self, arguments: &[&str]) -> String {
        let namespaced = [&["-n", &self.namespace], arguments].concat();
        self.plane.kubectl(&namespaced).unwrap()
    }

    pub(crate) fn kubectl_apply(&self, object: &Value) {
        self.plane.kubectl_with_input(&["apply", "-f", "-"], &object.to_string()).unwrap();
    }
}

pub(crate) fn labelled(mut object: Value, environment: &str) -> Value {
    object["metadata"]["labels"][PART_OF] = json!(id(environment).as_str());
    object
}

pub(crate) fn name_of(object: &Value) -> &str {
    object["metadata"]["name"].as_str().unwrap()
}

/// The managers that an object names, with their operation.
pub(crate) fn managers(object: &Value) -> Vec<String> {
    let entries = object["metadata"]["managedFields"].as_array().map(Vec::as_slice).unwrap_or_default();
    let word =
        |entry: &Value| format!("{} {}", entry["manager"].as_str().unwrap(), entry["operation"].as_str().unwrap());
    entries.iter().map(word).collect()
}

/// Repeats until a condition holds.
pub(crate) async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let found = tokio::time::timeout(DEADLINE, async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    found.await.unwrap_or_else(|_| panic!("{what}: not within a minute"))
}
