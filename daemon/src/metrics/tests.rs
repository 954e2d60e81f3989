//! The page holds every family of the catalogue and no other, and forgets what is gone.

use std::collections::BTreeSet;

use plumb_cluster::traffic::{Outcome, Verb};

use super::*;

fn name() -> EnvironmentName {
    EnvironmentName::new("shop", "staging")
}

fn repository() -> (String, String) {
    ("shop".to_owned(), "repo".to_owned())
}

/// Metrics of a daemon that has done everything once.
fn busy() -> Metrics {
    let metrics = Metrics::new().unwrap();
    for kind in RecordKind::ALL {
        metrics.record(&Record {
            at: jiff::Timestamp::UNIX_EPOCH,
            environment: name(),
            revision: None,
            kind,
            objects: Vec::new(),
            message: String::new(),
            who: None,
            attribution: None,
            related: None,
            count: None,
            class: None,
            took: Some(Duration::from_millis(7)),
        });
    }
    metrics.write("apply", true);
    metrics.pass(Duration::from_millis(3), None);
    metrics.look(&repository(), Look::Fetched, Duration::from_secs(2));
    metrics.traffic(Traffic::Exchange { verb: Verb::Patch, outcome: Outcome::Success, took: Duration::ZERO });
    metrics.traffic(Traffic::Listed);
    metrics.traffic(Traffic::Interrupted);
    let applied = Some(jiff::Timestamp::UNIX_EPOCH);
    let mut overview = metrics.overview();
    let health = BTreeMap::from([("Current".to_owned(), 2)]);
    let environment = EnvironmentOverview { reason: "Applied", health, applied, ..EnvironmentOverview::default() };
    overview.environments.insert(name(), environment);
    overview.repositories.insert(repository(), RepositoryOverview { ready: true, seen: applied });
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
