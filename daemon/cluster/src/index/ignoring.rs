//! What of which objects does not count and whose additions do, by environment, and which objects were read before that was known.

use std::collections::{BTreeMap, BTreeSet};

use plumb_core::{
    environment::ApplySetId,
    ignore::{Glob, Ignored},
    object::ObjectKey,
};

/// What is ignored.
#[derive(Debug, Default)]
pub(super) struct Ignoring {
    of: BTreeMap<ApplySetId, BTreeMap<ObjectKey, Ignored>>,
    /// Managers whose additions are of interest.
    managers: BTreeMap<ApplySetId, Vec<Glob>>,
    /// Objects whose fingerprint still says what counted before, and whose content is not in memory.
    stale: BTreeMap<ObjectKey, ApplySetId>,
}

impl Ignoring {
    /// Returns what is ignored of an object.
    pub(super) fn of(&self, id: &ApplySetId, key: &ObjectKey) -> Ignored {
        self.of.get(id).and_then(|objects| objects.get(key)).cloned().unwrap_or_default()
    }

    /// Returns the managers whose additions to an environment's objects are of interest.
    pub(super) fn managers(&self, id: &ApplySetId) -> &[Glob] {
        self.managers.get(id).map_or(&[], Vec::as_slice)
    }

    /// Takes these managers; returns whether they are others than before.
    pub(super) fn set_managers(&mut self, id: &ApplySetId, managers: &[Glob]) -> bool {
        if self.managers(id) == managers {
            return false;
        }
        self.managers.insert(id.clone(), managers.to_vec());
        true
    }

    /// Takes what is ignored of an environment's objects; returns the objects of which it is something else now.
    pub(super) fn set(&mut self, id: &ApplySetId, ignored: &BTreeMap<ObjectKey, Ignored>) -> BTreeSet<ObjectKey> {
        if self.of.get(id).map_or_else(|| ignored.is_empty(), |known| known == ignored) {
            return BTreeSet::new();
        }
        let before = if ignored.is_empty() { self.of.remove(id) } else { self.of.insert(id.clone(), ignored.clone()) };
        let before = before.unwrap_or_default();
        let differs = |key: &&ObjectKey| before.get(*key) != ignored.get(*key);
        before.keys().chain(ignored.keys()).filter(differs).cloned().collect()
    }

    pub(super) fn mark_stale(&mut self, id: &ApplySetId, key: ObjectKey) {
        self.stale.insert(key, id.clone());
    }

    /// Notes that an object was read, or is gone.
    pub(super) fn is_fresh(&mut self, key: &ObjectKey) {
        if !self.stale.is_empty() {
            self.stale.remove(key);
        }
    }

    pub(super) fn stale(&self, id: &ApplySetId) -> Vec<ObjectKey> {
        self.stale.iter().filter(|(_, of)| *of == id).map(|(key, _)| key.clone()).collect()
    }
}
