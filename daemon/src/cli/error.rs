//! Why a command could not be carried out, and what to do next.

use std::{io, path::PathBuf};

use plumb_cluster::{client::ConnectError, error::ApiError};
use plumb_core::{
    environment::{EnvironmentName, InvalidEnvironmentName},
    rollback::by_hand::Refused,
    trigger::name::TriggerName,
};
use plumb_git::error::GitError;

/// A command that was not carried out. `Display` says what happened; [`CliError::next`] says what to do.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CliError {
    /// A path can't be read as files.
    #[error("cannot read {}", .path.display())]
    Unreadable {
        /// The path.
        path: PathBuf,
        #[source]
        source: Box<GitError>,
    },
    /// Files are wrong, where valid ones are needed to go on.
    #[error("the files are not valid:\n{}", lines(.0))]
    Files(Vec<String>),
    /// No cluster is configured, or not one that can be used.
    #[error("no cluster to talk to")]
    NoCluster(#[source] anyhow::Error),
    /// No connection can be made from the configuration.
    #[error("cannot connect to the cluster")]
    Connect(#[source] ConnectError),
    /// The cluster does not answer.
    #[error("the cluster at {server} does not answer")]
    OutOfReach {
        /// Its address.
        server: String,
        #[source]
        source: Box<ApiError>,
    },
    /// The cluster refused.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// There is no such Environment.
    #[error("there is no Environment {name}")]
    NoEnvironment {
        /// What was looked for.
        name: EnvironmentName,
        /// Some of those that are there.
        known: Vec<String>,
    },
    /// There is no such PipelineTrigger.
    #[error("there is no PipelineTrigger {name}")]
    NoTrigger {
        /// What was looked for.
        name: TriggerName,
        /// Some of those that are there.
        known: Vec<String>,
    },
    /// A PipelineTrigger has no such component.
    #[error("{trigger} has no component {written:?}")]
    NoComponent {
        /// The PipelineTrigger.
        trigger: TriggerName,
        /// What was written.
        written: String,
        /// Those that it has.
        known: Vec<String>,
    },
    /// There is no such run.
    #[error("there is no run {name}")]
    NoRun {
        /// What was looked for.
        name: TriggerName,
        /// Some of those that are there.
        known: Vec<String>,
    },
    /// A run was there, and its trigger still knows how it ended.
    #[error("the run {name} is gone, and its logs with it; it ended: {end}")]
    RunGone {
        /// What was looked for.
        name: TriggerName,
        /// Whose run it was.
        trigger: TriggerName,
        /// How it ended.
        end: String,
    },
    /// Something else has the name.
    #[error("{object} was not made by a PipelineTrigger")]
    NotByTrigger {
        /// What was found.
        object: String,
    },
    /// A run has no such task or step.
    #[error("the run {run} has no {part} {written:?}")]
    NoPart {
        /// The run.
        run: TriggerName,
        /// `task` or `step`.
        part: &'static str,
        /// What was written.
        written: String,
        /// Those that it has.
        known: Vec<String>,
    },
    /// The namespace of the kubeconfig's context makes no name.
    #[error(transparent)]
    Name(#[from] InvalidEnvironmentName),
    /// A commit that the Environment's status does not name, or more than one.
    #[error("{written:?} is not one commit of this Environment")]
    NoCommit {
        /// What was written.
        written: String,
        /// The commits that the status names.
        known: Vec<String>,
    },
    /// The manifest suspends it, which no annotation can end.
    #[error("{name} stays suspended: its spec.suspend is true")]
    SuspendedBySpec {
        /// The Environment.
        name: EnvironmentName,
    },
    /// Nothing that the status names can be gone back to.
    #[error("{name} has nothing healthy to go back to")]
    NothingBefore {
        /// The Environment.
        name: EnvironmentName,
    },
    /// The Environment can't be rolled back as asked.
    #[error("{name} is not rolled back: {why}")]
    NotRolledBack {
        /// The Environment.
        name: EnvironmentName,
        /// Why not.
        why: Refused,
    },
    /// The Environment itself is wrong.
    #[error("the Environment {name} is not valid: {message}")]
    InvalidSpec {
        /// The Environment.
        name: EnvironmentName,
        /// What is wrong.
        message: String,
    },
    /// The Environment's Repository can't be used.
    #[error("the Repository {name} can't be read: {message}")]
    Repository {
        /// Its namespace and name.
        name: String,
        /// Why not.
        message: String,
    },
    /// Its Git server, or the commit, can't be read.
    #[error("the Repository {name} can't be read")]
    Git {
        /// Its namespace and name.
        name: String,
        #[source]
        source: Box<GitError>,
    },
    /// A clone without notes of plumb.
    #[error("{} has no notes of {}", .path.display(), .cluster.as_deref().unwrap_or("plumb"))]
    NoNotes {
        /// The clone.
        path: PathBuf,
        /// The cluster, where one was named.
        cluster: Option<String>,
        /// Clusters whose notes it has.
        others: Vec<String>,
    },
    /// The trusted keys can't be used.
    #[error("the keys in {} can't be used", .path.display())]
    Keys {
        /// Where they are.
        path: PathBuf,
        #[source]
        source: plumb_signature::InvalidKeys,
    },
    /// A time that is none.
    #[error("{written:?} is no time")]
    Time {
        /// What was written.
        written: String,
    },
    /// There is no place for a mirror.
    #[error("cannot make a temporary directory")]
    Scratch(#[source] io::Error),
    /// A Git worker can't be started.
    #[error("cannot start a Git worker")]
    Worker(#[source] anyhow::Error),
    /// The cluster would not take what the files say.
    #[error("the cluster would not take these objects:\n{}", lines(.0))]
    NotApplicable(Vec<String>),
    /// Standard output can't be written.
    #[error("cannot write the output")]
    Output(#[source] io::Error),
    /// The Git worker's pipes broke.
    #[error("the git worker ended")]
    GitWorker(#[source] io::Error),
    /// The async runtime can't be started.
    #[error("cannot start")]
    Runtime(#[source] io::Error),
    /// The daemon ended with an error.
    #[error("plumb ends")]
    Daemon(#[source] anyhow::Error),
    /// The text of an object can't be made.
    #[error("{object} cannot be written as YAML: {message}")]
    Yaml {
        /// Which object.
        object: String,
        /// What the library says.
        message: String,
    },
}

impl CliError {
    /// Returns the next step.
    pub(crate) fn next(&self) -> String {
        match self {
            Self::Unreadable { path, .. } => {
                format!("name a directory or a file that exists and is readable: ls -la {}", path.display())
            }
            Self::Files(_) => "correct these places; `plumb check` finds them all without a cluster".to_owned(),
            Self::NoCluster(_) => "pass --kubeconfig FILE or --context NAME, or set KUBECONFIG".to_owned(),
            Self::Connect(_) => "correct the kubeconfig; kubectl config view shows it".to_owned(),
            Self::OutOfReach { .. } => {
                "see whether it runs: kubectl cluster-info; choose another one with --context or --kubeconfig"
                    .to_owned()
            }
            Self::Api(error) => after(error).to_owned(),
            Self::NoEnvironment { name: EnvironmentName { namespace, .. }, known } if known.is_empty() => {
                format!("{namespace} has no Environments that you may see; list all with plumb status -A")
            }
            Self::Name(_) => "name the namespace with -n; kubectl config view shows the one of the context".to_owned(),
            Self::NoEnvironment { name: EnvironmentName { namespace, .. }, known } => {
                format!("name one of {} (in {namespace}), or another namespace with -n", known.join(", "))
            }
            Self::NoTrigger { name, known } if known.is_empty() => {
                format!("{} has no PipelineTriggers that you may see; plumb runs -A shows those of all namespaces", name.namespace)
            }
            Self::NoTrigger { name, known } => {
                format!("name one of {} (in {}), or another namespace with -n", known.join(", "), name.namespace)
            }
            Self::NoComponent { known, .. } => format!("name one of {}", known.join(", ")),
            Self::NoRun { name, known } if known.is_empty() => {
                format!("{} has no runs that you may see; plumb runs -A shows those of all namespaces", name.namespace)
            }
            Self::NoRun { known, .. } => format!("name one of {}; plumb runs lists all", known.join(", ")),
            Self::RunGone { trigger, .. } => format!("plumb runs {trigger} shows what is there; plumb build {trigger} builds anew"),
            Self::NotByTrigger { .. } => "plumb runs lists the runs of PipelineTriggers; for others: kubectl, or tkn".to_owned(),
            Self::NoPart { run, known, .. } if known.is_empty() => format!("plumb runs describe {run} shows what it has"),
            Self::NoPart { known, .. } => format!("name one of {}", known.join(", ")),
            Self::NoCommit { known, .. } if known.is_empty() => "write all 40 digits: git rev-parse HEAD".to_owned(),
            Self::NoCommit { known, .. } => format!("name one of {}, or write all 40 digits", known.join(", ")),
            Self::SuspendedBySpec { .. } => "set spec.suspend to false where the Environment is declared".to_owned(),
            Self::NothingBefore { .. } => {
                "name a commit with --to, in full: git log --first-parent shows them, plumb history what became of each".to_owned()
            }
            Self::NotRolledBack { .. } => {
                "plumb status ENV shows what is in force, plumb history ENV what was before; name another commit with --to"
                    .to_owned()
            }
            Self::InvalidSpec { .. } => {
                "correct it where the Environment is declared; plumb check finds such mistakes".to_owned()
            }
            Self::Repository { .. } | Self::Git { .. } => {
                "compare with files of yours instead: plumb diff ENV --path DIR".to_owned()
            }
            Self::NoNotes { others, .. } if !others.is_empty() => {
                format!("name one of these with --cluster: {}", others.join(", "))
            }
            Self::NoNotes { .. } => {
                "fetch them: git fetch origin 'refs/notes/plumb/*:refs/notes/plumb/*' (a clone takes \
                 them along only with --mirror; without records: Notes in its Repository there are none)"
                    .to_owned()
            }
            Self::Keys { .. } => {
                "put allowed_signers (and revoked_keys) or *.asc into a directory, and nothing else".to_owned()
            }
            Self::Time { .. } => "write a date (2026-11-21) or a time (2026-11-21T20:00:00Z)".to_owned(),
            Self::Scratch(_) => "see whether TMPDIR is writable and has room".to_owned(),
            Self::Worker(_) => {
                "see whether TMPDIR is writable, and whether this program can be run by its path".to_owned()
            }
            Self::NotApplicable(_) => {
                "correct these places, or what is missing in the cluster, and try again".to_owned()
            }
            Self::Output(_) => "see whether the disk is full, or write somewhere else".to_owned(),
            Self::GitWorker(_) => "nobody starts this by hand: see the log of the plumb that started it".to_owned(),
            Self::Runtime(_) => "see whether the limits on threads and open files are too low: ulimit -a".to_owned(),
            Self::Daemon(_) => "correct what is named above, then start it again: plumb run --help".to_owned(),
            Self::Yaml { .. } => "this is a defect: please report it, and use -o json until then".to_owned(),
        }
    }
}

/// Returns what helps against a failed request.
fn after(error: &ApiError) -> &'static str {
    match error {
        ApiError::NotServed { .. } => "install plumb's resources: plumb install | kubectl apply --server-side -f -",
        ApiError::Unauthorized { .. } => "sign in again, or choose another user with --context: kubectl auth whoami",
        ApiError::Forbidden { .. } => {
            "ask for this right, or choose another user with --context: kubectl auth can-i --list"
        }
        _ => "try again; if it stays, correct what the message names",
    }
}

fn lines(problems: &[String]) -> String {
    problems.iter().map(|problem| format!("  {problem}")).collect::<Vec<_>>().join("\n")
}
