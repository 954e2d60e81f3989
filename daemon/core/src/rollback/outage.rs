//! Whether the cluster itself is suspected: environments that lose health at the same time although nothing changed for them.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use jiff::Timestamp;
use serde::Serialize;

use crate::{environment::EnvironmentName, source::Inputs};

/// Losses that lie no further apart count as one: a node counts as lost after 40 s, and its Pods fall one after the other.
const SAME_TIME: Duration = Duration::from_secs(60);

/// How long after the start every environment is given to be looked at: one whose repository can't be read never is.
const HEARD_WITHIN: Duration = Duration::from_secs(30);

/// How one environment is, for the others of its cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Wellbeing {
    /// Since when one of its objects is not healthy; absent: all are.
    pub lost: Option<Timestamp>,
    /// Whether something was changed for it since it was healthy: then that may be the reason.
    pub changed: bool,
    /// What was read of what it has applied; absent: nothing is known.
    pub reads: Option<Inputs>,
}

/// Who else runs what would be taken back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum Sharing {
    /// This one may, and has yet to be looked at since the process began.
    Unheard(EnvironmentName),
    /// These are healthy with it, or nothing is known of them.
    With(BTreeSet<EnvironmentName>),
}

/// Returns since when an environment is not healthy, as far as others have to know.
///
/// `sick` says whether one of its objects is not healthy, `was_sick` whether that was so as its status was written last. Only
/// then what the status tells of times (`told`) is about that: it may have been anything else before.
pub fn lost(
    sick: bool,
    was_sick: bool,
    told: impl IntoIterator<Item = Timestamp>,
    now: Timestamp,
) -> Option<Timestamp> {
    // Each of them is when something was not well; the last one is nearest to when this was not.
    let told = told.into_iter().filter(|_| was_sick).max();
    sick.then(|| told.map_or(now, |told| told.min(now)))
}

/// What the other environments of a cluster say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum Outage {
    /// Nothing.
    None,
    /// This one has yet to be looked at since the process began.
    Unheard(EnvironmentName),
    /// This one has lost health at the same time, and nothing was changed for it.
    Suspected(EnvironmentName),
}

/// How all environments of one cluster are.
#[derive(Debug, Default)]
pub struct Census {
    known: BTreeMap<EnvironmentName, Wellbeing>,
    /// On a clock that never goes back.
    begun: Duration,
}

impl Census {
    /// Takes down how an environment is; a loss that goes on is as old as it was said to be first.
    pub fn announce(&mut self, name: &EnvironmentName, wellbeing: Wellbeing) {
        let before = self.known.get(name).and_then(|known| known.lost);
        let lost = wellbeing.lost.map(|lost| before.unwrap_or(lost));
        self.known.insert(name.clone(), Wellbeing { lost, ..wellbeing });
    }

    /// Takes down that nothing can be said of an environment, unless something was.
    pub fn abstain(&mut self, name: &EnvironmentName) {
        self.known.entry(name.clone()).or_insert(Wellbeing { lost: None, changed: true, reads: None });
    }

    /// Forgets an environment that is gone.
    pub fn forget(&mut self, name: &EnvironmentName) {
        self.known.remove(name);
    }

    /// Begins as a process that has just started, on a clock that never goes back.
    pub fn start_over(&mut self, uptime: Duration) {
        *self = Self { known: BTreeMap::new(), begun: uptime };
    }

    /// Returns which of the environments that read the same repository are healthy with some of what one reads of it: the
    /// same content of the same path, or anything of a path that lies within. Whoever is not known may be.
    pub fn sharing(&self, siblings: &BTreeSet<EnvironmentName>, read: &Inputs, uptime: Duration) -> Sharing {
        let shares = |reads: &Inputs| {
            reads.0.iter().any(|(path, id)| match read.0.get(path) {
                Some(same) => same == id,
                None => read.0.keys().any(|other| path.is_within(other) || other.is_within(path)),
            })
        };
        let reads = |name: &EnvironmentName| Some((self.known.get(name)?.lost, self.known.get(name)?.reads.as_ref()?));
        let unknown = siblings.iter().find(|sibling| reads(sibling).is_none());
        if let Some(unknown) = unknown.filter(|_| self.is_early(uptime)) {
            return Sharing::Unheard(unknown.clone());
        }
        let may =
            |sibling: &&EnvironmentName| reads(sibling).is_none_or(|(lost, reads)| lost.is_none() && shares(reads));
        Sharing::With(siblings.iter().filter(may).cloned().collect())
    }

    fn is_early(&self, uptime: Duration) -> bool {
        uptime.saturating_sub(self.begun) < HEARD_WITHIN
    }

    /// Returns what the others say about a loss of health that is counted from `since`.
    pub fn outage<'a>(
        &self,
        name: &EnvironmentName,
        since: Timestamp,
        uptime: Duration,
        all: impl Iterator<Item = &'a EnvironmentName>,
    ) -> Outage {
        let others: BTreeSet<&EnvironmentName> = all.filter(|other| *other != name).collect();
        let early = since.checked_sub(SAME_TIME).unwrap_or(Timestamp::MIN);
        let is_struck = |wellbeing: &Wellbeing| !wellbeing.changed && wellbeing.lost.is_some_and(|lost| lost >= early);
        if let Some(struck) = others.iter().find(|other| self.known.get(**other).is_some_and(is_struck)) {
            return Outage::Suspected((*struck).clone());
        }
        match others.iter().find(|other| !self.known.contains_key(**other)) {
            Some(unheard) if self.is_early(uptime) => Outage::Unheard((*unheard).clone()),
            Some(_) | None => Outage::None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commit::{RepoPath, TreeId};

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("a time")
    }

    #[test]
    fn the_cluster_is_suspected_where_another_environment_suffers_without_a_change() {
        let (own, other) = (EnvironmentName::new("team", "own"), EnvironmentName::new("team", "other"));
        let all = [own.clone(), other.clone()];
        #[track_caller]
        fn check(census: &Census, all: &[EnvironmentName; 2], expected: &Outage) {
            assert_eq!(&census.outage(&all[0], at(1000), Duration::from_secs(5), all.iter()), expected);
        }
        let mut census = Census::default();
        let told = |lost: Option<i64>, changed| Wellbeing { lost: lost.map(at), changed, reads: None };
        census.announce(&own, told(Some(1000), true));
        check(&census, &all, &Outage::Unheard(other.clone()));
        assert_eq!(census.outage(&own, at(1000), Duration::from_secs(30), all.iter()), Outage::None);
        census.announce(&other, told(None, false));
        check(&census, &all, &Outage::None);
        // Its own commit explains it.
        census.announce(&other, told(Some(1010), true));
        check(&census, &all, &Outage::None);
        census.announce(&other, told(Some(1010), false));
        check(&census, &all, &Outage::Suspected(other.clone()));
        // It is well again.
        census.announce(&other, told(None, false));
        check(&census, &all, &Outage::None);
        // What began long before is another story, and stays one however often it is told.
        census.announce(&other, told(Some(900), false));
        census.announce(&other, told(Some(1020), false));
        check(&census, &all, &Outage::None);
        // What is not known any more is no reason to wait, nor is one that is gone.
        census.forget(&other);
        census.abstain(&other);
        check(&census, &all, &Outage::None);
        census.forget(&other);
        assert_eq!(census.outage(&own, at(1000), Duration::ZERO, [own.clone()].iter()), Outage::None);
        census.start_over(Duration::from_secs(100));
        assert_eq!(census.outage(&own, at(1000), Duration::from_secs(101), all.iter()), Outage::Unheard(other));
    }

    #[test]
    fn a_loss_is_as_old_as_what_is_known_of_it() {
        let check = |sick, was_sick, told: &[i64], expected: Option<i64>| {
            let told = told.iter().copied().map(at);
            assert_eq!(lost(sick, was_sick, told, at(1000)), expected.map(at));
        };
        check(false, true, &[500], None);
        check(true, false, &[], Some(1000));
        // It was not well for long, but its objects were: what fails now fails since now.
        check(true, false, &[500], Some(1000));
        check(true, true, &[], Some(1000));
        check(true, true, &[500, 700], Some(700));
        check(true, true, &[2000], Some(1000));
    }

    fn inputs(read: &[(&str, char)]) -> Inputs {
        let entry = |(path, digit): &(&str, char)| {
            let id = TreeId::parse(&digit.to_string().repeat(40)).expect("an id");
            (RepoPath::parse(path).expect("a path"), id)
        };
        Inputs(read.iter().map(entry).collect())
    }

    #[test]
    fn whoever_is_healthy_with_a_content_is_known() {
        let other = EnvironmentName::new("team", "other");
        let check = |lost: Option<i64>, read: &[(&str, char)], expected: bool| {
            let mut census = Census::default();
            let reads = Some(inputs(read));
            census.announce(&other, Wellbeing { lost: lost.map(at), changed: false, reads });
            let own = inputs(&[("envs/app", '1'), ("base", '2')]);
            let found = census.sharing(&BTreeSet::from([other.clone()]), &own, Duration::ZERO);
            assert_eq!(found, Sharing::With(expected.then(|| other.clone()).into_iter().collect()), "{read:?}");
            assert_eq!(census.sharing(&BTreeSet::new(), &own, Duration::ZERO), Sharing::With(BTreeSet::new()));
        };
        check(None, &[("envs/other", '3'), ("base", '2')], true);
        check(None, &[("envs/other", '3'), ("base", '9')], false);
        check(Some(1), &[("base", '2')], false);
        check(None, &[("envs", '3')], true);
        check(None, &[("envs/app/below", '3')], true);
        check(None, &[("envs/application", '3')], false);
        check(None, &[(".", '3')], true);
    }

    #[test]
    fn whoever_is_not_known_is_waited_for_and_then_counts_as_healthy_with_it() {
        let (other, silent) = (EnvironmentName::new("team", "other"), EnvironmentName::new("team", "silent"));
        let siblings = BTreeSet::from([other.clone(), silent.clone()]);
        let own = inputs(&[("app", '1')]);
        let mut census = Census::default();
        census.start_over(Duration::from_secs(100));
        census.announce(&other, Wellbeing { lost: None, changed: false, reads: Some(inputs(&[("other", '1')])) });
        let after = |census: &Census, seconds| census.sharing(&siblings, &own, Duration::from_secs(seconds));
        assert_eq!(after(&census, 101), Sharing::Unheard(silent.clone()));
        assert_eq!(after(&census, 130), Sharing::With(BTreeSet::from([silent.clone()])));
        // Neither is one known that could not be read.
        census.abstain(&silent);
        assert_eq!(after(&census, 101), Sharing::Unheard(silent.clone()));
        assert_eq!(after(&census, 130), Sharing::With(BTreeSet::from([silent.clone()])));
        census.announce(&silent, Wellbeing { lost: None, changed: false, reads: Some(inputs(&[("silent", '1')])) });
        assert_eq!(after(&census, 101), Sharing::With(BTreeSet::new()));
    }
}
