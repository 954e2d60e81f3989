//! The page holds every family of the catalogue and no other, and forgets what is gone.

use std::collections::BTreeSet;

use plumb_api::environment::RecordsStatus;
use plumb_cluster::traffic::{Outcome, Verb};
use plumb_core::{
    commit::CommitId,
    record::ledger::{Ledger, PENDING_MAX},
    trigger::{
        name::ComponentName,
        plan::fact::{Event, Fact},
        run::Outcome as End,
        standing::Reason,
    },
};

use super::*;
use crate::ledger::example;

fn name() -> EnvironmentName {
    EnvironmentName::new("shop", "staging")
}

fn repository() -> (String, String) {
    ("shop".to_owned(), "repo".to_owned())
}

fn trigger() -> TriggerName {
    TriggerName::new("shop", "images")
}

fn at(second: i64) -> jiff::Timestamp {
    jiff::Timestamp::from_second(second).expect("a time")
}

/// Has something happen to a build, 100 seconds after 1970 began.
fn happen(metrics: &Metrics, event: Event) {
    let component = ComponentName::parse("cart").expect("a name");
    let commit = CommitId::parse(&"a".repeat(40)).expect("an id");
    metrics.build(&trigger(), &Fact { component, commit, attempt: None, run: None, event }, at(100));
}

fn ended(outcome: End, started: Option<i64>) -> Event {
    Event::Ended { outcome, started: started.map(at), at: at(100), message: String::new() }
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
    let overview = TriggerOverview {
        ready: false,
        stalled: true,
        suspended: false,
        reason: Reason::BuildFailed,
        running: 2,
        queued: 3,
        oldest: Some(at(70)),
    };
    metrics.trigger(&trigger(), overview);
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
    assert!(page.contains("trigger=\"images\""), "{page}");
    metrics.forget_environment(&name());
    metrics.forget_repository(&repository());
    metrics.forget_trigger(&trigger());
    let page = metrics.page().unwrap();
    assert!(!page.contains("staging") && !page.contains("\"repo\"") && !page.contains("\"images\""), "{page}");
}

/// Expects this line on the page.
#[track_caller]
fn check_line(metrics: &Metrics, line: &str) {
    let page = metrics.page().unwrap();
    assert!(page.lines().any(|found| found == line), "{line}\n{page}");
}

#[test]
fn what_waits_is_counted_with_what_is_rolled_up() {
    let metrics = busy();
    let check = |line: &str| check_line(&metrics, line);
    check("plumb_records_pending{form=\"whole\",namespace=\"shop\",repository=\"repo\"} 64");
    check("plumb_records_pending{form=\"counted\",namespace=\"shop\",repository=\"repo\"} 3");
    check("plumb_records_oldest_timestamp_seconds{namespace=\"shop\",repository=\"repo\"} 70");
    check("plumb_records_published_total{form=\"counted\",namespace=\"shop\",repository=\"repo\"} 3");
    metrics.overview().backlog.forget(&name());
    check("plumb_records_pending{form=\"counted\",namespace=\"shop\",repository=\"repo\"} 0");
    assert!(!metrics.page().unwrap().contains("plumb_records_oldest_timestamp_seconds{"), "nothing waits");
}

#[test]
fn a_trigger_is_shown_as_it_stands_and_no_more_where_another_replica_looks_at_it() {
    let metrics = busy();
    let check = |family: &str, value: i64| {
        check_line(&metrics, &format!("{family}{{namespace=\"shop\",trigger=\"images\"}} {value}"));
    };
    check("plumb_trigger_ready", 0);
    check("plumb_trigger_stalled", 1);
    check("plumb_trigger_suspended", 0);
    check("plumb_builds_running", 2);
    check("plumb_builds_queued", 3);
    check("plumb_builds_oldest_timestamp_seconds", 70);
    check_line(&metrics, "plumb_trigger_reason{namespace=\"shop\",reason=\"BuildFailed\",trigger=\"images\"} 1");
    metrics.hide_trigger(&trigger());
    let page = metrics.page().unwrap();
    let left: Vec<_> = page.lines().filter(|line| line.contains("\"images\"")).collect();
    assert!(left.iter().all(|line| line.starts_with("plumb_builds_total{")) && left.len() == 5, "{left:?}");
}

#[test]
fn builds_are_counted_by_how_they_ended_and_timed_as_far_as_that_is_known() {
    let metrics = busy();
    let check = |outcome: &str, count: u64| {
        let labels = format!("namespace=\"shop\",outcome=\"{outcome}\",trigger=\"images\"");
        check_line(&metrics, &format!("plumb_builds_total{{{labels}}} {count}"));
    };
    check("failed", 0);
    happen(&metrics, Event::Began { since: Some(at(40)), asked: None });
    happen(&metrics, Event::Began { since: None, asked: None });
    happen(&metrics, Event::Began { since: Some(at(130)), asked: None });
    check_line(&metrics, "plumb_build_queue_seconds_count 1");
    check_line(&metrics, "plumb_build_queue_seconds_sum 60");
    happen(&metrics, ended(End::Failed, Some(75)));
    happen(&metrics, ended(End::Failed, None));
    happen(&metrics, ended(End::Succeeded, Some(50)));
    happen(&metrics, ended(End::Misconfigured, None));
    happen(&metrics, ended(End::Infrastructure, None));
    happen(&metrics, Event::Vanished);
    happen(&metrics, Event::Queued);
    check("failed", 2);
    check("succeeded", 1);
    check("misconfigured", 1);
    check("infrastructure", 1);
    check("cancelled", 1);
    check_line(&metrics, "plumb_build_seconds_sum{outcome=\"failed\"} 25");
    check_line(&metrics, "plumb_build_seconds_count{outcome=\"failed\"} 1");
    check_line(&metrics, "plumb_build_seconds_sum{outcome=\"succeeded\"} 50");
    check_line(&metrics, "plumb_build_seconds_count{outcome=\"cancelled\"} 0");
}
