//! The clock of a range: the commits applied since the environment was healthy, until it is healthy again.
//!
//! It starts with the first of them. Newer ones join the range and do not restart it; a higher wave does, since each may take
//! its time, and so does a loss of health while a success is observed, and the end of whatever else was to blame meanwhile.

use jiff::Timestamp;
use serde::Serialize;

use super::Healthy;
use crate::{commit::CommitId, wave::Wave};

/// A range that is watched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Watch {
    /// The first commit of the range.
    pub commit: CommitId,
    /// When it began.
    pub began: Timestamp,
    /// The highest wave that was waited for.
    pub wave: Option<Wave>,
    /// From when on is counted.
    pub since: Timestamp,
    /// Whether the environment was not healthy already as the range began.
    pub ailing: bool,
    /// A success that is observed.
    pub observed: Option<Observed>,
    /// Why a failure is not the range's fault, once that was told.
    pub acquitted: Option<String>,
    /// Whether something else was suspected when it was judged last.
    pub suspected: bool,
}

/// A success that is observed for a while before it counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Observed {
    /// What has become healthy.
    pub healthy: Healthy,
    /// When.
    pub at: Timestamp,
    /// Whether health was lost since; the clock counts from then.
    pub lost: bool,
}

/// Whether something else than the range may be to blame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Excuse {
    /// An outage, or what somebody else did.
    Stands,
    /// Nothing is known.
    None,
    /// Not everybody was heard.
    Unheard,
}

impl Watch {
    /// Begins with the first commit of a range.
    pub fn begin(commit: CommitId, began: Timestamp, ailing: bool) -> Self {
        Self { commit, began, wave: None, since: began, ailing, observed: None, acquitted: None, suspected: false }
    }

    /// Goes on with an environment that is not healthy, at this wave.
    pub(super) fn suffer(mut self, wave: Option<Wave>, now: Timestamp) -> Self {
        match &mut self.observed {
            Some(observed) if !observed.lost => {
                observed.lost = true;
                self.since = now;
            }
            Some(_) => {}
            None => {
                // The first wave counts from the beginning.
                if self.wave.is_some() && wave > self.wave {
                    self.since = now;
                }
                self.wave = self.wave.max(wave);
            }
        }
        self
    }

    /// Goes on with what else may be to blame. Once that is over the clock counts anew: what suffered from it needs time to
    /// recover, and what came meanwhile had none.
    pub(super) fn hear(self, excuse: Excuse, now: Timestamp) -> Self {
        match excuse {
            Excuse::Stands => Self { suspected: true, ..self },
            Excuse::None if self.suspected => Self { suspected: false, acquitted: None, since: now, ..self },
            Excuse::None | Excuse::Unheard => self,
        }
    }

    /// Goes on with an environment that is healthy; the same success is observed from its beginning.
    pub(super) fn recover(mut self, healthy: Healthy, now: Timestamp) -> Self {
        let before = self.observed.take().filter(|observed| observed.healthy.inputs == healthy.inputs);
        let at = before.map_or(now, |observed| observed.at);
        self.observed = Some(Observed { healthy, at, lost: false });
        (self.acquitted, self.suspected) = (None, false);
        self
    }
}
