//! The child's side: what `plumb git-worker` runs.
//!
//! Owns: all talk with Git servers. It reads one request per line, does it on a thread of its own, and writes one answer.
//! When its input closes (the daemon is gone, or has given the request up) it returns at once, even while a server keeps that
//! thread waiting; the process then ends and takes the thread with it. Only a ref of a repository on this machine that is just
//! being moved is moved to the end.
//! Must never do: outlive the daemon, take a secret from anywhere but its input, decide when to try again.

mod advertised;
mod certificate;
mod closing;
mod conversation;
mod fault;
mod identity;
mod local;
mod smart;

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    panic::{self, AssertUnwindSafe},
    path::PathBuf,
    sync::mpsc::{self, Receiver, SyncSender},
    thread,
};

use closing::Closing;
use rustix::process::{Resource, Rlimit, setrlimit};

use crate::{
    error::GitError,
    globals,
    protocol::{Answer, MAX_LINE_BYTES, Request, Response},
};

/// Most memory that a worker takes for itself: what a server sends, an index of millions of objects or a delta without end,
/// costs the worker and not the machine. Mirrors that are read through the page cache do not count.
const MEMORY_MAX_BYTES: u64 = 1 << 30;

/// Bounds the memory of this process. A worker that needs more ends, and its request fails.
///
/// *Errors:* the system does not allow the limit.
pub fn limit_memory() -> io::Result<()> {
    let limit = Rlimit { current: Some(MEMORY_MAX_BYTES), maximum: Some(MEMORY_MAX_BYTES) };
    Ok(setrlimit(Resource::Data, limit)?)
}

/// What a worker is told when it starts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    /// Local repositories that may belong to another user, as Git's `safe.directory`; `*` means all.
    pub safe_directories: Vec<PathBuf>,
}

/// Answers requests until the input closes.
///
/// *Guarantees:* answers come in the order of the requests; nothing but answers is written to `output`.
///
/// *Errors:* a line that is no request or is too long, an output that is closed, a scratch directory that cannot be made.
pub fn serve(input: impl Read, output: impl Write + Send + 'static, settings: Settings) -> io::Result<()> {
    globals::prepare();
    let scratch = smart::Scratch::new()?;
    // One request waits at most: the daemon sends the next only after the answer.
    let (requests, queue) = mpsc::sync_channel::<Request>(1);
    let closing = Closing::default();
    let desk = Desk { settings, scratch, closing: closing.clone() };
    thread::Builder::new().name("git".into()).spawn(move || perform(&queue, output, &desk))?;
    let read = read(input, &requests);
    closing.close();
    read
}

/// What a worker works with.
struct Desk {
    settings: Settings,
    scratch: smart::Scratch,
    closing: Closing,
}

/// Passes requests on until the input closes.
fn read(input: impl Read, requests: &SyncSender<Request>) -> io::Result<()> {
    let mut input = BufReader::new(input);
    let mut line = Vec::new();
    loop {
        line.clear();
        let limit = u64::try_from(MAX_LINE_BYTES).unwrap_or(u64::MAX);
        if input.by_ref().take(limit).read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        if line.last() != Some(&b'\n') {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a request was cut off or is too long"));
        }
        let request = serde_json::from_slice(&line)
            .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "a line is not a request"))?;
        requests.send(request).map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
    }
}

fn perform(queue: &Receiver<Request>, mut output: impl Write, desk: &Desk) {
    for Request { id, target, job } in queue {
        let work = || {
            target.into_remote().and_then(|remote| match remote.url.local_path() {
                Some(path) => local::perform(&remote, path, &job, desk),
                None => smart::perform(&remote, &job, &desk.scratch),
            })
        };
        // Without an answer the daemon would wait for the deadline.
        let outcome = panic::catch_unwind(AssertUnwindSafe(work))
            .unwrap_or_else(|_| Err(GitError::Worker { detail: "it panicked; its standard error says where".into() }));
        if answer(&mut output, id, outcome).is_err() {
            // The daemon has gone; the reading thread sees its end of input.
            return;
        }
    }
}

fn answer(output: &mut impl Write, id: u64, outcome: Result<Answer, GitError>) -> io::Result<()> {
    let mut line = serde_json::to_vec(&Response { id, outcome })?;
    line.push(b'\n');
    output.write_all(&line)?;
    output.flush()
}
