//! Tables of the state machine: a plan, scripted outcomes, and the trace of what was started.

use std::collections::BTreeSet;

use super::{Effect, Failure, IN_FLIGHT_MAX, Operation, Outcome, Step};
use crate::{
    class::Class,
    inventory::Inventory,
    object::{GroupKind, ObjectKey},
    order::{Place, Rank},
    plan::{Apply, Plan, Prune, Reason},
    wave::Wave,
};

fn key(kind: &str, name: &str) -> ObjectKey {
    let group = if kind == "CustomResourceDefinition" { "apiextensions.k8s.io" } else { "" };
    ObjectKey { group: group.into(), kind: kind.into(), namespace: None, name: name.into() }
}

/// Makes a plan of applies and prunes, written `Kind name`; it widens to the kind `Wide` and narrows to `Narrow`.
fn plan(applies: &[(Rank, &str)], prunes: &[(Rank, &str)]) -> Plan {
    let parse = |text: &str| text.split_once(' ').map(|(kind, name)| key(kind, name)).expect("kind and name");
    let scope = |kind: &str| Some(Inventory { kinds: [GroupKind::new("", kind)].into(), namespaces: BTreeSet::new() });
    let mut plan = Plan { widen: scope("Wide"), narrow: scope("Narrow"), ..Plan::default() };
    for (rank, text) in applies {
        let apply = Apply { key: parse(text), reason: Reason::Create, clean: false, force: false, replace: None };
        let place = Place { wave: Wave::default(), rank: *rank };
        plan.applies.entry(place).or_default().push(apply);
    }
    for (rank, text) in prunes {
        let prune = Prune { key: parse(text), api_version: "v1".into(), uid: "u".into(), resource_version: "1".into() };
        plan.prunes.push((*rank, vec![prune]));
    }
    plan
}

fn name(effect: &Effect) -> String {
    match effect {
        Effect::Record(scope) => format!("record {}", scope.kinds.first().expect("a kind")),
        Effect::HandOver(hand_over) => format!("hand over {}", hand_over.key),
        Effect::Namespace(name) => format!("namespace {name}"),
        Effect::Apply(apply) => format!("apply {}", apply.key),
        Effect::Replace(state) => format!("replace {}", state.key),
        Effect::Await(key) => format!("await {}", key.name),
        Effect::Prune(prune) => format!("prune {}", prune.key),
    }
}

fn failure() -> Outcome {
    Outcome::Failed(Failure { class: Class::Retry, message: "no".into() })
}

/// Runs a plan to its end, with these effects failing, abandoned after this one; returns what was started together, in
/// lines.
fn run(plan: Plan, failing: &[&str], abandoned_after: Option<&str>) -> (Vec<String>, Operation) {
    let mut operation = Operation::start(plan);
    let mut lines = Vec::new();
    loop {
        match operation.poll() {
            Step::Finished => return (lines, operation),
            Step::Start(effects) => {
                assert!(!effects.is_empty(), "everything before has an outcome");
                let names: Vec<_> = effects.iter().map(|(_, effect)| name(effect)).collect();
                if abandoned_after.is_some_and(|after| names.iter().any(|name| name == after)) {
                    operation.abandon();
                }
                lines.push(names.join(", "));
                for ((id, _), name) in effects.into_iter().zip(&names) {
                    let outcome = if failing.contains(&name.as_str()) { failure() } else { Outcome::Done };
                    operation.on(id, outcome);
                }
            }
        }
    }
}

#[track_caller]
fn check(plan: Plan, failing: &[&str], expected: &[&str]) -> Operation {
    let (lines, operation) = run(plan, failing, None);
    assert_eq!(lines, expected);
    assert_eq!(operation.summary().failures.len(), failing.len());
    let count = |verb: &str| {
        let names = lines.iter().flat_map(|line| line.split(", "));
        names.filter(|name| name.starts_with(verb) && !failing.contains(name)).count()
    };
    assert_eq!((operation.summary().applied, operation.summary().pruned), (count("apply"), count("prune")));
    operation
}

const APPLIES: [(Rank, &str); 4] = [
    (Rank::Workloads, "Pod c"),
    (Rank::Definitions, "CustomResourceDefinition dbs"),
    (Rank::Others, "Db a"),
    (Rank::Others, "Db b"),
];
const PRUNES: [(Rank, &str); 2] = [(Rank::Workloads, "Pod old"), (Rank::Namespaces, "Namespace old")];

#[test]
fn a_plan_is_carried_out_rank_by_rank() {
    let expected = [
        "record Wide",
        "apply CustomResourceDefinition dbs",
        "await dbs",
        "apply Db a, apply Db b",
        "apply Pod c",
        "prune Pod old",
        "prune Namespace old",
        "record Narrow",
    ];
    let operation = check(plan(&APPLIES, &PRUNES), &[], &expected);
    assert!(!operation.summary().cut);
    check(Plan::default(), &[], &[]);
    check(plan(&[], &PRUNES[1..]), &[], &["record Wide", "prune Namespace old", "record Narrow"]);
    check(plan(&[], &[]), &[], &["record Wide", "record Narrow"]);
}

#[test]
fn without_the_wider_record_nothing_is_written() {
    let operation = check(plan(&APPLIES, &PRUNES), &["record Wide"], &["record Wide"]);
    assert!(operation.summary().cut && operation.summary().failures.contains_key(&None));
    let json = serde_json::to_value(operation.summary()).expect("JSON");
    assert_eq!((&json["failures"][0][0], &json["failures"][0][1]["message"]), (&serde_json::Value::Null, &"no".into()));
}

#[test]
fn nothing_is_pruned_or_narrowed_after_a_failure() {
    let all =
        ["record Wide", "apply CustomResourceDefinition dbs", "await dbs", "apply Db a, apply Db b", "apply Pod c"];
    check(plan(&APPLIES, &PRUNES), &["apply Pod c"], &all);
    check(plan(&APPLIES, &PRUNES), &["apply Db a"], &all);
    check(plan(&APPLIES, &PRUNES), &["await dbs"], &all);
    let unawaited: Vec<_> = all.into_iter().filter(|line| *line != "await dbs").collect();
    check(plan(&APPLIES, &PRUNES), &["apply CustomResourceDefinition dbs"], &unawaited);
    check(plan(&[], &PRUNES), &["prune Pod old"], &["record Wide", "prune Pod old"]);
    check(plan(&[], &PRUNES), &["prune Namespace old"], &["record Wide", "prune Pod old", "prune Namespace old"]);
}

#[test]
fn an_abandoned_operation_starts_nothing_more() {
    let check = |after: &str, expected: &[&str]| {
        let (lines, operation) = run(plan(&APPLIES, &PRUNES), &[], Some(after));
        assert_eq!(lines, expected);
        assert!(operation.summary().cut);
    };
    check("record Wide", &["record Wide"]);
    check("apply CustomResourceDefinition dbs", &["record Wide", "apply CustomResourceDefinition dbs"]);
    let most =
        ["record Wide", "apply CustomResourceDefinition dbs", "await dbs", "apply Db a, apply Db b", "apply Pod c"];
    check("apply Pod c", &most);
}

#[test]
fn what_is_under_way_is_waited_for_and_bounded() {
    let names: Vec<String> = (0..IN_FLIGHT_MAX + 3).map(|number| format!("ConfigMap c{number}")).collect();
    let applies: Vec<_> = names.iter().map(|name| (Rank::Configuration, name.as_str())).collect();
    let mut operation = Operation::start(Plan { widen: None, ..plan(&applies, &PRUNES) });
    let started = |operation: &mut Operation| match operation.poll() {
        Step::Start(effects) => effects,
        Step::Finished => panic!("finished"),
    };
    let first = started(&mut operation);
    assert_eq!(first.len(), IN_FLIGHT_MAX);
    assert_eq!(started(&mut operation), [], "no room");
    operation.on(first[5].0, Outcome::Done);
    assert_eq!(started(&mut operation).len(), 1);
    operation.abandon();
    operation.on(first[6].0, failure());
    assert_eq!(started(&mut operation), [], "what is under way is waited for, and nothing takes its place");
}

#[test]
#[should_panic(expected = "because only effects that were started have outcomes")]
fn an_outcome_of_nothing_is_a_bug() {
    Operation::start(Plan::default()).on(0, Outcome::Done);
}

#[test]
fn the_namespace_comes_before_everything_else_but_the_record() {
    let mut made = plan(&APPLIES[3..], &[]);
    made.namespace = Some("shop".into());
    check(made.clone(), &[], &["record Wide", "namespace shop", "apply Db b", "record Narrow"]);
    let operation = check(made, &["namespace shop"], &["record Wide", "namespace shop"]);
    assert!(operation.summary().cut, "what belongs into it is not tried");
}

#[test]
fn what_can_not_be_changed_in_place_is_deleted_in_the_turn_of_its_apply() {
    let mut replacing = plan(&APPLIES[3..], &PRUNES[..1]);
    let state = replacing.prunes[0].1[0].clone();
    let applies = replacing.applies.values_mut().next().expect("applies");
    applies[0].replace = Some(Prune { key: applies[0].key.clone(), ..state });
    check(replacing, &[], &["record Wide", "replace Db b", "prune Pod old", "record Narrow"]);
}
