//! `plumb diff`: what would change, without changing it.
//!
//! Asks the planner that the daemon asks, with what the cluster and Git say now, and writes nothing: every apply is a
//! dry-run.

mod cascade;
mod change;
mod predict;
mod report;
pub(super) mod source;

use std::path::PathBuf;

use clap::Args;
use plumb_api::{Environment, EnvironmentStatus, condition::READY};
use plumb_core::{commit::CommitId, desired, environment::EnvironmentName, gate::ROLLED_BACK, kinds::Kinds};

use self::{report::Report, source::Source};
use super::{
    Outcome,
    connection::{ConnectionArgs, Session, Written, with_session},
    error::CliError,
    format::FormatArgs,
    render, screen, standing,
};
use crate::{
    rollback::state,
    rules,
    settings::{self, Settings},
};

/// Show what would change in the cluster
///
/// Renders the Environment's path at a commit of its Repository, or a directory of this machine, and compares with the
/// cluster by dry-runs: creations and changes as unified diffs, then deletions and what goes with them, then what plumb
/// would refuse to do. Values of Secrets are never shown. Git is read with the Repository's Secret, if you may read it.
/// What other Environments desire of the same objects is known only as far as the objects' labels tell.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  plumb diff staging                              the newest commit
  plumb diff staging --revision 1a2b3c4           another commit, or a branch
  plumb diff staging --path environments/staging  this directory, before it is committed

Exit codes: 0 nothing would change, 1 something would, 2 error or files that the cluster refuses")]
pub(crate) struct DiffArgs {
    /// Environment, as NAME or NAMESPACE/NAME
    #[arg(value_name = "ENV")]
    environment: Written,
    /// Commit or branch of the Repository; without it what the Repository follows
    #[arg(long, value_name = "REV", conflicts_with = "path")]
    revision: Option<String>,
    /// Directory of this machine in place of the Environment's path in Git
    #[arg(long, value_name = "DIR")]
    path: Option<PathBuf>,
    #[command(flatten)]
    format: FormatArgs,
    #[command(flatten)]
    connection: ConnectionArgs,
}

/// What everything in a diff is about.
struct Subject<'a> {
    session: &'a Session,
    settings: &'a Settings,
    kinds: &'a Kinds,
    source: &'a Source,
}

impl Subject<'_> {
    fn name(&self) -> &EnvironmentName {
        &self.settings.name
    }
}

/// The commit at which a rollback keeps an Environment.
struct Kept {
    /// Why.
    story: String,
    commit: CommitId,
    /// It is what was rolled back to; else what came after that, while the rolled back content is there once more.
    held: bool,
}

fn kept(status: &EnvironmentStatus) -> Option<Kept> {
    if let Some(hold) = state::rollback(status).held {
        return Some(Kept { story: hold.to_string(), commit: hold.healthy, held: true });
    }
    let ready = standing::find(&status.conditions, READY)?;
    let commit = CommitId::parse(&status.last_attempted.as_ref()?.commit).ok()?;
    (ready.reason == ROLLED_BACK).then(|| Kept { story: ready.message.clone(), commit, held: false })
}

/// Prints the differences.
pub(crate) fn perform(arguments: &DiffArgs) -> Result<Outcome, CliError> {
    with_session(&arguments.connection, |session| async move {
        let environment = session.environment(&session.name(&arguments.environment)?).await?;
        let (mut settings, invalid) = settings::read(&environment, &rules::compile(&environment.spec.health));
        if let Some(failure) = invalid {
            return Err(CliError::InvalidSpec { name: settings.name, message: failure.message });
        }
        if settings.policy.suspended {
            screen::remark("note: the Environment is suspended, so nothing happens until plumb resume")?;
            settings.policy.suspended = false;
        }
        // Of a commit that a person names, all is shown.
        let kept = kept(&environment.status.clone().unwrap_or_default());
        let kept = kept.filter(|_| arguments.path.is_none() && arguments.revision.is_none());
        if let Some(Kept { story, commit, held }) = &kept {
            screen::remark(&format!(
                "note: {}; this compares with {}, --revision with another commit",
                screen::first_line(story),
                commit.short()
            ))?;
            settings.policy.rolled_back = *held;
        }
        let revision = kept.map(|kept| kept.commit.to_string()).or_else(|| arguments.revision.clone());
        let source = match &arguments.path {
            Some(path) => Source::from_directory(path)?,
            None => Source::from_repository(&session, &environment, &settings, revision.as_deref()).await?,
        };
        let report = compare(&session, &environment, &settings, &source).await?;
        arguments.format.print(&report, || report.text())?;
        report.outcome()
    })
}

/// Returns what files would change in the cluster, in words.
///
/// # Errors
/// The cluster would not take them, or can't be asked.
pub(super) async fn shown(
    session: &Session,
    environment: &Environment,
    settings: &Settings,
    source: &Source,
) -> Result<String, CliError> {
    let report = compare(session, environment, settings, source).await?;
    report.outcome()?;
    Ok(report.text())
}

async fn compare(
    session: &Session,
    environment: &Environment,
    settings: &Settings,
    source: &Source,
) -> Result<Report, CliError> {
    let rendered = render::rendered(&source.shown, &source.tree)?;
    let kinds = session.cluster.kinds().await?.with_definitions(&rendered.manifests);
    let id = settings.name.applyset_id();
    let desired = desired::resolve(&rendered.manifests, &kinds, &id, settings.namespace.as_deref());
    let desired = predict::ignoring(session, settings, &kinds, &desired).await;
    let subject = Subject { session, settings, kinds: &kinds, source };
    let gathered = predict::gather(&subject, environment, &desired).await?;
    Report::make(&subject, &gathered, &desired).await
}
