//! Questions whether a tool is ready, asked over HTTP.

use std::time::Duration;

use k8s_openapi::api::core::v1::{Namespace, Node, ServiceAccount};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};
use serde_json::{Value, json};

use super::layout::Layout;
use crate::node;

/// How long one question may take: a tool that is starting answers late, and is simply asked again.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The controllers' part in a cluster being ready: every namespace gets this service account.
const SERVICE_ACCOUNT: &str = "default";

/// Why a client for questions can't be made.
#[derive(Debug, thiserror::Error)]
pub(super) enum ProbeError {
    #[error("an address that was just put together is no URL")]
    Url(#[from] http::uri::InvalidUri),
    #[error("the kubeconfig that was just written can't be read")]
    Kubeconfig(#[from] kube::config::KubeconfigError),
    #[error("a client can't be made")]
    Client(#[from] Box<kube::Error>),
}

/// Returns a client with the administrator's rights.
pub(super) async fn admin(layout: &Layout) -> Result<Client, ProbeError> {
    let kubeconfig = Kubeconfig::read_from(layout.admin())?;
    client(Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?)
}

/// Returns a client without any rights, for the health of one tool.
pub(super) fn anonymous(url: &str, authority: &[u8]) -> Result<Client, ProbeError> {
    let mut config = Config::new(url.parse()?);
    config.root_cert = Some(vec![authority.to_vec()]);
    client(config)
}

fn client(mut config: Config) -> Result<Client, ProbeError> {
    config.default_retry = false;
    // The user's HTTPS_PROXY has no way to this machine's loopback.
    config.proxy_url = None;
    config.connect_timeout = Some(TIMEOUT);
    config.read_timeout = Some(TIMEOUT);
    Client::try_from(config).map_err(|error| ProbeError::Client(Box::new(error)))
}

/// Returns whether a path answers with success.
pub(super) async fn answers(client: &Client, path: &str) -> bool {
    let Ok(request) = http::Request::get(path).body(Vec::new()) else { return false };
    client.request_text(request).await.is_ok()
}

/// Compacts etcd at its newest revision, through its JSON gateway.
pub(super) async fn compact(store: &Client) -> kube::Result<()> {
    // Any key will do: the answer's head has the revision.
    let head = post(store, "/v3/kv/range", &json!({ "key": "AA==" })).await?;
    let revision = head["header"]["revision"].clone();
    post(store, "/v3/kv/compaction", &json!({ "revision": revision, "physical": true })).await.map(drop)
}

async fn post(client: &Client, path: &str, body: &Value) -> kube::Result<Value> {
    let request = http::Request::post(path).body(body.to_string().into_bytes());
    client.request(request.map_err(kube::Error::HttpError)?).await
}

/// Returns whether the namespace `default` is there; the API server makes it a moment after it reports ready.
pub(super) async fn has_default_namespace(client: &Client) -> bool {
    Api::<Namespace>::all(client.clone()).get("default").await.is_ok()
}

/// Returns whether the controllers have done what they do for every namespace.
pub(super) async fn has_service_account(client: &Client) -> bool {
    Api::<ServiceAccount>::namespaced(client.clone(), "default").get(SERVICE_ACCOUNT).await.is_ok()
}

/// Returns whether the node is ready and takes Pods.
pub(super) async fn node_takes_pods(client: &Client) -> bool {
    let Ok(node) = Api::<Node>::all(client.clone()).get(node::NAME).await else { return false };
    let conditions = node.status.and_then(|status| status.conditions).unwrap_or_default();
    let ready = conditions.iter().any(|condition| condition.type_ == "Ready" && condition.status == "True");
    ready && node.spec.and_then(|spec| spec.taints).unwrap_or_default().is_empty()
}
