//! Whether the cluster itself is suspected: environments that lose health at the same time although nothing changed for them.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use jiff::Timestamp;
use serde::Serialize;

use crate::{environment::EnvironmentName, object::ObjectKey, source::Inputs};

/// Losses that lie no further apart count as one: a node counts as lost after 40 s, and its Pods fall one after the other.
const SAME_TIME: Duration = Duration::from_secs(60);

/// How long after the start every environment is given to be looked at: one whose repository can't be read never is.
pub(super) const HEARD_WITHIN: Duration = Duration::from_secs(30);

/// How long after a change of an environment that may be the reason for what it loses: longer than a rollout takes as a rule.
/// What falls later, while it was never healthy with that change, has another reason.
const EXPLAINED_FOR: Duration = Duration::from_secs(10 * 60);

/// How one environment is, for the others of its cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Wellbeing {
    /// Its objects that are not healthy.
    pub sick: BTreeSet<ObjectKey>,
    /// Since when at the latest something else is in force than what was healthy; absent: nothing else is.
    pub changed: Option<Timestamp>,
    /// What was read of what it has applied; absent: nothing is known.
    pub reads: Option<Inputs>,
}

/// What the status said of an environment before it was looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Before {
    /// How many of its objects were not healthy.
    pub sick: usize,
    /// Moments at which something was not well.
    pub told: Vec<Timestamp>,
}

/// Who else runs what would be taken back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum Sharing {
    /// This one may, and has yet to be looked at since the process began.
    Unheard(EnvironmentName),
    /// These do, or may.
    With(Sharers),
}

/// Environments that may be healthy with what would be taken back.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Sharers {
    /// These are.
    pub healthy: BTreeSet<EnvironmentName>,
    /// Nothing is known of these.
    pub unheard: BTreeSet<EnvironmentName>,
}

/// Returns since when what is not healthy is so, as far as others have to know.
///
/// `sick` says how many objects are not healthy. Only where no more of them were so as the status was written last, what it tells of
/// times is about them: it may have been anything else before.
fn lost(sick: usize, before: &Before, now: Timestamp) -> Timestamp {
    // Each of them is when something was not well; the last one is nearest to when this was not.
    let told = before.told.iter().copied().filter(|_| sick <= before.sick).max();
    told.map_or(now, |told| told.min(now))
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

/// What is known of one environment.
#[derive(Debug)]
struct Known {
    /// Since when each of its objects is not healthy that is not: one that never is hides no other.
    losses: BTreeMap<ObjectKey, Timestamp>,
    changed: Option<Timestamp>,
    reads: Option<Inputs>,
}

impl Known {
    /// Returns whether it has lost health since this moment, and nothing was changed for it that may be the reason.
    fn is_struck(&self, early: Timestamp) -> bool {
        let explained = self.changed.map(|changed| changed.checked_add(EXPLAINED_FOR).unwrap_or(Timestamp::MAX));
        self.losses.values().any(|lost| *lost >= early && explained.is_none_or(|explained| *lost > explained))
    }
}

/// How all environments of one cluster are.
#[derive(Debug, Default)]
pub struct Census {
    /// Nothing is known of those of which nothing could be said yet.
    known: BTreeMap<EnvironmentName, Option<Known>>,
    /// On a clock that never goes back.
    begun: Duration,
}

impl Census {
    /// Takes down how an environment is. A loss that goes on is as old as it was first, object by object; what was lost already as
    /// it was looked at first is as old as its status said `before`.
    pub fn announce(&mut self, name: &EnvironmentName, wellbeing: Wellbeing, before: &Before, now: Timestamp) {
        let Wellbeing { sick, changed, reads } = wellbeing;
        let known = self.known.entry(name.clone()).or_default();
        let new = if known.is_some() { now } else { lost(sick.len(), before, now) };
        let of = |object: &ObjectKey| known.as_ref().and_then(|known| known.losses.get(object).copied());
        let losses = sick.into_iter().map(|object| (of(&object).unwrap_or(new), object));
        let losses = losses.map(|(lost, object)| (object, lost)).collect();
        let same = known.as_ref().filter(|known| known.reads == reads).and_then(|known| known.changed);
        let changed = changed.map(|changed| same.map_or(changed, |same| same.min(changed)));
        *known = Some(Known { losses, changed, reads });
    }

    /// Takes down that nothing can be said of an environment, unless something was.
    pub fn abstain(&mut self, name: &EnvironmentName) {
        self.known.entry(name.clone()).or_default();
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
        let reads = |name: &EnvironmentName| {
            let known = self.known.get(name)?.as_ref()?;
            Some((known.losses.is_empty(), known.reads.as_ref()?))
        };
        let unknown = siblings.iter().find(|sibling| reads(sibling).is_none());
        if let Some(unknown) = unknown.filter(|_| self.is_early(uptime)) {
            return Sharing::Unheard(unknown.clone());
        }
        let mut sharers = Sharers::default();
        for sibling in siblings {
            match reads(sibling) {
                None => sharers.unheard.insert(sibling.clone()),
                Some((healthy, reads)) => healthy && shares(reads) && sharers.healthy.insert(sibling.clone()),
            };
        }
        Sharing::With(sharers)
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
        let is_struck = |name: &EnvironmentName| {
            self.known.get(name).and_then(Option::as_ref).is_some_and(|known| known.is_struck(early))
        };
        if let Some(struck) = others.iter().find(|other| is_struck(other)) {
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

    fn object(name: &str) -> ObjectKey {
        let (group, kind, namespace) = ("apps".to_owned(), "Deployment".to_owned(), Some("shop".to_owned()));
        ObjectKey { group, kind, namespace, name: name.to_owned() }
    }

    fn sick(names: &[&str]) -> BTreeSet<ObjectKey> {
        names.iter().map(|name| object(name)).collect()
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
        // Whoever is looked at first is told to have been so at that moment.
        let tell = |census: &mut Census, name: &EnvironmentName, lost: Option<i64>, changed: bool| {
            let sick = sick(if lost.is_some() { &["web"] } else { &[] });
            let now = at(lost.unwrap_or(1000));
            let wellbeing = Wellbeing { sick, changed: changed.then(|| at(1000)), reads: None };
            census.announce(name, wellbeing, &Before::default(), now);
        };
        tell(&mut census, &own, Some(1000), true);
        check(&census, &all, &Outage::Unheard(other.clone()));
        assert_eq!(census.outage(&own, at(1000), Duration::from_secs(30), all.iter()), Outage::None);
        tell(&mut census, &other, None, false);
        check(&census, &all, &Outage::None);
        // Its own commit explains it.
        tell(&mut census, &other, Some(1010), true);
        check(&census, &all, &Outage::None);
        tell(&mut census, &other, Some(1010), false);
        check(&census, &all, &Outage::Suspected(other.clone()));
        // It is well again.
        tell(&mut census, &other, None, false);
        check(&census, &all, &Outage::None);
        // What began long before is another story, and stays one however often it is told.
        tell(&mut census, &other, Some(900), false);
        tell(&mut census, &other, Some(1020), false);
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
    fn an_object_that_is_never_healthy_hides_no_other() {
        let (own, other) = (EnvironmentName::new("team", "own"), EnvironmentName::new("team", "other"));
        let day = 24 * 60 * 60;
        let minutes = |minutes: i64| minutes * 60;
        /// Looks at an environment at several moments, with what is not healthy then, and asks at the end.
        #[track_caller]
        fn check(
            (own, other): (&EnvironmentName, &EnvironmentName),
            looks: &[(i64, &[&str])],
            before: &Before,
            changed: Option<i64>,
            expected: bool,
        ) {
            let mut census = Census::default();
            for (moment, names) in looks {
                let wellbeing = Wellbeing { sick: sick(names), changed: changed.map(at), reads: None };
                census.announce(other, wellbeing, before, at(*moment));
            }
            let found = census.outage(own, at(1000 + 7 * 24 * 60 * 60), Duration::ZERO, [other.clone()].iter());
            let expected = if expected { Outage::Suspected(other.clone()) } else { Outage::None };
            assert_eq!(found, expected, "{looks:?}");
        }
        let (both, now) = ((&own, &other), 1000 + 7 * day);
        let (none, week) = (Before::default(), Before { sick: 1, told: vec![at(1000)] });
        check(both, &[(1000, &["lb"]), (now, &["lb"])], &none, None, false);
        check(both, &[(1000, &["lb"]), (now + 10, &["lb", "web"])], &none, None, true);
        check(both, &[(1000, &["lb"]), (now + 10, &["lb", "web"]), (now + 99, &["lb", "web"])], &none, None, true);
        check(both, &[(1000, &["lb"]), (now + 10, &["lb", "web"]), (now + 99, &["lb"])], &none, None, false);
        // The one that is never healthy comes and goes, so to speak: what replaces it is another one.
        check(both, &[(1000, &["lb"]), (now + 10, &["web"])], &none, None, true);
        // plumb was not there as it happened: of the two that are found, one was not there when the status was written.
        check(both, &[(now + 10, &["lb"])], &week, None, false);
        check(both, &[(now + 10, &["lb", "web"])], &week, None, true);
        // It was never healthy with what is in force, since long ago; or since a moment ago, which explains it.
        check(both, &[(1000, &["lb"]), (now + 10, &["lb", "web"])], &none, Some(1000), true);
        check(both, &[(1000, &["lb"]), (now + 10, &["lb", "web"])], &none, Some(now), false);
        check(both, &[(1000, &["lb"]), (now + 10, &["lb", "web"])], &none, Some(now + 10 - minutes(10)), false);
        check(both, &[(1000, &["lb"]), (now + 10, &["lb", "web"])], &none, Some(now + 9 - minutes(10)), true);
    }

    #[test]
    fn a_change_is_as_old_as_what_it_brought() {
        let (own, other) = (EnvironmentName::new("team", "own"), EnvironmentName::new("team", "other"));
        let check = |reads: char, expected: bool| {
            let mut census = Census::default();
            let mut look = |moment: i64, read: char, names: &[&str]| {
                let reads = Some(inputs(&[("other", read)]));
                // Whoever can't say how old it is says that it is new.
                let wellbeing = Wellbeing { sick: sick(names), changed: Some(at(moment)), reads };
                census.announce(&other, wellbeing, &Before::default(), at(moment));
            };
            look(1000, '1', &["lb"]);
            look(9000, reads, &["lb", "web"]);
            let found = census.outage(&own, at(9000), Duration::ZERO, [other.clone()].iter());
            assert_eq!(found != Outage::None, expected, "{reads}");
        };
        check('1', true);
        check('2', false);
    }

    #[test]
    fn a_loss_is_as_old_as_what_is_known_of_it() {
        let check = |sick, was_sick, told: &[i64], expected: i64| {
            let before = Before { sick: was_sick, told: told.iter().copied().map(at).collect() };
            assert_eq!(lost(sick, &before, at(1000)), at(expected));
        };
        check(1, 0, &[], 1000);
        // It was not well for long, but its objects were: what fails now fails since now.
        check(1, 0, &[500], 1000);
        check(1, 1, &[], 1000);
        check(1, 1, &[500, 700], 700);
        check(1, 1, &[2000], 1000);
        check(2, 1, &[500], 1000);
        check(1, 2, &[500], 500);
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
        let check = |unwell: &[&str], read: &[(&str, char)], expected: bool| {
            let mut census = Census::default();
            let wellbeing = Wellbeing { sick: sick(unwell), changed: None, reads: Some(inputs(read)) };
            census.announce(&other, wellbeing, &Before::default(), at(1000));
            let own = inputs(&[("envs/app", '1'), ("base", '2')]);
            let found = census.sharing(&BTreeSet::from([other.clone()]), &own, Duration::ZERO);
            let healthy = expected.then(|| other.clone()).into_iter().collect();
            assert_eq!(found, Sharing::With(Sharers { healthy, ..Sharers::default() }), "{read:?}");
            assert_eq!(census.sharing(&BTreeSet::new(), &own, Duration::ZERO), Sharing::With(Sharers::default()));
        };
        check(&[], &[("envs/other", '3'), ("base", '2')], true);
        check(&[], &[("envs/other", '3'), ("base", '9')], false);
        check(&["web"], &[("base", '2')], false);
        check(&[], &[("envs", '3')], true);
        check(&[], &[("envs/app/below", '3')], true);
        check(&[], &[("envs/application", '3')], false);
        check(&[], &[(".", '3')], true);
    }

    #[test]
    fn whoever_is_not_known_is_waited_for_and_then_counts_as_healthy_with_it() {
        let (other, silent) = (EnvironmentName::new("team", "other"), EnvironmentName::new("team", "silent"));
        let siblings = BTreeSet::from([other.clone(), silent.clone()]);
        let own = inputs(&[("app", '1')]);
        let mut census = Census::default();
        census.start_over(Duration::from_secs(100));
        let well = |path: &str| Wellbeing { sick: BTreeSet::new(), changed: None, reads: Some(inputs(&[(path, '1')])) };
        census.announce(&other, well("other"), &Before::default(), at(1000));
        let after = |census: &Census, seconds| census.sharing(&siblings, &own, Duration::from_secs(seconds));
        let unheard = Sharers { unheard: BTreeSet::from([silent.clone()]), ..Sharers::default() };
        assert_eq!(after(&census, 101), Sharing::Unheard(silent.clone()));
        assert_eq!(after(&census, 130), Sharing::With(unheard.clone()));
        // Neither is one known that could not be read.
        census.abstain(&silent);
        assert_eq!(after(&census, 101), Sharing::Unheard(silent.clone()));
        assert_eq!(after(&census, 130), Sharing::With(unheard.clone()));
        census.announce(&silent, well("silent"), &Before::default(), at(1000));
        assert_eq!(after(&census, 101), Sharing::With(Sharers::default()));
    }
}
