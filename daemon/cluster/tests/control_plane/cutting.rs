//! Watches over a network that breaks: at any byte, with an etcd that has forgotten, with an API server that starts anew.

use std::sync::{
    Arc, LazyLock,
    atomic::{AtomicUsize, Ordering},
};

use lab::{ControlPlane, proxy::Network};
use plumb_cluster::{index::change::What, traffic::Traffic};
use serde_json::{Value, json};

use crate::{
    bench::{Bench, DEADLINE, behind_a_proxy, bench, bench_on, config_map, eventually},
    watching::{Watching, apply, watch},
};

/// Bytes from the server after which a connection breaks: in TLS's handshake, in HTTP/2's settings, in heads of answers, in
/// events. The steps of the golden ratio spread them evenly, and where that is changes with every change of the server.
fn somewhere(round: usize) -> usize {
    const HANDSHAKE: usize = 3000;
    const SOME_EVENTS: usize = 9000;
    const GOLDEN: usize = 5562;
    let beginnings = [0, 1, 5, 6, 700];
    beginnings.get(round).copied().unwrap_or_else(|| HANDSHAKE + round * GOLDEN % SOME_EVENTS)
}

fn patch(bench: &Bench, name: &str, value: usize) {
    let patch = json!({ "data": { "a": format!("foreign-{value}") } }).to_string();
    bench.kubectl(&["patch", "configmap", name, "-p", &patch]);
}

/// Waits until this object drifted; nothing else of the environment may be told.
async fn hear_only_drift_of(watching: &mut Watching, name: &str) {
    let drifted = (name.to_owned(), What::Drifted);
    let news = watching.next().await;
    assert!(news.iter().all(|one| *one == drifted), "{news:?}");
}

// The watch goes on while kubectl is waited for.
#[tokio::test(flavor = "multi_thread")]
async fn a_watch_that_is_cut_at_any_byte_misses_nothing_and_invents_nothing() {
    const ROUNDS: usize = 10;
    let bench = bench("cutting").await;
    let name = bench.namespace.as_str();
    let (proxy, cluster) = behind_a_proxy(&bench, None).await;
    let mut watching = watch(&cluster, config_map(), name).await;
    for object in ["changed", "kept"] {
        apply(&bench, &watching, name, &bench.owned(name, object, json!({ "a": "1" }))).await;
    }
    for round in 0..ROUNDS {
        let (bytes, before) = (somewhere(round), proxy.broken());
        proxy.set(Network::CutAfter(bytes));
        let begun = tokio::time::Instant::now();
        let mut changes = 0;
        while proxy.broken() == before {
            assert!(begun.elapsed() < DEADLINE, "no connection was broken after {bytes} bytes");
            patch(&bench, "changed", changes);
            changes += 1;
        }
        patch(&bench, "changed", changes);
        proxy.set(Network::Up);
        // The newest change arrives, whatever was cut before it.
        let (key, newest) = (bench.key(&config_map(), "changed"), format!("foreign-{changes}"));
        let is_newest = |object: Value| object["data"]["a"] == newest.as_str();
        let arrived = async || watching.watches.index().object(&key).filter(|object| is_newest(object.clone()));
        eventually(&format!("the newest change after a cut at byte {bytes}"), arrived).await;
        hear_only_drift_of(&mut watching, "changed").await;
        apply(&bench, &watching, name, &bench.owned(name, "changed", json!({ "a": "1" }))).await;
    }
    let live = watching.watches.index().live(&watching.id(), &std::collections::BTreeSet::new());
    assert_eq!(live.objects.len(), 2);
}

#[tokio::test]
async fn what_etcd_has_forgotten_during_an_outage_is_found_by_a_list() {
    static PLANE: LazyLock<ControlPlane> = LazyLock::new(|| ControlPlane::start().expect("a control plane"));
    let bench = bench_on(&PLANE, "compaction").await;
    let name = bench.namespace.as_str();
    let lists = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&lists);
    let count = move |traffic| {
        if matches!(traffic, Traffic::Listed) {
            counted.fetch_add(1, Ordering::SeqCst);
        }
    };
    let (proxy, cluster) = behind_a_proxy(&bench, Some(Arc::new(count))).await;
    let mut watching = watch(&cluster, config_map(), name).await;
    for object in ["changed", "deleted", "kept"] {
        apply(&bench, &watching, name, &bench.owned(name, object, json!({ "a": "1" }))).await;
    }
    // An API server that starts anew in the middle of the watch has missed nothing, and neither have we.
    bench.plane.stop_api_server().unwrap();
    bench.plane.start_api_server().unwrap();
    patch(&bench, "changed", 0);
    hear_only_drift_of(&mut watching, "changed").await;
    apply(&bench, &watching, name, &bench.owned(name, "changed", json!({ "a": "1" }))).await;
    let before = lists.load(Ordering::SeqCst);

    proxy.set(Network::Cut);
    bench.kubectl(&["delete", "configmap", "deleted"]);
    patch(&bench, "changed", 1);
    // Without the events in its memory, the API server answers 410 to whoever was there before.
    bench.plane.stop_api_server().unwrap();
    bench.plane.start_api_server().unwrap();
    bench.plane.compact_store().unwrap();
    proxy.set(Network::Up);
    let mut missed = std::collections::BTreeSet::new();
    while missed.len() < 2 {
        missed.extend(watching.next().await.into_iter().map(|(object, what)| (object, format!("{what:?}"))));
    }
    let expected =
        [("changed", "Drifted"), ("deleted", "Missing")].map(|(object, what)| (object.to_owned(), what.to_owned()));
    assert_eq!(missed, expected.into());
    assert!(lists.load(Ordering::SeqCst) > before, "the place in the stream of versions was lost");
}
