//! Which environment desires which object, and what becomes of an object that several have to do with.
//!
//! An environment announces its wishes in each pass, before anything is planned. Those that have not yet spoken at a
//! commit that others are at are undecided: until they speak, or turn out to be unable to, nothing is pruned or handed
//! over. Holds what was said; must never do: guess what an environment that is silent wants.

mod heir;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use serde::Serialize;

use crate::{
    commit::CommitId, environment::EnvironmentName, identity::Identity, inventory::Inventory, object::ObjectKey,
};

/// What all environments of one cluster desire.
#[derive(Debug, Clone, Default)]
pub struct Claims {
    by_object: BTreeMap<ObjectKey, BTreeSet<EnvironmentName>>,
    environments: BTreeMap<EnvironmentName, Claimant>,
    /// The newest look at each Repository that exists.
    looks: BTreeMap<Repository, Look>,
    /// Objects that are being handed over at this moment, and to whom: the taker's parent is not narrowed past them.
    moving: BTreeMap<ObjectKey, EnvironmentName>,
}

/// Namespace and name of a Repository.
pub type Repository = (String, String);

/// The newest look at a Repository.
#[derive(Debug, Clone, Default)]
struct Look {
    /// When it began; nothing if none has ended yet.
    begun: Option<Duration>,
    /// The newest commit that a look has found.
    commit: Option<CommitId>,
    /// It is not looked at any more: nothing new can come from it.
    suspended: bool,
}

#[derive(Debug, Clone, Default)]
struct Claimant {
    repository: String,
    /// When it last ceased to desire something, or began to speak: looks at other repositories that began before say
    /// nothing of what may have moved there.
    since: Duration,
    desired: BTreeSet<ObjectKey>,
    /// What of it only a commit desires that has yet to begin: nobody prunes it, and nobody gives it yet.
    coming: BTreeSet<ObjectKey>,
    /// What of it the environment may not write: nobody prunes it, but it is in nobody's way.
    powerless: BTreeSet<ObjectKey>,
    /// With whose rights it writes, as it said last.
    identity: Option<Identity>,
    /// The commit at which it last spoke; nothing before it did.
    spoke: Option<CommitId>,
    /// The environment whose objects it takes over.
    predecessor: Option<EnvironmentName>,
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
    /// What it may not write, as far as others have to do with it.
    pub powerless: BTreeSet<ObjectKey>,
    /// With whose rights it writes.
    pub identity: Identity,
    /// The commit that it was read from.
    pub commit: &'a CommitId,
    /// Whether it writes nothing at present.
    pub suspended: bool,
    /// When, on a clock that never goes back.
    pub now: Duration,
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
    /// Whether none of those that desire it may write it.
    pub powerless: bool,
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
            let Claimant { repository, predecessor, unreadable, .. } = std::mem::take(claimant);
            *claimant = Claimant { repository, predecessor, unreadable, ..Claimant::default() };
        }
        for look in self.looks.values_mut() {
            *look = Look { suspended: look.suspended, ..Look::default() };
        }
    }

    /// Takes a Repository in; one that is suspended is not looked at.
    pub fn follow(&mut self, repository: &Repository, suspended: bool) {
        self.looks.entry(repository.clone()).or_default().suspended = suspended;
    }

    /// Forgets a Repository that was deleted: nothing can come from it.
    pub fn unfollow(&mut self, repository: &Repository) {
        self.looks.remove(repository);
    }

    /// Takes down that a look at a Repository has ended, when it began, and which commit it found, if any: whoever could not
    /// be read before may be readable at another commit.
    pub fn looked(&mut self, repository: &Repository, begun: Duration, commit: Option<&CommitId>) {
        let look = self.looks.entry(repository.clone()).or_default();
        look.begun = look.begun.max(Some(begun));
        if commit.is_none() || look.commit.as_ref() == commit {
            return;
        }
        look.commit = commit.cloned();
        let (namespace, name) = repository;
        let of_it = self.environments.iter_mut();
        let of_it = of_it.filter(|(of, claimant)| of.namespace == *namespace && claimant.repository == *name);
        of_it.for_each(|(_, claimant)| claimant.gave_up = false);
    }

    /// Returns the Repositories that have to be looked at before it is known what others than `than` desire.
    pub fn unlooked(&self, than: &EnvironmentName) -> BTreeSet<Repository> {
        let Some(claimant) = self.environments.get(than) else { return BTreeSet::new() };
        let others = self.environments.iter().filter(|(name, other)| *name != than && !other.leaving);
        let repositories = others.map(|(name, other)| (name.namespace.clone(), other.repository.clone()));
        repositories.filter(|repository| self.is_unlooked(repository, (than, claimant))).collect()
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
        let Announcement { mut desired, mut coming, powerless, identity, commit, suspended, now, recorded } =
            announcement;
        let ceded = self.ceded(name);
        desired.retain(|key| !ceded.contains(key));
        coming.retain(|key| !ceded.contains(key));
        let claimant = self.environments.entry(name.clone()).or_default();
        if claimant.spoke.replace(commit.clone()).is_none() {
            claimant.since = now;
        }
        claimant.gave_up = false;
        claimant.suspended = suspended;
        claimant.recorded = recorded;
        claimant.identity = Some(identity);
        claimant.coming = coming.difference(&desired).cloned().collect();
        desired.extend(coming);
        if claimant.desired == desired && claimant.powerless == powerless {
            return Stir::default();
        }
        let before = std::mem::replace(&mut claimant.desired, desired.clone());
        let could = std::mem::replace(&mut claimant.powerless, powerless.clone());
        let withdrawn: Vec<ObjectKey> = before.difference(&desired).cloned().collect();
        if !withdrawn.is_empty() {
            claimant.since = now;
        }
        let changed = before.symmetric_difference(&desired).chain(could.symmetric_difference(&powerless));
        let others = changed.filter_map(|key| self.by_object.get(key)).flatten().filter(|other| *other != name);
        // What an heir desires, or no longer does, is its predecessor's not to desire, or to.
        let predecessor = self.environments.get(name).and_then(|claimant| claimant.predecessor.as_ref());
        let others = others.chain(predecessor).cloned().collect();
        let withdrew = !withdrawn.is_empty() || !powerless.is_subset(&could);
        let stir = Stir { others, withdrew };
        self.withdraw(name, withdrawn);
        for key in desired {
            self.by_object.entry(key).or_default().insert(name.clone());
        }
        stir
    }

    /// Takes down that an environment is being deleted and desires nothing any more, and returns what that changes for
    /// others.
    pub fn leave(&mut self, name: &EnvironmentName, now: Duration) -> Stir {
        let claimant = self.environments.entry(name.clone()).or_default();
        if !std::mem::replace(&mut claimant.leaving, true) {
            claimant.since = now;
        }
        claimant.coming.clear();
        claimant.powerless.clear();
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

    /// Takes down that an environment can't say what it desires at a commit, or that it has none: what it said before
    /// stands, until a look finds another commit.
    pub fn gave_up(&mut self, name: &EnvironmentName, at: Option<&CommitId>) {
        let Some(claimant) = self.environments.get_mut(name) else { return };
        let look = self.looks.get(&(name.namespace.clone(), claimant.repository.clone()));
        let newest = look.and_then(|look| look.commit.as_ref());
        let outdated = at.is_some() && newest.is_some() && at != newest;
        claimant.gave_up |= !outdated;
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
        let by = self.rivals(key, than);
        let owner = owner.filter(|owner| *owner != than);
        if by.is_empty() && owner.is_none() {
            return None;
        }
        let held = owner.map(|owner| Held { by: owner.clone(), stance: self.stance(owner, key, than, commit) });
        let covered = by.iter().all(|name| self.covers(name, key));
        let powerless = !by.is_empty() && by.iter().all(|name| self.is_powerless(name, key));
        Some(Claim { by, held, covered, powerless })
    }

    /// Returns the environments of whose wishes nothing is known yet at this commit of the same repository, or at all.
    pub fn undecided(&self, than: &EnvironmentName, commit: Option<&CommitId>) -> Vec<EnvironmentName> {
        let silent = self.environments.keys().filter(|name| *name != than && self.is_silent(name, than, commit));
        silent.cloned().collect()
    }

    /// Returns the environments of other repositories that may desire by now what `than` has ceased to desire: no look that
    /// began since then has ended, or they have yet to say what they make of it.
    pub fn unheard(&self, than: &EnvironmentName) -> Vec<EnvironmentName> {
        self.environments.keys().filter(|name| *name != than && self.is_unheard(name, than)).cloned().collect()
    }

    /// Returns whether another environment desires an object, or owns it, that may have other rights than this one.
    pub fn is_shared(
        &self,
        key: &ObjectKey,
        name: &EnvironmentName,
        owner: Option<&EnvironmentName>,
        identity: &Identity,
    ) -> bool {
        let same = |other| self.environments.get(other).is_some_and(|other| other.identity.as_ref() == Some(identity));
        let others = self.desirers(key, name);
        let owner = owner.filter(|owner| *owner != name);
        let mut others = others.iter().chain(owner).peekable();
        let any = others.peek().is_some();
        any && (!identity.may_concern(name, key) || !others.all(same))
    }

    /// Returns the objects that are being handed over to this environment.
    pub fn incoming(&self, name: &EnvironmentName) -> BTreeSet<ObjectKey> {
        self.moving.iter().filter(|(_, taker)| *taker == name).map(|(key, _)| key.clone()).collect()
    }

    /// Says, right before an object is handed over, whether it still may be: only the taker desires it, and its parent
    /// says where it is. If so, that parent keeps saying it until [`Claims::moved`].
    pub fn may_move(&mut self, key: &ObjectKey, giver: &EnvironmentName, taker: &EnvironmentName) -> bool {
        let only = self.desires(taker, key) && !self.desires(giver, key);
        let only = only && self.rivals(key, giver).len() == 1;
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

    /// Returns the others whose wishes count: those of an environment that may not write the object only keep others that
    /// let go of it from pruning it.
    fn rivals(&self, key: &ObjectKey, than: &EnvironmentName) -> BTreeSet<EnvironmentName> {
        let all = self.desirers(key, than);
        let able: BTreeSet<_> = all.iter().filter(|name| !self.is_powerless(name, key)).cloned().collect();
        if able.is_empty() && !self.desires(than, key) { all } else { able }
    }

    fn is_powerless(&self, name: &EnvironmentName, key: &ObjectKey) -> bool {
        self.environments.get(name).is_some_and(|claimant| claimant.powerless.contains(key))
    }

    fn desires(&self, name: &EnvironmentName, key: &ObjectKey) -> bool {
        self.by_object.get(key).is_some_and(|names| names.contains(name))
    }

    fn covers(&self, name: &EnvironmentName, key: &ObjectKey) -> bool {
        let Some(claimant) = self.environments.get(name) else { return false };
        let recorded = claimant.recorded.as_ref().is_some_and(|recorded| recorded.covers(&Inventory::of([key])));
        recorded && !claimant.coming.contains(key) && !claimant.powerless.contains(key)
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
        } else if self.desires(owner, key) && !self.cedes(owner, key, than) {
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

    /// Returns whether an environment of another repository may desire by now what `than` has ceased to desire.
    fn is_unheard(&self, name: &EnvironmentName, than: &EnvironmentName) -> bool {
        let (Some(other), Some(of)) = (self.environments.get(name), self.environments.get(than)) else { return false };
        let repository = (name.namespace.clone(), other.repository.clone());
        // What its own commit says counts for one that stays; one that leaves may not have seen the newest.
        let same = than.namespace == name.namespace && of.repository == other.repository;
        if other.leaving || other.unreadable || same && !of.leaving {
            return false;
        }
        // A Repository that is not there desires nothing new.
        let Some(look) = self.looks.get(&repository) else { return false };
        let heard = other.gave_up || look.commit.is_none() || other.spoke == look.commit;
        self.is_unlooked(&repository, (than, of)) || !heard
    }

    fn is_unlooked(&self, repository: &Repository, (than, of): (&EnvironmentName, &Claimant)) -> bool {
        let same = *repository == (than.namespace.clone(), of.repository.clone());
        let Some(look) = self.looks.get(repository).filter(|_| !same || of.leaving) else { return false };
        !look.suspended && look.begun.is_none_or(|begun| begun <= of.since)
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
