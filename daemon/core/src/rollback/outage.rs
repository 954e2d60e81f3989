//! Whether the cluster itself is suspected: environments that lose health at the same time although nothing changed for them.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use jiff::Timestamp;
use serde::Serialize;

use crate::environment::EnvironmentName;

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
        self.known.entry(name.clone()).or_insert(Wellbeing { lost: None, changed: true });
    }

    /// Forgets an environment that is gone.
    pub fn forget(&mut self, name: &EnvironmentName) {
        self.known.remove(name);
    }

    /// Begins as a process that has just started, on a clock that never goes back.
    pub fn start_over(&mut self, uptime: Duration) {
        *self = Self { known: BTreeMap::new(), begun: uptime };
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

#[cfg(test)]
mod tests {
    use super::*;

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
        let told = |lost: Option<i64>, changed| Wellbeing { lost: lost.map(at), changed };
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
}
