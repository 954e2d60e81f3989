//! The end of a worker, which waits for a ref that is just being moved in a repository on this machine.
//!
//! Cut there, the lock file of the ref stays behind, and Git takes no push of anybody to it any more until a person removes the file.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::error::GitError;

/// Whether a worker still begins something that must not be cut.
#[derive(Debug, Clone, Default)]
pub(super) struct Closing(Arc<Mutex<bool>>);

/// Something that must not be cut is under way.
pub(super) struct Uncut<'a>(#[expect(dead_code, reason = "it is held, not read")] MutexGuard<'a, bool>);

impl Closing {
    /// Begins something short that must not be cut.
    ///
    /// *Errors:* the worker ends.
    pub(super) fn begin(&self) -> Result<Uncut<'_>, GitError> {
        let ended = self.lock();
        if *ended { Err(GitError::Worker { detail: "it ends".to_owned() }) } else { Ok(Uncut(ended)) }
    }

    /// Returns once nothing of this kind is under way; nothing is begun any more.
    pub(super) fn close(&self) {
        *self.lock() = true;
    }

    fn lock(&self) -> MutexGuard<'_, bool> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::mpsc, thread, time::Duration};

    use super::*;

    #[test]
    fn the_end_waits_for_what_must_not_be_cut_and_nothing_begins_after_it() {
        let closing = Closing::default();
        let uncut = closing.begin().expect("it is open");
        let (closed, told) = mpsc::channel();
        let other = closing.clone();
        let ending = thread::spawn(move || {
            other.close();
            closed.send(()).expect("somebody listens");
        });
        assert!(told.recv_timeout(Duration::from_millis(200)).is_err(), "it waits");
        drop(uncut);
        told.recv().expect("then it ends");
        ending.join().expect("no panic");
        assert!(closing.begin().is_err());
    }
}
