//! The branch: commits in a line, what each component reads of them, and who made them.

use std::collections::BTreeMap;

use plumb_core::{
    commit::CommitId,
    source::InputsDigest,
    trigger::{
        name::ComponentName,
        plan::{Asked, Head},
    },
};

use crate::world::at;

/// What a component holds that reads no file.
pub(crate) const NOTHING: u8 = 2;

#[derive(Debug, Clone)]
pub(crate) struct Commit {
    id: CommitId,
    contents: [u8; 2],
    committed: i64,
    skip: bool,
    /// plumb itself has made it.
    own: bool,
}

pub(crate) struct Branch {
    /// From the first to the newest; never empty.
    line: Vec<Commit>,
    /// How many there ever were.
    made: u64,
    /// What is a component.
    pub(crate) components: [bool; 2],
}

pub(crate) fn component(of: usize) -> ComponentName {
    ComponentName::parse(["cart", "web"][of]).expect("a name")
}

/// The second component can be without any file.
fn digest(of: usize, content: u8) -> Option<InputsDigest> {
    (of == 0 || content != NOTHING).then(|| InputsDigest(format!("inputs-{of}-{content}")))
}

impl Branch {
    pub(crate) fn new(now: i64) -> Self {
        let mut branch = Self { line: Vec::new(), made: 0, components: [true; 2] };
        branch.add([0, 0], now, (false, false));
        branch
    }

    fn add(&mut self, contents: [u8; 2], committed: i64, (skip, own): (bool, bool)) {
        self.made += 1;
        let id = CommitId::parse(&format!("{:07x}{:033x}", self.made, 0)).expect("an id");
        self.line.push(Commit { id, contents, committed, skip, own });
    }

    fn newest(&self) -> &Commit {
        self.line.last().expect("because it is never empty")
    }

    pub(crate) fn push(&mut self, of: usize, content: u8, now: i64, marks: (bool, bool)) {
        let mut contents = self.newest().contents;
        contents[of] = content;
        // Clocks of people differ.
        let skew = i64::from(content) * 3;
        self.add(contents, now - skew, marks);
    }

    pub(crate) fn rewind(&mut self, steps: usize) {
        let left = self.line.len().saturating_sub(steps).max(1);
        self.line.truncate(left);
    }

    pub(crate) fn head(&self) -> Head {
        let newest = self.newest();
        Head {
            commit: newest.id.clone(),
            committed: at(newest.committed),
            passed_over: newest.skip,
            components: self.components_of(newest),
        }
    }

    fn components_of(&self, commit: &Commit) -> BTreeMap<ComponentName, Option<InputsDigest>> {
        let all = (0..2).filter(|of| self.components[*of]);
        all.map(|of| (component(of), digest(of, commit.contents[of]))).collect()
    }

    pub(crate) fn ask(&self, id: String, of: Option<usize>, back: usize) -> Asked {
        let commit = &self.line[self.line.len().saturating_sub(back + 1)];
        let components = self.components_of(commit);
        let (commit, committed) = (commit.id.clone(), at(commit.committed));
        Asked { id, component: of.map(component), commit, committed, components }
    }

    /// Returns the inputs of the newest commit that is not plumb's own.
    pub(crate) fn of_others(&self) -> BTreeMap<ComponentName, Option<InputsDigest>> {
        let theirs = self.line.iter().rfind(|commit| !commit.own);
        theirs.map(|commit| self.components_of(commit)).unwrap_or_default()
    }
}
