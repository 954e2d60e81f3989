//! What the cluster serves: kinds, their plural, their scope, and which groups could not be asked.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;

use crate::{
    object::{GroupKind, Gvk, Manifest, ObjectKey},
    presence::Presence,
};

/// Whether objects of a kind live in namespaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Scope {
    /// They do.
    Namespaced,
    /// They belong to the cluster.
    Cluster,
}

/// One kind at one version as the API server serves it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Kind {
    /// Kind and version.
    pub gvk: Gvk,
    /// The resource's name in URLs, such as `deployments`.
    pub plural: String,
    /// Its scope.
    pub scope: Scope,
    /// Whether it can be listed and watched; what cannot is never part of an inventory.
    pub watchable: bool,
    /// The CustomResourceDefinition of this very commit that defines it, if the cluster does not serve it yet.
    pub defined_by: Option<ObjectKey>,
}

impl Kind {
    /// Returns a kind that is known without asking: its objects live in namespaces and can be watched.
    pub fn namespaced(gvk: Gvk, plural: &str) -> Self {
        Self { gvk, plural: plural.to_owned(), scope: Scope::Namespaced, watchable: true, defined_by: None }
    }
}

/// All kinds of a cluster, from discovery, widened by the definitions of a commit.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Kinds {
    served: BTreeMap<Gvk, Kind>,
    preferred: BTreeMap<GroupKind, String>,
    unknown: BTreeSet<(String, String)>,
}

impl Kinds {
    /// Makes the answer of discovery: `served` in the server's order of preference (the first version of a kind is the
    /// preferred one), `unknown` the `(group, version)` pairs whose discovery failed.
    pub fn new(served: impl IntoIterator<Item = Kind>, unknown: impl IntoIterator<Item = (String, String)>) -> Self {
        let mut kinds = Self { unknown: unknown.into_iter().collect(), ..Self::default() };
        for kind in served {
            kinds.preferred.entry(kind.gvk.group_kind()).or_insert_with(|| kind.gvk.version.clone());
            kinds.served.insert(kind.gvk.clone(), kind);
        }
        kinds
    }

    /// Returns the kind at exactly this version; `Unknown` where the discovery of its group failed.
    pub fn find(&self, gvk: &Gvk) -> Presence<&Kind> {
        if let Some(kind) = self.served.get(gvk) {
            return Presence::Present(kind);
        }
        let unknown = self
            .unknown
            .iter()
            .any(|(group, version)| *group == gvk.group && (version.is_empty() || *version == gvk.version));
        if unknown { Presence::Unknown } else { Presence::Absent }
    }

    /// Returns the kind at the version that the server prefers; `Unknown` where the discovery of its group failed.
    pub fn preferred(&self, kind: &GroupKind) -> Presence<&Kind> {
        match self.preferred.get(kind) {
            Some(version) => {
                let gvk = Gvk { group: kind.group.clone(), version: version.clone(), kind: kind.kind.clone() };
                self.find(&gvk)
            }
            None if self.unknown.iter().any(|(group, _)| *group == kind.group) => Presence::Unknown,
            None => Presence::Absent,
        }
    }

    /// Returns the kind's other versions, for the hint of an error.
    pub fn versions(&self, kind: &GroupKind) -> Vec<&str> {
        self.served.keys().filter(|gvk| gvk.group_kind() == *kind).map(|gvk| gvk.version.as_str()).collect()
    }

    /// Returns every kind at its preferred version, sorted.
    pub fn all_preferred(&self) -> impl Iterator<Item = &Kind> {
        self.preferred.iter().filter_map(|(kind, version)| {
            self.served.get(&Gvk { group: kind.group.clone(), version: version.clone(), kind: kind.kind.clone() })
        })
    }

    /// Returns the `(group, version)` pairs whose discovery failed; an empty version stands for the whole group.
    pub fn unknown(&self) -> &BTreeSet<(String, String)> {
        &self.unknown
    }

    /// Returns these kinds and those that the CustomResourceDefinitions among `manifests` define and the cluster does
    /// not serve yet, so that a definition and its instances can arrive in one commit.
    pub fn with_definitions(mut self, manifests: &[Manifest]) -> Self {
        for manifest in manifests {
            if manifest.gvk.group == "apiextensions.k8s.io" && manifest.gvk.kind == "CustomResourceDefinition" {
                for kind in defined_kinds(manifest) {
                    // Where discovery failed the kind may well have objects already: it stays unknown.
                    if self.find(&kind.gvk) == Presence::Absent {
                        self.served.insert(kind.gvk.clone(), kind);
                    }
                }
            }
        }
        self
    }
}

/// Returns the served versions that a CustomResourceDefinition (apiextensions.k8s.io/v1) declares; a malformed one
/// declares none, and the API server says why when it is applied.
fn defined_kinds(manifest: &Manifest) -> Vec<Kind> {
    let spec = &manifest.value["spec"];
    let (Some(group), Some(kind), Some(plural)) =
        (spec["group"].as_str(), spec["names"]["kind"].as_str(), spec["names"]["plural"].as_str())
    else {
        return Vec::new();
    };
    let scope = match spec["scope"].as_str() {
        Some("Namespaced") => Scope::Namespaced,
        Some("Cluster") => Scope::Cluster,
        _ => return Vec::new(),
    };
    let versions = spec["versions"].as_array().map(Vec::as_slice).unwrap_or_default();
    let served = versions.iter().filter(|version| version["served"] == Value::Bool(true));
    served
        .filter_map(|version| version["name"].as_str())
        .map(|version| Kind {
            gvk: Gvk { group: group.to_owned(), version: version.to_owned(), kind: kind.to_owned() },
            plural: plural.to_owned(),
            scope,
            watchable: true,
            defined_by: Some(manifest.key.clone()),
        })
        .collect()
}
