//! Tables of what the index keeps, drops and reports.

use plumb_core::inventory::Inventory;
use serde_json::json;

use super::*;

const A: &str = "applyset-aaaaaaaaaaaaaaaa-v1";
const B: &str = "applyset-bbbbbbbbbbbbbbbb-v1";

fn gvk() -> Gvk {
    Gvk::new("v1", "ConfigMap")
}

fn id(text: &str) -> ApplySetId {
    ApplySetId::from_label(text)
}

/// A ConfigMap that the environment with this id applied, with one owned value.
fn object(name: &str, id: &str, version: u32, value: &str) -> Value {
    let manager = super::tests::id(id).manager();
    json!({
        "apiVersion": "v1", "kind": "ConfigMap", "data": { "key": value },
        "metadata": {
            "name": name, "namespace": "shop", "uid": format!("uid-{name}"), "resourceVersion": version.to_string(),
            "labels": { "applyset.kubernetes.io/part-of": id },
            "managedFields": [{
                "manager": manager.as_str(), "operation": "Apply", "apiVersion": "v1", "fieldsType": "FieldsV1",
                "fieldsV1": {
                    "f:data": { "f:key": {} },
                    "f:metadata": { "f:labels": { "f:applyset.kubernetes.io/part-of": {} } },
                },
            }],
        },
    })
}

fn key(name: &str) -> ObjectKey {
    owned::key(&object(name, A, 1, "")).unwrap()
}

fn whats(changes: &[Change]) -> Vec<String> {
    let word = |change: &Change| match change {
        Change::Object { environment, key, what } => {
            let environment = if *environment == id(A) { "a" } else { "b" };
            format!("{environment} {} {what:?}", key.name)
        }
        Change::Known { kind } => format!("known {kind}"),
        Change::Unknown { kind, reason } => format!("unknown {kind}: {reason}"),
    };
    changes.iter().map(word).collect()
}

fn changed(index: &mut Index, object: Value) -> Vec<String> {
    whats(&index.observe(Observation::Changed(gvk(), Seen(object))))
}

fn vanished(index: &mut Index, object: Value) -> Vec<String> {
    whats(&index.observe(Observation::Vanished(gvk(), Seen(object))))
}

fn list(index: &mut Index, at: u32, objects: impl IntoIterator<Item = Value>) -> Vec<String> {
    let mut changes = index.observe(Observation::Listing(gvk()));
    for object in objects {
        changes.extend(index.observe(Observation::Listed(gvk(), Seen(object))));
    }
    changes.extend(index.observe(Observation::ListDone(gvk(), at.to_string())));
    whats(&changes)
}

/// An index that has listed one object and was told that it is as it should be.
fn settled() -> Index {
    let mut index = Index::default();
    list(&mut index, 10, [object("web", A, 5, "one")]);
    assert!(index.answer(&object("web", A, 5, "one")).is_empty());
    index
}

fn known(index: &Index, id_text: &str) -> Vec<(String, String)> {
    let live = index.live(&id(id_text), &BTreeSet::new());
    live.objects.values().map(|object| (object.key.name.clone(), object.resource_version.clone())).collect()
}

const NONE: [&str; 0] = [];

#[test]
fn a_kind_is_unknown_until_its_list_is_complete() {
    let mut index = Index::default();
    let scope = BTreeSet::from([gvk().group_kind()]);
    let unknown = |index: &Index| index.live(&id(A), &scope).unknown.into_values().collect::<Vec<_>>();
    assert_eq!(unknown(&index), ["ConfigMap is not watched yet"]);
    index.observe(Observation::Listing(gvk()));
    assert_eq!(unknown(&index), ["v1 ConfigMap is being listed"]);
    let changes = index.observe(Observation::ListDone(gvk(), "7".to_owned()));
    assert_eq!(whats(&changes), ["known ConfigMap"]);
    assert_eq!(unknown(&index), NONE);
    let changes = index.observe(Observation::Lost(gvk(), "no connection".to_owned()));
    assert_eq!(whats(&changes), ["unknown ConfigMap: no connection"]);
    assert_eq!(unknown(&index), ["no connection"]);
    assert_eq!(whats(&index.observe(Observation::Resumed(gvk()))), ["known ConfigMap"]);
}

#[test]
fn the_first_sight_of_an_object_is_news_unless_it_is_as_expected() {
    let mut index = Index::default();
    assert_eq!(list(&mut index, 10, [object("web", A, 5, "one")]), ["a web Appeared", "known ConfigMap"]);
    let fingerprint = index.live(&id(A), &BTreeSet::new()).objects[&key("web")].fingerprint.unwrap();
    let mut index = Index::default();
    index.expect(&key("web"), fingerprint);
    assert_eq!(list(&mut index, 10, [object("web", A, 5, "one")]), ["known ConfigMap"]);
    assert_eq!(index.object(&key("web")), None, "what is as expected is not kept whole");
    assert_eq!(changed(&mut index, object("web", A, 6, "two")), ["a web Drifted"]);
}

#[test]
fn events_that_show_what_is_expected_are_dropped() {
    let mut index = settled();
    let mut touched = object("web", A, 11, "one");
    touched["data"]["foreign"] = json!("somebody else's");
    touched["metadata"]["annotations"] = json!({ "note": "hello" });
    assert_eq!(changed(&mut index, touched), NONE);
    assert_eq!(known(&index, A), [("web".to_owned(), "11".to_owned())]);
}

#[test]
fn a_different_owned_value_is_drift_and_kept_whole_until_corrected() {
    let mut index = settled();
    assert_eq!(changed(&mut index, object("web", A, 11, "two")), ["a web Drifted"]);
    assert_eq!(index.object(&key("web")).unwrap()["data"]["key"], "two");
    index.write_begins(&key("web"));
    assert_eq!(whats(&index.answer(&object("web", A, 12, "one"))), NONE);
    assert_eq!(index.object(&key("web")), None);
    assert_eq!(changed(&mut index, object("web", A, 12, "one")), NONE, "the event of our own write");
}

#[test]
fn somebody_who_undoes_a_drift_is_noticed() {
    let mut index = settled();
    changed(&mut index, object("web", A, 11, "two"));
    assert_eq!(changed(&mut index, object("web", A, 12, "one")), ["a web Restored"]);
}

#[test]
fn an_event_older_than_our_answer_is_dropped() {
    let mut index = settled();
    index.write_begins(&key("web"));
    index.answer(&object("web", A, 12, "two"));
    assert_eq!(changed(&mut index, object("web", A, 11, "one")), NONE);
    assert_eq!(known(&index, A), [("web".to_owned(), "12".to_owned())]);
}

#[test]
fn an_answer_older_than_an_event_is_not_taken_but_expected() {
    let mut index = settled();
    index.write_begins(&key("web"));
    assert_eq!(changed(&mut index, object("web", A, 12, "two")), NONE, "it may be our own doing");
    assert_eq!(changed(&mut index, object("web", A, 13, "three")), NONE);
    assert_eq!(whats(&index.answer(&object("web", A, 12, "two"))), ["a web Drifted"]);
    assert_eq!(known(&index, A), [("web".to_owned(), "13".to_owned())]);
}

#[test]
fn our_own_write_is_silent_whether_its_event_or_its_answer_comes_first() {
    let mut index = settled();
    index.write_begins(&key("web"));
    assert_eq!(changed(&mut index, object("web", A, 12, "two")), NONE);
    assert_eq!(whats(&index.answer(&object("web", A, 12, "two"))), NONE);
    assert_eq!(changed(&mut index, object("web", A, 14, "two")), NONE);
}

#[test]
fn what_happened_during_a_write_that_failed_is_told_afterwards() {
    let mut index = settled();
    index.write_begins(&key("web"));
    assert_eq!(changed(&mut index, object("web", A, 12, "two")), NONE);
    assert_eq!(whats(&index.write_failed(&key("web"))), ["a web Drifted"]);
    index.write_begins(&key("web"));
    assert_eq!(vanished(&mut index, object("web", A, 13, "two")), NONE);
    assert_eq!(whats(&index.write_failed(&key("web"))), ["a web Missing"]);
    index.write_begins(&key("web"));
    assert_eq!(whats(&index.write_failed(&key("web"))), NONE);
}

#[test]
fn a_deletion_after_our_write_is_not_undone_by_its_late_answer() {
    let mut index = settled();
    index.write_begins(&key("web"));
    changed(&mut index, object("web", A, 12, "two"));
    vanished(&mut index, object("web", A, 13, "two"));
    assert_eq!(whats(&index.answer(&object("web", A, 12, "two"))), ["a web Missing"]);
    assert_eq!(known(&index, A), []);
    // Deleted before our write, which made it anew.
    let mut index = settled();
    index.write_begins(&key("web"));
    vanished(&mut index, object("web", A, 11, "one"));
    assert_eq!(whats(&index.answer(&object("web", A, 12, "one"))), NONE);
    assert_eq!(known(&index, A), [("web".to_owned(), "12".to_owned())]);
}

#[test]
fn what_vanishes_is_missing_unless_we_deleted_it() {
    let mut index = settled();
    assert_eq!(vanished(&mut index, object("web", A, 11, "one")), ["a web Missing"]);
    assert_eq!(vanished(&mut index, object("web", A, 11, "one")), NONE);
    let mut index = settled();
    index.forget(&key("web"), "uid-web");
    assert_eq!(changed(&mut index, object("web", A, 11, "one")), NONE, "a last event before the deletion");
    assert_eq!(vanished(&mut index, object("web", A, 12, "one")), NONE);
    assert_eq!(known(&index, A), []);
    let mut anew = object("web", A, 13, "one");
    anew["metadata"]["uid"] = json!("another");
    assert_eq!(changed(&mut index, anew), ["a web Appeared"]);
}

#[test]
fn a_label_that_names_another_environment_is_missed_by_one_and_appears_to_the_other() {
    let mut index = settled();
    let moved = object("web", B, 11, "one");
    assert_eq!(changed(&mut index, moved), ["a web Missing", "b web Drifted"]);
    assert_eq!(known(&index, A), []);
    assert_eq!(known(&index, B), [("web".to_owned(), "11".to_owned())]);
}

#[test]
fn a_new_list_tells_what_went_in_the_meantime() {
    let mut index = settled();
    list(&mut index, 20, [object("web", A, 5, "one"), object("db", A, 6, "one")]);
    assert_eq!(list(&mut index, 30, [object("db", A, 25, "two")]), ["a db Drifted", "a web Missing"]);
    assert_eq!(known(&index, A), [("db".to_owned(), "25".to_owned())]);
}

#[test]
fn a_list_does_not_undo_what_we_wrote_while_it_was_read() {
    let mut index = settled();
    index.observe(Observation::Listing(gvk()));
    index.answer(&object("new", A, 40, "one"));
    index.answer(&object("web", A, 41, "two"));
    index.observe(Observation::Listed(gvk(), Seen(object("web", A, 5, "one"))));
    assert_eq!(whats(&index.observe(Observation::ListDone(gvk(), "30".to_owned()))), NONE);
    assert_eq!(known(&index, A), [("new".to_owned(), "40".to_owned()), ("web".to_owned(), "41".to_owned())]);
}

#[test]
fn a_list_that_is_newer_than_our_answer_says_what_was_deleted_since() {
    let mut index = settled();
    index.observe(Observation::Listing(gvk()));
    index.answer(&object("web", A, 25, "two"));
    assert_eq!(whats(&index.observe(Observation::ListDone(gvk(), "30".to_owned()))), ["a web Missing"]);
}

#[test]
fn a_restored_database_with_lower_versions_is_believed_after_a_list() {
    let mut index = settled();
    index.answer(&object("web", A, 900, "one"));
    assert_eq!(list(&mut index, 8, [object("web", A, 7, "one")]), NONE);
    assert_eq!(known(&index, A), [("web".to_owned(), "7".to_owned())]);
}

#[test]
fn health_and_standing_are_told_though_owned_fields_are_the_same() {
    let check = |alter: fn(&mut Value), expected: &[&str]| {
        let mut index = settled();
        let mut object = object("web", A, 11, "one");
        alter(&mut object);
        assert_eq!(changed(&mut index, object), expected);
    };
    check(|_| {}, &[]);
    check(
        |object| object["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z"),
        &["a web Health", "a web Changed"],
    );
    check(|object| object["metadata"]["ownerReferences"] = json!([{ "kind": "Foo", "name": "f" }]), &["a web Changed"]);
    check(|object| object["metadata"]["annotations"] = json!({ "plumb.dev/prune": "disabled" }), &["a web Changed"]);
    check(|object| object["metadata"]["uid"] = json!("another"), &["a web Changed"]);
    check(|object| object["metadata"]["managedFields"][0]["manager"] = json!("kubectl"), &["a web Missing"]);
}

#[test]
fn a_label_on_what_its_environment_never_applied_makes_no_member() {
    let mut index = settled();
    let mut slice = object("web-x7k2p", A, 12, "one");
    slice["metadata"]["managedFields"][0]["manager"] = json!("kube-controller-manager");
    assert_eq!(changed(&mut index, slice), NONE);
    assert_eq!(known(&index, A), [("web".to_owned(), "5".to_owned())]);
}

#[test]
fn what_lies_outside_of_the_record_is_no_member_whoever_has_applied_it() {
    let mut index = settled();
    let mut copy = object("copy", A, 12, "one");
    copy["metadata"]["namespace"] = json!("elsewhere");
    changed(&mut index, copy);
    let names = |index: &Index| known(index, A).into_iter().map(|(name, _)| name).collect::<Vec<_>>();
    assert_eq!(names(&index), ["copy", "web"], "without a record everything counts");
    let scope = Inventory { kinds: [gvk().group_kind()].into(), namespaces: ["shop".to_owned()].into() };
    index.confine(&id(A), Some(scope.clone()));
    assert_eq!(names(&index), ["web"]);
    index.confine(&id(A), Some(Inventory { kinds: [].into(), ..scope }));
    assert_eq!(names(&index), [""; 0]);
    index.confine(&id(A), None);
    assert_eq!(names(&index), ["copy", "web"]);
}

#[test]
fn a_kind_that_is_gone_takes_its_objects_with_it_and_is_known_to_be_empty() {
    let mut index = settled();
    assert_eq!(whats(&index.observe(Observation::KindGone(gvk()))), ["a web Missing", "known ConfigMap"]);
    assert_eq!(index.unknown(&gvk().group_kind()), None);
}

#[test]
fn a_kind_that_is_no_longer_watched_is_unknown_and_silent() {
    let mut index = settled();
    index.drop_kind(&gvk());
    assert_eq!(known(&index, A), []);
    assert!(index.unknown(&gvk().group_kind()).is_some());
}

#[test]
fn an_object_is_read_at_the_version_it_was_applied_at_where_that_is_watched() {
    let mut index = Index::default();
    let (v1, v2) = (Gvk::new("example.com/v1", "Foo"), Gvk::new("example.com/v2", "Foo"));
    let at = |version: &str| {
        let mut object = object("web", A, 5, "one");
        object["kind"] = json!("Foo");
        object["apiVersion"] = json!(version);
        object["metadata"]["managedFields"][0]["apiVersion"] = json!("example.com/v2");
        Seen(object)
    };
    let of =
        |index: &Index| index.live(&id(A), &BTreeSet::new()).objects.into_values().next().map(|live| live.api_version);
    index.observe(Observation::Listing(v1.clone()));
    index.observe(Observation::Listed(v1.clone(), at("example.com/v1")));
    assert_eq!(of(&index).as_deref(), Some("example.com/v1"), "better than nothing");
    index.observe(Observation::ListDone(v1.clone(), "9".to_owned()));
    index.observe(Observation::Listing(v2.clone()));
    index.observe(Observation::Listed(v2.clone(), at("example.com/v2")));
    index.observe(Observation::ListDone(v2, "9".to_owned()));
    index.observe(Observation::Changed(v1, at("example.com/v1")));
    assert_eq!(of(&index).as_deref(), Some("example.com/v2"));
}

#[test]
fn nothing_printed_of_the_index_holds_a_value() {
    let mut index = Index::default();
    list(&mut index, 10, [object("web", A, 5, "hunter2")]);
    let seen = Observation::Changed(gvk(), Seen(object("web", A, 6, "hunter2")));
    assert!(!format!("{index:?} {seen:?}").contains("hunter2"));
}

#[test]
fn what_is_ignored_is_no_news_and_what_was_seen_before_is_judged_again() {
    use plumb_core::fields::pattern::PathPattern;
    let ignored = Ignored::of_paths([PathPattern::parse("/data/key").expect("a path")]);
    let rules = BTreeMap::from([(key("web"), ignored)]);
    let mut index = settled();
    assert_eq!(index.ignore(&id(A), &rules), BTreeSet::from([key("web")]));
    assert_eq!(index.ignore(&id(A), &rules), BTreeSet::new());
    // Its content is not in memory, so that it has to be read.
    assert_eq!(index.stale(&id(A)), [key("web")]);
    changed(&mut index, object("web", A, 11, "one"));
    assert_eq!(index.stale(&id(A)), []);
    index.answer(&object("web", A, 12, "two"));
    assert_eq!(changed(&mut index, object("web", A, 13, "three")), NONE);
    // What differs is kept whole and judged at once.
    index.ignore(&id(A), &BTreeMap::new());
    changed(&mut index, object("web", A, 14, "four"));
    let before = index.live(&id(A), &BTreeSet::new()).objects[&key("web")].fingerprint;
    index.ignore(&id(A), &rules);
    assert_eq!(index.stale(&id(A)), []);
    assert_ne!(index.live(&id(A), &BTreeSet::new()).objects[&key("web")].fingerprint, before);
}

#[test]
fn what_listed_managers_added_is_news_once() {
    let mut index = settled();
    index.attend(&id(A), &[Glob::new("kubectl*")]);
    assert_eq!(index.stale(&id(A)), [key("web")]);
    let added = |version: u32, manager: &str, value: &str| {
        let mut object = object("web", A, version, "one");
        object["data"]["extra"] = json!(value);
        let entry = json!({"manager": manager, "operation": "Update", "apiVersion": "v1",
                           "fieldsV1": {"f:data": {"f:extra": {}}}});
        object["metadata"]["managedFields"].as_array_mut().unwrap().push(entry);
        object
    };
    assert_eq!(changed(&mut index, added(11, "controller", "1")), NONE);
    assert_eq!(changed(&mut index, added(12, "kubectl-edit", "1")), ["a web Changed"]);
    assert_eq!(changed(&mut index, added(13, "kubectl-edit", "2")), NONE);
    assert_eq!(changed(&mut index, object("web", A, 14, "one")), ["a web Changed"]);
}

#[test]
fn an_autoscaler_marks_what_it_drives_until_it_goes() {
    let gvk = || Gvk::new("autoscaling/v2", "HorizontalPodAutoscaler");
    let scaler = |target: &str| {
        Seen(json!({
            "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
            "metadata": {"name": "scaler", "namespace": "shop", "resourceVersion": "1"},
            "spec": {"scaleTargetRef": {"apiVersion": "v1", "kind": "ConfigMap", "name": target}},
        }))
    };
    let mut index = settled();
    assert!(!index.is_scaled(&key("web")) && index.scalers_known());
    index.scalers_begin();
    assert!(index.is_scaled(&key("web")) && !index.scalers_known(), "as long as nothing is known it may be");
    index.observe_scaler(Observation::Listing(gvk()));
    let changes = index.observe_scaler(Observation::ListDone(gvk(), "1".to_owned()));
    assert_eq!(whats(&changes), ["known HorizontalPodAutoscaler.autoscaling"]);
    assert!(!index.is_scaled(&key("web")));
    let mut look = |observation, scaled: bool, expected: &[&str]| {
        assert_eq!(whats(&index.observe_scaler(observation)), expected);
        assert_eq!(index.is_scaled(&key("web")), scaled);
    };
    look(Observation::Changed(gvk(), scaler("web")), true, &["a web Changed"]);
    look(Observation::Changed(gvk(), scaler("web")), true, &[]);
    // An interruption changes nothing; another target, or a list without it, does.
    look(Observation::Lost(gvk(), "no connection".to_owned()), true, &[]);
    look(Observation::Changed(gvk(), scaler("other")), false, &["a web Changed"]);
    look(Observation::Changed(gvk(), scaler("web")), true, &["a web Changed"]);
    look(Observation::Listing(gvk()), true, &[]);
    look(Observation::ListDone(gvk(), "9".to_owned()), false, &["a web Changed"]);
    look(Observation::Changed(gvk(), scaler("web")), true, &["a web Changed"]);
    look(Observation::Vanished(gvk(), scaler("web")), false, &["a web Changed"]);
}
