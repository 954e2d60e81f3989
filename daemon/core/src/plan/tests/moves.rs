//! Objects that others desire or own too: who keeps them, who waits, and when they are handed over.

use super::fixture::{Situation, applied, config, key, manifest, other, ours, pruned, refused, third};
use crate::{
    claims::Stance,
    plan::{HandOver, Why},
};

const OLD: &str = "ConfigMap shop/old";

fn handed(situation: &Situation) -> Vec<String> {
    let plan = situation.plan();
    assert_eq!(pruned(&plan), [""; 0]);
    plan.handovers.iter().map(|hand_over| format!("{} to {}", hand_over.key, hand_over.to.name)).collect()
}

/// Expects `ConfigMap old`, which only `other` desires any more, to be kept for this reason instead of handed over.
fn kept(reason: &str, change: impl FnOnce(&mut Situation)) {
    let mut situation = Situation::usual();
    situation.claim(config("old"), &[other()], true);
    change(&mut situation);
    assert_eq!(handed(&situation), [""; 0], "{reason}");
    assert!(refused(&situation.plan()).contains(&format!("{OLD}: {reason}")), "{:?}", refused(&situation.plan()));
}

#[test]
fn what_only_one_other_desires_is_handed_over_and_not_pruned() {
    let check = |change: &dyn Fn(&mut Situation)| {
        let mut situation = Situation::usual();
        situation.claim(config("old"), &[other()], true);
        change(&mut situation);
        assert_eq!(handed(&situation), ["ConfigMap shop/old to other"]);
    };
    check(&|_| {});
    // It is no deletion: what keeps objects from being deleted does not matter.
    check(&|s| s.policy.prune = false);
    check(&|s| s.manifests.clear());
    check(&|s| s.old().prune = crate::live::PruneWish::Disabled);
    // What is refused of the rest does not hold it up: the other one may wait for it.
    check(&|s| s.hold(config("a"), Stance::Gives));
    check(&|s| s.old().claimants = vec![other().applyset_id().manager()]);
}

#[test]
fn a_hand_over_carries_the_state_that_was_judged() {
    let mut situation = Situation::usual();
    situation.claim(config("old"), &[other()], true);
    let old = situation.old().clone();
    let expected = HandOver {
        key: old.key,
        api_version: old.api_version,
        uid: old.uid,
        resource_version: old.resource_version,
        to: other(),
    };
    assert_eq!(situation.plan().handovers, [expected]);
    assert_eq!(situation.plan().narrow, None, "it is still there");
}

#[test]
fn nothing_is_handed_over_in_doubt() {
    kept("Unknown", |s| s.unknown(&config("old")));
    kept("Undecided", |s| s.undecided = vec![third()]);
    kept("ForeignLabel", |s| s.old().label_is_ours = false);
    kept("Claimed", |s| s.old().claimants = vec![third().applyset_id().manager()]);
    kept("Wanted", |s| s.claim(config("old"), &[other(), third()], true));
    kept("HandingOver", |s| s.claim(config("old"), &[other()], false));
    kept("Powerless", |s| {
        s.claim(config("old"), &[other()], false);
        s.claims.get_mut(&config("old")).expect("it was just claimed").powerless = true;
    });
    kept("Incomplete", |s| s.desire(&key("Databse.example.com shop/a")));
    let mut suspended = Situation::usual();
    suspended.claim(config("old"), &[other()], true);
    suspended.policy.suspended = true;
    assert_eq!(suspended.plan().handovers, []);
    assert_eq!(refused(&suspended.plan()), ["*: Suspended"]);
}

#[test]
fn the_owner_keeps_what_another_desires_too_and_goes_on() {
    let check = |expected: &[&str], change: &dyn Fn(&mut Situation)| {
        let mut situation = Situation::usual();
        situation.claims.clear();
        situation.live.objects.remove(&config("old"));
        situation.claim(config("a"), &[other()], true);
        change(&mut situation);
        let plan = situation.plan();
        assert_eq!((applied(&plan), plan.refused), (expected.iter().map(ToString::to_string).collect(), 0));
        assert_eq!(refused(&plan), ["ConfigMap shop/a: Contested"]);
    };
    check(&[], &|_| {});
    check(&["ConfigMap shop/a Change forced"], &|s| {
        s.no_longer_desire(&config("a"));
        s.manifests.push(manifest(&config("a"), "2"));
    });
    // What somebody deleted comes back to where it was.
    check(&["ConfigMap shop/a Correct"], &|s| _ = s.live.objects.remove(&config("a")));
}

#[test]
fn a_newcomer_waits_or_is_refused_as_the_owner_says() {
    let check = |stance, expected: &str| {
        let mut situation = Situation::usual();
        situation.claims.clear();
        situation.desire(&config("new"));
        situation.hold(config("new"), stance);
        let plan = situation.plan();
        assert_eq!((applied(&plan), plan.refused), (Vec::<String>::new(), 1));
        assert!(refused(&plan).contains(&format!("ConfigMap shop/new: {expected}")));
        // The parent covers it before it is handed over.
        assert!(plan.widen.is_none(), "{:?}", plan.widen);
    };
    check(Stance::Keeps, "Claimed");
    check(Stance::Undecided, "Awaited");
    check(Stance::Gives, "Awaited");
    check(Stance::Suspended, "Awaited");
    check(Stance::Unreadable, "Awaited");
}

#[test]
fn the_parent_is_widened_for_what_is_about_to_come() {
    let mut situation = Situation::usual();
    situation.desire(&key("Service shop/new"));
    situation.hold(key("Service shop/new"), Stance::Gives);
    let widened = situation.plan().widen.expect("a wider scope");
    assert!(widened.kinds.contains(&key("Service shop/new").group_kind()));
    let mut narrowed = Situation::usual();
    narrowed.live.objects.remove(&config("old"));
    let wider = key("Service shop/new");
    narrowed.recorded.as_mut().expect("a record").kinds.insert(wider.group_kind());
    assert!(narrowed.plan().narrow.is_some());
    narrowed.incoming.insert(wider);
    assert_eq!(narrowed.plan().narrow, None, "it is on its way");
}

#[test]
fn everybody_is_named() {
    let say = |why: Why| why.to_string();
    let claimed = |by, owner| say(Why::Claimed { by, owner });
    assert!(claimed(other(), Some(other())).contains("team/other owns it"));
    assert!(
        claimed(third(), Some(other())).contains("team/third")
            && claimed(third(), Some(other())).contains("team/other")
    );
    assert!(say(Why::Contested { by: other() }).contains("team/other"));
    assert!(say(Why::Wanted { by: vec![other(), third()] }).contains("team/other, team/third"));
    let awaited = |stance| say(Why::Awaited { from: ours(), stance });
    assert!(awaited(Stance::Suspended).contains("plumb resume shop -n team"));
    assert!(awaited(Stance::Unreadable).contains("plumb status shop -n team"));
}
