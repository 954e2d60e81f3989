//! First applies onto objects that others made, and letting go.

use plumb_cluster::{
    apply::Force,
    take::{LetGo, Owner, Taken},
};
use plumb_core::object::PART_OF;
use serde_json::json;

use crate::bench::{bench, config_map, environment, id, manager, managers};

const KUBECTL: &str = "kubectl-client-side-apply";

#[tokio::test]
async fn what_does_not_exist_is_created_and_what_nobody_owns_is_applied() {
    let bench = bench("take").await;
    let object = bench.owned("shop", "new", json!({ "a": "1" }));
    assert!(matches!(bench.take("shop", &object, &["shop"]).await.unwrap(), Taken::Created(_)));
    assert!(matches!(bench.take("shop", &object, &["shop"]).await.unwrap(), Taken::Applied(_)));
}

#[tokio::test]
async fn what_kubectl_applied_is_adopted_and_nothing_of_it_goes_stale() {
    let bench = bench("adopt").await;
    // Equal values meet no conflict, different ones do.
    for (name, value) in [("equal", "1"), ("different", "2")] {
        bench.kubectl_apply(&bench.plain(name, json!({ "a": "1", "old": "x" })));
        let first = bench.owned("shop", name, json!({ "a": value, "old": "x" }));
        let taken = bench.take("shop", &first, &["shop"]).await.unwrap();
        let Taken::Adopted { from, applied } = taken else { panic!("{name}: {taken:?}") };
        assert_eq!(from, [KUBECTL]);
        assert_eq!(applied.object["data"]["a"], value);
        let annotations = &applied.object["metadata"]["annotations"];
        assert_eq!(annotations["kubectl.kubernetes.io/last-applied-configuration"], json!(null));
        // What kubectl had and we no longer want goes with the next apply.
        bench.apply("shop", &bench.owned("shop", name, json!({ "a": value })), Force::Yes).await.unwrap();
        let left = bench.get(name).await;
        assert_eq!(left["data"], json!({ "a": value }));
        assert_eq!(managers(&left), [format!("{} Apply", manager("shop"))]);
    }
}

#[tokio::test]
async fn what_a_person_edited_is_overwritten_on_adoption() {
    let bench = bench("edited").await;
    bench.kubectl_apply(&bench.plain("c", json!({ "a": "1" })));
    bench.kubectl(&["patch", "configmap", "c", "--field-manager=kubectl-edit", "-p", r#"{"data":{"a":"2"}}"#]);
    let taken = bench.take("shop", &bench.owned("shop", "c", json!({ "a": "3" })), &["shop"]).await.unwrap();
    let Taken::Adopted { from, applied } = taken else { panic!("{taken:?}") };
    assert_eq!(from, [KUBECTL, "kubectl-edit"]);
    assert_eq!(applied.object["data"]["a"], "3");
}

#[tokio::test]
async fn a_second_claimant_is_refused_and_changes_nothing() {
    let bench = bench("claim").await;
    for (name, value) in [("equal", "1"), ("different", "2")] {
        bench.take("shop", &bench.owned("shop", name, json!({ "a": "1" })), &["shop", "blog"]).await.unwrap();
        let before = bench.get(name).await;
        let claim = bench.owned("blog", name, json!({ "a": value }));
        let taken = bench.take("blog", &claim, &["shop", "blog"]).await.unwrap();
        assert_eq!(taken, Taken::Refused { by: Owner::Environment(environment("shop")) });
        assert_eq!(bench.get(name).await, before);
    }
}

#[tokio::test]
async fn a_claimant_of_an_object_that_lost_its_label_leaves_no_trace() {
    let bench = bench("claim-unlabelled").await;
    bench.take("shop", &bench.owned("shop", "c", json!({ "a": "1" })), &["shop", "blog"]).await.unwrap();
    bench.kubectl(&["label", "configmap", "c", &format!("{PART_OF}-")]);
    let taken = bench.take("blog", &bench.owned("blog", "c", json!({ "a": "1" })), &["shop", "blog"]).await.unwrap();
    assert_eq!(taken, Taken::Refused { by: Owner::Environment(environment("shop")) });
    let left = bench.get("c").await;
    assert_eq!(left["metadata"]["labels"], json!(null));
    assert!(!managers(&left).iter().any(|manager| manager.starts_with(crate::bench::manager("blog").as_str())));
    assert_eq!(left["data"]["a"], "1");
}

#[tokio::test]
async fn what_an_environment_left_that_no_longer_exists_is_adopted() {
    let bench = bench("orphan").await;
    bench.take("shop", &bench.owned("shop", "c", json!({ "a": "1", "old": "x" })), &["shop"]).await.unwrap();
    let taken = bench.take("blog", &bench.owned("blog", "c", json!({ "a": "2" })), &["blog"]).await.unwrap();
    let Taken::Adopted { from, applied } = taken else { panic!("{taken:?}") };
    assert_eq!(from, [manager("shop").to_string()]);
    assert_eq!(applied.object["data"], json!({ "a": "2" }), "what only the old environment wanted is gone");
    assert_eq!(applied.object["metadata"]["labels"][PART_OF], id("blog").as_str());
    assert!(!managers(&applied.object).iter().any(|name| name.starts_with(manager("shop").as_str())));
}

#[tokio::test]
async fn a_foreign_label_counts_only_while_its_parent_exists() {
    let bench = bench("foreign").await;
    let foreign = lab::namespace("set");
    bench.kubectl_apply(&bench.plain("c", json!({ "a": "1" })));
    bench.kubectl(&["label", "configmap", "c", &format!("{PART_OF}={foreign}")]);
    bench.kubectl(&["create", "secret", "generic", "set"]);
    bench.kubectl(&["label", "secret", "set", &format!("applyset.kubernetes.io/id={foreign}")]);
    let object = bench.owned("shop", "c", json!({ "a": "1" }));
    let taken = bench.take("shop", &object, &["shop"]).await.unwrap();
    let Taken::Refused { by: Owner::ApplySet { parent, .. } } = taken else { panic!("{taken:?}") };
    assert_eq!(parent, format!("Secret {}/set", bench.namespace));
    bench.kubectl(&["delete", "secret", "set"]);
    let taken = bench.take("shop", &object, &["shop"]).await.unwrap();
    assert!(matches!(taken, Taken::Adopted { .. }), "{taken:?}");
    assert_eq!(bench.get("c").await["metadata"]["labels"][PART_OF], id("shop").as_str());
}

#[tokio::test]
async fn letting_go_keeps_every_value() {
    let bench = bench("let-go").await;
    bench.take("shop", &bench.owned("shop", "c", json!({ "a": "1" })), &["shop"]).await.unwrap();
    let key = bench.key(&config_map(), "c");
    let let_go = async || bench.cluster.let_go(&config_map(), &key, &manager("shop")).await.unwrap();
    assert_eq!(let_go().await, LetGo::Done { was_last: true });
    let left = bench.get("c").await;
    assert_eq!(left["data"], json!({ "a": "1" }));
    assert_eq!((managers(&left), &left["metadata"]["labels"]), (Vec::new(), &json!(null)));
    assert_eq!(let_go().await, LetGo::NotOurs);
    bench.kubectl(&["delete", "configmap", "c"]);
    assert_eq!(let_go().await, LetGo::NotOurs);
}

#[tokio::test]
async fn many_environments_that_want_one_object_agree_on_one_owner() {
    let bench = bench("race").await;
    let names = ["a", "b", "c", "d", "e", "f"];
    let objects: Vec<_> = names.iter().map(|name| bench.owned(name, "c", json!({ "by": name }))).collect();
    let takes = names.iter().zip(&objects).map(|(name, object)| bench.take(name, object, &names));
    let taken: Vec<_> = futures_of(takes).await;
    let owners = taken.iter().filter(|taken| !matches!(taken, Taken::Refused { .. })).count();
    assert_eq!(owners, 1, "{taken:?}");
}

async fn futures_of<T>(
    takes: impl Iterator<Item = impl Future<Output = Result<T, plumb_cluster::error::ApiError>>>,
) -> Vec<T> {
    futures::future::try_join_all(takes).await.unwrap()
}
