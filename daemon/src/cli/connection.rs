//! The cluster that a command talks to, and the names of Environments there.

use std::path::PathBuf;

use clap::Args;
use plumb_api::Environment;
use plumb_cluster::{client, cluster::Cluster, error::ApiError, resources};
use plumb_core::environment::EnvironmentName;
use tokio::runtime::Builder;

use super::{Outcome, error::CliError};
use crate::{clock::Clock, settings};

/// Names that an error lists when one was not found.
const NAMES_LISTED: usize = 10;

/// Which cluster, and where in it.
#[derive(Debug, Args)]
#[command(next_help_heading = "Cluster")]
pub(crate) struct ConnectionArgs {
    /// Namespace of the Environments; without it the one of the kubeconfig's context
    #[arg(short, long, value_name = "NAME")]
    pub(super) namespace: Option<String>,
    /// Kubeconfig; without it $KUBECONFIG, ~/.kube/config, or the Pod's own service account
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// Context of the kubeconfig
    #[arg(long, value_name = "NAME")]
    context: Option<String>,
}

/// An open connection.
#[derive(Debug, Clone)]
pub(crate) struct Session {
    pub(crate) cluster: Cluster,
    /// The namespace of names that carry none.
    pub(crate) namespace: String,
    pub(crate) clock: Clock,
}

/// Opens the connection and does the work of a command over it.
pub(crate) fn with_session<F>(arguments: &ConnectionArgs, work: impl FnOnce(Session) -> F) -> Result<Outcome, CliError>
where
    F: Future<Output = Result<Outcome, CliError>>,
{
    let runtime = Builder::new_current_thread().enable_all().build().map_err(CliError::Runtime)?;
    runtime.block_on(async { work(open(arguments).await?).await })
}

async fn open(arguments: &ConnectionArgs) -> Result<Session, CliError> {
    let ConnectionArgs { namespace, kubeconfig, context } = arguments;
    let config = crate::connect::config(kubeconfig.as_deref(), context.as_deref()).await;
    let config = config.map_err(CliError::NoCluster)?;
    let namespace = namespace.clone().unwrap_or_else(|| config.default_namespace.clone());
    let clock = Clock::system();
    let connections = client::connect(config, clock.random()).map_err(CliError::Connect)?;
    Ok(Session { cluster: Cluster::new(connections), namespace, clock })
}

impl Session {
    /// Returns the name that a person wrote as `NAME` or `NAMESPACE/NAME`.
    pub(crate) fn name(&self, written: &str) -> EnvironmentName {
        let (namespace, name) = written.split_once('/').unwrap_or((&self.namespace, written));
        EnvironmentName::new(namespace, name)
    }

    /// Returns an Environment, or an error that names those that exist.
    pub(crate) async fn environment(&self, written: &str) -> Result<Environment, CliError> {
        let EnvironmentName { namespace, name } = self.name(written);
        if let Some(found) = resources::get::<Environment>(&self.cluster, &namespace, &name).await? {
            return Ok(found);
        }
        Err(self.missing(namespace, name).await)
    }

    /// Returns the error for an Environment that does not exist.
    pub(crate) async fn missing(&self, namespace: String, name: String) -> CliError {
        let known = resources::list::<Environment>(&self.cluster, Some(&namespace)).await.unwrap_or_default();
        let known = known.iter().map(|found| settings::name(found).name).take(NAMES_LISTED).collect();
        CliError::NoEnvironment { namespace, name, known }
    }

    /// Returns the Environments of the session's namespace, or of all.
    pub(crate) async fn environments(&self, all_namespaces: bool) -> Result<Vec<Environment>, ApiError> {
        let namespace = (!all_namespaces).then_some(self.namespace.as_str());
        let mut found = resources::list::<Environment>(&self.cluster, namespace).await?;
        found.sort_by_key(settings::name);
        Ok(found)
    }
}
