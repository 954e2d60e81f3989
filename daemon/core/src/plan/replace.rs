//! Objects that can't be changed in place: deleted and created anew only where their manifest says so, and nothing speaks
//! against it.
//!
//! The delete is all that one plan does; the next ones see that the object is going, or gone, and create it.

use std::fmt;

use serde::Serialize;

use super::{Apply, Prune, input::Input, prune};
use crate::{
    desired::{DesiredObject, Replace},
    environment::ApplySetId,
    fingerprint::Fingerprint,
    live::{LiveObject, PruneWish},
    presence::Presence,
};

/// What the API server said of one object: this state of it can't become this manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Immutable {
    /// The manifest that was refused.
    pub manifest: Fingerprint,
    /// The UID of the object; one that was made anew has not been tried.
    pub uid: String,
}

/// Why an object is not deleted to be created anew.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum Obstacle {
    /// Its manifest does not ask for it.
    NotAsked,
    /// All that it holds would go with it (a namespace or a definition).
    Holder,
    /// Data would go with it.
    Data,
    /// It is not labelled by this environment.
    NotOurs,
    /// Something else owns it.
    Owned {
        /// The owner, as `Kind name`.
        by: String,
    },
    /// Its `plumb.dev/prune` annotation protects it.
    Protected,
}

impl fmt::Display for Obstacle {
    /// Writes what follows the API server's refusal in a sentence, with what divides the two.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kept = match self {
            Self::NotAsked => {
                return f.write_str(", or annotate it plumb.dev/replace: enabled to have it deleted and created anew");
            }
            Self::Holder => "all that it holds would go with it".to_owned(),
            Self::Data => "data would go with it".to_owned(),
            Self::NotOurs => "this environment does not own it".to_owned(),
            Self::Owned { by } => format!("it belongs to {by}"),
            Self::Protected => "its annotation plumb.dev/prune protects it".to_owned(),
        };
        write!(f, "; it is not deleted and created anew, since {kept}")
    }
}

/// Returns what speaks against deleting an object to create it anew.
pub fn obstacle(desired: &DesiredObject, live: Option<&LiveObject>, id: &ApplySetId) -> Option<Obstacle> {
    if prune::is_holder(&desired.key) {
        return Some(Obstacle::Holder);
    }
    if desired.replace == Replace::Disabled {
        return Some(Obstacle::NotAsked);
    }
    let Some(live) = live.filter(|live| live.is_owned_by(id)) else { return Some(Obstacle::NotOurs) };
    if live.holds_data {
        return Some(Obstacle::Data);
    }
    if let Some(by) = live.owners.first() {
        return Some(Obstacle::Owned { by: by.clone() });
    }
    matches!(live.prune, PruneWish::Disabled | PruneWish::Malformed(_)).then_some(Obstacle::Protected)
}

/// Returns whether the object was refused in place for exactly this manifest: where it is gone, it went for that reason.
pub(super) fn is_due(desired: &DesiredObject, input: &Input<'_>) -> bool {
    input.immutable.get(&desired.key).is_some_and(|found| found.manifest == desired.fingerprint)
}

/// Turns an apply that is known to be refused into a replacement, if nothing speaks against that.
pub(super) fn instead(desired: &DesiredObject, apply: Apply, input: &Input<'_>) -> Apply {
    let Presence::Present(live) = input.live.find(&desired.key) else { return apply };
    let same = input.immutable.get(&desired.key).is_some_and(|found| found.uid == live.uid);
    if !same || !is_due(desired, input) || obstacle(desired, Some(live), &input.environment.applyset_id()).is_some() {
        return apply;
    }
    let state = Prune {
        key: live.key.clone(),
        api_version: live.api_version.clone(),
        uid: live.uid.clone(),
        resource_version: live.resource_version.clone(),
    };
    Apply { replace: Some(state), ..apply }
}
