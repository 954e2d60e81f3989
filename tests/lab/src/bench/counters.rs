//! Requests as the API server itself counts them, for each user apart.
//!
//! `apiserver_request_total` does not say who asked. Priority and fairness does: it counts what each FlowSchema
//! matched, and a FlowSchema matches users, verbs and resources. So every user that is measured gets a few of its own,
//! in the priority level that is never throttled; nothing has to be guessed or subtracted.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context as _, bail};
use serde_json::json;
use tokio::time::Instant;

use super::server::Server;

/// Requests, by what they are.
pub(super) type Requests = BTreeMap<&'static str, u64>;

/// The name of what opens a watch: the only request that may be open while nothing changes.
pub(super) const WATCH: &str = "watch";

/// The name of what keeps the right to write: its pace is the lease's, whatever else happens.
pub(super) const LEASE: &str = "lease";

/// What is told apart: name, verbs, group, resource. The first that matches counts; the last matches everything.
const CLASSES: [(&str, &[&str], &str, &str); 10] = [
    (LEASE, &["*"], "coordination.k8s.io", "leases"),
    ("apply-configmap", &["patch"], "", "configmaps"),
    ("apply-parent", &["patch"], "plumb.dev", "environments"),
    ("environment-status", &["update", "patch"], "plumb.dev", "environments/status"),
    ("repository-status", &["update", "patch"], "plumb.dev", "repositories/status"),
    ("event", &["create", "update", "patch"], "*", "events"),
    ("get", &["get"], "*", "*"),
    ("list", &["list"], "*", "*"),
    (WATCH, &["watch"], "*", "*"),
    ("other", &["*"], "*", "*"),
];

/// A new FlowSchema is in effect within a second; an API server on which it is not after this long has another trouble.
const IN_EFFECT_WITHIN: Duration = Duration::from_secs(30);
/// Between two looks at the counters; one look costs the API server some 20 ms.
const PAUSE: Duration = Duration::from_millis(250);

/// Has the API server count the requests of a user, who gets every right.
pub(super) async fn count(admin: &Server, user: &str, as_user: &Server) -> anyhow::Result<()> {
    let api = "rbac.authorization.k8s.io";
    let binding = json!({
        "apiVersion": format!("{api}/v1"), "kind": "ClusterRoleBinding", "metadata": {"name": user},
        "roleRef": {"apiGroup": api, "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"apiGroup": api, "kind": "User", "name": user}],
    });
    admin.apply(&format!("/apis/{api}/v1/clusterrolebindings/{user}"), &binding).await?;
    for (place, (class, verbs, group, resource)) in CLASSES.iter().enumerate() {
        let mut rule = json!({
            "subjects": [{"kind": "User", "user": {"name": user}}],
            "resourceRules": [{
                "verbs": verbs, "apiGroups": [group], "resources": [resource], "clusterScope": true, "namespaces": ["*"],
            }],
        });
        // Discovery and the like; only these verbs exist outside resources.
        if matches!(*class, "get" | "other") {
            rule["nonResourceRules"] = json!([{"verbs": verbs, "nonResourceURLs": ["*"]}]);
        }
        let schema = json!({
            "apiVersion": "flowcontrol.apiserver.k8s.io/v1", "kind": "FlowSchema",
            "metadata": {"name": format!("{user}-{class}")},
            "spec": {
                "priorityLevelConfiguration": {"name": "exempt"},
                "matchingPrecedence": 10 + place,
                "rules": [rule],
            },
        });
        let path = format!("/apis/flowcontrol.apiserver.k8s.io/v1/flowschemas/{user}-{class}");
        admin.apply(&path, &schema).await?;
    }
    until_counted(admin, user, as_user).await
}

/// Waits until a request of the user is counted, by the first and by the last of the FlowSchemas.
async fn until_counted(admin: &Server, user: &str, as_user: &Server) -> anyhow::Result<()> {
    let deadline = Instant::now() + IN_EFFECT_WITHIN;
    loop {
        as_user.get("/version").await?;
        as_user.get("/api/v1/namespaces/default").await?;
        if read(admin, user).await?.get("get").is_some_and(|count| *count >= 2) {
            return Ok(());
        }
        if Instant::now() > deadline {
            bail!("the API server does not count the requests of {user}: are FlowSchemas in effect?");
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Returns all requests of a user so far.
pub(super) async fn read(admin: &Server, user: &str) -> anyhow::Result<Requests> {
    let text = admin.get("/metrics").await?;
    let text = String::from_utf8_lossy(&text);
    Ok(CLASSES.iter().filter_map(|(class, ..)| Some((*class, counted(&text, user, class)?))).collect())
}

/// Returns the seconds of CPU that the API server has used so far; reading them costs it some 20 ms.
pub(super) async fn server_cpu_seconds(admin: &Server) -> anyhow::Result<f64> {
    let text = admin.get("/metrics").await?;
    let text = String::from_utf8_lossy(&text);
    let seconds = text.lines().find_map(|line| line.strip_prefix("process_cpu_seconds_total "));
    Ok(seconds.context("the API server does not say how much CPU it has used")?.parse()?)
}

fn counted(metrics: &str, user: &str, class: &str) -> Option<u64> {
    let head = format!("apiserver_flowcontrol_dispatched_requests_total{{flow_schema=\"{user}-{class}\",");
    let line = metrics.lines().find(|line| line.starts_with(&head))?;
    line.rsplit(' ').next()?.parse().ok()
}

/// Returns what came to `before`; what did not change is left out.
pub(super) fn since(before: &Requests, after: &Requests) -> Requests {
    let grown = after.iter().map(|(class, count)| (*class, count - before.get(class).copied().unwrap_or_default()));
    grown.filter(|(_, count)| *count > 0).collect()
}

/// Waits until a user has made no request for a while but for its lease, and returns all requests so far.
pub(super) async fn until_quiet(
    admin: &Server,
    user: &str,
    quiet: Duration,
    within: Duration,
) -> anyhow::Result<Requests> {
    let deadline = Instant::now() + within;
    let mut last = read(admin, user).await?;
    let mut since_when = Instant::now();
    while since_when.elapsed() < quiet {
        if Instant::now() > deadline {
            bail!("{user} still makes requests after {} s: {last:?}", within.as_secs());
        }
        tokio::time::sleep(PAUSE).await;
        let now = read(admin, user).await?;
        if works(&now).ne(works(&last)) {
            since_when = Instant::now();
        }
        last = now;
    }
    Ok(last)
}

/// Returns what is not for the lease.
fn works(requests: &Requests) -> impl Iterator<Item = (&&'static str, &u64)> {
    requests.iter().filter(|(class, _)| **class != LEASE)
}

/// Returns requests in words.
pub(super) fn words(requests: &Requests) -> String {
    if requests.is_empty() {
        return "none".to_owned();
    }
    let each: Vec<String> = requests.iter().map(|(class, count)| format!("{count} {class}")).collect();
    format!("{} ({})", requests.values().sum::<u64>(), each.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_is_found_by_user_and_class() {
        let metrics = "# TYPE apiserver_flowcontrol_dispatched_requests_total counter\n\
            apiserver_flowcontrol_dispatched_requests_total{flow_schema=\"bench-plumb-get\",priority_level=\"exempt\"} 7\n\
            apiserver_flowcontrol_dispatched_requests_total{flow_schema=\"bench-floor-get\",priority_level=\"exempt\"} 8\n";
        assert_eq!(counted(metrics, "bench-plumb", "get"), Some(7));
        assert_eq!(counted(metrics, "bench-floor", "get"), Some(8));
        assert_eq!(counted(metrics, "bench-plumb", "list"), None);
    }

    #[test]
    fn only_what_grew_is_left() {
        let before = Requests::from([("get", 2), ("list", 1)]);
        let after = Requests::from([("get", 5), ("list", 1), (WATCH, 3)]);
        assert_eq!(since(&before, &after), Requests::from([("get", 3), (WATCH, 3)]));
        assert_eq!(words(&since(&before, &after)), "6 (3 get, 3 watch)");
        assert_eq!(words(&since(&after, &after)), "none");
    }
}
