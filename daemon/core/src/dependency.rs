//! Dependencies between environments: a new commit begins only when those it depends on have it already and are healthy.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use serde::Serialize;

use crate::{class::Class, commit::CommitId, environment::EnvironmentName};

/// How far an environment is, for those that depend on it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Progress {
    /// The Repository that it follows, in its own namespace.
    pub repository: String,
    /// The commit that was last applied in full, by the spec as it is now.
    pub applied: Option<CommitId>,
    /// Whether every object of it is healthy.
    pub healthy: bool,
    /// Whether it is suspended.
    pub suspended: bool,
    /// Where it was rolled back, and is kept at an older commit: what ends that.
    pub held: Option<Class>,
}

/// What an environment waits for before it begins a commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum Unmet {
    /// There is no such environment.
    Missing(EnvironmentName),
    /// It has yet to apply the commit.
    Behind(EnvironmentName),
    /// It is suspended and has yet to apply the commit.
    Suspended(EnvironmentName),
    /// It was rolled back, and is kept at an older commit until what helps has come.
    RolledBack(EnvironmentName, Class),
    /// It has applied the commit, and something of it is not healthy.
    Unhealthy(EnvironmentName),
    /// Each waits for the next, and the last for the first.
    Cycle(Vec<EnvironmentName>),
}

impl Unmet {
    /// Returns whether it comes right without a person.
    pub fn passes(&self) -> bool {
        matches!(self, Self::Behind(_) | Self::Unhealthy(_) | Self::RolledBack(_, Class::Retry))
    }
}

impl fmt::Display for Unmet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(name) => {
                write!(f, "waits for {name}, which does not exist: create it, or take it out of spec.dependsOn")
            }
            Self::Behind(name) => write!(f, "waits for {name} to apply the same commit"),
            Self::Suspended(name) => write!(f, "waits for {name}, which is suspended (plumb resume {name})"),
            Self::RolledBack(name, _) => write!(f, "waits for {name}, which was rolled back (plumb status {name})"),
            Self::Unhealthy(name) => write!(f, "waits for {name} to become healthy (plumb tree {name})"),
            Self::Cycle(names) => {
                let names: Vec<_> = names.iter().map(ToString::to_string).collect();
                write!(f, "waits for itself: {}; take one of them out of spec.dependsOn", names.join(" → "))
            }
        }
    }
}

/// Which environment depends on which, and how far each is.
#[derive(Debug, Default)]
pub struct Dependencies {
    edges: BTreeMap<EnvironmentName, Vec<EnvironmentName>>,
    progress: BTreeMap<EnvironmentName, Progress>,
    dependents: BTreeMap<EnvironmentName, BTreeSet<EnvironmentName>>,
}

impl Dependencies {
    /// Takes an environment in, and returns those that have to look again because of it.
    pub fn see(
        &mut self,
        name: &EnvironmentName,
        depends_on: Vec<EnvironmentName>,
        progress: Progress,
    ) -> BTreeSet<EnvironmentName> {
        let moved = self.progress.insert(name.clone(), progress.clone()).as_ref() != Some(&progress);
        let redirected = self.redirect(name, depends_on);
        let dependents = self.dependents.get(name).cloned().unwrap_or_default();
        match (moved, redirected) {
            // A cycle is begun or broken anywhere along it.
            (_, true) => self.reaching(name),
            (true, false) => dependents,
            (false, false) => BTreeSet::new(),
        }
    }

    /// Forgets an environment that was deleted, and returns those that have to look again because of it.
    pub fn forget(&mut self, name: &EnvironmentName) -> BTreeSet<EnvironmentName> {
        let reaching = self.reaching(name);
        self.redirect(name, Vec::new());
        self.edges.remove(name);
        self.progress.remove(name);
        reaching
    }

    /// Returns what stands in the way of beginning a commit of a repository; the first of several.
    pub fn unmet(&self, name: &EnvironmentName, repository: &str, commit: &CommitId) -> Option<Unmet> {
        let depends_on = self.edges.get(name)?;
        if let Some(cycle) = self.cycle(name) {
            return Some(Unmet::Cycle(cycle));
        }
        depends_on.iter().find_map(|other| {
            let Some(progress) = self.progress.get(other) else { return Some(Unmet::Missing(other.clone())) };
            if let Some(class) = progress.held {
                return Some(Unmet::RolledBack(other.clone(), class));
            }
            let same = progress.repository == repository && other.namespace == name.namespace;
            let has_it = progress.applied.as_ref().is_some_and(|applied| !same || applied == commit);
            match (has_it, progress.suspended) {
                (false, true) => Some(Unmet::Suspended(other.clone())),
                (false, false) => Some(Unmet::Behind(other.clone())),
                (true, _) if !progress.healthy => Some(Unmet::Unhealthy(other.clone())),
                (true, _) => None,
            }
        })
    }

    fn redirect(&mut self, name: &EnvironmentName, depends_on: Vec<EnvironmentName>) -> bool {
        let before = self.edges.insert(name.clone(), depends_on.clone()).unwrap_or_default();
        if before == depends_on {
            return false;
        }
        for other in before {
            if let Some(dependents) = self.dependents.get_mut(&other) {
                dependents.remove(name);
                if dependents.is_empty() {
                    self.dependents.remove(&other);
                }
            }
        }
        for other in depends_on {
            self.dependents.entry(other).or_default().insert(name.clone());
        }
        true
    }

    /// Returns everybody who depends on the environment, directly or not.
    fn reaching(&self, name: &EnvironmentName) -> BTreeSet<EnvironmentName> {
        let mut found = BTreeSet::new();
        let mut queue = vec![name];
        while let Some(next) = queue.pop() {
            for dependent in self.dependents.get(next).into_iter().flatten() {
                if found.insert(dependent.clone()) {
                    queue.push(dependent);
                }
            }
        }
        found
    }

    /// Returns the shortest way from an environment back to itself, both ends named.
    pub fn cycle(&self, name: &EnvironmentName) -> Option<Vec<EnvironmentName>> {
        let mut came_from: BTreeMap<&EnvironmentName, &EnvironmentName> = BTreeMap::new();
        let mut queue = std::collections::VecDeque::from([name]);
        while let Some(next) = queue.pop_front() {
            for other in self.edges.get(next).into_iter().flatten() {
                if other == name {
                    let mut way = vec![name.clone(), next.clone()];
                    let mut at = next;
                    while let Some(before) = came_from.get(at) {
                        way.push((*before).clone());
                        at = before;
                    }
                    way.reverse();
                    return Some(way);
                }
                if !came_from.contains_key(other) {
                    came_from.insert(other, next);
                    queue.push_back(other);
                }
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> EnvironmentName {
        EnvironmentName::new("team", text)
    }

    fn commit(digit: char) -> CommitId {
        CommitId::parse(&digit.to_string().repeat(40)).expect("an id")
    }

    fn at(digit: char) -> Progress {
        Progress {
            repository: "repo".into(),
            applied: Some(commit(digit)),
            healthy: true,
            suspended: false,
            held: None,
        }
    }

    fn see(all: &mut Dependencies, who: &str, depends_on: &[&str], progress: Progress) -> BTreeSet<EnvironmentName> {
        all.see(&name(who), depends_on.iter().map(|on| name(on)).collect(), progress)
    }

    #[test]
    fn a_commit_waits_until_every_dependency_has_applied_it_and_is_healthy() {
        #[track_caller]
        fn check(progress: Option<Progress>, expected: Option<Unmet>) {
            let mut all = Dependencies::default();
            see(&mut all, "shop", &["base"], at('1'));
            if let Some(progress) = progress {
                see(&mut all, "base", &[], progress);
            }
            assert_eq!(all.unmet(&name("shop"), "repo", &commit('2')), expected);
        }
        check(None, Some(Unmet::Missing(name("base"))));
        check(Some(at('1')), Some(Unmet::Behind(name("base"))));
        check(Some(at('2')), None);
        check(Some(Progress { healthy: false, ..at('2') }), Some(Unmet::Unhealthy(name("base"))));
        check(Some(Progress { suspended: true, ..at('1') }), Some(Unmet::Suspended(name("base"))));
        check(Some(Progress { suspended: true, ..at('2') }), None);
        // Also one of another repository, whose commits can't be compared.
        for (class, passes) in [(Class::Retry, true), (Class::Wait, false)] {
            let unmet = Unmet::RolledBack(name("base"), class);
            assert_eq!(unmet.passes(), passes);
            check(Some(Progress { held: Some(class), ..at('2') }), Some(unmet));
        }
        check(Some(Progress { applied: None, ..at('2') }), Some(Unmet::Behind(name("base"))));
        // Commits of another repository can't be compared: applied and healthy is all that can be asked for.
        check(Some(Progress { repository: "other".into(), ..at('1') }), None);
    }

    #[test]
    fn a_cycle_is_named_for_each_of_its_members_and_only_for_them() {
        let mut all = Dependencies::default();
        see(&mut all, "a", &["b"], at('1'));
        see(&mut all, "b", &["c"], at('1'));
        see(&mut all, "outside", &["a"], at('1'));
        assert_eq!(see(&mut all, "c", &["a"], at('1')), ["a", "b", "c", "outside"].map(name).into());
        let unmet = |all: &Dependencies, who: &str| all.unmet(&name(who), "repo", &commit('1'));
        assert_eq!(unmet(&all, "a"), Some(Unmet::Cycle(["a", "b", "c", "a"].map(name).into())));
        assert_eq!(unmet(&all, "c"), Some(Unmet::Cycle(["c", "a", "b", "c"].map(name).into())));
        assert_eq!(unmet(&all, "outside"), None);
        see(&mut all, "self", &["self"], at('1'));
        assert_eq!(unmet(&all, "self"), Some(Unmet::Cycle(["self", "self"].map(name).into())));
        // Whoever breaks it wakes everybody.
        assert_eq!(see(&mut all, "c", &[], at('1')), ["a", "b", "outside"].map(name).into());
        assert_eq!(unmet(&all, "a"), None);
    }

    #[test]
    fn those_that_depend_are_told_when_something_has_changed_for_them() {
        let mut all = Dependencies::default();
        see(&mut all, "shop", &["base"], at('1'));
        see(&mut all, "far", &["shop"], at('1'));
        assert_eq!(see(&mut all, "base", &[], at('1')), [name("shop")].into());
        assert_eq!(see(&mut all, "base", &[], at('1')), BTreeSet::new());
        assert_eq!(see(&mut all, "base", &[], at('2')), [name("shop")].into());
        assert_eq!(all.forget(&name("base")), ["far", "shop"].map(name).into());
        assert_eq!(all.unmet(&name("shop"), "repo", &commit('1')), Some(Unmet::Missing(name("base"))));
    }

    #[test]
    fn what_is_waited_for_is_named_with_the_next_step() {
        let check = |unmet: Unmet, expected: &str| assert_eq!(unmet.to_string(), expected);
        check(
            Unmet::Cycle(["a", "b", "a"].map(name).into()),
            "waits for itself: team/a → team/b → team/a; take one of them out of spec.dependsOn",
        );
        check(Unmet::Suspended(name("a")), "waits for team/a, which is suspended (plumb resume team/a)");
    }
}
