//! What every pass of every environment shares.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use plumb_cluster::{cluster::Cluster, error::ApiError, index::Index, tenure::Tenure, watches::Watches};
use plumb_core::{
    claims::Claims,
    environment::EnvironmentName,
    health::pod::Trouble,
    identity::{Identity, InvalidServiceAccount, ServiceAccount},
    kinds::Kinds,
    object::{Manifest, ObjectKey},
    presence::Presence,
    rollback::outage::Census,
};
use plumb_render::Renders;
use tokio::{sync::Semaphore, time::Instant};

use crate::{clock::Clock, journal::Journal, metrics::Metrics, mirrors::Mirrors, settings::Settings};

/// Requests under way in all: the API server takes 200 writes at once and gains nothing past 16, but a few slow ones
/// (webhooks) must not hold up the rest.
pub(crate) const REQUESTS_MAX: usize = 64;

/// A kind that is missing is looked for again this long after the last discovery: a new CRD's kind appears within a
/// second.
const DISCOVERY_AGE_MAX: Duration = Duration::from_secs(1);

/// A group that could not be asked is asked again this long after: an aggregated API that starts beside plumb needs some
/// seconds.
const PARTIAL_AGE_MAX: Duration = Duration::from_secs(5);

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
    /// The cluster, as plumb itself.
    pub(crate) cluster: Cluster,
    /// The service account of environments that name none.
    default_service_account: Option<String>,
    pub(crate) watches: Watches,
    pub(crate) mirrors: Mirrors,
    served: tokio::sync::Mutex<Option<Served>>,
    pub(crate) renders: Mutex<Renders>,
    pub(crate) metrics: Metrics,
    pub(crate) journal: Journal,
    pub(crate) clock: Clock,
    /// Turns at the API server, taken in the order of asking, so that no environment starves another.
    pub(crate) turns: Semaphore,
    pub(crate) troubles: Troubles,
    claims: Mutex<Claims>,
    census: Mutex<Census>,
    /// Whether what the cluster serves may have changed since it was read.
    doubted: AtomicBool,
    scanned: tokio::sync::Mutex<Scanned>,
    /// What the search for labelled objects has found is from before this replica had the lease.
    outdated: AtomicBool,
}

/// How far the search for labelled objects has come.
#[derive(Default)]
struct Scanned {
    complete: bool,
    last: Option<Instant>,
}

impl Context {
    pub(crate) fn new(
        cluster: Cluster,
        default_service_account: Option<String>,
        watches: Watches,
        mirrors: Mirrors,
        metrics: Metrics,
        journal: Journal,
        clock: Clock,
    ) -> Self {
        let mut census = Census::default();
        census.start_over(clock.uptime());
        Self {
            cluster,
            default_service_account,
            watches,
            mirrors,
            served: tokio::sync::Mutex::new(None),
            renders: Mutex::default(),
            metrics,
            journal,
            clock,
            turns: Semaphore::new(REQUESTS_MAX),
            troubles: Troubles::default(),
            claims: Mutex::default(),
            census: Mutex::new(census),
            doubted: AtomicBool::new(false),
            scanned: tokio::sync::Mutex::default(),
            outdated: AtomicBool::new(false),
        }
    }

    /// Returns the cluster as an environment's writes and dry-runs are made: with the rights of its service account, else of
    /// the default one in its namespace, else with plumb's own; writes only while the tenure lasts.
    pub(crate) fn acting_for(&self, settings: &Settings, tenure: &Tenure) -> Result<Cluster, InvalidServiceAccount> {
        self.acting_as(&settings.name.namespace, settings.service_account.clone()?, tenure)
    }

    /// Returns the cluster as writes are made with the rights of a service account, else of the default one in a namespace, else
    /// with plumb's own; only while the tenure lasts.
    pub(crate) fn acting_as(
        &self,
        namespace: &str,
        account: Option<ServiceAccount>,
        tenure: &Tenure,
    ) -> Result<Cluster, InvalidServiceAccount> {
        let default = || {
            let name = self.default_service_account.as_ref();
            name.map(|name| ServiceAccount::parse(namespace, name)).transpose()
        };
        let account = match account {
            Some(account) => Some(account),
            None => default()?,
        };
        Ok(self.cluster.during(tenure).acting_as(account.map_or(Identity::Own, Identity::ServiceAccount)))
    }

    /// Returns the index; hold it shortly, never across an await.
    pub(crate) fn index(&self) -> MutexGuard<'_, Index> {
        self.watches.index()
    }

    /// Returns what every environment desires; hold it shortly, never across an await.
    pub(crate) fn claims(&self) -> MutexGuard<'_, Claims> {
        self.claims.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns how every environment is; hold it shortly, never across an await.
    pub(crate) fn census(&self) -> MutexGuard<'_, Census> {
        self.census.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns what the cluster serves: as read before, unless there is a reason to doubt it.
    ///
    /// Reasons are a manifest of a kind that was not found then, a kind that has come or gone since, and a group that could
    /// not be asked.
    pub(crate) async fn served(&self, manifests: &[Manifest]) -> Result<Served, ApiError> {
        let mut served = self.served.lock().await;
        if let Some(known) = served.as_ref() {
            let age = known.read.elapsed();
            let found = |manifest: &Manifest| matches!(known.kinds.find(&manifest.gvk), Presence::Present(_));
            let doubted = self.doubted.load(Ordering::Relaxed) || !manifests.iter().all(found);
            let partial = !known.kinds.unknown().is_empty() && age >= PARTIAL_AGE_MAX;
            if !(doubted && age >= DISCOVERY_AGE_MAX || partial) {
                return Ok(known.clone());
            }
        }
        self.doubted.store(false, Ordering::Relaxed);
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

    /// Has what the cluster serves read again: a kind has come or gone.
    pub(crate) fn doubt_kinds(&self) {
        self.doubted.store(true, Ordering::Relaxed);
    }

    /// Looks for labelled objects of every kind, so that they are watched whatever a parent's record says. Once that has
    /// found an answer of every kind, it is not done again.
    pub(crate) async fn scan(&self) -> Result<(), ApiError> {
        let mut scanned = self.scanned.lock().await;
        if self.outdated.swap(false, Ordering::Relaxed) {
            *scanned = Scanned::default();
        }
        if scanned.complete || scanned.last.is_some_and(|last| last.elapsed() < PARTIAL_AGE_MAX) {
            return Ok(());
        }
        let served = self.served(&[]).await?;
        let found = self.cluster.scan(&served.kinds).await;
        let owned = found.found.iter().filter_map(|kind| served.kinds.preferred(kind).present().cloned());
        self.watches.ensure(owned);
        *scanned = Scanned { complete: found.is_complete(), last: Some(Instant::now()) };
        Ok(())
    }

    /// Returns whether every labelled object of every kind was looked for.
    pub(crate) async fn is_scanned(&self) -> bool {
        self.scanned.lock().await.complete && !self.outdated.load(Ordering::Relaxed)
    }

    /// Begins as a process that has just started: others have written since.
    pub(crate) fn begin(&self) {
        self.claims().start_over();
        self.census().start_over(self.clock.uptime());
        self.outdated.store(true, Ordering::Relaxed);
        self.doubt_kinds();
    }

    /// Says nothing more about environments: whoever writes for them does.
    pub(crate) fn stand_by(&self) {
        self.metrics.overview().environments.clear();
        self.troubles.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}
