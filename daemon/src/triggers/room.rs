//! How many more runs this daemon may begin: `--max-runs`, less what goes on of every trigger, less what is being created.
//!
//! What goes on is what each trigger's last pass has seen live, never what was counted up and down, so that nothing can leak. Until
//! every trigger has told, nobody begins anything.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use plumb_core::trigger::name::TriggerName;

/// The room for runs; clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Room {
    max: usize,
    triggers: Arc<Mutex<BTreeMap<TriggerName, Taken>>>,
}

/// What one trigger takes up.
#[derive(Debug, Default)]
struct Taken {
    /// What goes on; absent: it has yet to tell.
    running: Option<usize>,
    /// What it is creating.
    held: usize,
}

/// Room for some runs of a trigger that are being created; given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Held {
    room: Room,
    trigger: TriggerName,
    count: usize,
    created: usize,
}

impl Room {
    /// Returns room for so many runs at once.
    pub(crate) fn new(max: usize) -> Self {
        Self { max, triggers: Arc::default() }
    }

    /// Takes down that a trigger exists, and has yet to tell what goes on of it.
    pub(crate) fn expect(&self, trigger: &TriggerName) {
        self.lock().entry(trigger.clone()).or_default();
    }

    /// Takes down that a trigger is gone.
    pub(crate) fn forget(&self, trigger: &TriggerName) {
        self.lock().remove(trigger);
    }

    /// Takes down how many runs of a trigger go on.
    pub(crate) fn tell(&self, trigger: &TriggerName, running: usize) {
        // One that is forgotten does not come back by what its last pass tells.
        if let Some(taken) = self.lock().get_mut(trigger) {
            taken.running = Some(running);
        }
    }

    /// Takes it that nothing goes on of a trigger that can't tell, unless it has told before.
    pub(crate) fn presume_none(&self, trigger: &TriggerName) {
        if let Some(taken) = self.lock().get_mut(trigger) {
            taken.running.get_or_insert(0);
        }
    }

    /// Returns whether some trigger has yet to tell.
    pub(crate) fn is_awaited(&self) -> bool {
        self.lock().values().any(|taken| taken.running.is_none())
    }

    /// Holds as much as a trigger wants, as far as there is room.
    pub(crate) fn hold(&self, trigger: &TriggerName, wanted: usize) -> Held {
        let mut triggers = self.lock();
        let taken = triggers.values().map(|taken| Some(taken.running? + taken.held)).sum::<Option<usize>>();
        let count = taken.map_or(0, |taken| self.max.saturating_sub(taken).min(wanted));
        let count = triggers.get_mut(trigger).map_or(0, |taken| {
            taken.held += count;
            count
        });
        Held { room: self.clone(), trigger: trigger.clone(), count, created: 0 }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<TriggerName, Taken>> {
        self.triggers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    /// Returns for how many.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// Takes down how many were created: they go on from now on.
    pub(crate) fn created(&mut self, created: usize) {
        self.created = created;
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(taken) = self.room.lock().get_mut(&self.trigger) {
            taken.held = taken.held.saturating_sub(self.count);
            taken.running = taken.running.map(|running| running + self.created);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_gets_more_than_there_is_and_what_is_dropped_is_free_again() {
        let (room, one, other) = (Room::new(5), TriggerName::new("a", "one"), TriggerName::new("b", "other"));
        room.expect(&one);
        room.expect(&other);
        room.tell(&one, 1);
        assert!(room.is_awaited());
        assert_eq!(room.hold(&one, 9).count(), 0, "nobody knows what goes on of the other one");
        room.presume_none(&other);
        assert!(!room.is_awaited());
        let mut held = room.hold(&one, 3);
        let second = room.hold(&other, 3);
        assert_eq!((held.count(), second.count()), (3, 1));
        held.created(2);
        drop(held);
        assert_eq!(room.hold(&other, 9).count(), 1, "three go on, and one is held");
        drop(second);
        assert_eq!(room.hold(&other, 9).count(), 2);
        room.tell(&one, 9);
        assert_eq!(room.hold(&other, 9).count(), 0, "more may go on than there is room for");
        room.presume_none(&one);
        assert_eq!(room.hold(&other, 9).count(), 0, "what it has told before counts");
        room.forget(&one);
        assert_eq!(room.hold(&other, 9).count(), 5);
    }
}
