//! The daemon's side of Git over the network: a pool of workers and the questions that can be asked.
//!
//! Owns: who waits for whom, deadlines, when a worker is reused or ended. It knows workers only as a reader and a writer,
//! so a simulation can answer in process.
//! Must never do: talk to a Git server itself, repeat a request that a worker has answered.

mod admission;
mod child;
mod line;

use std::{
    any::Any,
    io,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use plumb_core::commit::{CommitId, RefName};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time,
};

pub use self::child::WorkerCommand;
use self::{admission::Admission, line::Line};
use crate::{
    error::GitError,
    protocol::{Answer, Job, Request, Response, Target},
    push::{PushOutcome, RefUpdate},
    remote::{Advertised, RefSelector, Remote},
};

/// Requests after which a worker is replaced by a fresh one, against leaks in what it links; a start costs milliseconds.
const REQUESTS_PER_WORKER: u64 = 500;

/// The two ends of a running worker, and what ends it when dropped.
pub struct Connection {
    /// Its output.
    pub reader: Box<dyn AsyncRead + Send + Unpin>,
    /// Its input.
    pub writer: Box<dyn AsyncWrite + Send + Unpin>,
    /// Dropped with the connection: ends the process and removes its home.
    pub guard: Box<dyn Any + Send>,
}

/// Starts one worker. Production: [`WorkerCommand::spawner`]; a simulation: anything that answers.
pub type Spawner = Box<dyn Fn() -> io::Result<Connection> + Send + Sync>;

/// The pool; clones share it.
///
/// *Guarantees:* at most `limit` workers run at once. A server that hangs holds at most half of them and, once a deadline
/// has passed at it, one, until it answers again. One fetch at a time writes into a mirror. A request that is dropped ends
/// its worker.
#[derive(Clone)]
pub struct Workers {
    shared: Arc<Shared>,
}

struct Shared {
    spawn: Spawner,
    /// Longest idle first.
    idle: Mutex<Vec<Worker>>,
    limit: usize,
    admission: Admission,
}

struct Worker {
    line: Line,
    served: u64,
    /// The authorities that the process trusts besides the system's. It cannot forget them, so it is for these alone.
    authority: Option<String>,
    _guard: Box<dyn Any + Send>,
}

impl Workers {
    /// Makes a pool of at most `limit` workers (at least one); none is started yet.
    pub fn new(spawn: Spawner, limit: usize) -> Self {
        let limit = limit.max(1);
        let shared = Shared { spawn, idle: Mutex::default(), limit, admission: Admission::new(limit) };
        Self { shared: Arc::new(shared) }
    }

    /// Asks what one ref of the remote holds (`git ls-remote`).
    pub async fn advertised(&self, remote: &Remote, selector: &RefSelector) -> Result<Advertised, GitError> {
        found(self.request(remote, Job::Advertise(selector.clone())).await?)
    }

    /// Brings what the ref holds now into the mirror, and returns that: a push may have come since it was advertised.
    ///
    /// *Assumptions:* the mirror was made by [`Mirror::open_or_create`](crate::mirror::Mirror::open_or_create), and is this
    /// remote's own.
    pub async fn fetch(&self, remote: &Remote, mirror: &Path, what: &Advertised) -> Result<Advertised, GitError> {
        found(self.request(remote, Job::Fetch { mirror: mirror.to_owned(), what: what.clone() }).await?)
    }

    /// Makes sure that the mirror holds a commit which some ref that the remote lists leads to, and fetches it if need be.
    ///
    /// *Assumptions:* as for [`Workers::fetch`].
    ///
    /// *Errors:* `CommitNotListed` also for a commit that the mirror holds and no ref leads to any more.
    pub async fn pin(&self, remote: &Remote, mirror: &Path, commit: &CommitId) -> Result<Advertised, GitError> {
        found(self.request(remote, Job::Pin { mirror: mirror.to_owned(), commit: commit.clone() }).await?)
    }

    /// Brings one ref of any name, such as one of notes, into the mirror; nothing if the remote has none of this name.
    ///
    /// *Assumptions:* as for [`Workers::fetch`].
    pub async fn fetch_ref(
        &self,
        remote: &Remote,
        mirror: &Path,
        name: &RefName,
    ) -> Result<Option<CommitId>, GitError> {
        match self.request(remote, Job::FetchRef { mirror: mirror.to_owned(), name: name.clone() }).await? {
            Answer::Held(commit) => Ok(commit),
            _ => Err(foreign_answer()),
        }
    }

    /// Moves refs of the remote to commits of the mirror, each only if it holds what is expected (`git push` with a lease).
    ///
    /// *Guarantees:* no ref is moved that holds something else; after `Pushed` each holds its target. May be asked again
    /// after any error, as often as one likes: what was pushed already is `Pushed`. With several refs some may have been
    /// moved when one is refused.
    ///
    /// *Errors:* the remote could not be reached or did not answer; whether a ref was moved is then not known.
    pub async fn push(&self, remote: &Remote, mirror: &Path, updates: &[RefUpdate]) -> Result<PushOutcome, GitError> {
        match self.request(remote, Job::Push { mirror: mirror.to_owned(), updates: updates.to_vec() }).await? {
            Answer::Push(outcome) => Ok(outcome),
            _ => Err(foreign_answer()),
        }
    }

    async fn request(&self, remote: &Remote, job: Job) -> Result<Answer, GitError> {
        let seconds = remote.timeout.as_secs().max(1);
        let server = remote.url.server();
        let admitted = time::timeout(remote.timeout, self.shared.admission.admit(&server, job.writes())).await;
        let Ok(_place) = admitted else { return Err(GitError::Busy { url: remote.url.to_string(), seconds }) };
        let outcome = match time::timeout(remote.timeout, self.exchange(remote, job)).await {
            Ok(outcome) => outcome,
            // The worker was dropped with the exchange, and ends.
            Err(_) => Err(GitError::TimedOut { url: remote.url.to_string(), seconds }),
        };
        self.shared.admission.learn(&server, matches!(outcome, Err(GitError::TimedOut { .. })));
        outcome
    }

    async fn exchange(&self, remote: &Remote, job: Job) -> Result<Answer, GitError> {
        let kept = self.shared.kept(&remote.credentials.authority);
        if let Some(worker) = kept
            && let Ok(outcome) = self.ask(worker, remote, job.clone()).await
        {
            return outcome;
        }
        // There was none, or it died while it was idle (out of memory, say). Every job may be done twice.
        let fresh = (self.shared.spawn)().map_err(|error| failed(&error))?;
        let Connection { reader, writer, guard } = fresh;
        let authority = remote.credentials.authority.clone();
        let worker = Worker { line: Line::new(reader, writer), served: 0, authority, _guard: guard };
        self.ask(worker, remote, job).await.map_err(|error| failed(&error))?
    }

    /// Puts one request to a worker, which is kept only if all went well.
    async fn ask(&self, mut worker: Worker, remote: &Remote, job: Job) -> io::Result<Result<Answer, GitError>> {
        worker.served += 1;
        let request = Request { id: worker.served, target: Target::from(remote), job };
        let Response { id, outcome } = worker.line.exchange(&request).await?;
        if id != request.id {
            return Err(io::Error::other("its answer belongs to another request"));
        }
        if outcome.is_ok() && worker.served < REQUESTS_PER_WORKER {
            self.shared.keep(worker);
        }
        Ok(outcome)
    }
}

impl Shared {
    /// Takes an idle worker that trusts these authorities.
    fn kept(&self, authority: &Option<String>) -> Option<Worker> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let found = idle.iter().rposition(|worker| worker.authority == *authority)?;
        Some(idle.remove(found))
    }

    /// Keeps a worker for the next request; with many sets of authorities the one that idled longest makes room.
    fn keep(&self, worker: Worker) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.push(worker);
        if idle.len() > self.limit {
            idle.remove(0);
        }
    }
}

fn found(answer: Answer) -> Result<Advertised, GitError> {
    match answer {
        Answer::Advertised(found) => Ok(found),
        Answer::Held(_) | Answer::Push(_) => Err(foreign_answer()),
    }
}

fn foreign_answer() -> GitError {
    GitError::Worker { detail: "its answer is one to another job".into() }
}

fn failed(error: &io::Error) -> GitError {
    GitError::Worker { detail: error.to_string() }
}
