//! `lab assets`: obtain the binaries and say where they are.
#![allow(clippy::print_stdout)]

use clap::Args;
use lab::assets;
use lab::progress::Stderr;

/// Obtain the binaries, those of Tekton too, and list them, one `name<TAB>path` per line.
///
/// Looks into PLUMB_LAB_ASSETS, then KUBEBUILDER_ASSETS (a module is taken from there only if all of its binaries are),
/// then the user's cache; builds with Go what is nowhere. Run it once on a machine with Go, and copy the cache folder to
/// those without.
#[derive(Debug, Args)]
pub(crate) struct ListAssets {}

impl ListAssets {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let progress = Stderr::default();
        let (plane, tekton) = (assets::obtain(&progress)?, assets::obtain_tekton(&progress)?);
        for (name, path) in plane.list().into_iter().chain(tekton.list()) {
            println!("{name}\t{}", path.display());
        }
        Ok(())
    }
}
