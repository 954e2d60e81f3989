//! What acting leaves behind: what was written, and what could not be.

use std::collections::BTreeMap;

use plumb_core::{
    environment::EnvironmentName,
    inventory::Inventory,
    object::ObjectKey,
    operation::Outcome,
    plan::{Applied, Reason},
    right::MissingRight,
};

use super::{Done, Undone};

/// What acting on a plan left behind.
#[derive(Debug, Default)]
pub(crate) struct Deeds {
    /// What is now known of the objects that were applied.
    pub(crate) applied: BTreeMap<ObjectKey, Applied>,
    /// Objects that were created, changed, corrected, pruned, adopted (with the managers they came from).
    pub(crate) created: Vec<ObjectKey>,
    pub(crate) changed: Vec<ObjectKey>,
    pub(crate) corrected: Vec<ObjectKey>,
    pub(crate) pruned: Vec<ObjectKey>,
    /// Objects that were handed over, and to whom.
    pub(crate) handed: Vec<(ObjectKey, EnvironmentName)>,
    pub(crate) adopted: Vec<(ObjectKey, Vec<String>)>,
    /// Objects that were deleted to be created anew, and whether they are gone already.
    pub(crate) replaced: BTreeMap<ObjectKey, bool>,
    /// Objects that were created anew after that.
    pub(crate) recreated: Vec<ObjectKey>,
    /// Objects whose apply failed for nothing but fields that can't be changed.
    pub(crate) immutable: Vec<ObjectKey>,
    /// Objects from which what others added was removed, or could not be.
    pub(crate) cleaned: Vec<ObjectKey>,
    pub(crate) uncleaned: Vec<ObjectKey>,
    /// The parent's scope, if it was written, and its new resourceVersion.
    pub(crate) recorded: Option<(Inventory, String)>,
    /// Admission warnings.
    pub(crate) warnings: Vec<String>,
    /// Failures whose message can still be given a file and a line: the object and the field.
    pub(crate) fields: BTreeMap<ObjectKey, Vec<String>>,
    /// Rights that failed writes lack, by object.
    pub(crate) forbidden: BTreeMap<ObjectKey, MissingRight>,
}

impl Deeds {
    pub(super) fn take(&mut self, result: Result<Done, Box<Undone>>) -> Outcome {
        match result {
            Ok(done) => {
                self.keep(done);
                Outcome::Done
            }
            Err(undone) => {
                if let Some(key) = undone.key {
                    self.forbidden.extend(undone.missing.map(|right| (key.clone(), right)));
                    self.immutable.extend(undone.immutable.then(|| key.clone()));
                    if !undone.fields.is_empty() {
                        self.fields.insert(key, undone.fields);
                    }
                }
                Outcome::Failed(undone.failure)
            }
        }
    }

    fn cleaned(&mut self, key: ObjectKey, removed: bool) {
        let objects = if removed { &mut self.cleaned } else { &mut self.uncleaned };
        objects.push(key);
    }

    fn keep(&mut self, done: Done) {
        match done {
            Done::Established | Done::Namespace => {}
            Done::Replaced { key, gone } => {
                self.replaced.insert(key, gone);
            }
            Done::Recorded(scope, version) => self.recorded = Some((scope, version)),
            Done::Pruned(key) => self.pruned.push(key),
            Done::Handed(key, to) => self.handed.push((key, to)),
            Done::Cleaned { key, removed } => self.cleaned(key, removed),
            Done::Applied { key, reason, applied, created, adopted, warnings, cleaned } => {
                if let Some(applied) = applied {
                    self.applied.insert(key.clone(), applied);
                }
                self.warnings.extend(warnings.iter().map(|warning| format!("{key}: {warning}")));
                if !adopted.is_empty() {
                    self.adopted.push((key.clone(), adopted));
                }
                if let Some(removed) = cleaned {
                    self.cleaned(key.clone(), removed);
                }
                match reason {
                    Reason::Clean => {}
                    Reason::Correct => self.corrected.push(key),
                    Reason::Create if created => self.created.push(key),
                    Reason::Create | Reason::Change => self.changed.push(key),
                }
            }
        }
    }
}
