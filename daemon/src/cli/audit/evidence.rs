//! What is known of the notes in a clone from outside of them, and which notes each of it is about.
//!
//! Nothing is passed over in silence: what is about no notes that are there is wrong, or stands in the list of what is not
//! proved. It must never take the word of anybody for a proof: a trailer vouches only where a trusted key signed its commit.

use std::collections::{BTreeMap, BTreeSet};

use plumb_core::{
    audit::{
        Audit,
        anchor::{Anchor, Count, Whereabouts, Witness},
        verdict::Finding,
    },
    commit::{CommitId, NOTES, RefName},
    record::line::Series,
    rollback::hold::RecordsEnd,
};
use plumb_git::{archive::Archive, error::GitError};

use super::live::Testimony;
use crate::cli::notes::Chain;

/// Environments that are named where many are meant.
const NAMED_MAX: usize = 3;

/// The notes of one cluster, and what else is known of them.
pub(super) struct Case<'a> {
    pub(super) chain: &'a Chain,
    pub(super) audit: Audit,
    pub(super) anchors: Vec<Anchor>,
    pub(super) counts: Vec<Count>,
}

impl Case<'_> {
    /// Returns whether records of a series are here. The cluster may have Environments whose records are in other clones, and
    /// may have had another name.
    fn is_of(&self, series: &Series) -> bool {
        let named = series.cluster.is_empty() || series.cluster == self.chain.cluster;
        named && self.audit.repositories().contains(series.repository.as_str())
    }
}

/// Evidence in the making.
pub(super) struct Evidence<'a> {
    archive: &'a Archive,
    /// The notes that are judged.
    pub(super) cases: Vec<Case<'a>>,
    /// Notes that are there and are not judged.
    others: Vec<(RefName, CommitId)>,
    /// Refs that should be there.
    pub(super) missing: BTreeMap<RefName, Finding>,
    /// What is wrong with one of the refs, where nothing says which.
    pub(super) findings: Vec<Finding>,
    /// What is not proved of any of them.
    pub(super) unproved: Vec<String>,
}

impl<'a> Evidence<'a> {
    /// Starts with the chains that are judged, out of all that are there.
    pub(super) fn new(archive: &'a Archive, cases: Vec<Case<'a>>) -> Result<Self, GitError> {
        let is_judged = |reference: &RefName| cases.iter().any(|case| case.chain.reference == *reference);
        let others = archive.chains()?.into_iter().filter(|(reference, _)| !is_judged(reference)).collect();
        let (missing, findings, unproved) = (BTreeMap::new(), Vec::new(), Vec::new());
        Ok(Self { archive, cases, others, missing, findings, unproved })
    }

    /// Takes the word of a witness that one of the chains ended at a commit.
    pub(super) fn one_of_them(&mut self, id: &CommitId, witness: Witness) -> Result<(), GitError> {
        let whereabouts = self.whereabouts(id)?;
        if let Some(place) = whereabouts.iter().position(Option::is_none) {
            self.anchor(place, id, witness, None);
            return Ok(());
        }
        for (reference, head) in &self.others {
            if self.archive.leads_to(head, id)? {
                let sentence =
                    format!("what commit {id} vouches for: it is of {reference}, which --cluster leaves out");
                self.unproved.push(sentence);
                return Ok(());
            }
        }
        let beyond = whereabouts.iter().position(|whereabouts| *whereabouts == Some(Whereabouts::Beyond));
        if let Some(place) = beyond.or_else(|| (self.cases.len() == 1).then_some(0)) {
            self.anchor(place, id, witness, whereabouts[place]);
        } else {
            let names: Vec<&str> = self.cases.iter().map(|case| case.chain.reference.as_str()).collect();
            let anchor = Anchor { id: id.clone(), witness, whereabouts: whereabouts.into_iter().flatten().next() };
            self.findings.push(anchor.missing(&format!("one of {}", names.join(", "))));
        }
        Ok(())
    }

    /// Takes trailers of commits, each with whether a trusted key signed its commit; where one cluster is asked for, the
    /// others are not missed.
    pub(super) fn trailers(
        &mut self,
        trailers: &[(CommitId, String, bool)],
        cluster: Option<&str>,
    ) -> Result<(), GitError> {
        let mut witnesses: BTreeMap<(RefName, CommitId), Witness> = BTreeMap::new();
        for (commit, value, trusted) in trailers {
            let end = RecordsEnd::parse(value).filter(|end| end.reference.as_str().starts_with(NOTES));
            let Some(RecordsEnd { reference, commit: end }) = end else { continue };
            let witness = Witness::Trailer { commit: commit.clone(), trusted: *trusted };
            // Of many commits that say the same, one is named.
            let known = witnesses.entry((reference, end)).or_insert_with(|| witness.clone());
            if *trusted {
                *known = witness;
            }
        }
        for ((reference, id), witness) in witnesses {
            if let Some(place) = self.cases.iter().position(|case| case.chain.reference == reference) {
                let Case { chain, audit, .. } = &self.cases[place];
                let held = audit.holds(&id);
                let whereabouts = if held { None } else { Some(self.archive.whereabouts(&id, &chain.head)?) };
                self.anchor(place, &id, witness, whereabouts);
            } else if cluster.is_none() && !self.others.iter().any(|(other, _)| *other == reference) {
                let finding = Anchor { id, witness, whereabouts: None }.without(&reference);
                self.missing.entry(reference).or_insert(finding);
            }
        }
        Ok(())
    }

    /// Takes what a cluster says of its Environments.
    pub(super) fn testimonies(&mut self, testimonies: &[Testimony]) -> Result<(), GitError> {
        let mut strangers = Strangers::default();
        for Testimony { name, series, head, counts } in testimonies {
            for (series, count) in counts {
                let mut cases: Vec<&mut Case<'_>> = self.cases.iter_mut().filter(|case| case.is_of(series)).collect();
                if cases.is_empty() && count.published > 0 {
                    strangers.add(name, &series.repository, count.published);
                }
                cases.iter_mut().for_each(|case| case.counts.push(count.clone()));
            }
            let Some(head) = head else { continue };
            let witness = Witness::Status { environment: name.clone() };
            let whereabouts = self.whereabouts(head)?;
            let is_known = whereabouts.iter().any(|whereabouts| *whereabouts != Some(Whereabouts::Nowhere));
            let places: Vec<usize> = (0..self.cases.len()).filter(|place| self.cases[*place].is_of(series)).collect();
            match places.as_slice() {
                [place] if whereabouts.iter().all(Option::is_some) => {
                    self.anchor(*place, head, witness, whereabouts[*place]);
                }
                [] if !is_known => strangers.add(name, &series.repository, 0),
                _ => self.one_of_them(head, witness)?,
            }
        }
        self.unproved.extend(strangers.sentence());
        Ok(())
    }

    fn anchor(&mut self, place: usize, id: &CommitId, witness: Witness, whereabouts: Option<Whereabouts>) {
        self.cases[place].anchors.push(Anchor { id: id.clone(), witness, whereabouts });
    }

    /// Returns where a commit is that a chain does not hold, for each of them.
    fn whereabouts(&self, id: &CommitId) -> Result<Vec<Option<Whereabouts>>, GitError> {
        let of = |case: &Case<'_>| {
            let Case { chain, audit, .. } = case;
            if audit.holds(id) { Ok(None) } else { self.archive.whereabouts(id, &chain.head).map(Some) }
        };
        self.cases.iter().map(of).collect()
    }
}

/// Environments of whose records none are here.
#[derive(Default)]
struct Strangers<'a> {
    names: BTreeSet<&'a str>,
    repositories: BTreeSet<&'a str>,
    records: u64,
}

impl<'a> Strangers<'a> {
    fn add(&mut self, name: &'a str, repository: &'a str, records: u64) {
        self.names.insert(name);
        self.repositories.insert(repository);
        self.records = self.records.saturating_add(records);
    }

    fn sentence(&self) -> Option<String> {
        let Self { names, repositories, records } = self;
        let some = |all: &BTreeSet<&str>| {
            let more = if all.len() > NAMED_MAX { ", …" } else { "" };
            all.iter().take(NAMED_MAX).copied().collect::<Vec<_>>().join(", ") + more
        };
        (!names.is_empty()).then(|| {
            format!(
                "what the cluster says of {} Environments ({}), {records} records: no notes here are of their Repositories, \
                 whose UIDs are {}. Where this is a clone of one of those (kubectl get repositories -A -o yaml shows UIDs \
                 and URLs), its notes are gone or were replaced",
                names.len(),
                some(names),
                some(repositories)
            )
        })
    }
}
