//! Finding the cluster: kubeconfig and context as kubectl finds them, or the Pod's own service account.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use kube::config::{Config, KubeConfigOptions, Kubeconfig};

/// Returns the configuration of a client.
pub(crate) async fn config(kubeconfig: Option<&Path>, context: Option<&str>) -> anyhow::Result<Config> {
    let mut config = find(kubeconfig, context).await?;
    // A proxy in the environment is meant for what is far away.
    if config.cluster_url.host().is_some_and(|host| matches!(host, "localhost" | "127.0.0.1" | "[::1]")) {
        config.proxy_url = None;
    }
    Ok(config)
}

async fn find(kubeconfig: Option<&Path>, context: Option<&str>) -> anyhow::Result<Config> {
    let options = KubeConfigOptions { context: context.map(str::to_owned), ..KubeConfigOptions::default() };
    if let Some(file) = kubeconfig {
        let read =
            Kubeconfig::read_from(file).with_context(|| format!("cannot read the kubeconfig {}", file.display()))?;
        let config = Config::from_custom_kubeconfig(read, &options).await;
        return config.with_context(|| format!("the kubeconfig {} can't be used", file.display()));
    }
    if context.is_some() {
        return Config::from_kubeconfig(&options)
            .await
            .context("the kubeconfig can't be used: see kubectl config get-contexts");
    }
    Config::infer().await.context("no cluster is known: pass --kubeconfig FILE or set KUBECONFIG")
}

/// Where a Pod finds the namespace that it runs in.
const POD_NAMESPACE: &str = "/var/run/secrets/kubernetes.io/serviceaccount/namespace";
/// Where plumb is installed.
const INSTALLED_IN: &str = "plumb-system";

/// Returns the namespace that plumb itself is in: so that all its replicas agree, outside of Pods the one where
/// `manifests/` put it.
pub(crate) fn own_namespace() -> String {
    let of_pod = std::fs::read_to_string(POD_NAMESPACE).map(|namespace| namespace.trim().to_owned());
    of_pod.ok().filter(|namespace| !namespace.is_empty()).unwrap_or_else(|| INSTALLED_IN.to_owned())
}

/// Returns the folder for a user's caches (XDG Base Directory Specification).
pub(crate) fn cache_directory() -> Option<PathBuf> {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")))
}
