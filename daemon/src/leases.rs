//! Keeping leases: carries out what `plumb_core::lease` decides, and says which tenures there are.
//!
//! A tenure is given out when its lease was got and extended with every renewal; it ends by itself when none comes
//! through. One that is given up ends first, then its writes under way are waited for, then the lease is released.

use std::{collections::BTreeMap, time::Duration};

use futures::{FutureExt as _, StreamExt as _, future::BoxFuture, stream::FuturesUnordered};
use jiff::Timestamp;
use plumb_cluster::{
    cluster::Cluster,
    error::ApiError,
    events::{Event as Note, Events, Mood},
    leases::{self, Leases, Seen},
    tenure::Tenure,
};
use plumb_core::lease::{
    Lease, Now, Replica, Shard, Timing, Version,
    elector::{Answer, Ask},
    shards::{Shards, Term},
};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::{chain::chain, clock::Clock, metrics::Metrics, tenures::View};

/// Changes of Leases that may wait: more than there are shards, of which each has one at a time.
const SEEN_MAX: usize = 256;

/// What keeping leases needs.
pub(crate) struct Keeper {
    pub(crate) leases: Leases,
    /// Where Events about tenures go, sent while they last.
    pub(crate) cluster: Cluster,
    pub(crate) me: Replica,
    pub(crate) timing: Timing,
    pub(crate) shards: Shards,
    pub(crate) clock: Clock,
    pub(crate) tenures: watch::Sender<View>,
    pub(crate) metrics: Metrics,
}

/// What a request came to; an error in words.
enum Done {
    One(Shard, Result<Answer, String>),
    List(Result<BTreeMap<Shard, (Lease, Version)>, String>),
}

/// What is kept beside the decisions.
#[derive(Default)]
struct Kept {
    given: BTreeMap<Term, Tenure>,
    /// The last tenure of each shard: its writes are waited for before the lease is released.
    last: BTreeMap<Shard, Tenure>,
    /// Who was last said to hold a shard.
    others: BTreeMap<Shard, Replica>,
    divided: Option<u32>,
    failing: bool,
}

impl Keeper {
    /// Keeps leases until `stop`, then releases them.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let (sender, mut seen) = mpsc::channel(SEEN_MAX);
        let following = CancellationToken::new();
        let watch = tokio::spawn({
            let (leases, following) = (self.leases.clone(), following.clone());
            async move { leases.follow(following, sender).await }
        });
        let mut kept = Kept::default();
        self.metrics.overview().shards = self.all_shards().map(|shard| (shard, None)).collect();
        let mut requests: FuturesUnordered<BoxFuture<'static, Done>> = FuturesUnordered::new();
        let mut give_up = None;
        loop {
            let now = self.now();
            if stop.is_cancelled() && give_up.is_none() {
                self.shards.stop();
                give_up = Some(now.uptime + self.timing.renew_deadline());
            }
            let turn = self.shards.poll(now);
            self.give(&mut kept, give_up.is_some());
            self.say(&mut kept);
            requests.extend(turn.asks.into_iter().map(|(shard, ask)| self.ask(&kept, shard, ask)));
            if turn.list {
                requests.push(self.list());
            }
            if give_up.is_some_and(|end| now.uptime >= end || requests.is_empty() && self.shards.is_released()) {
                break;
            }
            let wake = turn.wake.into_iter().chain(give_up).min();
            tokio::select! {
                Some(done) = requests.next() => self.take(done, &mut kept),
                Some(seen) = seen.recv() => self.see(seen),
                () = self.wait(wake) => {}
                () = stop.cancelled(), if give_up.is_none() => {}
            }
        }
        following.cancel();
        // It has been told to end, and holds nothing.
        let _ = watch.await;
    }

    fn now(&self) -> Now {
        // Leases hold microseconds.
        let wall = Timestamp::from_microsecond(self.clock.now().as_microsecond()).unwrap_or_default();
        Now { uptime: self.clock.uptime(), wall, seed: self.clock.random() }
    }

    async fn wait(&self, until: Option<Duration>) {
        match until {
            Some(until) => tokio::time::sleep(until.saturating_sub(self.clock.uptime())).await,
            None => std::future::pending().await,
        }
    }

    fn see(&mut self, seen: Seen) {
        let now = self.clock.uptime();
        match seen {
            Seen::There(shard, lease, version) => self.shards.see(shard, &lease, &version, now),
            Seen::Doubted(shard) => self.shards.doubt(shard),
        }
    }

    fn take(&mut self, done: Done, kept: &mut Kept) {
        let now = self.now();
        let failed = match done {
            Done::One(shard, answer) => {
                let failed = answer.as_ref().err().cloned();
                self.shards.answer(shard, answer.unwrap_or(Answer::Failed), now);
                failed
            }
            Done::List(listed) => {
                self.shards.listed(listed.as_ref().ok(), now);
                listed.err()
            }
        };
        match &failed {
            Some(why) if kept.failing => tracing::debug!("leases still can't be kept: {why}"),
            Some(why) => tracing::warn!("leases can't be kept, trying again: {why}"),
            None => {}
        }
        kept.failing = failed.is_some();
    }

    fn ask(&self, kept: &Kept, shard: Shard, ask: Ask) -> BoxFuture<'static, Done> {
        let (leases, within) = (self.leases.clone(), self.timing.request_timeout());
        // What is given up may have writes under way; past the deadline the lease itself would have expired.
        let given_up = matches!(&ask, Ask::Update(Lease { holder: None, .. }, _));
        let settling = kept.last.get(&shard).filter(|_| given_up).cloned();
        let settled_within = self.timing.renew_deadline();
        async move {
            if let Some(tenure) = settling {
                let _ = tokio::time::timeout(settled_within, tenure.settled()).await;
            }
            Done::One(shard, in_time(within, leases.ask(shard, &ask)).await)
        }
        .boxed()
    }

    fn list(&self) -> BoxFuture<'static, Done> {
        let (leases, within) = (self.leases.clone(), self.timing.request_timeout());
        async move { Done::List(in_time(within, leases.list()).await) }.boxed()
    }

    /// Gives out, extends and ends tenures.
    fn give(&self, kept: &mut Kept, stopping: bool) {
        let now = self.clock.uptime();
        let held = self.shards.tenures(now);
        let mut changed = false;
        kept.given.retain(|term, tenure| {
            let goes_on = held.contains_key(term);
            if !goes_on {
                tenure.end();
                changed = true;
                let message = format!("this replica no longer writes for shard {}", term.0);
                if stopping {
                    tracing::info!(shard = term.0.0, "{message}");
                } else {
                    tracing::warn!(shard = term.0.0, "{message}");
                }
            }
            goes_on
        });
        for (term, until) in held {
            match kept.given.get(&term) {
                Some(tenure) => tenure.extend(until),
                None => {
                    changed = true;
                    let tenure = Tenure::begin(self.clock.uptime_of(), until);
                    kept.last.insert(term.0, tenure.clone());
                    self.begun(term.0, &tenure, kept.others.remove(&term.0));
                    kept.given.insert(term, tenure);
                }
            }
        }
        if changed {
            let given = kept.given.iter().map(|((shard, _), tenure)| (*shard, tenure.clone()));
            let held: BTreeMap<Shard, Tenure> = given.collect();
            self.metrics.overview().shards =
                self.all_shards().map(|shard| (shard, held.get(&shard).cloned())).collect();
            self.tenures.send_modify(|view| view.held = held);
        }
        let known =
            |shard| kept.given.keys().any(|(given, _)| *given == shard) || self.shards.holder(shard, now).is_some();
        if !self.tenures.borrow().decided && self.all_shards().all(known) {
            self.tenures.send_modify(|view| view.decided = true);
        }
    }

    fn all_shards(&self) -> impl Iterator<Item = Shard> + use<> {
        (0..self.shards.count()).map(Shard)
    }

    fn begun(&self, shard: Shard, tenure: &Tenure, after: Option<Replica>) {
        let after = after.map(|replica| format!(", after {replica}")).unwrap_or_default();
        let note = format!("{} writes for shard {shard} of {}{after}", self.me, self.shards.count());
        tracing::info!(shard = shard.0, "{note}");
        let (cluster, key, at) = (self.cluster.during(tenure), self.leases.key(shard), self.clock.now());
        let reporter = self.me.as_str().to_owned();
        // A courtesy, which nobody waits for.
        tokio::spawn(async move {
            let Ok(Some(lease)) = cluster.get(&leases::kind(), &key).await else { return };
            let event = Note {
                regarding: &key,
                api_version: &leases::kind().gvk.api_version(),
                uid: lease["metadata"]["uid"].as_str().unwrap_or_default(),
                mood: Mood::Normal,
                reason: "TenureBegan",
                action: "Lead",
                note: &note,
                at,
            };
            if let Err(error) = Events::new(cluster, &reporter).write(&event).await {
                tracing::debug!(%error, "an Event could not be written");
            }
        });
    }

    /// Says whom this replica stands by for, whenever that changes.
    fn say(&self, kept: &mut Kept) {
        let now = self.clock.uptime();
        for shard in self.all_shards() {
            let Some(holder) = self.shards.holder(shard, now) else { continue };
            if kept.others.get(&shard) != Some(holder) {
                tracing::info!(shard = shard.0, "{holder} writes for shard {shard}; this replica stands by");
                kept.others.insert(shard, holder.clone());
            }
        }
        let divided = self.shards.divided_otherwise(now);
        if let Some(other) = divided.filter(|_| divided != kept.divided) {
            tracing::warn!(
                "other replicas run with --shards {other}: this one, with {}, takes nothing until they have ended",
                self.shards.count()
            );
        }
        kept.divided = divided;
    }
}

/// Waits for an answer, so long.
async fn in_time<T>(within: Duration, answer: impl Future<Output = Result<T, ApiError>>) -> Result<T, String> {
    match tokio::time::timeout(within, answer).await {
        Ok(answer) => answer.map_err(|error| chain(&error)),
        Err(_) => Err(format!("no answer within {:.1} s", within.as_secs_f64())),
    }
}
