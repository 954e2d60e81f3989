//! A model of repositories, looks and passes around the real claims: what the daemon's loop does, one step at a time.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use plumb_core::{
    claims::{Announcement, Claims, Stance},
    commit::CommitId,
    environment::EnvironmentName,
    inventory::Inventory,
    object::ObjectKey,
};
use proptest::{prelude::*, test_runner::TestCaseError};

/// Environments; each belongs to the repository of its number, modulo how many there are.
const ENVIRONMENTS: usize = 3;
/// Objects that move among them.
const OBJECTS: usize = 3;
/// Rounds after which all that can be settled is.
const ROUNDS: usize = 6;

/// One thing that happens.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    /// A commit that has an environment desire exactly these.
    Push { environment: usize, desired: BTreeSet<usize> },
    /// A commit that moves an object from whoever desires it in this repository to another environment of it.
    Move { object: usize, to: usize },
    /// A look begins: what it will find is fixed at its end.
    Begin { repository: usize },
    /// It ends.
    End { repository: usize },
    /// A look fails.
    Fail { repository: usize },
    /// A pass over an environment, at what was last found.
    Pass { environment: usize },
    /// A pass that can't read its files.
    Break { environment: usize },
    /// The daemon is killed and started again.
    Restart,
}

pub(crate) fn steps(repositories: usize) -> impl Strategy<Value = Vec<Step>> {
    let environment = 0..ENVIRONMENTS;
    let repository = 0..repositories;
    let desired = proptest::collection::btree_set(0..OBJECTS, 0..=OBJECTS);
    let step = prop_oneof![
        2 => (environment.clone(), desired).prop_map(|(environment, desired)| Step::Push { environment, desired }),
        3 => (0..OBJECTS, environment.clone()).prop_map(|(object, to)| Step::Move { object, to }),
        4 => repository.clone().prop_map(|repository| Step::Begin { repository }),
        4 => repository.clone().prop_map(|repository| Step::End { repository }),
        1 => repository.prop_map(|repository| Step::Fail { repository }),
        8 => environment.clone().prop_map(|environment| Step::Pass { environment }),
        1 => environment.prop_map(|environment| Step::Break { environment }),
        1 => Just(Step::Restart),
    ];
    proptest::collection::vec(step, 1..80)
}

/// What every environment of a repository desires, from one moment on.
#[derive(Debug, Clone)]
struct Commit {
    id: CommitId,
    pushed: u64,
    desired: BTreeMap<usize, BTreeSet<usize>>,
}

/// Everything.
#[derive(Debug)]
pub(crate) struct World {
    repositories: usize,
    now: u64,
    history: Vec<Vec<Commit>>,
    begun: Vec<Option<u64>>,
    /// The commit that the daemon knows of each repository.
    found: Vec<Option<usize>>,
    claims: Claims,
    recorded: BTreeSet<usize>,
    /// The commits at which files could not be read: nobody knows what they desire, and older wishes stand.
    broken: BTreeSet<(usize, CommitId)>,
    /// Who owns each object that is there.
    owners: BTreeMap<usize, usize>,
}

impl World {
    pub(crate) fn new(repositories: usize) -> Self {
        let mut world = Self {
            repositories,
            now: 0,
            history: vec![Vec::new(); repositories],
            begun: vec![None; repositories],
            found: vec![None; repositories],
            claims: Claims::default(),
            recorded: BTreeSet::new(),
            broken: BTreeSet::new(),
            owners: BTreeMap::new(),
        };
        (0..repositories).for_each(|repository| world.push(repository, BTreeMap::new()));
        world.restart();
        world
    }

    pub(crate) fn owner(&self, object: usize) -> Option<usize> {
        self.owners.get(&object).copied()
    }

    pub(crate) fn take(&mut self, step: &Step) -> Result<(), TestCaseError> {
        self.now += 1;
        match step {
            Step::Push { environment, desired } => {
                let repository = self.repository(*environment);
                let mut all = self.newest(repository).desired.clone();
                all.insert(*environment, desired.clone());
                self.push(repository, all);
            }
            Step::Move { object, to } => {
                let repository = self.repository(*to);
                let mut all = self.newest(repository).desired.clone();
                for desired in all.values_mut() {
                    desired.remove(object);
                }
                all.entry(*to).or_default().insert(*object);
                self.push(repository, all);
            }
            Step::Begin { repository } => {
                self.begun[*repository].get_or_insert(self.now);
            }
            Step::End { repository } => self.end(*repository),
            Step::Fail { repository } => {
                if let Some(begun) = self.begun[*repository].take() {
                    self.claims.looked(&named(*repository), at(begun), None);
                }
            }
            Step::Pass { environment } => self.pass(*environment)?,
            Step::Break { environment } => {
                let commit = self.commit(*environment).map(|commit| commit.id.clone());
                if let Some(commit) = commit {
                    self.claims.gave_up(&name(*environment), Some(&commit));
                    self.broken.insert((*environment, commit));
                }
            }
            Step::Restart => self.restart(),
        }
        Ok(())
    }

    /// Looks and passes until nothing changes any more, and expects that nobody waits.
    pub(crate) fn settle(&mut self) -> Result<(), TestCaseError> {
        for _ in 0..ROUNDS {
            for repository in 0..self.repositories {
                self.take(&Step::Begin { repository })?;
                self.take(&Step::End { repository })?;
            }
            for environment in 0..ENVIRONMENTS {
                self.take(&Step::Pass { environment })?;
            }
        }
        for environment in 0..ENVIRONMENTS {
            let commit = self.commit(environment).map(|commit| commit.id.clone());
            prop_assert_eq!(self.claims.undecided(&name(environment), commit.as_ref()), Vec::new());
            prop_assert_eq!(self.claims.unheard(&name(environment)), Vec::new());
        }
        for (object, owner) in &self.owners {
            let desirers = (0..ENVIRONMENTS).filter(|environment| self.desires(*environment, *object)).count();
            prop_assert!(self.desires(*owner, *object) || desirers > 1, "{} is left with {}", object, owner);
        }
        Ok(())
    }

    fn push(&mut self, repository: usize, desired: BTreeMap<usize, BTreeSet<usize>>) {
        let count: usize = self.history.iter().map(Vec::len).sum();
        let id = CommitId::parse(&format!("{count:040x}")).expect("an id");
        self.history[repository].push(Commit { id, pushed: self.now, desired });
    }

    fn end(&mut self, repository: usize) {
        let Some(begun) = self.begun[repository].take() else { return };
        let newest = self.history[repository].len() - 1;
        self.found[repository] = Some(newest);
        let commit = self.history[repository][newest].id.clone();
        self.claims.looked(&named(repository), at(begun), Some(&commit));
    }

    fn restart(&mut self) {
        self.claims = Claims::default();
        (self.begun, self.found) = (vec![None; self.repositories], vec![None; self.repositories]);
        for repository in 0..self.repositories {
            self.claims.follow(&named(repository), false);
        }
        for environment in 0..ENVIRONMENTS {
            self.claims.expect(&name(environment), &named(self.repository(environment)).1);
        }
    }

    fn pass(&mut self, environment: usize) -> Result<(), TestCaseError> {
        let Some(commit) = self.commit(environment).cloned() else { return Ok(()) };
        let desired = commit.desired.get(&environment).cloned().unwrap_or_default();
        let me = name(environment);
        let recorded = self.recorded.contains(&environment).then(scope);
        let announcement = Announcement {
            desired: desired.iter().map(|object| key(*object)).collect(),
            coming: BTreeSet::new(),
            powerless: BTreeSet::new(),
            identity: plumb_core::identity::Identity::Own,
            commit: &commit.id,
            suspended: false,
            now: at(self.now),
            recorded,
        };
        self.claims.announce(&me, announcement);
        self.recorded.insert(environment);
        self.claims.recorded(&me, &scope());
        for object in desired {
            let owner = self.owner(object);
            let claim = self.claims.claim(&key(object), &me, owner.map(name).as_ref(), Some(&commit.id));
            let free = owner.is_none() && claim.is_none_or(|claim| claim.by.is_empty());
            if free {
                self.owners.insert(object, environment);
            }
        }
        let owned: Vec<usize> =
            self.owners.iter().filter(|(_, owner)| **owner == environment).map(|(o, _)| *o).collect();
        let desired = commit.desired.get(&environment).cloned().unwrap_or_default();
        for object in owned.into_iter().filter(|object| !desired.contains(object)) {
            self.let_go_of(object, environment, &commit)?;
        }
        Ok(())
    }

    /// What `plan::prune` does with an owned object that is no longer desired.
    fn let_go_of(&mut self, object: usize, environment: usize, commit: &Commit) -> Result<(), TestCaseError> {
        let me = name(environment);
        let undecided = self.claims.undecided(&me, Some(&commit.id));
        match self.claims.claim(&key(object), &me, None, Some(&commit.id)) {
            Some(claim) => {
                let to = claim.by.first().filter(|_| claim.by.len() == 1 && claim.covered && undecided.is_empty());
                if let Some(to) = to
                    && self.claims.may_move(&key(object), &me, to)
                {
                    let to_index = (0..ENVIRONMENTS).find(|index| name(*index) == *to).expect("an environment");
                    let stance = self.claims.claim(&key(object), to, Some(&me), Some(&commit.id));
                    prop_assert!(stance.and_then(|claim| claim.held).is_some_and(|held| held.stance != Stance::Keeps));
                    self.owners.insert(object, to_index);
                    self.claims.moved(&key(object));
                }
            }
            None if undecided.is_empty() && self.claims.unheard(&me).is_empty() => {
                self.may_be_deleted(object, environment, commit)?;
                self.owners.remove(&object);
            }
            None => {}
        }
        Ok(())
    }

    /// The law.
    fn may_be_deleted(&self, object: usize, by: usize, at: &Commit) -> Result<(), TestCaseError> {
        // When the removal was pushed: the first of the commits up to this one since which it has been missing.
        let own = &self.history[self.repository(by)];
        let seen = own.iter().position(|commit| commit.id == at.id).expect("a commit");
        let lacks = |commit: &&Commit| !commit.desired.get(&by).is_some_and(|desired| desired.contains(&object));
        let removal = own[..=seen].iter().rev().take_while(lacks).last().expect("the commit itself").pushed;
        for environment in (0..ENVIRONMENTS).filter(|other| *other != by) {
            let history = &self.history[self.repository(environment)];
            let wants = |commit: &Commit| {
                let readable = !self.broken.contains(&(environment, commit.id.clone()));
                readable && commit.desired.get(&environment).is_some_and(|all| all.contains(&object))
            };
            let since = history.iter().rposition(|commit| commit.pushed <= removal).unwrap_or(0);
            let always = history[since..].iter().all(wants);
            prop_assert!(!always, "{} is deleted by {} while {} desires it", object, by, environment);
        }
        Ok(())
    }

    fn desires(&self, environment: usize, object: usize) -> bool {
        let newest = self.newest(self.repository(environment));
        newest.desired.get(&environment).is_some_and(|desired| desired.contains(&object))
    }

    fn repository(&self, environment: usize) -> usize {
        environment % self.repositories
    }

    fn newest(&self, repository: usize) -> &Commit {
        self.history[repository].last().expect("a first commit")
    }

    fn commit(&self, environment: usize) -> Option<&Commit> {
        let repository = self.repository(environment);
        Some(&self.history[repository][self.found[repository]?])
    }
}

fn at(moment: u64) -> Duration {
    Duration::from_secs(moment)
}

fn name(environment: usize) -> EnvironmentName {
    EnvironmentName::new("team", &format!("e{environment}"))
}

fn named(repository: usize) -> (String, String) {
    ("team".to_owned(), format!("r{repository}"))
}

fn key(object: usize) -> ObjectKey {
    let name = format!("o{object}");
    ObjectKey { group: String::new(), kind: "ConfigMap".to_owned(), namespace: Some("shop".to_owned()), name }
}

fn scope() -> Inventory {
    Inventory::of([&key(0)])
}
