//! Health rules of environments: what they judge, and what has to be judged again once they change.
//!
//! The index keeps an object's verdict and not the object, so objects have to be read again when a rule changes. Until
//! then their health is unknown.

use std::{collections::BTreeSet, sync::Arc};

use plumb_core::{
    environment::ApplySetId,
    health::{Health, HealthStatus, health, rules::Rules},
    object::Gvk,
};
use serde_json::Value;

use super::{Index, owned, resource_version};

impl Index {
    /// Judges an environment's objects by these rules from now on.
    ///
    /// *Guarantees:* no verdict of other rules is given out; [`Index::unjudged`] names the kinds to read again.
    pub fn judge_by(&mut self, id: &ApplySetId, rules: &Arc<Rules>) {
        let changed = match self.rules.get(id) {
            Some(known) if Arc::ptr_eq(known, rules) => return,
            Some(known) => known.differences(rules),
            None => Rules::default().differences(rules),
        };
        if rules.0.is_empty() {
            self.rules.remove(id);
        } else {
            self.rules.insert(id.clone(), Arc::clone(rules));
        }
        if changed.is_empty() {
            return;
        }
        for (key, entry) in self.objects.get_mut(id).into_iter().flatten() {
            if changed.contains(&Gvk::new(&entry.live.api_version, &key.kind)) {
                let message = "its health rule has changed, and it is being read again".to_owned();
                entry.live.health = Health { status: HealthStatus::Unknown, message, unseen: false };
                entry.is_judged = false;
            }
        }
    }

    /// Returns the kinds, as they were read, of which an environment has objects that have yet to be judged by its rules.
    pub fn unjudged(&self, id: &ApplySetId) -> BTreeSet<Gvk> {
        let entries = self.objects.get(id).into_iter().flatten();
        entries
            .filter(|(_, entry)| !entry.is_judged)
            .map(|(key, entry)| Gvk::new(&entry.live.api_version, &key.kind))
            .collect()
    }

    /// Judges an object that was read because its rule has changed, unless a newer state of it is known.
    pub fn judge_again(&mut self, object: &Value) {
        let Some(key) = owned::key(object) else { return };
        let Some(entry) = self.entry(&key) else { return };
        let version = object["metadata"]["resourceVersion"].as_str().unwrap_or_default();
        if entry.is_judged || resource_version::is_newer(&entry.live.resource_version, version) {
            return;
        }
        let none = Arc::default();
        let verdict = health(object, self.rules.get(&entry.live.part_of).unwrap_or(&none));
        if let Some(entry) = self.entry_mut(&key) {
            entry.live.health = verdict;
            entry.is_judged = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use plumb_core::health::{
        HealthStatus::{Current, Failed, InProgress, Unknown},
        expression::Expression,
        rules::Rule,
    };
    use serde_json::json;

    use super::*;
    use crate::index::{Observation, Seen};

    const ID: &str = "applyset-aaaaaaaaaaaaaaaa-v1";

    fn gvk() -> Gvk {
        Gvk::new("example.com/v1", "Database")
    }

    fn object(version: u32, phase: &str) -> Value {
        let id = ApplySetId::from_label(ID);
        let owned = json!({"f:metadata": {"f:labels": {"f:applyset.kubernetes.io/part-of": {}}}});
        json!({
            "apiVersion": "example.com/v1", "kind": "Database", "status": {"phase": phase},
            "metadata": {
                "name": "main", "namespace": "shop", "uid": "1", "resourceVersion": version.to_string(),
                "labels": {"applyset.kubernetes.io/part-of": ID},
                "managedFields": [{"manager": id.manager().as_str(), "operation": "Apply",
                    "apiVersion": "example.com/v1", "fieldsType": "FieldsV1", "fieldsV1": owned}],
            },
        })
    }

    fn rules(current: &str) -> Arc<Rules> {
        let rule = Rule { current: Expression::compile(current).unwrap(), failed: None };
        Arc::new(Rules(BTreeMap::from([(gvk(), rule)])))
    }

    fn changed(index: &mut Index, object: Value) {
        index.observe(Observation::Changed(gvk(), Seen(object)));
    }

    fn status(index: &Index) -> HealthStatus {
        let live = index.live(&ApplySetId::from_label(ID), &BTreeSet::new());
        live.objects.into_values().next().unwrap().health.status
    }

    #[test]
    fn objects_are_judged_by_the_rules_of_the_environment_that_their_label_names() {
        let (mut index, id) = (Index::default(), ApplySetId::from_label(ID));
        let other = ApplySetId::from_label("applyset-bbbbbbbbbbbbbbbb-v1");
        index.judge_by(&other, &rules("false"));
        changed(&mut index, object(5, "Busy"));
        assert_eq!(status(&index), Current);
        index.judge_by(&id, &rules("self.status.phase == 'Ready'"));
        changed(&mut index, object(6, "Busy"));
        assert_eq!(status(&index), InProgress);
        index.answer(&object(7, "Ready"));
        assert_eq!(status(&index), Current);
        assert!(index.unjudged(&id).is_empty());
    }

    #[test]
    fn a_change_of_the_rules_is_unknown_until_the_objects_were_read_again() {
        let (mut index, id) = (Index::default(), ApplySetId::from_label(ID));
        changed(&mut index, object(5, "Busy"));
        index.judge_by(&id, &rules("self.status.phase == 'Ready'"));
        assert_eq!((status(&index), index.unjudged(&id)), (Unknown, BTreeSet::from([gvk()])));
        index.judge_again(&object(5, "Busy"));
        assert_eq!((status(&index), index.unjudged(&id)), (InProgress, BTreeSet::new()));
        // The same rules, compiled anew, change nothing.
        index.judge_by(&id, &rules("self.status.phase == 'Ready'"));
        assert_eq!(status(&index), InProgress);
        index.judge_by(&id, &Arc::default());
        assert_eq!(status(&index), Unknown);
        // An event is as good as a list, and newer than one that was under way.
        changed(&mut index, object(8, "Broken"));
        assert_eq!((status(&index), index.unjudged(&id)), (Current, BTreeSet::new()));
        index.judge_by(&id, &rules("false"));
        index.judge_again(&object(7, "Busy"));
        assert_eq!(status(&index), Unknown, "older than what is known");
        assert_ne!(status(&index), Failed);
    }
}
