//! Retries and timeouts under paused time, and the reading of headers.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use http::Response;
use http_body_util::Full;
use kube::Client;
use tokio::time::Instant;

use super::*;

/// One answer of the fake server.
#[derive(Clone, Copy)]
enum Reply {
    Code(u16),
    Busy(&'static str),
    Refused,
    Silence,
}

/// Sends one request to a server that gives these answers, one after the other, and returns what came of it, how many
/// tries that took and how long.
async fn ask(replies: &[Reply]) -> (Result<Answer, ApiError>, usize, Duration) {
    let left = Arc::new(Mutex::new(VecDeque::from(replies.to_vec())));
    let service = tower::service_fn({
        let left = Arc::clone(&left);
        move |_: Request<Body>| {
            let reply = left.lock().unwrap().pop_front().expect("no more tries than replies");
            async move {
                let response = Response::builder();
                let response = match reply {
                    Reply::Code(code) => response.status(code),
                    Reply::Busy(after) => response.status(429).header("retry-after", after),
                    Reply::Refused => return Err(std::io::Error::from(std::io::ErrorKind::ConnectionRefused)),
                    Reply::Silence => std::future::pending().await,
                };
                Ok(response.body(Full::new(Bytes::from_static(b"{}"))).unwrap())
            }
        }
    });
    let connections = Connections::over(Client::new(service, "default"), 7);
    let started = Instant::now();
    let answer = send(&connections, Ask::get(Action::of("get", "something"), "/api".to_owned())).await;
    let tries = replies.len() - left.lock().unwrap().len();
    (answer, tries, started.elapsed())
}

#[tokio::test(start_paused = true)]
async fn what_may_pass_is_tried_again_a_few_times() {
    let (answer, tries, _) = ask(&[Reply::Refused, Reply::Code(503), Reply::Code(504), Reply::Code(200)]).await;
    assert!(answer.is_ok());
    assert_eq!(tries, 4);
    let (answer, tries, took) = ask(&[Reply::Refused; 9]).await;
    assert!(matches!(answer, Err(ApiError::Unreachable { .. })));
    assert_eq!(tries, 4);
    assert!(took < Duration::from_secs(1), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn what_will_not_pass_is_told_at_once() {
    for code in [400, 401, 403, 404, 409, 410, 413, 422, 500] {
        let (answer, tries, _) = ask(&[Reply::Code(code), Reply::Code(200)]).await;
        assert!(answer.is_err(), "{code}");
        assert_eq!(tries, 1, "{code}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_busy_server_is_given_the_time_it_asks_for() {
    let (answer, tries, took) = ask(&[Reply::Busy("3"), Reply::Code(200)]).await;
    assert!(answer.is_ok());
    assert_eq!((tries, took.as_secs()), (2, 3));
    // Longer than a request should hold up an operation: told with the time, so that the operation waits.
    let (answer, tries, _) = ask(&[Reply::Busy("60"), Reply::Code(200)]).await;
    let after = Some(Duration::from_secs(60));
    assert!(matches!(answer, Err(ApiError::TooManyRequests { retry_after, .. }) if retry_after == after));
    assert_eq!(tries, 1);
}

#[tokio::test(start_paused = true)]
async fn a_silent_server_is_given_up() {
    let (answer, tries, took) = ask(&[Reply::Silence, Reply::Code(200)]).await;
    assert!(matches!(answer, Err(ApiError::Timeout { .. })));
    assert_eq!((tries, took), (1, REQUEST_TIMEOUT));
}

#[test]
fn warnings_are_unquoted() {
    let mut headers = HeaderMap::new();
    headers.append("warning", "299 - \"unknown field \\\"spec.x\\\"\"".parse().unwrap());
    headers.append("warning", "299 - \"v1 Endpoints is deprecated\"".parse().unwrap());
    headers.append("warning", "nonsense".parse().unwrap());
    assert_eq!(warnings(&headers), ["unknown field \"spec.x\"", "v1 Endpoints is deprecated"]);
}

#[test]
fn retry_after_is_read_in_seconds() {
    let mut headers = HeaderMap::new();
    assert_eq!(retry_after(&headers), None);
    headers.insert("retry-after", "7".parse().unwrap());
    assert_eq!(retry_after(&headers), Some(Duration::from_secs(7)));
}
