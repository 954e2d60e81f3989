//! `plumb suspend` and `plumb resume`.

use clap::Args;
use plumb_api::request;

use super::{
    Outcome,
    asking::{self, Wish},
    connection::{ConnectionArgs, Session, Written, with_session},
    error::CliError,
    screen,
};

/// Stop all writes for an Environment until it is resumed
///
/// Drift is still noticed and reported. The request is an annotation with your name and your reason, so Git and the
/// Environment's manifest stay as they are.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  plumb suspend production --reason \"incident 42: hands off\"
  plumb suspend shop/staging shop/production")]
pub(crate) struct SuspendArgs {
    /// Environments, as NAME or NAMESPACE/NAME
    #[arg(required = true, value_name = "ENV")]
    environments: Vec<Written>,
    /// Why, for whoever looks next
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    #[command(flatten)]
    connection: ConnectionArgs,
}

/// Let plumb write again after plumb suspend
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  plumb resume production
  plumb resume shop/staging shop/production")]
pub(crate) struct ResumeArgs {
    /// Environments, as NAME or NAMESPACE/NAME
    #[arg(required = true, value_name = "ENV")]
    environments: Vec<Written>,
    #[command(flatten)]
    connection: ConnectionArgs,
}

/// Writes the requests to suspend.
pub(crate) fn suspend(arguments: &SuspendArgs) -> Result<Outcome, CliError> {
    with_session(&arguments.connection, |session| async move {
        for written in &arguments.environments {
            let name = session.name(written)?;
            let wish = Wish { reason: arguments.reason.clone(), ..Wish::default() };
            asking::ask(&session, &name, request::SUSPENDED, wish).await?;
            screen::print(&format!("{name}: suspended; plumb resume {name} ends it\n"))?;
        }
        Ok(Outcome::Yes)
    })
}

/// Withdraws them.
pub(crate) fn resume(arguments: &ResumeArgs) -> Result<Outcome, CliError> {
    with_session(&arguments.connection, |session| async move {
        for written in &arguments.environments {
            screen::print(&resume_one(&session, written).await?)?;
        }
        Ok(Outcome::Yes)
    })
}

async fn resume_one(session: &Session, written: &Written) -> Result<String, CliError> {
    let name = session.name(written)?;
    let before = session.environment(&name).await?;
    let annotations = before.metadata.annotations.unwrap_or_default();
    let by_manifest = before.spec.suspend;
    if annotations.contains_key(request::SUSPENDED) {
        asking::withdraw(session, &name, request::SUSPENDED).await?;
    } else if !by_manifest {
        return Ok(format!("{name}: was not suspended\n"));
    }
    if by_manifest {
        return Err(CliError::SuspendedBySpec { name });
    }
    Ok(format!("{name}: resumed\n"))
}
