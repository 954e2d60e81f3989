//! A smart HTTP server for Git: the real `git http-backend` behind a small web server on loopback, with or without TLS.
//!
//! Runs on a thread of its own, so that it works with and without an async runtime around it, and can misbehave on
//! demand: hang, fail, or not listen at all.

mod cgi;

use std::fmt;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use super::GitError;
use super::listening::{self, Listening};
use super::tls::{Certificate, TlsAuthority, TlsListener};

/// The largest body that is read: larger than any push of a test, small enough not to hurt the machine.
const LARGEST_BODY: usize = 256 * 1024 * 1024;

/// Bytes of noise in one answer: more than any buffer that a client reads at once.
const NOISE_BYTES: usize = 1 << 20;

/// What the server does with requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Behaviour {
    /// Answers them.
    Serve,
    /// Takes them and does not answer until the behaviour changes.
    Hang,
    /// Answers each with 503.
    Fail,
    /// Answers each with success, and with what begins as Git does and goes on as noise.
    Babble,
    /// Does not listen: connections are refused, open ones are cut.
    Refuse,
}

/// A request that came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The method.
    pub method: String,
    /// The path, `/shop.git/info/refs`.
    pub path: String,
    /// The query, `service=git-upload-pack`.
    pub query: String,
    /// The user that it names, with the right password or not.
    pub user: Option<String>,
    /// The status of the answer; nothing while there is none.
    pub status: Option<u16>,
}

/// A running server for every repository below a folder; ends on drop.
#[derive(Debug)]
pub struct HttpServer {
    port: u16,
    shared: Arc<Shared>,
    behaviour: watch::Sender<Behaviour>,
    listening: Mutex<Option<Listening>>,
}

/// Whom the server answers.
#[derive(Clone, PartialEq, Eq)]
pub enum Access {
    /// Everybody.
    Anyone,
    /// Who knows this user's password.
    Password {
        /// The user.
        user: String,
        /// The password.
        password: String,
    },
    /// Who sends this bearer token.
    Bearer(String),
}

struct Shared {
    root: PathBuf,
    tls: Option<TlsAcceptor>,
    access: Mutex<Access>,
    behaviour: watch::Receiver<Behaviour>,
    requests: Mutex<Vec<Request>>,
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Anyone => f.write_str("Anyone"),
            // Neither the password nor the token.
            Self::Password { user, .. } => write!(f, "Password({user})"),
            Self::Bearer(_) => f.write_str("Bearer"),
        }
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let access = lock(&self.access).clone();
        f.debug_struct("Shared").field("root", &self.root).field("access", &access).finish_non_exhaustive()
    }
}

impl HttpServer {
    /// Serves the repositories below a folder; with a user and password, to nobody else.
    ///
    /// # Errors
    /// When there is no free port or no thread.
    pub fn start(root: &Path, credentials: Option<(&str, &str)>) -> Result<Self, GitError> {
        let access = credentials.map_or(Access::Anyone, |(user, password)| Access::Password {
            user: user.to_owned(),
            password: password.to_owned(),
        });
        Self::begin(root, access, None)
    }

    /// Serves the repositories below a folder over https, with a certificate of this authority.
    ///
    /// # Errors
    /// When there is no certificate, no free port or no thread.
    pub fn start_tls(
        root: &Path,
        access: Access,
        authority: &TlsAuthority,
        certificate: Certificate,
    ) -> Result<Self, GitError> {
        Self::begin(root, access, Some(authority.acceptor(certificate)?))
    }

    fn begin(root: &Path, access: Access, tls: Option<TlsAcceptor>) -> Result<Self, GitError> {
        let (port, socket) = listening::free()?;
        let (behaviour, current) = watch::channel(Behaviour::Serve);
        let shared = Arc::new(Shared {
            root: root.to_owned(),
            tls,
            access: Mutex::new(access),
            behaviour: current,
            requests: Mutex::default(),
        });
        let listening = Mutex::new(Some(listen(port, socket, &shared)?));
        Ok(Self { port, shared, behaviour, listening })
    }

    /// Returns the URL of a repository, `url("shop")` for the folder `shop.git`. Holds no credentials.
    pub fn url(&self, repository: &str) -> String {
        let scheme = if self.shared.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://127.0.0.1:{}/{repository}.git", self.port)
    }

    /// Changes whom the server answers, from the next request on.
    pub fn set_access(&self, access: Access) {
        *lock(&self.shared.access) = access;
    }

    /// Returns every request since the start, or since the last [`HttpServer::forget`], in the order of their coming.
    pub fn requests(&self) -> Vec<Request> {
        lock(&self.shared.requests).clone()
    }

    /// Forgets the requests so far; call it while none is under way.
    pub fn forget(&self) {
        lock(&self.shared.requests).clear();
    }

    /// Changes what the server does with requests, including those that hang.
    ///
    /// # Errors
    /// When it is to listen again and another process has taken its port.
    pub fn set(&self, behaviour: Behaviour) -> Result<(), GitError> {
        self.behaviour.send_replace(behaviour);
        let mut listening = lock(&self.listening);
        if behaviour == Behaviour::Refuse {
            drop(listening.take());
        } else if listening.is_none() {
            let port = self.port;
            let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, port));
            let socket = socket.map_err(|source| GitError::Listen { port, source })?;
            *listening = Some(listen(port, socket, &self.shared)?);
        }
        Ok(())
    }
}

fn listen(port: u16, socket: TcpListener, shared: &Arc<Shared>) -> Result<Listening, GitError> {
    let shared = Arc::clone(shared);
    Listening::begin(port, socket, |listener| {
        let tls = shared.tls.clone();
        serve(listener, tls, Router::new().fallback(answer).with_state(shared))
    })
}

/// Serves with TLS or without, and does not end by itself.
pub(super) async fn serve(listener: tokio::net::TcpListener, tls: Option<TlsAcceptor>, router: Router) {
    match tls {
        None => drop(axum::serve(listener, router).await),
        Some(acceptor) => {
            let Ok(listener) = TlsListener::new(listener, acceptor) else { return };
            drop(axum::serve(listener, router).await);
        }
    }
}

async fn answer(State(shared): State<Arc<Shared>>, request: axum::extract::Request) -> Response {
    let (parts, body) = request.into_parts();
    let header = parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let given = header.and_then(basic);
    let allowed = match &*lock(&shared.access) {
        Access::Anyone => true,
        Access::Password { user, password } => {
            given.as_ref().is_some_and(|(one, other)| (one, other) == (user, password))
        }
        Access::Bearer(token) => header == Some(&format!("Bearer {token}")),
    };
    let number = {
        let mut requests = lock(&shared.requests);
        requests.push(Request {
            method: parts.method.to_string(),
            path: parts.uri.path().to_owned(),
            query: parts.uri.query().unwrap_or_default().to_owned(),
            user: given.as_ref().map(|(user, _)| user.clone()),
            status: None,
        });
        requests.len() - 1
    };
    let user = given.map(|(user, _)| user);
    let response = answer_to(&shared, allowed, user.as_deref(), &parts, body).await;
    if let Some(request) = lock(&shared.requests).get_mut(number) {
        request.status = Some(response.status().as_u16());
    }
    response
}

async fn answer_to(
    shared: &Shared,
    allowed: bool,
    user: Option<&str>,
    parts: &axum::http::request::Parts,
    body: Body,
) -> Response {
    let mut behaviour = shared.behaviour.clone();
    let now = behaviour.wait_for(|behaviour| *behaviour != Behaviour::Hang).await.map(|behaviour| *behaviour);
    match now {
        Ok(Behaviour::Serve) => {}
        Ok(Behaviour::Babble) => return babble(parts),
        _ => return StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
    if !allowed {
        let challenge = [(header::WWW_AUTHENTICATE, r#"Basic realm="lab""#)];
        return (StatusCode::UNAUTHORIZED, challenge, "wrong user or password\n").into_response();
    }
    let Ok(body) = to_bytes(body, LARGEST_BODY).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    cgi::run(&shared.root, user, parts, body).await.unwrap_or_else(|error| {
        (StatusCode::INTERNAL_SERVER_ERROR, format!("git http-backend: {error}\n")).into_response()
    })
}

/// Answers with the right type and the right first line, and then with bytes that mean nothing.
fn babble(parts: &axum::http::request::Parts) -> Response {
    let kind = if parts.method == axum::http::Method::POST { "result" } else { "advertisement" };
    let mut bytes = b"001e# service=git-upload-pack\n0000".to_vec();
    bytes.extend((0..NOISE_BYTES).map(|place| (place * 31 % 251) as u8));
    ([(header::CONTENT_TYPE, format!("application/x-git-upload-pack-{kind}"))], bytes).into_response()
}

/// Reads user and password of a header as RFC 7617 writes them.
fn basic(header: &str) -> Option<(String, String)> {
    let decoded = String::from_utf8(STANDARD.decode(header.strip_prefix("Basic ")?).ok()?).ok()?;
    let (user, password) = decoded.split_once(':')?;
    Some((user.to_owned(), password.to_owned()))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn basic_credentials_are_read() {
        let check = |header: &str, expected: Option<(&str, &str)>| {
            let expected = expected.map(|(user, password)| (user.to_owned(), password.to_owned()));
            assert_eq!(basic(header), expected, "{header}");
        };
        check("Basic YW5uOnM6M2NyZXQ=", Some(("ann", "s:3cret")));
        check("Basic YW5u", None);
        check("Basic ???", None);
        check("Bearer YW5uOnM6M2NyZXQ=", None);
    }

    #[test]
    fn a_server_does_not_show_its_password() {
        let root = tempfile::tempdir().unwrap();
        let server = HttpServer::start(root.path(), Some(("ann", "s3cret"))).unwrap();
        let shown = format!("{server:?}");
        assert!(shown.contains("ann") && !shown.contains("s3cret"), "{shown}");
    }
}
