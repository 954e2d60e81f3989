//! `cargo demo`: plumb's main job on a real control plane, with real commands, for a person to watch.
//!
//! Owns the order of the acts. Every act fails if what it shows did not happen; nothing is printed that was not observed.

mod acts;
mod code_change;
mod stage;

use std::time::Instant;

use anyhow::Context as _;
use clap::Args;
use lab::{ControlPlane, assets, progress::Stderr};
use tokio::signal::unix::{SignalKind, signal};

use stage::Stage;

/// Show the main job of plumb on a throwaway cluster: first sync, a commit, drift, a
/// deletion, a bad file, a code change, a bad commit, and what an auditor sees.
///
/// Everything is real: kube-apiserver, etcd, Tekton, Git, kubectl and plumb run on this machine, and are removed at the end. All of
/// it is on loopback but for Tekton's processes, which know no way not to listen on every address, one of them on port 8080 if
/// that is free. Pods run nothing: kwok has them be ready, or end, as their images' names say. The first run builds what it needs,
/// which takes some minutes; later ones take less than one.
#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// End after the walk; the exit code says whether every step did what it says
    #[arg(long)]
    once: bool,
}

impl Demo {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let plumb = lab::process::built("plumb").context("plumb could not be built")?;
        // Before anything runs: a first build takes minutes, which would stop the walk in its middle.
        assets::obtain_tekton(&Stderr::default())?;
        let begun = Instant::now();
        stage::title("plumb keeps Kubernetes clusters true to Git. This is its main job, on real parts.");
        let plane = ControlPlane::start()?;
        stage::good(&format!("a real control plane is up, {:.1} s", begun.elapsed().as_secs_f64()));
        let stage = Stage::set(plane, plumb)?;
        acts::all(&stage)?;
        stage::title(&format!("All of it happened, in {:.0} s.", begun.elapsed().as_secs_f64()));
        if !self.once {
            stage.invite();
            runtime.block_on(until_ended())?;
        }
        Ok(())
    }
}

async fn until_ended() -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted?,
        _ = terminate.recv() => {}
        _ = hang_up.recv() => {}
    }
    Ok(())
}
