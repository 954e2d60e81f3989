//! Whether the cluster itself is suspected: environments that lose health at the same time although nothing changed for them.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use jiff::Timestamp;
use serde::Serialize;

use crate::{commit::RepoPath, environment::EnvironmentName, source::Inputs};

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
    /// What it has applied, and from where; absent: nothing is known.
    pub reads: Option<Reads>,
}

/// What an environment has applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reads {
    /// Names the repository.
    pub source: String,
    /// What was read of it.
    pub inputs: Inputs,
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
    /// Takes down how an environment is; a loss that goes on is as old as it was.
    pub fn announce(&mut self, name: &EnvironmentName, wellbeing: Wellbeing) {
        let before = self.known.get(name).and_then(|known| known.lost);
        let lost = wellbeing.lost.map(|lost| before.map_or(lost, |before| before.min(lost)));
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

    /// Returns the other environments that are healthy with some of what one reads of a repository: the same content of the
    /// same path, or anything of a path that lies within.
    pub fn healthy_with(&self, name: &EnvironmentName, source: &str, read: &Inputs) -> BTreeSet<EnvironmentName> {
        let shares = |reads: &Reads| {
            let ids = |(path, id): (&RepoPath, &_)| match read.0.get(path) {
                Some(same) => same == id,
                None => read.0.keys().any(|other| is_within(path, other) || is_within(other, path)),
            };
            reads.source == source && reads.inputs.0.iter().any(ids)
        };
        let is_healthy =
            |wellbeing: &Wellbeing| wellbeing.lost.is_none() && wellbeing.reads.as_ref().is_some_and(shares);
        let healthy = self.known.iter().filter(|(other, wellbeing)| *other != name && is_healthy(wellbeing));
        healthy.map(|(other, _)| other.clone()).collect()
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
            Some(unheard) if uptime.saturating_sub(self.begun) < HEARD_WITHIN => Outage::Unheard((*unheard).clone()),
            Some(_) | None => Outage::None,
        }
    }
}

fn is_within(path: &RepoPath, of: &RepoPath) -> bool {
    let rest = path.as_str().strip_prefix(of.as_str());
    of.is_root() || rest.is_some_and(|rest| rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commit::TreeId;

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
    fn whoever_is_healthy_with_a_content_is_known() {
        let (own, other) = (EnvironmentName::new("team", "own"), EnvironmentName::new("team", "other"));
        let inputs = |read: &[(&str, char)]| {
            let entry = |(path, digit): &(&str, char)| {
                let id = TreeId::parse(&digit.to_string().repeat(40)).expect("an id");
                (RepoPath::parse(path).expect("a path"), id)
            };
            Inputs(read.iter().map(entry).collect())
        };
        let check = |lost: Option<i64>, source: &str, read: &[(&str, char)], expected: bool| {
            let mut census = Census::default();
            let reads = Some(Reads { source: source.to_owned(), inputs: inputs(read) });
            census.announce(&other, Wellbeing { lost: lost.map(at), changed: false, reads: reads.clone() });
            census.announce(&own, Wellbeing { lost: None, changed: true, reads });
            let found = census.healthy_with(&own, "repository", &inputs(&[("envs/app", '1'), ("base", '2')]));
            assert_eq!(found, expected.then(|| other.clone()).into_iter().collect(), "{read:?}");
        };
        check(None, "repository", &[("envs/other", '3'), ("base", '2')], true);
        check(None, "repository", &[("envs/other", '3'), ("base", '9')], false);
        check(Some(1), "repository", &[("base", '2')], false);
        check(None, "elsewhere", &[("base", '2')], false);
        check(None, "repository", &[("envs", '3')], true);
        check(None, "repository", &[("envs/app/below", '3')], true);
        check(None, "repository", &[("envs/application", '3')], false);
        check(None, "repository", &[(".", '3')], true);
    }
}
