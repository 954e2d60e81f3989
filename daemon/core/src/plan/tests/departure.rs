//! The departure of an environment: what goes, in which order, and what is let go of.

use super::fixture::{Situation, config, key, other};
use crate::{
    health::{Health, HealthStatus},
    live::PruneWish,
    plan::departure::{Departure, Progress, next},
    presence::Presence,
};

/// The environment owns `ConfigMap old` and what is added, and desires nothing.
fn leaving(objects: &[&str]) -> Situation {
    let mut situation = Situation::usual();
    situation.manifests.clear();
    situation.live.objects.retain(|live, _| *live == config("old"));
    objects.iter().for_each(|object| situation.add_live(&key(object)));
    situation
}

/// Returns a step in words.
fn step(situation: &Situation, progress: &Progress) -> String {
    match situation.with(|input| next(input, progress)) {
        Departure::Act(plan) => {
            assert!(plan.applies.is_empty() && plan.widen.is_none() && plan.narrow.is_none());
            let given = plan.handovers.iter().map(|given| format!("give {} to {}", given.key, given.to.name));
            let gone = plan.prunes.iter().flat_map(|(_, prunes)| prunes).map(|prune| format!("delete {}", prune.key));
            given.chain(gone).collect::<Vec<_>>().join(", ")
        }
        Departure::Await(lines) => format!("await {}", lines.join(", ")),
        Departure::LetGo(left) => {
            let left: Vec<_> = left.into_iter().map(|left| left.key.to_string()).collect();
            format!("let go of [{}]", left.join(", "))
        }
    }
}

fn check(situation: &Situation, expected: &str) {
    assert_eq!(step(situation, &Progress::default()), expected);
}

fn check_impatient(situation: &Situation, expected: &str) {
    assert_eq!(step(situation, &Progress { impatient: true, ..Progress::default() }), expected);
}

#[test]
fn kinds_go_one_after_the_other_and_the_next_waits_until_they_are_gone() {
    let mut situation = leaving(&["Deployment.apps shop/web", "Namespace shop"]);
    situation.contents.insert(key("Namespace shop"), Presence::Absent);
    check(&situation, "delete Deployment shop/web");
    situation.live(&key("Deployment.apps shop/web")).deleting = true;
    check(&situation, "await Deployment shop/web: it is being deleted");
    let held = "is being deleted, held by example.com/hold".to_owned();
    situation.live(&key("Deployment.apps shop/web")).health =
        Health { status: HealthStatus::Terminating, message: held, unseen: false };
    check(&situation, "await Deployment shop/web: it is being deleted, held by example.com/hold");
    situation.live.objects.remove(&key("Deployment.apps shop/web"));
    check(&situation, "delete ConfigMap shop/old");
    situation.live.objects.remove(&config("old"));
    check(&situation, "delete Namespace shop");
    situation.live.objects.clear();
    check(&situation, "let go of []");
}

#[test]
fn no_limit_holds_up_what_a_person_has_asked_for() {
    let names: Vec<String> = (0..30).map(|n| format!("ConfigMap shop/c{n}")).collect();
    let mut situation = leaving(&names.iter().map(String::as_str).collect::<Vec<_>>());
    situation.policy.prune_limit = crate::policy::PruneLimit::NOTHING;
    assert_eq!(step(&situation, &Progress::default()).matches("delete").count(), 31);
}

#[test]
fn what_is_guarded_is_let_go_of_when_all_else_is_gone() {
    let kept = |change: &dyn Fn(&mut Situation)| {
        let mut situation = leaving(&["Deployment.apps shop/web"]);
        change(&mut situation);
        check(&situation, "delete Deployment shop/web");
        situation.live.objects.remove(&key("Deployment.apps shop/web"));
        check(&situation, "let go of [ConfigMap shop/old]");
    };
    kept(&|s| s.old().prune = PruneWish::Disabled);
    kept(&|s| s.old().prune = PruneWish::Malformed("no".into()));
    kept(&|s| s.old().owners = vec!["Deployment web".into()]);
    kept(&|s| s.old().label_is_ours = false);
    kept(&|s| s.old().claimants = vec![other().applyset_id().manager()]);
    kept(&|s| s.claim(config("old"), &[other(), super::fixture::third()], true));
}

#[test]
fn a_namespace_or_definition_that_holds_something_else_is_let_go_of() {
    let mut situation = leaving(&["Namespace shop"]);
    let holder = key("Namespace shop");
    situation.contents.insert(holder.clone(), Presence::Present(vec![config("theirs")]));
    check(&situation, "delete ConfigMap shop/old");
    // What stays of its own counts too.
    let mut own = situation.clone();
    own.contents.insert(holder, Presence::Absent);
    own.old().prune = PruneWish::Disabled;
    check(&own, "let go of [ConfigMap shop/old, Namespace shop]");
    situation.live.objects.remove(&config("old"));
    check(&situation, "let go of [Namespace shop]");
}

#[test]
fn what_others_desire_goes_to_them_first() {
    let mut situation = leaving(&["Deployment.apps shop/web"]);
    situation.claim(config("old"), &[other()], true);
    check(&situation, "give ConfigMap shop/old to other");
    situation.claim(config("old"), &[other()], false);
    check(&situation, "delete Deployment shop/web");
    situation.live.objects.remove(&key("Deployment.apps shop/web"));
    assert!(step(&situation, &Progress::default()).starts_with("await ConfigMap shop/old"), "until it is ready");
    check_impatient(&situation, "let go of [ConfigMap shop/old]");
}

#[test]
fn nothing_is_deleted_while_others_have_yet_to_speak_or_nobody_knows_where_the_objects_are() {
    let mut situation = leaving(&[]);
    situation.undecided = vec![other()];
    assert!(step(&situation, &Progress::default()).starts_with("await ConfigMap shop/old"));
    check_impatient(&situation, "let go of [ConfigMap shop/old]");

    let mut situation = leaving(&[]);
    situation.unheard = vec![other()];
    assert!(step(&situation, &Progress::default()).starts_with("await no longer in Git; kept until"));
    check_impatient(&situation, "let go of [ConfigMap shop/old]");

    let mut situation = leaving(&[]);
    (situation.recorded, situation.scanned) = (None, false);
    assert!(step(&situation, &Progress::default()).starts_with("await neither the annotations"));
    check_impatient(&situation, "let go of [ConfigMap shop/old]");
}

#[test]
fn a_kind_of_which_nothing_is_known_holds_up_no_other_but_the_end() {
    let mut situation = leaving(&["Deployment.apps shop/web", "Namespace shop"]);
    situation.contents.insert(key("Namespace shop"), Presence::Absent);
    situation.unknown(&config("old"));
    check(&situation, "delete Deployment shop/web");
    situation.live.objects.remove(&key("Deployment.apps shop/web"));
    let waits = step(&situation, &Progress::default());
    assert!(waits.starts_with("await ") && waits.contains("Namespace shop"), "{waits}");
    check_impatient(&situation, "let go of [ConfigMap shop/old, Namespace shop]");
}

#[test]
fn what_can_not_be_deleted_is_let_go_of_with_what_holds_it() {
    let mut situation = leaving(&["Namespace shop"]);
    situation.contents.insert(key("Namespace shop"), Presence::Absent);
    let undeletable = [(config("old"), "forbidden".to_owned())].into();
    let progress = Progress { undeletable, ..Progress::default() };
    assert_eq!(step(&situation, &progress), "let go of [ConfigMap shop/old, Namespace shop]");
}

#[test]
fn who_may_delete_nothing_lets_go_of_everything() {
    let progress = Progress { stopped: Some("no rights".into()), ..Progress::default() };
    assert_eq!(step(&leaving(&["Namespace shop"]), &progress), "let go of [ConfigMap shop/old, Namespace shop]");
}

#[test]
fn nothing_is_deleted_of_what_another_environment_inherits() {
    let mut situation = leaving(&["Deployment.apps shop/web"]);
    situation.claim(config("old"), &[other()], true);
    let progress = Progress { spared: Some("inherited".into()), ..Progress::default() };
    assert_eq!(step(&situation, &progress), "give ConfigMap shop/old to other");
    situation.live.objects.remove(&config("old"));
    assert_eq!(step(&situation, &progress), "let go of [Deployment shop/web]");
}

#[test]
fn an_environment_that_holds_itself_does_not_wait_for_itself() {
    let itself = key("Environment.plumb.dev team/shop");
    let mut situation = leaving(&["Environment.plumb.dev team/shop"]);
    check(&situation, "delete ConfigMap shop/old");
    situation.live(&itself).deleting = true;
    check(&situation, "delete ConfigMap shop/old");
    situation.live.objects.remove(&config("old"));
    check(&situation, "let go of []");
    situation.live(&itself).deleting = false;
    check(&situation, "let go of []");
}

#[test]
fn patience_ends_with_letting_go_and_never_with_a_deletion() {
    let mut situation = leaving(&["Deployment.apps shop/web"]);
    situation.live(&key("Deployment.apps shop/web")).deleting = true;
    check_impatient(&situation, "let go of [ConfigMap shop/old]");
    situation.live(&key("Deployment.apps shop/web")).deleting = false;
    check_impatient(&situation, "let go of [ConfigMap shop/old, Deployment shop/web]");
}
