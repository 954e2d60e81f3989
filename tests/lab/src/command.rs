//! The subcommands of `lab`. A new one is a file, a variant and a line in `run`.

mod assets;
mod down;
mod guard;
mod up;

use std::io::{Write, stderr};

use clap::{Parser, Subcommand};

use crate::{bench::Bench, demo::Demo};

/// A throwaway Kubernetes cluster on loopback, from real parts: etcd, kube-apiserver, kube-controller-manager,
/// kube-scheduler, kwok as the kubelet, and Tekton Pipelines where it is asked for.
///
/// Needs no container engine and no rights. The binaries are built once from pinned Go modules (about 10 minutes, with
/// downloads; Tekton three more), or taken from the folder that PLUMB_LAB_ASSETS names; after that a cluster is up within seconds and
/// talks to nothing but this machine.
#[derive(Debug, Parser)]
#[command(name = "lab", bin_name = "cargo lab", max_term_width = 120)]
pub(crate) struct Lab {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Up(up::Up),
    Down(down::Down),
    Assets(assets::ListAssets),
    Demo(Demo),
    Bench(Bench),
    Guard(guard::Guard),
}

impl Lab {
    /// Runs the subcommand.
    pub(crate) fn run(self) -> anyhow::Result<()> {
        match self.command {
            Command::Up(up) => up.run(),
            Command::Down(down) => down.run(),
            Command::Assets(assets) => assets.run(),
            Command::Demo(demo) => demo.run(),
            Command::Bench(bench) => bench.run(),
            Command::Guard(guard) => guard.run(),
        }
    }
}

/// Writes an error with its causes to stderr.
pub(crate) fn complain(error: &anyhow::Error) {
    // A closed stderr leaves nobody to complain to.
    let _ = writeln!(stderr(), "error: {error:#}");
}
