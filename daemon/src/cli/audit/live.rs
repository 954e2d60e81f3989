//! What a cluster knows of the records of its Environments: how many were published, and where the notes ended then.

use plumb_api::Environment;
use plumb_core::{audit::anchor::Count, commit::CommitId, record::line::Series};

use crate::{
    cli::{
        connection::{ConnectionArgs, with_session},
        error::CliError,
    },
    ledger, settings,
};

/// What the status of one Environment says.
pub(super) struct Testimony {
    /// The Environment, as namespace and name.
    pub(super) name: String,
    /// The UID of the Repository, and the name of the cluster, for which it counts now.
    pub(super) series: Series,
    /// Where the notes ref ended when its records were pushed last.
    pub(super) head: Option<CommitId>,
    /// How many records were published, for each name of the cluster and each Repository.
    pub(super) counts: Vec<(Series, Count)>,
}

/// Asks a cluster for all its Environments.
pub(super) fn ask(connection: &ConnectionArgs) -> Result<Vec<Testimony>, CliError> {
    with_session(connection, |session| async move {
        let environments = session.environments(true).await?;
        Ok(environments.iter().filter_map(testimony).collect())
    })
}

fn testimony(environment: &Environment) -> Option<Testimony> {
    let name = settings::name(environment).to_string();
    let uid = environment.metadata.uid.clone().unwrap_or_default();
    let records = environment.status.as_ref()?.records.as_ref()?;
    let counted = ledger::ledger(Some(records));
    let count = |(series, published): (&Series, u64)| {
        let (name, environment, repository) = (name.clone(), uid.clone(), series.repository.clone());
        (series.clone(), Count { name, environment, repository, published })
    };
    let counts = counted.reached().into_iter().map(count).collect();
    let head = records.head.as_deref().and_then(|head| CommitId::parse(head).ok());
    Some(Testimony { series: ledger::series(records), head, counts, name })
}
