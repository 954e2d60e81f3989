//! The limits over all prunes of a plan, and the person's word that lifts them for one commit.

use super::fixture::{Situation, commit, config, key, pruned, refused};
use crate::{environment::EnvironmentName, live::PruneWish, plan::Why, policy::PruneLimit, presence::Presence};

/// A situation with `inventory` objects, of which `going` are no longer desired.
fn situation(inventory: usize, going: usize) -> Situation {
    let mut situation = Situation::usual();
    situation.manifests.clear();
    situation.live.objects.clear();
    for number in 0..inventory {
        let key = config(&format!("c{number:03}"));
        situation.add_live(&key);
        if number >= going {
            situation.desire(&key);
        }
    }
    situation
}

fn check(mut situation: Situation, limit: &str, expected: Result<usize, &str>) {
    situation.policy.prune_limit = PruneLimit::parse(limit).expect("a limit");
    let plan = situation.plan();
    let found = (pruned(&plan).len(), refused(&plan));
    match expected {
        Ok(count) => assert_eq!(found, (count, vec![])),
        Err(why) => {
            assert_eq!(found, (0, vec![format!("*: {why}")]));
            assert!(plan.blocked().is_some() || why == "Unrecorded");
            let mut allowed = situation.clone();
            allowed.policy.prune_allowed = Some(commit('2'));
            assert_eq!(pruned(&allowed.plan()).len(), 0, "another commit's word");
            allowed.policy.prune_allowed = Some(allowed.commit.clone());
            assert_eq!(!pruned(&allowed.plan()).is_empty(), why != "Unrecorded", "this commit's word");
        }
    }
}

#[test]
fn more_than_the_limit_waits_for_a_word() {
    check(situation(40, 10), "25%", Ok(10));
    check(situation(40, 11), "25%", Err("PruneLimit"));
    check(situation(6, 5), "0%", Ok(5));
    check(situation(100, 6), "0%", Err("PruneLimit"));
    check(situation(100, 99), "100%", Ok(99));
}

#[test]
fn a_commit_that_renders_to_nothing_waits_whatever_the_limit() {
    check(situation(1, 1), "100%", Err("Emptied"));
    check(situation(50, 50), "100%", Err("Emptied"));
    check(situation(0, 0), "25%", Ok(0));
}

#[test]
fn nothing_is_pruned_before_a_lost_record_is_replaced_by_a_full_search() {
    let mut lost = situation(20, 1);
    lost.recorded = None;
    lost.scanned = false;
    check(lost.clone(), "25%", Err("Unrecorded"));
    lost.scanned = true;
    check(lost.clone(), "25%", Ok(1));
    lost.scanned = false;
    lost.recorded = Situation::usual().recorded;
    check(lost, "25%", Ok(1));
}

#[test]
fn a_limit_is_judged_when_the_other_environments_have_spoken() {
    for (inventory, going) in [(40, 11), (40, 10), (3, 3)] {
        let mut silent = situation(inventory, going);
        silent.undecided = vec![EnvironmentName::new("team", "other")];
        let plan = silent.plan();
        assert!(plan.blocked().is_none() && pruned(&plan).is_empty(), "{going} of {inventory}");
        let waiting: Vec<String> = (0..going).map(|number| format!("ConfigMap shop/c{number:03}: Undecided")).collect();
        assert_eq!(refused(&plan), waiting);
    }
}

#[test]
fn objects_that_are_kept_do_not_count() {
    let mut protected = situation(40, 11);
    let kept = ["c000", "c001"].map(|name| {
        protected.live(&config(name)).prune = PruneWish::Disabled;
        format!("ConfigMap shop/{name}: Protected")
    });
    let plan = protected.plan();
    assert_eq!((pruned(&plan).len(), refused(&plan)), (9, kept.to_vec()));
}

#[test]
fn objects_that_somebody_adds_to_be_counted_do_not_count() {
    let mut padded = situation(40, 11);
    for number in 0..200 {
        let key = config(&format!("padding{number:03}"));
        padded.add_live(&key);
        padded.live(&key).prune = PruneWish::Disabled;
    }
    let expected = Why::PruneLimit { count: 11, inventory: 40, percent: 25 };
    assert_eq!(padded.plan().blocked().map(|refusal| &refusal.why), Some(&expected));
}

#[test]
fn a_refusal_tells_the_numbers() {
    let plan = situation(40, 11).plan();
    let expected = Why::PruneLimit { count: 11, inventory: 40, percent: 25 };
    assert_eq!(plan.blocked().map(|refusal| &refusal.why), Some(&expected));
}

#[test]
fn what_was_needed_first_goes_last() {
    let mut situation = Situation::usual();
    situation.live.objects.remove(&config("old"));
    let namespace = key("Namespace away");
    situation.contents.insert(namespace.clone(), Presence::Present(Vec::new()));
    let going = ["Namespace away", "ConfigMap away/c", "Service away/s", "Deployment.apps away/d", "Secret away/x"];
    for text in going {
        situation.add_live(&key(text));
    }
    let plan = situation.plan();
    let expected = ["Deployment away/d", "Service away/s", "ConfigMap away/c", "Secret away/x", "Namespace away"];
    assert_eq!(pruned(&plan), expected);
    let ranks: Vec<_> = plan.prunes.iter().map(|(rank, _)| *rank).collect();
    assert!(ranks.is_sorted_by(|a, b| a > b), "{ranks:?}");
    let prune = &plan.prunes[0].1[0];
    assert_eq!((prune.uid.as_str(), prune.resource_version.as_str()), ("uid-Deployment away/d", "7"));
}
