//! Logs of containers, as streams of lines.
//!
//! Owns: asking for them, and cutting what comes into lines of bounded length. A stream may be silent for as long as its container
//! is: whether the connection lives, its own pings find out. Must never do: judge, or change what a container has written.

mod lines;

use std::{collections::VecDeque, fmt};

use http::{Request, header};
use http_body_util::{BodyExt as _, Limited};
use kube::client::Body;
use plumb_core::{
    kinds::Kind,
    object::{Gvk, ObjectKey},
};

use self::lines::Cutter;
pub use self::lines::{Line, Place};
use crate::{
    client::{Patient, WatchLease},
    cluster::Cluster,
    error::{self, Action, ApiError},
    path,
    request::unreachable,
};

/// The largest refusal that is read: it is a `Status`.
const REFUSAL_LIMIT: usize = 64 * 1024;

/// Which part of a log is asked for; by default all that there is at the moment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Part {
    /// Goes on until the container has ended.
    pub follow: bool,
    /// Only so many of the last lines.
    pub tail: Option<u32>,
    /// What comes after this place: that of another [`Log`] of the same container.
    pub after: Place,
}

/// A log that is being read; dropped, the stream ends.
pub struct Log {
    action: Action,
    body: Body,
    cutter: Cutter,
    ready: VecDeque<Line>,
    ended: bool,
    place: Place,
    /// Where it was opened, and how many lines of that very time have come again: the server goes by whole seconds.
    opened: (Place, usize),
    /// The line whose pieces come was passed before.
    repeated: bool,
    /// Room on a connection for a stream that may last.
    _lease: Option<WatchLease>,
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Log").field("action", &self.action).finish_non_exhaustive()
    }
}

impl Cluster {
    /// Opens the log of a container, as plumb itself.
    ///
    /// # Errors
    /// `NotFound` where the Pod is gone, `Server` with the status 400 where the container has not begun, else as every request that is sent
    /// once.
    pub async fn log(&self, namespace: &str, pod: &str, container: &str, part: &Part) -> Result<Log, ApiError> {
        let kind = Kind::namespaced(Gvk::new("v1", "Pod"), "pods");
        let key = ObjectKey {
            group: String::new(),
            kind: "Pod".to_owned(),
            namespace: Some(namespace.to_owned()),
            name: pod.to_owned(),
        };
        let action = Action::on("read the log of", &key);
        let request =
            self.request(&action, format!("{}/log{}", path::object(&kind, &key), query(container, part)), part);
        let lease = part.follow.then(|| self.connections.lease_watch());
        let client = lease.as_ref().map_or(self.connections.requests(), |lease| &lease.client);
        let response = client.send(request?).await.map_err(|source| unreachable(&action, source))?;
        let (head, body) = response.into_parts();
        if !head.status.is_success() {
            let refusal = Limited::new(body, REFUSAL_LIMIT).collect().await;
            let refusal = refusal.map_err(|source| unreachable(&action, kube::Error::Service(source)))?.to_bytes();
            return Err(refused(error::read(action, head.status, None, &refusal)));
        }
        Ok(Log {
            action,
            body,
            cutter: Cutter::default(),
            ready: VecDeque::new(),
            ended: false,
            place: part.after.clone(),
            opened: (part.after.clone(), 0),
            repeated: false,
            _lease: lease,
        })
    }

    fn request(&self, action: &Action, uri: String, part: &Part) -> Result<Request<Body>, ApiError> {
        // Compressed, lines would wait for one another.
        let request = Request::get(uri).header(header::ACCEPT, "*/*").header(header::ACCEPT_ENCODING, "identity");
        let request = if part.follow { request.extension(Patient) } else { request };
        request.body(Body::empty()).map_err(|source| ApiError::Unexpected {
            action: action.clone(),
            message: format!("the request cannot be written: {source}"),
        })
    }
}

/// Reads a bad request as what it is here: a container that kubelet has not begun with, which passes.
fn refused(error: ApiError) -> ApiError {
    match error {
        ApiError::Invalid { action, problems } => {
            let messages: Vec<_> = problems.into_iter().map(|problem| problem.message).collect();
            ApiError::Server { action, code: http::StatusCode::BAD_REQUEST.as_u16(), message: messages.join("; ") }
        }
        other => other,
    }
}

fn query(container: &str, part: &Part) -> String {
    let Part { follow, tail, after } = part;
    // Times are asked for always: they are what a stream that broke is taken up by.
    let mut parameters = vec![("container", container), ("timestamps", "true")];
    let tail = tail.map(|tail| tail.to_string());
    let since = after.since();
    parameters.extend(follow.then_some(("follow", "true")));
    parameters.extend(tail.as_deref().map(|tail| ("tailLines", tail)));
    parameters.extend(since.as_deref().map(|since| ("sinceTime", since)));
    path::query(parameters)
}

impl Log {
    /// Waits for the next line; nothing once the stream has ended in order.
    ///
    /// *Guarantees:* safe to drop and to call again: no line is lost.
    ///
    /// # Errors
    /// `Unreachable` where the connection broke; what had begun of a line is left out then.
    pub async fn next(&mut self) -> Result<Option<Line>, ApiError> {
        loop {
            if let Some(line) = self.ready.pop_front() {
                if self.is_news(&line) {
                    self.place.pass(&line);
                    return Ok(Some(line));
                }
                continue;
            }
            if self.ended {
                return Ok(None);
            }
            match self.body.frame().await {
                Some(Ok(frame)) => {
                    if let Some(bytes) = frame.data_ref() {
                        self.cutter.push(bytes, &mut self.ready);
                    }
                }
                Some(Err(source)) => {
                    self.ended = true;
                    return Err(unreachable(&self.action, source));
                }
                None => {
                    self.ended = true;
                    self.cutter.end(&mut self.ready);
                }
            }
        }
    }

    /// Returns how far it was read, for [`Part::after`].
    pub fn place(&self) -> &Place {
        &self.place
    }

    fn is_news(&mut self, line: &Line) -> bool {
        if !line.continues {
            let (place, again) = &mut self.opened;
            self.repeated = place.is_behind(line, again);
        }
        !self.repeated
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_that_has_not_begun_is_asked_again() {
        let status = br#"{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"BadRequest","code":400,
            "message":"container \"step-a\" in pod \"p\" is waiting to start: PodInitializing"}"#;
        let read = |code| refused(error::read(Action::of("read", "it"), code, None, status));
        let error = read(http::StatusCode::BAD_REQUEST);
        assert_eq!(error.class(), plumb_core::class::Class::Retry);
        assert!(error.to_string().contains("waiting to start: PodInitializing"), "{error}");
    }

    #[test]
    fn a_log_is_asked_for_with_times() {
        let check = |part: Part, more: &str| assert_eq!(query("step-a", &part), format!("?container=step-a{more}"));
        check(Part::default(), "&timestamps=true");
        let mut after = Place::default();
        after.pass(&Line { time: "2026-11-20T10:00:00.5Z".parse().ok(), text: Vec::new(), continues: false });
        check(
            Part { follow: true, tail: Some(5), after },
            "&timestamps=true&follow=true&tailLines=5&sinceTime=2026-11-20T10:00:00Z",
        );
    }
}
