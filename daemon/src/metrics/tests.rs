//! The page holds every family of the catalogue and no other, and forgets what is gone.

use std::collections::BTreeSet;

use plumb_api::environment::RecordsStatus;
use plumb_cluster::traffic::{Outcome, Verb};
use plumb_core::record::ledger::{Ledger, PENDING_MAX};

use super::*;
use crate::ledger::example;

fn name() -> EnvironmentName {
    EnvironmentName::new("shop", "staging")
}

fn repository() -> (String, String) {
    ("shop".to_owned(), "repo".to_owned())
}

/// What waits of an environment: one line, and one that stands for others.
fn waiting() -> RecordsStatus {
    let mut ledger = Ledger::default();
    for second in 0..=PENDING_MAX + 2 {
        let at = jiff::Timestamp::from_second(70 + second as i64).expect("a time");
        ledger.append(&Record { at, ..example::record("x") }, &example::origin("repo"));
    }
    crate::ledger::status(&ledger, None).expect("there are records")
}

/// Metrics of a daemon that has done everything once.
fn busy() -> Metrics {
    let metrics = Metrics::new().unwrap();
    for kind in RecordKind::ALL {
        let took = Some(Duration::from_millis(7));
        metrics.record(&Record { kind, environment: name(), took, ..example::record("x") });
    }
    metrics.write("apply", true);
    metrics.pass(Duration::from_millis(3), None);
    metrics.look(&repository(), Look::Fetched, Duration::from_secs(2));
    metrics.traffic(Traffic::Exchange { verb: Verb::Patch, outcome: Outcome::Success, took: Duration::ZERO });
    metrics.notes_push(&repository(), NotesPush::Pushed);
    metrics.published(&repository(), Lot { whole: 2, counted: 3, oldest: None });
    metrics.traffic(Traffic::Listed);
    metrics.traffic(Traffic::Interrupted);
    let applied = Some(jiff::Timestamp::UNIX_EPOCH);
    let mut overview = metrics.overview();
    let health = BTreeMap::from([("Current".to_owned(), 2)]);
    let environment = EnvironmentOverview { reason: "Applied", health, applied, ..EnvironmentOverview::default() };
    overview.environments.insert(name(), environment);
    overview
        .repositories
        .insert(repository(), RepositoryOverview { uid: "repo".to_owned(), ready: true, seen: applied });
    overview.backlog.see(&name(), "env", Some(&waiting()));
    overview.index = Some(SharedIndex::default());
    overview.shards.insert(Shard(0), Some(Tenure::none()));
    drop(overview);
    metrics
}

#[test]
fn every_family_of_the_catalogue_is_on_the_page_and_no_other() {
    let page = busy().page().unwrap();
    let families = page.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next());
    let shown: BTreeSet<&str> = families.filter(|name| !name.starts_with("process_")).collect();
    let catalogue: BTreeSet<&str> = catalogue::ALL.iter().map(|family| family.name).collect();
    assert_eq!(shown, catalogue);
    assert!(page.contains("process_resident_memory_bytes"), "{page}");
}

#[test]
fn what_is_gone_is_forgotten() {
    let metrics = busy();
    let page = metrics.page().unwrap();
    assert!(page.contains("environment=\"staging\"") && page.contains("repository=\"repo\""), "{page}");
    metrics.forget_environment(&name());
    metrics.forget_repository(&repository());
    let page = metrics.page().unwrap();
    assert!(!page.contains("staging") && !page.contains("\"repo\""), "{page}");
}

#[test]
fn what_waits_is_counted_with_what_is_rolled_up() {
    let metrics = busy();
    let check = |line: &str| {
        let page = metrics.page().unwrap();
        assert!(page.lines().any(|found| found == line), "{line}\n{page}");
    };
    check("plumb_records_pending{form=\"whole\",namespace=\"shop\",repository=\"repo\"} 64");
    check("plumb_records_pending{form=\"counted\",namespace=\"shop\",repository=\"repo\"} 3");
    check("plumb_records_oldest_timestamp_seconds{namespace=\"shop\",repository=\"repo\"} 70");
    check("plumb_records_published_total{form=\"counted\",namespace=\"shop\",repository=\"repo\"} 3");
    metrics.overview().backlog.forget(&name());
    check("plumb_records_pending{form=\"counted\",namespace=\"shop\",repository=\"repo\"} 0");
    assert!(!metrics.page().unwrap().contains("plumb_records_oldest_timestamp_seconds{"), "nothing waits");
}
