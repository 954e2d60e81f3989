//! The strict reader: what kubectl loses silently is a problem with its place; everything else is read as kubectl does.

use std::slice::from_ref;

use plumb_core::commit::RepoPath;
use plumb_render::yaml::{Options, read};
use serde_json::{Value, json};

/// Checks that a file is read as these documents.
fn reads(text: &str, expected: &[Value]) {
    let file = RepoPath::parse("f.yaml").expect("a path");
    match read(&file, text.as_bytes(), &Options::default()) {
        Ok(documents) => {
            let values: Vec<Value> = documents.into_iter().map(|document| document.value).collect();
            assert_eq!(values, expected, "{text:?}");
        }
        Err(problems) => panic!("{text:?} was refused: {problems:?}"),
    }
}

/// Checks that a file is refused with these problems, each `line:column: message (remedy)`.
fn refuses(text: impl AsRef<[u8]>, expected: &[&str]) {
    let text = text.as_ref();
    let file = RepoPath::parse("f").expect("a path");
    let shown = String::from_utf8_lossy(text);
    match read(&file, text, &Options::default()) {
        Ok(documents) => panic!("{shown:?} was read: {documents:?}"),
        Err(problems) => {
            let found: Vec<String> = problems.iter().map(|p| p.to_string().replacen("f:", "", 1)).collect();
            assert_eq!(found, expected, "{shown:?}");
        }
    }
}

#[test]
fn kubectls_values_are_kept() {
    reads(
        "a: yes\nb: 0644\nc: 1.0\nd: 1_000\ne: 2001-01-01\nf: ~\n",
        &[json!({
            "a": true, "b": 420, "c": 1, "d": 1000, "e": "2001-01-01", "f": null
        })],
    );
    reads("on: 1\n80: web\n", &[json!({"true": 1, "80": "web"})]);
    reads("a: !custom 5\nb: !!str 5\nc: !!binary aGVsbG8=\n", &[json!({"a": "5", "b": "5", "c": "hello"})]);
    reads(
        "{\"a\": \"\\ud83d\\ude00\\/\", \"b\": [1.0, 1e3, true]}\n{}",
        &[json!({"a": "😀/", "b": [1, 1000, true]}), json!({})],
    );
    reads("---\n{a: 1}\n", &[json!({"a": 1})]);
    reads("---\n# nothing\n---\nnull\n---\na: 1\n...\n", &[json!({"a": 1})]);
    reads("\u{feff}a: 1\r\n---\r\n\u{feff}b: 2\r\n", &[json!({"a": 1}), json!({"b": 2})]);
}

#[test]
fn quoted_text_may_be_indented_as_little_as_its_key() {
    let expected = json!({"a": {"b": "{ \"c\": 1 }", "d": 1}});
    reads("a:\n  b: '{\n    \"c\": 1\n  }'\n  d: 1\n", from_ref(&expected));
    reads("a:\n  b: '{\n\"c\": 1\n}'\n  d: 1\n", from_ref(&expected));
    reads("a:\r\n  b: \"{\r\n \\\"c\\\": 1\r\n }\"\r\n  d: 1\r\n---\nx: 'e\n\nf'\n", &[expected, json!({"x": "e\nf"})]);
    reads("a:\n  b: '{\n\t\"c\": 1\n  \t}'\n  d: 1\n", &[json!({"a": {"b": "{ \"c\": 1 }", "d": 1}})]);
    refuses(
        "a: &b 'x\ny'\nc: *d\ne: 'x\ny' z\n",
        &[
            "3:4: the alias repeats an anchor that this document does not have (define it before, or put a text that starts with * in quotes)",
            "5:4: invalid trailing content after single-quoted scalar",
        ],
    );
}

#[test]
fn merges_that_lose_nothing_are_applied() {
    let base = json!({"x": 1, "z": 2});
    reads("a: &a {x: 1, z: 2}\nb: {<<: *a, z: 3}\n", &[json!({"a": base, "b": {"x": 1, "z": 3}})]);
    reads("a: &a {x: 1, z: 2}\nb: {w: 0, <<: [{x: 9}, *a]}\n", &[json!({"a": base, "b": {"x": 9, "z": 2, "w": 0}})]);
    reads("b: {'<<': {x: 1}}\n", &[json!({"b": {"<<": {"x": 1}}})]);
}

#[test]
fn keys_that_would_be_lost_are_refused() {
    refuses(
        "a: 1\nb: 2\na: 3\n",
        &["3:1: the key \"a\" is already on line 1; only the last one would count (remove one of them)"],
    );
    refuses(
        "{\"a\": 1,\n \"a\": 2}",
        &["2:2: the key \"a\" is already on line 1; only the last one would count (remove one of them)"],
    );
    refuses(
        "yes: 1\ntrue: 2\n",
        &["2:1: the key \"true\" is already on line 1; only the last one would count (remove one of them)"],
    );
    refuses("1: a\n01: b\n", &["2:1: the key 01 is read as \"1\", which line 1 already has (remove one of them)"]);
    refuses(
        "a: &a {x: 1}\nb:\n  x: 2\n  <<: *a\n",
        &["4:3: the key \"x\" stands before << and would be overwritten by it (write << first)"],
    );
    refuses(
        "a: &a {x: 1}\nb:\n  <<: *a\n  <<: {z: 2}\n",
        &["4:3: the key << is there twice (write it once, with a list: <<: [*a, *b])"],
    );
    refuses(
        "a: &a {x: 1}\nb:\n  <<: *a\n  x: 2\n  x: 3\n",
        &["5:3: the key \"x\" is already on line 4; only the last one would count (remove one of them)"],
    );
}

#[test]
fn content_that_would_be_dropped_is_refused() {
    refuses(
        "a: 1\n...\nb: 2\n",
        &[
            "3:1: kubectl drops what stands behind the end of a document (start the next document with a line of three dashes)",
        ],
    );
    refuses(
        "a: 1\r---\rb: 2\r",
        &[
            "2:1: kubectl drops what stands behind the end of a document (start the next document with a line of three dashes)",
        ],
    );
    refuses(
        "a: 1\n%b\n",
        &["2:1: a line that starts with % is a directive, which Kubernetes does not read (remove it)"],
    );
    refuses(
        "%YAML 1.2\n---\na: 1\n",
        &["1:1: a line that starts with % is a directive, which Kubernetes does not read (remove it)"],
    );
    refuses("a: 1\n--- {b: 2}\n", &["2:4: text stands behind --- (put it on a line of its own)"]);
    refuses(b"a: 1\nb: x\xffy\n", &["2:5: the byte 0xff is not UTF-8 (store the file as UTF-8)"]);
    refuses(
        "a: \"x\u{1}\"\n",
        &[
            "1:6: the control character U+0001 is not allowed in YAML (remove it, or write it as an escape in double quotes)",
        ],
    );
    refuses(
        "a: !!binary /w==\n",
        &["1:13: the value of !!binary is not text, and JSON holds only text: kubectl would damage it \
         (remove the tag and keep it in base64, as Secret.data and ConfigMap.binaryData expect it)"],
    );
    refuses(
        "a: .inf\n",
        &["1:4: infinity and .nan are numbers that JSON does not have (put it in quotes if it is text)"],
    );
}

#[test]
fn every_problem_of_a_file_is_reported() {
    refuses(
        "a: *x\nb: !!int c\n~: 1\nd: [*y]\n? [e]\n: 1\n",
        &[
            "1:4: the alias repeats an anchor that this document does not have (define it before, or put a text that starts with * in quotes)",
            "2:10: the value can't be read as !!int (remove the tag or correct the value)",
            "3:1: the key null has no name in JSON (put the key in quotes)",
            "4:5: the alias repeats an anchor that this document does not have (define it before, or put a text that starts with * in quotes)",
            "5:3: a key must be text, not a sequence or a mapping (put the key in quotes; {{ … }} is a template, which has to be rendered first)",
        ],
    );
    refuses(
        "a: [\n---\nb: 1\nb: 2\n---\nc: \"\n---\nd: 1\n",
        &[
            "1:4: unclosed bracket '[' (close it)",
            "4:1: the key \"b\" is already on line 3; only the last one would count (remove one of them)",
            "7:1: the quoted text has no end (close the quotes)",
        ],
    );
    refuses(
        "a: {{ .Values.x }}\n",
        &[
            "1:5: a key must be text, not a sequence or a mapping (put the key in quotes; {{ … }} is a template, which has to be rendered first)",
        ],
    );
    refuses(
        "a: 1\n b: 2\n",
        &[
            "2:3: mapping values are not allowed in this context (indent it as its neighbours, or quote a value that contains \": \")",
        ],
    );
    refuses("a:\n\tb: 2\n", &["2:2: tabs disallowed within this context (block indentation) (indent with spaces)"]);
    refuses("a: @b\n", &["1:4: unexpected character: `@' (put the value in quotes)"]);
    refuses(
        "{a: 1}\n",
        &[
            "1:2: found 'a' where JSON has a key in double quotes (a file that starts with { is read as JSON; put a line of three dashes above it if it is YAML)",
        ],
    );
}
