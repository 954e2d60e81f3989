//! The folder of one control plane: what lies where.

use std::path::{Path, PathBuf};

/// The folder of one control plane.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    root: PathBuf,
}

impl Layout {
    pub(crate) fn new(root: PathBuf) -> Self {
        Self { root }
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// The kubeconfig of the administrator.
    pub(crate) fn admin(&self) -> PathBuf {
        self.root.join("admin.kubeconfig")
    }

    /// The kubeconfig of the control plane's own tools.
    pub(crate) fn system(&self) -> PathBuf {
        self.root.join("system.kubeconfig")
    }

    /// The kubeconfig of another user, by a number: names of users may hold anything.
    pub(crate) fn user(&self, number: usize) -> PathBuf {
        self.root.join(format!("users/{number}.kubeconfig"))
    }

    pub(crate) fn authority(&self) -> PathBuf {
        self.root.join("pki/ca.crt")
    }

    pub(crate) fn server_certificate(&self) -> PathBuf {
        self.root.join("pki/server.crt")
    }

    pub(crate) fn server_key(&self) -> PathBuf {
        self.root.join("pki/server.key")
    }

    pub(crate) fn token_public_key(&self) -> PathBuf {
        self.root.join("pki/service-accounts.pub")
    }

    pub(crate) fn token_private_key(&self) -> PathBuf {
        self.root.join("pki/service-accounts.key")
    }

    pub(crate) fn stages(&self) -> PathBuf {
        self.root.join("stages.yaml")
    }

    /// The folder of what the containers of Pods are said to have written.
    pub(crate) fn containers(&self) -> PathBuf {
        self.root.join("containers")
    }

    /// The folder of etcd's data.
    pub(crate) fn data(&self) -> PathBuf {
        self.root.join("etcd")
    }

    /// The folder of what a tool wants to write and nobody reads.
    pub(crate) fn scratch(&self) -> PathBuf {
        self.root.join("scratch")
    }

    /// The log of a tool, or of the guard.
    pub(crate) fn log(&self, tool: &str) -> PathBuf {
        self.root.join(format!("logs/{tool}.log"))
    }
}
