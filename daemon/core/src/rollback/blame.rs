//! Blame: is it the commit's fault that the environment is not healthy?
//!
//! Total and pure: what is persisted of the range goes in and comes out, with a verdict. A wrong rollback hurts more than a
//! missing one, so that everything has to speak against the commit: the environment was healthy before, an object that the range
//! changed fails, nothing else was changed, nobody has meddled with that object, and the other environments are well.

#[cfg(test)]
mod tests;

use std::{collections::BTreeSet, fmt, time::Duration};

use jiff::Timestamp;
use serde::Serialize;

use super::{
    Healthy, Mode, RollbackPolicy,
    outage::Outage,
    watch::{Excuse, Observed, Watch},
};
use crate::{
    commit::CommitId, environment::EnvironmentName, health::HealthStatus, object::ObjectKey, source::InputsDigest,
    wave::Wave,
};

/// While another environment suffers too, it is looked again this often whether it is well: no event of one environment
/// wakes another.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// Everything that a verdict depends on.
#[derive(Debug, Clone)]
pub struct Case<'a> {
    /// What the Environment asks for.
    pub policy: &'a RollbackPolicy,
    /// The moment.
    pub now: Timestamp,
    /// When the pass began: a range begins with it.
    pub began: Timestamp,
    /// The commit in force.
    pub commit: &'a CommitId,
    /// What was read of it.
    pub inputs: &'a InputsDigest,
    /// The generation of the spec.
    pub generation: i64,
    /// What was healthy last.
    pub healthy: Option<&'a Healthy>,
    /// The range so far.
    pub watch: Option<&'a Watch>,
    /// How the environment is, after what this pass did.
    pub state: State,
    /// Whether something was not healthy as this pass began: it counts where a range begins.
    pub ailing: bool,
    /// What the other environments of the cluster say.
    pub outage: Outage,
}

/// How an environment is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum State {
    /// All of the commit is applied and healthy.
    Well,
    /// Nothing is written, because a person said so.
    Suspended {
        /// Whether it is well all the same.
        well: bool,
    },
    /// The pass did not come to its end.
    Cut,
    /// Something is not applied or not healthy.
    Unwell {
        /// The wave that is waited for.
        wave: Option<Wave>,
        /// What is not healthy.
        symptoms: Vec<Symptom>,
    },
}

/// One desired object that is there and not healthy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Symptom {
    /// Which.
    pub key: ObjectKey,
    /// Its verdict.
    pub health: HealthStatus,
    /// The reasons of its Pods, as Kubernetes spells them, as far as those were made from what is in force.
    pub reasons: BTreeSet<String>,
    /// Whether its controller has yet to see what was changed: then its Pods are not of that.
    pub unseen: bool,
    /// In words, naming the object.
    pub sentence: String,
    /// Whether the range changed it; absent: what was healthy can't be read any more.
    pub changed: Option<bool>,
    /// Whether somebody else has changed it, and that stands or Pods of it are left.
    pub drifted: bool,
}

/// The verdict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum Verdict {
    /// There is nothing to judge.
    Idle,
    /// It is not decided.
    Wait {
        /// When to look again, if a time is all that is waited for.
        until: Option<Timestamp>,
    },
    /// Something fails, and not through the range.
    NotTheCommit {
        /// Why.
        why: Acquittal,
        /// When to look again.
        until: Option<Timestamp>,
    },
    /// It is the fault of the range.
    Blamed {
        /// The object that fails.
        object: ObjectKey,
        /// What it suffers from, naming it.
        reason: String,
    },
}

/// Why it is not the commit's fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum Acquittal {
    /// Nothing was healthy before: there is nothing to go back to.
    NothingHealthy,
    /// It was not healthy before.
    AlreadyFailing,
    /// The Environment's spec was changed as well.
    SpecChanged,
    /// What was healthy can't be read any more.
    Unreadable,
    /// The range did not change what fails.
    Untouched,
    /// Somebody else has changed what fails.
    Drifted,
    /// Another environment suffers at the same time, without a change.
    ClusterSuspected(EnvironmentName),
}

/// A verdict, and what is to be remembered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Judgement {
    /// The verdict.
    pub verdict: Verdict,
    /// The range; absent: none is watched any more.
    pub watch: Option<Watch>,
    /// What was healthy last.
    pub healthy: Option<Healthy>,
}

impl Judgement {
    fn idle(healthy: Option<Healthy>) -> Self {
        Self { verdict: Verdict::Idle, watch: None, healthy }
    }
}

/// Judges an environment at the end of a pass.
pub fn judge(case: &Case<'_>) -> Judgement {
    let now_healthy = || Healthy {
        commit: case.commit.clone(),
        inputs: case.inputs.clone(),
        generation: case.generation,
        lost: None,
    };
    let is_in_force = |healthy: &Healthy| healthy.inputs == *case.inputs && healthy.generation == case.generation;
    if case.healthy.is_some_and(is_in_force) {
        return Judgement::idle(settled(case));
    }
    // A newer commit ends the observation of one that is still well.
    let proved = case.watch.and_then(|watch| watch.observed.as_ref()).filter(|observed| !observed.lost);
    let proved = proved.map(|observed| observed.healthy.clone()).filter(|healthy| !is_in_force(healthy));
    let watch = if proved.is_some() { None } else { case.watch.cloned() };
    let healthy = proved.or_else(|| case.healthy.cloned());
    let judged = case.policy.mode != Mode::None;
    match &case.state {
        State::Suspended { well } => {
            // What a person does meanwhile is no fault of any commit.
            let lost = (!well).then_some(case.now);
            Judgement::idle(healthy.map(|healthy| Healthy { lost: healthy.lost.or(lost), ..healthy }))
        }
        State::Cut if !judged => Judgement::idle(healthy),
        State::Well if !judged || healthy.is_none() => Judgement::idle(Some(now_healthy())),
        State::Unwell { .. } if !judged => Judgement::idle(healthy),
        State::Cut | State::Well | State::Unwell { .. } => {
            let ailing = case.ailing || healthy.as_ref().is_some_and(|healthy| healthy.lost.is_some());
            let watch = watch.unwrap_or_else(|| Watch::begin(case.commit.clone(), case.began, ailing));
            match &case.state {
                State::Well => observe(case, watch, healthy, now_healthy()),
                State::Unwell { wave, symptoms } => {
                    let watch = watch.suffer(*wave, case.now).hear(excuse(&case.outage, symptoms), case.now);
                    acquit(watch_over(case, &watch, healthy.as_ref(), symptoms), watch, healthy)
                }
                State::Cut | State::Suspended { .. } => {
                    Judgement { verdict: Verdict::Wait { until: None }, watch: Some(watch), healthy }
                }
            }
        }
    }
}

/// Returns what is known of the content that was healthy and is in force.
fn settled(case: &Case<'_>) -> Option<Healthy> {
    let before = case.healthy?;
    let lost = match &case.state {
        State::Well | State::Suspended { well: true } => None,
        State::Cut => before.lost,
        State::Suspended { well: false } | State::Unwell { .. } => before.lost.or(Some(case.now)),
    };
    Some(Healthy { commit: case.commit.clone(), lost, ..before.clone() })
}

/// Goes on with a range that is healthy: it counts at once, or after it was observed.
fn observe(case: &Case<'_>, watch: Watch, before: Option<Healthy>, healthy: Healthy) -> Judgement {
    let comparable = before.as_ref().is_some_and(|before| before.generation == case.generation) && !watch.ailing;
    if case.policy.observe.is_zero() || !comparable {
        return Judgement::idle(Some(healthy));
    }
    let watch = watch.recover(healthy.clone(), case.now);
    let Some(Observed { at, .. }) = watch.observed else { return Judgement::idle(Some(healthy)) };
    let until = after(at, case.policy.observe);
    if case.now >= until {
        return Judgement::idle(Some(healthy));
    }
    Judgement { verdict: Verdict::Wait { until: Some(until) }, watch: Some(watch), healthy: before }
}

/// Returns whether something else than the range may be to blame: an outage, or somebody who has changed what the range did.
fn excuse(outage: &Outage, symptoms: &[Symptom]) -> Excuse {
    let meddled = symptoms.iter().any(|symptom| symptom.changed == Some(true) && symptom.drifted);
    match outage {
        Outage::Suspected(_) => Excuse::Stands,
        Outage::None | Outage::Unheard(_) if meddled => Excuse::Stands,
        Outage::None => Excuse::None,
        Outage::Unheard(_) => Excuse::Unheard,
    }
}

/// Keeps with the range that it was acquitted, as long as that is so. One that is blamed is still watched: until its rollback is
/// written down, it is blamed again.
fn acquit(verdict: Verdict, watch: Watch, healthy: Option<Healthy>) -> Judgement {
    let watch = match &verdict {
        Verdict::NotTheCommit { why, .. } => Some(Watch { acquitted: Some(why.to_string()), ..watch }),
        Verdict::Wait { .. } => Some(watch),
        Verdict::Blamed { .. } => Some(Watch { acquitted: None, ..watch }),
        Verdict::Idle => None,
    };
    Judgement { verdict, watch, healthy }
}

/// Judges a range that is not healthy.
fn watch_over(case: &Case<'_>, watch: &Watch, healthy: Option<&Healthy>, symptoms: &[Symptom]) -> Verdict {
    let RollbackPolicy { mode: _, fail_fast, timeout, observe: _ } = case.policy;
    let early = after(watch.since, fail_fast.after).min(after(watch.since, *timeout));
    let late = after(watch.since, *timeout);
    if case.now < early {
        return Verdict::Wait { until: Some(early) };
    }
    let is_late = case.now >= late;
    let is_acute = |symptom: &&Symptom| {
        symptom.health == HealthStatus::Failed || !symptom.unseen && !symptom.reasons.is_disjoint(&fail_fast.reasons)
    };
    // What can't be judged fails at no time.
    let is_slow = |symptom: &&Symptom| is_late && symptom.health == HealthStatus::InProgress;
    let failing: Vec<&Symptom> = symptoms.iter().filter(|symptom| is_acute(symptom) || is_slow(symptom)).collect();
    let until = (!is_late).then_some(late);
    if failing.is_empty() {
        return Verdict::Wait { until };
    }
    let acquitted = |why| Verdict::NotTheCommit { why, until };
    let Some(healthy) = healthy else { return acquitted(Acquittal::NothingHealthy) };
    if healthy.generation != case.generation {
        return acquitted(Acquittal::SpecChanged);
    }
    if watch.ailing {
        return acquitted(Acquittal::AlreadyFailing);
    }
    if failing.iter().any(|symptom| symptom.changed.is_none()) {
        return acquitted(Acquittal::Unreadable);
    }
    let changed: Vec<&Symptom> = failing.into_iter().filter(|symptom| symptom.changed == Some(true)).collect();
    if changed.is_empty() {
        return acquitted(Acquittal::Untouched);
    }
    let untouched_by_others = changed.into_iter().filter(|symptom| !symptom.drifted);
    let Some(worst) = untouched_by_others.min_by_key(|symptom| !is_acute(symptom)) else {
        return acquitted(Acquittal::Drifted);
    };
    let again = Some(after(case.now, LOOK_AGAIN));
    match &case.outage {
        Outage::Suspected(other) => {
            Verdict::NotTheCommit { why: Acquittal::ClusterSuspected(other.clone()), until: again }
        }
        Outage::Unheard(_) => Verdict::Wait { until: again },
        Outage::None => Verdict::Blamed { object: worst.key.clone(), reason: worst.sentence.clone() },
    }
}

fn after(moment: Timestamp, delay: Duration) -> Timestamp {
    moment.checked_add(delay).unwrap_or(Timestamp::MAX)
}

impl fmt::Display for Acquittal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not rolled back: ")?;
        match self {
            Self::NothingHealthy => f.write_str("no commit was healthy before, so there is nothing to go back to"),
            Self::AlreadyFailing => f.write_str("the Environment was not healthy before these commits"),
            Self::SpecChanged => f.write_str("the spec of the Environment was changed since it was healthy"),
            Self::Unreadable => f.write_str("the last healthy commit can't be read any more"),
            Self::Untouched => f.write_str("what fails was not changed since the Environment was healthy"),
            Self::Drifted => f.write_str("somebody else has changed what fails (plumb drift)"),
            Self::ClusterSuspected(other) => {
                write!(f, "environment {other} suffers at the same time, and nothing was changed for it")
            }
        }
    }
}
