//! Writing images back: one commit for all that goes into a branch, pushed with the id that was read.
//!
//! What was pushed and whose answer was lost is found there at the next try; where somebody else was faster, it is read and
//! judged again. Must never do: force, build on a commit whose signature nobody has judged, or write without a tenure.

mod composing;
#[cfg(test)]
mod tests;

use std::{path::PathBuf, sync::Arc, time::Duration};

use futures::future::BoxFuture;
use plumb_api::Repository;
use plumb_cluster::tenure::Tenure;
use plumb_core::{
    backoff,
    class::Class,
    commit::{CommitId, RefName},
    operation::Failure,
    person::Person,
    rollback::hold::RecordsEnd,
    trigger::{
        run::Attempt,
        write_back::{Verdict, Wanted, Written},
    },
};
use plumb_git::{
    draft::Sign,
    error::GitError,
    push::{PushOutcome, RefUpdate},
    remote::Remote,
};
use plumb_signature::SigningKey;

use crate::{
    chain::chain,
    clock::Clock,
    publisher::{remote, signing},
    repositories::Ground,
    source::Source,
    trust::Demand,
};
use composing::{Composed, compose};

/// Times a commit is made anew on what somebody else has pushed in between, before it waits like any failure.
const RACES_MAX: u32 = 8;

/// The pause before the first of these: whoever was faster has just finished. It doubles, up to two and a half seconds.
const PAUSE_FIRST: Duration = Duration::from_millis(20);

/// An image that is to be put into a place, with what is remembered of it.
#[derive(Debug, Clone)]
pub(crate) struct Want {
    /// The image and the place.
    pub(crate) wanted: Wanted,
    /// When its run ended: the commit has the time of its newest image, so that it is the same one each time.
    pub(crate) built: jiff::Timestamp,
    /// What the trigger's status says was written there last.
    pub(crate) written: Option<Written>,
    /// The newest build of the component that is known to have succeeded.
    pub(crate) newest: Option<Attempt>,
}

/// Where images are written to.
#[derive(Debug, Clone)]
pub(crate) enum Onto {
    /// The branch that is followed.
    Branch(RefName),
    /// A branch of plumb's own, for people to look at, which begins at the one that is followed.
    Aside {
        /// The branch that is followed.
        followed: RefName,
        /// What stands in front of the name of the new one; the rest is told by what is written.
        prefix: String,
    },
}

/// What became of one want.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Became {
    /// This commit of the branch has put it there.
    Written(CommitId),
    /// This commit, on a branch of its own, puts it there once somebody merges it.
    Proposed {
        /// The branch.
        branch: RefName,
        /// The commit.
        commit: CommitId,
    },
    /// Nothing was written for it; why is never `Verdict::Write`.
    Not(Verdict),
}

/// All that is needed for writing to one repository.
pub(crate) struct Desk<'a> {
    remote: Remote,
    mirror: PathBuf,
    person: Person,
    key: Arc<Option<SigningKey>>,
    demand: Demand,
    /// The commit whose signature was judged: another one is built on only where none is asked for.
    trusted: CommitId,
    records: Option<RecordsEnd>,
    clock: Clock,
    tenure: Tenure,
    /// Brings a ref into the mirror.
    fetch: Fetch<'a>,
    /// Moves a ref of the remote.
    push: Push<'a>,
}

type Fetch<'a> = Box<dyn Fn(RefName) -> BoxFuture<'a, Result<Option<CommitId>, GitError>> + Send + Sync + 'a>;
type Push<'a> = Box<dyn Fn(RefUpdate) -> BoxFuture<'a, Result<PushOutcome, GitError>> + Send + Sync + 'a>;

/// Returns what is needed for writing to a Repository, whose newest commit was found there.
///
/// # Errors
/// Its address, its Secrets or `spec.commit` can't be used.
pub(crate) async fn desk<'a>(
    ground: &'a Ground,
    resource: &Repository,
    source: &Source,
    records: Option<RecordsEnd>,
    tenure: &Tenure,
) -> Result<Desk<'a>, Failure> {
    let remote = remote(ground, resource).await?;
    let key = Arc::new(signing::key(&ground.cluster, resource).await?);
    let author = resource.spec.commit.clone().unwrap_or_default().author;
    let person = Person::parse(&author).map_err(|error| wait(format!("spec.commit.author: {error}")))?;
    let mirror = source.mirror.clone();
    let (to, at) = (remote.clone(), mirror.clone());
    let fetch: Fetch<'a> = Box::new(move |name| {
        let (to, at) = (to.clone(), at.clone());
        Box::pin(async move { ground.workers.fetch_ref(&to, &at, &name).await })
    });
    let (to, at) = (remote.clone(), mirror.clone());
    let push: Push<'a> = Box::new(move |update| {
        let (to, at) = (to.clone(), at.clone());
        Box::pin(async move { ground.push(&to, &at, &update).await })
    });
    Ok(Desk {
        remote,
        mirror,
        person,
        key,
        demand: source.demand.clone(),
        trusted: source.revision.commit.clone(),
        records,
        clock: ground.clock.clone(),
        tenure: tenure.clone(),
        fetch,
        push,
    })
}

impl Desk<'_> {
    /// Writes what may be written of some wants in one commit, and returns what became of each, in their order.
    ///
    /// *Guarantees:* nothing that somebody else has pushed is lost; an image is put in once, however often it is asked for.
    ///
    /// # Errors
    /// Nothing is known to be written; what was pushed and not answered is found as `Already` at the next try.
    pub(crate) async fn write(&self, onto: &Onto, wants: Vec<Want>) -> Result<Vec<Became>, Failure> {
        let (Onto::Branch(followed) | Onto::Aside { followed, .. }) = onto;
        let wants = Arc::new(wants);
        for race in 1..=RACES_MAX {
            let head = (self.fetch)(followed.clone()).await.map_err(|error| failed(&error))?;
            let head = head.ok_or_else(|| {
                wait(format!("{} has no branch {}; push a first commit to it", self.remote.url, followed.short()))
            })?;
            if self.demand != Demand::Nothing && head != self.trusted {
                let message = format!("commit {} is to be verified before an image is written onto it", head.short());
                return Err(Failure { class: Class::Retry, message });
            }
            let Composed { verdicts, commit, content } = self.compose(&head, &wants).await?;
            let Some(commit) = commit else { return Ok(verdicts.into_iter().map(Became::Not).collect()) };
            if !self.tenure.is_valid() {
                let message = "another replica writes now".to_owned();
                return Err(Failure { class: Class::Retry, message });
            }
            let target = match onto {
                Onto::Branch(branch) => branch.clone(),
                Onto::Aside { prefix, .. } => RefName::branch(&format!("{prefix}-{content}"))
                    .map_err(|error| wait(format!("no branch can be made of it: {error}")))?,
            };
            let expected = matches!(onto, Onto::Branch(_)).then(|| head.clone());
            let update = RefUpdate { name: target.clone(), expected, target: commit.clone() };
            match (self.push)(update).await {
                Ok(PushOutcome::Pushed) => return Ok(became(verdicts, onto, &target, &commit)),
                // The name of a branch of plumb's own tells what it puts in: a try before this one has made it.
                Ok(PushOutcome::Raced { actual: Some(actual), .. }) if matches!(onto, Onto::Aside { .. }) => {
                    return Ok(became(verdicts, onto, &target, &actual));
                }
                Ok(PushOutcome::Raced { .. }) => {}
                Ok(PushOutcome::Refused { name, message }) => {
                    let url = &self.remote.url;
                    return Err(wait(format!(
                        "{url} does not take {name}: {message}; allow plumb to push there, or set spec.writeBack.mode to Branch"
                    )));
                }
                // It may have landed: the next look shows it.
                Err(error) if error.class() == Class::Retry && race < RACES_MAX => {}
                Err(error) => return Err(failed(&error)),
            }
            let pause = PAUSE_FIRST.saturating_mul(2_u32.saturating_pow(race - 1));
            tokio::time::sleep(backoff::jittered(pause, self.clock.random())).await;
        }
        let message = format!("{} of {} is written by others at each try", followed.short(), self.remote.url);
        Err(Failure { class: Class::Retry, message })
    }

    /// Judges the wants at one commit, and makes the commit that follows it.
    async fn compose(&self, head: &CommitId, wants: &Arc<Vec<Want>>) -> Result<Composed, Failure> {
        let (mirror, head, wants) = (self.mirror.clone(), head.clone(), Arc::clone(wants));
        let (person, key, records) = (self.person.clone(), Arc::clone(&self.key), self.records.clone());
        let (demand, now) = (self.demand.clone(), self.clock.now());
        let composed = tokio::task::spawn_blocking(move || {
            let sign =
                key.as_ref().as_ref().map(|key| move |bytes: &[u8]| key.sign(bytes).map_err(|error| error.to_string()));
            let sign = sign.as_ref().map(|sign| sign as &Sign<'_>);
            let composed = compose(&mirror, &head, &wants, &person, records.as_ref(), sign);
            let composed = composed.map_err(|error| failed(&error))?;
            match &composed.commit {
                Some(commit) => trusted(&mirror, commit, &demand, now).map(|()| composed),
                None => Ok(composed),
            }
        });
        composed.await.map_err(|error| Failure { class: Class::Bug, message: error.to_string() })?
    }
}

/// Makes sure that a commit of plumb's own would be applied.
fn trusted(mirror: &std::path::Path, commit: &CommitId, demand: &Demand, now: jiff::Timestamp) -> Result<(), Failure> {
    let opened = plumb_git::mirror::Mirror::open_or_create(mirror).map_err(|error| failed(&error))?;
    let revision = opened.revision(commit).map_err(|error| failed(&error))?;
    demand.judge(mirror, &revision, now).map(drop).map_err(|doubt| {
        // Nobody can look at a commit that is not pushed, and its id would make each try another story.
        let why = doubt.failure().message.replacen(&format!("commit {} ", commit.short()), "the commit ", 1);
        let Failure { class, .. } = doubt.failure();
        Failure {
            class: *class,
            message: format!("images are not written, since the commit would not be trusted: {why}"),
        }
    })
}

fn became(verdicts: Vec<Verdict>, onto: &Onto, target: &RefName, commit: &CommitId) -> Vec<Became> {
    let one = |verdict| match (verdict, onto) {
        (Verdict::Write, Onto::Branch(_)) => Became::Written(commit.clone()),
        (Verdict::Write, Onto::Aside { .. }) => Became::Proposed { branch: target.clone(), commit: commit.clone() },
        (verdict, _) => Became::Not(verdict),
    };
    verdicts.into_iter().map(one).collect()
}

fn failed(error: &GitError) -> Failure {
    Failure { class: error.class(), message: chain(error) }
}

fn wait(message: String) -> Failure {
    Failure { class: Class::Wait, message }
}
