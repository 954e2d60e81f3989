//! What can have a follower look again, besides time: each waits for one thing, and for ever where there is none.

use std::path::Path;

use plumb_git::watch::LocalWatch;

use crate::{chain::chain, mirrors::Mirrors, publisher::Troubles, trust::Trust};

/// Waits until the file watch sees something; without a watch, for ever.
pub(super) async fn changed(watch: &mut Option<LocalWatch>) {
    match watch {
        Some(seen) => {
            if let Err(error) = seen.changed().await {
                tracing::warn!("the file watch ended, polling only: {}", chain(&error));
                *watch = None;
            }
        }
        None => std::future::pending().await,
    }
}

/// Waits until records can't be published, or can again; where none are, for ever.
pub(super) async fn troubled(trouble: &mut Troubles) {
    if trouble.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Waits until the trusted keys are others; where nothing is verified, for ever.
pub(super) async fn rotated(trust: &mut Option<Trust>) {
    match trust {
        Some(trust) => trust.changed().await,
        None => std::future::pending().await,
    }
}

/// Waits until the mirror is to be made anew; without one, for ever.
pub(super) async fn damaged(mirrors: &Mirrors, mirror: Option<&Path>) {
    match mirror {
        Some(mirror) => mirrors.reported(mirror).await,
        None => std::future::pending().await,
    }
}
