//! The lenient reader against kubectl's own answers, recorded in `data/yaml-cases.json`.
//!
//! Each case holds a file and what `kubectl annotate --local -f FILE -o json` made of it: documents or an error.

use std::collections::BTreeMap;

use base64::Engine as _;
use plumb_core::commit::RepoPath;
use plumb_render::{
    plain,
    yaml::{Options, Strictness},
};
use serde::Deserialize;
use serde_json::Value;

/// Where plumb answers otherwise than kubectl, and why that is right or harmless.
const EXCEPTIONS: &[(&str, &str)] = &[
    ("F:anno-null", "kubectl drops a null annotation silently; here null is refused, as it is no string"),
    ("F:doc-tab-only-line", "a line of nothing but a tab is blank in YAML 1.2; nothing is lost by reading it"),
    ("bom-mid", "a byte-order mark inside a value is refused: nobody sees it, so nobody can mean it"),
    ("comment-hash-nospace", "\"a\"#c is refused, as YAML says: it is more likely a missing quote than a comment"),
    ("ls", "U+2028 is text in YAML 1.2, a line break in 1.1; nothing is lost by reading it"),
    ("nel", "U+0085 is text in YAML 1.2, a line break in 1.1; nothing is lost by reading it"),
    ("v:\"a\\/b\"", "\\/ is an escape of JSON and of YAML 1.2; it can mean only one thing"),
];

#[derive(Deserialize)]
struct Case {
    id: String,
    yaml: Option<String>,
    yaml_base64: Option<String>,
    kubectl: Answer,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Answer {
    Documents(Vec<Value>),
    Error(String),
}

impl Case {
    fn bytes(&self) -> Vec<u8> {
        match (&self.yaml, &self.yaml_base64) {
            (Some(text), None) => text.clone().into_bytes(),
            (None, Some(encoded)) => base64::engine::general_purpose::STANDARD.decode(encoded).expect("base64"),
            _ => panic!("{}: a case has either text or bytes", self.id),
        }
    }
}

/// Returns how plumb differs from kubectl, if it does.
fn difference(case: &Case) -> Option<String> {
    let options = Options { strictness: Strictness::Lenient, ..Options::default() };
    let file = RepoPath::parse("case.yaml").expect("a path");
    let read = plain::manifests(&file, &case.bytes(), &options);
    match (&case.kubectl, read) {
        (Answer::Error(_), Err(_)) => None,
        (Answer::Documents(expected), Ok(manifests)) => {
            let found: Vec<Value> = manifests.iter().map(|manifest| Value::clone(&manifest.value)).collect();
            let expected: Vec<Value> = expected.iter().map(normalised).collect();
            (found != expected).then(|| format!("read {found:?}, kubectl read {expected:?}"))
        }
        (Answer::Error(error), Ok(_)) => Some(format!("was read, kubectl refuses it: {error}")),
        (Answer::Documents(_), Err(problems)) => Some(format!("was refused, kubectl reads it: {}", problems[0])),
    }
}

/// Integers beyond `i64` are floats to kubectl, however its answer is written.
fn normalised(value: &Value) -> Value {
    match value {
        Value::Number(number) if !number.is_i64() => number.as_f64().into(),
        Value::Array(elements) => elements.iter().map(normalised).collect(),
        Value::Object(entries) => entries.iter().map(|(key, value)| (key.clone(), normalised(value))).collect(),
        other => other.clone(),
    }
}

#[test]
fn the_lenient_reader_answers_as_kubectl_does() {
    let cases: Vec<Case> = serde_json::from_str(include_str!("data/yaml-cases.json")).expect("the cases");
    assert_eq!(cases.len(), 276);
    let mut differences: BTreeMap<&str, String> =
        cases.iter().filter_map(|case| Some((case.id.as_str(), difference(case)?))).collect();
    for (id, reason) in EXCEPTIONS {
        let difference = differences.remove(id);
        assert!(difference.is_some(), "{id} ({reason}) is no exception any more: take it off the list");
    }
    assert!(EXCEPTIONS.len() <= 8);
    assert!(differences.is_empty(), "{differences:#?}");
}
