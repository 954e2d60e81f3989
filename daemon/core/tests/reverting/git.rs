//! A small exact Git: commits with content per path, merges as one unit, a followed branch and branches of plumb's own.
//!
//! The same commit made twice is the same commit, as in Git. It answers what the daemon asks of its mirror.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use plumb_core::{
    commit::{CommitId, RefName, RepoPath, TreeId},
    environment::EnvironmentName,
    rollback::{
        arrival::Later,
        hold::asks_for_retry,
        revert::{Revert, Step},
    },
    source::{Inputs, InputsDigest},
};

/// What each path holds.
pub(crate) type Tree = BTreeMap<RepoPath, u8>;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Commit {
    pub(crate) parents: Vec<CommitId>,
    pub(crate) tree: Tree,
    pub(crate) message: String,
    pub(crate) committed: i64,
    /// Whose rollback made it, and what it takes back; absent: somebody else.
    pub(crate) revert: Option<(EnvironmentName, CommitId)>,
}

#[derive(Debug)]
pub(crate) struct Git {
    commits: Vec<Commit>,
    pub(crate) main: CommitId,
    /// Branches of plumb's own, each with where its reverts begin.
    pub(crate) own: BTreeMap<RefName, (CommitId, CommitId)>,
}

pub(crate) fn path(text: &str) -> RepoPath {
    RepoPath::parse(text).expect("a path")
}

pub(crate) fn inputs(tree: &Tree, paths: &BTreeSet<RepoPath>) -> Inputs {
    let of = |path: &RepoPath| {
        let id = TreeId::parse(&format!("{:040x}", tree.get(path)?)).expect("an id");
        Some((path.clone(), id))
    };
    Inputs(paths.iter().filter_map(of).collect())
}

pub(crate) fn digest(inputs: &Inputs) -> InputsDigest {
    InputsDigest(inputs.0.iter().map(|(path, id)| format!("{path}={id} ")).collect())
}

/// People read the first digits, and so do names of branches.
fn id(number: usize) -> CommitId {
    CommitId::parse(&format!("{number:07x}{:033}", 0)).expect("an id")
}

fn number(commit: &CommitId) -> usize {
    usize::from_str_radix(commit.short(), 16).expect("a number")
}

impl Git {
    pub(crate) fn new(tree: Tree) -> Self {
        let first = Commit { parents: Vec::new(), tree, message: "first".to_owned(), committed: 0, revert: None };
        Self { commits: vec![first], main: id(0), own: BTreeMap::new() }
    }

    pub(crate) fn get(&self, commit: &CommitId) -> &Commit {
        &self.commits[number(commit)]
    }

    pub(crate) fn write(&mut self, commit: Commit) -> CommitId {
        if let Some(known) = self.commits.iter().position(|known| *known == commit) {
            return id(known);
        }
        self.commits.push(commit);
        id(self.commits.len() - 1)
    }

    /// Returns the commit that came so many first parents before; the first one at the farthest.
    pub(crate) fn back(&self, from: &CommitId, steps: usize) -> CommitId {
        self.first_parent_line(from).into_iter().take(steps + 1).next_back().expect("because it begins with the commit")
    }

    pub(crate) fn first_parent_line(&self, from: &CommitId) -> Vec<CommitId> {
        let line = std::iter::successors(Some(from.clone()), |commit| self.get(commit).parents.first().cloned());
        line.collect()
    }

    pub(crate) fn ancestors(&self, of: &CommitId) -> BTreeSet<CommitId> {
        let (mut known, mut next) = (BTreeSet::new(), vec![of.clone()]);
        while let Some(commit) = next.pop() {
            if known.insert(commit.clone()) {
                next.extend(self.get(&commit).parents.iter().cloned());
            }
        }
        known
    }

    /// As `Mirror::first_parents`.
    pub(crate) fn steps(&self, head: &CommitId, until: &CommitId, paths: &BTreeSet<RepoPath>) -> Option<Vec<Step>> {
        let healthy = inputs(&self.get(until).tree, paths);
        let (mut steps, mut restored) = (Vec::new(), false);
        for commit in self.first_parent_line(head) {
            if commit == *until {
                return Some(steps);
            }
            let Commit { parents, tree, message, .. } = self.get(&commit);
            let parent = parents.first().cloned();
            let before = parent.as_ref().map(|parent| &self.get(parent).tree);
            let differs = |path: &&RepoPath| tree.get(*path) != before.and_then(|before| before.get(*path));
            let changed = paths.iter().filter(differs).cloned().collect();
            restored = restored || inputs(tree, paths) == healthy;
            if !restored {
                steps.push(Step { commit, parent, merge: parents.len() > 1, message: message.clone(), changed });
            }
        }
        None
    }

    /// As `Mirror::later`.
    pub(crate) fn later(&self, head: &CommitId, since: &CommitId) -> Vec<Later> {
        let mut found: Vec<CommitId> = self.ancestors(head).difference(&self.ancestors(since)).cloned().collect();
        found.reverse();
        let later = |commit: CommitId| {
            let Commit { committed, message, .. } = self.get(&commit).clone();
            Later { commit, committed: Timestamp::from_second(committed).expect("a time"), message }
        };
        found.into_iter().map(later).collect()
    }

    /// As `Mirror::any_message`.
    pub(crate) fn asks_for_retry(&self, head: &CommitId, since: &CommitId) -> bool {
        self.later(head, since).iter().any(|later| asks_for_retry(&later.message))
    }

    /// As `Mirror::write_reverts`.
    pub(crate) fn write_reverts(
        &mut self,
        head: &CommitId,
        reverts: &[Revert],
        environment: &EnvironmentName,
        at: Timestamp,
    ) -> Vec<CommitId> {
        let (mut written, mut tip) = (Vec::new(), head.clone());
        for revert in reverts {
            let mut tree = self.get(&tip).tree.clone();
            for path in &revert.paths {
                match revert.state.as_ref().and_then(|state| self.get(state).tree.get(path)).copied() {
                    Some(content) => tree.insert(path.clone(), content),
                    None => tree.remove(path),
                };
            }
            tip = self.write(Commit {
                parents: vec![tip],
                tree,
                message: revert.message.clone(),
                committed: at.as_second(),
                revert: Some((environment.clone(), revert.commit.clone())),
            });
            written.push(tip.clone());
        }
        written
    }

    /// Somebody pushes onto the followed branch.
    pub(crate) fn push(&mut self, merged: Option<CommitId>, tree: Tree, message: &str, now: i64) {
        let parents = [self.main.clone()].into_iter().chain(merged).collect();
        self.main = self.write(Commit { parents, tree, message: message.to_owned(), committed: now, revert: None });
    }

    /// Somebody merges one of plumb's own branches; returns whether there is one.
    pub(crate) fn merge_own(&mut self, now: i64) -> bool {
        let Some((_, (base, tip))) = self.own.pop_first() else { return false };
        if self.ancestors(&self.main).contains(&tip) {
            return false;
        }
        let (before, after) = (self.get(&base).tree.clone(), self.get(&tip).tree.clone());
        let mut tree = self.get(&self.main).tree.clone();
        tree.extend(after.into_iter().filter(|(path, content)| before.get(path) != Some(content)));
        self.push(Some(tip), tree, "Merge branch 'plumb/revert'", now);
        true
    }
}
