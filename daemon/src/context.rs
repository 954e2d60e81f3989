//! What every pass of every environment shares.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::AtomicBool},
    time::Duration,
};

use plumb_cluster::{cluster::Cluster, error::ApiError, index::Index, watches::Watches};
use plumb_core::{
    environment::EnvironmentName,
    health::pod::Trouble,
    kinds::Kinds,
    object::{Manifest, ObjectKey},
    presence::Presence,
};
use plumb_render::Renders;
use tokio::{sync::Semaphore, time::Instant};

use crate::{claims::Claims, clock::Clock, journal::Journal, metrics::Metrics};

/// Requests under way in all: the API server takes 200 writes at once and gains nothing past 16, but a few slow ones
/// (webhooks) must not hold up the rest.
pub(crate) const REQUESTS_MAX: usize = 64;

/// A kind that is missing is looked for again this long after the last discovery: a new CRD's kind appears within a
/// second.
const DISCOVERY_AGE_MAX: Duration = Duration::from_secs(1);

/// What the cluster serves, and how often that was read: a version for caches.
#[derive(Clone)]
pub(crate) struct Served {
    pub(crate) kinds: Arc<Kinds>,
    pub(crate) version: u64,
    read: Instant,
}

/// Pods that keep a workload from becoming healthy.
pub(crate) type Troubles = Arc<Mutex<BTreeMap<(EnvironmentName, ObjectKey), Vec<Trouble>>>>;

/// What every pass of every environment shares.
pub(crate) struct Context {
    pub(crate) cluster: Cluster,
    pub(crate) watches: Watches,
    served: tokio::sync::Mutex<Option<Served>>,
    pub(crate) renders: Mutex<Renders>,
    pub(crate) metrics: Metrics,
    pub(crate) journal: Journal,
    pub(crate) clock: Clock,
    /// Turns at the API server, taken in the order of asking, so that no environment starves another.
    pub(crate) turns: Semaphore,
    pub(crate) troubles: Troubles,
    claims: Mutex<Claims>,
    /// Whether every labelled object of every kind was found when the daemon started.
    pub(crate) scanned: AtomicBool,
}

impl Context {
    pub(crate) fn new(cluster: Cluster, watches: Watches, metrics: Metrics, journal: Journal, clock: Clock) -> Self {
        Self {
            cluster,
            watches,
            served: tokio::sync::Mutex::new(None),
            renders: Mutex::default(),
            metrics,
            journal,
            clock,
            turns: Semaphore::new(REQUESTS_MAX),
            troubles: Troubles::default(),
            claims: Mutex::default(),
            scanned: AtomicBool::new(false),
        }
    }

    /// Returns the index; hold it shortly, never across an await.
    pub(crate) fn index(&self) -> MutexGuard<'_, Index> {
        self.watches.index()
    }

    /// Returns what every environment desires; hold it shortly, never across an await.
    pub(crate) fn claims(&self) -> MutexGuard<'_, Claims> {
        self.claims.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns what the cluster serves: as read before, unless one of `manifests` is of a kind that was not found then.
    pub(crate) async fn served(&self, manifests: &[Manifest]) -> Result<Served, ApiError> {
        let mut served = self.served.lock().await;
        if let Some(known) = served.as_ref() {
            let found = |manifest: &Manifest| matches!(known.kinds.find(&manifest.gvk), Presence::Present(_));
            if known.read.elapsed() < DISCOVERY_AGE_MAX || manifests.iter().all(found) {
                return Ok(known.clone());
            }
        }
        let kinds = self.cluster.kinds().await?;
        let version = match served.as_ref() {
            Some(known) if *known.kinds == kinds => known.version,
            Some(known) => known.version + 1,
            None => 1,
        };
        let read = Served { kinds: Arc::new(kinds), version, read: Instant::now() };
        *served = Some(read.clone());
        Ok(read)
    }

    /// Forgets what the cluster serves: a definition has changed it.
    pub(crate) async fn rediscover(&self) {
        let mut served = self.served.lock().await;
        if let Some(known) = served.as_mut() {
            known.read = known.read.checked_sub(DISCOVERY_AGE_MAX).unwrap_or(known.read);
        }
    }
}
