//! Objects that are given to another environment.

use plumb_cluster::{apply::Force, cluster::Precondition, error::ApiError, take::Taken};
use plumb_core::{adoption, object::PART_OF};
use serde_json::{Value, json};

use crate::bench::{Bench, bench, config_map, id, manager, managers};

async fn hand_over(bench: &Bench, state: &Value) -> Result<Value, ApiError> {
    let key = bench.key(&config_map(), "c");
    bench.cluster.hand_over(&config_map(), &key, &Precondition::of(state), &id("shop"), &id("blog")).await
}

#[tokio::test]
async fn an_object_that_is_handed_over_keeps_its_identity_and_every_value() {
    let bench = bench("hand-over").await;
    bench.take("shop", &bench.owned("shop", "c", json!({ "a": "1", "old": "x" })), &["shop"]).await.unwrap();
    bench.kubectl(&["annotate", "configmap", "c", "by=hand"]);
    let before = bench.get("c").await;
    let given = hand_over(&bench, &before).await.unwrap();
    assert_eq!((&given["metadata"]["uid"], &given["data"]), (&before["metadata"]["uid"], &before["data"]));
    assert_eq!(given["metadata"]["annotations"], json!({ "by": "hand" }));
    assert_eq!(given["metadata"]["labels"][PART_OF], id("blog").as_str());
    // One entry for all that was given, label included: what the taker does not want goes with its first apply.
    let mut left = managers(&given);
    left.sort();
    assert_eq!(left, ["kubectl-annotate Update".to_owned(), format!("{} Apply", manager("blog"))]);
    let owned = bench.owned("blog", "c", json!({ "a": "1" }));
    let applied = bench.apply("blog", &owned, Force::Yes).await.unwrap();
    assert_eq!(applied.object["data"], json!({ "a": "1" }));
}

#[tokio::test]
async fn what_changed_or_is_not_the_givers_is_not_given() {
    let bench = bench("hand-over-stale").await;
    bench.take("shop", &bench.owned("shop", "c", json!({ "a": "1" })), &["shop"]).await.unwrap();
    let before = bench.get("c").await;
    bench.kubectl(&["annotate", "configmap", "c", "by=hand"]);
    let changed = bench.get("c").await;
    assert!(matches!(hand_over(&bench, &before).await, Err(ApiError::Stale { .. })));
    assert_eq!(bench.get("c").await, changed);
    bench.kubectl(&["label", "configmap", "c", &format!("{PART_OF}-")]);
    let unlabelled = bench.get("c").await;
    assert!(matches!(hand_over(&bench, &unlabelled).await, Err(ApiError::Stale { .. })));
    bench.kubectl(&["delete", "configmap", "c"]);
    assert!(matches!(hand_over(&bench, &unlabelled).await, Err(ApiError::Stale { .. })));
}

#[tokio::test]
async fn a_hand_over_that_was_cut_is_completed_by_the_takers_first_apply() {
    let bench = bench("hand-over-cut").await;
    bench.take("shop", &bench.owned("shop", "c", json!({ "a": "1", "old": "x" })), &["shop"]).await.unwrap();
    // As it is left by a process that died between the two patches.
    let patch = adoption::hand_over(&bench.get("c").await, &manager("shop"), &id("blog")).unwrap();
    let key = bench.key(&config_map(), "c");
    bench.cluster.json_patch(&config_map(), &key, &Value::Array(patch), &manager("blog")).await.unwrap();
    let taken = bench.take("blog", &bench.owned("blog", "c", json!({ "a": "1" })), &["shop", "blog"]).await.unwrap();
    let Taken::Applied(applied) = taken else { panic!("{taken:?}") };
    assert_eq!(applied.object["data"], json!({ "a": "1" }));
    assert_eq!(managers(&applied.object), [format!("{} Apply", manager("blog"))]);
}
