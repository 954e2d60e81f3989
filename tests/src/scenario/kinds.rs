//! The kinds whose objects a scenario shows, and where they are found.
//!
//! Objects that controllers derive from others (Pods, ReplicaSets, EndpointSlices, Events …) are not among them: when
//! they come and go is not plumb's doing.

use serde_json::Value;

/// A kind and where its objects are found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kind {
    /// The kind, such as `Deployment`.
    pub kind: String,
    /// `/api/v1` or `/apis/GROUP/VERSION`.
    pub root: String,
    /// The name in paths.
    pub plural: String,
    /// Whether its objects are in namespaces.
    pub namespaced: bool,
}

impl Kind {
    /// Returns the path of all its objects, in one namespace where it has namespaces.
    pub fn collection(&self, namespace: &str) -> String {
        let Self { root, plural, namespaced, .. } = self;
        if *namespaced { format!("{root}/namespaces/{namespace}/{plural}") } else { format!("{root}/{plural}") }
    }
}

const NAMESPACED: [(&str, &str, &str); 20] = [
    ("ConfigMap", "/api/v1", "configmaps"),
    ("CronJob", "/apis/batch/v1", "cronjobs"),
    ("DaemonSet", "/apis/apps/v1", "daemonsets"),
    ("Deployment", "/apis/apps/v1", "deployments"),
    ("HorizontalPodAutoscaler", "/apis/autoscaling/v2", "horizontalpodautoscalers"),
    ("Ingress", "/apis/networking.k8s.io/v1", "ingresses"),
    ("Job", "/apis/batch/v1", "jobs"),
    ("LimitRange", "/api/v1", "limitranges"),
    ("NetworkPolicy", "/apis/networking.k8s.io/v1", "networkpolicies"),
    ("PersistentVolumeClaim", "/api/v1", "persistentvolumeclaims"),
    ("PodDisruptionBudget", "/apis/policy/v1", "poddisruptionbudgets"),
    ("ResourceQuota", "/api/v1", "resourcequotas"),
    ("Role", "/apis/rbac.authorization.k8s.io/v1", "roles"),
    ("RoleBinding", "/apis/rbac.authorization.k8s.io/v1", "rolebindings"),
    ("Secret", "/api/v1", "secrets"),
    ("Service", "/api/v1", "services"),
    ("ServiceAccount", "/api/v1", "serviceaccounts"),
    ("StatefulSet", "/apis/apps/v1", "statefulsets"),
    ("Environment", "/apis/plumb.dev/v1alpha1", "environments"),
    ("Repository", "/apis/plumb.dev/v1alpha1", "repositories"),
];

const CLUSTER_SCOPED: [(&str, &str, &str); 6] = [
    ("ClusterRole", "/apis/rbac.authorization.k8s.io/v1", "clusterroles"),
    ("ClusterRoleBinding", "/apis/rbac.authorization.k8s.io/v1", "clusterrolebindings"),
    ("CustomResourceDefinition", "/apis/apiextensions.k8s.io/v1", "customresourcedefinitions"),
    ("Namespace", "/api/v1", "namespaces"),
    ("PriorityClass", "/apis/scheduling.k8s.io/v1", "priorityclasses"),
    ("StorageClass", "/apis/storage.k8s.io/v1", "storageclasses"),
];

/// Returns the kinds that every cluster with plumb has.
pub fn built_in() -> Vec<Kind> {
    let kind = |namespaced: bool| {
        move |(kind, root, plural): &(&str, &str, &str)| Kind {
            kind: (*kind).to_owned(),
            root: (*root).to_owned(),
            plural: (*plural).to_owned(),
            namespaced,
        }
    };
    NAMESPACED.iter().map(kind(true)).chain(CLUSTER_SCOPED.iter().map(kind(false))).collect()
}

/// Returns the kind that a CustomResourceDefinition defines, at the version it is stored at.
pub fn defined(definition: &Value) -> Option<Kind> {
    let spec = &definition["spec"];
    let version = spec["versions"].as_array()?.iter().find(|version| version["storage"] == true)?["name"].as_str()?;
    Some(Kind {
        kind: spec["names"]["kind"].as_str()?.to_owned(),
        root: format!("/apis/{}/{version}", spec["group"].as_str()?),
        plural: spec["names"]["plural"].as_str()?.to_owned(),
        namespaced: spec["scope"] == "Namespaced",
    })
}
