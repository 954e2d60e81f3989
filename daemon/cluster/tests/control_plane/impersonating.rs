//! Writes with the rights of a service account, and what its users are told of what they may not read.

use std::collections::BTreeMap;

use plumb_cluster::{
    apply::{Apply, Force, Persistence},
    cluster::{Cluster, Deleted, Precondition},
    error::ApiError,
    take::{Owner, Taken},
};
use plumb_core::{
    environment::FieldManager,
    identity::{Identity, ServiceAccount},
    ignore::Ignored,
    kinds::{Kind, Scope},
    object::{ObjectKey, PART_OF},
    presence::Presence,
};
use serde_json::{Value, json};

use crate::bench::{Bench, bench, cluster_of, config_map, eventually, id, kind, labelled, manager, name_of};

/// The bench's cluster, acting as its service account `deployer`.
fn deployer(bench: &Bench) -> Cluster {
    let account = ServiceAccount::parse(&bench.namespace, "deployer").unwrap();
    bench.cluster.acting_as(Identity::ServiceAccount(account))
}

fn secret() -> Kind {
    kind("v1", "Secret", "secrets", Scope::Namespaced)
}

/// Gives the service account these verbs on a resource of the namespace, and waits until that is known.
async fn grant(bench: &Bench, name: &str, verbs: &str, resource: &Kind) {
    let account = format!("--serviceaccount={}:deployer", bench.namespace);
    bench.kubectl(&["create", "role", name, &format!("--verb={verbs}"), &format!("--resource={}", resource.plural)]);
    bench.kubectl(&["create", "rolebinding", name, &format!("--role={name}"), &account]);
    let verb = if verbs.contains("patch") { "patch" } else { "list" };
    let deployer = deployer(bench);
    let known = async || deployer.may(verb, resource, Some(&bench.namespace), None).await.unwrap().then_some(());
    eventually("the binding to be known", known).await;
}

async fn apply(cluster: &Cluster, bench: &Bench, object: &Value, persistence: Persistence) -> Result<Value, ApiError> {
    let (kind, key, manager) = (config_map(), bench.key(&config_map(), name_of(object)), manager("shop"));
    let ignored = &Ignored::default();
    let apply = Apply { kind: &kind, key: &key, object, ignored, manager: &manager, force: Force::Yes, persistence };
    cluster.apply(&apply).await.map(|applied| applied.object)
}

#[tokio::test]
async fn the_api_server_sees_the_service_account_with_its_three_groups_and_no_other() {
    let bench = bench("groups").await;
    let deployer = deployer(&bench);
    assert_eq!(deployer.user().await.unwrap(), format!("system:serviceaccount:{}:deployer", bench.namespace));
    let mut groups = deployer.groups().await.unwrap();
    groups.sort();
    let own = format!("system:serviceaccounts:{}", bench.namespace);
    assert_eq!(groups, ["system:authenticated", "system:serviceaccounts", own.as_str()]);
}

#[tokio::test]
async fn every_write_and_dry_run_has_the_rights_of_the_service_account_and_no_more() {
    let bench = bench("rights").await;
    let deployer = deployer(&bench);
    let object = bench.owned("shop", "c", json!({ "a": "1" }));
    let stored = apply(&bench.cluster, &bench, &object, Persistence::Stored).await.unwrap();
    let (key, own) = (bench.key(&config_map(), "c"), manager("shop"));
    let patch = json!([{ "op": "add", "path": "/data/b", "value": "2" }]);
    let refused = [
        apply(&deployer, &bench, &object, Persistence::Stored).await.map(drop),
        apply(&deployer, &bench, &object, Persistence::DryRun).await.map(drop),
        deployer.delete(&config_map(), &key, &Precondition::of(&stored)).await.map(drop),
        deployer.json_patch(&config_map(), &key, &patch, &own).await.map(drop),
        deployer.let_go(&config_map(), &key, &own).await.map(drop),
        deployer.get_permitted(&config_map(), &key).await.map(drop),
    ];
    for answer in refused {
        let error = answer.unwrap_err();
        let right = error.missing_right().unwrap_or_else(|| panic!("{error:?}"));
        assert_eq!(right.user, format!("system:serviceaccount:{}:deployer", bench.namespace));
        assert_eq!((right.resource.as_str(), right.namespace.as_ref()), ("configmaps", Some(&bench.namespace)));
    }
    assert_eq!(bench.get("c").await, stored, "nothing was written");
    // plumb's own reads are not the service account's.
    assert!(deployer.get(&config_map(), &key).await.unwrap().is_some());

    grant(&bench, "write", "get,create,patch,delete", &config_map()).await;
    let object = bench.owned("shop", "c", json!({ "a": "2" }));
    let stored = apply(&deployer, &bench, &object, Persistence::Stored).await.unwrap();
    assert_eq!(stored["data"]["a"], "2");
    assert!(deployer.get_permitted(&config_map(), &key).await.unwrap().is_some());
    let other = bench.key(&secret(), "c");
    assert!(matches!(deployer.get_permitted(&secret(), &other).await, Err(ApiError::Forbidden { .. })));
    assert_eq!(deployer.delete(&config_map(), &key, &Precondition::of(&stored)).await.unwrap(), Deleted::Gone);
}

#[tokio::test]
async fn the_rule_that_an_error_names_is_enough_to_apply() {
    let bench = bench("paste").await;
    let deployer = deployer(&bench);
    let object = bench.owned("shop", "new", json!({ "a": "1" }));
    let error = apply(&deployer, &bench, &object, Persistence::Stored).await.unwrap_err();
    let rule = error.missing_right().unwrap().rule();
    let role = format!(
        "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {{name: pasted, namespace: {}}}\nrules:\n- {rule}\n",
        bench.namespace
    );
    bench.plane.kubectl_with_input(&["create", "-f", "-"], &role).unwrap();
    let account = format!("--serviceaccount={}:deployer", bench.namespace);
    bench.kubectl(&["create", "rolebinding", "pasted", "--role=pasted", &account]);
    let applied = async || apply(&deployer, &bench, &object, Persistence::Stored).await.ok();
    assert_eq!(eventually("the rule to be enough", applied).await["data"]["a"], "1");
}

#[tokio::test]
async fn a_missing_right_to_impersonate_names_plumb_and_the_service_account() {
    let bench = bench("nobody").await;
    let plain = cluster_of(&bench.plane.kubeconfig_for("plumb-without-rights", &[]).unwrap()).await;
    let account = ServiceAccount::parse(&bench.namespace, "deployer").unwrap();
    let deployer = plain.acting_as(Identity::ServiceAccount(account));
    let object = bench.owned("shop", "c", json!({ "a": "1" }));
    let error = apply(&deployer, &bench, &object, Persistence::Stored).await.unwrap_err();
    let right = error.missing_right().unwrap_or_else(|| panic!("{error:?}"));
    assert_eq!((right.user.as_str(), right.verb.as_str()), ("plumb-without-rights", "impersonate"));
    assert_eq!(right.namespace.as_ref(), Some(&bench.namespace));
    assert_eq!(
        right.rule(),
        "{apiGroups: [\"\"], resources: [serviceaccounts], resourceNames: [deployer], verbs: [impersonate]}"
    );
}

#[tokio::test]
async fn what_a_namespace_holds_is_named_only_as_far_as_the_service_account_may_list_it() {
    let bench = bench("holds").await;
    bench.kubectl(&["create", "secret", "generic", "canary-name"]);
    bench.kubectl(&["create", "configmap", "plain"]);
    let kinds = bench.cluster.kinds().await.unwrap();
    let holder = ObjectKey {
        group: String::new(),
        kind: "Namespace".to_owned(),
        namespace: None,
        name: bench.namespace.clone(),
    };
    let names = async |cluster: &Cluster| {
        let Presence::Present(others) = cluster.contents(&holder, &kinds, &id("shop")).await.others else {
            panic!("the contents are known")
        };
        others.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let (secret_name, plain) =
        (format!("Secret {}/canary-name", bench.namespace), format!("ConfigMap {}/plain", bench.namespace));
    let hidden = format!("object {}/(not shown)", bench.namespace);
    let own = names(&bench.cluster).await;
    assert!(own.contains(&secret_name) && own.contains(&plain), "{own:?}");
    assert_eq!(names(&deployer(&bench)).await, std::slice::from_ref(&hidden));
    grant(&bench, "look", "list", &config_map()).await;
    let mut seen = names(&deployer(&bench)).await;
    seen.sort();
    assert_eq!(seen, [plain, hidden]);
}

#[tokio::test]
async fn the_parent_of_another_tools_set_is_named_only_to_who_may_read_it() {
    let bench = bench("parent").await;
    let away = lab::namespace("away");
    bench.plane.kubectl(&["create", "namespace", &away]).unwrap();
    let set = format!("applyset-{away}-v1");
    let parent = json!({ "apiVersion": "v1", "kind": "Secret",
        "metadata": { "name": "canary-set", "namespace": away, "labels": { "applyset.kubernetes.io/id": set } } });
    bench.plane.kubectl_with_input(&["create", "-f", "-"], &parent.to_string()).unwrap();
    grant(&bench, "write", "get,create,patch", &config_map()).await;
    let mut object = bench.plain("c", json!({ "a": "1" }));
    object["metadata"]["labels"][PART_OF] = json!(set);
    bench.plane.kubectl_with_input(&["create", "-f", "-"], &object.to_string()).unwrap();
    let wanted = labelled(bench.plain("c", json!({ "a": "1" })), "shop");
    let (config_map, key, own) = (config_map(), bench.key(&config_map(), "c"), manager("shop"));
    let apply = Apply {
        kind: &config_map,
        key: &key,
        object: &wanted,
        ignored: &Ignored::default(),
        manager: &own,
        force: Force::No,
        persistence: Persistence::Stored,
    };
    let nobody = BTreeMap::<FieldManager, _>::new();
    let parent_of = async |cluster: &Cluster| match cluster.take(&apply, &nobody).await.unwrap() {
        Taken::Refused { by: Owner::ApplySet { parent, .. } } => parent,
        taken => panic!("{taken:?}"),
    };
    assert_eq!(parent_of(&deployer(&bench)).await, "an object that this service account may not read");
    assert_eq!(parent_of(&bench.cluster).await, format!("Secret {away}/canary-set"));
}
