//! One environment as the loop sees it: its resource, whether to look again and when, and what is remembered of it.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use jiff::Timestamp;
use plumb_api::{Environment, request, rollback::RevertProgress};
use plumb_cluster::index::change::What;
use plumb_core::{class::Class, inventory::Inventory, operation::Failure};
use tokio::{sync::mpsc, task::AbortHandle, time::Instant};
use tokio_util::sync::CancellationToken;

use super::{Event, errand::Errand};
use crate::{
    context::Context,
    departure,
    health::Workload,
    memory::Memory,
    pods,
    reconcile::Finished,
    repositories::RepositoryName,
    rollback::Done,
    rules::{self, Compiled},
    settings::{self, Settings},
};

/// Passes in a row that failed, up to which news of a kind are a reason to look again at once: a kind may come and go as
/// fast as it is asked for.
const KINDS_AT_ONCE: u32 = 5;
/// Workloads of one environment whose Pods are watched at once, each by a watch of its own; further ones are told without
/// a Pod's reason.
const PODS_WATCHED_MAX: usize = 32;

/// One environment as the loop sees it.
pub(super) struct Watched {
    resource: Arc<Environment>,
    /// The health rules of its spec.
    rules: Compiled,
    /// Absent while a pass runs, which has it.
    memory: Option<Memory>,
    /// Something calls for another look.
    dirty: bool,
    /// Not before.
    due: Option<Instant>,
    /// Looks again at this moment, whatever happens until then.
    deadline: Option<Instant>,
    /// Passes in a row that called for another try for the same class of reasons.
    failures: u32,
    /// That class.
    retried: Option<Class>,
    /// When the first change since the last pass was noticed.
    noticed: Option<Timestamp>,
    /// Ends the pass that runs.
    pass: CancellationToken,
    /// Pods that are looked at, by workload.
    pods: BTreeMap<Workload, Ending>,
    /// When a person asked for a sync, while no look at the repository that began since then has ended.
    asked: Option<Duration>,
    /// Another environment's claim keeps something from being done.
    claimed: bool,
    /// What its rollback asks for outside of the cluster.
    errand: Errand,
    /// When a push of it ended, while no look at the repository that began since then has ended.
    unsure: Option<Duration>,
    /// Whether that look has ended before a pass has heard what became of the push: what is called for now is the next one's.
    again: bool,
    /// What the pass under way will leave belongs to a tenure that has ended.
    stale: bool,
    deleted: bool,
    letting_go: bool,
    /// Made anew under the same name while the old one was being let go of.
    successor: Option<Environment>,
}

/// What a pass starts from.
pub(super) struct Taken {
    pub(super) settings: Settings,
    /// What is wrong with the spec.
    pub(super) invalid: Option<Failure>,
    pub(super) memory: Memory,
    pub(super) resource: Arc<Environment>,
    pub(super) noticed: Option<Timestamp>,
    /// What became of its errand.
    pub(super) done: Option<Done>,
    /// No look at the repository is awaited: a request for a sync is carried out by this pass.
    pub(super) synced: bool,
    /// An errand is under way, or the branch has yet to tell whether it has arrived.
    pub(super) unsure: bool,
    /// An errand may begin.
    pub(super) free: bool,
}

/// A task that ends when this is dropped.
struct Ending(AbortHandle);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Watched {
    pub(super) fn new(environment: Environment) -> Self {
        Self {
            memory: Some(Memory::of(&environment)),
            rules: rules::compile(&environment.spec.health),
            resource: Arc::new(environment),
            dirty: true,
            due: None,
            deadline: None,
            failures: 0,
            retried: None,
            noticed: None,
            pass: CancellationToken::new(),
            pods: BTreeMap::new(),
            asked: None,
            claimed: false,
            errand: Errand::default(),
            unsure: None,
            again: false,
            stale: false,
            deleted: false,
            letting_go: false,
            successor: None,
        }
    }

    /// Takes a newer state of the resource in; returns whether a person asks for a look at the repository.
    pub(super) fn see(&mut self, environment: Environment) -> bool {
        let before = Arc::clone(&self.resource);
        if before.metadata.uid != environment.metadata.uid {
            self.successor = Some(environment);
            self.delete();
            return false;
        }
        let damaged = self.memory.as_mut().is_some_and(|memory| memory.see(&environment));
        let asked = |environment: &Environment, name: &str| {
            environment.metadata.annotations.as_ref().and_then(|annotations| annotations.get(name).cloned())
        };
        let request =
            [request::ALLOW_PRUNE, request::RETRY, request::ROLLBACK, request::SUSPENDED, request::ADOPT_FROM]
                .iter()
                .any(|name| asked(&before, name) != asked(&environment, name));
        let synced = asked(&before, request::SYNC) != asked(&environment, request::SYNC);
        let leaves = before.metadata.deletion_timestamp != environment.metadata.deletion_timestamp;
        let records = |environment: &Environment| Some(environment.status.as_ref()?.records.clone());
        let published = environment.metadata.deletion_timestamp.is_some() && records(&before) != records(&environment);
        if before.metadata.generation != environment.metadata.generation || request || leaves {
            self.start_over();
            // What runs was planned for the older spec.
            self.pass.cancel();
            self.errand.cancel();
        } else if published {
            // It may have waited for nothing else.
            self.start_over();
        } else if damaged {
            self.look_again();
        }
        if before.spec.health != environment.spec.health {
            self.rules = rules::compile(&environment.spec.health);
        }
        self.resource = Arc::new(environment);
        synced
    }

    /// Starts as at the start of the process: the lease was got, and nothing is known of what others did before.
    pub(super) fn begin(&mut self) {
        self.forget();
        self.start_over();
    }

    /// Ends what runs at the next effect: the lease is gone.
    pub(super) fn stand_by(&mut self) {
        self.pass.cancel();
        self.forget();
    }

    fn forget(&mut self) {
        self.pods.clear();
        self.noticed = None;
        (self.asked, self.unsure) = (None, None);
        self.claimed = false;
        match &mut self.memory {
            Some(memory) => *memory = Memory::of(&self.resource),
            None => self.stale = true,
        }
    }

    /// Returns the commits that are known to have been seen, by whichever replica: the one that was tried last, and
    /// the one that was rolled back since. None: nothing was tried.
    pub(super) fn known(&self) -> Vec<&str> {
        let Some(status) = self.resource.status.as_ref() else { return Vec::new() };
        let Some(attempted) = status.last_attempted.as_ref() else { return Vec::new() };
        let rolled_back = status.rollback.held.as_ref().map(|held| held.commit.as_str());
        [attempted.commit.as_str()].into_iter().chain(rolled_back).collect()
    }

    /// Returns whether it is kept at an older commit, as far as the last pass has written it down.
    pub(super) fn is_rolled_back(&self) -> bool {
        self.memory.as_ref().is_some_and(|memory| memory.status.rollback.held.is_some())
    }

    /// Returns whether something of its repository may ever have been applied.
    pub(super) fn has_applied(&self) -> bool {
        self.memory.as_ref().is_none_or(|memory| memory.status.last_applied.is_some())
    }

    pub(super) fn resource(&self) -> &Environment {
        &self.resource
    }

    pub(super) fn repository(&self) -> RepositoryName {
        (self.resource.metadata.namespace.clone().unwrap_or_default(), self.resource.spec.repository.clone())
    }

    /// Something happened that may change the outcome: looks again at once, whatever failed before.
    pub(super) fn start_over(&mut self) {
        self.dirty = true;
        self.due = None;
        self.failures = 0;
        self.errand.at_once();
    }

    /// A newer commit is there: what runs was planned for an older one.
    pub(super) fn replace(&mut self) {
        self.start_over();
        self.pass.cancel();
    }

    /// Waits, before it says that a sync was carried out, for a look at the repository that begins from now on
    /// (`Clock::uptime`).
    pub(super) fn await_look(&mut self, now: Duration) {
        self.asked = Some(now);
    }

    /// A look at the repository has ended that began then: one that was under way already may have missed the newest push.
    pub(super) fn looked(&mut self, begun: Duration) {
        if self.unsure.take_if(|pushed| *pushed <= begun).is_some() {
            // No reason to push again sooner.
            (self.dirty, self.due) = (true, None);
            self.again = self.errand.is_answered();
        }
        if self.asked.take_if(|asked| *asked <= begun).is_some() {
            self.start_over();
        }
    }

    /// What a push has done is told by a look at the branch that begins from now on (`Clock::uptime`).
    pub(super) fn pushed(&mut self, now: Duration) {
        self.unsure = Some(now);
    }

    /// Nobody looks at the repository any more: there is nothing to wait for.
    pub(super) fn unfollowed(&mut self) {
        self.looked(Duration::MAX);
    }

    /// Another environment has created what this one may have waited for.
    pub(super) fn try_again(&mut self) {
        if self.failures > 0 {
            self.start_over();
        }
    }

    /// A kind has become known, or is gone: looks again at once, unless that has not helped a few times in a row.
    pub(super) fn kind_known(&mut self) {
        self.dirty = true;
        if self.failures < KINDS_AT_ONCE {
            self.due = None;
        }
    }

    /// Something happened that changes no outcome: looks again, not sooner than a back-off says.
    pub(super) fn look_again(&mut self) {
        self.dirty = true;
    }

    pub(super) fn changed(&mut self, what: What, now: Timestamp) {
        self.look_again();
        if matches!(what, What::Drifted | What::Missing) {
            self.noticed.get_or_insert(now);
            self.due = None;
        }
    }

    /// Returns what ends an errand that may begin now.
    pub(super) fn begin_errand(&mut self, now: Instant) -> Option<CancellationToken> {
        self.errand.begin(now)
    }

    /// Takes down what became of an errand, and looks again.
    pub(super) fn done(&mut self, done: Done, delay: impl Fn(Class, u32) -> Instant) {
        self.errand.end(done, delay);
        self.dirty = true;
        self.due = None;
    }

    /// Something may help an errand that failed, or that was left to a person: the server is there again, or the Repository says
    /// something else.
    pub(super) fn try_errand_again(&mut self, now: Instant) {
        if self.errand.due(now).is_some() || self.is_stalled() {
            self.start_over();
        }
    }

    /// Returns whether a rollback in Git was left to a person.
    fn is_stalled(&self) -> bool {
        let reverting = self.resource.status.as_ref().and_then(|status| status.rollback.reverting.as_ref());
        reverting.is_some_and(|reverting| reverting.progress == RevertProgress::Stalled)
    }

    pub(super) fn is_claimed(&self) -> bool {
        self.claimed
    }

    pub(super) fn delete(&mut self) {
        self.deleted = true;
        self.pass.cancel();
        self.pods.clear();
    }

    /// Takes note that what was to follow it is deleted, too.
    pub(super) fn forget_successor(&mut self, deleted: &Environment) {
        let is_it = |successor: &mut Environment| successor.metadata.uid == deleted.metadata.uid;
        self.successor.take_if(is_it);
    }

    /// Returns whether its objects are to be deleted or let go of before it vanishes.
    pub(super) fn is_departing(&self) -> bool {
        let metadata = &self.resource.metadata;
        metadata.deletion_timestamp.is_some() && departure::is_held(metadata)
    }

    pub(super) fn is_deleted(&self) -> bool {
        self.deleted
    }

    /// Returns, once, whether a departure has left nothing to do.
    pub(super) fn has_departed(&mut self) -> bool {
        let departed = self.memory.as_ref().is_some_and(|memory| memory.leaving.done) && !self.letting_go;
        self.letting_go |= departed;
        departed
    }

    /// Returns, once, whether nothing stands in the way of letting the objects go.
    pub(super) fn may_let_go(&mut self) -> bool {
        let free = self.memory.is_some() && !self.letting_go;
        self.letting_go |= free;
        free
    }

    pub(super) fn settings(&self) -> Settings {
        settings::read(&self.resource, &self.rules).0
    }

    pub(super) fn uid(&self) -> String {
        self.resource.metadata.uid.clone().unwrap_or_default()
    }

    pub(super) fn kinds(&self) -> Inventory {
        self.memory.as_ref().and_then(|memory| memory.recorded.clone()).unwrap_or_default()
    }

    pub(super) fn successor(self) -> Option<Environment> {
        self.successor
    }

    /// Returns when to wake up for this environment, if something waits for a time.
    pub(super) fn due(&self) -> Option<Instant> {
        if self.memory.is_none() || self.deleted {
            return None;
        }
        let due = self.due.filter(|_| self.dirty);
        due.into_iter().chain(self.deadline).min()
    }

    /// Returns whether a pass is called for now; asked of every environment at each event, so it allocates nothing.
    pub(super) fn is_called_for(&self, now: Instant) -> bool {
        let dirty = self.dirty && self.due.is_none_or(|due| due <= now);
        self.memory.is_some() && (dirty || self.deadline.is_some_and(|deadline| deadline <= now))
    }

    /// Hands out what a pass needs, if one is called for now.
    pub(super) fn take(&mut self, now: Instant) -> Option<Taken> {
        let called_for = self.is_called_for(now);
        let memory = self.memory.take_if(|_| called_for)?;
        self.dirty = std::mem::take(&mut self.again);
        self.due = None;
        self.deadline = None;
        let (settings, invalid) = settings::read(&self.resource, &self.rules);
        let (resource, noticed) = (Arc::clone(&self.resource), self.noticed.take());
        let done = self.errand.take(now);
        let (synced, unsure) = (self.asked.is_none(), self.errand.is_under_way() || self.unsure.is_some());
        let free = self.errand.is_free(now);
        Some(Taken { settings, invalid, memory, resource, noticed, done, synced, unsure, free })
    }

    /// Returns what ends the pass that starts now.
    pub(super) fn stop(&mut self, all: &CancellationToken) -> CancellationToken {
        self.pass = all.child_token();
        self.pass.clone()
    }

    /// Takes back what a pass leaves.
    pub(super) fn finished(
        &mut self,
        finished: Finished,
        delay: impl Fn(Class, u32) -> Instant,
        context: &Arc<Context>,
        events: &mpsc::Sender<Event>,
    ) {
        if std::mem::take(&mut self.stale) {
            self.memory = Some(Memory::of(&self.resource));
            self.start_over();
            return;
        }
        let Finished { name, mut memory, retry, again, claimed, unhealthy, look_in, .. } = finished;
        // The resource may have been written by others while the pass ran; its newest state is what counts.
        if memory.see(&self.resource) {
            self.dirty = true;
        }
        let now = context.clock.now();
        let quarrels = memory.corrections.values().filter_map(|corrections| corrections.due(now));
        let until = |at: Timestamp| Duration::try_from(at.duration_since(now)).unwrap_or_default();
        let timed = look_in.into_iter().chain(quarrels.map(until)).map(|left| Instant::now() + left);
        self.deadline = timed.chain(self.errand.again()).min();
        self.memory = Some(memory);
        self.claimed = claimed;
        match retry {
            Some(class) => {
                // What is waited for now has not been waited for before, however often something else was.
                if self.retried.replace(class) != Some(class) {
                    self.failures = 0;
                }
                self.failures += 1;
                self.due = Some(delay(class, self.failures)).filter(|_| !self.dirty);
                self.dirty = true;
            }
            None => self.failures = 0,
        }
        if again {
            self.start_over();
        }
        let mut pods = std::mem::take(&mut self.pods);
        for workload in unhealthy.into_iter().take(PODS_WATCHED_MAX) {
            let ending = pods.remove(&workload).unwrap_or_else(|| {
                Ending(
                    tokio::spawn(pods::follow(Arc::clone(context), name.clone(), workload.clone(), events.clone()))
                        .abort_handle(),
                )
            });
            self.pods.insert(workload, ending);
        }
        for workload in pods.keys() {
            pods::forget(context, &name, workload);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watched() -> Watched {
        let environment = serde_json::json!({
            "apiVersion": "plumb.dev/v1alpha1",
            "kind": "Environment",
            "metadata": { "name": "app", "namespace": "team" },
            "spec": { "repository": "repo", "path": "app" },
        });
        Watched::new(serde_json::from_value(environment).expect("an Environment"))
    }

    #[test]
    fn a_sync_is_carried_out_after_a_look_that_began_when_it_was_asked_for() {
        let at = Duration::from_secs;
        let carried_out = |looks: &dyn Fn(&mut Watched)| {
            let mut watched = watched();
            watched.await_look(at(10));
            looks(&mut watched);
            watched.take(Instant::now()).expect("a pass is called for").synced
        };
        assert!(!carried_out(&|_| {}));
        // What is only remembered, and what may have begun before the push.
        assert!(!carried_out(&|watched| watched.looked(Duration::ZERO)));
        assert!(!carried_out(&|watched| watched.looked(at(9))));
        assert!(carried_out(&|watched| watched.looked(at(11))));
        assert!(carried_out(&|watched| {
            watched.looked(at(9));
            watched.looked(at(11));
        }));
        assert!(carried_out(&Watched::unfollowed));
    }
}
