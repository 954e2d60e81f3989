//! One Lease, as one process sees it and wants it.
//!
//! Owns: what was last seen of the Lease and since when, whether this process holds it and until when it may write. At
//! most one request is under way. Every write names the version that it was decided on, so that of two who take the same
//! Lease one is refused; a lost answer costs a conflict and a read.

use std::time::Duration;

use super::{Lease, Now, Replica, Timing, Version};
use crate::backoff;

/// What is wanted of a Lease at the moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Want {
    /// To hold it, as soon as it is free or has expired.
    Hold,
    /// Nothing.
    StandBy,
    /// To have it taken over from its holder, who has more than its share.
    Request,
    /// To be rid of it, in favour of somebody or of whoever comes first.
    Release(Option<Replica>),
}

/// One request about a Lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// Read it.
    Get,
    /// Make it.
    Create(Lease),
    /// Replace it, if it is still at this version.
    Update(Lease, Version),
}

/// What came of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It was read: there, or not.
    Found(Option<(Lease, Version)>),
    /// It was written, and has this version now.
    Written(Version),
    /// Not written: it is not, or no longer, in the state that the write was meant for.
    Conflict,
    /// Nobody knows: no answer in time, or none that helps.
    Failed,
}

/// What to do about a Lease now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Send this, and bring the answer.
    Ask(Ask),
    /// Nothing until this time; without one, until something is seen or answered.
    Wait(Option<Duration>),
}

/// What is known of the Lease.
#[derive(Debug, Clone)]
enum Seen {
    Unknown,
    /// It does not exist. Where somebody held it when it was deleted, who may not know of that yet: what it said, and
    /// until when that holds.
    Absent {
        before: Option<(Lease, Duration)>,
    },
    There {
        lease: Lease,
        version: Version,
        /// When the last change was seen, or sent by this process.
        since: Duration,
    },
}

/// One Lease, as one process sees it.
#[derive(Debug, Clone)]
pub struct Elector {
    me: Replica,
    /// A process that certainly has ended.
    gone: Option<Replica>,
    timing: Timing,
    shards: u32,
    seen: Seen,
    /// What was seen may no longer be so: it is read before anything is written.
    doubted: bool,
    /// Held until this time; nothing while it is not held.
    until: Option<Duration>,
    /// How often it was taken.
    term: u64,
    renew_at: Duration,
    not_before: Duration,
    under_way: Option<(Duration, Ask)>,
}

impl Elector {
    /// Starts with no knowledge; `gone` names a process that certainly has ended, `shards` is written into the Lease.
    pub fn new(me: Replica, gone: Option<Replica>, timing: Timing, shards: u32) -> Self {
        Self {
            me,
            gone,
            timing,
            shards,
            seen: Seen::Unknown,
            doubted: true,
            until: None,
            term: 0,
            renew_at: Duration::ZERO,
            not_before: Duration::ZERO,
            under_way: None,
        }
    }

    /// Returns which time it is held for, counted from 1, and until when, if it is held now.
    pub fn held(&self, now: Duration) -> Option<(u64, Duration)> {
        self.until.filter(|until| now < *until).map(|until| (self.term, until))
    }

    /// Returns what the Lease said when it was last seen.
    pub fn lease(&self) -> Option<&Lease> {
        match &self.seen {
            Seen::There { lease, .. } => Some(lease),
            Seen::Unknown | Seen::Absent { .. } => None,
        }
    }

    /// Returns since when the Lease has said so.
    pub fn since(&self) -> Option<Duration> {
        match &self.seen {
            Seen::There { since, .. } => Some(*since),
            Seen::Unknown | Seen::Absent { .. } => None,
        }
    }

    /// Returns another process that holds the Lease, and until when it must be left alone.
    pub fn rival(&self, now: Duration) -> Option<(&Replica, Duration)> {
        self.rule(now).and_then(|(lease, until)| Some((lease.holder.as_ref()?, until)))
    }

    /// Returns into how many shards another process divides the work that holds the Lease.
    pub fn divided(&self, now: Duration) -> Option<u32> {
        self.rule(now).map(|(lease, _)| lease.shards)
    }

    /// Returns what the Lease says while another process holds it, and until when that is to be respected.
    fn rule(&self, now: Duration) -> Option<(&Lease, Duration)> {
        let (lease, until) = match &self.seen {
            Seen::There { lease, since, .. } => (lease, *since + lasting(lease, self.timing)),
            Seen::Absent { before: Some((lease, until)) } => (lease, *until),
            Seen::Unknown | Seen::Absent { before: None } => return None,
        };
        let theirs = |holder: &Replica| *holder != self.me && Some(holder) != self.gone.as_ref();
        (lease.holder.as_ref().is_some_and(theirs) && now < until).then_some((lease, until))
    }

    /// Takes in what a watch or a list says; what is older than what is known is left aside.
    pub fn see(&mut self, lease: &Lease, version: &Version, now: Duration) {
        let newer = match &self.seen {
            Seen::There { version: known, .. } => version.is_newer(known),
            Seen::Unknown | Seen::Absent { .. } => Some(true),
        };
        match newer {
            Some(true) => self.take_in(lease.clone(), version.clone(), now),
            Some(false) => {}
            None => self.doubted = true,
        }
    }

    /// Takes in that the Lease was not there when nothing was known of it.
    pub fn see_none(&mut self) {
        if matches!(self.seen, Seen::Unknown) && self.under_way.is_none() {
            self.seen = Seen::Absent { before: None };
            self.doubted = false;
        }
    }

    /// Has the Lease read before anything is written: it may be gone.
    pub fn doubt(&mut self) {
        self.doubted = true;
    }

    fn take_in(&mut self, lease: Lease, version: Version, now: Duration) {
        if lease.holder.as_ref() != Some(&self.me) {
            self.until = None;
        }
        let since = match &self.seen {
            Seen::There { lease: known, since, .. } if lease.is_unchanged(known) => *since,
            Seen::There { .. } | Seen::Unknown | Seen::Absent { .. } => now,
        };
        self.seen = Seen::There { lease, version, since };
        self.doubted = false;
    }

    /// Takes in that the Lease does not exist: whoever held it goes on until it would have expired.
    fn take_in_none(&mut self, now: Duration) {
        let before = match &self.seen {
            // It may have been renewed unseen, up to this moment.
            Seen::There { lease, .. } => self.rule(now).map(|_| (lease.clone(), now + lasting(lease, self.timing))),
            Seen::Absent { before } => before.clone(),
            Seen::Unknown => None,
        };
        self.until = None;
        self.seen = Seen::Absent { before };
        self.doubted = false;
    }

    /// Returns what to do now.
    pub fn poll(&mut self, now: Now, want: &Want) -> Step {
        self.lapse(now.uptime);
        if self.under_way.is_some() {
            return Step::Wait(self.until);
        }
        let step = match self.decide(now, want) {
            // One that gives up what it holds waits for nothing.
            step @ Step::Ask(_) if now.uptime >= self.not_before || self.gives_up(want) => step,
            Step::Ask(_) => Step::Wait(earlier(Some(self.not_before), self.until)),
            step @ Step::Wait(_) => step,
        };
        if let Step::Ask(ask) = &step {
            if let Ask::Update(Lease { holder: None, .. }, _) = ask {
                self.until = None;
            }
            self.under_way = Some((now.uptime, ask.clone()));
        }
        step
    }

    fn gives_up(&self, want: &Want) -> bool {
        self.until.is_some() && matches!(want, Want::Release(_))
    }

    fn decide(&self, now: Now, want: &Want) -> Step {
        let held = self.until.is_some();
        let (lease, version) = match &self.seen {
            _ if self.doubted => return Step::Ask(Ask::Get),
            Seen::Unknown => return Step::Ask(Ask::Get),
            Seen::Absent { .. } => {
                return match self.rule(now.uptime) {
                    Some((_, until)) => Step::Wait(Some(until)),
                    None if *want == Want::Hold => Step::Ask(Ask::Create(self.taken(None, now))),
                    None => Step::Wait(None),
                };
            }
            Seen::There { lease, version, .. } => (lease, version),
        };
        let update = |lease: Lease| Step::Ask(Ask::Update(lease, version.clone()));
        let mine = lease.holder.as_ref() == Some(&self.me);
        match want {
            Want::Release(to) if mine => {
                update(Lease { holder: None, renewed: Some(now.wall), wanted_by: to.clone(), ..lease.clone() })
            }
            _ if held && now.uptime < self.renew_at => Step::Wait(earlier(Some(self.renew_at), self.until)),
            // Held, or a write whose answer never came.
            _ if mine => update(self.taken(Some(lease), now)),
            Want::Release(_) => Step::Wait(None),
            want => match self.rival(now.uptime) {
                Some(_) if *want == Want::Request => {
                    update(Lease { wanted_by: Some(self.me.clone()), ..lease.clone() })
                }
                Some((_, until)) => Step::Wait(Some(until)),
                None if *want == Want::Hold => update(self.taken(Some(lease), now)),
                None => Step::Wait(None),
            },
        }
    }

    /// Returns the Lease as it is once this process has taken or renewed it.
    fn taken(&self, before: Option<&Lease>, now: Now) -> Lease {
        let mine = before.filter(|lease| lease.holder.as_ref() == Some(&self.me));
        Lease {
            holder: Some(self.me.clone()),
            duration: self.timing.duration(),
            acquired: mine.map_or(Some(now.wall), |lease| lease.acquired),
            renewed: Some(now.wall),
            transitions: match before {
                Some(lease) if mine.is_none() => lease.transitions.saturating_add(1),
                Some(lease) => lease.transitions,
                None => 0,
            },
            shards: self.shards,
            wanted_by: None,
        }
    }

    /// Takes in what came of the request under way.
    pub fn answer(&mut self, answer: Answer, now: Now) {
        let Some((sent, ask)) = self.under_way.take() else { return };
        self.lapse(now.uptime);
        match answer {
            Answer::Found(Some((lease, version))) => self.take_in(lease, version, now.uptime),
            Answer::Found(None) => self.take_in_none(now.uptime),
            Answer::Conflict => self.doubted = true,
            Answer::Failed => {
                self.not_before = now.uptime + backoff::jittered(self.timing.renew_after(), now.seed);
            }
            Answer::Written(version) => match ask {
                Ask::Create(lease) | Ask::Update(lease, _) => self.written(lease, version, sent, now),
                Ask::Get => {}
            },
        }
    }

    fn written(&mut self, lease: Lease, version: Version, sent: Duration, now: Now) {
        if let Seen::There { version: known, .. } = &self.seen
            && version != *known
            && version.is_newer(known) == Some(false)
        {
            // A watch was faster, with a later write of somebody else: what that left is judged anew.
            return;
        }
        let mine = lease.holder.as_ref() == Some(&self.me);
        // What was not changed by this write has not been renewed by it either.
        let since = match &self.seen {
            Seen::There { lease: known, since, .. } if lease.is_unchanged(known) && !mine => *since,
            Seen::There { .. } | Seen::Unknown | Seen::Absent { .. } => sent,
        };
        self.seen = Seen::There { lease, version, since };
        if !mine {
            return;
        }
        // Others count from when they see the change, which is later than when it was sent.
        if self.until.is_none() {
            self.term += 1;
        }
        self.until = Some(sent + self.timing.renew_deadline());
        self.renew_at = sent + backoff::jittered(self.timing.renew_after(), now.seed);
        self.lapse(now.uptime);
    }

    fn lapse(&mut self, now: Duration) {
        self.until = self.until.filter(|until| now < *until);
    }
}

/// Returns how long a Lease lasts; one without a duration as long as one of this process.
fn lasting(lease: &Lease, timing: Timing) -> Duration {
    if lease.duration.is_zero() { timing.duration() } else { lease.duration }
}

fn earlier(one: Option<Duration>, other: Option<Duration>) -> Option<Duration> {
    one.into_iter().chain(other).min()
}
