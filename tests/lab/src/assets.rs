//! Where the binaries of the control plane and of Tekton come from: a folder that the user names, the user's cache, or a build from
//! the Go modules pinned in `tools/`.
//!
//! Writes to the cache only, whole folders by atomic rename under a file lock, so that two builders at once are safe.
//! Never downloads a binary, and never mixes the binaries of one module from two places: their versions would differ.

mod cache;
mod go;
mod module;

use std::collections::BTreeMap;
use std::env;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::progress::{Progress, Step, in_words};
use cache::Cache;
pub use cache::CacheError;
pub use go::GoError;
use module::{GoVersion, Module, ToolSet};

/// Why the name of a binary is always found.
const NAMED: &str = "because a module of the set makes everything named here";

/// The variable that names a folder with the binaries, before all other places.
pub const PLUMB_LAB_ASSETS: &str = "PLUMB_LAB_ASSETS";

/// The variable that people with binaries of envtest have set; used for the modules that it has in full.
pub const KUBEBUILDER_ASSETS: &str = "KUBEBUILDER_ASSETS";

/// Where each binary of a control plane is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assets {
    /// The store behind the API server.
    pub etcd: PathBuf,
    /// The API server.
    pub kube_apiserver: PathBuf,
    /// The built-in controllers.
    pub kube_controller_manager: PathBuf,
    /// The scheduler.
    pub kube_scheduler: PathBuf,
    /// The command line that tests and people use.
    pub kubectl: PathBuf,
    /// The stand-in for a kubelet.
    pub kwok: PathBuf,
}

impl Assets {
    /// Returns every binary with its name, in the order of their start.
    pub fn list(&self) -> [(&'static str, &Path); 6] {
        let Self { etcd, kube_apiserver, kube_controller_manager, kube_scheduler, kubectl, kwok } = self;
        [
            ("etcd", etcd),
            ("kube-apiserver", kube_apiserver),
            ("kube-controller-manager", kube_controller_manager),
            ("kube-scheduler", kube_scheduler),
            ("kwok", kwok),
            ("kubectl", kubectl),
        ]
    }
}

/// Where Tekton Pipelines is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TektonAssets {
    /// What makes Pods of runs.
    pub controller: PathBuf,
    /// What judges and completes its objects when they are written.
    pub webhook: PathBuf,
    /// The folder with its kinds, its settings and its webhooks.
    pub config: PathBuf,
}

impl TektonAssets {
    /// Returns everything with its name.
    pub fn list(&self) -> [(&'static str, &Path); 3] {
        let Self { controller, webhook, config } = self;
        [("tekton-controller", controller), ("tekton-webhook", webhook), ("tekton-config", config)]
    }
}

/// Why there are no binaries.
#[derive(Debug, thiserror::Error)]
pub enum AssetsError {
    /// There is nothing to build with, and nothing built.
    #[error("no binaries for the laboratory's control plane ({missing}), and they can't be built: {reason}; {ways}")]
    NoWay {
        /// The module that is missing.
        missing: &'static str,
        /// What is wrong with the Go that was looked for.
        reason: String,
        /// What can be done.
        ways: Box<WaysOut>,
    },
    /// A variable names a folder that is not there.
    #[error("{variable} names {}, which is not a folder: correct the variable or unset it", directory.display())]
    NotAFolder {
        /// The variable's name.
        variable: &'static str,
        /// Its value.
        directory: PathBuf,
    },
    /// Neither the cache variable nor a home folder is known.
    #[error("no folder for the cache: set HOME or XDG_CACHE_HOME to an absolute path")]
    NoCache,
    /// The cache can't be used.
    #[error("the laboratory's cache can't be used: check its rights and the free space (a build needs about 5 GiB)")]
    Cache(#[from] CacheError),
    /// The build failed.
    #[error("building {module} {version} failed: correct what the Go command says and run this again")]
    Build {
        /// The module's short name.
        module: &'static str,
        /// The pinned version.
        version: &'static str,
        /// What the Go command said.
        #[source]
        source: GoError,
    },
}

/// What a person can do who has neither binaries nor a Go that builds them.
#[derive(Debug)]
pub struct WaysOut {
    go: GoVersion,
    usually: Duration,
    names: Vec<&'static str>,
    cache: PathBuf,
    platform: String,
}

impl fmt::Display for WaysOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { go, usually, names, cache, platform } = self;
        writeln!(f, "there are three ways out:")?;
        let took = in_words(*usually);
        writeln!(f, "  1. install Go {go} or newer and run this again: they are built once, in about {took}")?;
        writeln!(f, "  2. set {PLUMB_LAB_ASSETS} to a folder that has {}", names.join(", "))?;
        let cache = cache.display();
        write!(f, "  3. copy {cache} from a machine of this platform ({platform}) where `cargo lab assets` ran")
    }
}

/// Returns the binaries of a control plane, building what is nowhere to be found.
///
/// # Errors
/// [`AssetsError::NoWay`] names three ways out when there are no binaries and no Go that can build them.
pub fn obtain(progress: &dyn Progress) -> Result<Assets, AssetsError> {
    Sources::from_environment()?.obtain(progress)
}

/// Returns what a control plane with Tekton needs beside the rest, building it if it is nowhere to be found.
///
/// # Errors
/// As [`obtain`].
pub fn obtain_tekton(progress: &dyn Progress) -> Result<TektonAssets, AssetsError> {
    Sources::from_environment()?.obtain_tekton(progress)
}

/// The places where binaries are looked for, in order.
#[derive(Debug, Clone)]
struct Sources {
    given: Vec<PathBuf>,
    cache: Cache,
    search_path: OsString,
}

impl Sources {
    fn from_environment() -> Result<Self, AssetsError> {
        let mut given = Vec::new();
        for variable in [PLUMB_LAB_ASSETS, KUBEBUILDER_ASSETS] {
            if let Some(directory) = env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from) {
                if !directory.is_dir() {
                    return Err(AssetsError::NotAFolder { variable, directory });
                }
                given.push(directory);
            }
        }
        let cache = Cache::of_user().ok_or(AssetsError::NoCache)?;
        Ok(Self { given, cache, search_path: env::var_os("PATH").unwrap_or_default() })
    }

    fn obtain(&self, progress: &dyn Progress) -> Result<Assets, AssetsError> {
        let mut found = self.find(ToolSet::ControlPlane, progress)?;
        let mut take = |name| found.remove(name).expect(NAMED);
        Ok(Assets {
            etcd: take("etcd"),
            kube_apiserver: take("kube-apiserver"),
            kube_controller_manager: take("kube-controller-manager"),
            kube_scheduler: take("kube-scheduler"),
            kubectl: take("kubectl"),
            kwok: take("kwok"),
        })
    }

    fn obtain_tekton(&self, progress: &dyn Progress) -> Result<TektonAssets, AssetsError> {
        let mut found = self.find(ToolSet::Tekton, progress)?;
        let mut take = |name| found.remove(name).expect(NAMED);
        Ok(TektonAssets {
            controller: take("tekton-controller"),
            webhook: take("tekton-webhook"),
            config: take("tekton-config"),
        })
    }

    /// Returns where everything of a set is, by name.
    fn find(&self, set: ToolSet, progress: &dyn Progress) -> Result<BTreeMap<&'static str, PathBuf>, AssetsError> {
        let mut found = BTreeMap::new();
        for module in module::of(set) {
            let directory = self.directory(module, progress)?;
            found.extend(module.names().map(|name| (name, directory.join(name))));
        }
        Ok(found)
    }

    /// Returns the folder that has everything of one module.
    fn directory(&self, module: &Module, progress: &dyn Progress) -> Result<PathBuf, AssetsError> {
        if let Some(directory) = self.given.iter().find(|directory| module.complete_in(directory)) {
            progress.report(Step::Found { module: module.name, directory });
            return Ok(directory.clone());
        }
        let entry = self.cache.entry(module);
        if module.complete_in(entry.directory()) {
            progress.report(Step::Found { module: module.name, directory: entry.directory() });
            return Ok(entry.directory().to_owned());
        }
        // Before the lock: who can't build must not wait for a lock to learn it.
        let go = go::Go::find(&self.search_path, module.go_version())
            .map_err(|error| self.no_way(module, error.to_string()))?;
        let lock = entry.lock(|| progress.report(Step::Waiting { module: module.name }))?;
        if !module.complete_in(entry.directory()) {
            let scratch = lock.scratch()?;
            go.build(module, &scratch, progress).map_err(|source| AssetsError::Build {
                module: module.name,
                version: module.version,
                source,
            })?;
            let took = lock.publish(&go::output_of(&scratch))?;
            progress.report(Step::Built { module: module.name, took, directory: entry.directory() });
        }
        Ok(entry.directory().to_owned())
    }

    fn no_way(&self, module: &Module, reason: String) -> AssetsError {
        let needed = || module::of(module.set);
        let ways = WaysOut {
            go: needed().map(Module::go_version).max().unwrap_or(module.go_version()),
            usually: needed().map(|module| module.usually).sum(),
            names: needed().flat_map(Module::names).collect(),
            cache: self.cache.root().to_owned(),
            platform: module::platform(),
        };
        AssetsError::NoWay { missing: module.name, reason, ways: Box::new(ways) }
    }
}
