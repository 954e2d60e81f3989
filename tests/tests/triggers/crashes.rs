//! plumb is aborted at every boundary between the effects of a build, and comes back after the branch has moved on: each commit
//! that was begun is built once.

use serde_json::{Value, json};
use system_tests::{daemon::Daemon, wait};

use crate::shop::Shop;

/// More effects than a build has: past it, something goes in circles.
const EFFECTS_MAX: u32 = 40;

/// Returns commit and number of each Job, sorted.
fn jobs(shop: &Shop) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let of = |job: &Value| {
        let metadata = &job["metadata"];
        (text(&metadata["labels"]["plumb.dev/commit"]), text(&metadata["annotations"]["plumb.dev/attempt"]))
    };
    let mut jobs: Vec<_> = shop.runs_of("jobs.batch").iter().map(of).collect();
    jobs.sort();
    jobs
}

fn is_built(shop: &Shop, commit: &str) -> Result<(), String> {
    let build = &shop.component("cart")["lastAttempted"];
    if build["commit"] == commit && build["outcome"] == "Succeeded" {
        Ok(())
    } else {
        Err(format!("{:#}", shop.status()))
    }
}

#[test]
fn aborted_at_each_boundary_of_a_build_each_commit_is_built_once() {
    let plane = lab::own();
    let mut daemon = Daemon::start(plane);
    let job = json!({ "apiVersion": "batch/v1", "kind": "Job", "spec": { "backoffLimit": 0, "template": { "spec": {
        "restartPolicy": "Never", "containers": [{ "name": "build", "image": "lab/build:ok" }] } } } });
    let (mut places, mut faults) = (Vec::new(), Vec::new());
    for (moment, number) in std::iter::once(("before", 1)).chain((1..=EFFECTS_MAX).map(|number| ("after", number))) {
        let shop = Shop::on(plane, "crash");
        let first = shop.push("cart/main.go", "1");
        shop.trigger(&json!({ "components": [{ "name": "cart", "paths": ["cart/**"] }], "run": job }));
        wait::until("the first commit to be built", || is_built(&shop, &first));
        daemon.crash(moment, number, &[&shop.site.namespace]);
        let second = shop.push("cart/main.go", "2");
        let crashed = wait::until("a crash or the end", || match (daemon.has_ended(), is_built(&shop, &second)) {
            (true, _) => Ok(true),
            (false, Ok(())) => Ok(false),
            (false, Err(why)) => Err(why),
        });
        let log = daemon.log();
        let place = log.lines().rev().find_map(|line| line.split(&format!("effect {number}: ")).nth(1));
        places.push(format!("{moment} {number}: {}", place.unwrap_or("the end")));
        if !crashed && place.is_none() {
            break;
        }
        if !crashed {
            wait::until_equal("the crash", &true, || daemon.has_ended());
        }
        // Every other time the branch moves on meanwhile.
        let third = (number % 2 == 0).then(|| shop.push("cart/main.go", "3"));
        let begun = jobs(&shop).len() == 2;
        daemon.start_again();
        let last = third.as_ref().unwrap_or(&second);
        wait::until(&format!("the last commit to be built after {}", places.last().expect("a place")), || {
            is_built(&shop, last)
        });
        let jobs = jobs(&shop);
        let mut expected = vec![(first.clone(), "1".to_owned())];
        match &third {
            None => expected.push((second.clone(), "2".to_owned())),
            // What had not been begun is not built any more; the number may have been given out already.
            Some(third) => {
                expected.extend(begun.then(|| (second.clone(), "2".to_owned())));
                let number =
                    jobs.iter().find(|(commit, _)| commit == third).map_or("none", |(_, number)| number.as_str());
                expected.push((third.clone(), if number == "2" && !begun { "2" } else { "3" }.to_owned()));
                if !begun && jobs.iter().any(|(commit, _)| *commit == second) {
                    expected.push((second.clone(), "2".to_owned()));
                }
            }
        }
        expected.sort();
        if jobs != expected {
            faults.push(format!("{}: {jobs:?} instead of {expected:?}", places.last().expect("a place")));
        }
    }
    assert!(faults.is_empty(), "{}\n--- the effects:\n{}", faults.join("\n"), places.join("\n"));
    assert!(places.last().is_some_and(|last| last.ends_with("the end")), "{}", places.join("\n"));
}
