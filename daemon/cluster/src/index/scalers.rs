//! Which objects are driven by a HorizontalPodAutoscaler, whoever made it.
//!
//! Must never do: take an interrupted watch for autoscalers that are gone; what was known last stays.

use std::collections::{BTreeMap, BTreeSet};

use plumb_core::{ignore, object::ObjectKey};
use serde_json::Value;

use super::{Observation, Seen, owned};

/// How well the autoscalers are known.
#[derive(Debug, Default, PartialEq, Eq)]
enum Knowledge {
    /// Nobody has asked for them.
    #[default]
    Unasked,
    /// They have yet to be listed.
    Unknown,
    /// All of them are here.
    Known,
}

/// The autoscalers of one cluster with what each drives.
#[derive(Debug, Default)]
pub(super) struct Scalers {
    targets: BTreeMap<ObjectKey, ObjectKey>,
    listing: BTreeSet<ObjectKey>,
    knowledge: Knowledge,
}

impl Scalers {
    /// Returns whether an object is driven by one; as long as they could not be listed, any may be.
    pub(super) fn drive(&self, key: &ObjectKey) -> bool {
        match self.knowledge {
            Knowledge::Unasked => false,
            Knowledge::Unknown => true,
            Knowledge::Known => self.targets.values().any(|target| target == key),
        }
    }

    pub(super) fn are_known(&self) -> bool {
        self.knowledge != Knowledge::Unknown
    }

    /// Notes that they are going to be listed.
    pub(super) fn begin(&mut self) {
        if self.knowledge == Knowledge::Unasked {
            self.knowledge = Knowledge::Unknown;
        }
    }

    /// Takes what their watch has seen; returns the objects that are driven now and were not, or the other way round.
    pub(super) fn observe(&mut self, observation: Observation) -> BTreeSet<ObjectKey> {
        match observation {
            Observation::Listing(_) => {
                self.listing.clear();
                BTreeSet::new()
            }
            Observation::Listed(_, Seen(object)) => {
                self.listing.extend(owned::key(&object));
                self.set(&object)
            }
            Observation::Changed(_, Seen(object)) => self.set(&object),
            Observation::Vanished(_, Seen(object)) => {
                owned::key(&object).and_then(|key| self.targets.remove(&key)).into_iter().collect()
            }
            Observation::ListDone(..) => {
                self.knowledge = Knowledge::Known;
                let listed = std::mem::take(&mut self.listing);
                let (kept, gone): (BTreeMap<_, _>, BTreeMap<_, _>) =
                    std::mem::take(&mut self.targets).into_iter().partition(|(key, _)| listed.contains(key));
                self.targets = kept;
                gone.into_values().collect()
            }
            // The server has no such kind any more.
            Observation::KindGone(_) => {
                self.knowledge = Knowledge::Known;
                std::mem::take(&mut self.targets).into_values().collect()
            }
            Observation::Resumed(_) | Observation::Lost(..) => BTreeSet::new(),
        }
    }

    fn set(&mut self, autoscaler: &Value) -> BTreeSet<ObjectKey> {
        let Some(key) = owned::key(autoscaler) else { return BTreeSet::new() };
        let now = ignore::scaled_by(autoscaler);
        let before = match &now {
            Some(target) => self.targets.insert(key, target.clone()),
            None => self.targets.remove(&key),
        };
        if before == now { BTreeSet::new() } else { before.into_iter().chain(now).collect() }
    }
}
