//! The form of a line.

use serde_json::json;

use super::*;
use crate::{
    attribution::{Attribution, Writer},
    commit::Revision,
    environment::{EnvironmentName, FieldManager},
    fields::{managed::ManagedBy, path::FieldPath},
    record::repetition,
};

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

fn origin() -> Origin {
    Origin { cluster: "eu-1".to_owned(), environment: "env-uid".to_owned(), repository: "repo-uid".to_owned() }
}

fn record(kind: RecordKind, message: &str) -> Record {
    Record {
        at: "2026-11-21T20:04:30Z".parse().expect("a time"),
        environment: EnvironmentName::new("team", "shop"),
        revision: Some(Revision {
            reference: None,
            commit: CommitId::parse(COMMIT).expect("an id"),
            author: "Ann <ann@example.com>".to_owned(),
            committed: "2026-11-21T20:00:00Z".parse().expect("a time"),
            subject: "More replicas".to_owned(),
            signer: None,
        }),
        kind,
        objects: vec![ObjectKey {
            group: "apps".to_owned(),
            kind: "Deployment".to_owned(),
            namespace: Some("shop".to_owned()),
            name: "web".to_owned(),
        }],
        message: message.to_owned(),
        who: None,
        attribution: None,
        related: None,
        count: None,
        again: false,
        class: None,
        took: None,
    }
}

fn drift() -> Record {
    let writer =
        Writer { name: FieldManager::new("kubectl-edit"), operation: ManagedBy::Update, time: None, subresource: None };
    let who = Who::Manager(writer);
    let change = Change {
        path: FieldPath::default(),
        before: Some(json!(2)),
        after: Some(json!("x".repeat(500))),
        who: who.clone(),
    };
    let attribution = Attribution { who, changes: vec![change; 12], more: 3 };
    Record {
        attribution: Some(attribution),
        took: Some(std::time::Duration::from_millis(12)),
        ..record(RecordKind::DriftCorrected, "Deployment shop/web was changed\nby kubectl-edit")
    }
}

/// Checks that a line has the form that a file holds, to the byte, and is read back from it.
fn check_golden(golden: &str, line: &Line) {
    let golden = golden.strip_suffix('\n').expect("a file ends with a line break");
    assert_eq!(line.text(), golden);
    assert_eq!(Line::parse(golden).as_ref(), Ok(line));
}

fn line_of(record: &Record, sequence: u64) -> Line {
    Line::of(record, &origin(), sequence).expect("a line")
}

/// Returns a record of two fields that somebody changed.
fn changed_by_hand(kind: RecordKind, message: &str) -> Record {
    let writer =
        Writer { name: FieldManager::new("kubectl-edit"), operation: ManagedBy::Update, time: None, subresource: None };
    let who = Who::Manager(writer);
    let change = |path: &[&str], before, after| {
        let path = FieldPath::of_fields(path);
        Change { path, before, after, who: who.clone() }
    };
    let changes = vec![
        change(&["spec", "replicas"], Some(json!(2)), Some(json!(5))),
        change(&["spec", "paused"], None, Some(json!(true))),
    ];
    let attribution = Attribution { who: who.clone(), changes, more: 0 };
    let took = Some(std::time::Duration::from_millis(12));
    Record { attribution: Some(attribution), took, ..record(kind, message) }
}

fn related(kind: RecordKind, message: &str) -> Record {
    Record { related: CommitId::parse(&"f".repeat(40)).ok(), ..record(kind, message) }
}

#[test]
fn each_form_of_a_line_is_as_a_file_has_it() {
    let took = Some(std::time::Duration::from_millis(40));
    let applied = Record { took, ..record(RecordKind::Applied, "0123456: 1 changed") };
    check_golden(include_str!("golden/applied.json"), &line_of(&applied, 7));

    let mut signed = applied.clone();
    let revision = signed.revision.as_mut().expect("because it is about a commit");
    revision.signer = Some("ann@example.com (SHA256:uNiVztksCsDhcc0u9e8BrrJXVGDPYRbgkVl+kuaB4k0)".to_owned());
    check_golden(include_str!("golden/signed.json"), &line_of(&signed, 8));

    let found = changed_by_hand(RecordKind::DriftFound, "Deployment shop/web was changed by kubectl-edit");
    check_golden(include_str!("golden/drift-found.json"), &line_of(&found, 9));
    let corrected = changed_by_hand(RecordKind::DriftCorrected, "Deployment shop/web was changed by kubectl-edit");
    check_golden(include_str!("golden/drift-corrected.json"), &line_of(&corrected, 10));
    let corrected = line_of(&corrected, 11);
    let repeated = repetition::end(repetition::count(&repetition::begin(&corrected), &corrected));
    check_golden(include_str!("golden/drift-repeated.json"), &Line { sequence: 11, ..repeated });

    let rolled_up = line_of(&applied, 12).rolled_up(None);
    let rolled_up = corrected_after(&corrected).rolled_up(Some(&rolled_up));
    check_golden(include_str!("golden/rolled-up.json"), &rolled_up);

    let who = Some("ann@example.com (claimed)".to_owned());
    let allowed = Record { who, objects: Vec::new(), ..record(RecordKind::Allowed, "6 prunes of 0123456: meant so") };
    check_golden(include_str!("golden/allowed.json"), &line_of(&allowed, 14));
    let class = Some(Class::Wait);
    let refused = Record { class, ..record(RecordKind::Refused, "Deployment shop/web is managed by flux") };
    check_golden(include_str!("golden/refused.json"), &line_of(&refused, 15));

    let restored = Record { took, ..related(RecordKind::Restored, "0123456: 1 changed") };
    check_golden(include_str!("golden/restored.json"), &line_of(&restored, 16));
    let reverted = related(RecordKind::Reverted, "1 revert(s) were pushed to main");
    check_golden(include_str!("golden/reverted.json"), &line_of(&Record { objects: Vec::new(), ..reverted }, 17));
}

/// Returns the line after the one that is rolled up first.
fn corrected_after(line: &Line) -> Line {
    let time = "2026-11-21T20:05:30Z".parse().expect("a time");
    Line { sequence: 13, time, ..line.clone() }
}

#[test]
fn what_is_long_is_cut_and_counted() {
    let line = Line::of(&drift(), &origin(), 1).expect("a line");
    assert_eq!((line.fields.len(), line.more_fields), (10, 5));
    assert!(line.fields[0].after.as_ref().is_some_and(|after| after.chars().count() == VALUE_CHARS_MAX + 1));
    assert_eq!(line.who.as_deref(), Some("kubectl-edit"));
    assert_eq!(line.took_ms, Some(12));
    assert!(!line.text().contains('\n'), "{}", line.text());
    let many = Record { objects: vec![drift().objects[0].clone(); 50], ..drift() };
    let line = Line::of(&many, &origin(), 1).expect("a line");
    assert_eq!((line.objects.len(), line.more_objects), (20, 30));
    let long = record(RecordKind::Failed, &"ä".repeat(5000));
    assert!(Line::of(&long, &origin(), 1).expect("a line").message.chars().count() <= MESSAGE_CHARS_MAX + 1);
}

#[test]
fn a_record_about_no_commit_is_no_line() {
    assert_eq!(Line::of(&Record { revision: None, ..drift() }, &origin(), 1), None);
}

#[test]
fn the_user_of_a_request_comes_before_a_field_manager() {
    let record = Record { who: Some("ann@example.com".to_owned()), ..drift() };
    let line = Line::of(&record, &origin(), 1).expect("a line");
    assert_eq!(line.who.as_deref(), Some("ann@example.com"));
}

#[test]
fn lines_of_another_version_are_not_read_as_of_this_one() {
    let text = Line::of(&drift(), &origin(), 1).expect("a line").text();
    let newer = text.replacen("\"v\":1", "\"v\":2", 1);
    assert_eq!(Line::parse(&newer), Err("it is of version 2, and not 1".to_owned()));
    assert!(Line::parse("no record").is_err());
}
