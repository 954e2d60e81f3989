//! The process that owns the tools of one control plane: `lab guard`.
//!
//! Lives in a session of its own, so that a Ctrl-C for its parent is none for the tools. Takes orders on stdin and
//! answers on stdout; when stdin closes, because the parent wants so or because it is gone for whatever reason, it kills
//! every tool and removes the folder. Tools are spawned by the main thread only, which their leash depends on.

pub(crate) mod layout;
pub(crate) mod order;
pub(crate) mod tool;

mod adopted;
mod flags;
mod leash;
mod plane;
mod probe;
mod tekton;

use std::error::Error;
use std::fs;
use std::io::{self, BufRead, Write};
use std::path::Path;
use std::thread;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use crate::planes::{self, Held, PlanesError, Purpose, Record};
use layout::Layout;
use order::{Answer, Order};
use plane::Plane;

/// How many orders may wait: the parent sends one and waits for its answer.
const WAITING_ORDERS: usize = 4;

/// Why a guard can't do its work.
#[derive(Debug, thiserror::Error)]
pub enum GuardError {
    /// The guard can't leave the session of its parent.
    #[error("a guard needs a session of its own: don't start `lab guard` by hand")]
    Session(#[source] io::Error),
    /// The control plane can't be recorded.
    #[error("recording the control plane failed")]
    Record(#[from] PlanesError),
    /// The system refuses what every process needs.
    #[error("setting up signals and input failed")]
    Io(#[from] io::Error),
}

/// Owns one control plane until stdin closes or a signal comes.
///
/// *Guarantees*: when it returns, whether with an error or not, every tool is dead and the folder is gone.
///
/// # Errors
/// When it could not begin; what goes wrong later is answered to the order that asked for it.
pub fn run(directory: &Path, purpose: Purpose) -> Result<(), GuardError> {
    let served = guard(directory, purpose);
    let removed = fs::remove_dir_all(directory);
    let held = served?;
    removed?;
    drop(held);
    Ok(())
}

/// Returns the record, to be dropped when the folder is gone.
fn guard(directory: &Path, purpose: Purpose) -> Result<Held, GuardError> {
    rustix::process::setsid().map_err(|error| GuardError::Session(error.into()))?;
    let held = planes::hold(&Record { purpose, guard: std::process::id(), directory: directory.to_owned() })?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let served = runtime.block_on(serve(Layout::new(directory.to_owned())));
    served?;
    Ok(held)
}

async fn serve(layout: Layout) -> io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut orders = read_orders();
    let mut plane = Plane::new(layout);
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            death = plane.death() => say(&Answer::Died { message: death.message() }),
            order = orders.recv() => {
                let Some(order) = order else { break };
                // Dropping a half-done order is safe: the plane knows every tool that it has started.
                let answer = tokio::select! {
                    _ = terminate.recv() => break,
                    _ = interrupt.recv() => break,
                    // The parent waits for the answer before it sends more: whatever comes now is the end.
                    _ = orders.recv() => break,
                    answer = obey(&mut plane, order) => answer,
                };
                say(&answer);
            }
        }
    }
    plane.end().await;
    Ok(())
}

/// Reads orders until stdin closes; a line that is no order ends it as well, since nobody sensible is talking.
fn read_orders() -> mpsc::Receiver<Order> {
    let (sender, orders) = mpsc::channel(WAITING_ORDERS);
    // A thread of its own: reading stdin blocks. It spawns no tool, so the tools' leash does not hang on it.
    thread::spawn(move || {
        for line in io::stdin().lock().lines().map_while(Result::ok) {
            let Ok(order) = serde_json::from_str(&line) else { return };
            if sender.blocking_send(order).is_err() {
                return;
            }
        }
    });
    orders
}

async fn obey(plane: &mut Plane, order: Order) -> Answer {
    let answer = match order {
        Order::Start { assets, node } => plane.start(&assets, node).await.map(|server| Answer::Up { server }),
        Order::InstallTekton { assets } => plane.install_tekton(&assets).await.map(|()| Answer::Done),
        Order::StopTekton { process } => plane.stop_tekton(process).await.map(|()| Answer::Done),
        Order::StartTekton { process } => plane.start_tekton(process).await.map(|()| Answer::Done),
        Order::StopApiServer => plane.stop_api_server().await.map(|()| Answer::Done),
        Order::StartApiServer => plane.start_api_server().await.map(|()| Answer::Done),
        Order::CompactStore => plane.compact_store().await.map(|()| Answer::Done),
        Order::Adopt { process } => plane.adopt(process).map(|()| Answer::Done),
        Order::AddUser { user, groups } => plane.add_user(&user, &groups).map(|kubeconfig| Answer::User { kubeconfig }),
    };
    answer.unwrap_or_else(|error| Answer::Failed { message: with_causes(&error) })
}

/// Returns an error and its causes in one line each.
fn with_causes(error: &dyn Error) -> String {
    let mut message = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        message.push_str(": ");
        message.push_str(&error.to_string());
        cause = error.source();
    }
    message
}

/// Writes one answer; a parent that no longer reads is about to close stdin too.
fn say(answer: &Answer) {
    let mut line = serde_json::to_string(answer).expect("because answers are plain data");
    line.push('\n');
    let mut stdout = io::stdout().lock();
    let _ = stdout.write_all(line.as_bytes()).and_then(|()| stdout.flush());
}
