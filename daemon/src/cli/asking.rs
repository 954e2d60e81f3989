//! Requests to the daemon: annotations on an Environment or a PipelineTrigger, one value for each request, nothing else touched.

use plumb_api::{Environment, request};
use plumb_cluster::{error::ApiError, resources};
use plumb_core::environment::{EnvironmentName, FieldManager};

use super::{connection::Session, error::CliError};

/// What a person asks for besides the annotation that says it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wish {
    /// Why, in the person's words.
    pub(crate) reason: Option<String>,
    /// The commit it is about.
    pub(crate) commit: Option<String>,
    /// The component it is about.
    pub(crate) component: Option<String>,
    /// Whether the sync windows don't count.
    pub(crate) now: bool,
}

/// Writes a request, and returns its id and the Environment that carries it.
pub(crate) async fn ask(
    session: &Session,
    environment: &EnvironmentName,
    annotation: &str,
    wish: Wish,
) -> Result<(String, Environment), CliError> {
    let (id, value) = made(session, wish).await?;
    Ok((id, write(session, environment, annotation, Some(&value)).await?))
}

/// Makes a request, and returns its id and the value of its annotation.
pub(super) async fn made(session: &Session, wish: Wish) -> Result<(String, String), CliError> {
    let Wish { reason, commit, component, now } = wish;
    // The time helps people, the random part keeps two requests of one moment apart.
    let clock = &session.clock;
    let id = format!("{}-{:08x}", clock.now().strftime("%Y%m%dT%H%M%SZ"), clock.random() & 0xffff_ffff);
    let user = session.cluster.user().await?;
    // An empty one would be shown as if something were missing.
    let reason = reason.filter(|reason| !reason.trim().is_empty());
    let asked = request::Request { id: id.clone(), user, reason, now, commit, component };
    let value = serde_json::to_string(&asked).expect("because a request always becomes JSON");
    Ok((id, value))
}

/// Takes a request back.
pub(crate) async fn withdraw(
    session: &Session,
    environment: &EnvironmentName,
    annotation: &str,
) -> Result<Environment, CliError> {
    write(session, environment, annotation, None).await
}

async fn write(
    session: &Session,
    environment: &EnvironmentName,
    annotation: &str,
    value: Option<&str>,
) -> Result<Environment, CliError> {
    let manager = FieldManager::new(request::MANAGER);
    let EnvironmentName { namespace, name } = environment;
    match resources::annotate(&session.cluster, (namespace, name), &manager, annotation, value).await {
        Ok(written) => Ok(written),
        Err(ApiError::NotFound { .. }) => Err(session.missing(environment).await),
        Err(error) => Err(error.into()),
    }
}
