//! What a branch wants built of a component: which commit, or why nothing.
//!
//! A component is built when what it reads is not among what counts as built. plumb's own commits move that along and never cause a
//! build; a person's change below them is built all the same, at the newest commit that is not a write-back. Must never do: lose a
//! person's change. Where something was not read, a build too many is made rather than none.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::skipping::Part;
use crate::{commit::CommitId, source::InputsDigest};

/// First-parent commits that are looked at, from the newest on: about a month of a busy branch.
pub const STEPS_MAX: usize = 1000;
/// Commits whose files are read to find out what plumb's own and skipped commits have changed. What is older is not known.
pub const READ_MAX: usize = 64;
/// Digests that count as built at once: write-backs on top of one build. Of more the oldest but the first is forgotten, so that a
/// person who takes exactly that one back has the component built.
const DEALT_MAX: usize = 8;

/// One first-parent commit of a branch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step {
    /// The commit.
    pub commit: CommitId,
    /// What it is.
    pub part: Part,
}

/// What of a component is dealt with: it counts as built, newest first; nothing: the component was never looked at.
///
/// Its last element is what was built or passed over last. In front of it is what plumb's own and skipped commits have made of it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Dealt(Vec<InputsDigest>);

impl Dealt {
    /// Takes what a status says; what is too much is left out.
    pub fn of(digests: impl IntoIterator<Item = InputsDigest>) -> Self {
        let mut dealt = Self::default();
        let digests: Vec<InputsDigest> = digests.into_iter().take(DEALT_MAX).collect();
        digests.into_iter().rev().for_each(|digest| dealt.add(digest));
        dealt
    }

    /// Returns what counts once exactly this was built.
    pub fn only(digest: InputsDigest) -> Self {
        Self(vec![digest])
    }

    /// Returns whether something counts as built.
    pub fn contains(&self, digest: &InputsDigest) -> bool {
        self.0.contains(digest)
    }

    /// Returns all of it, newest first.
    pub fn digests(&self) -> &[InputsDigest] {
        &self.0
    }

    fn add(&mut self, digest: InputsDigest) {
        if self.contains(&digest) {
            return;
        }
        self.0.insert(0, digest);
        if self.0.len() > DEALT_MAX {
            self.0.remove(DEALT_MAX - 1);
        }
    }
}

/// What a component reads at commits, as far as their files were read; none: it has no files there.
pub type Readings = BTreeMap<CommitId, Option<InputsDigest>>;

/// What a branch wants of a component.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum Wanted {
    /// The files of the commit that decides were not read: nothing is known.
    Unknown,
    /// It has no files there.
    Absent,
    /// Nothing is to be built. What counts as built may have moved along: where it differs it is to be remembered, with the newest
    /// commit.
    Built(Dealt),
    /// Nothing is to be built, because the newest commit of a person asks for that.
    Passed {
        /// That commit.
        commit: CommitId,
        /// What the component reads there.
        inputs: InputsDigest,
        /// What counts as built from now on.
        dealt: Dealt,
    },
    /// It is to be built. What counts as built changes when a run has begun: to [`Dealt::only`] its inputs.
    Build {
        /// At this commit.
        commit: CommitId,
        /// What the component reads there.
        inputs: InputsDigest,
    },
}

/// Returns the commits whose files are to be read before [`wanted`] is asked, newest first, of first-parent commits with the newest
/// first. Where a component's inputs at the first of them count as built, no other is needed for it.
pub fn to_read(steps: &[Step]) -> Vec<&CommitId> {
    let of_interest = |at: usize| {
        // What it changes shows against the commit below.
        steps.get(at).is_some_and(|step| step.part != Part::Change)
    };
    let mut read = BTreeSet::from([0, decisive(steps)]);
    for at in (0..steps.len()).filter(|at| of_interest(*at)) {
        if read.len() + 2 > READ_MAX {
            break;
        }
        read.extend([at, at + 1]);
    }
    read.into_iter().filter_map(|at| steps.get(at)).map(|step| &step.commit).collect()
}

/// Returns what a branch wants of a component.
///
/// `steps` are the first-parent commits of the branch, newest first, at least one. They go down to the commit with which `dealt` was
/// remembered (what was built or passed over then, or the newest one where plumb's own had moved it along), or as far as they were
/// looked at.
pub fn wanted(steps: &[Step], readings: &Readings, dealt: &Dealt) -> Wanted {
    let Some(target) = steps.get(decisive(steps)) else { return Wanted::Unknown };
    let inputs = match readings.get(&target.commit) {
        None => return Wanted::Unknown,
        Some(None) => return Wanted::Absent,
        Some(Some(inputs)) => inputs.clone(),
    };
    let newest = steps.iter().position(|step| !step.part.is_own());
    let mut standing = dealt.clone();
    for (at, step) in steps.iter().enumerate().rev() {
        let Some(Some(now)) = readings.get(&step.commit) else { continue };
        // Whether nothing of a person's was left to build before this commit.
        let settled = match steps.get(at + 1).map(|below| readings.get(&below.commit)) {
            Some(Some(Some(before))) => standing.contains(before),
            Some(Some(None)) => true,
            Some(None) | None => false,
        };
        match step.part {
            Part::WriteBack | Part::Skip if settled => standing.add(now.clone()),
            // What was taken back is built again when a person brings it back.
            Part::Revert if settled => standing = Dealt::only(now.clone()),
            // As if it had been looked at while it was the head, with everything that was not built yet.
            Part::Skip if newest == Some(at) && !standing.contains(now) => standing = Dealt::only(now.clone()),
            Part::Change | Part::Skip | Part::WriteBack | Part::Revert => {}
        }
    }
    if !standing.contains(&inputs) {
        return Wanted::Build { commit: target.commit.clone(), inputs };
    }
    if target.part == Part::Skip && !dealt.contains(&inputs) {
        return Wanted::Passed { commit: target.commit.clone(), inputs, dealt: standing };
    }
    Wanted::Built(standing)
}

/// Returns the place of the commit that decides: the newest that is not a write-back. Where there is no other, the newest.
///
/// A revert of plumb's own decides, too: what a person has left to build below it is built as it is now.
pub fn decisive(steps: &[Step]) -> usize {
    steps.iter().position(|step| step.part != Part::WriteBack).unwrap_or(0)
}
