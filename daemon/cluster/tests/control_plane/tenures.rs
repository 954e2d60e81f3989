//! Writes during a tenure: what is sent, and what is not, when it ends.

use std::{sync::Arc, time::Duration};

use lab::proxy::Network;
use plumb_cluster::{
    apply::{Apply, Force, Persistence},
    cluster::{Cluster, Precondition},
    error::ApiError,
    tenure::Tenure,
};
use plumb_core::{
    class::Class,
    identity::{Identity, ServiceAccount},
    ignore::Ignored,
};
use serde_json::json;

use crate::bench::{Bench, behind_a_proxy, bench, config_map, eventually, manager};

/// Bytes of a body that stands out among frames of other sorts.
const LONG: usize = 4096;

/// A tenure that lasts until it is ended.
fn tenure() -> Tenure {
    Tenure::begin(Arc::new(|| Duration::ZERO), Duration::from_secs(1))
}

async fn apply(bench: &Bench, cluster: &Cluster, name: &str, persistence: Persistence) -> Result<(), ApiError> {
    let (kind, key, manager) = (config_map(), bench.key(&config_map(), name), manager("shop"));
    let object = bench.owned("shop", name, json!({ "a": "x".repeat(LONG) }));
    let ignored = &Ignored::default();
    let apply =
        Apply { kind: &kind, key: &key, object: &object, ignored, manager: &manager, force: Force::Yes, persistence };
    cluster.apply(&apply).await.map(drop)
}

async fn exists(bench: &Bench, name: &str) -> bool {
    bench.cluster.get(&config_map(), &bench.key(&config_map(), name)).await.unwrap().is_some()
}

#[tokio::test]
async fn after_its_end_nothing_is_written_and_everything_can_be_read() {
    let bench = bench("tenure").await;
    let tenure = tenure();
    let cluster = bench.cluster.during(&tenure);
    apply(&bench, &cluster, "before", Persistence::Stored).await.unwrap();
    tenure.end();
    let (kind, key) = (config_map(), bench.key(&config_map(), "before"));
    let found = cluster.get(&kind, &key).await.unwrap().expect("what was written before");
    apply(&bench, &cluster, "tried", Persistence::DryRun).await.unwrap();
    cluster.user().await.unwrap();
    let lost = |result: Result<(), ApiError>| {
        assert!(matches!(result, Err(ApiError::LeaseLost { .. })), "{result:?}");
        assert_eq!(result.unwrap_err().class(), Class::Retry);
    };
    lost(apply(&bench, &cluster, "after", Persistence::Stored).await);
    lost(cluster.delete(&kind, &key, &Precondition::of(&found)).await.map(drop));
    let patch = json!({ "data": { "a": "2" } });
    lost(cluster.merge_patch(&kind, &key, &patch, &manager("shop")).await.map(drop));
    let other = cluster.acting_as(Identity::ServiceAccount(ServiceAccount::parse("team", "deployer").unwrap()));
    lost(other.merge_patch(&kind, &key, &patch, &manager("shop")).await.map(drop));
    assert!(!exists(&bench, "after").await);
    assert_eq!(bench.get("before").await["metadata"]["resourceVersion"], found["metadata"]["resourceVersion"]);
}

#[tokio::test]
async fn a_write_that_waited_for_a_connection_while_its_tenure_ended_is_not_sent() {
    let bench = bench("tenure-waits").await;
    let (proxy, cluster) = behind_a_proxy(&bench, None).await;
    proxy.set(Network::Paused);
    let tenure = tenure();
    let gated = cluster.during(&tenure);
    let mut write = Box::pin(apply(&bench, &gated, "late", Persistence::Stored));
    // It has begun: only the network is in the way.
    assert!(futures::poll!(&mut write).is_pending());
    tenure.end();
    proxy.set(Network::Up);
    let result = write.await;
    assert!(matches!(result, Err(ApiError::LeaseLost { .. })), "{result:?}");
    assert!(!exists(&bench, "late").await);
    // The connection is good: it was the tenure.
    apply(&bench, &cluster, "ungated", Persistence::Stored).await.unwrap();
}

#[tokio::test]
async fn a_write_that_was_sent_before_the_end_may_land_and_is_waited_for() {
    let bench = bench("tenure-sent").await;
    let (proxy, cluster) = behind_a_proxy(&bench, None).await;
    cluster.user().await.unwrap();
    proxy.set(Network::Paused);
    let tenure = tenure();
    let gated = cluster.during(&tenure);
    let mut write = Box::pin(apply(&bench, &gated, "sent", Persistence::Stored));
    let before = proxy.held();
    eventually("the write to be sent", async || {
        assert!(futures::poll!(&mut write).is_pending());
        (proxy.held() >= before + LONG).then_some(())
    })
    .await;
    tenure.end();
    assert!(futures::poll!(Box::pin(tenure.settled())).is_pending());
    proxy.set(Network::Up);
    write.await.unwrap();
    tenure.settled().await;
    assert!(exists(&bench, "sent").await);
}
