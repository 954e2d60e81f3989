//! A fake API server that knows ConfigMaps, versions, pages, watches, and how to fail.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use futures::{StreamExt as _, stream};
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full, StreamBody, combinators::UnsyncBoxBody};
use kube::{Client, client::Body};
use plumb_core::environment::ApplySetId;
use serde_json::{Value, json};
use tokio::sync::watch;

use super::ID;

type FakeBody = UnsyncBoxBody<Bytes, Infallible>;

/// What every answer takes, so that time passes even where everything fails.
const LATENCY: Duration = Duration::from_millis(1);

#[derive(Default)]
pub(super) struct Fake {
    state: Mutex<State>,
}

struct State {
    version: u64,
    /// The lowest version from which a watch can start.
    oldest: u64,
    objects: BTreeMap<String, Value>,
    /// Every event, with its version.
    history: Vec<(u64, Value)>,
    requests: Vec<String>,
    down: bool,
    served: bool,
    discovered: bool,
    close_new: bool,
    fail_second_pages: bool,
    /// Counts up when all watches are to be closed, and wakes them when there is news.
    generation: watch::Sender<u64>,
}

impl Default for State {
    fn default() -> Self {
        Self {
            version: 0,
            oldest: 0,
            objects: BTreeMap::new(),
            history: Vec::new(),
            requests: Vec::new(),
            down: false,
            served: true,
            discovered: true,
            close_new: false,
            fail_second_pages: false,
            generation: watch::channel(0).0,
        }
    }
}

impl Fake {
    pub(super) fn client(self: &Arc<Self>) -> Client {
        let fake = Arc::clone(self);
        let service = tower::service_fn(move |request: Request<Body>| {
            let fake = Arc::clone(&fake);
            async move {
                tokio::time::sleep(LATENCY).await;
                fake.answer(&request)
            }
        });
        Client::new(service, "default")
    }

    pub(super) fn put(&self, name: &str) {
        self.change(|state| {
            let event = if state.objects.contains_key(name) { "MODIFIED" } else { "ADDED" };
            let object = json!({
                "apiVersion": "v1", "kind": "ConfigMap",
                "metadata": {
                    "name": name, "namespace": "shop", "uid": format!("uid-{name}"),
                    "resourceVersion": state.version.to_string(),
                    "labels": { "applyset.kubernetes.io/part-of": ID },
                    "managedFields": [{
                        "manager": ApplySetId::from_label(ID).manager().as_str(),
                        "operation": "Apply",
                        "apiVersion": "v1",
                        "fieldsType": "FieldsV1",
                        "fieldsV1": { "f:metadata": { "f:labels": { "f:applyset.kubernetes.io/part-of": {} } } },
                    }],
                },
            });
            state.objects.insert(name.to_owned(), object.clone());
            (event, object)
        });
    }

    pub(super) fn delete(&self, name: &str) {
        self.change(|state| {
            let mut object = state.objects.remove(name).expect("it is there");
            object["metadata"]["resourceVersion"] = json!(state.version.to_string());
            ("DELETED", object)
        });
    }

    fn change(&self, change: impl FnOnce(&mut State) -> (&'static str, Value)) {
        let mut state = self.state.lock().unwrap();
        state.version += 1;
        let (event, object) = change(&mut state);
        let version = state.version;
        state.history.push((version, json!({ "type": event, "object": object })));
        state.generation.send_modify(|_| {});
    }

    /// Has no watch ever see the newest change: an event that is lost.
    pub(super) fn lose_newest_event(&self) {
        self.state.lock().unwrap().history.pop();
    }

    /// Forgets all events so far, so that only a list shows them.
    pub(super) fn compact(&self) {
        let mut state = self.state.lock().unwrap();
        state.oldest = state.version + 1;
        state.version += 1;
    }

    pub(super) fn close_watches(&self) {
        self.state.lock().unwrap().generation.send_modify(|generation| *generation += 1);
    }

    pub(super) fn close_new_watches(&self, close: bool) {
        self.state.lock().unwrap().close_new = close;
    }

    pub(super) fn fail_second_pages(&self, fail: bool) {
        self.state.lock().unwrap().fail_second_pages = fail;
    }

    pub(super) fn break_down(&self) {
        self.state.lock().unwrap().down = true;
        self.close_watches();
    }

    pub(super) fn come_back(&self) {
        self.state.lock().unwrap().down = false;
    }

    pub(super) fn serve(&self, served: bool, discovered: bool) {
        let mut state = self.state.lock().unwrap();
        (state.served, state.discovered) = (served, discovered);
    }

    pub(super) fn requests(&self) -> Vec<String> {
        self.state.lock().unwrap().requests.clone()
    }

    pub(super) fn count(&self, verb: &str) -> usize {
        self.requests().iter().filter(|request| request.starts_with(verb)).count()
    }

    pub(super) fn open_watches(&self) -> usize {
        self.state.lock().unwrap().generation.receiver_count()
    }

    fn answer(self: &Arc<Self>, request: &Request<Body>) -> Result<Response<FakeBody>, std::io::Error> {
        let query: BTreeMap<&str, &str> =
            request.uri().query().unwrap_or_default().split('&').filter_map(|pair| pair.split_once('=')).collect();
        let path = request.uri().path();
        let verb = match path {
            "/api/v1/configmaps" if query.contains_key("watch") => "WATCH",
            "/api/v1/configmaps" => "LIST",
            _ => "GET",
        };
        let mut state = self.state.lock().unwrap();
        state.requests.push(format!("{verb} {}", request.uri()));
        if state.down {
            return Err(std::io::Error::from(std::io::ErrorKind::ConnectionRefused));
        }
        let version = |name: &str| query.get(name).and_then(|text| text.parse::<u64>().ok()).unwrap_or_default();
        Ok(match verb {
            "GET" => state.discover(path),
            _ if !state.served => reply(404, json!("404 page not found")),
            "WATCH" if version("resourceVersion") < state.oldest => failure(410, "Expired"),
            "WATCH" => {
                assert_eq!(query["labelSelector"], "applyset.kubernetes.io%2Fpart-of");
                let seconds = Duration::from_secs(version("timeoutSeconds"));
                let open = if state.close_new { Duration::ZERO } else { seconds };
                let receiver = state.generation.subscribe();
                drop(state);
                self.stream(version("resourceVersion"), receiver, open)
            }
            _ if query.contains_key("continue") && state.fail_second_pages => failure(500, "InternalError"),
            _ => state.page(version("continue") as usize, version("limit") as usize),
        })
    }

    /// Streams events after a version until the watches are closed or time is over.
    fn stream(self: &Arc<Self>, after: u64, receiver: watch::Receiver<u64>, open: Duration) -> Response<FakeBody> {
        let generation = *receiver.borrow();
        let end = tokio::time::Instant::now() + open;
        let fake = Arc::clone(self);
        let events = stream::unfold((after, receiver), move |(after, mut receiver)| {
            let fake = Arc::clone(&fake);
            async move {
                loop {
                    receiver.mark_unchanged();
                    if *receiver.borrow() != generation || tokio::time::Instant::now() >= end {
                        return None;
                    }
                    if let Some((version, event)) = fake.next_event(after) {
                        return Some((event, (version, receiver)));
                    }
                    let _ = tokio::time::timeout_at(end, receiver.changed()).await;
                }
            }
        });
        let frames = events.map(|event| {
            let line = Bytes::from(format!("{event}\n"));
            Ok::<_, Infallible>(http_body::Frame::data(line))
        });
        Response::new(StreamBody::new(frames.boxed()).boxed_unsync())
    }

    fn next_event(&self, after: u64) -> Option<(u64, Value)> {
        self.state.lock().unwrap().history.iter().find(|(version, _)| *version > after).cloned()
    }
}

impl State {
    fn page(&self, from: usize, limit: usize) -> Response<FakeBody> {
        let items: Vec<&Value> = self.objects.values().skip(from).take(limit).collect();
        let next = from + items.len();
        let token = if next < self.objects.len() { next.to_string() } else { String::new() };
        let metadata = json!({ "resourceVersion": self.version.to_string(), "continue": token });
        reply(200, json!({ "apiVersion": "v1", "kind": "ConfigMapList", "metadata": metadata, "items": items }))
    }

    fn discover(&self, path: &str) -> Response<FakeBody> {
        match path {
            "/api/v1" if self.discovered => {
                let resource = json!({ "name": "configmaps", "kind": "ConfigMap", "namespaced": true,
                    "verbs": ["list", "watch"] });
                reply(200, json!({ "kind": "APIResourceList", "resources": [resource] }))
            }
            "/api/v1" => reply(200, json!({ "kind": "APIResourceList", "resources": [] })),
            _ => failure(404, "NotFound"),
        }
    }
}

fn failure(code: u16, reason: &str) -> Response<FakeBody> {
    reply(
        code,
        json!({ "kind": "Status", "status": "Failure", "code": code, "reason": reason, "message": reason,
            "details": { "name": "x" } }),
    )
}

fn reply(code: u16, value: Value) -> Response<FakeBody> {
    let body = Full::new(Bytes::from(value.to_string())).boxed_unsync();
    Response::builder().status(code).body(body).unwrap()
}
