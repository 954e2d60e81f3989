//! The command line of every tool.

use super::layout::Layout;
use crate::node;

/// How long a node may be silent. kwok's nodes send no heartbeats: with the usual 50 seconds, the controller manager
/// would then mark the node and every Pod on it as not ready, and the Pods would stay so.
const NODE_GRACE: &str = "8760h";

/// The ports of one control plane, all on loopback.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ports {
    pub(super) etcd: u16,
    pub(super) etcd_peer: u16,
    pub(super) api_server: u16,
    pub(super) controller_manager: u16,
    pub(super) scheduler: u16,
    pub(super) node: u16,
}

/// The command lines of one control plane.
#[derive(Debug, Clone, Copy)]
pub(super) struct Flags<'a> {
    pub(super) layout: &'a Layout,
    pub(super) ports: Ports,
}

impl Flags<'_> {
    /// etcd: without fsync, since the data dies with the control plane anyway.
    pub(super) fn etcd(&self) -> Vec<String> {
        let client = format!("http://127.0.0.1:{}", self.ports.etcd);
        let peer = format!("http://127.0.0.1:{}", self.ports.etcd_peer);
        vec![
            flag("data-dir", self.layout.data().display()),
            flag("listen-client-urls", &client),
            flag("advertise-client-urls", &client),
            flag("listen-peer-urls", &peer),
            flag("initial-advertise-peer-urls", &peer),
            flag("initial-cluster", format!("default={peer}")),
            flag("log-level", "warn"),
            "--unsafe-no-fsync".to_owned(),
        ]
    }

    /// The API server: RBAC, client certificates, and no endpoint of its own (there is no pod network to reach it).
    ///
    /// The admission of service accounts is off: it would refuse a Pod that comes within half a second of its namespace.
    pub(super) fn api_server(&self) -> Vec<String> {
        let Self { layout, ports } = self;
        let mut flags = vec![
            flag("etcd-servers", format!("http://127.0.0.1:{}", ports.etcd)),
            flag("bind-address", "127.0.0.1"),
            flag("advertise-address", "127.0.0.1"),
            flag("secure-port", ports.api_server),
            flag("client-ca-file", layout.authority().display()),
            flag("authorization-mode", "RBAC"),
            flag("disable-admission-plugins", "ServiceAccount"),
            flag("allow-privileged", true),
            flag("service-account-issuer", "https://kubernetes.default.svc"),
            flag("service-account-key-file", layout.token_public_key().display()),
            flag("service-account-signing-key-file", layout.token_private_key().display()),
            flag("service-cluster-ip-range", "10.0.0.0/24"),
            flag("endpoint-reconciler-type", "none"),
            // For logs: the node's name is known to no name server.
            flag("kubelet-preferred-address-types", "InternalIP"),
        ];
        flags.extend(self.serving());
        flags
    }

    /// The controller manager: all controllers, with the rights of `system:masters` (with its usual user it would start,
    /// report healthy and do nothing).
    pub(super) fn controller_manager(&self) -> Vec<String> {
        let mut flags = vec![
            flag("secure-port", self.ports.controller_manager),
            flag("use-service-account-credentials", false),
            flag("controllers", "*"),
            flag("service-account-private-key-file", self.layout.token_private_key().display()),
            flag("root-ca-file", self.layout.authority().display()),
            flag("concurrent-gc-syncs", 5),
            flag("node-monitor-grace-period", NODE_GRACE),
        ];
        flags.extend(self.controller());
        flags
    }

    /// The scheduler.
    pub(super) fn scheduler(&self) -> Vec<String> {
        let mut flags = vec![flag("secure-port", self.ports.scheduler)];
        flags.extend(self.controller());
        flags
    }

    /// kwok, as the kubelet of every node.
    pub(super) fn kwok(&self) -> Vec<String> {
        let Self { layout, ports } = self;
        let mut flags = vec![
            flag("kubeconfig", layout.system().display()),
            flag("config", layout.stages().display()),
            flag("manage-all-nodes", true),
            flag("node-ip", "127.0.0.1"),
            flag("node-port", ports.node),
            flag("server-address", format!("127.0.0.1:{}", ports.node)),
        ];
        flags.extend(self.certificate());
        flags
    }

    /// What controller manager and scheduler share.
    fn controller(&self) -> Vec<String> {
        let system = self.layout.system();
        let mut flags = vec![flag("bind-address", "127.0.0.1"), flag("leader-elect", false)];
        for purpose in ["kubeconfig", "authentication-kubeconfig", "authorization-kubeconfig"] {
            flags.push(flag(purpose, system.display()));
        }
        flags.extend(self.serving());
        flags
    }

    /// The certificate that a tool shows, and a folder for those that it would make itself.
    fn serving(&self) -> Vec<String> {
        let mut flags = vec![flag("cert-dir", self.layout.scratch().display())];
        flags.extend(self.certificate());
        flags
    }

    fn certificate(&self) -> Vec<String> {
        vec![
            flag("tls-cert-file", self.layout.server_certificate().display()),
            flag("tls-private-key-file", self.layout.server_key().display()),
        ]
    }
}

fn flag(name: &str, value: impl std::fmt::Display) -> String {
    format!("--{name}={value}")
}

/// Returns the node that is created for the Pods to run on.
pub(super) fn node_manifest() -> serde_json::Value {
    serde_json::json!({
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": node::NAME, "labels": {"kubernetes.io/hostname": node::NAME, "kubernetes.io/os": "linux"}},
    })
}
