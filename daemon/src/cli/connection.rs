//! The cluster that a command talks to, and the names of Environments there.

use std::{path::PathBuf, str::FromStr};

use clap::Args;
use plumb_api::{Environment, Repository};
use plumb_cluster::{client, cluster::Cluster, error::ApiError, resources};
use plumb_core::{
    environment::{EnvironmentName, InvalidEnvironmentName},
    name::is_subdomain,
};
use tokio::runtime::Builder;

use super::error::CliError;
use crate::{clock::Clock, settings};

/// Names that an error lists when one was not found.
const NAMES_LISTED: usize = 10;

/// Which cluster, and where in it.
#[derive(Debug, Args)]
#[command(next_help_heading = "Cluster")]
pub(crate) struct ConnectionArgs {
    /// Namespace of what is named without one; without it the one of the kubeconfig's context
    #[arg(short, long, value_name = "NAME", value_parser = namespace)]
    pub(super) namespace: Option<String>,
    /// Kubeconfig; without it $KUBECONFIG, ~/.kube/config, or the Pod's own service account
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// Context of the kubeconfig
    #[arg(long, value_name = "NAME")]
    context: Option<String>,
}

fn namespace(text: &str) -> Result<String, &'static str> {
    is_subdomain(text)
        .then(|| text.to_owned())
        .ok_or("write the name of a namespace, in lower-case letters, digits and -")
}

/// An Environment as a person wrote it: `NAME` or `NAMESPACE/NAME`.
#[derive(Debug, Clone)]
pub(crate) struct Written(String);

impl Written {
    /// Returns the text.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Written {
    type Err = InvalidEnvironmentName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // Which namespace it is in if it names none does not matter here.
        EnvironmentName::parse(text, "default").map(|_| Self(text.to_owned()))
    }
}

/// An open connection.
#[derive(Debug, Clone)]
pub(crate) struct Session {
    pub(crate) cluster: Cluster,
    /// The address of its API server.
    server: String,
    /// The namespace of names that carry none.
    pub(crate) namespace: String,
    pub(crate) clock: Clock,
}

/// Opens the connection and does the work of a command over it.
pub(crate) fn with_session<F, T>(arguments: &ConnectionArgs, work: impl FnOnce(Session) -> F) -> Result<T, CliError>
where
    F: Future<Output = Result<T, CliError>>,
{
    let runtime = Builder::new_current_thread().enable_all().build().map_err(CliError::Runtime)?;
    runtime.block_on(async {
        let session = open(arguments).await?;
        let server = session.server.clone();
        work(session).await.map_err(|error| match error {
            CliError::Api(source @ (ApiError::Unreachable { .. } | ApiError::Timeout { .. })) => {
                CliError::OutOfReach { server, source: Box::new(source) }
            }
            other => other,
        })
    })
}

async fn open(arguments: &ConnectionArgs) -> Result<Session, CliError> {
    let ConnectionArgs { namespace, kubeconfig, context } = arguments;
    let config = crate::connect::config(kubeconfig.as_deref(), context.as_deref()).await;
    let config = config.map_err(CliError::NoCluster)?;
    let namespace = namespace.clone().unwrap_or_else(|| config.default_namespace.clone());
    let clock = Clock::system();
    let server = config.cluster_url.to_string();
    let connections = client::connect(config, clock.random()).map_err(CliError::Connect)?;
    Ok(Session { cluster: Cluster::new(connections), server, namespace, clock })
}

impl Session {
    /// Returns the name that a person wrote as `NAME` or `NAMESPACE/NAME`.
    pub(crate) fn name(&self, Written(written): &Written) -> Result<EnvironmentName, CliError> {
        Ok(EnvironmentName::parse(written, &self.namespace)?)
    }

    /// Returns an Environment, or an error that names those that exist.
    pub(crate) async fn environment(&self, name: &EnvironmentName) -> Result<Environment, CliError> {
        match resources::get::<Environment>(&self.cluster, &name.namespace, &name.name).await? {
            Some(found) => Ok(found),
            None => Err(self.missing(name).await),
        }
    }

    /// Returns the error for an Environment that does not exist.
    pub(crate) async fn missing(&self, name: &EnvironmentName) -> CliError {
        let known = resources::list::<Environment>(&self.cluster, Some(&name.namespace)).await.unwrap_or_default();
        let known = known.iter().map(|found| settings::name(found).name).take(NAMES_LISTED).collect();
        CliError::NoEnvironment { name: name.clone(), known }
    }

    /// Returns the Repository that an Environment follows; nothing where it is not there, or may not be read.
    pub(crate) async fn repository(&self, environment: &Environment) -> Option<Repository> {
        let namespace = settings::name(environment).namespace;
        resources::get::<Repository>(&self.cluster, &namespace, &environment.spec.repository).await.ok().flatten()
    }

    /// Returns the Environments of the session's namespace, or of all.
    pub(crate) async fn environments(&self, all_namespaces: bool) -> Result<Vec<Environment>, ApiError> {
        let namespace = (!all_namespaces).then_some(self.namespace.as_str());
        let mut found = resources::list::<Environment>(&self.cluster, namespace).await?;
        found.sort_by_key(settings::name);
        Ok(found)
    }
}
