//! What all measurements stand on: one control plane, its users, and plumb's resources installed.

use std::path::PathBuf;

use anyhow::Context as _;
use lab::{ControlPlane, control_plane::Settings, planes::Purpose};

use super::{counters, daemon::Daemon, figures::step, server::Server, site::Site};

/// The user as whom plumb runs.
pub(super) const PLUMB: &str = "bench-plumb";
/// The user as whom the floors are measured: with plumb's rights, and counted as plumb is.
pub(super) const FLOOR: &str = "bench-floor";

/// What all measurements stand on.
pub(super) struct Ground {
    pub(super) admin: Server,
    pub(super) floor: Server,
    /// A connection for watches.
    pub(super) watcher: Server,
    pub(super) plumb: PathBuf,
    pub(super) kubeconfig: PathBuf,
    // Ends the control plane when it is dropped.
    _plane: ControlPlane,
}

impl Ground {
    /// Starts a control plane and installs plumb's resources.
    pub(super) async fn prepare(plumb: PathBuf) -> anyhow::Result<Self> {
        step("starting a control plane");
        let settings = Settings { purpose: Purpose::Person, ..Settings::default() };
        let plane = tokio::task::spawn_blocking(move || ControlPlane::start_with(&settings)).await??;
        let admin = Server::connect(plane.kubeconfig()).await?;
        let watcher = Server::connect(plane.kubeconfig()).await?;
        let kubeconfig = plane.kubeconfig_for(PLUMB, &[])?;
        let as_plumb = Server::connect(&kubeconfig).await?;
        counters::count(&admin, PLUMB, &as_plumb).await?;
        let floor = Server::connect(&plane.kubeconfig_for(FLOOR, &[])?).await?;
        counters::count(&admin, FLOOR, &floor).await?;
        let ground = Self { admin, floor, watcher, plumb, kubeconfig, _plane: plane };
        // The first start installs the definitions, so that resources can be made before the next ones.
        let mut daemon = Daemon::start(&ground)?;
        daemon.until("plumb to install its resources", Site::can_be_laid(&ground.admin)).await?;
        daemon.stop().context("plumb could not be ended")?;
        Ok(ground)
    }
}
