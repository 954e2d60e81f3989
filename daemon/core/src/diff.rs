//! What would change, as people read it: a unified diff of two states of one object.
//!
//! Owns: what is left out of a diff, and the limits of comparing. May touch: text that the caller printed; core writes
//! no YAML. Must never do: take time that grows with the square of what somebody put into a ConfigMap, read a clock to
//! avoid that (equal input, equal diff), or let a Secret's value through.

use std::{collections::BTreeMap, fmt::Write as _};

use serde_json::Value;
use similar::TextDiff;

use crate::redact;

/// Unchanged lines around a change, as `diff -u` has it.
const CONTEXT: usize = 3;

/// Lines between the first and the last difference that are compared whatever they say: the worst case is the square
/// of it, some tenths of a second.
const LINES_COMPARED: usize = 8_000;

/// Lines that are compared if nearly all of them are in both texts, as in a large CRD with small changes.
const LINES_COMPARED_IF_ALIKE: usize = 24_000;

/// Lines that may be in one text only for both to count as alike.
const LINES_UNLIKE: usize = 500;

/// What the API server fills in about an object as a whole: different after every write, never wanted by anybody.
const BOOKKEEPING: [&str; 6] =
    ["creationTimestamp", "generation", "managedFields", "resourceVersion", "selfLink", "uid"];

/// Returns two states of an object as a diff shows them: without the server's bookkeeping and the status, Secrets
/// redacted so that equal values are equal and different ones differ. `Null` stands for an object that is not there.
pub fn shown(before: &Value, after: &Value) -> (Value, Value) {
    let (mut before, mut after) = redact::pair(before, after);
    for object in [&mut before, &mut after] {
        let Some(fields) = object.as_object_mut() else { continue };
        fields.remove("status");
        if let Some(Value::Object(metadata)) = fields.get_mut("metadata") {
            metadata.retain(|name, _| !BOOKKEEPING.contains(&name.as_str()));
        }
    }
    (before, after)
}

/// Returns the unified diff of two texts under the given name, empty if they are equal; texts that differ too much to
/// compare line by line get one line that says so.
pub fn unified(before: &str, after: &str, name: &str) -> String {
    if before == after {
        return String::new();
    }
    let (old, new) = (format!("live/{name}"), format!("desired/{name}"));
    let span = differing(before, after);
    if !span.is_comparable() {
        let mut summary = format!("--- {old}\n+++ {new}\n");
        let (first, gone, come) = (span.first + 1, span.before.len(), span.after.len());
        writeln!(summary, "@@ -{first},{gone} +{first},{come} @@ too many lines differ to compare them one by one")
            .expect("because writing to a String cannot fail");
        return summary;
    }
    TextDiff::from_lines(before, after).unified_diff().context_radius(CONTEXT).header(&old, &new).to_string()
}

/// What is left of two texts without the lines that they begin and end with in common.
struct Span<'a> {
    /// Lines in common before it.
    first: usize,
    before: Vec<&'a str>,
    after: Vec<&'a str>,
}

fn differing<'a>(before: &'a str, after: &'a str) -> Span<'a> {
    let (mut before, mut after): (Vec<&str>, Vec<&str>) = (before.lines().collect(), after.lines().collect());
    let first = before.iter().zip(&after).take_while(|(old, new)| old == new).count();
    before.drain(..first);
    after.drain(..first);
    let last = before.iter().rev().zip(after.iter().rev()).take_while(|(old, new)| old == new).count();
    before.truncate(before.len() - last);
    after.truncate(after.len() - last);
    Span { first, before, after }
}

impl Span<'_> {
    fn is_comparable(&self) -> bool {
        let lines = self.before.len() + self.after.len();
        lines <= LINES_COMPARED || (lines <= LINES_COMPARED_IF_ALIKE && self.unlike() <= LINES_UNLIKE)
    }

    /// Returns how many lines are in one of the texts only, each as often as it is.
    fn unlike(&self) -> usize {
        let mut surplus: BTreeMap<&str, i64> = BTreeMap::new();
        for line in &self.before {
            *surplus.entry(line).or_default() += 1;
        }
        for line in &self.after {
            *surplus.entry(line).or_default() -= 1;
        }
        surplus.values().map(|count| usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX)).sum()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn lines(numbers: impl Iterator<Item = usize>) -> String {
        numbers.map(|n| format!("line {n}\n")).collect()
    }

    #[test]
    fn a_change_is_shown_with_its_surroundings() {
        assert_eq!(unified("a: 1\n", "a: 1\n", "ConfigMap shop/c"), "");
        assert_eq!(
            unified("a: 1\nb: 2\n", "a: 1\nb: 3\n", "ConfigMap shop/c"),
            "--- live/ConfigMap shop/c\n+++ desired/ConfigMap shop/c\n@@ -1,2 +1,2 @@\n a: 1\n-b: 2\n+b: 3\n"
        );
        assert_eq!(unified("", "a: 1\n", "x"), "--- live/x\n+++ desired/x\n@@ -0,0 +1 @@\n+a: 1\n");
        assert_eq!(unified("a: 1\n", "", "x"), "--- live/x\n+++ desired/x\n@@ -1 +0,0 @@\n-a: 1\n");
    }

    #[test]
    fn far_changes_of_a_large_text_are_shown_one_by_one() {
        let before = lines(0..11_000);
        let after = before.replace("line 7\n", "line seven\n").replace("line 10500\n", "");
        let diff = unified(&before, &after, "x");
        assert!(diff.contains("-line 7\n+line seven\n") && diff.contains("-line 10500\n"), "{diff}");
        assert_eq!(diff.matches("@@ -").count(), 2);
    }

    #[test]
    fn texts_without_anything_in_common_are_only_counted() {
        let common = "head\n";
        let (before, after) = (lines(0..9_000), lines(20_000..30_000));
        let diff = unified(&format!("{common}{before}"), &format!("{common}{after}"), "x");
        assert_eq!(
            diff,
            "--- live/x\n+++ desired/x\n@@ -2,9000 +2,10000 @@ too many lines differ to compare them one by one\n"
        );
    }

    #[test]
    fn bookkeeping_and_secrets_are_not_shown() {
        let metadata = json!({"name": "s", "uid": "u", "resourceVersion": "1", "generation": 1, "managedFields": [],
                              "labels": {"x": "y"}});
        let live = json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "status": {"x": 1},
                          "data": {"a": "YQ==", "b": "Yg=="}});
        let desired = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"},
                             "data": {"b": "Yw=="}, "stringData": {"a": "a"}});
        let (before, after) = shown(&live, &desired);
        assert_eq!(before["metadata"], json!({"name": "s", "labels": {"x": "y"}}));
        assert_eq!(before.get("status"), None);
        assert_eq!(before["data"]["a"], after["data"]["a"]);
        assert_ne!(before["data"]["b"], after["data"]["b"]);
        assert!(!format!("{before}{after}").contains("Y"), "{before}{after}");
        assert_eq!(shown(&Value::Null, &json!({"a": 1})), (Value::Null, json!({"a": 1})));
    }
}
