//! Images on their way into environment repositories: one commit at a time for each of them, with all that waits for it.
//!
//! Persists nothing: a trigger asks until its status holds an answer, and what was pushed by a process that died is found there.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use plumb_api::{Repository, trigger::WriteBackMode};
use plumb_cluster::tenure::Tenure;
use plumb_core::{
    backoff,
    class::Class,
    commit::RefName,
    operation::Failure,
    trigger::{name::TriggerName, place::Place, run::Attempt, write_back::message},
};
use tokio::time::Instant;

use super::{Ended, Loop};
use crate::{
    forge,
    repositories::{Ground, RepositoryName},
    source::Source,
    triggers::{
        images::{Answer, Ask},
        writing::{self, Became, Onto, Want},
    },
};

/// How long others are waited for that may finish in the same moment: components of one push are one commit then.
const GATHERS: Duration = Duration::from_millis(300);
/// Images in one commit; the others follow in the next.
const WANTS_MAX: usize = 256;

/// What a branch of plumb's own begins with.
const PREFIX: &str = "plumb/images";

/// What is written to: a repository, and whether its own branch or one for review.
pub(super) type Target = (RepositoryName, WriteBackMode);

/// What tells one want from others.
type Key = (TriggerName, Place);

/// What waits for one repository.
#[derive(Default)]
pub(super) struct Writing {
    wants: BTreeMap<Key, (Want, Tenure)>,
    /// Not before.
    due: Option<Instant>,
    /// What is being written.
    under_way: Vec<(Key, Attempt)>,
    failures: u32,
}

/// What became of one commit.
pub(super) struct Wrote {
    target: Target,
    asked: Vec<(TriggerName, Want)>,
    became: Result<Vec<Became>, Failure>,
    pull: Option<String>,
}

impl Loop {
    /// Takes in what a trigger asks for; what it asked for before and does no longer is forgotten.
    pub(super) fn ask_to_write(&mut self, name: &TriggerName, asks: Vec<Ask>, tenure: &Tenure) {
        self.forget_writes(name);
        for Ask { into, want } in asks {
            let writing = self.writing.entry(into).or_default();
            let key = (name.clone(), want.wanted.place.clone());
            if writing.under_way.contains(&(key.clone(), want.wanted.attempt)) {
                continue;
            }
            writing.wants.insert(key, (want, tenure.clone()));
            writing.due.get_or_insert_with(|| Instant::now() + GATHERS);
        }
        self.writing
            .retain(|_, writing| !writing.under_way.is_empty() || writing.failures > 0 || !writing.wants.is_empty());
    }

    /// Forgets what a trigger has asked for, as far as it is not under way.
    pub(super) fn forget_writes(&mut self, name: &TriggerName) {
        for writing in self.writing.values_mut() {
            writing.wants.retain(|(trigger, _), _| trigger != name);
        }
    }

    /// Returns when the next commit is called for.
    pub(super) fn next_write(&self) -> Option<Instant> {
        let waits = self.writing.values().filter(|writing| writing.under_way.is_empty() && !writing.wants.is_empty());
        waits.filter_map(|writing| writing.due).min()
    }

    /// Starts every commit that is called for.
    pub(super) fn start_writes(&mut self) {
        let now = Instant::now();
        for (target, writing) in &mut self.writing {
            let free = writing.under_way.is_empty() && !writing.wants.is_empty();
            let called_for = free && writing.due.is_some_and(|due| due <= now);
            if !called_for {
                continue;
            }
            // Who has another trigger now asks for it itself.
            writing.wants.retain(|_, (_, tenure)| tenure.is_valid());
            let keys: Vec<Key> = writing.wants.keys().take(WANTS_MAX).cloned().collect();
            let taken: Vec<_> = keys.into_iter().filter_map(|key| writing.wants.remove_entry(&key)).collect();
            let Some((_, (_, tenure))) = taken.first() else { continue };
            let tenure = tenure.clone();
            writing.under_way = taken.iter().map(|(key, (want, _))| (key.clone(), want.wanted.attempt)).collect();
            writing.due = None;
            let asked: Vec<(TriggerName, Want)> =
                taken.into_iter().map(|((trigger, _), (want, _))| (trigger, want)).collect();
            let (ground, target) = (self.ground.clone(), target.clone());
            let (namespace, name) = &target.0;
            let tracked = self.repositories.get(&target.0);
            let place = match tracked.map(|tracked| (&tracked.resource, &tracked.source, &tracked.failure)) {
                None => {
                    let remedy = "create it, or correct spec.writeBack.repository";
                    Err(format!("there is no Repository {namespace}/{name}: {remedy}"))
                }
                Some((resource, Some(source), _)) => Ok((Arc::clone(resource), source.clone())),
                Some((_, None, Some(failure))) => Err(format!("Repository {namespace}/{name}: {}", failure.message)),
                Some((_, None, None)) => Err(format!("Repository {namespace}/{name} has yet to be read")),
            };
            let place = place.map_err(|message| Failure { class: Class::Retry, message });
            self.tasks.spawn(async move {
                let wants: Vec<Want> = asked.iter().map(|(_, want)| want.clone()).collect();
                let (became, pull) = match place {
                    Ok((resource, source)) => write(&ground, (&resource, &source), target.1, wants, &tenure).await,
                    Err(failure) => (Err(failure), None),
                };
                Ended::Wrote(Box::new(Wrote { target, asked, became, pull }))
            });
        }
    }

    /// Hands what became of a commit to those who asked for it, and has the branch looked at.
    pub(super) fn wrote(&mut self, wrote: Wrote) {
        let Wrote { target, asked, became, pull } = wrote;
        let random = self.context.clock.random();
        if let Some(writing) = self.writing.get_mut(&target) {
            writing.under_way.clear();
            match &became {
                Ok(_) => writing.failures = 0,
                Err(failure) => {
                    writing.failures += 1;
                    writing.due = Some(Instant::now() + backoff::delay(failure.class, writing.failures, random));
                }
            }
            if !writing.wants.is_empty() {
                writing.due.get_or_insert_with(Instant::now);
            }
        }
        let moved = became.iter().flatten().any(|became| matches!(became, Became::Written(_)));
        if let Some(tracked) = self.repositories.get(&target.0).filter(|_| moved) {
            tracked.follower.look();
        }
        let each: Vec<Result<Became, Failure>> = match became {
            Ok(each) => each.into_iter().map(Ok).collect(),
            Err(failure) => asked.iter().map(|_| Err(failure.clone())).collect(),
        };
        for ((trigger, want), became) in asked.into_iter().zip(each) {
            self.builds.answered(&trigger, Answer { wanted: want.wanted, became, pull: pull.clone() });
        }
    }
}

/// Writes into one repository, and asks for a pull request where that is called for; returns what is said of it.
async fn write(
    ground: &Ground,
    (resource, source): (&Repository, &Source),
    mode: WriteBackMode,
    wants: Vec<Want>,
    tenure: &Tenure,
) -> (Result<Vec<Became>, Failure>, Option<String>) {
    let images: Vec<_> = wants.iter().map(|want| (want.wanted.component.clone(), want.wanted.image.clone())).collect();
    let written = async {
        let followed = branch(source.revision.reference.clone())?;
        let onto = match mode {
            WriteBackMode::Commit => Onto::Branch(followed.clone()),
            WriteBackMode::Branch => Onto::Aside { followed: followed.clone(), prefix: PREFIX.to_owned() },
        };
        let desk = writing::desk(ground, resource, source, None, tenure).await?;
        Ok((desk.write(&onto, wants).await?, followed))
    };
    let (became, followed) = match written.await {
        Ok(written) => written,
        Err(failure) => return (Err(failure), None),
    };
    let proposed = became.iter().zip(&images).filter_map(|(became, (component, image))| match became {
        Became::Proposed { branch, .. } => Some((branch, (component, image))),
        Became::Written(_) | Became::Not(_) => None,
    });
    let (branches, images): (Vec<_>, Vec<_>) = proposed.unzip();
    let (Some(branch), true) = (branches.first(), resource.spec.pull_requests.is_some()) else {
        return (Ok(became), None);
    };
    match forge::propose(&ground.cluster, resource, tenure, &message::proposal(&images, branch, &followed)).await {
        Ok(said) => (Ok(became), Some(said)),
        // The branch is there: it is found again, and the request made again.
        Err(failure) if failure.class == Class::Retry => (Err(failure), None),
        Err(failure) => (Ok(became), Some(format!("no pull request: {}", failure.message))),
    }
}

/// Returns the branch that is written to.
fn branch(reference: Option<RefName>) -> Result<RefName, Failure> {
    let branch = reference.filter(|name| name.as_str().starts_with("refs/heads/"));
    let message = "spec.writeBack.repository follows no branch, and images can be written to nothing else: give it spec.ref.branch";
    branch.ok_or_else(|| Failure { class: Class::Wait, message: message.to_owned() })
}
