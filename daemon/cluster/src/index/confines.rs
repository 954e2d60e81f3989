//! Where an environment's objects can be: in the kinds and namespaces that its parent records and Git names.
//!
//! Labels and managed fields can be copied, by a backup that is restored elsewhere or by somebody who wants objects to be
//! counted or deleted. What lies outside of the record, the environment has never put there. Must never do: leave anything
//! out where there is no record.

use std::collections::{BTreeMap, BTreeSet};

use plumb_core::{
    environment::ApplySetId,
    inventory::Inventory,
    live::Live,
    object::{GroupKind, ObjectKey},
};

use super::Index;

/// The scopes of environments that have a record.
#[derive(Debug, Default)]
pub(super) struct Confines(BTreeMap<ApplySetId, Inventory>);

impl Confines {
    /// Returns whether an object can be this environment's.
    pub(super) fn hold(&self, id: &ApplySetId, key: &ObjectKey) -> bool {
        self.0.get(id).is_none_or(|scope| scope.holds(key))
    }
}

impl Index {
    /// Returns what is known of an environment, within its confines; kinds of `scope` that are not fully known are unknown.
    pub fn live(&self, id: &ApplySetId, scope: &BTreeSet<GroupKind>) -> Live {
        let entries = self.objects.get(id).into_iter().flatten().filter(|(key, _)| self.confines.hold(id, key));
        let objects = entries.map(|(key, entry)| (key.clone(), entry.live.clone())).collect();
        let unknown = scope.iter().filter_map(|kind| Some((kind.clone(), self.unknown(kind)?)));
        Live { objects, unknown: unknown.collect() }
    }

    /// Counts as an environment's only what is in this scope, from now on; without one, whatever carries its label and was
    /// applied by its manager.
    pub fn confine(&mut self, id: &ApplySetId, scope: Option<Inventory>) {
        match scope {
            Some(scope) => self.confines.0.insert(id.clone(), scope),
            None => self.confines.0.remove(id),
        };
    }
}
