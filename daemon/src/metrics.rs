//! Everything that plumb counts, and the page on which it shows it.
//!
//! Counters are added to as things happen; gauges are computed from [`Overview`] when the page is asked for, so that
//! they can't drift from the state. Names and labels stand in the [`catalogue`].

mod catalogue;
mod triggers;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use plumb_cluster::{tenure::Tenure, traffic::Traffic, watches::SharedIndex};
use plumb_core::{
    class::Class,
    environment::EnvironmentName,
    lease::Shard,
    record::{Record, RecordKind},
    trigger::name::TriggerName,
};
use prometheus::{
    Encoder as _, HistogramOpts, HistogramVec, IntCounterVec, IntGaugeVec, Opts, Registry, TextEncoder,
    process_collector::ProcessCollector,
};

use crate::backlog::{Backlog, Lot};
use catalogue::{Family, Kind};
pub(crate) use triggers::TriggerOverview;
use triggers::Triggers;

/// What was done about a drift, as label values.
const DRIFT_ACTIONS: [&str; 2] = ["corrected", "left"];

/// How one environment stands, for gauges.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct EnvironmentOverview {
    /// Whether it is ready.
    pub(crate) ready: bool,
    /// Whether a person has to act.
    pub(crate) stalled: bool,
    /// Whether it is suspended.
    pub(crate) suspended: bool,
    /// The reason of its Ready condition.
    pub(crate) reason: &'static str,
    /// Objects over which somebody quarrels with it.
    pub(crate) contended: usize,
    /// Owned objects by health.
    pub(crate) health: BTreeMap<String, u32>,
    /// When it last applied other inputs without an error.
    pub(crate) applied: Option<jiff::Timestamp>,
}

/// How one repository stands, for gauges.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct RepositoryOverview {
    /// Its UID.
    pub(crate) uid: String,
    /// Whether the last look succeeded.
    pub(crate) ready: bool,
    /// When a look last did.
    pub(crate) seen: Option<jiff::Timestamp>,
}

/// How everything stands.
#[derive(Debug, Default)]
pub(crate) struct Overview {
    /// Environments by name.
    pub(crate) environments: BTreeMap<EnvironmentName, EnvironmentOverview>,
    /// Repositories by namespace and name.
    pub(crate) repositories: BTreeMap<(String, String), RepositoryOverview>,
    /// Triggers that this replica looks at, by name.
    pub(crate) triggers: BTreeMap<TriggerName, TriggerOverview>,
    /// Passes under way.
    pub(crate) running: usize,
    /// Environments that are to be looked at and have no room for a pass.
    pub(crate) waiting: usize,
    /// What waits to be published as notes.
    pub(crate) backlog: Backlog,
    /// What is known of the cluster, once it is followed.
    pub(crate) index: Option<SharedIndex>,
    /// Tenures by shard; nothing where another replica writes.
    pub(crate) shards: BTreeMap<Shard, Option<Tenure>>,
}

/// What came of a look at a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Look {
    /// The commit was known.
    Unchanged,
    /// A commit was fetched.
    Fetched,
    /// It failed.
    Failed,
}

impl Look {
    const ALL: [Self; 3] = [Self::Unchanged, Self::Fetched, Self::Failed];

    fn label(self) -> &'static str {
        match self {
            Self::Unchanged => "unchanged",
            Self::Fetched => "fetched",
            Self::Failed => "failed",
        }
    }
}

/// What came of a push of records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotesPush {
    /// They are there.
    Pushed,
    /// Somebody else pushed in between: it is built anew on that.
    Raced,
    /// They are not there, and wait.
    Failed,
}

impl NotesPush {
    const ALL: [Self; 3] = [Self::Pushed, Self::Raced, Self::Failed];

    fn label(self) -> &'static str {
        match self {
            Self::Pushed => "pushed",
            Self::Raced => "raced",
            Self::Failed => "failed",
        }
    }
}

/// Forms of records in notes, as label values: a line of its own, or counted in one that stands for many.
const FORMS: [&str; 2] = ["whole", "counted"];

/// All metrics of one daemon.
#[derive(Clone)]
pub(crate) struct Metrics {
    registry: Registry,
    overview: Arc<Mutex<Overview>>,
    counters: Counters,
    gauges: Gauges,
    triggers: Triggers,
}

#[derive(Clone)]
struct Counters {
    records: IntCounterVec,
    operations: HistogramVec,
    corrections: HistogramVec,
    drifts: IntCounterVec,
    writes: IntCounterVec,
    passes: IntCounterVec,
    pass_seconds: HistogramVec,
    looks: IntCounterVec,
    look_seconds: HistogramVec,
    record_pushes: IntCounterVec,
    records_published: IntCounterVec,
    records_unkept: IntCounterVec,
    requests: IntCounterVec,
    request_seconds: HistogramVec,
    lists: IntCounterVec,
    interruptions: IntCounterVec,
}

#[derive(Clone)]
struct Gauges {
    build: IntGaugeVec,
    passes_running: IntGaugeVec,
    passes_waiting: IntGaugeVec,
    environment_ready: IntGaugeVec,
    environment_stalled: IntGaugeVec,
    environment_suspended: IntGaugeVec,
    environment_reason: IntGaugeVec,
    environment_contended: IntGaugeVec,
    environment_objects: IntGaugeVec,
    environment_applied: IntGaugeVec,
    repository_ready: IntGaugeVec,
    repository_seen: IntGaugeVec,
    records_pending: IntGaugeVec,
    records_oldest: IntGaugeVec,
    watched_kinds: IntGaugeVec,
    shard_held: IntGaugeVec,
}

impl Metrics {
    /// Makes the metrics of one daemon; what is counted without the name of a resource is there from the start.
    pub(crate) fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let counters = Counters {
            records: counter(&registry, &catalogue::RECORDS)?,
            operations: histogram(&registry, &catalogue::OPERATION_SECONDS)?,
            corrections: histogram(&registry, &catalogue::CORRECTION_SECONDS)?,
            drifts: counter(&registry, &catalogue::ENVIRONMENT_DRIFTS)?,
            writes: counter(&registry, &catalogue::WRITES)?,
            passes: counter(&registry, &catalogue::PASSES)?,
            pass_seconds: histogram(&registry, &catalogue::PASS_SECONDS)?,
            looks: counter(&registry, &catalogue::REPOSITORY_LOOKS)?,
            look_seconds: histogram(&registry, &catalogue::REPOSITORY_LOOK_SECONDS)?,
            record_pushes: counter(&registry, &catalogue::RECORD_PUSHES)?,
            records_published: counter(&registry, &catalogue::RECORDS_PUBLISHED)?,
            records_unkept: counter(&registry, &catalogue::RECORDS_UNKEPT)?,
            requests: counter(&registry, &catalogue::API_REQUESTS)?,
            request_seconds: histogram(&registry, &catalogue::API_SECONDS)?,
            lists: counter(&registry, &catalogue::WATCH_LISTS)?,
            interruptions: counter(&registry, &catalogue::WATCH_INTERRUPTIONS)?,
        };
        let gauges = Gauges {
            build: gauge(&registry, &catalogue::BUILD)?,
            passes_running: gauge(&registry, &catalogue::PASSES_RUNNING)?,
            passes_waiting: gauge(&registry, &catalogue::PASSES_WAITING)?,
            environment_ready: gauge(&registry, &catalogue::ENVIRONMENT_READY)?,
            environment_stalled: gauge(&registry, &catalogue::ENVIRONMENT_STALLED)?,
            environment_suspended: gauge(&registry, &catalogue::ENVIRONMENT_SUSPENDED)?,
            environment_reason: gauge(&registry, &catalogue::ENVIRONMENT_REASON)?,
            environment_contended: gauge(&registry, &catalogue::ENVIRONMENT_CONTENDED)?,
            environment_objects: gauge(&registry, &catalogue::ENVIRONMENT_OBJECTS)?,
            environment_applied: gauge(&registry, &catalogue::ENVIRONMENT_APPLIED)?,
            repository_ready: gauge(&registry, &catalogue::REPOSITORY_READY)?,
            repository_seen: gauge(&registry, &catalogue::REPOSITORY_SEEN)?,
            records_pending: gauge(&registry, &catalogue::RECORDS_PENDING)?,
            records_oldest: gauge(&registry, &catalogue::RECORDS_OLDEST)?,
            watched_kinds: gauge(&registry, &catalogue::WATCHED_KINDS)?,
            shard_held: gauge(&registry, &catalogue::SHARD_HELD)?,
        };
        registry.register(Box::new(ProcessCollector::for_self()))?;
        gauges.build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        counters.begin();
        let triggers = Triggers::new(&registry)?;
        Ok(Self { registry, overview: Arc::default(), counters, gauges, triggers })
    }

    /// Counts one record.
    pub(crate) fn record(&self, record: &Record) {
        let Counters { operations, corrections, drifts, .. } = &self.counters;
        self.count(record.kind);
        let EnvironmentName { namespace, name } = &record.environment;
        let drifted = |action: &str| drifts.with_label_values(&[namespace.as_str(), name, action]).inc();
        let seconds = record.took.map(|took| took.as_secs_f64());
        match record.kind {
            RecordKind::Applied | RecordKind::Failed => observe(operations, &[], seconds),
            RecordKind::DriftCorrected => {
                observe(corrections, &[], seconds);
                drifted(DRIFT_ACTIONS[0]);
            }
            RecordKind::DriftFound => drifted(DRIFT_ACTIONS[1]),
            _ => {}
        }
    }

    /// Counts one fact of this kind.
    pub(crate) fn count(&self, kind: RecordKind) {
        self.counters.records.with_label_values(&[kind.label()]).inc();
    }

    /// Counts one write to the cluster.
    pub(crate) fn write(&self, action: &'static str, succeeded: bool) {
        let result = if succeeded { "success" } else { "failure" };
        self.counters.writes.with_label_values(&[action, result]).inc();
    }

    /// Counts one pass; `retry` is what called for another one.
    pub(crate) fn pass(&self, took: Duration, retry: Option<Class>) {
        self.counters.passes.with_label_values(&[retry.map_or(SETTLED, Class::label)]).inc();
        observe(&self.counters.pass_seconds, &[], Some(took.as_secs_f64()));
    }

    /// Counts one look at a repository.
    pub(crate) fn look(&self, (namespace, name): &(String, String), look: Look, took: Duration) {
        self.counters.looks.with_label_values(&[namespace.as_str(), name, look.label()]).inc();
        observe(&self.counters.look_seconds, &[look.label()], Some(took.as_secs_f64()));
    }

    /// Counts one push of records as notes.
    pub(crate) fn notes_push(&self, (namespace, name): &(String, String), push: NotesPush) {
        self.counters.record_pushes.with_label_values(&[namespace.as_str(), name, push.label()]).inc();
    }

    /// Counts records that became notes.
    pub(crate) fn published(&self, (namespace, name): &(String, String), Lot { whole, counted, oldest: _ }: Lot) {
        for (form, number) in FORMS.into_iter().zip([whole, counted]) {
            self.counters.records_published.with_label_values(&[namespace.as_str(), name, form]).inc_by(number);
        }
    }

    /// Counts records that will not become notes.
    pub(crate) fn unkept(&self, records: u64) {
        self.counters.records_unkept.with_label_values::<&str>(&[]).inc_by(records);
    }

    /// Counts what is told of the traffic with the API server.
    pub(crate) fn traffic(&self, traffic: Traffic) {
        match traffic {
            Traffic::Exchange { verb, outcome, took } => {
                self.counters.requests.with_label_values(&[verb.label(), outcome.label()]).inc();
                observe(&self.counters.request_seconds, &[verb.label()], Some(took.as_secs_f64()));
            }
            Traffic::Listed => self.counters.lists.with_label_values::<&str>(&[]).inc(),
            Traffic::Interrupted => self.counters.interruptions.with_label_values::<&str>(&[]).inc(),
        }
    }

    /// Forgets an environment that is gone.
    pub(crate) fn forget_environment(&self, name: &EnvironmentName) {
        self.overview().environments.remove(name);
        for action in DRIFT_ACTIONS {
            // Not there: it never drifted.
            let _ = self.counters.drifts.remove_label_values(&[name.namespace.as_str(), &name.name, action]);
        }
    }

    /// Forgets a repository that is gone.
    pub(crate) fn forget_repository(&self, name: &(String, String)) {
        self.overview().repositories.remove(name);
        for look in Look::ALL {
            // Not there: no look ever ended so.
            let _ = self.counters.looks.remove_label_values(&[name.0.as_str(), &name.1, look.label()]);
        }
        for push in NotesPush::ALL {
            let _ = self.counters.record_pushes.remove_label_values(&[name.0.as_str(), &name.1, push.label()]);
        }
        for form in FORMS {
            let _ = self.counters.records_published.remove_label_values(&[name.0.as_str(), &name.1, form]);
        }
    }

    /// Returns the state that gauges are computed from; hold it shortly.
    pub(crate) fn overview(&self) -> MutexGuard<'_, Overview> {
        self.overview.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the page in Prometheus's text format.
    pub(crate) fn page(&self) -> Result<String, prometheus::Error> {
        let overview = self.overview();
        self.gauges.compute(&overview);
        self.triggers.compute(&overview.triggers);
        drop(overview);
        let mut page = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut page)?;
        Ok(String::from_utf8_lossy(&page).into_owned())
    }
}

/// The result of a pass that calls for no other.
const SETTLED: &str = "settled";

impl Counters {
    /// Begins at 0 what has no name of a resource among its labels: a rate is not known before the second value.
    fn begin(&self) {
        for kind in RecordKind::ALL {
            self.records.with_label_values(&[kind.label()]);
        }
        for class in [Class::Retry, Class::Wait, Class::Bug] {
            self.passes.with_label_values(&[class.label()]);
        }
        self.passes.with_label_values(&[SETTLED]);
        for look in Look::ALL {
            self.look_seconds.with_label_values(&[look.label()]);
        }
        for histogram in [&self.operations, &self.corrections, &self.pass_seconds] {
            histogram.with_label_values::<&str>(&[]);
        }
        for counter in [&self.lists, &self.interruptions, &self.records_unkept] {
            counter.with_label_values::<&str>(&[]);
        }
    }
}

impl Gauges {
    fn compute(&self, overview: &Overview) {
        let Overview { environments, repositories, triggers: _, running, waiting, backlog, index, shards } = overview;
        self.passes_running.with_label_values::<&str>(&[]).set(count(*running));
        self.passes_waiting.with_label_values::<&str>(&[]).set(count(*waiting));
        if let Some(index) = index {
            let (known, unknown) = index.lock().unwrap_or_else(PoisonError::into_inner).kinds();
            self.watched_kinds.with_label_values(&["known"]).set(count(known));
            self.watched_kinds.with_label_values(&["unknown"]).set(count(unknown));
        }
        for (shard, tenure) in shards {
            let held = tenure.as_ref().is_some_and(Tenure::is_valid);
            self.shard_held.with_label_values(&[&shard.to_string()]).set(held.into());
        }
        for gauge in [
            &self.environment_ready,
            &self.environment_stalled,
            &self.environment_suspended,
            &self.environment_reason,
            &self.environment_contended,
            &self.environment_objects,
            &self.environment_applied,
            &self.repository_ready,
            &self.repository_seen,
            &self.records_pending,
            &self.records_oldest,
        ] {
            gauge.reset();
        }
        for (name, environment) in environments {
            self.compute_environment([name.namespace.as_str(), name.name.as_str()], environment);
        }
        for ((namespace, name), RepositoryOverview { uid, ready, seen }) in repositories {
            let Lot { whole, counted, oldest } = backlog.lot(uid);
            for (form, number) in FORMS.into_iter().zip([whole, counted]) {
                let number = i64::try_from(number).unwrap_or(i64::MAX);
                self.records_pending.with_label_values(&[namespace, name, form]).set(number);
            }
            if let Some(oldest) = oldest {
                self.records_oldest.with_label_values(&[namespace, name]).set(oldest.as_second());
            }
            self.repository_ready.with_label_values(&[namespace, name]).set((*ready).into());
            if let Some(seen) = seen {
                self.repository_seen.with_label_values(&[namespace, name]).set(seen.as_second());
            }
        }
    }

    fn compute_environment(&self, labels: [&str; 2], environment: &EnvironmentOverview) {
        let EnvironmentOverview { ready, stalled, suspended, reason, contended, health, applied } = environment;
        self.environment_ready.with_label_values(&labels).set((*ready).into());
        self.environment_stalled.with_label_values(&labels).set((*stalled).into());
        self.environment_suspended.with_label_values(&labels).set((*suspended).into());
        self.environment_reason.with_label_values(&[labels[0], labels[1], reason]).set(1);
        self.environment_contended.with_label_values(&labels).set(count(*contended));
        for (health, count) in health {
            self.environment_objects.with_label_values(&[labels[0], labels[1], health]).set((*count).into());
        }
        if let Some(applied) = applied {
            self.environment_applied.with_label_values(&labels).set(applied.as_second());
        }
    }
}

fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn observe(histogram: &HistogramVec, labels: &[&str], seconds: Option<f64>) {
    if let Some(seconds) = seconds {
        histogram.with_label_values(labels).observe(seconds);
    }
}

fn counter(registry: &Registry, family: &Family) -> Result<IntCounterVec, prometheus::Error> {
    assert_eq!(family.kind, Kind::Counter, "{} is counted", family.name);
    let made = IntCounterVec::new(Opts::new(family.name, family.help), family.labels)?;
    registry.register(Box::new(made.clone()))?;
    Ok(made)
}

fn gauge(registry: &Registry, family: &Family) -> Result<IntGaugeVec, prometheus::Error> {
    assert_eq!(family.kind, Kind::Gauge, "{} is set", family.name);
    let made = IntGaugeVec::new(Opts::new(family.name, family.help), family.labels)?;
    registry.register(Box::new(made.clone()))?;
    Ok(made)
}

fn histogram(registry: &Registry, family: &Family) -> Result<HistogramVec, prometheus::Error> {
    let Kind::Histogram(buckets) = family.kind else { panic!("{} is observed", family.name) };
    let made =
        HistogramVec::new(HistogramOpts::new(family.name, family.help).buckets(buckets.to_vec()), family.labels)?;
    registry.register(Box::new(made.clone()))?;
    Ok(made)
}

#[cfg(test)]
mod tests;
