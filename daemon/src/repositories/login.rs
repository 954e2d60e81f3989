//! How to log in at a Repository: what the Secret says that its spec names.

use k8s_openapi::api::core::v1::Secret;
use plumb_api::Repository;
use plumb_cluster::{cluster::Cluster, resources};
use plumb_core::operation::Failure;
use plumb_git::remote::{Credentials, RemoteUrl};

use super::{name, wait};
use crate::{chain::chain, credentials};

/// Reads the credentials for an address.
///
/// # Errors
/// The Secret is missing, can't be read, or does not fit the address.
pub(crate) async fn read(cluster: &Cluster, resource: &Repository, url: &RemoteUrl) -> Result<Credentials, Failure> {
    let Some(reference) = &resource.spec.secret_ref else { return credentials::without(url).map_err(wait) };
    let ((namespace, _), secret) = (name(resource), &reference.name);
    let found = resources::get::<Secret>(cluster, &namespace, secret).await;
    let found = found.map_err(|error| Failure { class: error.class(), message: chain(&error) })?;
    let what = format!("the Secret {namespace}/{secret} that spec.secretRef names");
    let found = found.ok_or_else(|| {
        wait(format!(
            "{what} does not exist: create it, with username and password, or bearerToken, or for ssh identity and known_hosts"
        ))
    })?;
    credentials::read(url, &found).map_err(|message| wait(format!("{what} {message}")))
}
