//! The Go command: found, checked for its version, and run once per module.
//!
//! Builds in the scratch folder it is given, from the pins that it writes there. Never lets Go fetch another toolchain
//! or change a pin.

use std::collections::VecDeque;
use std::env;
use std::ffi::OsStr;
use std::fs;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use super::module::{Folder, GoVersion, Module};
use crate::progress::{Progress, Step};

/// How many of the last lines of a failed build are shown: enough for the error and what led to it.
const SHOWN_LINES: usize = 20;

/// Why nothing was built.
#[derive(Debug, thiserror::Error)]
pub enum GoError {
    /// There is no `go` on the search path.
    #[error("there is no `go` on PATH")]
    Missing,
    /// The Go that is there can't build the pinned modules.
    #[error("{} is Go {found}, older than the {wanted} that the pinned modules need", path.display())]
    TooOld {
        /// The command that was found.
        path: PathBuf,
        /// Its version.
        found: String,
        /// The version that the modules need.
        wanted: String,
    },
    /// The command doesn't say which version it is.
    #[error("{} does not answer `go env GOVERSION` with a version", path.display())]
    Unusable {
        /// The command that was found.
        path: PathBuf,
    },
    /// A file of the build can't be written or moved, or the command can't be started.
    #[error("{doing} {} failed", path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// With which file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The command doesn't say where it keeps a module that it has just built from.
    #[error("`go list -m {module}` ended with {status} and names no folder: {stderr}")]
    NoFolder {
        /// The module that was asked for.
        module: &'static str,
        /// How it ended.
        status: ExitStatus,
        /// What it said.
        stderr: String,
    },
    /// The build ended with an error.
    #[error("`go build` ended with {status}; its last lines were:\n{last_lines}")]
    Failed {
        /// How it ended.
        status: ExitStatus,
        /// The end of its output.
        last_lines: String,
    },
}

/// A Go command that is new enough.
#[derive(Debug)]
pub(super) struct Go {
    path: PathBuf,
}

/// Returns the folder of a scratch folder that has the binaries after a build.
pub(super) fn output_of(scratch: &Path) -> PathBuf {
    scratch.join("out")
}

impl Go {
    /// Returns the first `go` on a search path, if it is at least of the wanted version.
    pub(super) fn find(search_path: &OsStr, wanted: GoVersion) -> Result<Self, GoError> {
        let path = env::split_paths(search_path)
            .filter(|directory| directory.is_absolute())
            .map(|directory| directory.join("go"))
            .find(|path| path.is_file())
            .ok_or(GoError::Missing)?;
        let output = Command::new(&path)
            .args(["env", "GOVERSION"])
            .env("GOTOOLCHAIN", "local")
            .stdin(Stdio::null())
            .output()
            .map_err(|source| GoError::Io { doing: "starting", path: path.clone(), source })?;
        let answer = String::from_utf8_lossy(&output.stdout);
        let version = answer.trim().strip_prefix("go").and_then(GoVersion::parse);
        match version {
            None => Err(GoError::Unusable { path }),
            Some(found) if found < wanted => {
                Err(GoError::TooOld { path, found: found.to_string(), wanted: wanted.to_string() })
            }
            Some(_) => Ok(Self { path }),
        }
    }

    /// Builds every binary of a module below a scratch folder, under the names that the laboratory uses, and puts the
    /// folder beside them that they need.
    pub(super) fn build(&self, module: &Module, scratch: &Path, progress: &dyn Progress) -> Result<(), GoError> {
        progress.report(Step::Building { module: module.name, version: module.version, usually: module.usually });
        for (name, text) in [("go.mod", module.go_mod), ("go.sum", module.go_sum)] {
            let path = scratch.join(name);
            fs::write(&path, text).map_err(|source| GoError::Io { doing: "writing", path, source })?;
        }
        let output = output_of(scratch);
        // With a slash at its end and a folder behind it, Go takes `-o` for a folder even for a single package.
        fs::create_dir_all(&output).map_err(|source| GoError::Io {
            doing: "creating",
            path: output.clone(),
            source,
        })?;
        self.compile(module, scratch, progress)?;
        for binary in module.binaries {
            let built = output.join(executable_name(binary.package));
            let named = output.join(binary.name);
            if built != named {
                fs::rename(&built, &named).map_err(|source| GoError::Io { doing: "renaming", path: built, source })?;
            }
        }
        let Some(folder) = &module.folder else { return Ok(()) };
        let found = self.module_folder(folder, scratch)?.join(folder.path);
        copy(&found, &output.join(folder.name)).map_err(|source| GoError::Io { doing: "copying", path: found, source })
    }

    /// Returns where Go keeps the source of a module that the pins in a scratch folder name.
    fn module_folder(&self, folder: &Folder, scratch: &Path) -> Result<PathBuf, GoError> {
        let output = self
            .command(scratch)
            .args(["list", "-m", "-f", "{{.Dir}}", folder.module])
            .output()
            .map_err(|source| GoError::Io { doing: "running", path: self.path.clone(), source })?;
        let found = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
        if output.status.success() && found.is_absolute() {
            return Ok(found);
        }
        let stderr = String::from_utf8_lossy(&output.stderr).trim_end().to_owned();
        Err(GoError::NoFolder { module: folder.module, status: output.status, stderr })
    }

    /// Returns the command, to work on the pins in a scratch folder: for this machine, whatever the user's shell
    /// cross-compiles for, and without another toolchain or other pins.
    fn command(&self, scratch: &Path) -> Command {
        let mut command = Command::new(&self.path);
        command
            .current_dir(scratch)
            .env("CGO_ENABLED", "0")
            .env("GOFLAGS", "-mod=readonly")
            .env("GOTOOLCHAIN", "local")
            .env("GOWORK", "off")
            .env_remove("GOOS")
            .env_remove("GOARCH")
            .stdin(Stdio::null());
        command
    }

    fn compile(&self, module: &Module, scratch: &Path, progress: &dyn Progress) -> Result<(), GoError> {
        let failed = |source| GoError::Io { doing: "running", path: self.path.clone(), source };
        let mut build = self
            .command(scratch)
            .args(["build", "-v", "-trimpath", "-ldflags", &module.linker_flags(), "-o", "out/"])
            .args(module.binaries.iter().map(|binary| binary.package))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(failed)?;
        let stderr = build.stderr.take().expect("because stderr was asked for as a pipe");
        let mut last_lines = VecDeque::with_capacity(SHOWN_LINES);
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            progress.report(Step::Output { line: &line });
            if last_lines.len() == SHOWN_LINES {
                last_lines.pop_front();
            }
            last_lines.push_back(line);
        }
        let status = build.wait().map_err(failed)?;
        if status.success() {
            return Ok(());
        }
        Err(GoError::Failed { status, last_lines: Vec::from(last_lines).join("\n") })
    }
}

/// Copies a folder with everything in it. Go keeps its modules write-protected; that goes for the copied files too.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

/// Returns the name that Go gives the binary of a package: the last part of its path that is not a major version.
fn executable_name(package: &str) -> &str {
    let is_version = |part: &str| part.strip_prefix('v').is_some_and(|rest| rest.parse::<u32>().is_ok());
    package.rsplit('/').find(|part| !is_version(part)).unwrap_or(package)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn binaries_are_named_as_go_names_them() {
        for (package, name) in [
            ("go.etcd.io/etcd/server/v3", "server"),
            ("sigs.k8s.io/kwok/cmd/kwok", "kwok"),
            ("k8s.io/kubernetes/cmd/kube-apiserver", "kube-apiserver"),
        ] {
            assert_eq!(executable_name(package), name);
        }
    }
}
