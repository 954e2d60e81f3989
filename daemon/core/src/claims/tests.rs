//! Tables of what environments say of each other's objects.

use super::*;
use crate::{identity::ServiceAccount, object::GroupKind};

fn key(name: &str) -> ObjectKey {
    ObjectKey { group: String::new(), kind: "ConfigMap".into(), namespace: Some("n".into()), name: name.into() }
}

fn commit(digit: char) -> CommitId {
    CommitId::parse(&digit.to_string().repeat(40)).expect("an id")
}

fn name(name: &str) -> EnvironmentName {
    EnvironmentName::new("n", name)
}

fn scope() -> Inventory {
    Inventory { kinds: [GroupKind::new("", "ConfigMap")].into(), namespaces: ["n".to_owned()].into() }
}

/// Three environments of one repository, none of which has spoken.
fn claims() -> Claims {
    let mut claims = Claims::default();
    ["a", "b", "c"].into_iter().for_each(|environment| claims.expect(&name(environment), "repo"));
    claims
}

fn say(claims: &mut Claims, who: &str, desired: &[&str], digit: char) -> Stir {
    say_without_right(claims, who, desired, digit, &[])
}

/// Says what an environment desires, and what of it it may not write.
fn say_without_right(claims: &mut Claims, who: &str, desired: &[&str], digit: char, powerless: &[&str]) -> Stir {
    let keys = |names: &[&str]| names.iter().map(|name| key(name)).collect();
    let (commit, recorded) = (commit(digit), Some(scope()));
    let (desired, powerless) = (keys(desired), keys(powerless));
    let coming = BTreeSet::new();
    let announcement = Announcement {
        desired,
        coming,
        powerless,
        identity: Identity::Own,
        commit: &commit,
        suspended: false,
        now: Duration::ZERO,
        recorded,
    };
    claims.announce(&name(who), announcement)
}

fn others(claims: &Claims, of: &str) -> Vec<String> {
    let claim = claims.claim(&key("x"), &name(of), None, Some(&commit('2'))).unwrap_or_default();
    claim.by.into_iter().map(|name| name.name).collect()
}

#[test]
fn an_object_that_moves_is_claimed_by_its_new_environment_before_the_old_one_may_prune() {
    let mut claims = claims();
    claims.forget(&name("c"));
    say(&mut claims, "a", &["x"], '1');
    assert_eq!(claims.undecided(&name("a"), Some(&commit('1'))), [name("b")]);
    say(&mut claims, "b", &[], '1');
    assert_eq!(claims.undecided(&name("a"), Some(&commit('1'))), []);
    say(&mut claims, "a", &[], '2');
    assert_eq!(claims.undecided(&name("a"), Some(&commit('2'))), [name("b")], "b has yet to see the second commit");
    say(&mut claims, "b", &["x"], '2');
    assert_eq!(claims.undecided(&name("a"), Some(&commit('2'))), []);
    assert_eq!(others(&claims, "a"), ["b"]);
}

#[test]
fn who_desires_the_same_is_told_when_another_begins_or_ceases_to() {
    let mut claims = claims();
    assert_eq!(say(&mut claims, "a", &["x"], '1').others, BTreeSet::new());
    assert_eq!(say(&mut claims, "b", &["x", "y"], '1').others, BTreeSet::from([name("a")]));
    let stir = say(&mut claims, "b", &["y"], '2');
    assert_eq!(stir, Stir { others: [name("a")].into(), withdrew: true });
    assert_eq!(say(&mut claims, "b", &["y"], '3'), Stir::default());
}

#[test]
fn a_broken_environment_does_not_hold_up_the_others_but_keeps_its_wishes() {
    let mut claims = claims();
    claims.forget(&name("c"));
    say(&mut claims, "b", &["x"], '1');
    say(&mut claims, "a", &[], '2');
    claims.gave_up(&name("b"), None);
    assert_eq!(claims.undecided(&name("a"), Some(&commit('2'))), []);
    assert_eq!(others(&claims, "a"), ["b"]);
    claims.forget(&name("b"));
    assert_eq!(others(&claims, "a"), Vec::<String>::new());
}

#[test]
fn other_repositories_count_once_they_have_spoken() {
    let mut claims = Claims::default();
    claims.expect(&name("a"), "one");
    claims.expect(&name("b"), "two");
    assert_eq!(claims.undecided(&name("a"), Some(&commit('1'))), [name("b")]);
    say(&mut claims, "b", &[], '7');
    assert_eq!(claims.undecided(&name("a"), Some(&commit('1'))), []);
}

#[test]
fn what_is_to_be_expected_of_an_owner() {
    let check = |prepare: &dyn Fn(&mut Claims), expected| {
        let mut claims = claims();
        say(&mut claims, "b", &["x"], '2');
        prepare(&mut claims);
        let claim = claims.claim(&key("x"), &name("b"), Some(&name("a")), Some(&commit('2'))).expect("a claim");
        assert_eq!(claim.held, Some(Held { by: name("a"), stance: expected }));
    };
    check(&|_| {}, Stance::Undecided);
    check(&|claims| _ = say(claims, "a", &["x"], '1'), Stance::Undecided);
    check(&|claims| _ = say(claims, "a", &["x"], '2'), Stance::Keeps);
    check(&|claims| _ = say(claims, "a", &[], '2'), Stance::Gives);
    let suspended = |claims: &mut Claims| {
        let commit = commit('2');
        let (desired, coming) = (BTreeSet::new(), BTreeSet::new());
        let announcement = Announcement {
            desired,
            coming,
            powerless: [].into(),
            identity: Identity::Own,
            commit: &commit,
            suspended: true,
            now: Duration::ZERO,
            recorded: None,
        };
        claims.announce(&name("a"), announcement);
    };
    check(&suspended, Stance::Suspended);
    let unreadable = |claims: &mut Claims| {
        say(claims, "a", &["x"], '1');
        claims.gave_up(&name("a"), None);
    };
    check(&unreadable, Stance::Unreadable);
    check(&|claims| claims.forget(&name("a")), Stance::Undecided);
}

#[test]
fn an_object_moves_only_to_the_one_that_desires_it_and_whose_parent_covers_it() {
    let check = |prepare: &dyn Fn(&mut Claims), expected| {
        let mut claims = claims();
        say(&mut claims, "a", &[], '2');
        say(&mut claims, "b", &["x"], '2');
        prepare(&mut claims);
        assert_eq!(claims.may_move(&key("x"), &name("a"), &name("b")), expected);
        assert_eq!(claims.incoming(&name("b")), if expected { [key("x")].into() } else { BTreeSet::new() });
    };
    check(&|_| {}, true);
    check(&|claims| _ = say(claims, "a", &["x"], '3'), false);
    check(&|claims| _ = say(claims, "b", &[], '3'), false);
    check(&|claims| _ = say(claims, "c", &["x"], '2'), false);
    check(&|claims| claims.recorded(&name("b"), &Inventory::default()), false);
    // A commit that has yet to begin: what it desires is not pruned, and not given to who would prune it.
    let coming = |claims: &mut Claims| {
        let (commit, recorded) = (commit('2'), Some(scope()));
        let (desired, coming) = ([].into(), [key("x")].into());
        let announcement = Announcement {
            desired,
            coming,
            powerless: [].into(),
            identity: Identity::Own,
            commit: &commit,
            suspended: false,
            now: Duration::ZERO,
            recorded,
        };
        claims.announce(&name("b"), announcement);
        assert_eq!(others(claims, "a"), ["b"]);
    };
    check(&coming, false);
    let mut claims = claims();
    say(&mut claims, "a", &[], '2');
    say(&mut claims, "b", &["x"], '2');
    assert!(claims.may_move(&key("x"), &name("a"), &name("b")));
    claims.moved(&key("x"));
    assert_eq!(claims.incoming(&name("b")), BTreeSet::new());
}

#[test]
fn an_environment_that_leaves_desires_nothing_holds_up_nobody_and_gives_what_it_owns() {
    let mut claims = claims();
    claims.forget(&name("c"));
    say(&mut claims, "a", &["x", "y"], '1');
    say(&mut claims, "b", &["x"], '1');
    let stir = claims.leave(&name("a"), Duration::ZERO);
    assert_eq!(stir, Stir { others: [name("b")].into(), withdrew: true });
    assert_eq!(claims.undecided(&name("b"), Some(&commit('2'))), []);
    let claim = claims.claim(&key("x"), &name("b"), Some(&name("a")), Some(&commit('2'))).expect("a claim");
    assert_eq!(claim.held.map(|held| held.stance), Some(Stance::Gives));
    assert_eq!(claims.leave(&name("a"), Duration::ZERO), Stir::default(), "a second time changes nothing");
    // It still waits for the others, also where it has no commit any more.
    claims.expect(&name("d"), "repo");
    assert_eq!(claims.undecided(&name("a"), None), [name("d")]);
    say(&mut claims, "d", &[], '1');
    assert_eq!(claims.undecided(&name("a"), None), []);
    assert_eq!(claims.undecided(&name("a"), Some(&commit('2'))), [name("b"), name("d")]);
}

#[test]
fn an_environment_that_can_not_be_read_is_there_all_the_same() {
    let mut claims = claims();
    claims.forget(&name("c"));
    let (near, far) = (name("near"), EnvironmentName::new("elsewhere", "far"));
    [&near, &far].into_iter().for_each(|name| claims.expect_unreadable(name));
    say(&mut claims, "a", &[], '1');
    say(&mut claims, "b", &[], '1');
    assert_eq!(
        claims.undecided(&name("a"), Some(&commit('1'))),
        std::slice::from_ref(&near),
        "it may desire what leaves a"
    );
    let claim = claims.claim(&key("x"), &name("a"), Some(&far), Some(&commit('1'))).expect("a claim");
    assert_eq!(claim.held.map(|held| held.stance), Some(Stance::Unreadable));
    claims.forget(&near);
    assert_eq!(claims.undecided(&name("a"), Some(&commit('1'))), []);
    claims.expect(&far, "repo");
    assert_eq!(claims.undecided(&name("a"), Some(&commit('1'))), [far], "read at last, it is waited for as any other");
}

/// A look at a repository that began and ended, and what it found.
fn look(claims: &mut Claims, repository: &str, begun: u64, digit: char) {
    claims.looked(&("n".to_owned(), repository.to_owned()), Duration::from_secs(begun), Some(&commit(digit)));
}

#[test]
fn what_may_have_moved_to_another_repository_is_looked_for_there_first() {
    let mut claims = Claims::default();
    for (environment, repository) in [("a", "one"), ("b", "two")] {
        claims.expect(&name(environment), repository);
        claims.follow(&("n".to_owned(), repository.to_owned()), false);
    }
    let two = || BTreeSet::from([("n".to_owned(), "two".to_owned())]);
    let speak = |claims: &mut Claims, who: &str, desired: &[&str], digit: char, now: u64| {
        let desired = desired.iter().map(|name| key(name)).collect();
        let (commit, now) = (commit(digit), Duration::from_secs(now));
        let recorded = Some(scope());
        claims.announce(
            &name(who),
            Announcement {
                desired,
                coming: [].into(),
                powerless: [].into(),
                identity: Identity::Own,
                commit: &commit,
                suspended: false,
                now,
                recorded,
            },
        );
    };
    look(&mut claims, "one", 1, '1');
    look(&mut claims, "two", 1, '2');
    speak(&mut claims, "a", &["x"], '1', 3);
    speak(&mut claims, "b", &[], '2', 3);
    assert_eq!((claims.unheard(&name("a")), claims.unlooked(&name("a"))), (vec![name("b")], two()), "it just began");
    look(&mut claims, "two", 4, '2');
    assert_eq!((claims.unheard(&name("a")), claims.unlooked(&name("a"))), (vec![], [].into()));
    speak(&mut claims, "a", &[], '3', 6);
    assert_eq!(claims.unheard(&name("a")), [name("b")], "x may have moved");
    // A look that began before says nothing; one that fails says that nothing can be known.
    claims.looked(&("n".to_owned(), "two".to_owned()), Duration::from_secs(5), None);
    assert_eq!(claims.unlooked(&name("a")), two());
    look(&mut claims, "two", 7, '4');
    assert_eq!((claims.unheard(&name("a")), claims.unlooked(&name("a"))), (vec![name("b")], [].into()), "b's turn");
    speak(&mut claims, "b", &["x"], '4', 8);
    assert_eq!((claims.unheard(&name("a")), others(&claims, "a")), (vec![], vec!["b".to_owned()]));
    speak(&mut claims, "a", &["y"], '5', 9);
    speak(&mut claims, "a", &[], '6', 9);
    claims.looked(&("n".to_owned(), "two".to_owned()), Duration::from_secs(10), None);
    assert_eq!(claims.unheard(&name("a")), [], "a server that is down holds up nobody for longer than one look");
    speak(&mut claims, "a", &["y"], '7', 11);
    speak(&mut claims, "a", &[], '8', 11);
    claims.follow(&("n".to_owned(), "two".to_owned()), true);
    assert_eq!(claims.unheard(&name("a")), [], "nothing new comes from a repository that is not looked at");
    claims.follow(&("n".to_owned(), "two".to_owned()), false);
    assert_eq!(claims.unheard(&name("a")), [name("b")]);
    claims.unfollow(&("n".to_owned(), "two".to_owned()));
    assert_eq!(claims.unheard(&name("a")), []);
}

#[test]
fn giving_up_holds_for_the_commit_at_which_it_was() {
    let mut claims = claims();
    claims.forget(&name("c"));
    claims.follow(&("n".to_owned(), "repo".to_owned()), false);
    look(&mut claims, "repo", 1, '1');
    say(&mut claims, "a", &["x"], '1');
    say(&mut claims, "b", &[], '1');
    claims.gave_up(&name("b"), Some(&commit('1')));
    // The next commit may be readable, and what moved to b with it is not to be pruned meanwhile.
    look(&mut claims, "repo", 2, '2');
    say(&mut claims, "a", &[], '2');
    assert_eq!(claims.undecided(&name("a"), Some(&commit('2'))), [name("b")]);
    claims.gave_up(&name("b"), Some(&commit('1')));
    assert_eq!(claims.undecided(&name("a"), Some(&commit('2'))), [name("b")], "a pass that ends late speaks of before");
    claims.gave_up(&name("b"), Some(&commit('2')));
    assert_eq!(claims.undecided(&name("a"), Some(&commit('2'))), []);
}

#[test]
fn an_heirs_wishes_count_instead_of_its_predecessors() {
    let mut claims = claims();
    claims.forget(&name("c"));
    say(&mut claims, "a", &["x", "y"], '1');
    claims.inherit(&name("b"), Some(&name("a")));
    assert_eq!(say(&mut claims, "b", &["x"], '1').others, [name("a")].into());
    assert_eq!(claims.ceded(&name("a")), [key("x")].into());
    let held = |claims: &Claims| {
        let claim = claims.claim(&key("x"), &name("b"), Some(&name("a")), Some(&commit('1')));
        claim.and_then(|claim| claim.held).map(|held| held.stance)
    };
    assert_eq!(held(&claims), Some(Stance::Gives));
    say(&mut claims, "a", &["x", "y"], '1');
    assert_eq!((others(&claims, "b"), others(&claims, "a")), (vec![], vec!["b".to_owned()]));
    assert!(claims.may_move(&key("x"), &name("a"), &name("b")));
    // The predecessor hears when its heir no longer wants it.
    assert_eq!(say(&mut claims, "b", &[], '1').others, [name("a")].into());
    say(&mut claims, "a", &["x", "y"], '1');
    assert_eq!(others(&claims, "b"), ["a"]);
}

#[test]
fn who_is_nobodys_only_heir_gets_nothing() {
    let check = |heirs: &[(&str, &str)], expected: Option<&str>| {
        let mut claims = claims();
        heirs.iter().for_each(|(heir, from)| claims.inherit(&name(heir), Some(&name(from))));
        assert_eq!(claims.heir(&name("a")), expected.map(name).as_ref(), "{heirs:?}");
    };
    check(&[], None);
    check(&[("b", "a")], Some("b"));
    check(&[("b", "a"), ("c", "b")], Some("b"));
    check(&[("b", "a"), ("c", "a")], None);
    check(&[("a", "a")], None);
    check(&[("b", "a"), ("a", "b")], None);
    check(&[("b", "a"), ("c", "b"), ("a", "c")], None);
    let mut claims = claims();
    let far = EnvironmentName::new("elsewhere", "far");
    claims.expect(&far, "repo");
    claims.inherit(&far, Some(&name("a")));
    say(&mut claims, "a", &["x"], '1');
    assert_eq!((claims.heir(&name("a")), claims.ceded(&name("a"))), (Some(&far), [].into()), "not while it is there");
}

#[test]
fn the_wish_of_an_environment_that_may_not_write_an_object_is_in_nobodys_way() {
    let mut claims = claims();
    claims.forget(&name("c"));
    say(&mut claims, "a", &["x"], '1');
    say(&mut claims, "b", &["x"], '1');
    assert_eq!(others(&claims, "a"), ["b"], "until it is known that it may not");
    let stir = say_without_right(&mut claims, "b", &["x"], '1', &["x"]);
    assert_eq!(stir, Stir { others: [name("a")].into(), withdrew: true });
    assert_eq!(others(&claims, "a"), Vec::<String>::new());
    assert_eq!(others(&claims, "b"), ["a"], "the other one's counts as before");
    assert_eq!(say_without_right(&mut claims, "b", &["x"], '2', &["x"]), Stir::default());
    // Nobody deletes what somebody desires, and nobody gives it to who may not have it.
    say(&mut claims, "a", &[], '2');
    let claim = claims.claim(&key("x"), &name("a"), None, Some(&commit('2'))).expect("a claim");
    assert_eq!((claim.by, claim.covered, claim.powerless), ([name("b")].into(), false, true));
    assert!(!claims.may_move(&key("x"), &name("a"), &name("b")));
    // Somebody who may have it gets it, whoever else would like to.
    say(&mut claims, "c", &["x"], '2');
    let claim = claims.claim(&key("x"), &name("a"), None, Some(&commit('2'))).expect("a claim");
    assert_eq!((claim.by, claim.covered, claim.powerless), ([name("c")].into(), true, false));
    assert!(claims.may_move(&key("x"), &name("a"), &name("c")));
    // A right that was given counts from then on.
    let stir = say(&mut claims, "b", &["x"], '3');
    assert_eq!(stir, Stir { others: [name("c")].into(), withdrew: false });
    assert_eq!(others(&claims, "c"), ["b"]);
}

#[test]
fn only_who_may_have_other_rights_has_to_be_asked_about() {
    let mut claims = claims();
    claims.forget(&name("c"));
    let account = Identity::ServiceAccount(ServiceAccount::parse("n", "deployer").expect("a name"));
    let check = |claims: &Claims, owner: Option<&str>, own: bool, other: bool| {
        let owner = owner.map(name);
        let shared = |identity| claims.is_shared(&key("x"), &name("b"), owner.as_ref(), identity);
        assert_eq!((shared(&Identity::Own), shared(&account)), (own, other), "{owner:?}");
    };
    check(&claims, None, false, false);
    check(&claims, Some("b"), false, false);
    check(&claims, Some("a"), true, true);
    say(&mut claims, "a", &["x"], '1');
    check(&claims, None, false, true);
    check(&claims, Some("a"), false, true);
    check(&claims, Some("stranger"), true, true);
    // What an environment without a service account can't write whatever its rights are.
    let elsewhere = ObjectKey {
        group: "plumb.dev".into(),
        kind: "Environment".into(),
        namespace: Some("other".into()),
        name: "x".into(),
    };
    assert!(!claims.is_shared(&elsewhere, &name("b"), None, &Identity::Own));
    assert!(claims.is_shared(&elsewhere, &name("b"), Some(&name("a")), &Identity::Own));
}
