//! https for the Git server: an authority that nobody else knows, certificates with faults, and the listener.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::serve::Listener;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::server::TlsStream;

use super::GitError;
use crate::certificates::{Authority, Identity};

/// Connections that are ready and wait to be taken: far more than a test opens.
const READY_MAX: usize = 64;

/// What a server's certificate is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Certificate {
    /// For this machine, and valid.
    Good,
    /// For this machine, and over.
    Expired,
    /// For `git.example.com`.
    OtherHost,
}

/// An authority that signs certificates of servers.
pub struct TlsAuthority(Authority);

impl fmt::Debug for TlsAuthority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TlsAuthority")
    }
}

impl TlsAuthority {
    /// Makes an authority that nobody trusts yet.
    ///
    /// # Errors
    /// When there is no randomness for a key.
    pub fn new(name: &str) -> Result<Self, GitError> {
        Authority::named(name).map(Self).map_err(|error| GitError::Key(error.to_string()))
    }

    /// Returns its certificate as PEM.
    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// Makes a certificate and what a server needs to show it.
    pub(super) fn acceptor(&self, certificate: Certificate) -> Result<TlsAcceptor, GitError> {
        let signed = match certificate {
            Certificate::Good => self.0.server(),
            Certificate::Expired => self.0.expired_server(),
            Certificate::OtherHost => self.0.server_elsewhere("git.example.com"),
        };
        let failed = |error: &dyn fmt::Display| GitError::Key(error.to_string());
        let Identity { certificate, key } = signed.map_err(|error| failed(&error))?;
        let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).map_err(|error| failed(&error))?];
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(|error| failed(&error))?;
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| failed(&error))?
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .map_err(|error| failed(&error))?;
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}

/// Hands out connections whose handshake is done: a client that does not like the certificate costs the others nothing.
pub(super) struct TlsListener {
    ready: mpsc::Receiver<(TlsStream<TcpStream>, SocketAddr)>,
    address: SocketAddr,
}

impl TlsListener {
    /// Begins to take connections; inside a runtime.
    pub(super) fn new(listener: TcpListener, acceptor: TlsAcceptor) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let (sender, ready) = mpsc::channel(READY_MAX);
        tokio::spawn(async move {
            while let Ok((stream, address)) = listener.accept().await {
                let (acceptor, sender) = (acceptor.clone(), sender.clone());
                tokio::spawn(async move {
                    if let Ok(stream) = acceptor.accept(stream).await {
                        // A closed channel means that the server ends.
                        let _ = sender.send((stream, address)).await;
                    }
                });
            }
        });
        Ok(Self { ready, address })
    }
}

impl Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, SocketAddr) {
        match self.ready.recv().await {
            Some(connection) => connection,
            // Nothing comes any more; the server is about to be stopped.
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }
}
