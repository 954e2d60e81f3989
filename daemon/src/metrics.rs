//! Everything that plumb counts, and the page on which it shows it.
//!
//! Counters are added to as things happen; gauges are computed from [`Overview`] when the page is asked for, so that
//! they can't drift from the state. Every name starts with `plumb_`; labels are closed enums and the names of resources.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use plumb_core::{
    environment::EnvironmentName,
    record::{Record, RecordKind},
};
use prometheus::{
    Encoder as _, Histogram, IntCounterVec, IntGaugeVec, Opts, Registry, TextEncoder, histogram_opts,
    process_collector::ProcessCollector,
};

/// Upper bounds in seconds of how long an operation takes: from one object to a wave of thousands.
const OPERATION_BUCKETS: [f64; 10] = [0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0, 120.0];
/// Upper bounds in seconds from noticing a drift to having corrected it.
const CORRECTION_BUCKETS: [f64; 10] = [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0];

/// How one environment stands, for gauges.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct EnvironmentOverview {
    /// Whether it is ready.
    pub(crate) ready: bool,
    /// Whether it is suspended.
    pub(crate) suspended: bool,
    /// Owned objects by health.
    pub(crate) health: BTreeMap<String, u32>,
}

/// How everything stands.
#[derive(Debug, Default)]
pub(crate) struct Overview {
    /// Environments by name.
    pub(crate) environments: BTreeMap<EnvironmentName, EnvironmentOverview>,
    /// Repositories by namespace and name: whether the last look succeeded.
    pub(crate) repositories: BTreeMap<(String, String), bool>,
}

/// All metrics of one daemon.
#[derive(Clone)]
pub(crate) struct Metrics {
    registry: Registry,
    overview: Arc<Mutex<Overview>>,
    records: IntCounterVec,
    operations: Histogram,
    corrections: Histogram,
    writes: IntCounterVec,
    environment_ready: IntGaugeVec,
    environment_suspended: IntGaugeVec,
    environment_objects: IntGaugeVec,
    repository_ready: IntGaugeVec,
}

impl Metrics {
    /// Makes the metrics of one daemon, all of them present from the start.
    pub(crate) fn new() -> Result<Self, prometheus::Error> {
        let environment = ["namespace", "environment"];
        let metrics = Self {
            registry: Registry::new(),
            overview: Arc::default(),
            records: IntCounterVec::new(
                Opts::new("plumb_records_total", "Facts of the audit trail, by kind."),
                &["kind"],
            )?,
            operations: Histogram::with_opts(histogram_opts!(
                "plumb_operation_seconds",
                "How long operations took that wrote something.",
                OPERATION_BUCKETS.to_vec()
            ))?,
            corrections: Histogram::with_opts(histogram_opts!(
                "plumb_drift_correction_seconds",
                "Time from noticing a drift to having corrected it.",
                CORRECTION_BUCKETS.to_vec()
            ))?,
            writes: IntCounterVec::new(
                Opts::new("plumb_writes_total", "Writes to the cluster, by what they did and whether they succeeded."),
                &["action", "result"],
            )?,
            environment_ready: IntGaugeVec::new(
                Opts::new("plumb_environment_ready", "1 while the environment is as its commit says, and healthy."),
                &environment,
            )?,
            environment_suspended: IntGaugeVec::new(
                Opts::new("plumb_environment_suspended", "1 while the environment is suspended."),
                &environment,
            )?,
            environment_objects: IntGaugeVec::new(
                Opts::new("plumb_environment_objects", "Owned objects, by health."),
                &["namespace", "environment", "health"],
            )?,
            repository_ready: IntGaugeVec::new(
                Opts::new("plumb_repository_ready", "1 while the last look at the repository succeeded."),
                &["namespace", "repository"],
            )?,
        };
        metrics.register()?;
        for kind in RecordKind::ALL {
            metrics.records.with_label_values(&[kind.label()]);
        }
        Ok(metrics)
    }

    fn register(&self) -> Result<(), prometheus::Error> {
        self.registry.register(Box::new(self.records.clone()))?;
        self.registry.register(Box::new(self.operations.clone()))?;
        self.registry.register(Box::new(self.corrections.clone()))?;
        self.registry.register(Box::new(self.writes.clone()))?;
        self.registry.register(Box::new(self.environment_ready.clone()))?;
        self.registry.register(Box::new(self.environment_suspended.clone()))?;
        self.registry.register(Box::new(self.environment_objects.clone()))?;
        self.registry.register(Box::new(self.repository_ready.clone()))?;
        self.registry.register(Box::new(ProcessCollector::for_self()))
    }

    /// Counts one record.
    pub(crate) fn record(&self, record: &Record) {
        self.records.with_label_values(&[record.kind.label()]).inc();
        let Some(took) = record.took else { return };
        match record.kind {
            RecordKind::Applied | RecordKind::Failed => self.operations.observe(took.as_secs_f64()),
            RecordKind::DriftCorrected => self.corrections.observe(took.as_secs_f64()),
            _ => {}
        }
    }

    /// Counts one write to the cluster.
    pub(crate) fn write(&self, action: &'static str, succeeded: bool) {
        self.writes.with_label_values(&[action, if succeeded { "success" } else { "failure" }]).inc();
    }

    /// Returns the state that gauges are computed from; hold it shortly.
    pub(crate) fn overview(&self) -> MutexGuard<'_, Overview> {
        self.overview.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the page in Prometheus's text format.
    pub(crate) fn page(&self) -> Result<String, prometheus::Error> {
        self.compute_gauges();
        let mut page = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut page)?;
        Ok(String::from_utf8_lossy(&page).into_owned())
    }

    fn compute_gauges(&self) {
        let overview = self.overview();
        self.environment_ready.reset();
        self.environment_suspended.reset();
        self.environment_objects.reset();
        self.repository_ready.reset();
        for (name, environment) in &overview.environments {
            let labels = [name.namespace.as_str(), name.name.as_str()];
            self.environment_ready.with_label_values(&labels).set(environment.ready.into());
            self.environment_suspended.with_label_values(&labels).set(environment.suspended.into());
            for (health, count) in &environment.health {
                let labels = [labels[0], labels[1], health];
                self.environment_objects.with_label_values(&labels).set((*count).into());
            }
        }
        for ((namespace, name), ready) in &overview.repositories {
            self.repository_ready.with_label_values(&[namespace, name]).set((*ready).into());
        }
    }
}
