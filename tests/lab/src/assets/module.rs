//! The pinned Go modules: what each makes, in which version, and how long that takes.
//!
//! The pins themselves are `tools/<name>/go.mod` and `go.sum`; they are part of the binary, so that the laboratory
//! builds the same thing wherever it runs.

use std::env::consts;
use std::fmt::{self, Write as _};
use std::path::Path;
use std::time::Duration;

use sha2::{Digest, Sha256};

/// What a module's binaries are needed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ToolSet {
    /// Needed by every control plane.
    ControlPlane,
    /// Tekton Pipelines, for those control planes only that are asked for it.
    Tekton,
}

/// One binary and the package that it is built from.
#[derive(Debug)]
pub(super) struct Binary {
    /// The name that the binary gets.
    pub(super) name: &'static str,
    /// The Go package with its `main`.
    pub(super) package: &'static str,
}

/// A folder of a Go module that is read when the binaries run, and so is kept beside them: a start needs no Go.
#[derive(Debug)]
pub(super) struct Folder {
    /// The name that the copy gets.
    pub(super) name: &'static str,
    /// The Go module that it is a part of.
    pub(super) module: &'static str,
    /// Where it is in that module.
    pub(super) path: &'static str,
}

/// One pinned Go module with everything that building it takes.
#[derive(Debug)]
pub(super) struct Module {
    pub(super) name: &'static str,
    pub(super) version: &'static str,
    pub(super) set: ToolSet,
    pub(super) binaries: &'static [Binary],
    pub(super) folder: Option<Folder>,
    pub(super) go_mod: &'static str,
    pub(super) go_sum: &'static str,
    /// How long a build from nothing usually takes on two cores, downloads included.
    pub(super) usually: Duration,
    /// The packages that carry the version as variables, set at link time.
    version_packages: &'static [&'static str],
}

/// Every module of the laboratory, quickest build first: a mistake in the set-up shows early.
const MODULES: &[Module] = &[
    Module {
        name: "etcd",
        version: "3.7.3",
        set: ToolSet::ControlPlane,
        binaries: &[Binary { name: "etcd", package: "go.etcd.io/etcd/server/v3" }],
        folder: None,
        go_mod: include_str!("../../tools/etcd/go.mod"),
        go_sum: include_str!("../../tools/etcd/go.sum"),
        usually: Duration::from_secs(40),
        version_packages: &[],
    },
    Module {
        name: "kwok",
        version: "0.8.0",
        set: ToolSet::ControlPlane,
        binaries: &[Binary { name: "kwok", package: "sigs.k8s.io/kwok/cmd/kwok" }],
        folder: None,
        go_mod: include_str!("../../tools/kwok/go.mod"),
        go_sum: include_str!("../../tools/kwok/go.sum"),
        usually: Duration::from_secs(85),
        version_packages: &[],
    },
    Module {
        name: "kubernetes",
        version: "1.36.4",
        set: ToolSet::ControlPlane,
        binaries: &[
            Binary { name: "kube-apiserver", package: "k8s.io/kubernetes/cmd/kube-apiserver" },
            Binary { name: "kube-controller-manager", package: "k8s.io/kubernetes/cmd/kube-controller-manager" },
            Binary { name: "kube-scheduler", package: "k8s.io/kubernetes/cmd/kube-scheduler" },
            Binary { name: "kubectl", package: "k8s.io/kubernetes/cmd/kubectl" },
        ],
        folder: None,
        go_mod: include_str!("../../tools/kubernetes/go.mod"),
        go_sum: include_str!("../../tools/kubernetes/go.sum"),
        usually: Duration::from_secs(380),
        version_packages: &["k8s.io/component-base/version", "k8s.io/client-go/pkg/version"],
    },
    Module {
        name: "tekton",
        version: "1.15.0",
        set: ToolSet::Tekton,
        binaries: &[
            Binary { name: "tekton-controller", package: "github.com/tektoncd/pipeline/cmd/controller" },
            Binary { name: "tekton-webhook", package: "github.com/tektoncd/pipeline/cmd/webhook" },
        ],
        // Its kinds, its settings and its webhooks.
        folder: Some(Folder { name: "tekton-config", module: "github.com/tektoncd/pipeline", path: "config" }),
        go_mod: include_str!("../../tools/tekton/go.mod"),
        go_sum: include_str!("../../tools/tekton/go.sum"),
        usually: Duration::from_secs(160),
        version_packages: &[],
    },
];

/// Returns the modules of a set.
pub(super) fn of(set: ToolSet) -> impl Iterator<Item = &'static Module> {
    MODULES.iter().filter(move |module| module.set == set)
}

impl Module {
    /// Returns whether a folder has everything of this module.
    pub(super) fn complete_in(&self, directory: &Path) -> bool {
        self.binaries.iter().all(|binary| directory.join(binary.name).is_file())
            && self.folder.iter().all(|folder| directory.join(folder.name).is_dir())
    }

    /// Returns the names of everything that it makes.
    pub(super) fn names(&self) -> impl Iterator<Item = &'static str> {
        self.binaries.iter().map(|binary| binary.name).chain(self.folder.iter().map(|folder| folder.name))
    }

    /// Returns the Go version that the module's `go.mod` wants.
    pub(super) fn go_version(&self) -> GoVersion {
        let line = self.go_mod.lines().find_map(|line| line.strip_prefix("go "));
        line.and_then(GoVersion::parse).expect("because every pinned go.mod has a go line")
    }

    /// Returns the linker flags: no symbol tables, and the version stamp without which kubectl can't read the server's.
    pub(super) fn linker_flags(&self) -> String {
        let mut flags = String::from("-s -w");
        let mut numbers = self.version.split('.');
        let (major, minor) = (numbers.next().unwrap_or_default(), numbers.next().unwrap_or_default());
        for package in self.version_packages {
            let _ = write!(
                flags,
                " -X {package}.gitVersion=v{version} -X {package}.gitMajor={major} -X {package}.gitMinor={minor} \
                 -X {package}.gitTreeState=clean",
                version = self.version
            );
        }
        flags
    }

    /// Returns the name of the module's folder in the cache: tool, version, digest of all pins, platform.
    pub(super) fn cache_name(&self) -> String {
        let mut digest = Sha256::new();
        for part in [self.go_sum, self.go_mod, &self.linker_flags()] {
            digest.update(part.as_bytes());
        }
        for binary in self.binaries {
            digest.update(binary.package.as_bytes());
        }
        if let Some(folder) = &self.folder {
            digest.update(folder.path.as_bytes());
        }
        let digest: String = digest.finalize().iter().take(6).fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        });
        format!("{}-{}-{digest}-{}", self.name, self.version, platform())
    }
}

/// Returns operating system and processor, as part of a file name.
pub(super) fn platform() -> String {
    format!("{}-{}", consts::OS, consts::ARCH)
}

/// A version of Go, comparable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct GoVersion {
    major: u32,
    minor: u32,
    patch: u32,
}

impl GoVersion {
    /// Reads `1.26.8`, `1.26` or `1.27rc1` (which counts as 1.27.0).
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut numbers = text.trim().split('.').map(|part| {
            let digits = part.find(|c: char| !c.is_ascii_digit()).map_or(part, |end| &part[..end]);
            digits.parse().ok()
        });
        let major = numbers.next().flatten()?;
        let minor = numbers.next().flatten()?;
        let patch = numbers.next().flatten().unwrap_or(0);
        Some(Self { major, minor, patch })
    }
}

impl fmt::Display for GoVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn go_versions_are_read_and_compared() {
        let check = |text: &str, expected: Option<(u32, u32, u32)>| {
            let expected = expected.map(|(major, minor, patch)| GoVersion { major, minor, patch });
            assert_eq!(GoVersion::parse(text), expected, "{text}");
        };
        check("1.26.8", Some((1, 26, 8)));
        check("1.26", Some((1, 26, 0)));
        check("1.27rc1", Some((1, 27, 0)));
        check("devel", None);
        check("", None);
        assert!(GoVersion::parse("1.9.7") < GoVersion::parse("1.26.0"));
    }

    #[test]
    fn the_pins_name_the_versions_that_the_table_names() {
        for module in MODULES {
            let (package, version) = match module.name {
                "etcd" => ("go.etcd.io/etcd/server/v3", "v3.7.3"),
                "kwok" => ("sigs.k8s.io/kwok", "v0.8.0"),
                "kubernetes" => ("k8s.io/kubernetes", "v1.36.4"),
                "tekton" => ("github.com/tektoncd/pipeline", "v1.15.0"),
                other => panic!("{other} has no expectation here"),
            };
            assert_eq!(version, format!("v{}", module.version));
            assert!(module.go_mod.contains(&format!("\t{package} {version} ")), "{}", module.name);
            assert!(module.go_sum.contains(&format!("{package} {version} h1:")), "{}", module.name);
        }
    }

    #[test]
    fn only_kubernetes_is_stamped_with_its_version() {
        let flags = |name: &str| MODULES.iter().find(|module| module.name == name).map(Module::linker_flags);
        assert_eq!(flags("etcd").as_deref(), Some("-s -w"));
        assert_eq!(flags("tekton").as_deref(), Some("-s -w"));
        let kubernetes = flags("kubernetes").unwrap();
        assert!(kubernetes.contains("-X k8s.io/client-go/pkg/version.gitVersion=v1.36.4 "));
        assert!(kubernetes.contains("-X k8s.io/component-base/version.gitMinor=36 "));
    }
}
