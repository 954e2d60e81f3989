//! The form of a line.

use serde_json::json;

use super::*;
use crate::{
    attribution::{Attribution, Writer},
    commit::Revision,
    environment::{EnvironmentName, FieldManager},
    fields::{managed::ManagedBy, path::FieldPath},
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

#[test]
fn a_line_has_a_fixed_form_and_is_read_back() {
    let line = Line::of(&record(RecordKind::Applied, "0123456: 1 changed"), &origin(), 7).expect("a line");
    let golden = concat!(
        r#"{"v":1,"time":"2026-11-21T20:04:30Z","kind":"Applied","sequence":7,"cluster":"eu-1","repository":"repo-uid","#,
        r#""environment":{"namespace":"team","name":"shop","uid":"env-uid"},"#,
        r#""commit":"0123456789abcdef0123456789abcdef01234567","author":"Ann <ann@example.com>","#,
        r#""subject":"More replicas","message":"0123456: 1 changed","#,
        r#""objects":[{"group":"apps","kind":"Deployment","namespace":"shop","name":"web"}]}"#,
    );
    assert_eq!(line.text(), golden);
    assert_eq!(Line::parse(golden), Ok(line));
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
