//! What follows from the events of a watch.

use k8s_openapi::api::core::v1::ConfigMap;
use kube::core::DeserializeGuard;
use serde_json::json;

use super::*;

fn guarded(name: &str, uid: &str, version: &str, data: Value) -> DeserializeGuard<ConfigMap> {
    let metadata = json!({ "namespace": "shop", "name": name, "uid": uid, "resourceVersion": version });
    let value = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data });
    serde_json::from_value(value).unwrap()
}

fn good(name: &str, uid: &str, version: &str) -> DeserializeGuard<ConfigMap> {
    guarded(name, uid, version, json!({ "a": "b" }))
}

fn words(news: Vec<Followed<ConfigMap>>) -> Vec<String> {
    let word = |followed: Followed<ConfigMap>| match followed {
        Followed::Set(map) => format!("set {} {}", map.name_any(), map.resource_version().unwrap()),
        Followed::Gone(map) => format!("gone {} {}", map.name_any(), map.resource_version().unwrap()),
        Followed::Unreadable(namespace, name) => format!("unreadable {namespace}/{name}"),
        Followed::UnreadableGone(namespace, name) => format!("unreadable gone {namespace}/{name}"),
        Followed::Synced => "synced".to_owned(),
    };
    news.into_iter().map(word).collect()
}

fn check(known: &mut Known<ConfigMap>, event: Event<DeserializeGuard<ConfigMap>>, expected: &[&str]) {
    let shown = format!("{event:?}");
    assert_eq!(words(known.learn(event)), expected, "{shown}");
}

#[test]
fn a_list_reports_what_is_new_and_what_is_gone_and_nothing_else() {
    let known = &mut Known::default();
    check(known, Event::Init, &[]);
    check(known, Event::InitApply(good("a", "u1", "1")), &["set a 1"]);
    check(known, Event::InitApply(good("b", "u2", "2")), &["set b 2"]);
    check(known, Event::InitApply(good("c", "u3", "3")), &["set c 3"]);
    check(known, Event::InitDone, &["synced"]);
    check(known, Event::Apply(good("a", "u1", "4")), &["set a 4"]);
    // The connection breaks: meanwhile b went and c was deleted and made anew.
    check(known, Event::Init, &[]);
    check(known, Event::InitApply(good("a", "u1", "4")), &[]);
    check(known, Event::InitApply(good("c", "u9", "9")), &["gone c 3", "set c 9"]);
    check(known, Event::InitDone, &["gone b 2", "synced"]);
    check(known, Event::Delete(good("a", "u1", "10")), &["gone a 4"]);
    check(known, Event::Delete(good("a", "u1", "10")), &[]);
}

#[test]
fn a_list_that_broke_off_makes_nothing_gone() {
    let known = &mut Known::default();
    check(known, Event::Init, &[]);
    check(known, Event::InitApply(good("a", "u1", "1")), &["set a 1"]);
    check(known, Event::InitApply(good("b", "u2", "2")), &["set b 2"]);
    check(known, Event::InitDone, &["synced"]);
    check(known, Event::Init, &[]);
    check(known, Event::InitApply(good("b", "u2", "2")), &[]);
    // Begun anew before it was complete: what the first part held counts for nothing.
    check(known, Event::Init, &[]);
    check(known, Event::InitApply(good("a", "u1", "1")), &[]);
    check(known, Event::InitDone, &["gone b 2", "synced"]);
}

#[test]
fn what_cannot_be_decoded_is_left_as_it_was() {
    let known = &mut Known::default();
    let bad = || guarded("a", "u1", "2", json!("no map"));
    assert!(bad().0.is_err());
    check(known, Event::Init, &[]);
    check(known, Event::InitApply(good("a", "u1", "1")), &["set a 1"]);
    check(known, Event::InitDone, &["synced"]);
    check(known, Event::Apply(bad()), &[]);
    check(known, Event::Init, &[]);
    check(known, Event::InitApply(bad()), &[]);
    check(known, Event::InitDone, &["synced"]);
    check(known, Event::Apply(good("a", "u1", "3")), &["set a 3"]);
}

#[test]
fn what_could_never_be_decoded_exists_all_the_same() {
    let known = &mut Known::default();
    let bad = |name: &str| guarded(name, "u1", "2", json!("no map"));
    check(known, Event::Init, &[]);
    check(known, Event::InitApply(bad("a")), &["unreadable shop/a"]);
    check(known, Event::InitApply(bad("b")), &["unreadable shop/b"]);
    check(known, Event::InitDone, &["synced"]);
    check(known, Event::Apply(bad("a")), &[]);
    check(known, Event::Apply(good("a", "u1", "3")), &["set a 3"]);
    check(known, Event::Delete(good("a", "u1", "3")), &["gone a 3"]);
    check(known, Event::Delete(bad("b")), &["unreadable gone shop/b"]);
    check(known, Event::Apply(bad("c")), &["unreadable shop/c"]);
    check(known, Event::Init, &[]);
    check(known, Event::InitDone, &["unreadable gone shop/c", "synced"]);
}

#[test]
fn kinds_and_keys_come_from_the_type() {
    let kind = kind::<ConfigMap>();
    assert_eq!((kind.gvk.to_string().as_str(), kind.plural.as_str()), ("v1 ConfigMap", "configmaps"));
    assert_eq!(key::<ConfigMap>("shop", "web").to_string(), "ConfigMap shop/web");
}
