//! `lab up`: a control plane to play with, for as long as the command runs.
#![allow(clippy::print_stdout)]

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::bail;
use clap::Args;
use lab::ControlPlane;
use lab::assets;
use lab::control_plane::Settings;
use lab::node::Node;
use lab::planes::Purpose;
use lab::progress::Stderr;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// How often it is looked at whether a tool has died: soon enough for a person who waits for an answer of kubectl.
const WATCH: Duration = Duration::from_secs(1);

/// Start a control plane and keep it until Ctrl-C.
///
/// Prints the line that points kubectl at it. Pods run on kwok: they become ready at once, and images whose names begin
/// with lab/ behave badly on purpose: lab/broken can't be pulled, lab/crash crashes, lab/slow takes five seconds.
/// Everything is ended and removed when this command ends, however it ends.
#[derive(Debug, Args)]
pub(crate) struct Up {
    /// Keep the cluster's files in this folder, which must be new or empty; it is removed at the end.
    #[arg(long, value_name = "DIR")]
    directory: Option<PathBuf>,
    /// Put Tekton Pipelines on it: the real controller and webhook.
    ///
    /// The step Pods of its tasks run on kwok too. Their images decide how they end: lab/build:ok, lab/build:fail,
    /// lab/build:slow (after five seconds), lab/build:hang (never), lab/build:broken (can't be pulled). Annotations of the
    /// run say more: lab.plumb.dev/takes, lab.plumb.dev/image-url, lab.plumb.dev/result.NAME.
    ///
    /// Tekton's processes listen on every address of this machine, one of them on port 8080 if that is free: they know no
    /// other way.
    #[arg(long)]
    tekton: bool,
}

impl Up {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let begun = Instant::now();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        // From before the first line on: whoever has read it may end the command.
        let signals = runtime.block_on(async { Signals::listen() })?;
        let settings = Settings { directory: self.directory, node: Node::Kwok, purpose: Purpose::Person };
        if self.tekton {
            // Before anything runs: a first build takes minutes, and who can't build learns it at once.
            assets::obtain_tekton(&Stderr::default())?;
        }
        let plane = ControlPlane::start_with(&settings)?;
        if self.tekton {
            plane.install_tekton()?;
        }
        println!("A control plane is up after {:.1} s: {}", begun.elapsed().as_secs_f64(), plane.server());
        println!("\n  export KUBECONFIG={}\n", plane.kubeconfig().display());
        if self.tekton {
            println!("Tekton Pipelines is on it; runs end as the images of their steps say (`cargo lab up --help`)");
        }
        println!("kubectl: {}", plane.kubectl_binary().display());
        println!("Ctrl-C ends it and removes {}", plane.directory().display());
        runtime.block_on(until_ended(&plane, signals))
    }
}

/// What ends the command.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
}

impl Signals {
    fn listen() -> std::io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }
}

/// Waits for Ctrl-C, a request to end, or the death of a tool.
async fn until_ended(plane: &ControlPlane, mut signals: Signals) -> anyhow::Result<()> {
    let mut watch = tokio::time::interval(WATCH);
    loop {
        tokio::select! {
            _ = signals.interrupt.recv() => return Ok(()),
            _ = signals.terminate.recv() => return Ok(()),
            _ = signals.hang_up.recv() => return Ok(()),
            _ = watch.tick() => {}
        }
        if !plane.is_up() {
            if plane.directory().exists() {
                bail!("the guard of the control plane was killed, and its tools with it: run `cargo lab up` again");
            }
            println!("The control plane was ended from elsewhere.");
            return Ok(());
        }
        if let Some(death) = plane.deaths().first() {
            bail!("{death}");
        }
    }
}
