//! What the planner looks at: gathered before, never read while planning.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{namespace::NamespaceState, replace::Immutable, transaction::Trial};
use crate::{
    claims::Claim,
    commit::CommitId,
    desired::Desired,
    environment::{EnvironmentName, FieldManager},
    fingerprint::Fingerprint,
    foreign::Addition,
    inventory::Inventory,
    live::Live,
    object::ObjectKey,
    policy::Policy,
    presence::Presence,
};

/// What is remembered of the last apply of one object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Applied {
    /// The fingerprint of the manifest that was sent.
    pub manifest: Fingerprint,
    /// The fingerprint of the live object that it left.
    pub left: Fingerprint,
}

/// Everything that one plan depends on.
#[derive(Debug, Clone)]
pub struct Input<'a> {
    /// Whose plan it is.
    pub environment: &'a EnvironmentName,
    /// The commit that is planned; absent: none that anybody could allow something for.
    pub commit: Option<&'a CommitId>,
    /// What that commit wants.
    pub desired: &'a Desired,
    /// What the cluster has of this environment.
    pub live: &'a Live,
    /// What was last applied, as far as this process remembers.
    pub applied: &'a BTreeMap<ObjectKey, Applied>,
    /// For objects that nobody remembers: the fingerprint that a dry-run of the apply leaves; absent: it failed.
    pub predictions: &'a BTreeMap<ObjectKey, Fingerprint>,
    /// Whether exactly these inputs were applied before, so that a difference can't come from a commit.
    pub settled: bool,
    /// What of others a namespace or definition holds that might be pruned.
    pub contents: &'a BTreeMap<ObjectKey, Presence<Vec<ObjectKey>>>,
    /// Objects that other environments of the same cluster desire or own, and which ones.
    pub claims: &'a BTreeMap<ObjectKey, Claim>,
    /// Objects that others are handing over to this environment at this moment.
    pub incoming: &'a BTreeSet<ObjectKey>,
    /// Environments whose wishes at this commit are not known yet: one of them may desire what this one would prune.
    pub undecided: &'a [EnvironmentName],
    /// Environments of other repositories that may desire by now what this one would prune.
    pub unheard: &'a [EnvironmentName],
    /// The field managers of all environments that exist.
    pub environments: &'a BTreeMap<FieldManager, EnvironmentName>,
    /// The parent's record: annotations and status together; absent: both are missing.
    pub recorded: Option<Inventory>,
    /// Whether the parent carries the annotations; where somebody has removed them they are written again.
    pub annotated: bool,
    /// Whether a scan of all listable kinds has found every labelled object.
    pub scanned: bool,
    /// How it stands with the namespace that `policy.create_namespace` names, where [`super::namespace::to_look`] asks.
    pub namespace: NamespaceState,
    /// What dry-runs made of the applies that [`super::transaction::to_try`] asks about.
    pub trials: &'a BTreeMap<ObjectKey, Trial>,
    /// Objects that the API server refuses to change in place.
    pub immutable: &'a BTreeMap<ObjectKey, Immutable>,
    /// Objects over which somebody quarrels with this environment: their drift is left for now.
    pub resting: &'a BTreeSet<ObjectKey>,
    /// What others added to objects and could not be removed: it is left until it changes.
    pub left: &'a BTreeMap<ObjectKey, Vec<Addition>>,
    /// What the Environment asks for.
    pub policy: &'a Policy,
}
