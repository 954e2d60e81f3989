//! One throwaway control plane, as a test or a command sees it.
//!
//! Owns a guard process, which owns everything else. Works from any thread, inside an async runtime or not: it uses
//! processes and threads only, and blocks.

mod guard_process;
mod kubectl;

use std::cell::RefCell;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use kube::config::{KubeConfigOptions, Kubeconfig};

use crate::assets::{self, Assets, AssetsError};
use crate::guard::layout::Layout;
use crate::guard::order::{Answer, Order};
use crate::node::Node;
use crate::planes::{self, PlanesError, Purpose};
use crate::process::BuildError;
use crate::progress::Stderr;
use crate::tekton::Tekton;
use guard_process::GuardProcess;

/// The longest name that Kubernetes accepts for a namespace (RFC 1123 label).
const LONGEST_NAME: usize = 63;

/// Why the laboratory does not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    /// The binaries can't be had.
    #[error(transparent)]
    Assets(#[from] AssetsError),
    /// The laboratory's own binary can't be built.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// The folder of control planes can't be used.
    #[error(transparent)]
    Planes(#[from] PlanesError),
    /// The folder for this control plane can't be used.
    #[error("the folder {} can't be used for a control plane: it must be new or empty", directory.display())]
    Directory {
        /// The folder.
        directory: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The guard can't be started or spoken to.
    #[error("the guard of the control plane does not answer: {reason}")]
    Guard {
        /// What happened, with the end of the guard's log.
        reason: String,
    },
    /// The guard could not do what it was asked for.
    #[error("{0}")]
    Refused(String),
    /// `kubectl` ended with an error.
    #[error("`kubectl {arguments}` failed: {stderr}")]
    Kubectl {
        /// The command line.
        arguments: String,
        /// What kubectl said, and which tools of the control plane have died before.
        stderr: String,
    },
    /// `kubectl` can't be started.
    #[error("{} can't be started", binary.display())]
    KubectlStart {
        /// The binary.
        binary: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// What may be chosen about a control plane.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The folder to use, new or empty; absent: one of its own among the temporary files.
    pub directory: Option<PathBuf>,
    /// Who plays the kubelet.
    pub node: Node,
    /// Who wants it.
    pub purpose: Purpose,
}

impl Default for Settings {
    fn default() -> Self {
        Self { directory: None, node: Node::default(), purpose: Purpose::Test }
    }
}

/// A running control plane; ended and removed on drop, and whatever way this process ends.
#[derive(Debug)]
pub struct ControlPlane {
    guard: GuardProcess,
    layout: Layout,
    kubeconfig: PathBuf,
    server: String,
    kubectl: PathBuf,
}

impl ControlPlane {
    /// Starts a control plane and returns when Pods can run on it.
    ///
    /// # Errors
    /// When there are no binaries, or a tool does not come up; the error shows the end of that tool's log.
    pub fn start() -> Result<Self, LabError> {
        Self::start_with(&Settings::default())
    }

    /// Starts a control plane with settings of one's own.
    ///
    /// # Errors
    /// As [`ControlPlane::start`], and when the chosen folder is not empty.
    pub fn start_with(settings: &Settings) -> Result<Self, LabError> {
        let assets = assets::obtain(&Stderr::default())?;
        Self::start_from(assets, settings)
    }

    fn start_from(assets: Assets, settings: &Settings) -> Result<Self, LabError> {
        let binary = crate::process::lab()?;
        let layout = Layout::new(prepare(settings.directory.as_deref())?);
        let guard = GuardProcess::spawn(&binary, &layout, settings.purpose)?;
        let kubectl = assets.kubectl.clone();
        match guard.ask(&Order::Start { assets, node: settings.node })? {
            Answer::Up { server } => {
                let kubeconfig = layout.admin();
                Ok(Self { guard, layout, kubeconfig, server, kubectl })
            }
            other => Err(unexpected(other)),
        }
    }

    /// Returns the kubeconfig of an administrator (group `system:masters`).
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// Writes a kubeconfig for a user with a client certificate, who has only the rights that RBAC gives.
    ///
    /// # Errors
    /// With more than two groups: a certificate of the laboratory can't carry them.
    pub fn kubeconfig_for(&self, user: &str, groups: &[&str]) -> Result<PathBuf, LabError> {
        let groups = groups.iter().map(|group| (*group).to_owned()).collect();
        match self.guard.ask(&Order::AddUser { user: user.to_owned(), groups })? {
            Answer::User { kubeconfig } => Ok(kubeconfig),
            other => Err(unexpected(other)),
        }
    }

    /// Returns the URL of the API server.
    pub fn server(&self) -> String {
        self.server.clone()
    }

    /// Returns the folder of this control plane, which ends with it.
    pub fn directory(&self) -> &Path {
        self.layout.root()
    }

    /// Returns the kubectl that belongs to this control plane's version.
    pub fn kubectl_binary(&self) -> &Path {
        &self.kubectl
    }

    /// Runs kubectl as administrator and returns its stdout.
    ///
    /// # Errors
    /// When kubectl fails; the error carries its stderr.
    pub fn kubectl(&self, arguments: &[&str]) -> Result<String, LabError> {
        self.kubectl_with_input(arguments, "")
    }

    /// Runs kubectl as administrator with something on its stdin, for `apply -f -`, and returns its stdout.
    ///
    /// # Errors
    /// When kubectl fails; the error carries its stderr.
    pub fn kubectl_with_input(&self, arguments: &[&str], input: &str) -> Result<String, LabError> {
        kubectl::run(self, arguments, input)
    }

    /// Returns a client with the administrator's rights.
    ///
    /// # Panics
    /// When the kubeconfig is gone or can't be read: then the control plane is gone too.
    pub async fn client(&self) -> kube::Client {
        client_of(&self.kubeconfig).await
    }

    /// Puts Tekton Pipelines on it, and returns when runs can be created and are carried out. A second time does nothing.
    ///
    /// # Errors
    /// When there are no binaries of Tekton, or a process of its does not come up.
    pub fn install_tekton(&self) -> Result<(), LabError> {
        let assets = assets::obtain_tekton(&Stderr::default())?;
        self.done(&Order::InstallTekton { assets })
    }

    /// Kills a process of Tekton.
    ///
    /// # Errors
    /// When it does not run.
    pub fn stop_tekton(&self, process: Tekton) -> Result<(), LabError> {
        self.done(&Order::StopTekton { process })
    }

    /// Starts a process of Tekton again and returns when the webhook does its work, if it is that.
    ///
    /// # Errors
    /// When Tekton was never installed, or the process does not come up.
    pub fn start_tekton(&self, process: Tekton) -> Result<(), LabError> {
        self.done(&Order::StartTekton { process })
    }

    /// Kills the API server; its port and data stay.
    ///
    /// # Errors
    /// When it does not run.
    pub fn stop_api_server(&self) -> Result<(), LabError> {
        self.done(&Order::StopApiServer)
    }

    /// Starts the API server again and returns when everything is ready.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn start_api_server(&self) -> Result<(), LabError> {
        self.done(&Order::StartApiServer)
    }

    /// Has etcd forget every version but the newest of each object, as it does every five minutes in production.
    ///
    /// # Errors
    /// When etcd refuses.
    pub fn compact_store(&self) -> Result<(), LabError> {
        self.done(&Order::CompactStore)
    }

    /// Has a process of the caller's killed when the control plane ends, also when the caller is killed before.
    ///
    /// # Errors
    /// When the process has ended already.
    pub fn adopt(&self, process: u32) -> Result<(), LabError> {
        self.done(&Order::Adopt { process })
    }

    /// Returns what is known of tools that ended by themselves, with the ends of their logs; nothing when all is well.
    pub fn deaths(&self) -> Vec<String> {
        self.guard.deaths()
    }

    /// Returns whether it has not been ended from elsewhere (`cargo lab down`).
    pub fn is_up(&self) -> bool {
        self.guard.is_up()
    }

    /// Ends it before it is dropped, if it is not to be dropped: nothing of it runs when this returns.
    pub fn end(&self) {
        self.guard.end();
    }

    fn done(&self, order: &Order) -> Result<(), LabError> {
        match self.guard.ask(order)? {
            Answer::Done => Ok(()),
            other => Err(unexpected(other)),
        }
    }
}

thread_local! {
    /// The control planes of the test that runs on this thread.
    static OWN: RefCell<Vec<Ending>> = const { RefCell::new(Vec::new()) };
}

/// Ends a control plane when the thread ends that started it.
struct Ending(&'static ControlPlane);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// Starts a control plane for one test, which may break it. It ends with the test's thread: dozens that run side by side
/// exceed what one user may watch of the file system.
///
/// # Panics
/// When it does not start.
pub fn own() -> &'static ControlPlane {
    let plane: &'static ControlPlane = Box::leak(Box::new(ControlPlane::start().expect("a control plane")));
    OWN.with_borrow_mut(|own| own.push(Ending(plane)));
    plane
}

/// Returns the control plane that all tests of one binary share; they keep apart by [`namespace`].
///
/// It ends with the process, although statics are never dropped: its guard notices.
///
/// # Panics
/// When it can't be started: no test that needs it can go on.
pub fn shared() -> &'static ControlPlane {
    static SHARED: OnceLock<ControlPlane> = OnceLock::new();
    SHARED.get_or_init(|| ControlPlane::start().unwrap_or_else(|error| panic!("no control plane: {error}")))
}

/// Starts a control plane with Tekton for one test, which may break either; as [`own`] otherwise.
///
/// # Panics
/// When it does not start.
pub fn own_with_tekton() -> &'static ControlPlane {
    let plane = own();
    plane.install_tekton().expect("Tekton");
    plane
}

/// Returns the control plane with Tekton that all tests of one binary share. It is another than [`shared`], whose tests
/// need not know Tekton's kinds, nor wait for its webhook.
///
/// # Panics
/// When it can't be started: no test that needs it can go on.
pub fn shared_with_tekton() -> &'static ControlPlane {
    static SHARED: OnceLock<ControlPlane> = OnceLock::new();
    SHARED.get_or_init(|| {
        let plane = ControlPlane::start().unwrap_or_else(|error| panic!("no control plane: {error}"));
        plane.install_tekton().unwrap_or_else(|error| panic!("no Tekton: {error}"));
        plane
    })
}

/// Returns a name for a namespace that nobody else uses.
pub fn namespace(prefix: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let suffix = format!("{:x}-{:x}-{count}", process::id(), since_epoch.subsec_micros());
    let prefix: String =
        prefix.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).collect();
    let room = LONGEST_NAME - suffix.len() - 1;
    let prefix = prefix[..prefix.len().min(room)].trim_matches('-');
    if prefix.is_empty() { format!("ns-{suffix}") } else { format!("{prefix}-{suffix}") }
}

/// Returns a client for a kubeconfig, such as one of [`ControlPlane::kubeconfig_for`].
///
/// # Panics
/// When the file is not a kubeconfig of the laboratory.
pub async fn client_of(kubeconfig: &Path) -> kube::Client {
    let kubeconfig = Kubeconfig::read_from(kubeconfig).expect("because a control plane that is up has its kubeconfigs");
    let config = kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await;
    let mut config = config.expect("because the laboratory writes kubeconfigs in full");
    // The user's HTTPS_PROXY has no way to this machine's loopback.
    config.proxy_url = None;
    kube::Client::try_from(config).expect("because the laboratory's certificates are valid")
}

/// Returns the folder to use: the one that was chosen, or a new one.
fn prepare(chosen: Option<&Path>) -> Result<PathBuf, LabError> {
    let Some(directory) = chosen else {
        let root = planes::root()?;
        let made = tempfile::Builder::new().prefix("plane-").tempdir_in(&root);
        let made = made.map_err(|source| LabError::Directory { directory: root, source })?;
        return Ok(made.keep());
    };
    let failed = |source| LabError::Directory { directory: directory.to_owned(), source };
    let directory = std::path::absolute(directory).map_err(failed)?;
    DirBuilder::new().recursive(true).mode(0o700).create(&directory).map_err(failed)?;
    let is_empty = fs::read_dir(&directory).map_err(failed)?.next().is_none();
    if is_empty { Ok(directory) } else { Err(failed(io::ErrorKind::DirectoryNotEmpty.into())) }
}

fn unexpected(answer: Answer) -> LabError {
    match answer {
        Answer::Failed { message } | Answer::Died { message } => LabError::Refused(message),
        Answer::Up { .. } | Answer::Done | Answer::User { .. } => {
            LabError::Guard { reason: "its answer belongs to another order".to_owned() }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn namespaces_have_unique_valid_names() {
        let check = |prefix: &str| {
            let (one, two) = (namespace(prefix), namespace(prefix));
            assert_ne!(one, two);
            for name in [one, two] {
                assert!(name.len() <= LONGEST_NAME, "{name}");
                assert!(name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'), "{name}");
                assert!(!name.starts_with('-') && !name.ends_with('-'), "{name}");
            }
        };
        check("shop");
        check("Shop_Staging.");
        check("");
        check("--");
        check("ünïcode");
        check(&"long".repeat(30));
    }

    #[test]
    fn a_folder_with_something_in_it_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("mine"), "").unwrap();
        assert!(matches!(prepare(Some(directory.path())), Err(LabError::Directory { .. })));
        assert!(directory.path().join("mine").exists());
    }
}
