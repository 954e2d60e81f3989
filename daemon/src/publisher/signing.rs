//! The key that signs plumb's own commits, from the Secret that `spec.commit.signingSecretRef` names.
//!
//! It is read for each push, so that a key that was changed counts from the next one on. Must never do: sign with none where
//! one is named.

use k8s_openapi::api::core::v1::Secret;
use plumb_api::Repository;
use plumb_cluster::{cluster::Cluster, resources};
use plumb_core::{class::Class, operation::Failure};
use plumb_signature::SigningKey;

use crate::{chain::chain, repositories};

/// Returns the key; nothing if none is named.
///
/// # Errors
/// It is named and can't be used.
pub(crate) async fn key(cluster: &Cluster, resource: &Repository) -> Result<Option<SigningKey>, Failure> {
    let commit = resource.spec.commit.as_ref();
    let Some(reference) = commit.and_then(|commit| commit.signing_secret_ref.as_ref()) else { return Ok(None) };
    let (namespace, _) = repositories::name(resource);
    let what = format!("the Secret {namespace}/{} that spec.commit.signingSecretRef names", reference.name);
    let wait = |why: &str| Failure { class: Class::Wait, message: format!("{what} {why}") };
    let secret = resources::get::<Secret>(cluster, &namespace, &reference.name).await;
    let secret = secret.map_err(|error| Failure { class: error.class(), message: chain(&error) })?;
    let secret = secret
        .ok_or_else(|| wait("does not exist: create it, with identity and, where the key is encrypted, password"))?;
    let text = |key: &str| -> Result<Option<String>, Failure> {
        let bytes = secret.data.as_ref().and_then(|data| data.get(key));
        let text = bytes.map(|bytes| String::from_utf8(bytes.0.clone())).transpose();
        text.map_err(|_| wait(&format!("has a key {key} that is not UTF-8: write it as text")))
    };
    let identity = text("identity")?.ok_or_else(|| wait("has no key identity: add the private key"))?;
    let password = text("password")?.map(|password| password.trim_end_matches(['\r', '\n']).to_owned());
    let key = SigningKey::parse(&identity, password.as_deref());
    key.map(Some).map_err(|error| wait(&format!("has a key identity that can't sign: {error}")))
}
