//! Every guard of a prune: with it the object is kept and the reason said, without it the object would go.

use super::fixture::{Situation, config, key, other, ours, pruned, refused, third};
use crate::{
    claims::Stance, commit::RepoPath, environment::FieldManager, live::PruneWish, object::Origin, plan::prune,
    presence::Presence, problem::Problem,
};

const OLD: &str = "ConfigMap shop/old";

/// Changes the usual situation, in which `ConfigMap old` is pruned, and expects it to be kept for this reason.
fn check(reason: &str, change: impl FnOnce(&mut Situation)) {
    let mut situation = Situation::usual();
    assert_eq!(pruned(&situation.plan()), [OLD], "without {reason}");
    change(&mut situation);
    let plan = situation.plan();
    assert_eq!(pruned(&plan), [""; 0], "{reason}");
    let expected = if reason.is_empty() { vec![] } else { vec![format!("{OLD}: {reason}")] };
    assert!(refused(&plan).iter().filter(|line| line.starts_with(OLD)).eq(&expected), "{:?}", refused(&plan));
}

#[test]
fn every_guard_keeps_the_object_and_says_why() {
    check("PruneOff", |s| s.policy.prune = false);
    check("Unknown", |s| s.unknown(&config("old")));
    check("Wanted", |s| s.claim(config("old"), &[other(), third()], true));
    check("HandingOver", |s| s.claim(config("old"), &[other()], false));
    check("Claimed", |s| s.old().claimants = vec![other().applyset_id().manager()]);
    check("Undecided", |s| s.undecided = vec![other()]);
    check("ForeignLabel", |s| s.old().label_is_ours = false);
    check("ForeignLabel", |s| s.old().part_of = other().applyset_id());
    check("Owned", |s| s.old().owners = vec!["Database shop".into()]);
    check("Protected", |s| s.old().prune = PruneWish::Disabled);
    check("Malformed", |s| s.old().prune = PruneWish::Malformed("no".into()));
    check("Incomplete", |s| {
        let origin = Origin { file: RepoPath::parse("a.yaml").expect("a path"), line: 1, column: 1 };
        s.problems.push(Problem { origin, message: "bad".into(), remedy: String::new() });
    });
    check("Incomplete", |s| s.desire(&key("Databse.example.com shop/a")));
}

#[test]
fn a_reason_that_lasts_is_told_whoever_has_yet_to_speak() {
    check("Owned", |s| {
        s.undecided = vec![other()];
        s.old().owners = vec!["Database shop".into()];
    });
    check("Protected", |s| {
        s.undecided = vec![other()];
        s.old().prune = PruneWish::Disabled;
    });
}

#[test]
fn nothing_goes_while_what_may_replace_it_is_refused() {
    check("Incomplete", |s| {
        s.desire(&key("Service shop/new"));
        s.unknown(&key("Service shop/new"));
    });
    check("Incomplete", |s| s.hold(config("a"), Stance::Keeps));
    check("Incomplete", |s| s.hold(config("a"), Stance::Gives));
    check("Incomplete", |s| s.live(&config("a")).deleting = true);
}

#[test]
fn what_is_being_deleted_is_not_deleted_again() {
    check("", |s| s.old().deleting = true);
    check("", |s| {
        s.old().deleting = true;
        s.old().prune = PruneWish::Disabled;
    });
}

#[test]
fn an_object_that_is_served_under_two_kinds_stays_while_one_is_desired() {
    check("", |s| s.old().uid = "uid-ConfigMap shop/a".into());
}

#[test]
fn managers_without_an_environment_and_our_own_claim_nothing() {
    let mut situation = Situation::usual();
    situation.old().claimants = vec![FieldManager::new("plumb-gone12345678"), ours().applyset_id().manager()];
    assert_eq!(pruned(&situation.plan()), [OLD]);
}

/// Puts a holder that nobody desires any more into the usual situation, and expects it to be kept or pruned.
fn check_holder(holder: &str, expected: &str, change: impl FnOnce(&mut Situation)) {
    let holder = key(holder);
    let mut situation = Situation::usual();
    situation.live.objects.remove(&config("old"));
    situation.add_live(&holder);
    situation.contents.insert(holder.clone(), Presence::Present(Vec::new()));
    assert_eq!(pruned(&situation.plan()), [holder.to_string()], "an empty {holder}");
    change(&mut situation);
    let plan = situation.plan();
    let lines: Vec<_> = refused(&plan).into_iter().filter(|line| line.starts_with(&holder.to_string())).collect();
    if expected.is_empty() {
        assert!(pruned(&plan).contains(&holder.to_string()), "{lines:?}");
    } else {
        assert_eq!((pruned(&plan), lines), (vec![], vec![format!("{holder}: {expected}")]));
    }
}

const NAMESPACE: &str = "Namespace away";
const DEFINITION: &str = "CustomResourceDefinition.apiextensions.k8s.io databases.example.com";

#[test]
fn namespaces_and_definitions_are_kept_while_they_hold_something_of_others() {
    for holder in [NAMESPACE, DEFINITION] {
        let held = |s: &mut Situation, held| _ = s.contents.insert(key(holder), held);
        let foreign = || Presence::Present(vec![key("Secret away/foreign")]);
        check_holder(holder, "Holds", |s| held(s, foreign()));
        check_holder(holder, "HoldsUnknown", |s| held(s, Presence::Unknown));
        check_holder(holder, "HoldsUnknown", |s| s.contents.clear());
        check_holder(holder, "", |s| held(s, Presence::Absent));
        check_holder(holder, "", |s| {
            held(s, foreign());
            s.live(&key(holder)).prune = PruneWish::Force;
        });
        check_holder(holder, "HoldsUnknown", |s| s.unknown(&key("Secret away/a")));
        check_holder(holder, "HoldsUnknown", |s| {
            s.unknown(&key("Secret away/a"));
            s.live(&key(holder)).prune = PruneWish::Force;
        });
    }
}

#[test]
fn not_even_force_deletes_a_holder_of_what_stays() {
    let database = key("Database.example.com shop/db");
    let other_group = key("Database.example.org shop/db");
    for wish in [PruneWish::Usual, PruneWish::Force] {
        check_holder(NAMESPACE, "HoldsOwn", |s| {
            s.live(&key(NAMESPACE)).prune = wish.clone();
            s.desire(&key("ConfigMap away/new"));
        });
        check_holder(NAMESPACE, "HoldsOwn", |s| {
            s.live(&key(NAMESPACE)).prune = wish.clone();
            s.add_live(&key("ConfigMap away/kept"));
            s.live(&key("ConfigMap away/kept")).prune = PruneWish::Disabled;
        });
        check_holder(DEFINITION, "HoldsOwn", |s| {
            s.live(&key(DEFINITION)).prune = wish.clone();
            s.add_live(&database);
            s.live(&database).prune = PruneWish::Disabled;
        });
        check_holder(DEFINITION, "HoldsOwn", |s| {
            s.live(&key(DEFINITION)).prune = wish.clone();
            let served = super::fixture::kind("Database.example.com", "databases", crate::kinds::Scope::Namespaced);
            s.kinds = crate::kinds::Kinds::new(s.kinds.all_preferred().cloned().chain([served]), []);
            s.desire(&database);
        });
    }
    check_holder(DEFINITION, "", |s| {
        s.add_live(&other_group);
        s.live(&other_group).prune = PruneWish::Disabled;
    });
    check_holder(NAMESPACE, "", |s| {
        s.add_live(&key("ConfigMap away/gone"));
        s.live(&key("ConfigMap away/gone")).deleting = true;
    });
    check_holder(NAMESPACE, "", |s| s.add_live(&key("ConfigMap away/goes-too")));
}

#[test]
fn only_holders_that_may_go_are_looked_into() {
    let check = |expected: &[&str], change: fn(&mut Situation)| {
        let mut situation = Situation::usual();
        for holder in [NAMESPACE, DEFINITION] {
            situation.add_live(&key(holder));
        }
        change(&mut situation);
        let expected: Vec<_> = expected.iter().map(|text| key(text)).collect();
        assert_eq!(situation.with(prune::to_inspect), expected);
    };
    check(&[NAMESPACE, DEFINITION], |_| {});
    check(&[DEFINITION], |s| s.desire(&key(NAMESPACE)));
    check(&[NAMESPACE], |s| s.live(&key(DEFINITION)).prune = PruneWish::Force);
    check(&[NAMESPACE], |s| s.live(&key(DEFINITION)).label_is_ours = false);
    check(&[], |s| s.policy.prune = false);
}

#[test]
fn what_other_repositories_may_have_by_now_is_pruned_only_after_they_were_heard() {
    let mut situation = Situation::usual();
    situation.unheard = vec![other()];
    let plan = situation.plan();
    assert_eq!((pruned(&plan), refused(&plan)), (vec![], vec!["ConfigMap shop/old: Undecided".to_owned()]));
    // While a wave holds the prunes up anyway, nobody has to be heard.
    situation.desire(&config("new"));
    let plan = situation.plan();
    assert_eq!((pruned(&plan), refused(&plan)), (vec!["ConfigMap shop/old".to_owned()], vec![]));
    assert!(plan.prunes.is_empty());
}
