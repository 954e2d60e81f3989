//! Kubernetes objects as plumb names them: kinds, keys, manifests with their place in Git.

use std::{collections::BTreeMap, fmt, sync::Arc};

use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;

use crate::{commit::RepoPath, redact};

/// The label that marks an object as owned (KEP-3659, ApplySet).
pub const PART_OF: &str = "applyset.kubernetes.io/part-of";

/// A kind at a version; the core group is the empty string.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Gvk {
    /// API group; empty for the core group.
    pub group: String,
    /// Version, such as `v1`.
    pub version: String,
    /// Kind, such as `Deployment`.
    pub kind: String,
}

impl Gvk {
    /// Splits an `apiVersion` and takes the kind as it is.
    pub fn new(api_version: &str, kind: &str) -> Self {
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        Self { group: group.to_owned(), version: version.to_owned(), kind: kind.to_owned() }
    }

    /// Returns `group/version`, or the version alone for the core group.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.clone() } else { format!("{}/{}", self.group, self.version) }
    }

    /// Returns the kind without its version.
    pub fn group_kind(&self) -> GroupKind {
        GroupKind { group: self.group.clone(), kind: self.kind.clone() }
    }
}

impl fmt::Display for Gvk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.api_version(), self.kind)
    }
}

/// A kind whatever its version; written `Deployment.apps`, as ApplySet does.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct GroupKind {
    /// API group; empty for the core group.
    pub group: String,
    /// Kind, such as `Deployment`.
    pub kind: String,
}

impl GroupKind {
    /// Makes a kind from its two parts.
    pub fn new(group: &str, kind: &str) -> Self {
        Self { group: group.to_owned(), kind: kind.to_owned() }
    }

    /// Parses `Kind.group`; the core group has no dot. Returns nothing for an empty text.
    pub fn parse(text: &str) -> Option<Self> {
        let (kind, group) = text.split_once('.').unwrap_or((text, ""));
        (!kind.is_empty()).then(|| Self::new(group, kind))
    }
}

impl fmt::Display for GroupKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.kind)?;
        if !self.group.is_empty() {
            write!(f, ".{}", self.group)?;
        }
        Ok(())
    }
}

/// Which object: equal keys are one object in the cluster, whatever version it is read at.
///
/// Before scopes are known (straight after a render) `namespace` is what the file says; `desired::resolve`
/// fills in the environment's namespace, or clears it for cluster-scoped kinds.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ObjectKey {
    /// API group; empty for the core group.
    pub group: String,
    /// Kind.
    pub kind: String,
    /// Namespace; absent for cluster-scoped objects.
    pub namespace: Option<String>,
    /// Name.
    pub name: String,
}

impl ObjectKey {
    /// Returns the kind without its version.
    pub fn group_kind(&self) -> GroupKind {
        GroupKind { group: self.group.clone(), kind: self.kind.clone() }
    }
}

impl ObjectKey {
    /// Returns the key of a namespace.
    pub fn of_namespace(name: &str) -> Self {
        Self { group: String::new(), kind: "Namespace".to_owned(), namespace: None, name: name.to_owned() }
    }

    /// Returns whether it is a Namespace.
    pub fn is_namespace(&self) -> bool {
        self.group.is_empty() && self.kind == "Namespace"
    }

    /// Returns whether it is a CustomResourceDefinition.
    pub fn is_definition(&self) -> bool {
        self.group == "apiextensions.k8s.io" && self.kind == "CustomResourceDefinition"
    }
}

impl fmt::Display for ObjectKey {
    /// Writes `Deployment shop/web` or `Namespace shop`: short enough for a sentence.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.kind)?;
        if let Some(namespace) = &self.namespace {
            write!(f, "{namespace}/")?;
        }
        f.write_str(&self.name)
    }
}

/// Serialises a map as a list of pairs: JSON knows no keys but texts, and a key of an object is none.
pub(crate) fn serialize_pairs<K: Serialize, V: Serialize, S: Serializer>(
    map: &BTreeMap<K, V>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(map)
}

/// Where in Git something stands. Lines and columns count from 1; 0 means the whole file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Origin {
    /// The file.
    pub file: RepoPath,
    /// Line of the document's first node.
    pub line: u32,
    /// Column of it.
    pub column: u32,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file)?;
        if self.line > 0 {
            write!(f, ":{}:{}", self.line, self.column)?;
        }
        Ok(())
    }
}

/// One object as it was rendered: checked to have apiVersion, kind and a name, nothing else changed.
///
/// Shown (`Debug`) or serialised, the values of a Secret are redacted.
#[derive(Clone, PartialEq, Serialize)]
pub struct Manifest {
    /// Kind and version as the file says.
    pub gvk: Gvk,
    /// The key as the file says; see [`ObjectKey`].
    pub key: ObjectKey,
    /// The whole object.
    #[serde(serialize_with = "redact::serialize")]
    pub value: Arc<Value>,
    /// Where it stands.
    pub origin: Origin,
}

impl Manifest {
    /// Returns the annotation's value, if the object has it.
    pub fn annotation(&self, name: &str) -> Option<&str> {
        self.value.get("metadata")?.get("annotations")?.get(name)?.as_str()
    }

    /// Returns whether diffs, logs and records must redact it.
    pub fn is_secret(&self) -> bool {
        self.gvk.group.is_empty() && self.gvk.kind == "Secret"
    }
}

impl fmt::Debug for Manifest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { gvk, key, value, origin } = self;
        f.debug_struct("Manifest")
            .field("gvk", gvk)
            .field("key", key)
            .field("value", &redact::object(value))
            .field("origin", origin)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_written_as_applyset_writes_them() {
        let check = |text: &str, group: &str, kind: &str| {
            let parsed = GroupKind::parse(text).expect("a kind");
            assert_eq!(parsed, GroupKind::new(group, kind));
            assert_eq!(parsed.to_string(), text);
        };
        check("Deployment.apps", "apps", "Deployment");
        check("ConfigMap", "", "ConfigMap");
        check("Ingress.networking.k8s.io", "networking.k8s.io", "Ingress");
        assert_eq!(GroupKind::parse(""), None);
    }

    #[test]
    fn an_api_version_splits_into_group_and_version() {
        assert_eq!(Gvk::new("apps/v1", "Deployment").group, "apps");
        assert_eq!(Gvk::new("v1", "Pod").group, "");
        assert_eq!(Gvk::new("apps/v1", "Deployment").api_version(), "apps/v1");
        assert_eq!(Gvk::new("v1", "Pod").api_version(), "v1");
    }
}
