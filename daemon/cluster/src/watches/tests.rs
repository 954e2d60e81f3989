//! Watches against a fake API server in the same process, under paused time.

mod fake;

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use plumb_core::{
    environment::ApplySetId,
    kinds::{Kind, Scope},
    object::Gvk,
};

use super::{News, SharedIndex, Watches};
use crate::{client::Connections, cluster::Cluster, index::change::Change};
use fake::Fake;

/// Longer than everything that these tests wait for, and free under paused time.
const DEADLINE: Duration = Duration::from_secs(3600);

const ID: &str = "applyset-aaaaaaaaaaaaaaaa-v1";

struct Bench {
    fake: Arc<Fake>,
    watches: Watches,
    news: News,
}

fn bench() -> Bench {
    let fake = Arc::new(Fake::default());
    let cluster = Cluster::new(Connections::over(fake.client(), 7));
    let (watches, news) = Watches::new(cluster, SharedIndex::default());
    Bench { fake, watches, news }
}

fn kind() -> Kind {
    Kind {
        gvk: Gvk::new("v1", "ConfigMap"),
        plural: "configmaps".to_owned(),
        scope: Scope::Namespaced,
        watchable: true,
        defined_by: None,
    }
}

impl Bench {
    async fn synced(&self) {
        let kinds = BTreeSet::from([kind().gvk.group_kind()]);
        let unknown = self.watches.wait_synced(&kinds, DEADLINE).await;
        assert!(unknown.is_empty(), "{unknown:?}");
    }

    /// Waits for news of this wording.
    async fn hear(&mut self, expected: &str) {
        let heard = tokio::time::timeout(DEADLINE, async {
            loop {
                let news = self.news.next().await.expect("the watches run");
                if news.iter().any(|change| in_words(change) == expected) {
                    return;
                }
            }
        });
        heard.await.unwrap_or_else(|_| panic!("{expected:?} was not heard; {:?}", self.fake.requests()));
    }

    fn names(&self) -> Vec<String> {
        let live = self.watches.index().live(&ApplySetId::from_label(ID), &BTreeSet::new());
        live.objects.into_keys().map(|key| key.name).collect()
    }
}

fn in_words(change: &Change) -> String {
    match change {
        Change::Object { key, what, .. } => format!("{} {what:?}", key.name),
        Change::Known { kind } => format!("known {kind}"),
        Change::Unknown { kind, .. } => format!("unknown {kind}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_watch_lists_all_pages_and_then_streams() {
    let mut bench = bench();
    let names: Vec<String> = (0..1201).map(|number| format!("c{number:04}")).collect();
    names.iter().for_each(|name| bench.fake.put(name));
    bench.watches.ensure([kind()]);
    bench.synced().await;
    assert_eq!(bench.names(), names);
    assert_eq!(bench.fake.count("LIST"), 3);
    bench.fake.put("later");
    bench.hear("later Appeared").await;
    bench.fake.delete("later");
    bench.hear("later Missing").await;
    assert_eq!((bench.fake.count("LIST"), bench.fake.count("WATCH")), (3, 1));
}

#[tokio::test(start_paused = true)]
async fn a_closed_watch_goes_on_where_it_was_without_a_list() {
    let mut bench = bench();
    bench.fake.put("one");
    bench.watches.ensure([kind()]);
    bench.synced().await;
    for round in 0..5 {
        tokio::time::sleep(Duration::from_secs(60)).await;
        bench.fake.close_watches();
        let name = format!("during{round}");
        bench.fake.put(&name);
        bench.hear(&format!("{name} Appeared")).await;
    }
    assert_eq!(bench.fake.count("LIST"), 1);
}

#[tokio::test(start_paused = true)]
async fn versions_that_are_too_old_lead_to_a_list_that_tells_what_went() {
    let mut bench = bench();
    bench.fake.put("stays");
    bench.fake.put("goes");
    bench.watches.ensure([kind()]);
    bench.synced().await;
    bench.news.take();
    bench.fake.compact();
    bench.fake.delete("goes");
    bench.fake.put("comes");
    bench.fake.compact();
    bench.fake.close_watches();
    bench.hear("goes Missing").await;
    bench.synced().await;
    assert_eq!(bench.names(), ["comes", "stays"]);
    assert_eq!(bench.fake.count("LIST"), 2);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_away_makes_the_kind_unknown_and_is_found_again_soon() {
    let mut bench = bench();
    bench.fake.put("one");
    bench.watches.ensure([kind()]);
    bench.synced().await;
    bench.news.take();
    bench.fake.break_down();
    bench.hear("unknown ConfigMap").await;
    assert_eq!(bench.names(), ["one"], "what was known stays");
    let before = bench.fake.requests().len();
    tokio::time::sleep(Duration::from_secs(60)).await;
    let tries = bench.fake.requests().len() - before;
    assert!((10..60).contains(&tries), "{tries} tries in a minute");
    bench.fake.delete("one");
    bench.fake.come_back();
    let away = tokio::time::Instant::now();
    bench.hear("one Missing").await;
    bench.synced().await;
    assert!(away.elapsed() <= Duration::from_secs(6), "{:?}", away.elapsed());
}

#[tokio::test(start_paused = true)]
async fn watches_that_are_closed_at_once_are_not_opened_in_a_rush() {
    let bench = bench();
    bench.fake.put("one");
    bench.fake.close_new_watches(true);
    bench.watches.ensure([kind()]);
    tokio::time::sleep(Duration::from_secs(60)).await;
    let opened = bench.fake.count("WATCH");
    assert!((5..60).contains(&opened), "{opened} watches in a minute");
    bench.fake.close_new_watches(false);
    bench.synced().await;
}

#[tokio::test(start_paused = true)]
async fn a_kind_that_the_server_denies_is_unknown_until_discovery_and_definition_confirm_it() {
    let mut bench = bench();
    bench.fake.put("one");
    bench.watches.ensure([kind()]);
    bench.synced().await;
    bench.news.take();
    // 404 for the objects, but discovery still has the kind.
    bench.fake.serve(false, true);
    bench.fake.close_watches();
    bench.hear("unknown ConfigMap").await;
    assert_eq!(bench.names(), ["one"]);
    bench.fake.serve(false, false);
    bench.hear("one Missing").await;
    bench.synced().await;
    assert_eq!(bench.names(), [""; 0]);
    // Asked for again when it is back, it is watched again.
    bench.fake.serve(true, true);
    bench.watches.ensure([kind()]);
    bench.hear("one Appeared").await;
}

#[tokio::test(start_paused = true)]
async fn a_list_that_fails_on_its_second_page_makes_nothing_missing() {
    let mut bench = bench();
    (0..600).for_each(|number| bench.fake.put(&format!("c{number:04}")));
    bench.watches.ensure([kind()]);
    bench.synced().await;
    bench.news.take();
    bench.fake.compact();
    bench.fake.fail_second_pages(true);
    bench.fake.close_watches();
    bench.hear("unknown ConfigMap").await;
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!(bench.names().len(), 600);
    assert!(!bench.news.take().iter().any(|change| in_words(change).ends_with("Missing")));
    bench.fake.fail_second_pages(false);
    bench.synced().await;
}

#[tokio::test(start_paused = true)]
async fn watches_that_nobody_needs_end_and_all_end_at_the_stop() {
    let bench = bench();
    bench.fake.put("one");
    bench.watches.ensure([kind()]);
    bench.synced().await;
    bench.watches.retain(&BTreeSet::new());
    assert_eq!(bench.names(), [""; 0]);
    assert!(bench.watches.index().unknown(&kind().gvk.group_kind()).is_some());
    bench.watches.ensure([kind()]);
    bench.synced().await;
    assert_eq!(bench.names(), ["one"]);
    tokio::time::timeout(DEADLINE, bench.watches.stop()).await.expect("the watches end");
    assert_eq!(bench.fake.open_watches(), 0);
}

#[tokio::test(start_paused = true)]
async fn events_that_never_came_are_found_by_the_next_list() {
    let Bench { fake, watches, news } = bench();
    let day = Duration::from_secs(24 * 3600);
    let mut bench = Bench { fake, watches: watches.relisting(day), news };
    bench.fake.put("stays");
    bench.fake.put("goes");
    bench.watches.ensure([kind()]);
    bench.synced().await;
    bench.news.take();
    bench.fake.put("comes");
    bench.fake.lose_newest_event();
    bench.fake.delete("goes");
    bench.fake.lose_newest_event();
    tokio::time::sleep(day / 2).await;
    assert_eq!(bench.names(), ["goes", "stays"], "the watch has missed it");
    tokio::time::sleep(day / 2).await;
    bench.hear("goes Missing").await;
    assert_eq!(bench.names(), ["comes", "stays"]);
    assert!(bench.news.take().iter().all(|change| !in_words(change).contains("stays")));
    tokio::time::sleep(3 * day).await;
    assert!((4..=6).contains(&bench.fake.count("LIST")), "{}", bench.fake.count("LIST"));
}

#[tokio::test(start_paused = true)]
async fn a_hundred_quiet_hours_cost_only_watches() {
    let bench = bench();
    bench.fake.put("one");
    bench.watches.ensure([kind()]);
    bench.synced().await;
    let started = bench.fake.requests().len();
    tokio::time::sleep(Duration::from_secs(100 * 3600)).await;
    let since = &bench.fake.requests()[started..];
    assert!(since.iter().all(|request| request.starts_with("WATCH")), "{since:?}");
    assert!((1..=2000).contains(&since.len()), "{}", since.len());
}
