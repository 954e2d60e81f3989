//! The tools of one control plane and the order in which they start.
//!
//! Owns their processes and everything in the plane's folder. Whoever drops a start half-way must call [`Plane::end`].

mod tekton;

use std::collections::BTreeMap;
use std::fs;
use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use k8s_openapi::api::core::v1;
use kube::Client;
use kube::api::{Api, PostParams};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};

use super::adopted::Adopted;
use super::flags::{self, Flags, Ports};
use super::layout::Layout;
use super::probe::{self, ProbeError};
use super::tekton::ManifestError;
use super::tool::{CommandLine, Death, Tool};
use crate::assets::Assets;
use crate::certificates::{self, Authority};
use crate::node::{self, Log, Node};
use crate::{kubeconfig, port};
use tekton::Installed;

/// How long a tool may take until it is ready. Seconds are usual; a machine that compiles beside it takes longer.
const READY_DEADLINE: Duration = Duration::from_secs(90);

/// How often a tool is asked whether it is ready.
const POLL: Duration = Duration::from_millis(20);

/// How often a start is tried with other ports: a port lost to another process is rare, three in a row are no chance.
const PORT_ATTEMPTS: usize = 4;

/// Why a control plane, or a part of it, can't be started.
#[derive(Debug, thiserror::Error)]
pub(super) enum PlaneError {
    #[error(transparent)]
    Port(#[from] port::NoFreePort),
    #[error("making certificates failed")]
    Certificate(#[from] rcgen::Error),
    #[error("writing the control plane's folder {} failed", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("starting {} failed: is it built for this machine?", binary.display())]
    Spawn { binary: PathBuf, source: io::Error },
    #[error(transparent)]
    Probe(#[from] ProbeError),
    #[error("{}", .0.message())]
    Died(Death),
    #[error("{what} after {} s: look into {}", READY_DEADLINE.as_secs(), logs.display())]
    NotReady { what: &'static str, logs: PathBuf },
    #[error("creating the node failed")]
    Node(#[source] Box<kube::Error>),
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    #[error("{what}, an object of Tekton's, has an apiVersion that is none")]
    Version { what: String },
    #[error("applying {what} failed")]
    Apply { what: String, source: Box<kube::Error> },
    #[error("this process of Tekton does not run: Tekton is installed first")]
    NoTekton,
    #[error("process {process} can't be taken on: does it still run?")]
    Adopt { process: u32, source: io::Error },
    #[error("there is no control plane yet: it is started first")]
    NotStarted,
    #[error("etcd can't be compacted")]
    Compact(#[source] Box<kube::Error>),
    #[error("a client certificate carries at most {} groups", certificates::MAX_GROUPS)]
    TooManyGroups,
}

/// What a start settles for the life of the plane.
struct Settled {
    assets: Assets,
    node: Node,
    authority: Authority,
    ports: Ports,
    client: Client,
}

/// The tools of one control plane.
pub(super) struct Plane {
    layout: Layout,
    tools: BTreeMap<&'static str, Tool>,
    deaths: mpsc::UnboundedReceiver<Death>,
    report: mpsc::UnboundedSender<Death>,
    settled: Option<Settled>,
    tekton: Option<Installed>,
    users: usize,
    adopted: Vec<Adopted>,
}

impl Plane {
    /// Returns a plane of which nothing runs.
    pub(super) fn new(layout: Layout) -> Self {
        let (report, deaths) = mpsc::unbounded_channel();
        let tools = BTreeMap::new();
        Self { layout, tools, deaths, report, settled: None, tekton: None, users: 0, adopted: Vec::new() }
    }

    /// Waits until a tool dies by itself.
    pub(super) async fn death(&mut self) -> Death {
        let death = self.deaths.recv().await.expect("because the plane holds a sender itself");
        self.tools.remove(death.tool);
        death
    }

    /// Starts everything and returns the URL of the API server once Pods can run.
    pub(super) async fn start(&mut self, assets: &Assets, node: Node) -> Result<String, PlaneError> {
        let mut attempt = 1;
        loop {
            match self.start_once(assets, node).await {
                Err(PlaneError::Died(death)) if death.port_was_taken() && attempt < PORT_ATTEMPTS => {
                    attempt += 1;
                    self.kill_all().await;
                    let data = self.layout.data();
                    fs::remove_dir_all(&data).map_err(|source| PlaneError::Write { path: data, source })?;
                }
                other => return other,
            }
        }
    }

    async fn start_once(&mut self, assets: &Assets, node: Node) -> Result<String, PlaneError> {
        let [etcd, etcd_peer, api_server, controller_manager, scheduler, node_port] = port::free()?;
        let ports = Ports { etcd, etcd_peer, api_server, controller_manager, scheduler, node: node_port };
        // etcd needs no certificate: it starts while they are made.
        let flags = Flags { layout: &self.layout, ports }.etcd();
        self.spawn("etcd", &assets.etcd, &flags)?;
        let server = format!("https://127.0.0.1:{api_server}");
        let authority = self.write_files(&server)?;
        let client = probe::admin(&self.layout).await?;
        let settled = Settled { assets: assets.clone(), node, authority, ports, client };
        let store = probe::anonymous(&format!("http://127.0.0.1:{etcd}"), &settled.authority.der())?;
        self.until("etcd is not healthy", || probe::answers(&store, "/health")).await?;
        self.run_api_server(&settled).await?;
        let node = serde_json::from_value(flags::node_manifest()).expect("because the manifest is a constant");
        let created = Api::<v1::Node>::all(settled.client.clone()).create(&PostParams::default(), &node).await;
        created.map_err(|error| PlaneError::Node(Box::new(error)))?;
        self.run_controllers(&settled).await?;
        self.settled = Some(settled);
        Ok(server)
    }

    /// Kills the API server; its port and data are kept.
    pub(super) async fn stop_api_server(&mut self) -> Result<(), PlaneError> {
        let api_server = self.tools.remove("kube-apiserver").ok_or(PlaneError::NotStarted)?;
        api_server.ended().await;
        Ok(())
    }

    /// Starts the API server again, and the controllers with it: by themselves they would come back only after a
    /// back-off of up to half a minute.
    pub(super) async fn start_api_server(&mut self) -> Result<(), PlaneError> {
        let settled = self.settled.take().ok_or(PlaneError::NotStarted)?;
        let started = self.restart(&settled).await;
        self.settled = Some(settled);
        started
    }

    async fn restart(&mut self, settled: &Settled) -> Result<(), PlaneError> {
        if self.tools.contains_key("kube-apiserver") {
            return Ok(());
        }
        self.run_api_server(settled).await?;
        for name in ["kube-controller-manager", "kube-scheduler", "kwok"] {
            if let Some(tool) = self.tools.remove(name) {
                tool.ended().await;
            }
        }
        self.run_controllers(settled).await?;
        self.renew_tekton(settled).await
    }

    /// Has etcd forget all versions but the newest ones.
    pub(super) async fn compact_store(&mut self) -> Result<(), PlaneError> {
        let settled = self.settled.as_ref().ok_or(PlaneError::NotStarted)?;
        let store = probe::anonymous(&format!("http://127.0.0.1:{}", settled.ports.etcd), &settled.authority.der())?;
        probe::compact(&store).await.map_err(|error| PlaneError::Compact(Box::new(error)))
    }

    /// Writes a kubeconfig for a user with a client certificate and returns its path.
    pub(super) fn add_user(&mut self, user: &str, groups: &[String]) -> Result<PathBuf, PlaneError> {
        let settled = self.settled.as_ref().ok_or(PlaneError::NotStarted)?;
        if groups.len() > certificates::MAX_GROUPS {
            return Err(PlaneError::TooManyGroups);
        }
        let groups: Vec<&str> = groups.iter().map(String::as_str).collect();
        let identity = settled.authority.client(user, &groups)?;
        let server = format!("https://127.0.0.1:{}", settled.ports.api_server);
        self.users += 1;
        let path = self.layout.user(self.users);
        kubeconfig::write(&path, &server, &settled.authority.pem(), user, &identity)
            .map_err(|source| PlaneError::Write { path: path.clone(), source })?;
        Ok(path)
    }

    /// Takes a process of the parent's on: it is killed when the plane ends.
    pub(super) fn adopt(&mut self, process: u32) -> Result<(), PlaneError> {
        self.adopted.push(Adopted::of(process).map_err(|source| PlaneError::Adopt { process, source })?);
        Ok(())
    }

    /// Kills every tool and waits until all are gone.
    pub(super) async fn end(mut self) {
        self.adopted.drain(..).for_each(Adopted::kill);
        self.kill_all().await;
    }

    async fn kill_all(&mut self) {
        for tool in self.tools.values_mut() {
            tool.kill();
        }
        for tool in std::mem::take(&mut self.tools).into_values() {
            tool.ended().await;
        }
    }

    /// Makes the certificates and writes every file that the tools read.
    fn write_files(&self, server: &str) -> Result<Authority, PlaneError> {
        let layout = &self.layout;
        let authority = Authority::new()?;
        let serving = authority.server()?;
        let tokens = certificates::token_keys()?;
        let files = [
            (layout.authority(), authority.pem()),
            (layout.server_certificate(), serving.certificate),
            (layout.server_key(), serving.key),
            (layout.token_public_key(), tokens.public),
            (layout.token_private_key(), tokens.private),
            (layout.stages(), node::config(&layout.containers())),
        ];
        let logs = Log::ALL.map(|log| (layout.containers().join(log.name()), log.text()));
        for (path, text) in files.into_iter().chain(logs) {
            kubeconfig::write_private(&path, &text).map_err(|source| PlaneError::Write { path, source })?;
        }
        for (path, user) in [(layout.admin(), "admin"), (layout.system(), "system:kube-controller-manager")] {
            let identity = authority.client(user, &["system:masters"])?;
            kubeconfig::write(&path, server, &authority.pem(), user, &identity)
                .map_err(|source| PlaneError::Write { path, source })?;
        }
        Ok(authority)
    }

    async fn run_api_server(&mut self, settled: &Settled) -> Result<(), PlaneError> {
        let flags = Flags { layout: &self.layout, ports: settled.ports }.api_server();
        self.spawn("kube-apiserver", &settled.assets.kube_apiserver, &flags)?;
        let client = &settled.client;
        self.until("the API server is not ready", || probe::answers(client, "/readyz")).await?;
        self.until("the namespace default is not there", || probe::has_default_namespace(client)).await
    }

    /// Starts what works through the API server, all at once, and waits until Pods can run.
    async fn run_controllers(&mut self, settled: &Settled) -> Result<(), PlaneError> {
        let Settled { assets, node, authority, ports, client } = settled;
        let flags = Flags { layout: &self.layout, ports: *ports };
        let (controller_manager, scheduler, kwok) = (flags.controller_manager(), flags.scheduler(), flags.kwok());
        self.spawn("kube-controller-manager", &assets.kube_controller_manager, &controller_manager)?;
        self.spawn("kube-scheduler", &assets.kube_scheduler, &scheduler)?;
        match node {
            Node::Kwok => self.spawn("kwok", &assets.kwok, &kwok)?,
        }
        let health = |port: u16| probe::anonymous(&format!("https://127.0.0.1:{port}"), &authority.der());
        let (manager, scheduler) = (health(ports.controller_manager)?, health(ports.scheduler)?);
        self.until("the controller manager is not healthy", || probe::answers(&manager, "/healthz")).await?;
        self.until("the scheduler is not healthy", || probe::answers(&scheduler, "/healthz")).await?;
        self.until("the service account default is not there", || probe::has_service_account(client)).await?;
        self.until("the node is not ready", || probe::node_takes_pods(client)).await
    }

    fn spawn(&mut self, name: &'static str, binary: &Path, flags: &[String]) -> Result<(), PlaneError> {
        self.spawn_with(name, binary, flags, &[])
    }

    fn spawn_with(
        &mut self,
        name: &'static str,
        binary: &Path,
        flags: &[String],
        environment: &[(&'static str, String)],
    ) -> Result<(), PlaneError> {
        let command = CommandLine { binary, flags, environment };
        let tool = Tool::spawn(name, command, &self.layout, self.report.clone())
            .map_err(|source| PlaneError::Spawn { binary: binary.to_owned(), source })?;
        self.tools.insert(name, tool);
        Ok(())
    }

    /// Asks a question until the answer is yes, a tool dies, or time is up.
    async fn until<F, Answer>(&mut self, what: &'static str, question: F) -> Result<(), PlaneError>
    where
        F: Fn() -> Answer,
        Answer: Future<Output = bool>,
    {
        let deadline = Instant::now() + READY_DEADLINE;
        let logs = self.layout.log("");
        let logs = logs.parent().map_or_else(|| self.layout.root().to_owned(), PathBuf::from);
        loop {
            tokio::select! {
                death = self.death() => return Err(PlaneError::Died(death)),
                answer = timeout(READY_DEADLINE, question()) => {
                    if answer.is_ok_and(|yes| yes) {
                        return Ok(());
                    }
                }
            }
            if Instant::now() >= deadline {
                return Err(PlaneError::NotReady { what, logs });
            }
            sleep(POLL).await;
        }
    }
}
