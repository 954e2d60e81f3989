//! Who may use a worker now.
//!
//! Owns: the bounds in all, per server and per mirror. Must never do: let one server hold all workers.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The bounds. Places are given in the order of the requests.
pub(super) struct Admission {
    all: Arc<Semaphore>,
    per_server: usize,
    servers: Mutex<BTreeMap<String, Arc<Server>>>,
    mirrors: Mutex<BTreeMap<PathBuf, Arc<Semaphore>>>,
}

struct Server {
    places: Arc<Semaphore>,
    /// The only place of a server at which a deadline has passed.
    single: Arc<Semaphore>,
    hung: AtomicBool,
}

/// A place; it is free again when dropped.
pub(super) struct Place {
    _mirror: Option<OwnedSemaphorePermit>,
    /// Keeps the server from being forgotten while it is in use.
    _known: Arc<Server>,
    _server: OwnedSemaphorePermit,
    _single: Option<OwnedSemaphorePermit>,
    _all: OwnedSemaphorePermit,
}

impl Admission {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            all: Arc::new(Semaphore::new(limit)),
            // Half, so that a server that begins to hang leaves the other half to the others.
            per_server: (limit / 2).max(1),
            servers: Mutex::default(),
            mirrors: Mutex::default(),
        }
    }

    /// Waits for a place, for ever if need be; the caller bounds the wait.
    pub(super) async fn admit(&self, server: &str, mirror: Option<&Path>) -> Place {
        // Always in this order, the common bound last: who waits for a slow server holds no worker.
        let mirror = match mirror {
            Some(path) => Some(permit(self.mirror(path)).await),
            None => None,
        };
        let server = self.server(server);
        let place = permit(Arc::clone(&server.places)).await;
        let single = match server.hung.load(Ordering::SeqCst) {
            true => Some(permit(Arc::clone(&server.single)).await),
            false => None,
        };
        let all = permit(Arc::clone(&self.all)).await;
        Place { _mirror: mirror, _known: server, _server: place, _single: single, _all: all }
    }

    /// Takes note of whether a deadline passed at the server.
    pub(super) fn learn(&self, server: &str, hung: bool) {
        self.server(server).hung.store(hung, Ordering::SeqCst);
    }

    fn server(&self, name: &str) -> Arc<Server> {
        let mut servers = self.servers.lock().unwrap_or_else(PoisonError::into_inner);
        // Servers that nobody uses and nothing bad is known of are forgotten.
        servers.retain(|_, server| Arc::strong_count(server) > 1 || server.hung.load(Ordering::SeqCst));
        let fresh = || Server {
            places: Arc::new(Semaphore::new(self.per_server)),
            single: Arc::new(Semaphore::new(1)),
            hung: AtomicBool::new(false),
        };
        Arc::clone(servers.entry(name.to_owned()).or_insert_with(|| Arc::new(fresh())))
    }

    fn mirror(&self, path: &Path) -> Arc<Semaphore> {
        let mut mirrors = self.mirrors.lock().unwrap_or_else(PoisonError::into_inner);
        mirrors.retain(|_, mirror| Arc::strong_count(mirror) > 1);
        Arc::clone(mirrors.entry(path.to_owned()).or_insert_with(|| Arc::new(Semaphore::new(1))))
    }
}

async fn permit(semaphore: Arc<Semaphore>) -> OwnedSemaphorePermit {
    semaphore.acquire_owned().await.expect("because these semaphores are never closed")
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[tokio::test]
    async fn one_server_never_takes_every_place() {
        let admission = Admission::new(4);
        let _first = admission.admit("slow", None).await;
        let _second = admission.admit("slow", None).await;
        assert!(admission.admit("slow", None).now_or_never().is_none());
        let _other = admission.admit("fast", None).await;
        let _another = admission.admit("fast", None).await;
        assert!(admission.admit("third", None).now_or_never().is_none());
    }

    #[tokio::test]
    async fn a_server_that_hung_gets_one_place_until_it_answers() {
        let admission = Admission::new(4);
        admission.learn("slow", true);
        let only = admission.admit("slow", None).await;
        assert!(admission.admit("slow", None).now_or_never().is_none());
        drop(only);
        let _one = admission.admit("slow", None).now_or_never().expect("the place is free again");
        admission.learn("slow", false);
        assert!(admission.admit("slow", None).now_or_never().is_some());
    }

    #[tokio::test]
    async fn one_fetch_at_a_time_writes_into_a_mirror() {
        let admission = Admission::new(4);
        let mirror = Path::new("/mirrors/a");
        let fetch = admission.admit("server", Some(mirror)).await;
        assert!(admission.admit("other", Some(mirror)).now_or_never().is_none());
        assert!(admission.admit("server", None).now_or_never().is_some());
        drop(fetch);
        assert!(admission.admit("other", Some(mirror)).now_or_never().is_some());
    }

    #[tokio::test]
    async fn servers_are_forgotten_when_nobody_uses_them() {
        let admission = Admission::new(4);
        for number in 0..100 {
            drop(admission.admit(&format!("server-{number}"), Some(Path::new(&format!("/{number}")))).await);
        }
        assert!(admission.servers.lock().expect("not poisoned").len() <= 1);
        assert!(admission.mirrors.lock().expect("not poisoned").len() <= 1);
    }
}
