//! What an audit found, what is proved, and what is not.

use serde::Serialize;

use super::Seal;
use crate::commit::CommitId;

/// What somebody did to records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Tampering {
    /// Records are gone.
    Removed,
    /// Records say something else than they did.
    Edited,
    /// Records stand in another order than they were made in.
    Reordered,
    /// A number was given twice.
    Doubled,
    /// Something was added that plumb did not write.
    Forged,
    /// The end was cut off.
    Truncated,
    /// The history is another one.
    Rewritten,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was done.
    pub what: Tampering,
    /// The commit of the notes ref where it shows; absent: the chain as a whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub link: Option<CommitId>,
    /// The commit whose note it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<CommitId>,
    /// In words.
    pub why: String,
}

/// What the signatures of a chain are worth, counted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Signatures {
    unsigned: usize,
    unjudged: usize,
    trusted: usize,
    untrusted: usize,
}

impl Signatures {
    pub(super) fn count(&mut self, seal: &Seal) {
        match seal {
            Seal::Unsigned => self.unsigned += 1,
            Seal::Unjudged => self.unjudged += 1,
            Seal::Trusted { .. } => self.trusted += 1,
            Seal::Untrusted { .. } => self.untrusted += 1,
        }
    }
}

/// What an audit came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The commits of the notes ref, oldest first.
    pub links: Vec<CommitId>,
    /// How many records they hold.
    pub records: u64,
    /// Lines of a version of the form that this plumb does not know.
    pub strange: u64,
    /// Environments that have records, counted once for each Repository.
    pub environments: usize,
    /// What the signatures are worth.
    pub signatures: Signatures,
    /// How many of the links, from the oldest on, an anchor vouches for.
    pub anchored: usize,
    /// How many of the links, from the oldest on, trailers name that anybody can have written.
    pub claimed: usize,
    /// What is wrong.
    pub findings: Vec<Finding>,
}

impl Verdict {
    /// Returns whether nothing is wrong.
    pub fn holds(&self) -> bool {
        self.findings.is_empty()
    }

    /// Returns what is proved, a sentence each.
    pub fn proved(&self) -> Vec<String> {
        let found = |kinds: &[Tampering]| self.findings.iter().any(|finding| kinds.contains(&finding.what));
        let (links, mut proved) = (self.links.len(), Vec::new());
        let mut say = |holds: bool, sentence: String| proved.extend(holds.then_some(sentence));
        let changed = [Tampering::Removed, Tampering::Edited, Tampering::Reordered, Tampering::Rewritten];
        say(!found(&changed), format!("each of the {links} commits of this history only adds lines to notes"));
        let miscounted = [Tampering::Removed, Tampering::Doubled, Tampering::Reordered];
        let sentence = format!(
            "the {} records of {} environments are numbered without a gap, each number once",
            self.records, self.environments
        );
        say(self.strange == 0 && !found(&miscounted), sentence);
        let Signatures { unsigned, unjudged, trusted, untrusted } = &self.signatures;
        let all = unsigned + unjudged + untrusted == 0 && *trusted > 0;
        say(all, format!("each of the {trusted} commits is signed by a trusted key"));
        let lost = [Tampering::Truncated, Tampering::Rewritten];
        say(
            self.anchored > 0 && !found(&lost),
            format!(
                "the first {} of the {links} commits are those that an anchor outside of them names",
                self.anchored
            ),
        );
        proved
    }

    /// Returns what nothing here can prove, and what would, a sentence each.
    pub fn unproved(&self) -> Vec<String> {
        let Signatures { unsigned, unjudged, .. } = &self.signatures;
        let mut unproved = Vec::new();
        if *unjudged > 0 {
            unproved.push(format!(
                "who wrote {unjudged} signed commits: nobody said whose keys to trust (--keys takes a directory with \
                 allowed_signers or *.asc)"
            ));
        }
        if *unsigned > 0 {
            unproved.push(format!(
                "who wrote {unsigned} unsigned commits: whoever may push notes can have made them \
                 (spec.commit.signingSecretRef of the Repository has them signed)"
            ));
        }
        if self.claimed > self.anchored {
            unproved.push(format!(
                "that the first {} of the {} commits are plumb's, although trailers Plumb-Records name them: whoever may push can \
                 have written these, and no trusted key signed their commits (--keys)",
                self.claimed,
                self.links.len()
            ));
        }
        let beyond = self.links.len() - self.anchored;
        if self.anchored == 0 {
            unproved.push(
                "that the end was not cut off: name the newest commit that you know of with --head, or ask a cluster"
                    .to_owned(),
            );
            if self.signatures.trusted < self.links.len() {
                unproved.push("that the history was not written anew as a whole: no anchor and no trusted signature speaks for it".to_owned());
            }
        } else if beyond > 0 {
            unproved.push(format!(
                "that nothing was cut off after the last of the {beyond} commits beyond the newest anchor"
            ));
        }
        if self.strange > 0 {
            unproved.push(format!(
                "what {} lines say that a newer plumb wrote, and that no number is missing: use that version",
                self.strange
            ));
        }
        unproved.push("what happened before its record was written: see docs/records.md".to_owned());
        unproved
    }
}
