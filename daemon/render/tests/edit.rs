//! One text of a file is changed, and nothing else: byte for byte around it, value for value when it is read again.

use plumb_core::{
    commit::RepoPath,
    trigger::place::{DocumentName, FieldPath},
};
use plumb_render::{
    edit::{EditError, read, set},
    yaml::{self, Options},
};
use proptest::prelude::*;
use serde_json::Value;

const NEW: &str = "r.io/shop/cart@sha256:ab12";

fn file() -> RepoPath {
    RepoPath::parse("values.yaml").expect("a path")
}

fn path(text: &str) -> FieldPath {
    FieldPath::parse(text).expect("a path")
}

fn edited(text: &[u8], field: &str, new: &str) -> Result<Vec<u8>, EditError> {
    set(&file(), text, None, &path(field), new)
}

#[track_caller]
fn check(before: &str, field: &str, after: &str) {
    check_with(before, field, NEW, after);
}

#[track_caller]
fn check_with(before: &str, field: &str, new: &str, after: &str) {
    let found = edited(before.as_bytes(), field, new).unwrap_or_else(|error| panic!("{before}\n{error}"));
    assert_eq!(String::from_utf8_lossy(&found), after, "{field}");
    assert_eq!(edited(&found, field, new), Ok(found.clone()), "a second time");
    assert_eq!(read(&file(), &found, None, &path(field)), Ok(Some(new.to_owned())));
}

#[track_caller]
fn refuse(before: &str, field: &str, words: &[&str]) {
    let error = edited(before.as_bytes(), field, NEW).expect_err("refused");
    let text = error.to_string();
    assert!(text.contains("values.yaml") && words.iter().all(|words| text.contains(words)), "{text}");
}

#[test]
fn the_notation_stays_where_the_text_allows_it() {
    check("image: old\n", "image", &format!("image: {NEW}\n"));
    check("image:   old   # why\nb: 1\n", "image", &format!("image:   {NEW}   # why\nb: 1\n"));
    check("image: 'old' # why\n", "image", &format!("image: '{NEW}' # why\n"));
    check("image: \"old\"\n", "image", &format!("image: \"{NEW}\"\n"));
    check("a: {image: old, b: 1}\n", "a.image", &format!("a: {{image: {NEW}, b: 1}}\n"));
    check("a: [x, old , y]\n", "a[1]", &format!("a: [x, {NEW} , y]\n"));
    check("- a\n- old", "[1]", &format!("- a\n- {NEW}"));
    check("a:\n  old\n  more\nb: 1\n", "a", &format!("a:\n  {NEW}\nb: 1\n"));
    check("a: \"old\n  more\"\nb: 1\n", "a", &format!("a: \"{NEW}\"\nb: 1\n"));
    check_with("tag: v1\n", "tag", "1.10", "tag: \"1.10\"\n");
    check_with("tag: 1.10\n", "tag", "1.10", "tag: \"1.10\"\n");
    check_with("tag: 1.10 # x\n", "tag", "v2", "tag: v2 # x\n");
    check_with("tag: '1'\n", "tag", "it's", "tag: 'it''s'\n");
    check_with("tag: yes\n", "tag", "no", "tag: \"no\"\n");
}

#[test]
fn what_is_empty_gets_its_text_behind_the_colon() {
    check("image:\nb: 1\n", "image", &format!("image: {NEW}\nb: 1\n"));
    check("image:", "image", &format!("image: {NEW}"));
    check("image: # why\n", "image", &format!("image: {NEW} # why\n"));
    check("a:\n  image :\n  b: 1\n", "a.image", &format!("a:\n  image : {NEW}\n  b: 1\n"));
    check("a: {image: , b: 1}\n", "a.image", &format!("a: {{image: {NEW} , b: 1}}\n"));
    check("image: ~\n", "image", &format!("image: {NEW}\n"));
    check("image: null # x\n", "image", &format!("image: {NEW} # x\n"));
    refuse("a:\n-\n", "a[0]", &["is empty"]);
}

#[test]
fn line_ends_marks_and_odd_characters_stay() {
    check("a: ä\r\nimage: old\r\nb: 1\r\n", "image", &format!("a: ä\r\nimage: {NEW}\r\nb: 1\r\n"));
    check("\u{feff}image: old\n", "image", &format!("\u{feff}image: {NEW}\n"));
    check("ü: 😀\nimage: 'ö' # ß\n", "image", &format!("ü: 😀\nimage: '{NEW}' # ß\n"));
    check("\n\n# c\n---\n# d\n\nimage: old\n...\n", "image", &format!("\n\n# c\n---\n# d\n\nimage: {NEW}\n...\n"));
    let quoted = "a: \"x\ny\"\nimage: old\n";
    check(quoted, "image", &quoted.replace("old", NEW));
    check("a: \"x\ny\"\nimage: old\nb: \"z\n\tw\"\n", "image", &format!("a: \"x\ny\"\nimage: {NEW}\nb: \"z\n\tw\"\n"));
    check("{\"image\": \"old\", \"b\": [1, 2]}\n", "image", &format!("{{\"image\": \"{NEW}\", \"b\": [1, 2]}}\n"));
    check("{\"image\": 1}", "image", &format!("{{\"image\": \"{NEW}\"}}"));
}

#[test]
fn paths_lead_where_people_mean() {
    let pod = "spec:\n  containers:\n  - name: side\n    image: a\n  - name: app\n    image: old\n";
    let after = pod.replace("old", NEW);
    check(pod, "spec.containers[name=\"app\"].image", &after);
    check(pod, "spec.containers[name=app].image", &after);
    check(pod, ".spec.containers[1].image", &after);
    check(pod, "/spec/containers/1/image", &after);
    check("a.b/c: old\na: {b: 1}\n", "a.b/c", &format!("a.b/c: {NEW}\na: {{b: 1}}\n"));
    check("a.b/c: old\n", "/a.b~1c", &format!("a.b/c: {NEW}\n"));
    check("a.b: old\n", "[\"a.b\"]", &format!("a.b: {NEW}\n"));
    check("80: old\n", "80", &format!("80: {NEW}\n"));
    refuse(pod, "spec.containers[name=\"none\"].image", &["3:", "has no", "name=\"none\""]);
    refuse("a:\n- n: x\n  i: 1\n- n: x\n  i: 2\n", "a[n=x].i", &["has no"]);
    refuse(pod, "spec.containers[2].image", &["has no"]);
    refuse("a: 1\n", "a.b", &["has no b"]);
    refuse("a: 1\n", "b.c", &["has no b.c"]);
    refuse(pod, "spec.containers", &["is no text"]);
    refuse(pod, "spec", &["is no text"]);
}

#[test]
fn a_missing_key_is_added_in_the_style_of_its_mapping() {
    let with = |text: &str| text.replace("NEW", NEW);
    check("image:\n  repository: a # x\nb: 1\n", "image.tag", &with("image:\n  repository: a # x\n  tag: NEW\nb: 1\n"));
    check("image:\n    repository: a", "image.tag", &with("image:\n    repository: a\n    tag: NEW"));
    check("- name: a\n  b: c\n- d\n", "[0].image", &with("- name: a\n  b: c\n  image: NEW\n- d\n"));
    check("a: 1\r\nb:\r\n  c: 1\r\n\r\n# end\r\n", "tag", &with("a: 1\r\nb:\r\n  c: 1\r\ntag: NEW\r\n\r\n# end\r\n"));
    check("a: {b: 1}\n", "a.c", &with("a: {b: 1, c: NEW}\n"));
    check("a: {}\n", "a.c", &with("a: {c: NEW}\n"));
    check("a: {\n  b: 1, # x\n}\n", "a.c", &with("a: {\n  b: 1, c: NEW, # x\n}\n"));
    check("{\"a\": {\"b\": 1}}", "a.c", &with("{\"a\": {\"b\": 1, \"c\": \"NEW\"}}"));
    check("a: |\n  text\n\nb: 1\n", "c", &with("a: |\n  text\n\nb: 1\nc: NEW\n"));
    check("b: 1\na: |\n  text\n", "c", &with("b: 1\nc: NEW\na: |\n  text\n"));
    check("a:\n  b:\n  - c\n  -   d: 1\n", "a.e", &with("a:\n  b:\n  - c\n  -   d: 1\n  e: NEW\n"));
    check("a:\n  b:\n\nc: 1\n", "a.e", &with("a:\n  b:\n  e: NEW\n\nc: 1\n"));
    check("image: {}\n", "/image/my key", &with("image: {\"my key\": NEW}\n"));
    refuse("a: |\n  text\n", "b", &["nothing but blocks"]);
    refuse("a:\n", "a.b", &["has no b"]);
}

#[test]
fn what_is_repeated_elsewhere_or_not_written_as_a_text_is_refused() {
    refuse("a: &x old\nb: *x\n", "a", &["1:", "has an anchor", "without the anchor"]);
    refuse("a: &x old\nb: *x\n", "b", &["2:", "is an alias", "write the text itself"]);
    refuse("a: &x {b: old}\nc: *x\n", "a.b", &["has an anchor"]);
    refuse("a: &x {b: old}\nc: *x\n", "c.b", &["is an alias"]);
    refuse("a: &x\n  b: old\nc:\n  <<: *x\n", "a.b", &["has an anchor"]);
    check("a: &x old\nb: 1\n", "a", &format!("a: &x {NEW}\nb: 1\n"));
    // A key of its own covers the merged one.
    check(
        "a: &x {b: old}\nc:\n  <<: *x\n  d: 1\n",
        "c.b",
        &format!("a: &x {{b: old}}\nc:\n  <<: *x\n  d: 1\n  b: {NEW}\n"),
    );
    refuse("a: |\n  old\n", "a", &["is written as a block"]);
    refuse("a: >-\n  old\n", "a", &["is written as a block"]);
    refuse("a: !!int 5\n", "a", &["has a tag"]);
    check("a: !!str old\n", "a", &format!("a: !!str {NEW}\n"));
    refuse("a: 1\na: 2\n", "a", &["2:"]);
    refuse("a: [\n", "a", &["values.yaml:"]);
    refuse("", "a", &["holds nothing"]);
    refuse("# c\n", "a", &["holds nothing"]);
    let utf16: Vec<u8> = [0xfeff_u16].into_iter().chain("a: old\n".encode_utf16()).flat_map(u16::to_le_bytes).collect();
    let error = edited(&utf16, "a", NEW).expect_err("refused");
    assert!(error.to_string().contains("store it as UTF-8"), "{error}");
    for new in ["a\nb", "a\u{1b}", "\u{2028}", &"a".repeat(5000)] {
        assert!(edited(b"a: old\n", "a", new).is_err(), "{new:?}");
    }
}

#[test]
fn one_document_of_several_is_named() {
    let two = "kind: A\nmetadata: {name: x}\nimage: old\n---\n# b\nkind: B\nmetadata:\n  name: x\nimage: old # b\n";
    let named = |kind: &str, name: &str| DocumentName { kind: kind.to_owned(), name: name.to_owned() };
    let set = |document: Option<&DocumentName>| set(&file(), two.as_bytes(), document, &path("image"), NEW);
    let found = set(Some(&named("B", "x"))).expect("an edit");
    assert_eq!(String::from_utf8_lossy(&found), two.replace("old # b", &format!("{NEW} # b")));
    for (document, words) in [(None, "second document"), (Some(named("B", "y")), "kind B with the name y")] {
        let error = set(document.as_ref()).expect_err("refused").to_string();
        assert!(error.contains(words), "{error}");
    }
    assert_eq!(read(&file(), two.as_bytes(), Some(&named("A", "x")), &path("image")), Ok(Some("old".to_owned())));
}

#[test]
fn what_is_no_text_is_never_taken_for_one() {
    let read = |text: &str, field: &str| read(&file(), text.as_bytes(), None, &path(field)).expect("a value");
    assert_eq!(read("tag: 1.10\n", "tag").as_deref(), Some("1.1 (not a text)"));
    assert_eq!(read("tag: 'x'\n", "tag").as_deref(), Some("x"));
    assert_eq!(read("tag:\n", "tag"), None);
    assert_eq!(read("tag: x\n", "digest"), None);
    assert_eq!(read("a: &x {b: v}\nc:\n  <<: *x\n", "c.b").as_deref(), Some("v"));
}

/// Returns a JSON pointer to every text of a value.
fn texts(value: &Value, at: &str, found: &mut Vec<String>) {
    match value {
        Value::String(_) => found.push(at.to_owned()),
        Value::Array(elements) => {
            elements.iter().enumerate().for_each(|(n, element)| texts(element, &format!("{at}/{n}"), found));
        }
        Value::Object(fields) => fields.iter().for_each(|(key, field)| {
            texts(field, &format!("{at}/{}", key.replace('~', "~0").replace('/', "~1")), found);
        }),
        _ => {}
    }
}

/// Changes every text of a file, one at a time, and compares: with the file read again, and with the bytes around the change.
fn check_all(bytes: &[u8], new: &str) -> (usize, usize) {
    let Ok(before) = yaml::read(&file(), bytes, &Options::default()) else { return (0, 0) };
    let [document] = before.as_slice() else { return (0, 0) };
    let mut pointers = Vec::new();
    texts(&document.value, "", &mut pointers);
    let (mut done, mut refused) = (0, 0);
    for pointer in pointers.iter().filter_map(|pointer| FieldPath::parse(pointer).ok()) {
        let Ok(after) = set(&file(), bytes, None, &pointer, new) else {
            refused += 1;
            continue;
        };
        done += 1;
        let mut expected = document.value.clone();
        *expected.pointer_mut(pointer.as_str()).expect("it was found") = Value::from(new);
        let read = yaml::read(&file(), &after, &Options::default()).expect("it can be read");
        assert_eq!(read.iter().map(|document| &document.value).collect::<Vec<_>>(), [&expected], "{pointer}");
        assert_eq!(set(&file(), &after, None, &pointer, new).as_ref(), Ok(&after), "{pointer}");
        // What differs is one piece, which holds the new text, or the old and the new are one.
        let start = bytes.iter().zip(&after).take_while(|(one, other)| one == other).count();
        let behind = |limit: usize| {
            let both = bytes[limit..].iter().rev().zip(after[limit..].iter().rev());
            both.take_while(|(one, other)| one == other).count()
        };
        let end = if start == bytes.len() && start == after.len() { 0 } else { behind(start) };
        let piece = String::from_utf8_lossy(&after[start..after.len() - end]).into_owned();
        let lines = String::from_utf8_lossy(&bytes[start..bytes.len() - end]).matches('\n').count();
        assert!(piece.len() <= 2 * new.len() + 8, "{pointer}: {piece:?}");
        assert!(lines <= 12, "{pointer}: {lines} lines are gone");
    }
    (done, refused)
}

#[test]
fn every_text_of_the_recorded_cases_is_changed_alone_or_refused() {
    let cases: Vec<Value> = serde_json::from_str(include_str!("data/yaml-cases.json")).expect("cases");
    let (mut done, mut refused) = (0, 0);
    for case in &cases {
        let Some(text) = case["yaml"].as_str() else { continue };
        for new in [NEW, "1.10", "it's \"a\" # b: c"] {
            let (one, other) = check_all(text.as_bytes(), new);
            done += one;
            refused += other;
        }
    }
    assert!(done > 1500, "{done} texts were changed, {refused} refused");
    assert!(refused * 10 < done, "{done} texts were changed, {refused} refused");
}

/// A document as people write it.
fn written() -> impl Strategy<Value = String> {
    let scalar = prop::sample::select(vec![
        "x",
        "'a b'",
        "\"q: \\\"z\\\"\"",
        "1.10",
        "~",
        "",
        "|\n    text\n    more",
        "&n v",
        "r.io/a:b",
        "ä ö",
        "yes",
        "\"two\n    lines\"",
    ]);
    let comment = prop::sample::select(vec!["", " # c", "   # é", "\r"]);
    let entry = (0..5_u8, scalar, comment).prop_map(|(kind, scalar, comment)| match kind {
        0 if !scalar.contains('|') && !scalar.contains('&') => format!("  - k: {scalar}{comment}\n    l: 2"),
        1 if !scalar.contains(['|', '\n', '&']) => format!("  - {{k: {scalar} , \"m\": [a, 'b']}}{comment}"),
        2 => "  # between".to_owned(),
        3 => format!("  - {scalar}"),
        _ => format!("  -   name: {scalar}\n\n      deep:\n      - e{comment}"),
    });
    (prop::collection::vec(entry, 1..6), any::<bool>(), any::<bool>()).prop_map(|(entries, end, mark)| {
        let mark = if mark { "\u{feff}" } else { "" };
        let end = if end { "\n" } else { "" };
        format!("{mark}# top\nlist:\n{}\nlast: 'z'{end}", entries.join("\n"))
    })
}

proptest! {
    #[test]
    fn every_text_of_a_written_document_is_changed_alone(text in written(), new in "[a-z0-9.:@/' -]{0,12}") {
        check_all(text.as_bytes(), &new);
    }

    /// Whatever the bytes, the path and the text are: no panic, and a result that is read as it was meant.
    #[test]
    fn any_input_is_answered(bytes in prop::collection::vec(any::<u8>(), 0..60), field in "[a-z/.\\[\\]\"=0-9]{1,8}", new in any::<String>()) {
        if let Ok(field) = FieldPath::parse(&field)
            && let Ok(after) = set(&file(), &bytes, None, &field, &new)
        {
            prop_assert_eq!(read(&file(), &after, None, &field), Ok(Some(new)));
        }
    }
}
