//! A forge that takes down what it is asked, opens pull requests, and fails where it is told to: on loopback, with or without TLS.
//!
//! Which of the three it is follows from the paths that it is asked for. Runs on a thread of its own, as the Git server does.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::body::to_bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use serde_json::{Value, json};

use super::GitError;
use super::http_server::serve;
use super::listening::{self, Listening};
use super::tls::{Certificate, TlsAuthority};

/// The largest request that is read.
const LARGEST_BODY: usize = 1 << 20;

/// A request that came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Method and path, `POST /api/repos/team/envs/pulls`.
    pub line: String,
    /// The headers that may carry a token, `authorization: …`.
    pub tokens: Vec<String>,
    /// Its content.
    pub content: String,
}

/// A forge that is running; stopped on drop.
#[derive(Debug)]
pub struct Forge {
    port: u16,
    tls: bool,
    shared: Arc<Shared>,
    _listening: Listening,
}

/// What becomes of one request that is to open a pull request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// This answer, and nothing is opened.
    Refused(u16, String),
    /// It is opened, and the answer is lost: 502 comes instead.
    Lost,
    /// Another answer with an address that it says to go to (302).
    Redirected(String),
    /// No answer, ever.
    Hangs,
}

#[derive(Debug, Default)]
struct Shared {
    asked: Mutex<Vec<Asked>>,
    fates: Mutex<VecDeque<Fate>>,
    opened: Mutex<Vec<Opened>>,
    hidden: AtomicBool,
}

/// A pull request.
#[derive(Debug, Clone)]
struct Opened {
    branch: String,
    shown: Value,
}

impl Forge {
    /// Starts one; with an authority it speaks https, with a good certificate of it.
    ///
    /// # Errors
    /// When there is no certificate, no free port or no thread.
    pub fn start(authority: Option<&TlsAuthority>) -> Result<Self, GitError> {
        let tls = authority.map(|authority| authority.acceptor(Certificate::Good)).transpose()?;
        let (port, socket) = listening::free()?;
        let shared = Arc::<Shared>::default();
        let router = Router::new().fallback(answer).with_state(Arc::clone(&shared));
        let is_tls = tls.is_some();
        let listening = Listening::begin(port, socket, |listener| serve(listener, tls, router))?;
        Ok(Self { port, tls: is_tls, shared, _listening: listening })
    }

    /// Returns its address.
    pub fn url(&self) -> String {
        format!("{}://127.0.0.1:{}", if self.tls { "https" } else { "http" }, self.port)
    }

    /// Has the next requests that are to open something end so, in this order; those after them are carried out.
    pub fn fate(&self, fate: Fate) {
        lock(&self.shared.fates).push_back(fate);
    }

    /// Has it no longer show what is there, as if somebody else opened it right after a look.
    pub fn hide(&self) {
        self.shared.hidden.store(true, Ordering::Relaxed);
    }

    /// Returns the branches of all that was opened.
    pub fn opened(&self) -> Vec<String> {
        lock(&self.shared.opened).iter().map(|opened| opened.branch.clone()).collect()
    }

    /// Returns the requests that were to open something.
    pub fn posts(&self) -> Vec<Asked> {
        self.asked().into_iter().filter(|asked| asked.line.starts_with("POST ")).collect()
    }

    /// Returns every request since the start.
    pub fn asked(&self) -> Vec<Asked> {
        lock(&self.shared.asked).clone()
    }
}

async fn answer(State(shared): State<Arc<Shared>>, request: axum::extract::Request) -> Response {
    let (parts, body) = request.into_parts();
    let content = to_bytes(body, LARGEST_BODY).await.unwrap_or_default();
    let asked = Asked {
        line: format!("{} {}", parts.method, parts.uri),
        tokens: tokens(&parts.headers),
        content: String::from_utf8_lossy(&content).into_owned(),
    };
    let wanted: Value = serde_json::from_str(&asked.content).unwrap_or_default();
    lock(&shared.asked).push(asked);
    if parts.method == Method::GET {
        return shown(&shared, &parts.uri);
    }
    let fate = lock(&shared.fates).pop_front();
    match fate {
        None => open(&shared, parts.uri.path(), &wanted),
        Some(Fate::Refused(status, content)) => (code(status), content).into_response(),
        Some(Fate::Lost) => {
            drop(open(&shared, parts.uri.path(), &wanted));
            code(502).into_response()
        }
        Some(Fate::Redirected(to)) => (code(302), [(header::LOCATION, to)]).into_response(),
        Some(Fate::Hangs) => std::future::pending().await,
    }
}

/// Answers whether there is one of the branch that is asked for, in the form of the forge.
fn shown(shared: &Shared, uri: &Uri) -> Response {
    let asked = uri.to_string().replace("%2F", "/");
    let opened = match shared.hidden.load(Ordering::Relaxed) {
        true => Vec::new(),
        false => lock(&shared.opened).clone(),
    };
    let mut found = opened.into_iter().filter(|opened| asked.contains(&opened.branch)).map(|opened| opened.shown);
    match (uri.query(), found.next()) {
        (Some(_), found) => Json(Value::Array(found.into_iter().collect())).into_response(),
        (None, Some(found)) => Json(found).into_response(),
        (None, None) => code(404).into_response(),
    }
}

/// Opens one, unless there is one of the branch.
fn open(shared: &Shared, path: &str, wanted: &Value) -> Response {
    let branch = wanted["head"].as_str().or(wanted["source_branch"].as_str()).unwrap_or_default().to_owned();
    let mut all = lock(&shared.opened);
    if all.iter().any(|opened| opened.branch == branch) {
        return (code(409), Json(json!({ "message": ["Another open one already exists for this branch"] })))
            .into_response();
    }
    let number = all.len() + 7;
    let shown = match path.contains("/projects/") {
        true => json!({ "web_url": format!("https://git.example.com/merge/{number}"), "source_branch": branch }),
        false => json!({ "html_url": format!("https://git.example.com/pulls/{number}"), "head": { "ref": branch } }),
    };
    all.push(Opened { branch, shown: shown.clone() });
    (StatusCode::CREATED, Json(shown)).into_response()
}

fn code(status: u16) -> StatusCode {
    StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

fn tokens(headers: &HeaderMap) -> Vec<String> {
    let may = headers.iter().filter(|(name, _)| ["authorization", "private-token"].contains(&name.as_str()));
    may.map(|(name, value)| format!("{name}: {}", value.to_str().unwrap_or_default())).collect()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
