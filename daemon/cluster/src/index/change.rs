//! What has to be looked at again, and what need not be.

use plumb_core::{
    environment::ApplySetId,
    fingerprint::Fingerprint,
    live::LiveObject,
    object::{GroupKind, ObjectKey},
};

/// One reason to look again. It says where, not what to do: several may be one cause, and one may be out of date.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    /// Something about one object.
    Object {
        /// The environment that its label names, or named.
        environment: ApplySetId,
        /// Which object.
        key: ObjectKey,
        /// What.
        what: What,
    },
    /// A kind is fully known now.
    Known {
        /// Which.
        kind: GroupKind,
    },
    /// A kind is not fully known any more.
    Unknown {
        /// Which.
        kind: GroupKind,
        /// Why.
        reason: String,
    },
}

/// What about an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum What {
    /// It is there, and nothing was expected of it.
    Appeared,
    /// Its owned fields are not as expected.
    Drifted,
    /// Its owned fields are as expected again, by somebody else's doing.
    Restored,
    /// It was deleted, or its label was removed or names another environment: `Cluster::whereabouts` tells.
    Missing,
    /// Its health is another.
    Health,
    /// What others added to it, its owners, its prune annotation, its claimants or the owner of its label are others, it is being deleted, or
    /// it was deleted and made anew.
    Changed,
}

impl Change {
    pub(super) fn missing(environment: ApplySetId, key: &ObjectKey) -> Self {
        Self::Object { environment, key: key.clone(), what: What::Missing }
    }
}

/// Returns what has to be looked at again between two states of an object, given what its owned fields should be.
pub(super) fn between(before: Option<&LiveObject>, after: &LiveObject, expected: Option<&Fingerprint>) -> Vec<Change> {
    let moved = before.filter(|before| before.part_of != after.part_of);
    let mut changes: Vec<_> =
        moved.map(|before| Change::missing(before.part_of.clone(), &after.key)).into_iter().collect();
    let before = if moved.is_some() { None } else { before };
    let about = |what| Change::Object { environment: after.part_of.clone(), key: after.key.clone(), what };
    let as_expected = after.fingerprint.is_some() && after.fingerprint.as_ref() == expected;
    match before {
        None if as_expected => {}
        None => changes.push(about(if expected.is_some() { What::Drifted } else { What::Appeared })),
        Some(before) if before.fingerprint == after.fingerprint => {}
        Some(_) => changes.push(about(if as_expected { What::Restored } else { What::Drifted })),
    }
    if let Some(before) = before {
        changes.extend((before.health != after.health).then(|| about(What::Health)));
        changes.extend((standing(before) != standing(after)).then(|| about(What::Changed)));
    }
    changes
}

/// Returns everything about an object that guards look at.
fn standing(live: &LiveObject) -> impl PartialEq + '_ {
    (&live.uid, &live.foreign, live.label_is_ours, &live.claimants, &live.owners, &live.prune, live.deleting)
}
