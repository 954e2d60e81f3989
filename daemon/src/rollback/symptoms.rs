//! What of an environment is not healthy, as blame wants to know it: whether the range changed it, what its Pods suffer from, and
//! whether somebody else has had a hand in it.
//!
//! A Pod that was made from another template than the one in use says nothing about what is in force: it is left from an older
//! commit, or from what somebody did by hand.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::PoisonError,
};

use jiff::Timestamp;
use plumb_core::{
    desired::DesiredObject,
    health::{
        HealthStatus,
        pod::{self, Trouble},
    },
    live::LiveObject,
    object::ObjectKey,
    plan::wait::counts,
    rollback::{Healthy, blame::Symptom, watch::Watch},
};

use super::judging::Seen;
use crate::{chain::chain, context::Context, gather, health, reconcile::Pass, report::action::Action};

/// What is not healthy.
#[derive(Debug, Default)]
pub(super) struct Symptoms {
    /// One for each object.
    pub(super) symptoms: Vec<Symptom>,
    /// Whether it is not known what Pods were made from.
    pub(super) unread: bool,
}

/// Which Pods of a workload are of what is in force.
enum Template {
    /// All of them.
    Any,
    /// Those whose label says this.
    Named(String),
    /// Nobody knows: the API server does not say, or the workload is another one by now.
    Unread,
}

impl Template {
    fn fits(&self, trouble: &Trouble) -> bool {
        match self {
            Self::Any => true,
            Self::Named(name) => trouble.template.is_empty() || trouble.template == *name,
            Self::Unread => false,
        }
    }
}

/// Returns what is desired, there and not healthy; `healthy` says what to compare with.
pub(super) async fn gather(
    context: &Context,
    pass: &mut Pass,
    seen: &Seen<'_>,
    healthy: Option<&Healthy>,
    watch: Option<&Watch>,
) -> Symptoms {
    let desired = &seen.gathered.desired.objects;
    let live = desired.keys().filter(|key| counts(key)).filter_map(|key| seen.live.objects.get(key));
    let sick: Vec<&LiveObject> = live.filter(|live| live.health.status != HealthStatus::Current).collect();
    if sick.is_empty() {
        return Symptoms::default();
    }
    let changed = match healthy {
        Some(healthy) => changed(context, pass, seen, healthy).await,
        None => None,
    };
    let (mut found, hands) = (Symptoms::default(), Hands::of(pass, seen, watch));
    for live in sick {
        let name = live.key.to_string();
        let (drifted, meddled) = (hands.stands.contains(&name), hands.was.contains(&name));
        let troubles = of_pods(context, pass, live);
        let reasons = &pass.settings.rollback.fail_fast.reasons;
        let matters = meddled || troubles.iter().any(|trouble| reasons.contains(&trouble.reason));
        let template = if healthy.is_some() && !troubles.is_empty() && matters {
            template(context, seen, live).await
        } else {
            Template::Any
        };
        found.unread |= matches!(template, Template::Unread);
        let (fitting, left): (Vec<Trouble>, Vec<Trouble>) =
            troubles.into_iter().partition(|trouble| template.fits(trouble));
        let told = if fitting.is_empty() { &left } else { &fitting };
        found.symptoms.push(Symptom {
            key: live.key.clone(),
            health: live.health.status,
            unseen: live.health.unseen,
            sentence: pod::explain(&live.key, &live.health, told),
            changed: changed.as_ref().map(|changed| changed.contains(&live.key)),
            drifted: drifted || meddled && !left.is_empty(),
            reasons: fitting.into_iter().map(|trouble| trouble.reason).collect(),
        });
    }
    found
}

/// Returns what the Pods of an object suffer from.
fn of_pods(context: &Context, pass: &Pass, live: &LiveObject) -> Vec<Trouble> {
    let troubles = context.troubles.lock().unwrap_or_else(PoisonError::into_inner);
    troubles.get(&(pass.settings.name.clone(), live.key.clone())).cloned().unwrap_or_default()
}

/// Asks which Pods of a workload are of what is in force.
async fn template(context: &Context, seen: &Seen<'_>, live: &LiveObject) -> Template {
    let desired = seen.gathered.desired.objects.get(&live.key);
    let Some(selector) = desired.and_then(|desired| health::selector(&live.key, &desired.manifest)) else {
        return Template::Any;
    };
    match context.cluster.template(&live.key, &selector).await {
        Ok(None) => Template::Any,
        Ok(Some(found)) if found.resource_version == live.resource_version => Template::Named(found.name),
        // Somebody has changed it since this pass has seen it, perhaps plumb itself: what its Pods are of is the next pass's to say.
        Ok(Some(_)) => Template::Unread,
        Err(error) => {
            tracing::warn!(object = %live.key, "what its Pods were made from is not known: {}", chain(&error));
            Template::Unread
        }
    }
}

/// Returns the objects of the commit in force that are not as they were when the environment was healthy; nothing if that
/// can't be read any more.
async fn changed(
    context: &Context,
    pass: &mut Pass,
    seen: &Seen<'_>,
    healthy: &Healthy,
) -> Option<BTreeSet<ObjectKey>> {
    let source = pass.source.clone().ok()?;
    let before = gather::desired_at(context, &pass.settings, source, &healthy.commit, &mut pass.memory.healthy).await?;
    let differs = |(key, object): &(&ObjectKey, &DesiredObject)| {
        before.objects.get(*key).is_none_or(|before| before.manifest != object.manifest)
    };
    let desired: &BTreeMap<_, _> = &seen.gathered.desired.objects;
    Some(desired.iter().filter(differs).map(|(key, _)| key.clone()).collect())
}

/// The objects, as they are shown, that somebody else has changed since the range began.
struct Hands {
    /// Where that stands.
    stands: BTreeSet<String>,
    /// Whether it stands or was put back.
    was: BTreeSet<String>,
}

impl Hands {
    fn of(pass: &Pass, seen: &Seen<'_>, watch: Option<&Watch>) -> Self {
        let began = watch.map_or(seen.started, |watch| watch.began);
        let is_recent = |noticed: &str| noticed.parse::<Timestamp>().is_ok_and(|noticed| noticed >= began);
        let recent = || pass.memory.status.drift.iter().filter(|drift| is_recent(&drift.noticed));
        let stands = recent().filter(|drift| !Action::parse(&drift.action).is_some_and(Action::is_over));
        let left = seen.plan.drifts.iter().filter(|drift| !drift.corrected).map(|drift| drift.key.to_string());
        let resting = seen.gathered.resting.iter().map(ToString::to_string);
        let corrected = seen.plan.drifts.iter().map(|drift| drift.key.to_string());
        Self {
            stands: stands.map(|drift| drift.object.clone()).chain(left).chain(resting).collect(),
            was: recent().map(|drift| drift.object.clone()).chain(corrected).collect(),
        }
    }
}
