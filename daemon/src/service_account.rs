//! The service account of an environment: whether it is there to be acted for.
//!
//! The API server lets any name be impersonated, and role bindings outlive the account that they name: so that deleting a
//! service account ends what is done in its name, it is looked for before anything is written.

use plumb_cluster::cluster::Cluster;
use plumb_core::{
    class::Class,
    identity::InvalidServiceAccount,
    kinds::Kind,
    object::{Gvk, ObjectKey},
    operation::Failure,
};

use crate::{act::failure, context::Context, gather::NotGathered};

/// Returns what is wrong with a name that is none.
pub(crate) fn invalid(error: &InvalidServiceAccount) -> Failure {
    Failure { class: Class::Wait, message: error.to_string() }
}

/// Makes sure that the service account in whose name will be written exists; one read, none where plumb acts as itself.
pub(crate) async fn check(context: &Context, acting: &Cluster) -> Result<(), NotGathered> {
    let Some(account) = acting.identity().service_account() else { return Ok(()) };
    let kind = Kind::namespaced(Gvk::new("v1", "ServiceAccount"), "serviceaccounts");
    let key = ObjectKey {
        group: String::new(),
        kind: kind.gvk.kind.clone(),
        namespace: Some(account.namespace().to_owned()),
        name: account.name().to_owned(),
    };
    match context.cluster.get(&kind, &key).await {
        Ok(Some(found)) if found["metadata"]["deletionTimestamp"].is_null() => Ok(()),
        Ok(_) => {
            let message = format!(
                "{account} does not exist, so nothing is written: create it, or name another one in \
                 spec.target.serviceAccountName"
            );
            Err(NotGathered::Identity(Failure { class: Class::Wait, message }))
        }
        Err(error) => Err(NotGathered::Source(failure(&error, None))),
    }
}
