//! The errand of one environment: what its rollback asks for outside of the cluster. One at a time; what failed is tried again with
//! a back-off of its own, however often the environment is looked at meanwhile.

use plumb_core::class::Class;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::rollback::Done;

/// One errand, and what became of the one before.
#[derive(Debug, Default)]
pub(super) struct Errand {
    /// Ends the one that is under way.
    under_way: Option<CancellationToken>,
    /// For the next pass.
    done: Option<Done>,
    /// In a row.
    failures: u32,
    /// Not before.
    due: Option<Instant>,
    /// When a pass last began, which could have asked for one.
    asked: Option<Instant>,
}

impl Errand {
    /// Returns what ends one that may begin, once until it has ended and a pass has taken its end in: a pass that was under way
    /// as it ended does not know that, and asks for the same again.
    pub(super) fn begin(&mut self, now: Instant) -> Option<CancellationToken> {
        self.is_free(now).then(|| self.under_way.insert(CancellationToken::new()).clone())
    }

    /// Returns whether one may begin.
    pub(super) fn is_free(&self, now: Instant) -> bool {
        self.done.is_none() && self.under_way.is_none() && self.due.is_none_or(|due| due <= now)
    }

    /// Returns whether one is under way.
    pub(super) fn is_under_way(&self) -> bool {
        self.under_way.is_some()
    }

    /// Returns whether no pass knows yet what became of the last one.
    pub(super) fn is_answered(&self) -> bool {
        self.done.is_some()
    }

    /// Ends the one that is under way: what it was planned for may have changed.
    pub(super) fn cancel(&self) {
        if let Some(under_way) = &self.under_way {
            under_way.cancel();
        }
    }

    /// Takes down what became of it; `delay` says when to try again.
    pub(super) fn end(&mut self, done: Done, delay: impl Fn(Class, u32) -> Instant) {
        self.under_way = None;
        match done.class() {
            Some(class) => {
                self.failures += 1;
                self.due = Some(delay(class, self.failures));
            }
            None => self.at_once(),
        }
        self.done = Some(done);
    }

    /// Hands out what became of it to a pass that begins.
    pub(super) fn take(&mut self, now: Instant) -> Option<Done> {
        self.asked = Some(now);
        self.done.take()
    }

    /// Returns when to look again because something is to be tried again then: also in the past, if that came after the pass had begun
    /// that ends now.
    pub(super) fn again(&self) -> Option<Instant> {
        self.due.filter(|due| self.asked.is_none_or(|asked| *due > asked))
    }

    /// Returns when something is to be tried again, where that is to come.
    pub(super) fn due(&self, now: Instant) -> Option<Instant> {
        self.due.filter(|due| *due > now)
    }

    /// Something happened that may change the outcome.
    pub(super) fn at_once(&mut self) {
        (self.failures, self.due) = (0, None);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use plumb_core::{commit::CommitId, environment::EnvironmentName, operation::Failure, rollback::pushing::Outcome};

    use super::*;
    use crate::rollback::Answer;

    fn done(class: Option<Class>) -> Done {
        Done {
            environment: EnvironmentName::new("team", "app"),
            head: CommitId::parse(&"1".repeat(40)).expect("an id"),
            answer: Answer::Push(match class {
                Some(class) => Outcome::Failed(Failure { class, message: String::new() }),
                None => Outcome::Raced,
            }),
        }
    }

    fn seconds(start: Instant) -> impl Fn(u32) -> Instant {
        move |seconds| start + Duration::from_secs(seconds.into())
    }

    #[test]
    fn it_begins_again_only_when_a_pass_knows_what_became_of_it() {
        let (mut errand, now) = (Errand::default(), Instant::now());
        errand.cancel();
        let ends = errand.begin(now).expect("nothing is under way");
        assert!(errand.begin(now).is_none() && !errand.is_free(now), "it is under way");
        assert!(errand.is_under_way() && !ends.is_cancelled());
        errand.cancel();
        assert!(errand.is_under_way() && ends.is_cancelled());
        errand.end(done(None), |_, _| now);
        assert!(errand.begin(now).is_none(), "the pass that asks began before its end");
        assert!(errand.is_answered() && errand.take(now).is_some() && !errand.is_answered());
        assert!(errand.begin(now).is_some_and(|next| !next.is_cancelled()));
    }

    #[test]
    fn what_failed_is_tried_again_later_and_later_until_something_happens() {
        let mut errand = Errand::default();
        let at = seconds(Instant::now());
        let mut fail = |now: u32| {
            assert!(errand.begin(at(now)).is_some(), "{now}");
            errand.end(done(Some(Class::Retry)), |_, failures| at(now + 10 * failures));
            assert!(errand.take(at(now)).is_some());
            errand.due(at(now))
        };
        assert_eq!(fail(0), Some(at(10)));
        assert_eq!(fail(10), Some(at(30)), "twice in a row");
        assert!(errand.begin(at(29)).is_none());
        assert_eq!(errand.due(at(30)), None, "what is due calls for no later look");
        errand.at_once();
        assert!(errand.begin(at(11)).is_some());
        errand.end(done(None), |_, _| at(99));
        assert_eq!(errand.due(at(11)), None);
    }

    #[test]
    fn what_became_due_while_a_pass_ran_is_not_forgotten_at_its_end() {
        let (mut errand, at) = (Errand::default(), seconds(Instant::now()));
        assert!(errand.begin(at(0)).is_some());
        errand.end(done(Some(Class::Retry)), |_, _| at(10));
        // It begins before that and ends after it.
        assert!(errand.take(at(9)).is_some() && !errand.is_free(at(9)));
        assert_eq!(errand.again(), Some(at(10)));
        // The next one could have asked: whether it has or not, nothing more is due.
        assert!(errand.take(at(12)).is_none() && errand.is_free(at(12)));
        assert_eq!(errand.again(), None);
    }
}
