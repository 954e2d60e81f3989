//! Which environment desires which object, and what becomes of an object that several have to do with.
//!
//! An environment announces its wishes in each pass, before anything is planned. Those that have not yet spoken at a
//! commit that others are at are undecided: until they speak, or turn out to be unable to, nothing is pruned or handed
//! over. Holds what was said; must never do: guess what an environment that is silent wants.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::{commit::CommitId, environment::EnvironmentName, inventory::Inventory, object::ObjectKey};

/// What all environments of one cluster desire.
#[derive(Debug, Clone, Default)]
pub struct Claims {
    by_object: BTreeMap<ObjectKey, BTreeSet<EnvironmentName>>,
    environments: BTreeMap<EnvironmentName, Claimant>,
    /// Objects that are being handed over at this moment, and to whom: the taker's parent is not narrowed past them.
    moving: BTreeMap<ObjectKey, EnvironmentName>,
}

#[derive(Debug, Clone, Default)]
struct Claimant {
    repository: String,
    desired: BTreeSet<ObjectKey>,
    /// What of it only a commit desires that has yet to begin: nobody prunes it, and nobody gives it yet.
    coming: BTreeSet<ObjectKey>,
    /// The commit at which it last spoke; nothing before it did.
    spoke: Option<CommitId>,
    /// It could not be read when it last tried: its older wishes stand.
    gave_up: bool,
    suspended: bool,
    /// Its Environment is there and can't be read: nobody knows its repository, let alone what it desires.
    unreadable: bool,
    /// Its Environment is being deleted: it desires nothing any more.
    leaving: bool,
    /// Where its parent says that its objects may be.
    recorded: Option<Inventory>,
}

/// What one environment says of itself.
#[derive(Debug, Clone)]
pub struct Announcement<'a> {
    /// Everything that it desires.
    pub desired: BTreeSet<ObjectKey>,
    /// What a newer commit desires that may not begin yet.
    pub coming: BTreeSet<ObjectKey>,
    /// The commit that it was read from.
    pub commit: &'a CommitId,
    /// Whether it writes nothing at present.
    pub suspended: bool,
    /// What its parent is known to record.
    pub recorded: Option<Inventory>,
}

/// What an announcement changed for others.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stir {
    /// Environments that desire some of the objects that the announcer has begun or ceased to desire.
    pub others: BTreeSet<EnvironmentName>,
    /// Whether it ceased to desire something.
    pub withdrew: bool,
}

/// What others have to do with one object.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Claim {
    /// Who else desires it.
    pub by: BTreeSet<EnvironmentName>,
    /// The other environment to which it belongs.
    pub held: Option<Held>,
    /// Whether each that desires it is ready for it: its parent says where it is, and the commit that desires it has begun.
    pub covered: bool,
}

/// The environment that owns an object which another one desires.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Held {
    /// The owner.
    pub by: EnvironmentName,
    /// What is to be expected of it.
    pub stance: Stance,
}

/// What is to be expected of the owner of an object that another environment desires.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Stance {
    /// It desires the object, and keeps it.
    Keeps,
    /// It has yet to say whether it still does.
    Undecided,
    /// It no longer does, and hands it over.
    Gives,
    /// It no longer does, and writes nothing because it is suspended.
    Suspended,
    /// It can't be read, so that what it desired before stands.
    Unreadable,
}

impl Claims {
    /// Forgets what everybody has said: it was said long ago.
    pub fn start_over(&mut self) {
        self.by_object.clear();
        self.moving.clear();
        for claimant in self.environments.values_mut() {
            let repository = std::mem::take(&mut claimant.repository);
            *claimant = Claimant { repository, unreadable: claimant.unreadable, ..Claimant::default() };
        }
    }

    /// Takes an environment in, before it has spoken.
    pub fn expect(&mut self, name: &EnvironmentName, repository: &str) {
        let claimant = self.environments.entry(name.clone()).or_default();
        repository.clone_into(&mut claimant.repository);
        claimant.unreadable = false;
    }

    /// Takes an environment in whose Environment is there and can't be read.
    pub fn expect_unreadable(&mut self, name: &EnvironmentName) {
        self.environments.entry(name.clone()).or_default().unreadable = true;
    }

    /// Takes down what an environment desires at a commit, and returns what that changes for others.
    pub fn announce(&mut self, name: &EnvironmentName, announcement: Announcement<'_>) -> Stir {
        let Announcement { mut desired, coming, commit, suspended, recorded } = announcement;
        let claimant = self.environments.entry(name.clone()).or_default();
        claimant.spoke = Some(commit.clone());
        claimant.gave_up = false;
        claimant.suspended = suspended;
        claimant.recorded = recorded;
        claimant.coming = coming.difference(&desired).cloned().collect();
        desired.extend(coming);
        if claimant.desired == desired {
            return Stir::default();
        }
        let before = std::mem::replace(&mut claimant.desired, desired.clone());
        let withdrawn: Vec<ObjectKey> = before.difference(&desired).cloned().collect();
        let changed = before.symmetric_difference(&desired);
        let others = changed.filter_map(|key| self.by_object.get(key)).flatten().filter(|other| *other != name);
        let stir = Stir { others: others.cloned().collect(), withdrew: !withdrawn.is_empty() };
        self.withdraw(name, withdrawn);
        for key in desired {
            self.by_object.entry(key).or_default().insert(name.clone());
        }
        stir
    }

    /// Takes down that an environment is being deleted and desires nothing any more, and returns what that changes for
    /// others.
    pub fn leave(&mut self, name: &EnvironmentName) -> Stir {
        let claimant = self.environments.entry(name.clone()).or_default();
        claimant.leaving = true;
        claimant.coming.clear();
        let withdrawn: Vec<ObjectKey> = std::mem::take(&mut claimant.desired).into_iter().collect();
        let others = withdrawn.iter().flat_map(|key| self.desirers(key, name)).collect();
        let stir = Stir { others, withdrew: !withdrawn.is_empty() };
        self.withdraw(name, withdrawn);
        stir
    }

    /// Takes down where an environment's parent says that its objects may be.
    pub fn recorded(&mut self, name: &EnvironmentName, scope: &Inventory) {
        if let Some(claimant) = self.environments.get_mut(name) {
            claimant.recorded = Some(scope.clone());
        }
    }

    /// Takes down that an environment can't say what it desires: what it said before stands.
    pub fn gave_up(&mut self, name: &EnvironmentName) {
        if let Some(claimant) = self.environments.get_mut(name) {
            claimant.gave_up = true;
        }
    }

    /// Forgets an environment that was deleted.
    pub fn forget(&mut self, name: &EnvironmentName) {
        if let Some(claimant) = self.environments.remove(name) {
            self.withdraw(name, claimant.desired.into_iter().collect());
        }
    }

    /// Returns what others than `than`, which is at `commit` as far as that is known, have to do with an object; `owner` is
    /// the environment to which it belongs. Nothing if no other one has.
    pub fn claim(
        &self,
        key: &ObjectKey,
        than: &EnvironmentName,
        owner: Option<&EnvironmentName>,
        commit: Option<&CommitId>,
    ) -> Option<Claim> {
        let by = self.desirers(key, than);
        let owner = owner.filter(|owner| *owner != than);
        if by.is_empty() && owner.is_none() {
            return None;
        }
        let held = owner.map(|owner| Held { by: owner.clone(), stance: self.stance(owner, key, than, commit) });
        let covered = by.iter().all(|name| self.covers(name, key));
        Some(Claim { by, held, covered })
    }

    /// Returns the environments of whose wishes nothing is known yet at this commit of the same repository, or at all.
    pub fn undecided(&self, than: &EnvironmentName, commit: Option<&CommitId>) -> Vec<EnvironmentName> {
        let silent = self.environments.keys().filter(|name| *name != than && self.is_silent(name, than, commit));
        silent.cloned().collect()
    }

    /// Returns the objects that are being handed over to this environment.
    pub fn incoming(&self, name: &EnvironmentName) -> BTreeSet<ObjectKey> {
        self.moving.iter().filter(|(_, taker)| *taker == name).map(|(key, _)| key.clone()).collect()
    }

    /// Says, right before an object is handed over, whether it still may be: only the taker desires it, and its parent
    /// says where it is. If so, that parent keeps saying it until [`Claims::moved`].
    pub fn may_move(&mut self, key: &ObjectKey, giver: &EnvironmentName, taker: &EnvironmentName) -> bool {
        let only = self.desires(taker, key) && !self.desires(giver, key);
        let only = only && self.desirers(key, giver).len() == 1;
        let may = only && self.covers(taker, key) && !self.moving.contains_key(key);
        if may {
            self.moving.insert(key.clone(), taker.clone());
        }
        may
    }

    /// Ends what [`Claims::may_move`] has begun.
    pub fn moved(&mut self, key: &ObjectKey) {
        self.moving.remove(key);
    }

    fn desirers(&self, key: &ObjectKey, than: &EnvironmentName) -> BTreeSet<EnvironmentName> {
        self.by_object.get(key).into_iter().flatten().filter(|name| *name != than).cloned().collect()
    }

    fn desires(&self, name: &EnvironmentName, key: &ObjectKey) -> bool {
        self.by_object.get(key).is_some_and(|names| names.contains(name))
    }

    fn covers(&self, name: &EnvironmentName, key: &ObjectKey) -> bool {
        let Some(claimant) = self.environments.get(name) else { return false };
        let recorded = claimant.recorded.as_ref().is_some_and(|recorded| recorded.covers(&Inventory::of([key])));
        recorded && !claimant.coming.contains(key)
    }

    fn stance(
        &self,
        owner: &EnvironmentName,
        key: &ObjectKey,
        than: &EnvironmentName,
        commit: Option<&CommitId>,
    ) -> Stance {
        // An environment that nobody has told of yet is one that has yet to speak.
        let Some(claimant) = self.environments.get(owner) else { return Stance::Undecided };
        if claimant.leaving {
            Stance::Gives
        } else if claimant.gave_up || claimant.unreadable {
            Stance::Unreadable
        } else if self.is_silent(owner, than, commit) {
            Stance::Undecided
        } else if self.desires(owner, key) {
            Stance::Keeps
        } else if claimant.suspended {
            Stance::Suspended
        } else {
            Stance::Gives
        }
    }

    fn is_silent(&self, name: &EnvironmentName, than: &EnvironmentName, commit: Option<&CommitId>) -> bool {
        let Some(claimant) = self.environments.get(name).filter(|claimant| !claimant.leaving) else { return false };
        if claimant.unreadable {
            // It may be of the same repository; one of another namespace is not.
            return name.namespace == than.namespace;
        }
        let repository = self.environments.get(than).map(|claimant| &claimant.repository);
        let same = name.namespace == than.namespace && repository == Some(&claimant.repository);
        let spoke = match &claimant.spoke {
            None => false,
            Some(at) => !same || commit.is_none_or(|commit| at == commit),
        };
        // One that never spoke may desire what another environment of the same commit lets go of.
        let excused = claimant.gave_up && (claimant.spoke.is_some() || !same);
        !spoke && !excused
    }

    fn withdraw(&mut self, name: &EnvironmentName, keys: Vec<ObjectKey>) {
        for key in keys {
            if let Some(names) = self.by_object.get_mut(&key) {
                names.remove(name);
                if names.is_empty() {
                    self.by_object.remove(&key);
                }
            }
        }
    }
}
