//! The port for machines: `/metrics`, `/healthz`, `/readyz`.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use axum::{Router, extract::State, http::StatusCode, response::IntoResponse, routing::get};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::metrics::Metrics;

/// Whether the daemon has read all its resources once and looks after them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Readiness(Arc<AtomicBool>);

impl Readiness {
    /// Says that it is ready.
    pub(crate) fn ready(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Returns whether everything was read.
    pub(crate) fn is_ready(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

#[derive(Clone)]
struct Shared {
    metrics: Metrics,
    readiness: Readiness,
}

/// An address that nothing can be served on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address} for /metrics and /healthz: choose another with --metrics")]
pub(crate) struct ListenError {
    address: SocketAddr,
    #[source]
    source: std::io::Error,
}

/// Listens on `address` and returns the bound address and the server, which ends when `stop` is cancelled.
pub(crate) async fn serve(
    address: SocketAddr,
    metrics: Metrics,
    readiness: Readiness,
    stop: CancellationToken,
) -> Result<(SocketAddr, impl Future<Output = ()> + Send), ListenError> {
    let error = |source| ListenError { address, source };
    let listener = TcpListener::bind(address).await.map_err(error)?;
    let bound = listener.local_addr().map_err(error)?;
    let router = Router::new()
        .route("/metrics", get(page))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz))
        .with_state(Shared { metrics, readiness });
    let server = async move {
        let stopped = async move { stop.cancelled().await };
        if let Err(error) = axum::serve(listener, router).with_graceful_shutdown(stopped).await {
            tracing::error!(%error, "the port for metrics failed");
        }
    };
    Ok((bound, server))
}

async fn page(State(shared): State<Shared>) -> impl IntoResponse {
    match shared.metrics.page() {
        Ok(page) => (StatusCode::OK, [("content-type", "text/plain; version=0.0.4")], page),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, [("content-type", "text/plain")], error.to_string()),
    }
}

async fn readyz(State(shared): State<Shared>) -> impl IntoResponse {
    if shared.readiness.is_ready() {
        (StatusCode::OK, "ok\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "still reading Repositories, Environments and what they own\n")
    }
}
