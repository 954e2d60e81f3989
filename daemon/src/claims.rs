//! Which environment desires which object: what one no longer desires may not be pruned while another does.
//!
//! An environment announces its wishes in each pass, before anything is planned. Those that have not yet spoken at a
//! commit that others are at are undecided: until they speak, or turn out to be unable to, nothing is pruned.

use std::collections::{BTreeMap, BTreeSet};

use plumb_core::{commit::CommitId, environment::EnvironmentName, object::ObjectKey};

/// What all environments of one cluster desire.
#[derive(Debug, Default)]
pub(crate) struct Claims {
    by_object: BTreeMap<ObjectKey, BTreeSet<EnvironmentName>>,
    environments: BTreeMap<EnvironmentName, Claimant>,
}

#[derive(Debug, Default)]
struct Claimant {
    repository: String,
    desired: BTreeSet<ObjectKey>,
    /// The commit at which it last spoke; nothing before it did.
    spoke: Option<CommitId>,
    /// It could not be read when it last tried: its older wishes stand.
    gave_up: bool,
}

/// What an announcement changed for others.
#[derive(Debug, Default)]
pub(crate) struct Stir {
    /// Environments that desire some of the objects that the announcer has begun or ceased to desire.
    pub(crate) others: BTreeSet<EnvironmentName>,
    /// Whether it ceased to desire something.
    pub(crate) withdrew: bool,
}

impl Claims {
    /// Takes an environment in, before it has spoken.
    pub(crate) fn expect(&mut self, name: &EnvironmentName, repository: &str) {
        let claimant = self.environments.entry(name.clone()).or_default();
        repository.clone_into(&mut claimant.repository);
    }

    /// Takes down what an environment desires at a commit, and returns what that changes for others.
    pub(crate) fn announce(&mut self, name: &EnvironmentName, desired: BTreeSet<ObjectKey>, commit: &CommitId) -> Stir {
        let claimant = self.environments.entry(name.clone()).or_default();
        claimant.spoke = Some(commit.clone());
        claimant.gave_up = false;
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

    /// Takes down that an environment can't say what it desires: what it said before stands.
    pub(crate) fn gave_up(&mut self, name: &EnvironmentName) {
        if let Some(claimant) = self.environments.get_mut(name) {
            claimant.gave_up = true;
        }
    }

    /// Forgets an environment that was deleted.
    pub(crate) fn forget(&mut self, name: &EnvironmentName) {
        if let Some(claimant) = self.environments.remove(name) {
            self.withdraw(name, claimant.desired.into_iter().collect());
        }
    }

    /// Returns another environment that desires the object.
    pub(crate) fn other(&self, key: &ObjectKey, than: &EnvironmentName) -> Option<EnvironmentName> {
        self.by_object.get(key)?.iter().find(|name| *name != than).cloned()
    }

    /// Returns the environments of whose wishes nothing is known yet at this commit of the same repository, or at all.
    pub(crate) fn undecided(&self, than: &EnvironmentName, commit: &CommitId) -> Vec<EnvironmentName> {
        let own = self.environments.get(than).map(|claimant| (&than.namespace, &claimant.repository));
        let silent = self.environments.iter().filter(|(name, claimant)| {
            let same = own == Some((&name.namespace, &claimant.repository));
            let spoke = match &claimant.spoke {
                None => false,
                Some(at) => !same || at == commit,
            };
            // One that never spoke may desire what another environment of the same commit lets go of.
            let excused = claimant.gave_up && (claimant.spoke.is_some() || !same);
            *name != than && !spoke && !excused
        });
        silent.map(|(name, _)| name.clone()).collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> ObjectKey {
        ObjectKey { group: String::new(), kind: "ConfigMap".into(), namespace: Some("n".into()), name: name.into() }
    }

    fn commit(digit: char) -> CommitId {
        CommitId::parse(&digit.to_string().repeat(40)).expect("an id")
    }

    #[test]
    fn an_object_that_moves_is_claimed_by_its_new_environment_before_the_old_one_may_prune() {
        let (a, b) = (EnvironmentName::new("n", "a"), EnvironmentName::new("n", "b"));
        let mut claims = Claims::default();
        claims.expect(&a, "repo");
        claims.expect(&b, "repo");
        claims.announce(&a, [key("x")].into(), &commit('1'));
        assert_eq!(claims.undecided(&a, &commit('1')), vec![b.clone()]);
        claims.announce(&b, BTreeSet::new(), &commit('1'));
        assert_eq!(claims.undecided(&a, &commit('1')), vec![]);
        claims.announce(&a, BTreeSet::new(), &commit('2'));
        assert_eq!(claims.undecided(&a, &commit('2')), vec![b.clone()], "b has yet to see the second commit");
        claims.announce(&b, [key("x")].into(), &commit('2'));
        assert_eq!(claims.undecided(&a, &commit('2')), vec![]);
        assert_eq!(claims.other(&key("x"), &a), Some(b));
    }

    #[test]
    fn who_desires_the_same_is_told_when_another_begins_or_ceases_to() {
        let (a, b) = (EnvironmentName::new("n", "a"), EnvironmentName::new("n", "b"));
        let mut claims = Claims::default();
        assert_eq!(claims.announce(&a, [key("x")].into(), &commit('1')).others, BTreeSet::new());
        assert_eq!(claims.announce(&b, [key("x"), key("y")].into(), &commit('1')).others, BTreeSet::from([a.clone()]));
        let stir = claims.announce(&b, [key("y")].into(), &commit('2'));
        assert_eq!((stir.others, stir.withdrew), (BTreeSet::from([a]), true));
        let stir = claims.announce(&b, [key("y")].into(), &commit('3'));
        assert_eq!((stir.others, stir.withdrew), (BTreeSet::new(), false));
    }

    #[test]
    fn a_broken_environment_does_not_hold_up_the_others_but_keeps_its_wishes() {
        let (a, b) = (EnvironmentName::new("n", "a"), EnvironmentName::new("n", "b"));
        let mut claims = Claims::default();
        claims.expect(&a, "repo");
        claims.expect(&b, "repo");
        claims.announce(&b, [key("x")].into(), &commit('1'));
        claims.announce(&a, BTreeSet::new(), &commit('2'));
        claims.gave_up(&b);
        assert_eq!(claims.undecided(&a, &commit('2')), vec![]);
        assert_eq!(claims.other(&key("x"), &a), Some(b.clone()));
        claims.forget(&b);
        assert_eq!(claims.other(&key("x"), &a), None);
    }

    #[test]
    fn other_repositories_count_once_they_have_spoken() {
        let (a, b) = (EnvironmentName::new("n", "a"), EnvironmentName::new("n", "b"));
        let mut claims = Claims::default();
        claims.expect(&a, "one");
        claims.expect(&b, "two");
        assert_eq!(claims.undecided(&a, &commit('1')), vec![b.clone()]);
        claims.announce(&b, BTreeSet::new(), &commit('7'));
        assert_eq!(claims.undecided(&a, &commit('1')), vec![]);
    }
}
