//! Images that are to be written back: which of them, whence, and what a status keeps of what became of them.
//!
//! Each image of each successful build is asked about until there is an answer that stays; then not again, whatever becomes of the
//! place: what people put there is theirs. Must never do: judge a place (`plumb_core::trigger::write_back` does).

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use jiff::Timestamp;
use plumb_api::trigger::{WriteBack, WriteBackImage, WriteBackMode, WriteBackStatus, write_back};
use plumb_core::{
    class::Class,
    commit::{CommitId, RepoPath},
    operation::Failure,
    trigger::{
        image::{Image, ImageName, ImageRef},
        memory::{Attempted, Memory},
        name::ComponentName,
        place::{DocumentName, FieldPath, Form, Place},
        results::{self, Expected, ResultNames},
        run::Attempt,
        write_back::{Verdict, Wanted, Written},
    },
};
use serde_json::Value;

use super::{
    pass::Pass,
    writing::{Became, Want},
};
use crate::repositories::RepositoryName;

/// The outcome with which a person has to help.
const PROBLEM: &str = "Problem";
/// How long after a problem it is asked again: nothing tells that a file was mended or a result is there.
const PROBLEM_PAUSE: Duration = Duration::from_secs(60);

/// What a trigger writes back.
#[derive(Debug, Clone)]
pub(super) struct Images {
    /// Name of the Repository that takes it, in the trigger's namespace.
    pub(super) repository: String,
    pub(super) mode: WriteBackMode,
    pub(super) entries: Vec<Entry>,
}

/// One image and its place.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) component: ComponentName,
    pub(super) image: ImageName,
    pub(super) names: ResultNames,
    pub(super) place: Place,
}

/// An image that is asked about.
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    /// The Repository that takes it, and whether on a branch of its own.
    pub(crate) into: (RepositoryName, WriteBackMode),
    pub(crate) want: Want,
}

/// What became of one.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) wanted: Wanted,
    /// What of it stays; a failure is asked about again.
    pub(crate) became: Result<Became, Failure>,
    /// What is said of its pull request, where there is to be one.
    pub(crate) pull: Option<String>,
}

/// Reads what a trigger writes back; everything that is wrong goes into `wrong`.
pub(super) fn read(write_back: &WriteBack, components: &[ComponentName], wrong: &mut Vec<String>) -> Images {
    let WriteBack { repository, mode, images } = write_back;
    let mut entries: Vec<Entry> = Vec::with_capacity(images.len());
    for (index, image) in images.iter().enumerate() {
        let field = format!("spec.writeBack.images[{index}]");
        match entry(image, components) {
            Ok(entry) if entries.iter().any(|other| other.place == entry.place) => {
                wrong.push(format!("{field}: {} is there twice: name each place once", entry.place));
            }
            Ok(entry) => entries.push(entry),
            Err((below, message)) => wrong.push(format!("{field}{below}: {message}")),
        }
    }
    Images { repository: repository.clone(), mode: *mode, entries }
}

type Wrong = (&'static str, String);

fn entry(image: &WriteBackImage, components: &[ComponentName]) -> Result<Entry, Wrong> {
    let WriteBackImage { name, component, directory, file, field, document, form, results } = image;
    let component = match (component, components) {
        (Some(component), _) => components.iter().find(|known| known.as_str() == component).cloned(),
        (None, [only]) => Some(only.clone()),
        (None, _) => {
            return Err((".component", "there are several components: name the one that builds it".to_owned()));
        }
    };
    let component = component.ok_or((".component", "spec.components has none of this name".to_owned()))?;
    let image = ImageName::parse(name).map_err(|error| (".name", error.to_string()))?;
    let place = match (directory, file, field) {
        (Some(directory), None, None) => Place::Kustomize {
            directory: RepoPath::parse(directory).map_err(|error| (".in", error.to_string()))?,
            image: image.clone(),
        },
        (None, Some(file), Some(field)) => Place::Field {
            file: RepoPath::parse(file).map_err(|error| (".file", error.to_string()))?,
            document: document
                .as_ref()
                .map(|document| DocumentName { kind: document.kind.clone(), name: document.name.clone() }),
            path: FieldPath::parse(field).map_err(|error| (".field", error.to_string()))?,
            form: match form {
                None | Some(write_back::Form::Reference) => Form::Reference,
                Some(write_back::Form::Digest) => Form::Digest,
                Some(write_back::Form::Tag) => Form::Tag,
            },
        },
        _ => return Err(("", "write either in, or file and field".to_owned())),
    };
    place.files().map_err(|error| ("", error.to_string()))?;
    let write_back::ResultNames { url, digest } = results.clone().unwrap_or_default();
    Ok(Entry { component, image, names: ResultNames { url, digest }, place })
}

/// What is called for.
#[derive(Default)]
pub(super) struct Called {
    /// What is to be asked about.
    pub(super) asks: Vec<Ask>,
    /// What the status keeps.
    pub(super) statuses: Vec<WriteBackStatus>,
}

/// A run with its TaskRuns.
pub(super) type Object = (Arc<Value>, Vec<Value>);

/// Returns what is called for of what is remembered, of runs that are there, and of what has become of what was asked before.
pub(super) fn called_for(
    (images, pass): (&Images, &Pass),
    memory: &Memory,
    object: impl Fn(&str) -> Result<Option<Object>, String>,
    now: Timestamp,
) -> Called {
    let mut called = Called::default();
    for entry in &images.entries {
        let place = entry.place.to_string();
        let before = pass.state.status.write_backs.iter();
        let before =
            before.into_iter().find(|known| known.place == place && known.component == entry.component.as_str());
        let succeeded = memory.components.get(&entry.component).and_then(|known| known.succeeded.as_ref());
        let Some(succeeded) = succeeded else {
            called.statuses.extend(before.cloned());
            continue;
        };
        if before.is_some_and(|known| is_answer(known, succeeded, pass, now)) {
            called.statuses.extend(before.cloned());
            continue;
        }
        let answer = pass.answers.iter().find(|answer| {
            answer.wanted.place == entry.place
                && answer.wanted.component == entry.component
                && answer.wanted.attempt == succeeded.attempt()
        });
        if let Some(Answer { wanted, became: Ok(became), pull }) = answer {
            let told = told(before, &place, wanted, became, now);
            let pulled = pull.as_ref().map(|pull| format!(": {pull}")).unwrap_or_default();
            called.statuses.push(WriteBackStatus { message: format!("{}{pulled}", told.message), ..told });
            continue;
        }
        let run = succeeded.run.clone().unwrap_or_default();
        // What is not known is not gone.
        let Ok(object) = object(&run) else {
            called.statuses.extend(before.cloned());
            continue;
        };
        match wanted(entry, pass, (succeeded, run), object) {
            Ok(wanted) => {
                let into = ((pass.name.namespace.clone(), images.repository.clone()), images.mode);
                let built = succeeded.outcome.map_or(now, |(_, at)| at);
                let written = before.and_then(written);
                let want = Want { wanted, built, written, newest: Some(succeeded.attempt()) };
                called.asks.push(Ask { into, want });
                called.statuses.extend(before.cloned());
            }
            Err(message) => {
                let problem = status(before, (&entry.component, &place), succeeded.attempt(), PROBLEM, now);
                let same = before.filter(|before| before.outcome == PROBLEM && before.message == message);
                let at = same.map_or(problem.at.clone(), |same| same.at.clone());
                called.statuses.push(WriteBackStatus { message, at, ..problem });
            }
        }
    }
    called
}

/// Returns whether a status holds an answer that stays: a person may have helped with a problem.
fn is_answer(known: &WriteBackStatus, succeeded: &Attempted, pass: &Pass, now: Timestamp) -> bool {
    let same = (known.attempt, known.round) == (succeeded.number, succeeded.round);
    if !same || known.outcome != PROBLEM {
        return same;
    }
    let again = known.at.parse::<Timestamp>().ok().and_then(|at| at.checked_add(PROBLEM_PAUSE).ok());
    pass.state.status.observed_generation == pass.resource.metadata.generation && again.is_some_and(|again| now < again)
}

/// Returns when problems are looked at again; nothing where there are none.
pub(super) fn again(statuses: &[WriteBackStatus], now: Timestamp) -> Option<Timestamp> {
    let wrong = statuses.iter().any(|status| status.outcome == PROBLEM);
    now.checked_add(PROBLEM_PAUSE).ok().filter(|_| wrong)
}

/// Returns the image that is wanted at a place, or why it is not known.
fn wanted(
    entry: &Entry,
    pass: &Pass,
    (succeeded, run): (&Attempted, String),
    object: Option<Object>,
) -> Result<Wanted, String> {
    let (object, tasks) = object.ok_or_else(|| {
        format!("{run} is gone before its image was known: build it again (`plumb build {}`)", pass.name.name)
    })?;
    let expected = Expected { image: &entry.image, names: &entry.names, commit: &succeeded.build.commit };
    let image = results::image(&object, &tasks, &expected).map_err(|error| format!("{run}: {error}"))?;
    Ok(Wanted {
        namespace: pass.name.namespace.clone(),
        repository: pass.resource.spec.repository.clone(),
        component: entry.component.clone(),
        commit: succeeded.build.commit.clone(),
        committed: succeeded.build.committed,
        run,
        attempt: succeeded.attempt(),
        image,
        place: entry.place.clone(),
    })
}

/// Returns what a status says of the image that was put into a place last.
fn written(status: &WriteBackStatus) -> Option<Written> {
    let reference = ImageRef::parse(status.image.as_deref()?).ok()?;
    Some(Written {
        image: Image { name: reference.name, tag: reference.tag, digest: reference.digest? },
        source: CommitId::parse(status.source.as_deref()?).ok()?,
        attempt: Attempt { number: status.image_attempt?, round: status.image_round? },
        by: CommitId::parse(status.commit.as_deref()?).ok()?,
    })
}

fn status(
    before: Option<&WriteBackStatus>,
    (component, place): (&ComponentName, &str),
    attempt: Attempt,
    outcome: &str,
    now: Timestamp,
) -> WriteBackStatus {
    let before = before.cloned();
    let (image, source, image_attempt, image_round, commit) = before.map_or_else(Default::default, |before| {
        (before.image, before.source, before.image_attempt, before.image_round, before.commit)
    });
    WriteBackStatus {
        component: component.to_string(),
        place: place.to_owned(),
        attempt: attempt.number,
        round: attempt.round,
        outcome: outcome.to_owned(),
        message: String::new(),
        at: now.to_string(),
        image,
        source,
        image_attempt,
        image_round,
        commit,
    }
}

/// Returns what the status keeps of an answer.
fn told(
    before: Option<&WriteBackStatus>,
    place: &str,
    wanted: &Wanted,
    became: &Became,
    now: Timestamp,
) -> WriteBackStatus {
    let put = |outcome: &str, by: &CommitId| WriteBackStatus {
        image: Some(wanted.image.to_string()),
        source: Some(wanted.commit.to_string()),
        image_attempt: Some(wanted.attempt.number),
        image_round: Some(wanted.attempt.round),
        commit: Some(by.to_string()),
        ..status(before, (&wanted.component, place), wanted.attempt, outcome, now)
    };
    match became {
        Became::Written(by) => put("Written", by),
        Became::Proposed { branch, commit: _ } => WriteBackStatus {
            message: format!("waits on branch {} to be merged", branch.short()),
            ..status(before, (&wanted.component, place), wanted.attempt, "Proposed", now)
        },
        Became::Not(Verdict::Already { by: Some(by) }) => put("Already", by),
        Became::Not(verdict) => WriteBackStatus {
            message: verdict.to_string(),
            ..status(before, (&wanted.component, place), wanted.attempt, outcome(verdict), now)
        },
    }
}

/// Returns the word for a verdict in statuses and Events.
pub(super) fn outcome(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Write => "Written",
        Verdict::Already { .. } => "Already",
        Verdict::Pinned(_) => "Pinned",
        Verdict::Reverted(_) => "Reverted",
        Verdict::RolledBack { .. } => "RolledBack",
        Verdict::Backward { .. } => "Backward",
        Verdict::Problem(_) => PROBLEM,
    }
}

/// Returns the runs that have to stay until their images are written back.
pub(super) fn unwritten(images: &Images, pass: &Pass, memory: &Memory) -> BTreeSet<String> {
    let open = |entry: &Entry| {
        let succeeded = memory.components.get(&entry.component)?.succeeded.as_ref()?;
        let place = entry.place.to_string();
        let known = pass.state.status.write_backs.iter().any(|known| {
            known.place == place
                && known.component == entry.component.as_str()
                && (known.attempt, known.round) == (succeeded.number, succeeded.round)
        });
        succeeded.run.clone().filter(|_| !known)
    };
    images.entries.iter().filter_map(open).collect()
}

/// Returns what is wrong with write-backs, as a status says it.
pub(super) fn problems(statuses: &[WriteBackStatus]) -> Vec<Failure> {
    let wrong = statuses.iter().filter(|status| status.outcome == PROBLEM);
    let message = |status: &WriteBackStatus| format!("{} of {}: {}", status.place, status.component, status.message);
    wrong.map(|status| Failure { class: Class::Wait, message: message(status) }).collect()
}
