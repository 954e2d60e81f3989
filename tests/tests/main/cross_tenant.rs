//! One tenant's Environment and another one's objects: what is listed without the right to write it holds up nobody, tells
//! nothing, and takes nothing over.

use serde_json::{Value, json};
use system_tests::{
    site::{Site, config_map},
    wait,
};

use crate::tenancy::{deployer, let_impersonate, site, target};

const CONFIG_MAPS: &str = "{apiGroups: [\"\"], resources: [configmaps], verbs: [get, create, patch, delete]}";

/// A tenant with a service account that may write ConfigMaps in its own namespace.
fn tenant(name: &str) -> Site {
    let site = site(name);
    let_impersonate(&site);
    deployer(&site, &[CONFIG_MAPS]);
    site
}

/// Returns a ConfigMap of another namespace as a file.
fn of(owner: &Site, name: &str) -> String {
    config_map(name, "colour", "red")
        .replace(&format!("  name: {name}"), &format!("  name: {name}\n  namespace: {}", owner.namespace))
}

/// Has a tenant list an object of another one, in an Environment of each sort that has no right to it; waits until all of them
/// have been refused.
fn grab(intruder: &Site, owner: &Site, name: &str) {
    intruder.push(&[("grab/grabbed.yaml", &of(owner, name))], "Grab");
    intruder.environment("with-account", "grab", target(intruder, "deployer"));
    intruder.environment("without-account", "grab", json!({}));
    intruder.environment("no-such-account", "grab", target(intruder, "nobody"));
    intruder.wait_reason("with-account", "Forbidden");
    intruder.wait_reason("without-account", "Forbidden");
    intruder.wait_reason("no-such-account", "NoServiceAccount");
}

/// Expects that nothing an intruder is told names an Environment of the owner.
fn expect_untold(intruder: &Site, name: &str) {
    for environment in ["with-account", "without-account", "no-such-account"] {
        let status = intruder.status(environment).to_string();
        assert!(!status.contains(name), "{environment}: {status}");
    }
}

/// Waits until an Event tells a tenant something.
fn wait_told(site: &Site, words: &str) {
    wait::until(&format!("an Event that says {words}"), || {
        let events = site.kubectl(&["get", "events", "--output", "jsonpath={.items[*].message}"])?;
        if events.contains(words) { Ok(()) } else { Err(events) }
    });
}

#[test]
fn a_tenant_that_lists_the_objects_of_another_one_holds_it_up_neither_before_nor_after() {
    let (owner, intruder) = (tenant("owner"), tenant("intruder"));
    grab(&intruder, &owner, "settings");
    let commit = owner.push(&[("app/settings.yaml", &config_map("settings", "colour", "blue"))], "First");
    owner.environment("precious", "app", target(&owner, "deployer"));
    owner.wait_applied("precious", &commit);
    assert_eq!(owner.get("configmap", "settings").expect("it was made")["data"]["colour"], "blue");
    // They go on trying, and drift and commits of the owner are carried out all the same.
    for environment in ["with-account", "without-account"] {
        intruder.sync(environment);
    }
    let commit = owner.push(&[("app/settings.yaml", &config_map("settings", "colour", "green"))], "Second");
    owner.wait_applied("precious", &commit);
    owner.kubectl(&["delete", "configmap", "settings"]).expect("a deletion");
    wait::until_equal("the drift to be put back", &true, || owner.get("configmap", "settings").is_some());
    assert_eq!(owner.get("configmap", "settings").expect("it is back")["data"]["colour"], "green");
    assert_eq!(owner.status("precious")["problems"], Value::Null, "nothing is contested");
    expect_untold(&intruder, "precious");
}

#[test]
fn what_a_tenant_takes_out_of_git_is_not_given_to_who_may_not_have_it_and_not_deleted_either() {
    let (owner, intruder) = (tenant("giver"), tenant("taker"));
    let kept = config_map("kept", "k", "1");
    owner.push(&[("app/settings.yaml", &config_map("settings", "colour", "blue")), ("app/kept.yaml", &kept)], "First");
    owner.environment("precious", "app", target(&owner, "deployer"));
    owner.wait_reason("precious", "Applied");
    let uid = || owner.get("configmap", "settings").expect("it stays")["metadata"]["uid"].clone();
    let (before, label) = (uid(), owner.part_of("precious"));
    grab(&intruder, &owner, "settings");
    owner.copy.remove(&["app/settings.yaml"]).expect("a removal");
    let second = owner.push(&[("app/note.txt", "")], "Without the settings");
    owner.wait_applied("precious", &second);
    wait_told(&owner, "without the right to patch it");
    let settings = owner.get("configmap", "settings").expect("it stays");
    assert_eq!(
        settings["metadata"]["labels"]["applyset.kubernetes.io/part-of"],
        json!(label),
        "it was not handed over"
    );
    assert_eq!(uid(), before);
    expect_untold(&intruder, "precious");
    // Once nobody lists it any more it goes, as anything else that leaves Git.
    for environment in ["with-account", "without-account", "no-such-account"] {
        intruder.kubectl(&["delete", "environments.plumb.dev", environment]).expect("a deletion");
    }
    wait::until_equal("the object to be pruned", &None, || owner.get("configmap", "settings"));
}

#[test]
fn a_right_that_is_given_counts_and_two_that_may_are_told_of_each_other() {
    let (owner, other) = (tenant("first"), tenant("second"));
    let commit = owner.push(&[("app/settings.yaml", &config_map("settings", "colour", "blue"))], "First");
    owner.environment("precious", "app", target(&owner, "deployer"));
    owner.wait_applied("precious", &commit);
    grab(&other, &owner, "settings");
    let binding = ["create", "rolebinding", "other", "--role=deployer"];
    let account = format!("--serviceaccount={}:deployer", other.namespace);
    owner.kubectl(&[&binding[..], &[&account]].concat()).expect("a binding");
    other.sync_until_said("with-account", "precious owns it and desires it too");
    wait_told(&owner, "with-account desires it too");
    assert_eq!(owner.get("configmap", "settings").expect("it stays")["data"]["colour"], "blue");
}
