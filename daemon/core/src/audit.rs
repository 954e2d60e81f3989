//! What a chain of notes proves: that records were only ever added, that none is missing, and by whom they were signed.
//!
//! Owns: the rules by which the history of `refs/notes/plumb/<cluster>` is judged, link by link from the oldest on, and the
//! words for what is proved and what is not (`verdict`). May touch: values handed to it. Must never do: read Git, trust what a
//! record says of itself, call something proved because nothing speaks against it.

pub mod anchor;
mod note;
pub mod verdict;
pub mod version;

use std::collections::{BTreeMap, BTreeSet};

use self::{
    anchor::{Anchor, Count},
    note::{Comparison, compare},
    verdict::{Finding, Signatures, Tampering, Verdict},
    version::Version,
};
use crate::{
    commit::CommitId,
    record::line::{Line, Subject, VERSION},
    text,
};

/// Characters told of a line that is no record: it may be anything.
const LINE_SHOWN: usize = 80;

/// One commit of the notes ref.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// The commit.
    pub id: CommitId,
    /// How many parents it has; the chain is a line.
    pub parents: usize,
    /// What its signature is worth.
    pub seal: Seal,
    /// The notes that differ from its parent's.
    pub changes: Vec<NoteChange>,
}

/// What the signature of a commit is worth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seal {
    /// It has none.
    Unsigned,
    /// It has one, and nobody said whom to trust.
    Unjudged,
    /// It is by a trusted key.
    Trusted {
        /// Whose.
        signer: String,
    },
    /// It is not by a trusted key, or not of this commit.
    Untrusted {
        /// Why, as part of a sentence.
        why: String,
    },
}

/// One note before and after a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoteChange {
    /// Its path in the tree, with slashes.
    pub path: String,
    /// What it said; absent: it was not there.
    pub before: Option<Version>,
    /// What it says; absent: it was removed.
    pub after: Option<Version>,
}

/// The records of one environment in one repository.
#[derive(Debug, Default)]
struct Series {
    name: String,
    /// Numbers that records stand for: first to last, and the link that added them.
    ranges: BTreeMap<u64, (u64, CommitId)>,
    /// The highest number so far.
    last: u64,
    /// Numbers that were added after higher ones.
    late: Vec<(u64, CommitId)>,
}

/// Judges a chain of notes; links are handed to it from the oldest to the newest.
#[derive(Debug)]
pub struct Audit {
    /// The name of the cluster whose notes they are to be.
    cluster: String,
    series: BTreeMap<(String, String), Series>,
    links: Vec<CommitId>,
    /// Which link each is, from 1.
    places: BTreeMap<CommitId, usize>,
    signatures: Signatures,
    findings: Vec<Finding>,
    records: u64,
    /// Lines of another version of the form.
    strange: u64,
}

impl Audit {
    /// Starts with the notes of a cluster: what stands there of another one was brought there by somebody else, and may be
    /// signed by the same key.
    pub fn of(cluster: &str) -> Self {
        Self {
            cluster: cluster.to_owned(),
            series: BTreeMap::new(),
            links: Vec::new(),
            places: BTreeMap::new(),
            signatures: Signatures::default(),
            findings: Vec::new(),
            records: 0,
            strange: 0,
        }
    }

    /// Takes the next link.
    pub fn link(&mut self, link: Link) {
        let Link { id, parents, seal, changes } = link;
        let expected = usize::from(!self.links.is_empty());
        if parents != expected {
            let why = format!("it has {parents} parents instead of {expected}: plumb's notes are one line of commits");
            self.find(Tampering::Rewritten, &id, None, why);
        }
        self.signatures.count(&seal);
        if let Seal::Untrusted { why } = seal {
            self.find(Tampering::Forged, &id, None, why);
        }
        let mut added = Vec::new();
        for (commit, (before, after)) in notes(changes) {
            let texts = self.note(&id, &commit, &before, &after);
            added.extend(texts.into_iter().map(|text| (commit.clone(), Line::parse(&text), text)));
        }
        // One link may add to several notes, which have no order among them.
        added.sort_by_key(|(_, line, _)| line.as_ref().map_or(u64::MAX, |line| line.sequence));
        for (commit, line, text) in added {
            self.line(&id, &commit, line, &text);
        }
        self.links.push(id.clone());
        self.places.insert(id, self.links.len());
    }

    /// Judges what became of a note, and returns the lines that were added.
    fn note(&mut self, link: &CommitId, commit: &CommitId, before: &Version, after: &Version) -> Vec<String> {
        let Comparison { added, removed, edited, reordered } = compare(before, after);
        for line in removed {
            self.find(Tampering::Removed, link, Some(commit), format!("it takes out {}", title(&line)));
        }
        for (was, is) in edited {
            self.find(Tampering::Edited, link, Some(commit), format!("it changes {} into {}", title(&was), title(&is)));
        }
        if reordered {
            self.find(Tampering::Reordered, link, Some(commit), "it changes the order of what was there".to_owned());
        }
        added
    }

    fn line(&mut self, link: &CommitId, commit: &CommitId, line: Result<Line, String>, text: &str) {
        let line = match line {
            Ok(line) => line,
            Err(_) if version(text).is_some_and(|version| version != u64::from(VERSION)) => {
                self.strange += 1;
                return;
            }
            Err(why) => {
                let why = format!("it adds a line that is no record ({why})");
                return self.find(Tampering::Forged, link, Some(commit), why);
            }
        };
        if line.commit != *commit {
            let why = format!("it adds {}, which is about commit {}", title(text), line.commit);
            self.find(Tampering::Forged, link, Some(commit), why);
        }
        if line.cluster != self.cluster {
            let why = format!("it adds {}, which is of cluster {:?}", title(text), line.cluster);
            self.find(Tampering::Forged, link, Some(commit), why);
        }
        // The highest one could not be followed by another.
        if line.first() == 0 || line.first() > line.sequence || line.sequence == u64::MAX {
            let why = format!("it adds {}, whose numbers are impossible", title(text));
            return self.find(Tampering::Forged, link, Some(commit), why);
        }
        self.records += 1;
        let Subject { namespace, name, uid } = &line.environment;
        let series = self.series.entry((uid.clone(), line.repository.clone())).or_default();
        series.name = format!("{namespace}/{name}");
        let before = series.ranges.range(..=line.sequence).next_back();
        if let Some((_, (last, earlier))) = before.filter(|(_, (last, _))| *last >= line.first()) {
            let why = format!(
                "it adds {}, but number {} of {} is there since {}",
                title(text),
                line.first().max(line.sequence.min(*last)),
                series.name,
                earlier.short()
            );
            return self.find(Tampering::Doubled, link, Some(commit), why);
        }
        if line.sequence < series.last {
            series.late.push((line.sequence, link.clone()));
        }
        series.last = series.last.max(line.sequence);
        series.ranges.insert(line.first(), (line.sequence, link.clone()));
    }

    /// Returns whether a commit is one of the links so far.
    pub fn holds(&self, id: &CommitId) -> bool {
        self.places.contains_key(id)
    }

    /// Returns the UIDs of the Repositories whose records are there.
    pub fn repositories(&self) -> BTreeSet<&str> {
        self.series.keys().map(|(_, repository)| repository.as_str()).collect()
    }

    /// Says what the chain proves, with what is known of it from elsewhere.
    pub fn finish(mut self, anchors: &[Anchor], counts: &[Count]) -> Verdict {
        self.judge_numbers(counts);
        let (anchored, claimed) = self.judge_anchors(anchors);
        let Self { cluster: _, series, links, places: _, signatures, findings, records, strange } = self;
        Verdict { environments: series.len(), links, records, strange, signatures, anchored, claimed, findings }
    }

    fn judge_numbers(&mut self, counts: &[Count]) {
        let mut findings = Vec::new();
        let mut find = |what, link: &CommitId, why| {
            findings.push(Finding { what, link: Some(link.clone()), note: None, why });
        };
        for series in self.series.values() {
            let mut next = 1;
            for (first, (last, link)) in &series.ranges {
                if *first > next {
                    let why = format!("records of {} are missing: {}", series.name, numbers(next, first - 1));
                    find(Tampering::Removed, link, why);
                }
                next = last + 1;
            }
            for (sequence, link) in &series.late {
                let why = format!("it adds record {sequence} of {} after higher ones", series.name);
                find(Tampering::Reordered, link, why);
            }
        }
        self.findings.append(&mut findings);
        for Count { name, environment, repository, published } in counts {
            let series = self.series.get(&(environment.clone(), repository.clone()));
            let last = series.map_or(0, |series| series.last);
            if last < *published {
                let lost = numbers(last + 1, *published);
                let why = format!("records of {name} that its status says are published are not there: {lost}");
                self.findings.push(Finding { what: Tampering::Truncated, link: None, note: None, why });
            }
        }
    }

    /// Returns how many links the newest anchor that is one of them vouches for, and how many the newest one that anybody can
    /// have written.
    fn judge_anchors(&mut self, anchors: &[Anchor]) -> (usize, usize) {
        let (mut vouched, mut claimed) = (0, 0);
        for anchor in anchors {
            match self.places.get(&anchor.id) {
                Some(place) if anchor.witness.vouches() => vouched = vouched.max(*place),
                Some(place) => claimed = claimed.max(*place),
                None => self.findings.push(anchor.missing("it")),
            }
        }
        (vouched, claimed)
    }

    fn find(&mut self, what: Tampering, link: &CommitId, note: Option<&CommitId>, why: String) {
        self.findings.push(Finding { what, link: Some(link.clone()), note: note.cloned(), why });
    }
}

/// Returns the notes that differ, by their commits: Git may move a note to another depth of directories, and keeps files that
/// are no notes in the tree of notes, and shows them to nobody.
fn notes(changes: Vec<NoteChange>) -> BTreeMap<CommitId, (Version, Version)> {
    let mut notes: BTreeMap<CommitId, (Vec<Version>, Vec<Version>)> = BTreeMap::new();
    for NoteChange { path, before, after } in changes {
        if let Ok(commit) = CommitId::parse(&path.replace('/', "")) {
            let (old, new) = notes.entry(commit).or_default();
            old.extend(before);
            new.extend(after);
        }
    }
    notes.into_iter().map(|(commit, (before, after))| (commit, (joined(&before), joined(&after)))).collect()
}

/// Returns what several files say that are the note on one commit, as Git shows it.
fn joined(files: &[Version]) -> Version {
    match files {
        [] => Version::default(),
        [file] => file.clone(),
        files => Version::of(files.iter().flat_map(Version::bytes).copied().collect::<Vec<u8>>()),
    }
}

/// Returns the numbers from one to another, in words.
fn numbers(first: u64, last: u64) -> String {
    if first == last { format!("number {first}") } else { format!("numbers {first} to {last}") }
}

/// Returns the version that a line says it is of.
fn version(text: &str) -> Option<u64> {
    serde_json::from_str::<serde_json::Value>(text).ok()?.get("v")?.as_u64()
}

/// Returns what a line is, in words.
fn title(text: &str) -> String {
    match Line::parse(text) {
        Ok(line) => {
            let Subject { namespace, name, .. } = &line.environment;
            format!("record {} of {namespace}/{name} ({})", line.sequence, line.kind.label())
        }
        Err(_) => format!("the line {:?}", text::start(text, LINE_SHOWN)),
    }
}

#[cfg(test)]
mod tests;
