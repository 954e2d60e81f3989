//! All Leases together: which of them this process wants, and which tenures it has.
//!
//! Owns: the fair share, and that replicas which divide the work otherwise never write at the same time. Everything
//! follows from the Leases themselves; there is no list of replicas. One that has at least two shards less than another
//! asks for one of the other's, by a mark in its Lease, and is given it; so the shares come within one of each other and
//! then stay as they are. A shard that nobody holds is taken at once by whoever sees it, whatever its share.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use super::{
    Lease, Now, Replica, Shard, Timing, Version,
    elector::{Answer, Ask, Elector, Step, Want},
};
use crate::backoff;

/// What this process has been given: the shard, and how often it had it.
pub type Term = (Shard, u64);

/// All Leases, as one process sees them.
#[derive(Debug, Clone)]
pub struct Shards {
    me: Replica,
    gone: Option<Replica>,
    timing: Timing,
    count: u32,
    /// Also of shards beyond `count`, which somebody else may hold.
    electors: BTreeMap<Shard, Elector>,
    /// Which time each shard is held for that is known to collide with nobody.
    confirmed: BTreeSet<Term>,
    listing: Listing,
    /// After a collision with somebody who divides the work otherwise, nothing is taken before this time.
    aside_until: Duration,
    stopping: bool,
}

/// The reading of all Leases at once.
#[derive(Debug, Clone)]
enum Listing {
    /// Called for at this time, if something is to be confirmed; `first`: before anything else.
    Due { first: bool, not_before: Duration },
    /// Under way: whether it is the first, and what was held when it was sent.
    UnderWay { first: bool, held: BTreeSet<Term> },
}

/// What to do now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    /// Requests about single Leases, each to be answered.
    pub asks: Vec<(Shard, Ask)>,
    /// Whether all Leases are to be read, from the API server's newest state.
    pub list: bool,
    /// When to ask again at the latest; without it, once something was seen or answered.
    pub wake: Option<Duration>,
}

impl Shards {
    /// Starts with no knowledge; `gone` names a process that certainly has ended, `count` is the number of shards.
    pub fn new(me: Replica, gone: Option<Replica>, timing: Timing, count: u32) -> Self {
        let mut shards = Self {
            me,
            gone,
            timing,
            count: count.max(1),
            electors: BTreeMap::new(),
            confirmed: BTreeSet::new(),
            listing: Listing::Due { first: true, not_before: Duration::ZERO },
            aside_until: Duration::ZERO,
            stopping: false,
        };
        for shard in 0..shards.count {
            shards.elector(Shard(shard));
        }
        shards
    }

    fn elector(&mut self, shard: Shard) -> &mut Elector {
        let new = || Elector::new(self.me.clone(), self.gone.clone(), self.timing, self.count);
        self.electors.entry(shard).or_insert_with(new)
    }

    /// Returns the number of shards.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// Returns the tenures that this process has: it may write for these shards until the time given.
    pub fn tenures(&self, now: Duration) -> BTreeMap<Term, Duration> {
        let held = self.electors.iter().filter_map(|(shard, elector)| {
            let (term, until) = elector.held(now)?;
            Some(((*shard, term), until))
        });
        held.filter(|(term, _)| self.confirmed.contains(term)).collect()
    }

    /// Returns who else holds a shard at the moment, as far as is known.
    pub fn holder(&self, shard: Shard, now: Duration) -> Option<&Replica> {
        self.electors.get(&shard)?.rival(now).map(|(holder, _)| holder)
    }

    /// Returns the number of shards by which somebody else divides the work, if somebody does: nothing is taken then.
    pub fn divided_otherwise(&self, now: Duration) -> Option<u32> {
        let otherwise = |elector: &Elector| elector.divided(now).filter(|shards| *shards != self.count);
        self.electors.values().find_map(otherwise)
    }

    /// Has everything released.
    pub fn stop(&mut self) {
        self.stopping = true;
    }

    /// Returns whether no Lease names this process, as far as it knows.
    pub fn is_released(&self) -> bool {
        !self.electors.values().any(|elector| self.is_mine(elector))
    }

    /// Takes in what a watch says about a Lease.
    pub fn see(&mut self, shard: Shard, lease: &Lease, version: &Version, now: Duration) {
        self.elector(shard).see(lease, version, now);
    }

    /// Takes in that a Lease may be gone.
    pub fn doubt(&mut self, shard: Shard) {
        self.elector(shard).doubt();
    }

    /// Takes in what came of a request about one Lease.
    pub fn answer(&mut self, shard: Shard, answer: Answer, now: Now) {
        self.elector(shard).answer(answer, now);
    }

    /// Takes in all Leases that there were at some time after they were asked for, or that they could not be read.
    pub fn listed(&mut self, listed: Option<&BTreeMap<Shard, (Lease, Version)>>, now: Now) {
        let Listing::UnderWay { first, held } =
            std::mem::replace(&mut self.listing, Listing::Due { first: false, not_before: now.uptime })
        else {
            return;
        };
        let Some(leases) = listed else {
            let not_before = now.uptime + backoff::jittered(self.timing.renew_after(), now.seed);
            self.listing = Listing::Due { first, not_before };
            return;
        };
        for (shard, (lease, version)) in leases {
            self.see(*shard, lease, version, now.uptime);
        }
        for (shard, elector) in &mut self.electors {
            match leases.contains_key(shard) {
                true => {}
                false if first => elector.see_none(),
                false => elector.doubt(),
            }
        }
        // Whoever took a shard later reads the Leases later, and finds this process's among them.
        if self.divided_otherwise(now.uptime).is_none() {
            self.confirmed.extend(held);
        } else if !held.is_empty() {
            // The other one may do the same in this moment: not for equally long.
            let share = (now.seed % 1000) as f64 / 1000.0;
            self.aside_until = now.uptime + self.timing.renew_after().mul_f64(share);
        }
    }

    /// Returns what to do now.
    pub fn poll(&mut self, now: Now) -> Turn {
        let mut turn = Turn { asks: Vec::new(), list: false, wake: None };
        let held: BTreeSet<Term> = self.held(now.uptime).collect();
        self.confirmed.retain(|term| held.contains(term));
        if !matches!(self.listing, Listing::Due { first: true, .. } | Listing::UnderWay { first: true, .. }) {
            let wants = self.wants(now.uptime);
            for (shard, want) in wants {
                match self.elector(shard).poll(now, &want) {
                    Step::Ask(ask) => turn.asks.push((shard, ask)),
                    Step::Wait(until) => turn.wake = turn.wake.into_iter().chain(until).min(),
                }
            }
            let aside = Some(self.aside_until).filter(|until| now.uptime < *until);
            turn.wake = turn.wake.into_iter().chain(self.reservations(now.uptime)).chain(aside).min();
        }
        if let Listing::Due { first, not_before } = self.listing {
            let unconfirmed = self.held(now.uptime).any(|term| !self.confirmed.contains(&term));
            if (first || unconfirmed) && !self.stopping {
                if now.uptime >= not_before {
                    self.listing = Listing::UnderWay { first, held: self.held(now.uptime).collect() };
                    turn.list = true;
                } else {
                    turn.wake = turn.wake.into_iter().chain([not_before]).min();
                }
            }
        }
        turn
    }

    fn held(&self, now: Duration) -> impl Iterator<Item = Term> {
        self.electors.iter().filter_map(move |(shard, elector)| Some((*shard, elector.held(now)?.0)))
    }

    fn is_mine(&self, elector: &Elector) -> bool {
        elector.lease().is_some_and(|lease| lease.holder.as_ref() == Some(&self.me))
    }

    /// Returns what is wanted of every Lease.
    fn wants(&self, now: Duration) -> BTreeMap<Shard, Want> {
        let otherwise = self.divided_otherwise(now).is_some();
        let aside = otherwise || now < self.aside_until;
        let mut shares = self.shares(now);
        let requested = self.request(now, &shares).filter(|_| !aside && !self.stopping);
        let want = |(shard, elector): (&Shard, &Elector)| {
            let confirmed = elector.held(now).is_some_and(|(term, _)| self.confirmed.contains(&(*shard, term)));
            let want = match self.is_mine(elector) {
                true if self.stopping || shard.0 >= self.count => Want::Release(None),
                true if otherwise && !confirmed => Want::Release(None),
                true => match self.owed(elector, &shares) {
                    Some(to) => {
                        *shares.entry(self.me.clone()).or_default() -= 1;
                        Want::Release(Some(to))
                    }
                    None => Want::Hold,
                },
                false if self.stopping || aside || shard.0 >= self.count => Want::StandBy,
                false if requested == Some(*shard) => Want::Request,
                false if self.reserved(elector, now).is_some() => Want::StandBy,
                false => Want::Hold,
            };
            (*shard, want)
        };
        self.electors.iter().map(want).collect()
    }

    /// Returns how many shards everybody holds who holds any.
    fn shares(&self, now: Duration) -> BTreeMap<Replica, usize> {
        let mut shares = BTreeMap::new();
        for elector in self.electors.values() {
            let holder =
                if self.is_mine(elector) { Some(&self.me) } else { elector.rival(now).map(|(holder, _)| holder) };
            if let Some(holder) = holder {
                *shares.entry(holder.clone()).or_default() += 1;
            }
        }
        shares
    }

    /// Returns to whom one of this process's shards is owed: who asked for it and has at least two less.
    fn owed(&self, elector: &Elector, shares: &BTreeMap<Replica, usize>) -> Option<Replica> {
        let to = elector.lease()?.wanted_by.as_ref().filter(|to| **to != self.me)?;
        let share = |of: &Replica| shares.get(of).copied().unwrap_or_default();
        (share(&self.me) >= share(to) + 2).then(|| to.clone())
    }

    /// Returns the shard to ask for: one of whoever has most, if that is at least two more; one at a time.
    fn request(&self, now: Duration, shares: &BTreeMap<Replica, usize>) -> Option<Shard> {
        let asked = |elector: &Elector| {
            let wanted_by = elector.lease().and_then(|lease| lease.wanted_by.as_ref());
            wanted_by == Some(&self.me) && (elector.rival(now).is_some() || self.reserved_for_me(elector, now))
        };
        if self.electors.values().any(asked) {
            return None;
        }
        let mine = shares.get(&self.me).copied().unwrap_or_default();
        let (richest, share) = shares.iter().max_by_key(|(_, share)| **share)?;
        if *share < mine + 2 {
            return None;
        }
        let of_it = |elector: &Elector| elector.rival(now).is_some_and(|(holder, _)| holder == richest);
        let unasked = |elector: &Elector| elector.lease().is_some_and(|lease| lease.wanted_by.is_none());
        let mut theirs =
            self.electors.iter().filter(|(shard, elector)| shard.0 < self.count && of_it(elector) && unasked(elector));
        theirs.next_back().map(|(shard, _)| *shard)
    }

    /// Returns until when a free Lease is kept for somebody else.
    fn reserved(&self, elector: &Elector, now: Duration) -> Option<Duration> {
        let lease = elector.lease().filter(|lease| lease.holder.is_none())?;
        lease.wanted_by.as_ref().filter(|to| **to != self.me)?;
        let until = elector.since()? + self.timing.reservation();
        (now < until).then_some(until)
    }

    fn reserved_for_me(&self, elector: &Elector, now: Duration) -> bool {
        let free = elector.lease().is_some_and(|lease| lease.holder.is_none());
        free && elector.since().is_some_and(|since| now < since + self.timing.reservation())
    }

    fn reservations(&self, now: Duration) -> impl Iterator<Item = Duration> {
        self.electors.values().filter_map(move |elector| self.reserved(elector, now))
    }
}
