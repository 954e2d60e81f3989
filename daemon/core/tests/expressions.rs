//! Expressions that are nested as deep as their text allows, on a thread with the stack that the daemon's threads have.

use plumb_core::health::expression::{DEPTH_MAX, Expression};
use proptest::prelude::*;
use serde_json::json;

#[test]
fn what_is_nested_too_deep_is_refused_and_nothing_overflows_the_stack() {
    let wrap = |before: &str, times: usize, inner: &str, after: &str| {
        format!("{}{inner}{}", before.repeat(times), after.repeat(times))
    };
    let texts = [
        wrap("(", 500, "true", ")"),
        wrap("!", 1000, "true", ""),
        wrap("-", 1000, "1", ""),
        wrap("", 500, "1", "+1"),
        wrap("true||", 160, "true", ""),
        wrap("true?", 100, "true", ":true"),
        wrap("[", 500, "", "]"),
        wrap("{1:", 250, "1", "}"),
        wrap("", 500, "self", ".a"),
        wrap("", 300, "self", "[0]"),
        wrap("", 120, "self", ".size()"),
        wrap("[1].all(x,", 90, "true", ")"),
        wrap("", 100, "[1]", ".map(x,x)"),
        wrap("", DEPTH_MAX - 2, "1", "+1") + " == 1",
        wrap("[1].all(x,", DEPTH_MAX / 3, "true", ")"),
    ];
    // As a thread of the daemon has.
    let narrow = std::thread::Builder::new().stack_size(2 << 20).spawn(move || {
        let compiled: Vec<bool> = texts
            .iter()
            .map(|text| {
                Expression::compile(text).is_ok_and(|compiled| {
                    let _ = compiled.holds(&json!({"a": {}}));
                    true
                })
            })
            .collect();
        compiled
    });
    let compiled = narrow.unwrap().join().unwrap();
    let expected = [true, true, true, false, true, false, false, false, false, false, false, false, false, true, true];
    assert_eq!(compiled, expected);
}

/// Pieces of expressions, most of which mean something somewhere.
const PIECES: [&str; 64] = [
    "self",
    ".a",
    ".b",
    ".?a",
    "[0]",
    "[?0]",
    "['k']",
    "[-1]",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    "{'k': 1}",
    "[1, 2]",
    ",",
    ":",
    "?",
    "==",
    "!=",
    "<",
    ">=",
    "+",
    "-",
    "*",
    "/",
    "%",
    "&&",
    "||",
    "!",
    " in ",
    "1",
    "0",
    "-1",
    "9223372036854775807",
    "1u",
    "1.5",
    "1e999",
    "0x10",
    "true",
    "null",
    "'t'",
    "\"\"",
    "b'\\xff'",
    "r'\\'",
    "'\\u00e9'",
    "'''",
    "'",
    ".exists(x, x",
    ".all(x, ",
    ".map(x, x)",
    ".filter(x, true)",
    ".size()",
    "size(",
    "has(self.a)",
    "has(",
    "int(",
    "string(",
    "type(",
    "optional.of(",
    "optional.none()",
    ".orValue(1)",
    "é",
];

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// A panic would end the daemon of everybody.
    #[test]
    fn no_text_panics(pieces in prop::collection::vec(prop::sample::select(&PIECES[..]), 0..14)) {
        let object = json!({"a": [1, {"k": null, "b": "x"}], "b": {"k": -0.5}});
        if let Ok(expression) = Expression::compile(&pieces.concat()) {
            let once = expression.holds(&object);
            prop_assert_eq!(expression.holds(&object), once);
        }
    }

    #[test]
    fn no_characters_panic(text in "\\PC{0,60}") {
        let _ = Expression::compile(&text).map(|expression| expression.holds(&json!({})));
    }
}
