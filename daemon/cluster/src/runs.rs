//! Objects that triggers made, kept as they were last seen: runs, and what runs made of them.
//!
//! Owns: one watch for each kind, started when a trigger first needs it, and the newest state of every object that carries a
//! trigger's label. Must never do: decide, or take a kind that can't be watched for one without objects.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use http::Method;
use plumb_core::{
    environment::FieldManager,
    kinds::Kind,
    object::{Gvk, ObjectKey},
    trigger::name::{TRIGGER, TriggerName},
};
use serde_json::Value;
use tokio::{sync::watch, task::AbortHandle};

use crate::{
    cluster::Cluster,
    error::{Action, ApiError},
    follow::{Follow, Followed, Selected},
    index::{Observation, Seen},
    path,
    request::Ask,
};

/// A kind that the server does not have is looked for again this long after at the earliest.
const GONE_PAUSE: Duration = Duration::from_secs(10);

/// Objects of one trigger, by name.
type Named = BTreeMap<String, Arc<Value>>;

/// What is known of the objects that triggers made; clones see the same.
#[derive(Debug, Clone)]
pub struct Runs {
    cluster: Cluster,
    known: Arc<Mutex<Known>>,
    told: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct Known {
    kinds: BTreeMap<Gvk, Kept>,
    news: News,
}

/// Who has to look again.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct News {
    /// Everybody: a kind has become known, or is not any more.
    pub everybody: bool,
    /// Triggers of whose objects something is new.
    pub triggers: BTreeSet<TriggerName>,
}

/// What is known of one kind.
#[derive(Debug)]
struct Kept {
    objects: BTreeMap<TriggerName, Named>,
    /// What the list under way has shown.
    listed: BTreeMap<TriggerName, Named>,
    /// Why not all objects are known.
    unknown: Option<String>,
    /// When it was found that the server does not have the kind: the watch has ended.
    gone: Option<Instant>,
    _task: Ending,
}

/// A task that ends when this is dropped.
#[derive(Debug)]
struct Ending(AbortHandle);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Runs {
    /// Knows nothing yet, and watches nothing.
    pub fn new(cluster: Cluster) -> Self {
        Self { cluster, known: Arc::default(), told: watch::channel(()).0 }
    }

    /// Sees to it that a kind is watched; one that the server did not have is looked for again.
    ///
    /// *Assumptions:* runs inside a tokio runtime.
    pub fn ensure(&self, kind: &Kind) {
        let mut known = self.lock();
        let pauses = |kept: &Kept| kept.gone.is_none_or(|gone| gone.elapsed() < GONE_PAUSE);
        if known.kinds.get(&kind.gvk).is_some_and(pauses) {
            return;
        }
        let gone_before = known.kinds.get(&kind.gvk).is_some_and(|kept| kept.gone.is_some());
        let followed = Followed { kind: kind.clone(), namespace: None, selected: Selected::Labels(TRIGGER.to_owned()) };
        let (into, told) = (Arc::downgrade(&self.known), self.told.clone());
        let tell = move |observation| {
            let Some(known) = into.upgrade() else { return };
            if known.lock().unwrap_or_else(PoisonError::into_inner).see(observation) {
                told.send_replace(());
            }
        };
        let task = tokio::spawn(Follow::new(self.cluster.clone(), followed, tell).run()).abort_handle();
        let mut kept = Kept::unlisted(&kind.plural, task);
        if gone_before {
            kept.unknown = Some(not_served(&kind.gvk));
        }
        known.kinds.insert(kind.gvk.clone(), kept);
    }

    /// Returns the objects of a kind that a trigger made, as they were last seen.
    ///
    /// # Errors
    /// Why they are not known.
    pub fn of(&self, kind: &Gvk, trigger: &TriggerName) -> Result<Vec<Arc<Value>>, String> {
        self.lock().of(kind, trigger)
    }

    /// Returns whether the server does not have a kind: there are no objects of it.
    pub fn is_gone(&self, kind: &Gvk) -> bool {
        self.lock().kinds.get(kind).is_some_and(|kept| kept.gone.is_some())
    }

    /// Takes down what a write has answered: the next look knows it before the watch does.
    pub fn learn(&self, kind: &Gvk, object: Value) {
        self.lock().learn(kind, object);
    }

    /// Waits until something is new, and returns all that is.
    pub async fn changed(&self, told: &mut watch::Receiver<()>) -> News {
        loop {
            told.mark_unchanged();
            let news = std::mem::take(&mut self.lock().news);
            if news != News::default() {
                return news;
            }
            if told.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// Returns what [`Runs::changed`] waits for.
    pub fn told(&self) -> watch::Receiver<()> {
        self.told.subscribe()
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn unlisted(plural: &str, task: AbortHandle) -> Self {
        Self {
            objects: BTreeMap::new(),
            listed: BTreeMap::new(),
            unknown: Some(format!("{plural} have yet to be listed")),
            gone: None,
            _task: Ending(task),
        }
    }
}

impl Known {
    fn of(&self, kind: &Gvk, trigger: &TriggerName) -> Result<Vec<Arc<Value>>, String> {
        let kept = self.kinds.get(kind).ok_or_else(|| format!("{kind} is not watched yet"))?;
        match &kept.unknown {
            Some(why) => Err(why.clone()),
            None => Ok(kept.objects.get(trigger).into_iter().flat_map(BTreeMap::values).cloned().collect()),
        }
    }

    fn learn(&mut self, kind: &Gvk, object: Value) {
        let Some((trigger, kept)) = trigger_of(&object).zip(self.kinds.get_mut(kind)) else { return };
        note(&mut kept.objects, &trigger, object);
    }

    /// Takes an observation in, and returns whether anybody has to look again.
    fn see(&mut self, observation: Observation) -> bool {
        let gvk = match &observation {
            Observation::Listing(gvk)
            | Observation::Listed(gvk, _)
            | Observation::ListDone(gvk, _)
            | Observation::Resumed(gvk)
            | Observation::Changed(gvk, _)
            | Observation::Vanished(gvk, _)
            | Observation::Lost(gvk, _)
            | Observation::KindGone(gvk) => gvk.clone(),
        };
        let Some(kept) = self.kinds.get_mut(&gvk) else { return false };
        let everybody = match observation {
            Observation::Listing(_) => {
                kept.listed.clear();
                return false;
            }
            Observation::Listed(_, Seen(object)) => {
                if let Some(trigger) = trigger_of(&object) {
                    note(&mut kept.listed, &trigger, object);
                }
                return false;
            }
            Observation::Changed(_, Seen(object)) => {
                let Some(trigger) = trigger_of(&object) else { return false };
                note(&mut kept.objects, &trigger, object);
                self.news.triggers.insert(trigger);
                false
            }
            Observation::Vanished(_, Seen(object)) => {
                let Some(trigger) = trigger_of(&object) else { return false };
                if let Some(named) = kept.objects.get_mut(&trigger) {
                    named.remove(text(&object, "name"));
                }
                self.news.triggers.insert(trigger);
                false
            }
            Observation::ListDone(..) => {
                kept.objects = std::mem::take(&mut kept.listed);
                kept.unknown = None;
                true
            }
            // What was missed meanwhile comes with the events that follow.
            Observation::Resumed(_) => kept.unknown.take().is_some(),
            Observation::Lost(_, why) => kept.unknown.replace(why).is_none(),
            Observation::KindGone(_) => {
                kept.objects.clear();
                kept.gone = Some(Instant::now());
                // Found again and again, it is no news.
                let before = kept.unknown.replace(not_served(&gvk));
                before != kept.unknown
            }
        };
        self.news.everybody |= everybody;
        self.news != News::default()
    }
}

fn not_served(kind: &Gvk) -> String {
    format!("the cluster does not serve {kind}: install what it belongs to")
}

/// Keeps an object, unless a newer state of the same one is kept.
fn note(objects: &mut BTreeMap<TriggerName, Named>, trigger: &TriggerName, mut object: Value) {
    let name = text(&object, "name").to_owned();
    let named = objects.entry(trigger.clone()).or_default();
    if named.get(&name).is_some_and(|known| is_newer(known, &object)) {
        return;
    }
    // Large, and of no use here: who owns which field, and what Tekton copies from the Pipeline.
    object["metadata"].as_object_mut().map(|metadata| metadata.remove("managedFields"));
    for copied in ["pipelineSpec", "taskSpec"] {
        object["status"].as_object_mut().and_then(|status| status.remove(copied));
    }
    named.insert(name, Arc::new(object));
}

/// Returns whether one state of an object is newer than another one; resourceVersions of one object are ordered numbers.
fn is_newer(one: &Value, other: &Value) -> bool {
    let version = |object: &Value| text(object, "resourceVersion").parse::<u64>().ok();
    let same = text(one, "uid") == text(other, "uid");
    same && version(one).zip(version(other)).is_some_and(|(one, other)| one > other)
}

fn trigger_of(object: &Value) -> Option<TriggerName> {
    let metadata = &object["metadata"];
    let name = metadata["labels"][TRIGGER].as_str()?;
    Some(TriggerName::new(metadata["namespace"].as_str()?, name))
}

fn text<'a>(object: &'a Value, field: &str) -> &'a str {
    object["metadata"][field].as_str().unwrap_or_default()
}

impl Cluster {
    /// Creates an object with strict field validation, and returns it.
    ///
    /// *Guarantees:* nothing that is there is changed.
    ///
    /// # Errors
    /// `AlreadyExists`, `Invalid` with the fields, `Denied`, `WebhookFailed`, else as every request.
    pub async fn create(
        &self,
        kind: &Kind,
        key: &ObjectKey,
        object: &Value,
        manager: &FieldManager,
    ) -> Result<Value, ApiError> {
        let action = Action::sending("create", key, object);
        let query = path::query([("fieldManager", manager.as_str()), ("fieldValidation", "Strict")]);
        let uri = format!("{}{query}", path::collection(kind, key.namespace.as_deref()));
        let ask = Ask::new(action.clone(), Method::POST, uri).with("application/json", object);
        self.send_as_identity(ask).await?.value(&action)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn run(name: &str, version: &str) -> Seen {
        let metadata = json!({ "namespace": "shop", "name": name, "uid": "u", "resourceVersion": version, "labels": { TRIGGER: "build" },
            "managedFields": [] });
        Seen(json!({ "metadata": metadata, "status": { "pipelineSpec": {}, "startTime": "now" } }))
    }

    fn gvk() -> Gvk {
        Gvk::new("tekton.dev/v1", "PipelineRun")
    }

    fn known() -> Known {
        let mut known = Known::default();
        let task = tokio::spawn(async {}).abort_handle();
        known.kinds.insert(gvk(), Kept::unlisted("pipelineruns", task));
        known
    }

    fn names(known: &Known) -> Result<Vec<String>, String> {
        let found = known.of(&gvk(), &TriggerName::new("shop", "build"))?;
        Ok(found.iter().map(|run| text(run, "name").to_owned()).collect())
    }

    #[tokio::test]
    async fn what_is_not_listed_is_not_known_and_what_a_list_leaves_out_is_gone() {
        let mut known = known();
        assert!(names(&known).is_err());
        assert!(!known.see(Observation::Listing(gvk())) && !known.see(Observation::Listed(gvk(), run("a", "1"))));
        assert!(names(&known).is_err(), "half a list says nothing");
        assert!(known.see(Observation::ListDone(gvk(), "1".to_owned())));
        assert_eq!(names(&known), Ok(vec!["a".to_owned()]));
        assert!(known.see(Observation::Changed(gvk(), run("b", "2"))));
        known.see(Observation::Lost(gvk(), "cut".to_owned()));
        assert_eq!(names(&known), Err("cut".to_owned()));
        known.see(Observation::Resumed(gvk()));
        assert_eq!(names(&known), Ok(vec!["a".to_owned(), "b".to_owned()]));
        known.see(Observation::Listing(gvk()));
        known.see(Observation::Listed(gvk(), run("b", "2")));
        known.see(Observation::ListDone(gvk(), "3".to_owned()));
        assert_eq!(names(&known), Ok(vec!["b".to_owned()]));
        assert!(known.see(Observation::Vanished(gvk(), run("b", "4"))));
        assert_eq!(names(&known), Ok(Vec::new()));
        known.see(Observation::KindGone(gvk()));
        assert!(names(&known).is_err());
    }

    #[tokio::test]
    async fn an_answer_is_known_before_the_watch_and_an_older_event_does_not_undo_it() {
        let mut known = known();
        known.see(Observation::ListDone(gvk(), "1".to_owned()));
        known.learn(&gvk(), run("a", "7").0);
        known.see(Observation::Changed(gvk(), run("a", "5")));
        let found = known.of(&gvk(), &TriggerName::new("shop", "build")).expect("known");
        assert_eq!(text(&found[0], "resourceVersion"), "7");
        assert_eq!(found[0]["status"], json!({ "startTime": "now" }), "what is large is left out");
    }
}
