//! Watching one Secret by name, for what has to notice that it changes.
//!
//! Owns: the watch and the newest version. Must never do: keep what is in the Secret.

use plumb_core::{kinds::Kind, object::Gvk};
use tokio::{sync::watch, task::AbortHandle};

use crate::{
    cluster::Cluster,
    follow::{Follow, Followed, Selected},
    index::{Observation, Seen},
};

/// What is known of a Secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Version {
    /// Nothing at the moment: it has yet to be listed, or can't be watched.
    Unknown,
    /// It is not there.
    Absent,
    /// It has this resourceVersion.
    Present(String),
}

/// A watch of one Secret; ends when it is dropped.
#[derive(Debug)]
pub struct SecretWatch {
    version: watch::Receiver<Version>,
    task: AbortHandle,
}

impl Drop for SecretWatch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl SecretWatch {
    /// Returns its newest version.
    pub fn version(&self) -> Version {
        self.version.borrow().clone()
    }

    /// Waits until it is known to have another version than this.
    pub async fn changed_from(&mut self, known: &Version) {
        let differs = |version: &Version| *version != Version::Unknown && version != known;
        if self.version.wait_for(differs).await.is_err() {
            // The watch has ended: there is no change that it could tell of.
            std::future::pending::<()>().await;
        }
    }
}

impl Cluster {
    /// Watches a Secret, there or not.
    ///
    /// *Assumptions:* runs inside a tokio runtime.
    pub fn watch_secret(&self, namespace: &str, name: &str) -> SecretWatch {
        let (sender, version) = watch::channel(Version::Unknown);
        // What stood last, also while it can't be watched.
        let mut known = Version::Absent;
        let tell = move |observation| {
            match &observation {
                Observation::Listing(_) => known = Version::Absent,
                Observation::Listed(_, seen) | Observation::Changed(_, seen) => known = present(seen),
                Observation::Vanished(..) => known = Version::Absent,
                Observation::ListDone(..)
                | Observation::Resumed(_)
                | Observation::Lost(..)
                | Observation::KindGone(_) => {}
            }
            match observation {
                // A list that is under way says nothing yet.
                Observation::Listing(_) | Observation::Listed(..) => {}
                Observation::Lost(..) | Observation::KindGone(_) => {
                    sender.send_replace(Version::Unknown);
                }
                _ => {
                    sender.send_replace(known.clone());
                }
            }
        };
        let followed =
            Followed { kind: kind(), namespace: Some(namespace.to_owned()), selected: Selected::Name(name.to_owned()) };
        let follow = Follow::new(self.clone(), followed, tell);
        SecretWatch { version, task: tokio::spawn(follow.run()).abort_handle() }
    }
}

fn present(seen: &Seen) -> Version {
    Version::Present(seen.0["metadata"]["resourceVersion"].as_str().unwrap_or_default().to_owned())
}

fn kind() -> Kind {
    Kind::namespaced(Gvk::new("v1", "Secret"), "secrets")
}
