//! The conversation of a first apply: is the object free, another tool's, or another environment's?
//!
//! Owns: the order of requests. What a conflict or an entry of managedFields means is `plumb_core::adoption`'s to say.
//! Must never do: force an apply onto an object that another living environment, or another tool's ApplySet, owns.

use std::collections::{BTreeMap, BTreeSet};

use plumb_core::{
    adoption,
    environment::{ApplySetId, EnvironmentName, FieldManager},
    inventory::ID_LABEL,
    kinds::Kind,
    object::{Gvk, ObjectKey},
};
use serde_json::Value;

use crate::{
    apply::{self, Applied, Apply, Force},
    cluster::{Cluster, METADATA_LIST},
    error::{Action, ApiError},
    path,
    request::Ask,
};

/// Stands for the parent of an ApplySet that the identity may not read.
const HIDDEN: &str = "an object that this service account may not read";

/// How often the conversation starts over because somebody wrote in between; controllers write several times while
/// an object is young.
const TRIES: u32 = 5;

/// What came of a first apply.
#[derive(Debug, Clone, PartialEq)]
pub enum Taken {
    /// It was not there; now it is ours.
    Created(Applied),
    /// It was there without an owner; now it is ours.
    Applied(Applied),
    /// Others managed it; their fields are ours now.
    Adopted {
        /// The managers whose fields were taken, sorted.
        from: Vec<String>,
        /// What the last apply left.
        applied: Applied,
    },
    /// It belongs to somebody else and was left as it is.
    Refused {
        /// To whom.
        by: Owner,
    },
}

/// Who owns an object that is not ours to take.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Owner {
    /// Another environment of this cluster.
    Environment(EnvironmentName),
    /// The ApplySet of another tool, with the kind and name of its parent.
    ApplySet {
        /// The id that its members carry.
        id: ApplySetId,
        /// Its parent, such as `Secret shop/set`, or what is said instead where the identity may not read it.
        parent: String,
    },
}

/// What letting go of an object came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LetGo {
    /// It carries nothing of ours any more.
    Done {
        /// Whether no manager is left: whoever applies it next meets `before-first-apply`.
        was_last: bool,
    },
    /// It carried nothing of ours, or does not exist.
    NotOurs,
}

/// One round of the conversation that did not end it.
enum Round {
    Over(Taken),
    /// Somebody wrote in between.
    Again(ApiError),
}

impl Cluster {
    /// Applies an object that is not known to be ours; `environments` are those that exist on this cluster.
    ///
    /// *Guarantees:* never forces onto an object of another living environment, not even one that takes it in the same
    /// moment: a forced apply carries UID and resourceVersion of the state that was judged. *Assumptions:*
    /// `apply.force` is `No`, the object carries our part-of label, and `environments` is complete: one that is not
    /// in it does not exist any more.
    ///
    /// # Errors
    /// As [`Cluster::apply`]; `Stale` if somebody wrote in between every time.
    pub async fn take(
        &self,
        apply: &Apply<'_>,
        environments: &BTreeMap<FieldManager, EnvironmentName>,
    ) -> Result<Taken, ApiError> {
        assert_eq!(apply.force, Force::No, "a first apply of {} must not be forced", apply.key);
        let mut last = None;
        let mut from = BTreeSet::new();
        for _ in 0..TRIES {
            match self.round(apply, environments, &mut from).await? {
                Round::Over(taken) => return Ok(taken),
                Round::Again(error) => last = Some(error),
            }
        }
        Err(last.expect("because TRIES is not 0"))
    }

    async fn round(
        &self,
        apply: &Apply<'_>,
        environments: &BTreeMap<FieldManager, EnvironmentName>,
        from: &mut BTreeSet<FieldManager>,
    ) -> Result<Round, ApiError> {
        let (answer, conflicting) = match self.apply(apply).await {
            Ok(answer) => (Some(answer), Vec::new()),
            Err(ApiError::Conflict { conflicts, .. }) => (None, conflicts),
            Err(error) => return again(error),
        };
        let object = match &answer {
            Some(answer) => answer.object.clone(),
            None => match self.get(apply.kind, apply.key).await? {
                Some(object) => object,
                // It was deleted after the conflict: the next round creates it.
                None => return again(gone(apply)),
            },
        };
        if let Some(by) = self.owner(&object, apply.manager, environments).await? {
            if answer.is_some() {
                // It had no label, so that the apply met no conflict, yet another environment applies it.
                self.let_go(apply.kind, apply.key, apply.manager).await?;
            }
            return Ok(Round::Over(Taken::Refused { by }));
        }
        from.extend(conflicting.iter().map(|conflict| FieldManager::new(&conflict.manager)));
        let (object, migrated) = match self.migrate(apply, object, from).await {
            Ok(done) => done,
            Err(error) => return again(error),
        };
        let applied = match answer {
            Some(answer) if !migrated => answer,
            _ => {
                let forced = apply::over(apply, &object);
                match self.apply_as_is(&Apply { force: Force::Yes, object: &forced, ..apply.clone() }).await {
                    Ok(applied) => applied,
                    Err(error) => return again(error),
                }
            }
        };
        let applied = match self.stand_alone(apply, applied, from).await {
            Ok(applied) => applied,
            Err(error) => return again(error),
        };
        Ok(Round::Over(match applied {
            applied if !from.is_empty() => {
                Taken::Adopted { from: from.iter().map(FieldManager::to_string).collect(), applied }
            }
            applied if applied.created => Taken::Created(applied),
            applied => Taken::Applied(applied),
        }))
    }

    /// Takes what we have applied out of what people own who had written the same, and adds them to `from`.
    async fn stand_alone(
        &self,
        apply: &Apply<'_>,
        applied: Applied,
        from: &mut BTreeSet<FieldManager>,
    ) -> Result<Applied, ApiError> {
        let Some(migration) = adoption::stand_alone(&applied.object, apply.manager) else { return Ok(applied) };
        let object = self.json_patch(apply.kind, apply.key, &Value::Array(migration.patch), apply.manager).await?;
        from.extend(migration.from);
        Ok(Applied { object, ..applied })
    }

    /// Returns who owns an object besides us: a living environment that applied it or that its label names, or the
    /// ApplySet of another tool.
    pub(crate) async fn owner(
        &self,
        object: &Value,
        ours: &FieldManager,
        environments: &BTreeMap<FieldManager, EnvironmentName>,
    ) -> Result<Option<Owner>, ApiError> {
        let label = adoption::part_of(object).filter(|id| id.manager() != *ours);
        let named = label.iter().map(ApplySetId::manager).chain(adoption::claimants(object, ours));
        if let Some(environment) = named.into_iter().find_map(|manager| environments.get(&manager)) {
            return Ok(Some(Owner::Environment(environment.clone())));
        }
        let Some(id) = label else { return Ok(None) };
        let parent = self.applyset_parent(&id).await?;
        Ok(parent.map(|parent| Owner::ApplySet { id, parent }))
    }

    /// Returns the Secret or ConfigMap that is the parent of another tool's ApplySet (KEP-3659), if there is one; a
    /// label that no parent knows is one that somebody wrote by hand.
    async fn applyset_parent(&self, id: &ApplySetId) -> Result<Option<String>, ApiError> {
        for parent in parents() {
            let plural = &parent.plural;
            let action = Action::of("look for the parent of", format!("ApplySet {id} among {plural}"));
            let selector = format!("{ID_LABEL}={id}");
            let query = path::query([("labelSelector", selector.as_str()), ("limit", "1")]);
            let mut ask = Ask::get(action.clone(), format!("/api/v1/{plural}{query}"));
            ask.accept = METADATA_LIST;
            let list = self.send(ask).await?.value(&action)?;
            let metadata = &list["items"][0]["metadata"];
            if let (Some(namespace), Some(name)) = (metadata["namespace"].as_str(), metadata["name"].as_str()) {
                // Whoever writes the label by hand must not learn what it is the label of.
                let may = self.may("get", &parent, Some(namespace), Some(name)).await?;
                return Ok(Some(if may {
                    format!("{} {namespace}/{name}", parent.gvk.kind)
                } else {
                    HIDDEN.to_owned()
                }));
            }
        }
        Ok(None)
    }

    /// Makes the fields of other tools, and of environments that no longer exist, ours and adds their managers to
    /// `from`; returns the object as it is then and whether that changed it.
    async fn migrate(
        &self,
        apply: &Apply<'_>,
        mut object: Value,
        from: &mut BTreeSet<FieldManager>,
    ) -> Result<(Value, bool), ApiError> {
        let ours = apply.manager;
        let mut migrated = false;
        if let Some(migration) = adoption::migrate(&object, ours) {
            object = self.json_patch(apply.kind, apply.key, &Value::Array(migration.patch), ours).await?;
            from.extend(migration.from);
            migrated = true;
        }
        // The others are known not to exist any more: `owner` has looked.
        for orphan in adoption::claimants(&object, ours) {
            let Some(id) = adoption::part_of(apply.object) else { continue };
            let Some(patch) = adoption::hand_over(&object, &orphan, &id) else { continue };
            object = self.json_patch(apply.kind, apply.key, &Value::Array(patch), ours).await?;
            from.insert(orphan);
            migrated = true;
        }
        Ok((object, migrated))
    }

    /// Lets go of an object: every value stays, label and manager go.
    ///
    /// # Errors
    /// As every request; `Stale` if somebody wrote in between every time.
    pub async fn let_go(&self, kind: &Kind, key: &ObjectKey, manager: &FieldManager) -> Result<LetGo, ApiError> {
        let mut last = None;
        for _ in 0..TRIES {
            let Some(object) = self.get(kind, key).await? else { return Ok(LetGo::NotOurs) };
            let Some(letting_go) = adoption::let_go(&object, manager) else { return Ok(LetGo::NotOurs) };
            match self.json_patch(kind, key, &Value::Array(letting_go.patch), manager).await {
                Ok(_) => return Ok(LetGo::Done { was_last: letting_go.was_last }),
                Err(error @ (ApiError::Stale { .. } | ApiError::Invalid { .. })) => last = Some(error),
                Err(ApiError::NotFound { .. }) => return Ok(LetGo::NotOurs),
                Err(error) => return Err(error),
            }
        }
        Err(last.expect("because TRIES is not 0"))
    }
}

/// Returns the kinds of parents that other tools use.
fn parents() -> [Kind; 2] {
    [("Secret", "secrets"), ("ConfigMap", "configmaps")]
        .map(|(kind, plural)| Kind::namespaced(Gvk::new("v1", kind), plural))
}

/// Starts over after an error that means that somebody wrote in between.
fn again(error: ApiError) -> Result<Round, ApiError> {
    match error {
        ApiError::Stale { .. } | ApiError::Conflict { .. } | ApiError::AlreadyExists { .. } => Ok(Round::Again(error)),
        error => Err(error),
    }
}

fn gone(apply: &Apply<'_>) -> ApiError {
    ApiError::Stale { action: Action::on("apply", apply.key), message: "it was deleted".to_owned() }
}
