//! What holds for every input: the reader never panics, and JSON is read back as it was.

use plumb_core::commit::RepoPath;
use plumb_render::{
    plain,
    position::locate,
    yaml::{Options, Strictness, read},
};
use proptest::prelude::*;
use serde_json::{Map, Value};

/// Numbers as kubectl keeps them: integers in `i64`, everything else a float that is not integral.
fn number() -> impl Strategy<Value = Value> {
    let float = any::<f64>().prop_filter("a float that stays one", |float| float.is_finite() && float.fract() != 0.0);
    prop_oneof![any::<i64>().prop_map(Value::from), float.prop_map(Value::from)]
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        number(),
        any::<String>().prop_map(Value::from),
        scalar_text().prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 60, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(key(), inner, 0..6)
                .prop_map(|entries| Value::Object(entries.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

fn key() -> impl Strategy<Value = String> {
    prop_oneof![any::<String>(), scalar_text()]
}

/// Texts that mean something else without quotes.
fn scalar_text() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "yes", "0644", "1e3", "~", "", "null", "<<", "*a", "&a", "---", "...", "%x", "{{ x }}", "- a", "a: b", "# c",
        "1_0", ".inf",
    ])
    .prop_map(str::to_owned)
}

/// Text that is nearly YAML, so that more than the first character is read.
fn nearly_yaml() -> impl Strategy<Value = String> {
    let token = prop::sample::select(vec![
        "a",
        "b: ",
        "- ",
        "\n",
        "\n  ",
        "\n    ",
        "[",
        "]",
        "{",
        "}",
        ",",
        ": ",
        "? ",
        "&x ",
        "*x",
        "<<: ",
        "!!int ",
        "!y ",
        "|\n",
        ">-\n",
        "\"",
        "'",
        "#",
        "---\n",
        "...\n",
        "%",
        "\t",
        "\r",
        "\u{feff}",
        "é",
        "0x1",
        "1e9",
        "yes",
        "\\",
        "\u{85}",
        "items:",
        "kind: List\n",
    ]);
    prop::collection::vec(token, 0..60).prop_map(|tokens| tokens.concat())
}

fn file() -> RepoPath {
    RepoPath::parse("f.yaml").expect("a path")
}

/// Reads in every way there is; what it answers is not looked at.
fn survives(bytes: &[u8]) {
    for strictness in [Strictness::Strict, Strictness::Lenient] {
        let options = Options { strictness, ..Options::default() };
        match read(&file(), bytes, &options) {
            Ok(documents) => documents.iter().for_each(|document| {
                assert_eq!(locate(bytes, &document.origin, "").map(|at| at.line), Some(document.origin.line));
            }),
            Err(problems) => assert!(!problems.is_empty()),
        }
        drop(plain::manifests(&file(), bytes, &options));
    }
}

proptest! {
    #[test]
    fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        survives(&bytes);
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in nearly_yaml()) {
        survives(text.as_bytes());
    }

    #[test]
    fn json_is_read_back_as_it_was(values in prop::collection::vec(prop::collection::btree_map(key(), value(), 0..5), 1..4)) {
        let values: Vec<Value> = values.into_iter().map(|entries| Value::Object(entries.into_iter().collect())).collect();
        let text: String = values.iter().map(|value| format!("{value:#}\n")).collect();
        let read = read(&file(), text.as_bytes(), &Options::default()).expect("JSON");
        prop_assert_eq!(read.into_iter().map(|document| document.value).collect::<Vec<_>>(), values);
    }

    #[test]
    fn json_is_yaml_too(value in value()) {
        // YAML has neither control characters nor a byte-order mark inside a document, JSON has both.
        let text = format!("---\n{value}\n");
        prop_assume!(!text.contains(|c: char| matches!(c, '\u{7f}'..='\u{9f}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}')));
        let read = read(&file(), text.as_bytes(), &Options::default());
        let expected: Vec<Value> = if value.is_null() { Vec::new() } else { vec![value] };
        let found = read.map(|documents| documents.into_iter().map(|document| document.value).collect::<Vec<_>>());
        prop_assert_eq!(found, Ok(expected));
    }
}
