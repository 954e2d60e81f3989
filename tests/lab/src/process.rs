//! The binaries under test, built on first use: same profile and target folder as the program that asks.
//!
//! Runs `cargo build` and nothing else. `cargo test` builds the binaries of the tested package only, so a test that
//! runs plumb or the laboratory's guard has to see to it that they are there and fresh. It selects what has Cargo compile
//! dependencies with the features that they have already: with others hundreds of them would be compiled once more.

use std::collections::BTreeMap;
use std::env;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{ChildStderr, Command, ExitStatus, Stdio};
use std::sync::Mutex;

/// What the names of variables begin with by which Cargo tells a test which package it is of.
const OF_PACKAGE: [&str; 2] = ["CARGO_MANIFEST_", "CARGO_PKG_"];

/// Why a binary can't be built or found.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The running program is not inside a target folder of Cargo.
    #[error("{} is not in a target folder of Cargo: run it with `cargo test` or `cargo run`", program.display())]
    NoTarget {
        /// The running program.
        program: PathBuf,
    },
    /// The path of the running program is not known.
    #[error("the path of the running program is not known")]
    Program(#[source] io::Error),
    /// Cargo can't be started.
    #[error("`{}` can't be started to build {package}: is Cargo on PATH?", cargo.display())]
    Cargo {
        /// The command.
        cargo: PathBuf,
        /// The package to be built.
        package: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The build failed.
    #[error("`cargo build {selection}` ended with {status}:\n{output}")]
    Failed {
        /// What was to be built.
        selection: String,
        /// How Cargo ended.
        status: ExitStatus,
        /// What Cargo and the compiler said.
        output: String,
    },
    /// The build succeeded without making the binary.
    #[error("building {package} made no {}: is there a [[bin]] or an example of that name?", path.display())]
    NotMade {
        /// The package.
        package: String,
        /// Where the binary should be.
        path: PathBuf,
    },
}

/// Returns the plumb binary, built at first use in this process.
///
/// # Panics
/// With the compiler's output if it can't be built: no test that needs it can go on.
pub fn plumb() -> PathBuf {
    built("plumb").unwrap_or_else(|error| panic!("the plumb binary is needed here: {error}"))
}

/// Returns the binary of the laboratory: the running program if it is that, else built at first use.
///
/// # Errors
/// When it can't be built; the error carries the compiler's output.
pub fn lab() -> Result<PathBuf, BuildError> {
    let program = env::current_exe().map_err(BuildError::Program)?;
    if program.file_stem().is_some_and(|stem| stem == "lab") { Ok(program) } else { built("lab") }
}

/// Returns the binary of a workspace package that has its name, built at first use in this process.
///
/// # Errors
/// When it can't be built; the error carries the compiler's output.
pub fn built(package: &str) -> Result<PathBuf, BuildError> {
    static BUILT: Mutex<BTreeMap<String, PathBuf>> = Mutex::new(BTreeMap::new());
    // Held during the build: a second test that asks waits instead of building too.
    let mut built = BUILT.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    if let Some(path) = built.get(package) {
        return Ok(path.clone());
    }
    let path = build(package)?;
    built.insert(package.to_owned(), path.clone());
    Ok(path)
}

/// Returns an example of a workspace package, built now if it is not fresh: a program for tests and measurements, with what only
/// those depend on.
///
/// # Errors
/// When it can't be built; the error carries the compiler's output.
pub fn example(name: &str) -> Result<PathBuf, BuildError> {
    let target = Target::of_this()?;
    cargo_build(&target, Asker::Test, name)?;
    Target::made(&target.binaries.join("examples"), name)
}

fn build(package: &str) -> Result<PathBuf, BuildError> {
    // Cargo has built it already when it runs tests of that very package, and says so.
    if let Some(path) = env::var_os(format!("CARGO_BIN_EXE_{package}")) {
        return Ok(PathBuf::from(path));
    }
    let target = Target::of_this()?;
    cargo_build(&target, target.asker, package)?;
    Target::made(&target.binaries, package)
}

/// Builds what this kind of program needs; `wanted` is what it is about.
fn cargo_build(target: &Target, asker: Asker, wanted: &str) -> Result<(), BuildError> {
    let cargo = env::var_os("CARGO").map_or_else(|| PathBuf::from("cargo"), PathBuf::from);
    let failed = |source| BuildError::Cargo { cargo: cargo.clone(), package: wanted.to_owned(), source };
    let mut command = Command::new(&cargo);
    command
        .arg("build")
        .args(asker.selection())
        .args(["--profile", &target.profile])
        .args(target.triple.iter().flat_map(|triple| ["--target", triple]))
        .arg("--target-dir")
        .arg(&target.root)
        .current_dir(env!("CARGO_MANIFEST_DIR"));
    // Cargo tells a test which package it is of. Build scripts such as ring's are run again when that changes, and what depends on them
    // would be compiled again: here, and by the next Cargo that is started by hand.
    for (name, _) in env::vars_os() {
        if OF_PACKAGE.iter().any(|prefix| name.as_encoded_bytes().starts_with(prefix.as_bytes())) {
            command.env_remove(name);
        }
    }
    let mut cargo_build =
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().map_err(failed)?;
    let output = listen(cargo_build.stderr.take().expect("because stderr was asked for as a pipe"));
    let status = cargo_build.wait().map_err(failed)?;
    if status.success() {
        Ok(())
    } else {
        Err(BuildError::Failed { selection: asker.selection().join(" "), status, output })
    }
}

/// Returns what Cargo says; passes on at once that it waits for another Cargo, which else would look like a hang.
fn listen(stderr: ChildStderr) -> String {
    let mut output = String::new();
    for line in BufReader::new(stderr).lines().map_while(Result::ok) {
        if line.trim_start().starts_with("Blocking") {
            // Past the capture of the test harness; a closed stderr must not fail a build.
            let _ = writeln!(io::stderr(), "{line}");
        }
        output.push_str(&line);
        output.push('\n');
    }
    output
}

/// Where Cargo puts what it builds, read from the path of a program that it built.
#[derive(Debug, PartialEq, Eq)]
struct Target {
    root: PathBuf,
    triple: Option<String>,
    profile: String,
    binaries: PathBuf,
    asker: Asker,
}

/// The kind of program that asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asker {
    /// A binary, as `cargo run` builds it.
    Binary,
    /// A test or an example.
    Test,
}

impl Asker {
    /// Returns what is built: everything whose features count, as they did for the program that asks.
    fn selection(self) -> &'static [&'static str] {
        match self {
            Self::Binary => &["--workspace", "--bins"],
            // Only where something is built for development do the features count that are asked for tests. The examples are few and
            // small, and part of every `cargo test --workspace`.
            Self::Test => &["--workspace", "--bins", "--examples"],
        }
    }
}

impl Target {
    /// Returns where Cargo has put the program that asks.
    fn of_this() -> Result<Self, BuildError> {
        let program = env::current_exe().map_err(BuildError::Program)?;
        Self::of(&program).ok_or(BuildError::NoTarget { program })
    }

    /// Returns a program that was built into a folder.
    fn made(folder: &Path, name: &str) -> Result<PathBuf, BuildError> {
        let path = folder.join(format!("{name}{}", env::consts::EXE_SUFFIX));
        if path.is_file() { Ok(path) } else { Err(BuildError::NotMade { package: name.to_owned(), path }) }
    }

    /// Reads `ROOT/[TRIPLE/]PROFILE/[deps/]PROGRAM`; Cargo marks ROOT with a file `CACHEDIR.TAG`.
    fn of(program: &Path) -> Option<Self> {
        let root = program.ancestors().skip(1).find(|folder| folder.join("CACHEDIR.TAG").is_file())?;
        let below: Vec<&str> =
            program.strip_prefix(root).ok()?.iter().map(|part| part.to_str()).collect::<Option<_>>()?;
        let (folders, asker) = match below.split_last()?.1 {
            [folders @ .., "deps" | "examples"] => (folders, Asker::Test),
            folders => (folders, Asker::Binary),
        };
        let (triple, folder) = match folders {
            [folder] => (None, *folder),
            [triple, folder] => (Some((*triple).to_owned()), *folder),
            _ => return None,
        };
        // The one profile whose folder has another name.
        let profile = if folder == "debug" { "dev" } else { folder };
        let binaries = folders.iter().fold(root.to_owned(), |path, part| path.join(part));
        Some(Self { root: root.to_owned(), triple, profile: profile.to_owned(), binaries, asker })
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_target_is_read_from_the_path_of_a_program() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("CACHEDIR.TAG"), "").unwrap();
        let check = |program: &str, triple: Option<&str>, profile: &str, binaries: &str, asker: Asker| {
            let expected = Target {
                root: root.path().to_owned(),
                triple: triple.map(str::to_owned),
                profile: profile.to_owned(),
                binaries: root.path().join(binaries),
                asker,
            };
            assert_eq!(Target::of(&root.path().join(program)), Some(expected), "{program}");
        };
        check("debug/deps/control_plane-0a1b", None, "dev", "debug", Asker::Test);
        check("debug/lab", None, "dev", "debug", Asker::Binary);
        check("release/deps/bench-0a1b", None, "release", "release", Asker::Test);
        check(
            "x86_64-unknown-linux-musl/release/lab",
            Some("x86_64-unknown-linux-musl"),
            "release",
            "x86_64-unknown-linux-musl/release",
            Asker::Binary,
        );
        assert_eq!(Target::of(Path::new("/usr/bin/lab")), None);
    }
}
