//! Multi-tenancy: plumb as `manifests/` installs it, with the token of its own service account, and environments that have the
//! rights of theirs and no others.

use std::{fs, path::PathBuf, sync::OnceLock};

use lab::ControlPlane;
use serde_json::{Value, json};
use system_tests::{
    daemon::Daemon,
    site::{Site, config_map, deployment},
    wait,
};

const MANIFESTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../manifests");

/// The control plane on which plumb is installed, and a kubeconfig with the very token of its service account.
fn plane() -> &'static (ControlPlane, PathBuf) {
    static PLANE: OnceLock<(ControlPlane, PathBuf)> = OnceLock::new();
    PLANE.get_or_init(|| {
        let plane = ControlPlane::start().expect("a control plane");
        let install = ["apply", "--server-side", "--kustomize", MANIFESTS];
        plane.kubectl(&install).expect("manifests that the API server takes");
        plane.kubectl(&install).expect("a second time, too");
        // The Deployment has no image here.
        plane.kubectl(&["scale", "-n", "plumb-system", "deployment/plumb", "--replicas=0"]).expect("a Deployment");
        let token = plane.kubectl(&["create", "token", "plumb", "-n", "plumb-system"]).expect("a token");
        let kubeconfig = plane.directory().join("plumb.kubeconfig");
        fs::copy(plane.kubeconfig(), &kubeconfig).expect("a kubeconfig");
        let file = kubeconfig.to_str().expect("a path in UTF-8");
        let config =
            |words: &[&str]| plane.kubectl(&[&["config", "--kubeconfig", file], words].concat()).expect("a change");
        config(&["set-credentials", "plumb", &format!("--token={}", token.trim())]);
        config(&["set-context", "--current", "--user=plumb"]);
        (plane, kubeconfig)
    })
}

/// plumb on that control plane.
fn installed() -> &'static Daemon {
    static INSTALLED: OnceLock<Daemon> = OnceLock::new();
    INSTALLED.get_or_init(|| {
        let (plane, kubeconfig) = plane();
        Daemon::start_as(plane, kubeconfig, &[])
    })
}

pub(super) fn site(name: &str) -> Site {
    installed();
    Site::new(&plane().0, name)
}

/// Lets plumb act as the service accounts of a namespace, as `docs/security.md` says.
pub(super) fn let_impersonate(site: &Site) {
    let words = ["create", "rolebinding", "plumb", "--clusterrole=plumb-impersonate"];
    site.kubectl(&[&words[..], &["--serviceaccount=plumb-system:plumb"]].concat()).expect("a binding");
}

/// Makes the service account `deployer` with a Role of these rules, each as one line of YAML.
pub(super) fn deployer(site: &Site, rules: &[&str]) {
    site.apply(&json!({ "apiVersion": "v1", "kind": "ServiceAccount",
        "metadata": { "name": "deployer", "namespace": site.namespace } }));
    role(site, &site.namespace, rules);
}

/// Gives the site's service account these rules in a namespace.
fn role(site: &Site, namespace: &str, rules: &[&str]) {
    let lines = rules.iter().map(|rule| format!("- {rule}\n")).collect::<String>();
    let text = format!(
        "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {{name: deployer, namespace: {namespace}}}\nrules:\n\
         {lines}---\napiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {{name: deployer, namespace: \
         {namespace}}}\nroleRef: {{apiGroup: rbac.authorization.k8s.io, kind: Role, name: deployer}}\nsubjects:\n\
         - {{kind: ServiceAccount, name: deployer, namespace: {}}}\n",
        site.namespace
    );
    plane().0.kubectl_with_input(&["apply", "-f", "-"], &text).expect("a role");
}

/// An Environment's target is replaced whole by `more`: this one has the namespace too.
pub(super) fn target(site: &Site, account: &str) -> Value {
    json!({ "target": { "namespace": site.namespace, "serviceAccountName": account } })
}

/// Returns the rule that a message names for pasting.
fn rule_in(message: &str) -> &str {
    let start = message.find("{apiGroups").unwrap_or_else(|| panic!("no rule in {message}"));
    let end = message[start..].find('}').unwrap_or_else(|| panic!("no end of the rule in {message}"));
    &message[start..=start + end]
}

fn is_stalled(site: &Site, environment: &str) {
    assert_eq!(site.condition(environment, "Stalled").0, "True");
}

#[test]
fn plumb_as_installed_writes_nothing_but_its_own_resources_until_a_service_account_is_named() {
    let site = site("own-rights");
    let commit = site.push(&[("app/settings.yaml", &config_map("settings", "colour", "blue"))], "First");
    site.environment("app", "app", json!({}));
    let message = site.wait_reason("app", "Forbidden");
    let lacks = format!("ServiceAccount plumb-system/plumb may not patch configmaps in namespace {}", site.namespace);
    assert!(message.contains(&lacks), "{message}");
    assert!(message.contains("{apiGroups: [\"\"], resources: [configmaps], verbs: [create, patch]}"), "{message}");
    is_stalled(&site, "app");
    assert_eq!(site.get("configmap", "settings"), None);
    // Its own resources it writes: the inventory's annotations and the status.
    let environment = site.get("environments.plumb.dev", "app").expect("an environment");
    let kinds = &environment["metadata"]["annotations"]["applyset.kubernetes.io/contains-group-kinds"];
    assert_eq!((kinds, &environment["status"]["lastAttempted"]["commit"]), (&json!("ConfigMap"), &json!(commit)));
    let can = |verb: &str, what: &str| {
        let user = "--as=system:serviceaccount:plumb-system:plumb";
        plane()
            .0
            .kubectl(&["auth", "can-i", verb, what, "--all-namespaces", user])
            .is_ok_and(|said| said.trim() == "yes")
    };
    for what in
        ["configmaps", "secrets", "deployments.apps", "roles.rbac.authorization.k8s.io", "customresourcedefinitions"]
    {
        assert!(can("list", what), "{what}");
        assert!(["create", "update", "patch", "delete"].iter().all(|verb| !can(verb, what)), "{what}");
    }
    assert!(!can("impersonate", "serviceaccounts") && !can("create", "environments.plumb.dev"));

    // Every step is told, as a rule to paste.
    site.environment("app", "app", target(&site, "deployer"));
    let message = site.wait_reason("app", "NoServiceAccount");
    assert!(message.contains(&format!("ServiceAccount {}/deployer does not exist", site.namespace)), "{message}");
    deployer(&site, &["{apiGroups: [\"\"], resources: [configmaps], verbs: [get]}"]);
    site.sync("app");
    let message = site.wait_reason("app", "Forbidden");
    assert!(message.contains("plumb-system/plumb may not impersonate serviceaccounts deployer"), "{message}");
    let impersonate = format!(
        "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {{name: plumb, namespace: {}}}\nrules:\n- {}\n",
        site.namespace,
        rule_in(&message)
    );
    plane().0.kubectl_with_input(&["create", "-f", "-"], &impersonate).expect("the rule that was named");
    site.kubectl(&["create", "rolebinding", "plumb", "--role=plumb", "--serviceaccount=plumb-system:plumb"])
        .expect("a binding");
    let message = site.sync_until_said("app", "may not patch configmaps");
    assert!(
        message.contains(&format!("ServiceAccount {}/deployer may not patch configmaps", site.namespace)),
        "{message}"
    );
    deployer(&site, &[rule_in(&message)]);
    site.sync_until_said("app", "as in Git");
    site.wait_applied("app", &commit);
    assert_eq!(site.get("configmap", "settings").expect("it was made")["data"]["colour"], "blue");
}

#[test]
fn the_rights_of_a_service_account_are_enough_for_the_main_job() {
    let site = site("main-job");
    let_impersonate(&site);
    let all = "verbs: [get, create, patch, delete]}";
    deployer(
        &site,
        &[
            &format!("{{apiGroups: [\"\"], resources: [configmaps], {all}"),
            &format!("{{apiGroups: [apps], resources: [deployments], {all}"),
        ],
    );
    let files = [
        ("app/web.yaml", deployment("web", "registry.example.com/web:1", 1)),
        ("app/settings.yaml", config_map("settings", "colour", "blue")),
    ];
    let borrowed: Vec<(&str, &str)> = files.iter().map(|(path, text)| (*path, text.as_str())).collect();
    let first = site.push(&borrowed, "First");
    site.environment("app", "app", target(&site, "deployer"));
    site.wait_applied("app", &first);
    site.kubectl(&["delete", "configmap", "settings"]).expect("a deletion");
    wait::until_equal("the drift to be put back", &true, || site.get("configmap", "settings").is_some());
    site.copy.remove(&["app/settings.yaml"]).expect("a removal");
    let second = site.push(&[("app/note.txt", "one less")], "Second");
    site.wait_applied("app", &second);
    wait::until_equal("the pruned object to be gone", &None, || site.get("configmap", "settings"));
    wait::until("an Event about the environment", || {
        let events =
            site.kubectl(&["get", "events", "--field-selector", "involvedObject.kind=Environment", "--output", "name"]);
        let events = events.map_err(|error| error.to_string())?;
        if events.trim().is_empty() { Err("no Event yet".to_owned()) } else { Ok(()) }
    });
}

#[test]
fn nothing_is_written_where_the_service_account_has_no_rights() {
    let (site, other) = (site("tenant"), site("victim"));
    let_impersonate(&site);
    deployer(&site, &["{apiGroups: [\"\"], resources: [configmaps], verbs: [get, create, patch, delete]}"]);
    let elsewhere = config_map("settings", "colour", "red")
        .replace("  name: settings", &format!("  name: settings\n  namespace: {}", other.namespace));
    let cluster_wide = "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: grabbed\n";
    let own = config_map("settings", "colour", "blue");
    site.push(
        &[("app/own.yaml", &own), ("app/elsewhere.yaml", &elsewhere), ("app/namespace.yaml", cluster_wide)],
        "Grab",
    );
    site.environment("app", "app", target(&site, "deployer"));
    let message = site.wait_reason("app", "Forbidden");
    let who = format!("ServiceAccount {}/deployer may not patch", site.namespace);
    assert!(message.contains(&format!("{who} configmaps in namespace {}", other.namespace)), "{message}");
    assert!(message.contains(&format!("{who} namespaces; give it this rule in a ClusterRole")), "{message}");
    is_stalled(&site, "app");
    assert_eq!(other.get("configmap", "settings"), None);
    assert!(plane().0.kubectl(&["get", "namespace", "grabbed"]).is_err());
    // What it may write, it writes.
    assert_eq!(site.get("configmap", "settings").expect("its own")["data"]["colour"], "blue");
}

#[test]
fn deleting_a_service_account_ends_what_is_done_in_its_name() {
    let site = site("gone");
    let_impersonate(&site);
    deployer(&site, &["{apiGroups: [\"\"], resources: [configmaps], verbs: [get, create, patch, delete]}"]);
    let first = site.push(&[("app/a.yaml", &config_map("a", "k", "1"))], "First");
    site.environment("app", "app", target(&site, "deployer"));
    site.wait_applied("app", &first);
    // Its RoleBinding stays, so that the API server would still let plumb act as it.
    site.kubectl(&["delete", "serviceaccount", "deployer"]).expect("a deletion");
    let second = site.push(&[("app/a.yaml", &config_map("a", "k", "2"))], "Second");
    let message = site.wait_reason("app", "NoServiceAccount");
    assert!(message.contains("does not exist, so nothing is written"), "{message}");
    is_stalled(&site, "app");
    site.kubectl(&["patch", "configmap", "a", "-p", r#"{"data":{"k":"3"}}"#]).expect("a patch");
    site.sync("app");
    assert_eq!(site.get("configmap", "a").expect("it stays")["data"]["k"], "3", "drift is not corrected either");
    site.kubectl(&["create", "serviceaccount", "deployer"]).expect("a service account");
    site.sync("app");
    site.wait_applied("app", &second);
    assert_eq!(site.get("configmap", "a").expect("it stays")["data"]["k"], "2");
}

#[test]
fn an_environment_whose_service_account_is_gone_leaves_its_objects_to_nobody_and_is_not_kept_for_ever() {
    let site = site("leaves");
    let_impersonate(&site);
    deployer(&site, &["{apiGroups: [\"\"], resources: [configmaps], verbs: [get, create, patch, delete]}"]);
    let commit = site.push(&[("app/a.yaml", &config_map("a", "k", "1"))], "First");
    let target = &target(&site, "deployer")["target"];
    site.environment("app", "app", json!({ "target": target, "deletion": "Prune" }));
    site.wait_applied("app", &commit);
    site.kubectl(&["delete", "serviceaccount", "deployer"]).expect("a deletion");
    site.kubectl(&["delete", "environments.plumb.dev", "app", "--wait=false"]).expect("a deletion");
    wait::until_equal("the Environment to be gone", &None, || site.get("environments.plumb.dev", "app"));
    // plumb itself may neither delete the object nor take its label off, and says what is left.
    let left = site.get("configmap", "a").expect("it stays");
    assert!(left["metadata"]["labels"]["applyset.kubernetes.io/part-of"].is_string(), "{left}");
    wait::until("an Event to say so", || {
        let events = site.kubectl(&["get", "events", "--output", "jsonpath={.items[*].message}"]).expect("events");
        let what = format!("ConfigMap {}/a stays", site.namespace);
        if events.contains(&what) && events.contains("keeps its label") { Ok(()) } else { Err(events) }
    });
}

#[test]
fn environments_without_a_service_account_get_the_default_one_of_their_namespace() {
    let plane = lab::own();
    // plumb itself may do everything here, so that nothing but the service account can be in the way.
    let _daemon = Daemon::start_with(plane, &["--default-service-account", "usual"]);
    let site = Site::new(plane, "default-account");
    let commit = site.push(&[("app/a.yaml", &config_map("a", "k", "1"))], "First");
    site.environment("app", "app", json!({}));
    let message = site.wait_reason("app", "NoServiceAccount");
    assert!(message.contains(&format!("ServiceAccount {}/usual does not exist", site.namespace)), "{message}");
    site.kubectl(&["create", "serviceaccount", "usual"]).expect("a service account");
    site.sync_until_said("app", &format!("ServiceAccount {}/usual may not patch configmaps", site.namespace));
    assert_eq!(site.get("configmap", "a"), None);
    let account = format!("--serviceaccount={}:usual", site.namespace);
    site.kubectl(&["create", "rolebinding", "usual", "--clusterrole=edit", &account]).expect("a binding");
    site.sync_until_said("app", "as in Git");
    site.wait_applied("app", &commit);
    // The one that is named goes before.
    site.environment("app", "app", target(&site, "named"));
    let message = site.wait_reason("app", "Applied");
    assert!(message.contains("as in Git"), "nothing is to be written: {message}");
    site.push(&[("app/a.yaml", &config_map("a", "k", "2"))], "Second");
    let message = site.wait_reason("app", "NoServiceAccount");
    assert!(message.contains("/named does not exist"), "{message}");
}
