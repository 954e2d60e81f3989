//! The table: one line for each reason to blame a commit, or not to.

use super::*;
use crate::rollback::FailFast;

const AFTER: i64 = 60;
const TIMEOUT: i64 = 300;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).expect("a time")
}

fn commit(digit: char) -> CommitId {
    CommitId::parse(&digit.to_string().repeat(40)).expect("an id")
}

fn inputs(digit: char) -> InputsDigest {
    InputsDigest(digit.to_string())
}

fn healthy(digit: char) -> Healthy {
    Healthy { commit: commit(digit), inputs: inputs(digit), generation: 1, lost: None }
}

fn policy(mode: Mode, observe: u64) -> RollbackPolicy {
    RollbackPolicy {
        mode,
        fail_fast: FailFast {
            after: Duration::from_secs(AFTER.unsigned_abs()),
            reasons: ["ImagePullBackOff".to_owned()].into(),
        },
        timeout: Duration::from_secs(TIMEOUT.unsigned_abs()),
        observe: Duration::from_secs(observe),
    }
}

fn symptom(name: &str, health: HealthStatus, reason: &str) -> Symptom {
    let (group, kind, namespace) = ("apps".to_owned(), "Deployment".to_owned(), Some("shop".to_owned()));
    let key = ObjectKey { group, kind, namespace, name: name.to_owned() };
    Symptom {
        sentence: format!("{key}: sick"),
        key,
        health,
        reasons: (!reason.is_empty()).then(|| reason.to_owned()).into_iter().collect(),
        unseen: false,
        changed: Some(true),
        drifted: false,
    }
}

fn broken() -> Symptom {
    symptom("web", HealthStatus::InProgress, "ImagePullBackOff")
}

fn unwell(symptoms: &[Symptom]) -> State {
    State::Unwell { wave: Some(Wave(0)), symptoms: symptoms.to_vec() }
}

/// Judges commit 2 at a second, after commit 1 was healthy; `change` makes the case what it is about.
fn judged(second: i64, symptoms: &[Symptom], change: impl FnOnce(&mut Case<'_>)) -> Judgement {
    judged_in(Some(&Watch::begin(commit('2'), at(0), false)), second, symptoms, change)
}

/// The same for a range that has come so far.
fn judged_in(
    watch: Option<&Watch>,
    second: i64,
    symptoms: &[Symptom],
    change: impl FnOnce(&mut Case<'_>),
) -> Judgement {
    let (policy, commit, inputs, healthy) = (policy(Mode::Restore, 0), commit('2'), inputs('2'), healthy('1'));
    let mut case = Case {
        policy: &policy,
        now: at(second),
        began: at(second),
        commit: &commit,
        inputs: &inputs,
        generation: 1,
        healthy: Some(&healthy),
        watch,
        state: unwell(symptoms),
        ailing: false,
        outage: Outage::None,
    };
    change(&mut case);
    judge(&case)
}

fn why(judgement: &Judgement) -> Option<&Acquittal> {
    match &judgement.verdict {
        Verdict::NotTheCommit { why, .. } => Some(why),
        Verdict::Idle | Verdict::Wait { .. } | Verdict::Blamed { .. } => None,
    }
}

#[test]
fn a_changed_object_that_fails_is_blamed_on_the_range() {
    #[track_caller]
    fn check(second: i64, symptom: Symptom, expected: Verdict) {
        assert_eq!(judged(second, &[symptom], |_| {}).verdict, expected);
    }
    let blamed = |symptom: &Symptom| Verdict::Blamed { object: symptom.key.clone(), reason: symptom.sentence.clone() };
    let wait = |second: i64| Verdict::Wait { until: Some(at(second)) };
    let (slow, failed) = (symptom("web", HealthStatus::InProgress, ""), symptom("web", HealthStatus::Failed, ""));
    let other = symptom("web", HealthStatus::InProgress, "Unschedulable");
    // Its Pods decide after a minute, and so does a verdict that it has failed for good.
    check(59, broken(), wait(AFTER));
    check(60, broken(), blamed(&broken()));
    check(59, failed.clone(), wait(AFTER));
    check(60, failed.clone(), blamed(&failed));
    // Pods that are there before the change was seen are not of it.
    let unseen = Symptom { unseen: true, ..broken() };
    check(60, unseen.clone(), wait(TIMEOUT));
    check(300, unseen.clone(), blamed(&unseen));
    // Anything else has as long as a wave.
    check(60, other.clone(), wait(TIMEOUT));
    check(299, slow.clone(), wait(TIMEOUT));
    check(300, slow.clone(), blamed(&slow));
    check(300, other.clone(), blamed(&other));
    // What can't be judged, and what is about to vanish, never fails.
    check(300, symptom("web", HealthStatus::Unknown, ""), Verdict::Wait { until: None });
    check(300, symptom("web", HealthStatus::Terminating, ""), Verdict::Wait { until: None });
}

#[test]
fn the_worst_is_named() {
    let symptoms = [symptom("a", HealthStatus::InProgress, ""), symptom("b", HealthStatus::Failed, "")];
    let verdict = judged(TIMEOUT, &symptoms, |_| {}).verdict;
    assert!(matches!(verdict, Verdict::Blamed { object, .. } if object.name == "b"));
}

#[test]
fn what_is_not_the_ranges_fault_is_named() {
    #[track_caller]
    fn check(change: impl FnOnce(&mut Case<'_>), expected: Acquittal) {
        let judgement = judged(AFTER, &[broken()], change);
        assert_eq!(why(&judgement), Some(&expected), "{judgement:?}");
        let watch = judgement.watch.expect("it is judged again");
        assert_eq!(watch.acquitted, Some(expected.to_string()), "it is told");
    }
    let ailing = Watch::begin(commit('2'), at(0), true);
    let lost = Healthy { lost: Some(at(-9)), ..healthy('1') };
    let other = EnvironmentName::new("team", "other");
    let having = |symptom: Symptom| move |case: &mut Case<'_>| case.state = unwell(&[symptom]);
    check(|case| case.healthy = None, Acquittal::NothingHealthy);
    check(|case| case.generation = 2, Acquittal::SpecChanged);
    check(having(Symptom { changed: Some(false), ..broken() }), Acquittal::Untouched);
    check(having(Symptom { changed: None, ..broken() }), Acquittal::Unreadable);
    check(having(Symptom { drifted: true, ..broken() }), Acquittal::Drifted);
    check(|case| case.outage = Outage::Suspected(other.clone()), Acquittal::ClusterSuspected(other.clone()));
    let judgement = judge(&Case { watch: Some(&ailing), ..case_of(&policy(Mode::Restore, 0), &lost) });
    assert_eq!(why(&judgement), Some(&Acquittal::AlreadyFailing));
    // Another object that was changed, and that nobody else has touched, is to blame all the same.
    let symptoms = [Symptom { drifted: true, ..broken() }, symptom("worker", HealthStatus::Failed, "")];
    assert!(matches!(judged(AFTER, &symptoms, |_| {}).verdict, Verdict::Blamed { .. }));
    // Until all others were looked at after a restart, nobody is blamed.
    let unheard = judged(AFTER, &[broken()], |case| case.outage = Outage::Unheard(other.clone()));
    assert_eq!(unheard.verdict, Verdict::Wait { until: Some(at(AFTER + 5)) });
}

fn case_of<'a>(policy: &'a RollbackPolicy, healthy: &'a Healthy) -> Case<'a> {
    static COMMIT: std::sync::LazyLock<(CommitId, InputsDigest)> =
        std::sync::LazyLock::new(|| (commit('2'), inputs('2')));
    Case {
        policy,
        now: at(AFTER),
        began: at(AFTER),
        commit: &COMMIT.0,
        inputs: &COMMIT.1,
        generation: 1,
        healthy: Some(healthy),
        watch: None,
        state: unwell(&[broken()]),
        ailing: false,
        outage: Outage::None,
    }
}

#[test]
fn a_range_begins_with_its_first_commit_and_newer_ones_join_it() {
    let first = Watch::begin(commit('2'), at(0), false);
    let joined = |second| {
        let (policy, healthy, newest) = (policy(Mode::Restore, 0), healthy('1'), commit('3'));
        let case = Case { commit: &newest, watch: Some(&first), now: at(second), ..case_of(&policy, &healthy) };
        let (own, judgement) = (inputs('3'), judge(&case));
        let of_content = judge(&Case { inputs: &own, ..case });
        assert_eq!(judgement, of_content, "whether it changes something of this environment or not");
        judgement
    };
    assert_eq!(joined(AFTER - 1).verdict, Verdict::Wait { until: Some(at(AFTER)) }, "the clock is that of the first");
    assert!(matches!(joined(AFTER).verdict, Verdict::Blamed { .. }), "and ends when that does");
    let fresh = judged_in(None, AFTER, &[broken()], |_| {});
    assert_eq!(fresh.verdict, Verdict::Wait { until: Some(at(AFTER + AFTER)) });
    assert_eq!(fresh.watch.map(|watch| watch.since), Some(at(AFTER)));
    // What was not healthy as the range began is not its fault, whether it was seen then or told before.
    let ailing = judged_in(None, AFTER, &[], |case| case.ailing = true);
    assert!(ailing.watch.is_some_and(|watch| watch.ailing));
}

#[test]
fn each_wave_may_take_its_time_and_none_twice() {
    let in_wave = |watch: &Watch, wave, second| {
        let state = State::Unwell { wave: Some(Wave(wave)), symptoms: Vec::new() };
        let judgement = judged_in(Some(watch), second, &[], |case| case.state = state);
        judgement.watch.expect("it is judged")
    };
    let watch = in_wave(&Watch::begin(commit('2'), at(0), false), 1, 5);
    assert_eq!(watch.since, at(0));
    let watch = in_wave(&watch, 2, 50);
    assert_eq!(watch.since, at(50));
    let watch = in_wave(&watch, 1, 90);
    let watch = in_wave(&watch, 2, 100);
    assert_eq!(watch.since, at(50), "a newer commit went through the waves again");
}

#[test]
fn what_is_healthy_counts_at_once_or_after_it_was_observed() {
    let well = |second, observe, watch: &Watch| {
        let policy = policy(Mode::Restore, observe);
        let before = healthy('1');
        let case = Case { now: at(second), watch: Some(watch), state: State::Well, ..case_of(&policy, &before) };
        judge(&case)
    };
    let begun = Watch::begin(commit('2'), at(0), false);
    assert_eq!(well(9, 0, &begun), Judgement::idle(Some(healthy('2'))));
    let observed = well(10, 100, &begun);
    assert_eq!((observed.verdict, observed.healthy), (Verdict::Wait { until: Some(at(110)) }, Some(healthy('1'))));
    let watch = observed.watch.expect("it is observed");
    assert_eq!(well(110, 100, &watch), Judgement::idle(Some(healthy('2'))));
    // A loss counts from its own beginning, and does not make the observation longer.
    let lost = judged_in(Some(&watch), 50, &[broken()], |_| {});
    assert_eq!(lost.verdict, Verdict::Wait { until: Some(at(110)) });
    let lost = lost.watch.expect("it is judged");
    assert!(matches!(judged_in(Some(&lost), 110, &[broken()], |_| {}).verdict, Verdict::Blamed { .. }));
    assert_eq!(well(60, 100, &lost).verdict, Verdict::Wait { until: Some(at(110)) });
    // A newer commit ends the observation, and is judged by itself.
    let policy = policy(Mode::Restore, 100);
    let (before, three) = (healthy('1'), (commit('3'), inputs('3')));
    let newer = Case {
        commit: &three.0,
        inputs: &three.1,
        watch: Some(&watch),
        now: at(50),
        began: at(50),
        ..case_of(&policy, &before)
    };
    let judgement = judge(&newer);
    assert_eq!(judgement.healthy, Some(healthy('2')));
    assert_eq!(judgement.watch.map(|watch| (watch.commit, watch.since)), Some((commit('3'), at(50))));
    // Not where health was lost: then it joins the range.
    let judgement = judge(&Case { watch: Some(&lost), ..newer });
    assert_eq!(judgement.healthy, Some(healthy('1')));
    assert_eq!(judgement.watch.map(|watch| watch.commit), Some(commit('2')));
}

#[test]
fn what_is_in_force_and_was_healthy_is_told_when_it_is_not_any_more() {
    let in_force = |state: State, lost: Option<i64>| {
        let before = Healthy { lost: lost.map(at), ..healthy('2') };
        let judgement = judge(&Case { state, ..case_of(&policy(Mode::Restore, 0), &before) });
        assert_eq!((judgement.verdict, judgement.watch), (Verdict::Idle, None));
        judgement.healthy.expect("it was healthy").lost
    };
    assert_eq!(in_force(State::Well, Some(3)), None);
    assert_eq!(in_force(unwell(&[broken()]), None), Some(at(AFTER)));
    assert_eq!(in_force(unwell(&[broken()]), Some(3)), Some(at(3)));
    assert_eq!(in_force(State::Cut, Some(3)), Some(at(3)));
}

#[test]
fn nothing_is_judged_while_suspended_or_without_a_mode() {
    let suspended = judged(AFTER, &[], |case| case.state = State::Suspended { well: false });
    assert_eq!(suspended.verdict, Verdict::Idle);
    assert_eq!(suspended.healthy.and_then(|healthy| healthy.lost), Some(at(AFTER)), "nor is it right afterwards");
    let before = healthy('1');
    let off = judge(&case_of(&policy(Mode::None, 0), &before));
    assert_eq!(off, Judgement::idle(Some(healthy('1'))));
    let well = judge(&Case { state: State::Well, ..case_of(&policy(Mode::None, 100), &before) });
    assert_eq!(well, Judgement::idle(Some(healthy('2'))));
}

#[test]
fn what_is_blamed_is_watched_until_its_rollback_is_written_down() {
    let told = Watch { acquitted: Some("not yet".to_owned()), ..Watch::begin(commit('2'), at(0), false) };
    let first = judged_in(Some(&told), AFTER, &[broken()], |_| {});
    let watch = first.watch.as_ref().expect("it is watched");
    assert_eq!((watch.since, &watch.acquitted), (at(0), &None));
    let again = judged_in(Some(watch), AFTER + 1, &[broken()], |case| case.ailing = true);
    assert_eq!(again.verdict, first.verdict, "nothing has come of it yet");
}

#[test]
fn what_somebody_else_has_broken_gets_its_time_once_that_is_over() {
    let meddled = Symptom { drifted: true, ..symptom("web", HealthStatus::InProgress, "") };
    let told = judged(TIMEOUT, std::slice::from_ref(&meddled), |_| {});
    assert_eq!(why(&told), Some(&Acquittal::Drifted));
    let watch = told.watch.expect("it is judged again");
    let slow = [Symptom { drifted: false, ..meddled.clone() }];
    let over = judged_in(Some(&watch), TIMEOUT + 9, &slow, |_| {});
    assert_eq!(over.verdict, Verdict::Wait { until: Some(at(TIMEOUT + 9 + AFTER)) });
    let watch = over.watch.expect("it is judged again");
    assert_eq!((watch.since, &watch.acquitted), (at(TIMEOUT + 9), &None));
    let end = TIMEOUT + 9 + TIMEOUT;
    assert_eq!(judged_in(Some(&watch), end - 1, &slow, |_| {}).verdict, Verdict::Wait { until: Some(at(end)) });
    assert!(matches!(judged_in(Some(&watch), end, &slow, |_| {}).verdict, Verdict::Blamed { .. }));
    // What the range did not change is no excuse for it.
    let aside = Symptom { changed: Some(false), ..meddled };
    let watch = judged(AFTER - 1, &[aside, broken()], |_| {}).watch.expect("it is judged");
    assert!(!watch.suspected);
}
