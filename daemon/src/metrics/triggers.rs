//! What is counted and shown of triggers and their builds.
//!
//! Builds are counted from the facts that are told of them, once each. Must never do: guess what no fact says.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;
use plumb_core::trigger::{
    name::TriggerName,
    plan::fact::{Event, Fact},
    run::Outcome,
    standing::Reason,
};
use prometheus::{Error, HistogramVec, IntCounterVec, IntGaugeVec, Registry};

use super::{Metrics, catalogue, counter, gauge, histogram, observe};

/// How one trigger stands, for gauges.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TriggerOverview {
    /// Whether all that was to be built is built.
    pub(crate) ready: bool,
    /// Whether a person or a commit has to help.
    pub(crate) stalled: bool,
    /// Whether it is suspended.
    pub(crate) suspended: bool,
    /// The reason of its Ready condition.
    pub(crate) reason: Reason,
    /// Runs that have not ended.
    pub(crate) running: u32,
    /// Builds that wait.
    pub(crate) queued: u32,
    /// Since when the one of them waits that has waited longest.
    pub(crate) oldest: Option<Timestamp>,
}

/// The families of triggers.
#[derive(Clone)]
pub(super) struct Triggers {
    builds: IntCounterVec,
    queue_seconds: HistogramVec,
    seconds: HistogramVec,
    ready: IntGaugeVec,
    stalled: IntGaugeVec,
    suspended: IntGaugeVec,
    reason: IntGaugeVec,
    running: IntGaugeVec,
    queued: IntGaugeVec,
    oldest: IntGaugeVec,
}

impl Metrics {
    /// Counts what happened to a build.
    pub(crate) fn build(&self, trigger: &TriggerName, fact: &Fact, now: Timestamp) {
        let Triggers { builds, queue_seconds, seconds, .. } = &self.triggers;
        if let Some(outcome) = fact.event.outcome() {
            builds.with_label_values(&labels(trigger, outcome)).inc();
        }
        match &fact.event {
            Event::Began { since: Some(since), .. } => observe(queue_seconds, &[], lasted(*since, now)),
            Event::Ended { outcome, started: Some(started), at, .. } => {
                observe(seconds, &[word(*outcome)], lasted(*started, *at));
            }
            _ => {}
        }
    }

    /// Takes down how a trigger stands; its builds are counted from 0, so that the first one is an increase.
    pub(crate) fn trigger(&self, name: &TriggerName, overview: TriggerOverview) {
        for outcome in Outcome::ALL {
            self.triggers.builds.with_label_values(&labels(name, outcome));
        }
        self.overview().triggers.insert(name.clone(), overview);
    }

    /// Says nothing more of how a trigger stands: whoever looks at it does.
    pub(crate) fn hide_trigger(&self, name: &TriggerName) {
        self.overview().triggers.remove(name);
    }

    /// Forgets a trigger that is gone.
    pub(crate) fn forget_trigger(&self, name: &TriggerName) {
        self.hide_trigger(name);
        for outcome in Outcome::ALL {
            // Not there: it was never looked at.
            let _ = self.triggers.builds.remove_label_values(&labels(name, outcome));
        }
    }
}

impl Triggers {
    /// Makes them; what is counted without the name of a resource is there from the start.
    pub(super) fn new(registry: &Registry) -> Result<Self, Error> {
        let made = Self {
            builds: counter(registry, &catalogue::BUILDS)?,
            queue_seconds: histogram(registry, &catalogue::BUILD_QUEUE_SECONDS)?,
            seconds: histogram(registry, &catalogue::BUILD_SECONDS)?,
            ready: gauge(registry, &catalogue::TRIGGER_READY)?,
            stalled: gauge(registry, &catalogue::TRIGGER_STALLED)?,
            suspended: gauge(registry, &catalogue::TRIGGER_SUSPENDED)?,
            reason: gauge(registry, &catalogue::TRIGGER_REASON)?,
            running: gauge(registry, &catalogue::BUILDS_RUNNING)?,
            queued: gauge(registry, &catalogue::BUILDS_QUEUED)?,
            oldest: gauge(registry, &catalogue::BUILDS_OLDEST)?,
        };
        made.queue_seconds.with_label_values::<&str>(&[]);
        for outcome in Outcome::ALL {
            made.seconds.with_label_values(&[word(outcome)]);
        }
        Ok(made)
    }

    /// Sets the gauges to how all triggers stand.
    pub(super) fn compute(&self, triggers: &BTreeMap<TriggerName, TriggerOverview>) {
        let Self { ready, stalled, suspended, reason, running, queued, oldest, .. } = self;
        for gauge in [ready, stalled, suspended, reason, running, queued, oldest] {
            gauge.reset();
        }
        for (TriggerName { namespace, name }, overview) in triggers {
            let labels = [namespace.as_str(), name.as_str()];
            ready.with_label_values(&labels).set(overview.ready.into());
            stalled.with_label_values(&labels).set(overview.stalled.into());
            suspended.with_label_values(&labels).set(overview.suspended.into());
            reason.with_label_values(&[labels[0], labels[1], &overview.reason.to_string()]).set(1);
            running.with_label_values(&labels).set(overview.running.into());
            queued.with_label_values(&labels).set(overview.queued.into());
            if let Some(since) = overview.oldest {
                oldest.with_label_values(&labels).set(since.as_second());
            }
        }
    }
}

fn labels(trigger: &TriggerName, outcome: Outcome) -> [&str; 3] {
    [&trigger.namespace, &trigger.name, word(outcome)]
}

/// Returns an outcome as the value of a label.
fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Succeeded => "succeeded",
        Outcome::Failed => "failed",
        Outcome::Misconfigured => "misconfigured",
        Outcome::Infrastructure => "infrastructure",
        Outcome::Cancelled => "cancelled",
    }
}

/// Returns the seconds between two times; nothing where clocks disagree about which is the earlier one.
fn lasted(from: Timestamp, to: Timestamp) -> Option<f64> {
    Duration::try_from(to.duration_since(from)).ok().map(|lasted| lasted.as_secs_f64())
}
