//! The order in which objects are applied, by wave and by kind; prune goes through the kinds the other way round.

use serde::Serialize;

use crate::{object::GroupKind, wave::Wave};

/// Where in an operation an object is applied: by wave, and inside of it by the order of kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Place {
    /// Its wave.
    pub wave: Wave,
    /// Its step in the kind order.
    pub rank: Rank,
}

/// A step of the kind order: what stands earlier may be needed by what stands later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum Rank {
    /// Namespaces.
    Namespaces,
    /// CustomResourceDefinitions; the next step waits until they are Established.
    Definitions,
    /// Classes and priorities that others name.
    Classes,
    /// Service accounts, roles and bindings.
    Access,
    /// Quotas, limits and policies.
    Policies,
    /// Config maps and secrets.
    Configuration,
    /// Volumes and claims.
    Storage,
    /// Services: Pods get their addresses as environment variables when they start.
    Services,
    /// Everything without a place of its own, custom resources among it.
    Others,
    /// Workloads.
    Workloads,
    /// Scalers, ingresses and whatever points at workloads.
    Routing,
    /// API services and admission webhooks: once they are there they can refuse everything else.
    Admission,
}

impl Rank {
    /// Returns the step of a kind.
    pub fn of(kind: &GroupKind) -> Self {
        match (kind.group.as_str(), kind.kind.as_str()) {
            ("", "Namespace") => Self::Namespaces,
            ("apiextensions.k8s.io", "CustomResourceDefinition") => Self::Definitions,
            ("storage.k8s.io", "StorageClass" | "CSIDriver" | "VolumeAttributesClass")
            | ("scheduling.k8s.io", "PriorityClass")
            | ("node.k8s.io", "RuntimeClass")
            | ("networking.k8s.io", "IngressClass") => Self::Classes,
            ("", "ServiceAccount") | ("rbac.authorization.k8s.io", _) => Self::Access,
            ("", "ResourceQuota" | "LimitRange")
            | ("networking.k8s.io", "NetworkPolicy")
            | ("policy", "PodDisruptionBudget") => Self::Policies,
            ("", "ConfigMap" | "Secret") => Self::Configuration,
            ("", "PersistentVolume" | "PersistentVolumeClaim") => Self::Storage,
            ("", "Service" | "Endpoints") | ("discovery.k8s.io", "EndpointSlice") => Self::Services,
            ("", "Pod" | "ReplicationController")
            | ("apps", "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet")
            | ("batch", "Job" | "CronJob") => Self::Workloads,
            ("autoscaling", "HorizontalPodAutoscaler") | ("networking.k8s.io", "Ingress") => Self::Routing,
            ("apiregistration.k8s.io", "APIService") | ("admissionregistration.k8s.io", _) => Self::Admission,
            _ => Self::Others,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_needed_comes_first() {
        let check = |earlier: (&str, &str), later: (&str, &str)| {
            let rank = |(group, kind): (&str, &str)| Rank::of(&GroupKind::new(group, kind));
            assert!(rank(earlier) < rank(later), "{earlier:?} before {later:?}");
        };
        check(("", "Namespace"), ("", "ConfigMap"));
        check(("apiextensions.k8s.io", "CustomResourceDefinition"), ("example.com", "Database"));
        check(("", "ServiceAccount"), ("apps", "Deployment"));
        check(("", "ConfigMap"), ("apps", "Deployment"));
        check(("", "Service"), ("apps", "Deployment"));
        check(("apps", "Deployment"), ("networking.k8s.io", "Ingress"));
        check(("apps", "Deployment"), ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration"));
    }
}
