//! Connections to one API server over HTTP/2.
//!
//! Owns: one connection for requests and others for watches, which would else use up its streams; TLS, authentication,
//! keep-alive. May touch: the network. Must never do: retry (`request` does), or decode an answer.

use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use http::{Request, Response};
use hyper_util::{
    client::legacy::{Client as Hyper, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use kube::{
    Client, Config,
    client::{Body, ConfigExt},
};
use tower::{BoxError, ServiceBuilder};
use tower_http::decompression::DecompressionLayer;

use crate::{
    tenure::GatedBody,
    traffic::{Listener, Traffic},
};

/// Watches on one connection: kube-apiserver allows 100 streams on each and silently queues what is above.
pub const WATCHES_PER_CONNECTION: usize = 64;
/// How long a TCP connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long the head of any answer may take, that of a watch too; lists of large kinds take several seconds.
pub(crate) const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// How often an idle connection is asked whether it lives.
const PING_INTERVAL: Duration = Duration::from_secs(20);
/// How long its answer may take: with the interval, a dead connection is noticed within half a minute.
const PING_TIMEOUT: Duration = Duration::from_secs(10);

/// Marks a request whose answer may begin as late as it likes: that of a log begins with the first words of the container. The pings
/// find out when the connection is dead.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patient;

/// A configuration from which no connection can be made.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The certificates or keys can't be used.
    #[error(
        "the TLS certificates of the kubeconfig cannot be used; check certificate-authority and client-certificate"
    )]
    Tls(#[source] kube::Error),
    /// The credentials can't be used.
    #[error("the credentials of the kubeconfig cannot be used; check its user")]
    Credentials(#[source] kube::Error),
    /// The name to verify the certificate against is none.
    #[error("tls-server-name {0:?} of the kubeconfig is not a host name; correct it")]
    ServerName(String),
    /// A proxy is configured.
    #[error("a proxy for the API server is configured, which plumb does not speak; connect without one")]
    Proxy,
}

/// The clients of one API server: one for requests, and as many for watches as they need.
#[derive(Clone)]
pub struct Connections {
    requests: Client,
    watches: Arc<Watching>,
    listener: Option<Listener>,
}

struct Watching {
    open: Box<dyn Fn() -> Client + Send + Sync>,
    clients: Mutex<Vec<(Client, usize)>>,
    seeds: AtomicU64,
}

impl fmt::Debug for Connections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connections").finish_non_exhaustive()
    }
}

impl Connections {
    /// Makes all requests and watches with one client, whatever is behind it: a simulation, or a client of one's own.
    pub fn over(client: Client, seed: u64) -> Self {
        let shared = client.clone();
        Self::new(client, Box::new(move || shared.clone()), seed)
    }

    fn new(requests: Client, open: Box<dyn Fn() -> Client + Send + Sync>, seed: u64) -> Self {
        let watches = Watching { open, clients: Mutex::new(Vec::new()), seeds: AtomicU64::new(seed) };
        Self { requests, watches: Arc::new(watches), listener: None }
    }

    /// Has somebody hear of the traffic from now on.
    pub fn heard_by(self, listener: Listener) -> Self {
        Self { listener: Some(listener), ..self }
    }

    pub(crate) fn tell(&self, traffic: Traffic) {
        if let Some(listener) = &self.listener {
            listener(traffic);
        }
    }

    /// Returns the client for everything but watches.
    pub fn requests(&self) -> &Client {
        &self.requests
    }

    /// Returns a client with room for one more watch; the room is taken until the lease is dropped.
    pub(crate) fn lease_watch(&self) -> WatchLease {
        let mut clients = self.watches.clients.lock().unwrap_or_else(PoisonError::into_inner);
        let place = clients.iter().position(|(_, used)| *used < WATCHES_PER_CONNECTION).unwrap_or_else(|| {
            clients.push(((self.watches.open)(), 0));
            clients.len() - 1
        });
        clients[place].1 += 1;
        WatchLease { client: clients[place].0.clone(), place, watches: Arc::clone(&self.watches) }
    }

    /// Returns a seed that was not returned before; equal calls in equal order give equal seeds.
    pub(crate) fn seed(&self) -> u64 {
        // An odd step far from 1 keeps the sequences of neighbouring seeds apart.
        self.watches.seeds.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed)
    }
}

/// A client with room for one watch.
pub(crate) struct WatchLease {
    pub(crate) client: Client,
    place: usize,
    watches: Arc<Watching>,
}

impl Drop for WatchLease {
    fn drop(&mut self) {
        let mut clients = self.watches.clients.lock().unwrap_or_else(PoisonError::into_inner);
        clients[self.place].1 = clients[self.place].1.saturating_sub(1);
    }
}

/// Makes the connections of a configuration; `seed` is where the jitter of all waits comes from.
///
/// *Guarantees:* nothing is sent yet. *Assumptions:* runs inside a tokio runtime.
///
/// # Errors
/// A configuration whose certificates, credentials or proxy can't be used.
pub fn connect(config: Config, seed: u64) -> Result<Connections, ConnectError> {
    if config.proxy_url.is_some() {
        return Err(ConnectError::Proxy);
    }
    let requests = open(&config)?;
    let spare = requests.clone();
    // The same configuration was good a moment ago; should a file it names have gone since, share the connection.
    let watching = Box::new(move || open(&config).unwrap_or_else(|_| spare.clone()));
    Ok(Connections::new(requests, watching, seed))
}

/// Opens one more HTTP/2 connection (when it is first used).
fn open(config: &Config) -> Result<Client, ConnectError> {
    let mut connector = HttpConnector::new();
    connector.enforce_http(false);
    connector.set_nodelay(true);
    connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
    let mut tls = config.rustls_client_config().map_err(ConnectError::Tls)?;
    // The connector below sets ALPN itself, and insists on finding none.
    tls.alpn_protocols.clear();
    let mut https = hyper_rustls::HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http();
    if let Some(name) = &config.tls_server_name {
        let name = name.clone().try_into().map_err(|_| ConnectError::ServerName(name.clone()))?;
        https = https.with_server_name_resolver(hyper_rustls::FixedServerNameResolver::new(name));
    }
    let hyper: Hyper<_, GatedBody<Body>> = Hyper::builder(TokioExecutor::new())
        .timer(TokioTimer::new())
        .http2_keep_alive_interval(PING_INTERVAL)
        .http2_keep_alive_timeout(PING_TIMEOUT)
        .http2_keep_alive_while_idle(true)
        .http2_adaptive_window(true)
        .build(https.enable_all_versions().wrap_connector(connector));
    let send = tower::service_fn(move |request: Request<Body>| {
        let patient = request.extensions().get::<Patient>().is_some();
        let answer = hyper.request(GatedBody::gate(request));
        async move { if patient { Ok(answer.await?) } else { head_in_time(answer).await } }
    });
    let service = ServiceBuilder::new()
        .layer(config.base_uri_layer())
        .layer(DecompressionLayer::new().gzip(!config.disable_compression))
        .option_layer(config.auth_layer().map_err(ConnectError::Credentials)?)
        .layer(config.extra_headers_layer().map_err(ConnectError::Credentials)?)
        .map_err(BoxError::from)
        .service(send);
    Ok(Client::new(service, config.default_namespace.clone()))
}

async fn head_in_time<B>(
    answer: impl Future<Output = Result<Response<B>, hyper_util::client::legacy::Error>>,
) -> Result<Response<B>, BoxError> {
    match tokio::time::timeout(HEAD_TIMEOUT, answer).await {
        Ok(answer) => Ok(answer?),
        Err(elapsed) => Err(elapsed.into()),
    }
}
