//! Heirs: an environment that takes over what another one has, since it is the same one under another name.
//!
//! Within one namespace the heir's wishes count instead of its predecessor's; across namespaces only what is left when
//! the predecessor is gone, which is not decided here. Must never do: have two environments yield to each other.

use std::collections::BTreeSet;

use super::Claims;
use crate::{environment::EnvironmentName, object::ObjectKey};

impl Claims {
    /// Takes down from whom an environment takes over, if from anybody.
    pub fn inherit(&mut self, heir: &EnvironmentName, from: Option<&EnvironmentName>) {
        if let Some(claimant) = self.environments.get_mut(heir) {
            claimant.predecessor = from.cloned();
        }
    }

    /// Returns from whom an environment takes over.
    pub fn predecessor(&self, of: &EnvironmentName) -> Option<&EnvironmentName> {
        self.environments.get(of)?.predecessor.as_ref()
    }

    /// Returns the one environment that takes over from this one; of several, nobody knows which.
    pub fn heir(&self, of: &EnvironmentName) -> Option<&EnvironmentName> {
        let names = |name: &&EnvironmentName| self.predecessor(name) == Some(of) && !self.takes_from_itself(name);
        let mut heirs = self.environments.keys().filter(names);
        match (heirs.next(), heirs.next()) {
            (Some(heir), None) => Some(heir).filter(|heir| !self.environments[*heir].leaving),
            _ => None,
        }
    }

    /// Returns every environment from which exactly one other takes over.
    pub fn predecessors(&self) -> BTreeSet<EnvironmentName> {
        let named = self.environments.values().filter_map(|claimant| claimant.predecessor.as_ref());
        named.filter(|name| self.heir(name).is_some()).cloned().collect()
    }

    /// Returns whom the end of an environment concerns: from whom it takes over, and who does from it.
    pub fn kin(&self, of: &EnvironmentName) -> BTreeSet<EnvironmentName> {
        self.predecessor(of).into_iter().chain(self.heir(of)).cloned().collect()
    }

    /// Returns what an environment does not desire because its heir of the same namespace does.
    pub fn ceded(&self, by: &EnvironmentName) -> BTreeSet<ObjectKey> {
        let heir = self.heir(by).filter(|heir| heir.namespace == by.namespace);
        let heir = heir.and_then(|heir| self.environments.get(heir));
        heir.map(|heir| heir.desired.difference(&heir.coming).cloned().collect()).unwrap_or_default()
    }

    pub(super) fn cedes(&self, by: &EnvironmentName, key: &ObjectKey, to: &EnvironmentName) -> bool {
        by.namespace == to.namespace && self.heir(by) == Some(to) && self.desires(to, key)
    }

    /// Returns whether the predecessors of an environment lead back to it.
    fn takes_from_itself(&self, name: &EnvironmentName) -> bool {
        let mut seen = BTreeSet::new();
        let mut next = self.predecessor(name);
        while let Some(predecessor) = next.filter(|predecessor| seen.insert(*predecessor)) {
            if predecessor == name {
                return true;
            }
            next = self.predecessor(predecessor);
        }
        false
    }
}
