//! A minimal HTTP/2 client of the API server: what the floors are measured with.
//!
//! One connection, no layers, no retries, nothing parsed that nobody asks for. It must stay so: whatever it does is
//! part of what plumb is compared with.

use std::{path::Path, time::Duration};

use anyhow::{Context as _, bail};
use bytes::{Bytes, BytesMut};
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full, combinators::UnsyncBoxBody};
use hyper_rustls::HttpsConnector;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use kube::{
    Config,
    client::ConfigExt as _,
    config::{KubeConfigOptions, Kubeconfig},
};
use serde_json::Value;

/// Server-side apply; JSON is YAML.
pub(super) const APPLY: &str = "application/apply-patch+yaml";
/// RFC 7386.
pub(super) const MERGE: &str = "application/merge-patch+json";
/// Everything else.
pub(super) const JSON: &str = "application/json";

/// The API server itself gives up after 60 s; a measurement that waits longer has hung.
const ANSWER_WITHIN: Duration = Duration::from_secs(90);

/// The API server, as one user, over one connection.
#[derive(Clone)]
pub(super) struct Server {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    base: String,
}

impl Server {
    /// Connects as the user of a kubeconfig.
    pub(super) async fn connect(kubeconfig: &Path) -> anyhow::Result<Self> {
        let read = Kubeconfig::read_from(kubeconfig)?;
        let config = Config::from_custom_kubeconfig(read, &KubeConfigOptions::default()).await?;
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        http.set_nodelay(true);
        let mut tls = config.rustls_client_config()?;
        // The connector sets ALPN itself, and insists on finding none.
        tls.alpn_protocols.clear();
        let https = hyper_rustls::HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http2();
        let client = Client::builder(TokioExecutor::new())
            .http2_only(true)
            .http2_adaptive_window(true)
            .build(https.wrap_connector(http));
        let server = Self { client, base: config.cluster_url.to_string().trim_end_matches('/').to_owned() };
        // The handshake belongs to no measurement.
        server.get("/version").await?;
        Ok(server)
    }

    /// Reads.
    pub(super) async fn get(&self, path: &str) -> anyhow::Result<Bytes> {
        Ok(self.send(Method::GET, path, JSON, Bytes::new()).await?.1)
    }

    /// Reads JSON.
    pub(super) async fn get_value(&self, path: &str) -> anyhow::Result<Value> {
        Ok(serde_json::from_slice(&self.get(path).await?)?)
    }

    /// Sends a request and reads its answer to the end; an answer that is no success is an error.
    pub(super) async fn send(
        &self,
        method: Method,
        path: &str,
        content_type: &'static str,
        body: Bytes,
    ) -> anyhow::Result<(StatusCode, Bytes)> {
        let what = format!("{method} {path}");
        let request = Request::builder().method(method).uri(format!("{}{path}", self.base));
        let request = request.header("content-type", content_type).header("accept", JSON).body(Full::new(body))?;
        let exchange = async {
            let answer = self.client.request(request).await?;
            anyhow::Ok((answer.status(), answer.into_body().collect().await?.to_bytes()))
        };
        let answered = tokio::time::timeout(ANSWER_WITHIN, exchange).await.map_err(anyhow::Error::from);
        let (status, body) = answered.flatten().with_context(|| what.clone())?;
        if !status.is_success() {
            bail!("{what}: {status}: {}", String::from_utf8_lossy(&body));
        }
        Ok((status, body))
    }

    /// Applies an object as the administrator of the measurements would.
    pub(super) async fn apply(&self, path: &str, object: &Value) -> anyhow::Result<()> {
        let path = format!("{path}?fieldManager=bench&force=true");
        self.send(Method::PATCH, &path, APPLY, Bytes::from(object.to_string())).await.map(drop)
    }

    /// Deletes everything of a collection.
    pub(super) async fn delete_all(&self, path: &str) -> anyhow::Result<()> {
        self.send(Method::DELETE, path, JSON, Bytes::new()).await.map(drop)
    }

    /// Opens a watch; its first events are what there is already.
    ///
    /// Events that nobody reads use up the window of the connection: watches need another one than requests.
    pub(super) async fn watch(&self, path: &str) -> anyhow::Result<Lines> {
        let request = Request::get(format!("{}{path}", self.base)).body(Full::new(Bytes::new()))?;
        let answer = self.client.request(request).await?;
        if !answer.status().is_success() {
            bail!("GET {path}: {}", answer.status());
        }
        let body = answer.into_body().map_err(anyhow::Error::from).boxed_unsync();
        Ok(Lines { body, rest: BytesMut::new() })
    }
}

/// The lines of a watch, one event each.
pub(super) struct Lines {
    body: UnsyncBoxBody<Bytes, anyhow::Error>,
    rest: BytesMut,
}

impl Lines {
    /// Waits for the next line.
    pub(super) async fn next(&mut self) -> anyhow::Result<Bytes> {
        let mut searched = 0;
        loop {
            if let Some(end) = self.rest[searched..].iter().position(|byte| *byte == b'\n') {
                let mut line = self.rest.split_to(searched + end + 1).freeze();
                line.truncate(line.len() - 1);
                return Ok(line);
            }
            searched = self.rest.len();
            let frame = self.body.frame().await.context("the API server ended a watch")??;
            if let Ok(data) = frame.into_data() {
                self.rest.extend_from_slice(&data);
            }
        }
    }
}
