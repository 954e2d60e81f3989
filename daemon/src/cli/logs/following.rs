//! Following a run: the logs of all its Pods as they come, until it has ended.
//!
//! Each Pod is followed by a task of its own, step after step, so that tasks that run side by side don't wait for one another. What a
//! stream that broke has not shown is read again from where it was.

use std::{collections::BTreeSet, time::Duration};

use plumb_cluster::{
    error::ApiError,
    logs::{Log, Part, Place},
};
use plumb_core::{
    class::Class,
    trigger::{
        anatomy::{self, Anatomy, Standing},
        run::RunKind,
    },
};
use serde_json::Value;
use tokio::{sync::mpsc, task::JoinSet, time::MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use super::{Printer, Wanted, begun, outcome, pod, title};
use crate::{
    chain::chain,
    cli::{Outcome, connection::Session, error::CliError, runs, screen, triggers::live::Live},
};

/// How often the run is read, and the Pod of a step that has yet to begin.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Lines that wait for the screen: who writes faster waits for who reads.
const LINES_WAITING: usize = 256;
/// How often the log of a container that has ended is asked for: kubelet may be starting.
const TRIES: u32 = 10;

/// What the followers of Pods tell.
enum Told {
    Line(String, Vec<u8>),
    Note(String),
    /// A step that there is.
    Step(String),
}

/// Follows a run until it has ended, and returns whether it has succeeded.
pub(super) async fn follow(session: &Session, live: Live, wanted: Wanted) -> Result<Outcome, CliError> {
    let (tell, mut told) = mpsc::channel(LINES_WAITING);
    let (mut run, mut steps) = (Run::new(session, live, wanted, tell), Vec::new());
    let printer = Printer::new();
    let mut looks = tokio::time::interval(LOOK_EVERY);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    run.begin()?;
    loop {
        if run.over.is_cancelled() && run.followers.is_empty() && told.is_empty() {
            run.wanted.check_step(&run.live.name, steps)?;
            return run.told();
        }
        tokio::select! {
            Some(news) = told.recv() => match news {
                Told::Line(title, text) => {
                    if !printer.line(&title, &text)? {
                        return Ok(Outcome::Yes);
                    }
                }
                Told::Note(note) => screen::remark(&screen::plain(&note))?,
                Told::Step(step) if steps.contains(&step) => {}
                Told::Step(step) => steps.push(step),
            },
            Some(joined) = run.followers.join_next() => joined.expect("because followers do not panic")?,
            _ = looks.tick(), if !run.over.is_cancelled() => run.look().await?,
        }
    }
}

/// A run that is followed.
struct Run<'a> {
    session: &'a Session,
    wanted: Wanted,
    live: Live,
    anatomy: Anatomy,
    /// It was deleted.
    gone: bool,
    /// It has ended: what has not begun by now never does.
    over: CancellationToken,
    /// Pods that have their follower.
    followed: BTreeSet<String>,
    followers: JoinSet<Result<(), CliError>>,
    tell: mpsc::Sender<Told>,
}

impl<'a> Run<'a> {
    fn new(session: &'a Session, live: Live, wanted: Wanted, tell: mpsc::Sender<Told>) -> Self {
        let (anatomy, over) = (live.anatomy(), CancellationToken::new());
        let (followed, followers) = (BTreeSet::new(), JoinSet::new());
        Self { session, wanted, live, anatomy, gone: false, over, followed, followers, tell }
    }

    /// Reads it anew, and follows what has begun since.
    async fn look(&mut self) -> Result<(), CliError> {
        match self.live.again(self.session).await {
            Ok(Some(newer)) => {
                self.anatomy = newer.anatomy();
                self.live = newer;
                self.begin()?;
            }
            Ok(None) => {
                self.gone = true;
                self.over.cancel();
            }
            // An API server that restarts.
            Err(CliError::Api(error)) if error.class() == Class::Retry => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Has every Pod followed that is not yet.
    fn begin(&mut self) -> Result<(), CliError> {
        self.wanted.check_task(&self.live.name, &self.anatomy)?;
        for task in self.anatomy.tasks.iter().filter(|task| self.wanted.is_task(task)) {
            for pod in &task.pods {
                if !self.followed.insert(pod.clone()) {
                    continue;
                }
                let follower = Follower {
                    session: self.session.clone(),
                    wanted: self.wanted.clone(),
                    tell: self.tell.clone(),
                    over: self.over.clone(),
                    kind: self.live.kind,
                    namespace: self.live.name.namespace.clone(),
                    pod: pod.clone(),
                    task: task.name.clone(),
                };
                self.followers.spawn(follower.run());
            }
        }
        if self.anatomy.standing.stage.is_final() {
            self.over.cancel();
        }
        Ok(())
    }

    /// Says how it ended.
    fn told(&self) -> Result<Outcome, CliError> {
        let Standing { stage, reason, .. } = &self.anatomy.standing;
        let state = runs::tone(*stage).paint(stage.label());
        let why = if reason.is_empty() { String::new() } else { screen::first_line(&format!(": {reason}")) };
        let deleted = if self.gone { "was deleted; it was " } else { "" };
        screen::remark(&format!("{}: {deleted}{state}{why}", self.live.name))?;
        Ok(if self.gone { Outcome::No } else { outcome(*stage) })
    }
}

/// Follows one Pod.
struct Follower {
    session: Session,
    wanted: Wanted,
    tell: mpsc::Sender<Told>,
    over: CancellationToken,
    kind: RunKind,
    namespace: String,
    pod: String,
    task: String,
}

/// How far a container is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Container {
    /// It writes.
    Running,
    /// It has ended.
    Ended,
    /// There is nothing to be read of it, and never will be.
    Absent,
}

impl Follower {
    /// Passes on what its steps write, one after the other.
    async fn run(self) -> Result<(), CliError> {
        let Some(found) = self.look().await? else {
            self.gone().await;
            return Ok(());
        };
        for (step, container) in anatomy::containers(&found) {
            // Nobody reads any more when that fails; the loop that reads ends all followers.
            let _ = self.tell.send(Told::Step(step.clone())).await;
            if self.wanted.is_step(&step) {
                let title = title(self.kind, &self.task, &step);
                self.step(&container, &title).await?;
            }
        }
        Ok(())
    }

    async fn step(&self, container: &str, title: &str) -> Result<(), CliError> {
        let mut part = Part { follow: true, tail: self.wanted.tail, after: Place::default() };
        let mut tries = 0;
        loop {
            let state = self.begun(container).await?;
            if state == Container::Absent {
                return Ok(());
            }
            part.follow = state == Container::Running;
            let failed = match self.session.cluster.log(&self.namespace, &self.pod, container, &part).await {
                Ok(mut log) => {
                    let (lines, failed) = self.pass_on(&mut log, (container, part.follow), title).await;
                    (part.after, part.tail) = (log.place().clone(), None);
                    // A log without times can't be taken up where it was.
                    if failed.is_none() && (state == Container::Ended || (lines > 0 && part.after == Place::default()))
                    {
                        return Ok(());
                    }
                    failed
                }
                Err(error) => Some(error),
            };
            let Some(error) = failed else {
                // It may end any moment: its state follows its log.
                tokio::time::sleep(LOOK_EVERY).await;
                continue;
            };
            tries += u32::from(state == Container::Ended);
            match error {
                ApiError::NotFound { .. } => {
                    self.gone().await;
                    return Ok(());
                }
                error if error.class() != Class::Retry => return Err(error.into()),
                error if tries >= TRIES => {
                    self.note(&format!("[{title}] can't be read: {}", chain(&error))).await;
                    return Ok(());
                }
                _ => tokio::time::sleep(LOOK_EVERY).await,
            }
        }
    }

    /// Passes on the lines of a log until it ends or breaks, or is silent although its container has ended; returns how many they were.
    async fn pass_on(
        &self,
        log: &mut Log,
        (container, follow): (&str, bool),
        title: &str,
    ) -> (usize, Option<ApiError>) {
        let mut lines = 0;
        let mut ended = std::pin::pin!(self.ended(container));
        loop {
            let next = tokio::select! {
                biased;
                next = log.next() => next,
                () = &mut ended, if follow => return (lines, None),
            };
            match next {
                Ok(Some(line)) => {
                    lines += 1;
                    let _ = self.tell.send(Told::Line(title.to_owned(), line.text)).await;
                }
                Ok(None) => return (lines, None),
                Err(error) => return (lines, Some(error)),
            }
        }
    }

    /// Waits until a container runs no more. Who follows its log hears of it there, unless the stream is dead, or its node is.
    async fn ended(&self, container: &str) {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let looked = self.look().await;
            if !looked.is_ok_and(|pod| pod.is_some_and(|pod| begun(&pod, container) == Some(false))) {
                return;
            }
        }
    }

    /// Waits until a container has begun, and returns how far it is.
    async fn begun(&self, container: &str) -> Result<Container, CliError> {
        loop {
            let Some(pod) = self.look().await? else {
                self.gone().await;
                return Ok(Container::Absent);
            };
            match begun(&pod, container) {
                Some(true) => return Ok(Container::Ended),
                Some(false) => return Ok(Container::Running),
                // Steps behind one that failed do not begin any more.
                None if self.over.is_cancelled()
                    || matches!(pod["status"]["phase"].as_str(), Some("Succeeded" | "Failed")) =>
                {
                    return Ok(Container::Absent);
                }
                None => tokio::time::sleep(LOOK_EVERY).await,
            }
        }
    }

    /// Reads the Pod, for as long as it takes; nothing if it is gone.
    async fn look(&self) -> Result<Option<Value>, CliError> {
        loop {
            match pod(&self.session, &self.namespace, &self.pod).await {
                Err(error) if error.class() == Class::Retry => tokio::time::sleep(LOOK_EVERY).await,
                looked => return Ok(looked?),
            }
        }
    }

    async fn gone(&self) {
        self.note(&format!("the Pod {} of {} is gone, and its logs with it", self.pod, self.task)).await;
    }

    async fn note(&self, note: &str) {
        let _ = self.tell.send(Told::Note(note.to_owned())).await;
    }
}
