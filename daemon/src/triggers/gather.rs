//! What a pass over a trigger decides by: what its components read at the newest commit, and which runs there are.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use jiff::Timestamp;
use plumb_api::request::{self, Request};
use plumb_cluster::runs::Runs;
use plumb_core::{
    class::Class,
    commit::{CommitId, TreeId},
    operation::Failure,
    source::InputsDigest,
    trigger::{
        inputs,
        memory::Memory,
        name::{ComponentName, TriggerName},
        naming::{self, Maker},
        plan::{Asked, Head},
        reading,
        run::{Run, RunKind, State},
        skipping::Part,
        wanted::{self, Dealt, Readings, STEPS_MAX, Step, Wanted},
    },
};
use plumb_git::{entries::Limits, error::GitError, mirror::Mirror};
use serde_json::Value;

use super::{
    Builder, acting,
    images::{self, Object},
    pass::Pass,
    settings::Settings,
};
use crate::{chain::chain, source::Source};

/// Trees of which it is kept what components read there: those of the triggers that are looked at again and again without a new
/// commit.
const LISTINGS_MAX: usize = 256;
/// How long after the end of a run its TaskRuns are waited for, which another watch shows: they say why it failed, and what it has
/// built. Events of two watches are apart by moments.
const TASKS_WITHIN: Duration = Duration::from_secs(10);
/// Longest message that is read of a commit, in bytes: what is longer is cut, and its trailers with it.
const MESSAGE_MAX: usize = 64 * 1024;

/// What a pass decides by.
pub(super) struct Gathered {
    /// What the status remembers.
    pub(super) memory: Memory,
    /// The newest commit that somebody else than plumb has made, and what each component reads of it; absent: it could not be read.
    pub(super) head: Option<Head>,
    /// The runs that there are; absent: they are not known.
    pub(super) runs: Option<Vec<Run>>,
    /// When to look again because an end is not told in full.
    pub(super) again: Option<Timestamp>,
    /// Builds that people ask for.
    pub(super) asked: Vec<Asked>,
    /// The id of a request that can't be carried out, and why.
    pub(super) refused: Option<(String, String)>,
    /// Runs whose image is still to be written back.
    pub(super) unwritten: BTreeSet<String>,
    /// Inputs that only plumb's own commits have changed.
    pub(super) absorbed: BTreeMap<ComponentName, InputsDigest>,
    /// Why the commit could not be read.
    pub(super) unread: Option<Failure>,
}

/// Gathers it.
pub(super) async fn gather(
    builder: &Builder,
    settings: &Arc<Settings>,
    pass: &Pass,
    (memory, now): (Memory, Timestamp),
) -> Gathered {
    let (runs, again) = match runs(&builder.runs, settings.run.kind(), pass, (&memory, now)) {
        Some((runs, again)) => (Some(runs), again),
        None => (None, None),
    };
    let read = match pass.source.clone() {
        Ok(source) => read(builder, settings, source, (pass.state.commit(), &memory)).await,
        Err(failure) => Err(failure),
    };
    let (head, absorbed, unread) = match read {
        Ok((head, absorbed)) => (Some(head), absorbed, None),
        Err(failure) => (None, BTreeMap::new(), Some(failure)),
    };
    let (asked, refused) = match (&head, &pass.source) {
        (Some(head), Ok(source)) => asked(builder, settings, source, (pass, head)).await,
        _ => (Vec::new(), None),
    };
    let unwritten = settings.images.as_ref().map(|images| images::unwritten(images, pass, &memory)).unwrap_or_default();
    Gathered { memory, head, runs, again, asked, refused, unwritten, absorbed, unread }
}

/// Returns the runs of a trigger, as they were last seen, and when to look again at the latest; nothing where they are not known.
fn runs(
    runs: &Runs,
    kind: RunKind,
    pass: &Pass,
    (memory, now): (&Memory, Timestamp),
) -> Option<(Vec<Run>, Option<Timestamp>)> {
    let watched = acting::watched(kind);
    runs.ensure(&watched);
    let labelled = TriggerName::new(&pass.name.namespace, &naming::label(&pass.name));
    let tasks = match kind {
        RunKind::PipelineRun => {
            let tasks = acting::watched(RunKind::TaskRun);
            runs.ensure(&tasks);
            runs.of(&tasks.gvk, &labelled).ok()?
        }
        RunKind::TaskRun | RunKind::Job => Vec::new(),
    };
    let objects = runs.of(&watched.gvk, &labelled).ok()?;
    let maker = Maker { name: &pass.name, uid: pass.uid() };
    let mut again: Option<Timestamp> = None;
    let read = |object: &Arc<Value>| {
        let mut run = known(kind, &maker, object)?;
        // What was not begun in the status is nobody's build: its number was not given out.
        let begun = memory.components.get(&run.build.component).map_or(0, |known| known.attempt);
        if run.attempt.number > begun {
            return None;
        }
        // What is remembered of an end is not read again.
        if memory.components.get(&run.build.component).is_some_and(|known| known.has_told(&run)) {
            return Some(run);
        }
        let children = children(&tasks, &run.name);
        run.state = reading::read(kind, object, &children);
        if let State::Ended(end) = &run.state
            && let Some(until) = end.finished.checked_add(TASKS_WITHIN).ok().filter(|until| *until > now)
            && !is_told(object, &children)
        {
            again = Some(again.map_or(until, |again| again.min(until)));
            run.state = State::Running { since: end.started.unwrap_or(run.created), waits: None };
        }
        Some(run)
    };
    let found = objects.iter().filter_map(read).collect();
    Some((found, again))
}

/// Returns a run of the trigger by its object alone; nothing for what is none.
fn known(kind: RunKind, maker: &Maker<'_>, object: &Value) -> Option<Run> {
    let metadata = &object["metadata"];
    let text = |field: &str| metadata[field].as_str();
    let (label, annotation) =
        (|key: &str| metadata["labels"][key].as_str(), |key: &str| metadata["annotations"][key].as_str());
    let name = text("name")?.to_owned();
    let (build, attempt) = naming::build_of(maker, &name, label, annotation).ok()?;
    Some(Run {
        name,
        uid: text("uid")?.to_owned(),
        resource_version: text("resourceVersion")?.to_owned(),
        kind,
        build,
        attempt,
        created: text("creationTimestamp")?.parse().ok()?,
        state: reading::read(kind, object, &[]),
        ending: is_ending(kind, object),
        deleting: text("deletionTimestamp").is_some(),
    })
}

/// Returns whether every TaskRun that a PipelineRun names is seen, and has ended.
fn is_told(run: &Value, children: &[Value]) -> bool {
    let over = |task: &Value| {
        let conditions = task["status"]["conditions"].as_array().into_iter().flatten();
        conditions.filter(|found| found["type"] == "Succeeded").any(|found| found["status"] != "Unknown")
    };
    let named = run["status"]["childReferences"].as_array().into_iter().flatten();
    let mut named = named.filter(|child| child["kind"] == "TaskRun").map(|child| &child["name"]);
    named.all(|name| children.iter().any(|task| task["metadata"]["name"] == *name && over(task)))
}

/// Returns a run as it was last seen, with its TaskRuns.
///
/// # Errors
/// It is not known.
pub(super) fn object(runs: &Runs, kind: RunKind, trigger: &TriggerName, name: &str) -> Result<Option<Object>, String> {
    let labelled = TriggerName::new(&trigger.namespace, &naming::label(trigger));
    let found = runs.of(&acting::watched(kind).gvk, &labelled)?;
    let tasks = match kind {
        RunKind::PipelineRun => runs.of(&acting::watched(RunKind::TaskRun).gvk, &labelled)?,
        RunKind::TaskRun | RunKind::Job => Vec::new(),
    };
    let found = found.into_iter().find(|run| run["metadata"]["name"] == name);
    Ok(found.map(|found| (found, children(&tasks, name))))
}

/// Returns the TaskRuns of a PipelineRun.
fn children(tasks: &[Arc<Value>], run: &str) -> Vec<Value> {
    let of = |task: &&Arc<Value>| task["metadata"]["labels"]["tekton.dev/pipelineRun"] == run;
    tasks.iter().filter(of).map(|task| Value::clone(task)).collect()
}

/// Returns whether somebody has asked a run to end.
fn is_ending(kind: RunKind, object: &Value) -> bool {
    match kind {
        RunKind::PipelineRun | RunKind::TaskRun => !object["spec"]["status"].is_null(),
        RunKind::Job => object["metadata"]["annotations"][plumb_core::trigger::manifest::CANCELLED].is_string(),
    }
}

/// Reads the newest commit that counts, and which components only plumb's own commits have changed since.
async fn read(
    builder: &Builder,
    settings: &Arc<Settings>,
    source: Source,
    (compared, memory): (Option<&str>, &Memory),
) -> Result<(Head, BTreeMap<ComponentName, InputsDigest>), Failure> {
    let (listings, settings) = (builder.listings.clone(), Arc::clone(settings));
    let compared = compared.and_then(|commit| CommitId::parse(commit).ok());
    let seen = |name: &ComponentName| memory.components.get(name)?.seen.as_ref()?.inputs.clone();
    let seen: Vec<Option<InputsDigest>> = settings.components.iter().map(seen).collect();
    let read = tokio::task::spawn_blocking(move || head(&listings, &settings, &source, compared.as_ref(), &seen));
    let read = read.await.map_err(|error| Failure { class: Class::Bug, message: error.to_string() })?;
    read.map_err(|error| Failure { class: error.class(), message: chain(&error) })
}

fn head(
    listings: &Listings,
    settings: &Arc<Settings>,
    source: &Source,
    compared: Option<&CommitId>,
    seen: &[Option<InputsDigest>],
) -> Result<(Head, BTreeMap<ComponentName, InputsDigest>), GitError> {
    let mirror = Mirror::open_or_create(&source.mirror)?;
    let newest = &source.revision.commit;
    let walked = mirror.first_parent_messages(newest, compared, STEPS_MAX, MESSAGE_MAX)?;
    let steps: Vec<Step> =
        walked.iter().map(|found| Step { commit: found.commit.clone(), part: Part::of(&found.message) }).collect();
    // Write-backs build nothing: what counts is what the newest of the other commits holds.
    let at = wanted::decisive(&steps);
    let (commit, committed) = (walked[at].commit.clone(), walked[at].committed);
    let digests = listings.digests(&mirror, &commit, settings)?;
    let differs = |(index, seen): (usize, &Option<InputsDigest>)| {
        let now = digests[index].clone()?;
        seen.as_ref().filter(|seen| **seen != now)?;
        Some((index, now))
    };
    let differ: Vec<(usize, InputsDigest)> = seen.iter().enumerate().filter_map(differs).collect();
    let mut absorbed = BTreeMap::new();
    if !differ.is_empty() && steps.iter().any(|step| step.part != Part::Change) {
        let mut read = BTreeMap::new();
        for commit in wanted::to_read(&steps) {
            read.insert(commit.clone(), listings.digests(&mirror, commit, settings)?);
        }
        for (index, now) in differ {
            let of_it: Readings = read.iter().map(|(id, digests)| (id.clone(), digests[index].clone())).collect();
            let before = Dealt::of(seen[index].clone());
            if let Wanted::Built(_) = wanted::wanted(&steps, &of_it, &before) {
                absorbed.insert(settings.components[index].clone(), now);
            }
        }
    }
    let components = settings.components.iter().cloned().zip(digests.iter().cloned()).collect();
    Ok((Head { commit, committed, passed_over: steps[at].part == Part::Skip, components }, absorbed))
}

/// Returns the build that a person asks for, unless it is handled; or why it can't be made.
async fn asked(
    builder: &Builder,
    settings: &Arc<Settings>,
    source: &Source,
    (pass, head): (&Pass, &Head),
) -> (Vec<Asked>, Option<(String, String)>) {
    let annotations = pass.resource.metadata.annotations.as_ref();
    let written = annotations.and_then(|annotations| annotations.get(request::BUILD));
    let Some(Request { id, commit, component, .. }) = written.and_then(|text| Request::parse(text)) else {
        return (Vec::new(), None);
    };
    if pass.state.status.handled.get(request::BUILD) == Some(&id) {
        return (Vec::new(), None);
    }
    let refused = |why: String| (Vec::new(), Some((id.clone(), why)));
    let component = match component.as_deref().map(ComponentName::parse).transpose() {
        Ok(component) => component,
        Err(error) => return refused(error.to_string()),
    };
    let commit = match commit.as_deref().map(CommitId::parse).transpose() {
        Ok(commit) => commit.unwrap_or_else(|| head.commit.clone()),
        Err(error) => return refused(error.to_string()),
    };
    let (listings, at, mirror) = (builder.listings.clone(), commit.clone(), source.mirror.clone());
    let (of, newest) = (Arc::clone(settings), source.revision.commit.clone());
    let read = tokio::task::spawn_blocking(move || {
        let mirror = Mirror::open_or_create(&mirror)?;
        // Only what the Repository's ref leads to: the mirror may hold what another one was allowed to read.
        if !mirror.leads_to(&newest, &at)? {
            return Err(GitError::CommitMissing { commit: at });
        }
        Ok((mirror.revision(&at)?.committed, listings.digests(&mirror, &at, &of)?))
    });
    match read.await {
        Ok(Ok((committed, digests))) => {
            let components = settings.components.iter().cloned().zip(digests.iter().cloned()).collect();
            (vec![Asked { id, component, commit, committed, components }], None)
        }
        Ok(Err(error @ GitError::CommitMissing { .. })) => refused(chain(&error)),
        // It stays asked for.
        Ok(Err(error)) if error.class() == Class::Retry => (Vec::new(), None),
        Ok(Err(error)) => refused(chain(&error)),
        Err(error) => refused(error.to_string()),
    }
}

/// What components read in trees, by tree and by what was asked for; clones share it.
#[derive(Clone, Default)]
pub(super) struct Listings(Arc<Mutex<VecDeque<Listing>>>);

/// What each component of some settings reads in a tree; nothing where no file is its own.
type Digests = Arc<Vec<Option<InputsDigest>>>;

/// Settings are made anew when a spec changes; those that are compared here are kept as long as that.
struct Listing {
    tree: TreeId,
    settings: Arc<Settings>,
    digests: Digests,
}

impl Listings {
    /// Returns what each component reads of a commit.
    fn digests(&self, mirror: &Mirror, commit: &CommitId, settings: &Arc<Settings>) -> Result<Digests, GitError> {
        let snapshot = mirror.snapshot(commit)?;
        let tree = snapshot.root();
        let kept = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let same = |listing: &&Listing| listing.tree == tree && Arc::ptr_eq(&listing.settings, settings);
        if let Some(found) = kept().iter().find(same) {
            return Ok(Arc::clone(&found.digests));
        }
        let digests = Arc::new(inputs::digests(&settings.paths, &snapshot.entries(Limits::default())?));
        let mut kept = kept();
        if kept.len() == LISTINGS_MAX {
            kept.pop_front();
        }
        kept.push_back(Listing { tree, settings: Arc::clone(settings), digests: Arc::clone(&digests) });
        Ok(digests)
    }
}
