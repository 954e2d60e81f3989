//! One request through `git http-backend`, by the Common Gateway Interface (RFC 3875).

use std::io;
use std::path::Path;
use std::process::Stdio;

use axum::body::{Body, Bytes};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Response};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::git::command;

/// Headers of the request that `git http-backend` reads, with the names that it reads them under.
const PASSED: [(&str, &str); 3] =
    [("content-type", "CONTENT_TYPE"), ("content-encoding", "HTTP_CONTENT_ENCODING"), ("git-protocol", "GIT_PROTOCOL")];

/// Runs `git http-backend` for one request and returns its answer.
pub(super) async fn run(root: &Path, user: Option<&str>, parts: &Parts, body: Bytes) -> io::Result<Response<Body>> {
    let mut command = Command::from(command::hermetic());
    command
        .arg("http-backend")
        .env("GIT_PROJECT_ROOT", root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("REQUEST_METHOD", parts.method.as_str())
        .env("PATH_INFO", parts.uri.path())
        .env("QUERY_STRING", parts.uri.query().unwrap_or_default())
        .env("CONTENT_LENGTH", body.len().to_string())
        .env("REMOTE_ADDR", "127.0.0.1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    for (header, variable) in PASSED {
        if let Some(value) = text(&parts.headers, header) {
            command.env(variable, value);
        }
    }
    if let Some(user) = user {
        command.env("REMOTE_USER", user);
    }
    let mut child = command.spawn()?;
    let mut stdin = child.stdin.take().expect("because stdin was asked for as a pipe");
    let feed = async move {
        // A backend that refuses the request does not read its body; what it says matters, not the broken pipe.
        let _ = stdin.write_all(&body).await;
    };
    let ((), output) = tokio::join!(feed, child.wait_with_output());
    response(&output?.stdout).ok_or_else(|| io::Error::other("its answer has no headers"))
}

/// Reads `Header: value` lines, an empty line, and the body; the status is a header too.
fn response(output: &[u8]) -> Option<Response<Body>> {
    let (head, body) = split(output)?;
    let mut response = Response::builder();
    for line in std::str::from_utf8(head).ok()?.lines() {
        let (name, value) = line.split_once(':')?;
        let value = value.trim();
        response = if name.eq_ignore_ascii_case("status") {
            response.status(value.split(' ').next()?)
        } else {
            response.header(name, value)
        };
    }
    response.body(Body::from(body.to_vec())).ok()
}

fn split(output: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = output.windows(4).position(|window| window == b"\r\n\r\n")?;
    Some((&output[..end], &output[end + 4..]))
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_of_the_backend_are_read() {
        let answer = b"Status: 404 Not Found\r\nContent-Type: text/plain\r\n\r\nno such\r\n\r\nthing";
        let read = response(answer).unwrap();
        assert_eq!(read.status(), 404);
        assert_eq!(read.headers()["content-type"], "text/plain");
        assert_eq!(split(answer).unwrap().1, b"no such\r\n\r\nthing");
        assert_eq!(response(b"Expires: never\r\n\r\n").unwrap().status(), 200);
        assert!(response(b"no headers at all").is_none());
    }
}
