//! The threat model names its proofs: every test and every scenario in its table exists.

use crate::page::{Page, page, root};

/// The classes of vulnerabilities that the table has at least.
const CLASSES: [&str; 9] = [
    "path traversal",
    "symlinks",
    "credential leak in errors and logs",
    "cross-tenant references",
    "confused deputy",
    "webhook without authentication",
    "denial of service by manifests",
    "template escape",
    "secrets in diffs",
];

/// One row: the class, and the cells after it.
fn rows(page: &Page) -> Vec<Vec<&str>> {
    let lines = page.section("## Threat model").lines().filter(|line| line.starts_with("| "));
    lines.skip(1).map(|line| line.trim_matches('|').split(" | ").map(str::trim).collect()).collect()
}

/// Returns what stands in code in a cell.
fn code(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

/// Returns whether a file has a test of this name that is run.
fn has_test(text: &str, name: &str) -> bool {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let begins = |line: &&str| ["fn ", "async fn "].iter().any(|before| line.starts_with(&format!("{before}{name}(")));
    let Some(place) = lines.iter().position(begins) else { return false };
    let before = lines[..place].iter().rev().take_while(|line| line.starts_with("#[") || line.starts_with("///"));
    before.into_iter().any(|line| line.starts_with("#[test]") || line.starts_with("#[tokio::test"))
}

/// Returns what is wrong with the proofs of one row.
fn unproved(cell: &str) -> Vec<String> {
    let (mut wrong, mut file, mut proofs) = (Vec::new(), None, 0);
    for word in code(cell) {
        if !word.contains('/') {
            let text: Option<&String> = file.as_ref();
            proofs += 1;
            if !text.is_some_and(|text| has_test(text, word)) {
                wrong.push(format!("there is no test {word}"));
            }
        } else if word.ends_with(".rs") {
            file = std::fs::read_to_string(root().join(word)).ok();
            if file.is_none() {
                wrong.push(format!("there is no file {word}"));
            }
        } else {
            proofs += 1;
            if !root().join(word).join("expected.txt").exists() {
                wrong.push(format!("there is no scenario {word}"));
            }
        }
    }
    if proofs == 0 {
        wrong.push("nothing proves it".to_owned());
    }
    wrong
}

#[test]
fn every_defence_of_the_threat_model_names_tests_that_exist() {
    let page = page("docs/security.md");
    let rows = rows(&page);
    let classes: Vec<&str> = rows.iter().map(|cells| cells[0]).collect();
    let missing: Vec<_> = CLASSES.iter().filter(|class| !classes.contains(class)).collect();
    assert!(missing.is_empty(), "no row for {missing:?} among {classes:?}");
    for cells in rows {
        let [class, published, defence, proof] = cells[..] else { panic!("{cells:?} has not four cells") };
        assert!(!defence.is_empty() && !published.is_empty(), "{class}");
        assert_eq!(unproved(proof), [""; 0], "{class}");
    }
}

#[test]
fn a_proof_that_is_gone_is_noticed() {
    let here = "tests/tests/docs/threats.rs";
    let check = |cell: &str, expected: &[&str]| assert_eq!(unproved(cell), expected, "{cell}");
    check(&format!("`{here}`: `a_proof_that_is_gone_is_noticed`"), &[]);
    check(&format!("`{here}`: `unproved`"), &["there is no test unproved"]);
    check("`a_proof_that_is_gone_is_noticed`", &["there is no test a_proof_that_is_gone_is_noticed"]);
    check("`tests/nowhere.rs`", &["there is no file tests/nowhere.rs", "nothing proves it"]);
    check("`tests/scenarios/nothing-of-the-sort`", &["there is no scenario tests/scenarios/nothing-of-the-sort"]);
    check("some words", &["nothing proves it"]);
}
