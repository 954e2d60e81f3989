//! The way of news from the watches to whoever plans.
//!
//! A set instead of a queue: equal news are one, so it holds at most a few for each object and never makes a watch
//! wait, however slow the reader is.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};

use tokio::sync::watch;

use super::lock;
use crate::index::change::Change;

/// Where news arrive.
#[derive(Debug)]
pub struct News {
    pending: Arc<Mutex<BTreeSet<Change>>>,
    told: watch::Receiver<()>,
}

/// Where news come from.
#[derive(Debug, Clone)]
pub(super) struct Sender {
    pending: Arc<Mutex<BTreeSet<Change>>>,
    told: watch::Sender<()>,
}

pub(super) fn channel() -> (Sender, News) {
    let pending = Arc::default();
    let (told, receiver) = watch::channel(());
    (Sender { pending: Arc::clone(&pending), told }, News { pending, told: receiver })
}

impl News {
    /// Waits for news and returns all there are, sorted; nothing once the watches are gone for good.
    pub async fn next(&mut self) -> Option<BTreeSet<Change>> {
        loop {
            // Marked as seen before looking, so that what comes later wakes the wait below.
            self.told.mark_unchanged();
            let news = self.take();
            if !news.is_empty() {
                return Some(news);
            }
            if self.told.changed().await.is_err() {
                let last = self.take();
                return (!last.is_empty()).then_some(last);
            }
        }
    }

    /// Returns the news there are, without waiting.
    pub fn take(&self) -> BTreeSet<Change> {
        std::mem::take(&mut lock(&self.pending))
    }
}

impl Sender {
    pub(super) fn send(&self, changes: Vec<Change>) {
        if !changes.is_empty() {
            lock(&self.pending).extend(changes);
            self.wake();
        }
    }

    /// Wakes everybody who waits for something to be different.
    pub(super) fn wake(&self) {
        self.told.send_replace(());
    }

    pub(super) fn told(&self) -> watch::Receiver<()> {
        self.told.subscribe()
    }
}
