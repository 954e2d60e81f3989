//! One request and its whole answer.
//!
//! Owns: timeouts, retries, the Warning headers, the difference between 200 and 201, and the size of an answer.
//! Assumes that every request is idempotent: server-side apply, deletes and patches with preconditions, reads.
//! Must never do: log or return in an error what the answer holds.

#[cfg(test)]
mod tests;

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Limited};
use kube::client::Body;
use plumb_core::identity::{Identity, ServiceAccount};
use serde_json::Value;

use crate::{
    backoff::Backoff,
    client::Connections,
    crash,
    error::{self, Action, ApiError},
    tenure::{Ended, Tenure, Write},
    traffic::{Outcome, Traffic, Verb},
};

/// How long one try of a request may take, its body included; the API server itself gives up after 60 s.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// Tries of one request: three waits of 50, 100 and 200 ms bridge a connection that broke; longer trouble is the
/// operation's matter, which others must not wait for.
const TRIES: u32 = 4;
/// The longest `Retry-After` that is waited for here.
pub(crate) const RETRY_AFTER_LONGEST: Duration = Duration::from_secs(10);
/// The largest answer that is read: discovery of the largest clusters has some 5 MB, a page of a list at most
/// 500 × 1.5 MB, but a server that sends more than this is broken.
const ANSWER_LIMIT: usize = 256 * 1024 * 1024;
/// Warnings that one answer may carry.
const MAX_WARNINGS: usize = 20;

/// What is to be sent.
#[derive(Debug)]
pub(crate) struct Ask<'a> {
    pub(crate) action: Action,
    pub(crate) method: Method,
    /// Path and query.
    pub(crate) uri: String,
    pub(crate) content_type: &'static str,
    pub(crate) accept: &'static str,
    pub(crate) body: Bytes,
    /// The user to impersonate.
    user: Option<String>,
    pub(crate) effect: Effect,
    /// What a write needs; without one it is sent whenever it is asked for.
    pub(crate) tenure: Option<&'a Tenure>,
}

/// What a request leaves behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Nothing: a read, a dry-run, a review.
    None,
    /// Another state of the cluster: needs a valid tenure where one is held.
    Write,
}

/// An answer with a status of 200 to 299.
pub(crate) struct Answer {
    pub(crate) code: StatusCode,
    pub(crate) warnings: Vec<String>,
    pub(crate) body: Bytes,
}

impl<'a> Ask<'a> {
    /// Makes a read.
    pub(crate) fn get(action: Action, uri: String) -> Self {
        Self::new(action, Method::GET, uri).without_effect()
    }

    /// Makes a write, as yet without a body.
    pub(crate) fn new(action: Action, method: Method, uri: String) -> Self {
        let (content_type, accept) = ("application/json", "application/json");
        Self {
            action,
            method,
            uri,
            content_type,
            accept,
            body: Bytes::new(),
            user: None,
            effect: Effect::Write,
            tenure: None,
        }
    }

    /// Says that it leaves nothing behind, whatever its method is.
    pub(crate) fn without_effect(mut self) -> Self {
        self.effect = Effect::None;
        self
    }

    /// Adds a body of this type.
    pub(crate) fn with(mut self, content_type: &'static str, body: &Value) -> Self {
        self.content_type = content_type;
        // `serde_json` sorts keys (its `preserve_order` is off), so equal objects are equal bytes.
        self.body = Bytes::from(body.to_string());
        self
    }

    /// Sends as somebody else. Only the user is named: the API server itself adds the groups of a service account, which
    /// plumb needs no right for then (`system:serviceaccounts`, those of its namespace, `system:authenticated`).
    pub(crate) fn by(mut self, identity: &Identity) -> Self {
        self.user = identity.service_account().map(ServiceAccount::user);
        self
    }

    /// Sends it, if it is a write, only while this tenure is valid.
    pub(crate) fn during(mut self, tenure: Option<&'a Tenure>) -> Self {
        self.tenure = tenure.filter(|_| self.effect == Effect::Write);
        self
    }

    /// Counts a write in; fails once the tenure that it needs has ended.
    fn begin(&self) -> Result<Option<Write>, ApiError> {
        self.tenure.map(Tenure::write).transpose().map_err(|Ended| self.lease_lost())
    }

    fn lease_lost(&self) -> ApiError {
        ApiError::LeaseLost { action: self.action.clone() }
    }

    fn request(&self) -> Result<Request<Body>, ApiError> {
        let mut request = Request::builder().method(&self.method).uri(&self.uri).header(header::ACCEPT, self.accept);
        if !self.body.is_empty() {
            request = request.header(header::CONTENT_TYPE, self.content_type);
        }
        if let Some(user) = &self.user {
            request = request.header("Impersonate-User", user);
        }
        let unexpected = |source: http::Error| ApiError::Unexpected {
            action: self.action.clone(),
            message: format!("the request cannot be written: {source}"),
        };
        if let Some(tenure) = self.tenure {
            // For the connection, which asks once more.
            request = request.extension(tenure.clone());
        }
        request.body(Body::from(self.body.clone())).map_err(unexpected)
    }
}

impl Answer {
    /// Parses the body.
    pub(crate) fn value(&self, action: &Action) -> Result<Value, ApiError> {
        let unexpected = |error: serde_json::Error| ApiError::Unexpected {
            action: action.clone(),
            message: format!("the answer is not JSON (line {}, column {})", error.line(), error.column()),
        };
        serde_json::from_slice(&self.body).map_err(unexpected)
    }
}

/// Sends a request until it is answered, at most [`TRIES`] times.
pub(crate) async fn send(connections: &Connections, ask: Ask<'_>) -> Result<Answer, ApiError> {
    let mut backoff = None;
    for _ in 1..TRIES {
        let error = match once(connections, &ask).await {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        let Some(asked) = worth_another_try(&error) else { return Err(error) };
        let own = backoff.get_or_insert_with(|| Backoff::new(connections.seed())).next_wait();
        tokio::time::sleep(own.max(asked)).await;
    }
    once(connections, &ask).await
}

/// Returns how long the server asks to wait, or nothing if another try would not help.
fn worth_another_try(error: &ApiError) -> Option<Duration> {
    match error {
        ApiError::TooManyRequests { retry_after, .. } => {
            let asked = retry_after.unwrap_or_default();
            (asked <= RETRY_AFTER_LONGEST).then_some(asked)
        }
        ApiError::Unreachable { .. } => Some(Duration::ZERO),
        ApiError::Server { code: 502..=504, .. } => Some(Duration::ZERO),
        _ => None,
    }
}

async fn once(connections: &Connections, ask: &Ask<'_>) -> Result<Answer, ApiError> {
    let timeout = || ApiError::Timeout { action: ask.action.clone(), after: REQUEST_TIMEOUT };
    let begun = tokio::time::Instant::now();
    let answer = tokio::time::timeout(REQUEST_TIMEOUT, exchange(connections, ask)).await;
    let answer = answer.unwrap_or_else(|_| Err(timeout()));
    let (verb, outcome, took) = (Verb::of(ask), Outcome::of(&answer), begun.elapsed());
    connections.tell(Traffic::Exchange { verb, outcome, took });
    answer
}

async fn exchange(connections: &Connections, ask: &Ask<'_>) -> Result<Answer, ApiError> {
    let _under_way = ask.begin()?;
    let effect = ask.tenure.map(|_| crash::Effect::begin(&ask.action));
    let answer = answer(connections, ask).await;
    if let Some(effect) = effect {
        effect.end();
    }
    answer
}

async fn answer(connections: &Connections, ask: &Ask<'_>) -> Result<Answer, ApiError> {
    let unreachable = |source: kube::Error| match find::<Ended>(&source) {
        Some(Ended) => ask.lease_lost(),
        None => unreachable(&ask.action, source),
    };
    let response = connections.requests().send(ask.request()?).await.map_err(unreachable)?;
    let (head, body) = response.into_parts();
    let body = Limited::new(body, ANSWER_LIMIT).collect().await;
    let body = body.map_err(|source| unreachable(kube::Error::Service(source)))?.to_bytes();
    if head.status.is_success() {
        return Ok(Answer { code: head.status, warnings: warnings(&head.headers), body });
    }
    Err(error::read(ask.action.clone(), head.status, retry_after(&head.headers), &body))
}

/// Reads a failure of the transport; the client's own timeout is one of its sources.
pub(crate) fn unreachable(action: &Action, source: kube::Error) -> ApiError {
    let action = action.clone();
    if find::<tokio::time::error::Elapsed>(&source).is_some() {
        return ApiError::Timeout { action, after: crate::client::HEAD_TIMEOUT };
    }
    ApiError::Unreachable { action, source }
}

/// Returns the first error of this type among an error and its sources.
fn find<'a, E: std::error::Error + 'static>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a E> {
    let mut error = Some(error);
    // Sources of one error are few; the bound is for one that names itself as its source.
    for _ in 0..16 {
        let found = error?;
        if let Some(wanted) = found.downcast_ref() {
            return Some(wanted);
        }
        error = found.source();
    }
    None
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// Reads `299 - "text"` (RFC 7234, 5.5), as the API server writes its warnings.
fn warnings(headers: &HeaderMap) -> Vec<String> {
    let texts = headers.get_all(header::WARNING).iter().filter_map(|value| std::str::from_utf8(value.as_bytes()).ok());
    texts.filter_map(warning).take(MAX_WARNINGS).collect()
}

fn warning(value: &str) -> Option<String> {
    let (_, quoted) = value.split_once('"')?;
    let (text, _) = quoted.rsplit_once('"')?;
    Some(text.replace("\\\"", "\"").replace("\\\\", "\\"))
}
