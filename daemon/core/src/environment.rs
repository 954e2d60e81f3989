//! The identity of an environment: its name, its ApplySet id, its field manager.

use std::fmt;

use base64::Engine as _;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::name::is_subdomain;

/// The API group of plumb's resources.
pub const GROUP: &str = "plumb.dev";

/// Every environment's field manager starts with it; so do plumb's other managers (`plumb-cli` …).
pub const MANAGER_PREFIX: &str = "plumb-";

/// Characters of the ApplySet id that go into a field manager's name.
const MANAGER_ID_LENGTH: usize = 12;

/// Namespace and name of an `Environment`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EnvironmentName {
    /// Namespace of the resource.
    pub namespace: String,
    /// Name of the resource.
    pub name: String,
}

impl EnvironmentName {
    /// Makes a name of its two parts.
    pub fn new(namespace: &str, name: &str) -> Self {
        Self { namespace: namespace.to_owned(), name: name.to_owned() }
    }

    /// Reads `NAME`, which is in `namespace`, or `NAMESPACE/NAME`.
    ///
    /// # Errors
    /// A text that can't be the name of an Environment.
    pub fn parse(written: &str, namespace: &str) -> Result<Self, InvalidEnvironmentName> {
        let (namespace, name) = written.split_once('/').unwrap_or((namespace, written));
        let valid = is_subdomain(namespace) && is_subdomain(name);
        valid.then(|| Self::new(namespace, name)).ok_or_else(|| InvalidEnvironmentName(written.to_owned()))
    }

    /// Returns the id under which this environment's objects are labelled (KEP-3659):
    /// `applyset-<base64url(sha256("<name>.<namespace>.<kind>.<group>"))>-v1`.
    pub fn applyset_id(&self) -> ApplySetId {
        let digest = Sha256::digest(format!("{}.{}.Environment.{GROUP}", self.name, self.namespace));
        let encoded = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(digest);
        ApplySetId(format!("applyset-{encoded}-v1"))
    }
}

impl fmt::Display for EnvironmentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// A text that can't be the name of an Environment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no name of an Environment: write NAME or NAMESPACE/NAME, of lower-case letters, digits, - and .")]
pub struct InvalidEnvironmentName(String);

/// The value of `applyset.kubernetes.io/part-of` and of `applyset.kubernetes.io/id`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ApplySetId(String);

impl ApplySetId {
    /// Takes an id as it was read from a label; it need not be one of plumb's.
    pub fn from_label(value: &str) -> Self {
        Self(value.to_owned())
    }

    /// Returns the id as it is written into labels.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the field manager of the environment with this id: `plumb-` and 12 characters of the id.
    pub fn manager(&self) -> FieldManager {
        let id = self.0.strip_prefix("applyset-").unwrap_or(&self.0);
        FieldManager(format!("{MANAGER_PREFIX}{}", id.chars().take(MANAGER_ID_LENGTH).collect::<String>()))
    }
}

impl fmt::Display for ApplySetId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The name under which a writer owns fields (server-side apply, KEP-555).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FieldManager(String);

impl FieldManager {
    /// Takes a manager's name as the cluster shows it.
    pub fn new(name: &str) -> Self {
        Self(name.to_owned())
    }

    /// Returns the name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns whether this is the manager of some environment: plumb's prefix and exactly 12 characters of an id.
    pub fn is_environment(&self) -> bool {
        let other_writers = ["plumb-bootstrap", "plumb-cli", "plumb-inventory"];
        !other_writers.contains(&self.0.as_str())
            && self.0.strip_prefix(MANAGER_PREFIX).is_some_and(|id| id.chars().count() == MANAGER_ID_LENGTH)
    }
}

impl fmt::Display for FieldManager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_follows_the_kep_and_fits_a_label() {
        let id = EnvironmentName::new("team", "shop").applyset_id();
        assert!(id.as_str().starts_with("applyset-") && id.as_str().ends_with("-v1"));
        assert!(id.as_str().len() <= 63, "{id}");
        assert_ne!(id, EnvironmentName::new("shop", "team").applyset_id());
    }

    #[test]
    fn a_manager_is_recognised_as_an_environments() {
        let manager = EnvironmentName::new("team", "shop").applyset_id().manager();
        assert_eq!(manager.as_str().len(), MANAGER_PREFIX.len() + MANAGER_ID_LENGTH);
        assert!(manager.is_environment());
        for other in ["plumb-cli", "plumb-bootstrap", "plumb-inventory", "kubectl-edit", "plumb-short"] {
            assert!(!FieldManager::new(other).is_environment(), "{other}");
        }
    }

    #[test]
    fn names_are_read_as_people_write_them() {
        let check = |written: &str, expected: Option<(&str, &str)>| {
            let expected = expected.map(|(namespace, name)| EnvironmentName::new(namespace, name));
            assert_eq!(EnvironmentName::parse(written, "here").ok(), expected, "{written:?}");
        };
        check("staging", Some(("here", "staging")));
        check("shop/staging", Some(("shop", "staging")));
        for text in ["", "/", "shop/", "/staging", "a/b/c", "Staging", "sta ging", "shop/\u{1b}[2J"] {
            check(text, None);
        }
    }
}
