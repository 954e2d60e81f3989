//! `plumb tree`: what an Environment owns, and how well it is, read from the cluster itself.

use std::collections::BTreeMap;

use clap::Args;
use plumb_api::Environment;
use plumb_cluster::{cluster::Cluster, pods};
use plumb_core::{
    health::{Health, HealthStatus, health, pod, rules::Rules},
    kinds::Kind,
    object::ObjectKey,
    presence::Presence,
};
use serde::Serialize;
use serde_json::Value;

use super::{
    Outcome,
    connection::{ConnectionArgs, Session, Written, with_session},
    error::CliError,
    format::FormatArgs,
    screen::{self, Tone},
    table::{Cell, Table},
};
use crate::{memory::Memory, rules, settings};

/// Show the objects of an Environment with their health, and the reason in words
///
/// Reads the objects that carry the Environment's label, and the Pods of workloads that are not well.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  plumb tree staging
  plumb tree shop/staging -o json | jq '.objects[] | select(.health != \"Current\")'")]
pub(crate) struct TreeArgs {
    /// Environment, as NAME or NAMESPACE/NAME
    #[arg(value_name = "ENV")]
    environment: Written,
    #[command(flatten)]
    format: FormatArgs,
    #[command(flatten)]
    connection: ConnectionArgs,
}

/// Everything that is owned.
#[derive(Debug, Default, Serialize)]
struct Tree {
    objects: Vec<Leaf>,
    /// Kinds that could not be read, and why.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    unknown: BTreeMap<String, String>,
}

/// One object.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Leaf {
    kind: String,
    api_version: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<String>,
    name: String,
    health: HealthStatus,
    message: String,
}

/// Prints the tree.
pub(crate) fn perform(arguments: &TreeArgs) -> Result<Outcome, CliError> {
    with_session(&arguments.connection, |session| async move {
        let environment = session.environment(&session.name(&arguments.environment)?).await?;
        let tree = read(&session, &environment).await?;
        arguments.format.print(&tree, || text(&tree))?;
        if tree.objects.is_empty() && tree.unknown.is_empty() {
            screen::remark(&format!("{} owns no objects", settings::name(&environment)))?;
        }
        for (kind, reason) in &tree.unknown {
            screen::remark(&format!("{kind} could not be read: {}", screen::plain(reason)))?;
        }
        Ok(if tree.unknown.is_empty() { Outcome::Yes } else { Outcome::No })
    })
}

async fn read(session: &Session, environment: &Environment) -> Result<Tree, CliError> {
    let kinds = session.cluster.kinds().await?;
    let id = settings::name(environment).applyset_id();
    let rules = rules::compile(&environment.spec.health).rules;
    let mut tree = Tree::default();
    for group_kind in Memory::of(environment).recorded.unwrap_or_default().kinds {
        let kind = match kinds.preferred(&group_kind) {
            Presence::Present(kind) => kind,
            // A kind that is not served has no objects.
            Presence::Absent => continue,
            Presence::Unknown => {
                tree.unknown.insert(group_kind.to_string(), "the discovery of its API group failed".to_owned());
                continue;
            }
        };
        match session.cluster.list_owned(kind, &id).await {
            Ok(objects) => {
                for object in &objects {
                    tree.objects.push(leaf(&session.cluster, kind, object, &rules).await);
                }
            }
            Err(error) => {
                tree.unknown.insert(group_kind.to_string(), crate::chain::chain(&error));
            }
        }
    }
    tree.objects.sort_by(|one, other| place(one).cmp(&place(other)));
    Ok(tree)
}

fn place(leaf: &Leaf) -> (&str, &Option<String>, &str) {
    (&leaf.kind, &leaf.namespace, &leaf.name)
}

async fn leaf(cluster: &Cluster, kind: &Kind, object: &Value, rules: &Rules) -> Leaf {
    let text = |name: &str| object["metadata"][name].as_str().map(str::to_owned);
    let key = ObjectKey {
        group: kind.gvk.group.clone(),
        kind: kind.gvk.kind.clone(),
        namespace: text("namespace"),
        name: text("name").unwrap_or_default(),
    };
    let health = health(object, rules);
    let message = explained(cluster, &key, object, &health).await;
    let ObjectKey { namespace, name, .. } = key;
    let (kind, api_version) = (kind.gvk.kind.clone(), kind.gvk.api_version());
    Leaf { kind, api_version, namespace, name, health: health.status, message }
}

/// Returns why an object is as it is; for a workload that is not well, from its Pods too.
async fn explained(cluster: &Cluster, key: &ObjectKey, object: &Value, health: &Health) -> String {
    let selector = if pods::explains(key) { pods::selector(object) } else { None };
    let (Some(namespace), Some(selector), false) = (&key.namespace, selector, health.status == HealthStatus::Current)
    else {
        return health.message.clone();
    };
    // Who may not read Pods still learns the workload's own words.
    let troubles = cluster.pod_troubles(namespace, &selector).await.unwrap_or_default();
    let sentence = pod::explain(key, health, &troubles);
    sentence.strip_prefix(&format!("{key}: ")).unwrap_or(&sentence).to_owned()
}

fn text(tree: &Tree) -> String {
    let mut table = Table::new(&["OBJECT", "HEALTH", "WHY"]);
    let mut leaves = tree.objects.iter().peekable();
    let mut last: Option<(&str, &str)> = None;
    while let Some(leaf) = leaves.next() {
        let kind = (leaf.kind.as_str(), leaf.api_version.as_str());
        if last != Some(kind) {
            table.row([Cell::from(format!("{} {}", kind.1, kind.0)), Cell::from(" "), Cell::from(" ")]);
            last = Some(kind);
        }
        let more = leaves.peek().is_some_and(|next| (next.kind.as_str(), next.api_version.as_str()) == kind);
        let branch = if more { "├─" } else { "└─" };
        let namespace = leaf.namespace.as_ref().map(|namespace| format!("{namespace}/")).unwrap_or_default();
        table.row([
            Cell::from(format!("{branch} {namespace}{}", leaf.name)),
            Cell::toned(leaf.health.label(), Tone::of(leaf.health)),
            Cell::from(&leaf.message),
        ]);
    }
    if tree.objects.is_empty() { String::new() } else { table.text() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::status::tests::plain;

    #[test]
    fn objects_stand_below_their_kind() {
        let leaf = |kind: &str, name: &str, health: HealthStatus, message: &str| Leaf {
            kind: kind.to_owned(),
            api_version: "v1".to_owned(),
            namespace: (kind != "Namespace").then(|| "shop".to_owned()),
            name: name.to_owned(),
            health,
            message: message.to_owned(),
        };
        let objects = vec![
            leaf("Namespace", "shop", HealthStatus::Current, "exists"),
            leaf("Pod", "a", HealthStatus::Failed, "container app: CrashLoopBackOff"),
            leaf("Pod", "b", HealthStatus::Current, "ready"),
        ];
        assert_eq!(
            plain(&text(&Tree { objects, unknown: BTreeMap::new() })),
            "OBJECT         HEALTH    WHY\n\
             v1 Namespace\n\
             └─ shop        Current   exists\n\
             v1 Pod\n\
             ├─ shop/a      Failed    container app: CrashLoopBackOff\n\
             └─ shop/b      Current   ready\n"
        );
    }
}
