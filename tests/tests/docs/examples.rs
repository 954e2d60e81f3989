//! Examples of plumb's resources in the documents are what a real API server takes.

use std::{fs, process::Command};

use tempfile::TempDir;

use crate::page::{page, pages};

/// Returns the examples of all documents, each with the document it stands in.
fn examples() -> Vec<(String, String)> {
    let all = pages().into_iter().flat_map(|page| {
        let blocks = page.blocks("yaml");
        blocks.into_iter().map(move |block| (page.path.clone(), block))
    });
    all.filter(|(_, block)| block.contains("plumb.dev/")).collect()
}

#[test]
fn examples_pass_plumb_check() {
    for (page, text) in examples() {
        let folder = TempDir::with_prefix("plumb-docs-").expect("a folder");
        fs::write(folder.path().join("example.yaml"), &text).expect("a file");
        let answer = Command::new(lab::process::plumb()).arg("check").arg(folder.path()).output().expect("an answer");
        let said = String::from_utf8_lossy(&answer.stdout);
        assert!(answer.status.success(), "{page}:\n{text}\n{said}");
    }
}

#[test]
fn examples_pass_a_real_api_server() {
    let plane = lab::shared();
    let install = Command::new(lab::process::plumb()).args(["install", "--crds-only"]).output().expect("definitions");
    let definitions = String::from_utf8(install.stdout).expect("text");
    plane.kubectl_with_input(&["apply", "--server-side", "-f", "-"], &definitions).expect("definitions that are taken");
    let names = ["crd/environments.plumb.dev", "crd/repositories.plumb.dev"];
    let wait = ["wait", "--for=condition=Established", "--timeout=60s", names[0], names[1]];
    plane.kubectl(&wait).expect("definitions that are served");
    plane.kubectl(&["create", "namespace", "platform"]).expect("the namespace of the examples");
    let found = examples();
    for (page, text) in &found {
        let answer = plane.kubectl_with_input(&["apply", "--server-side", "--dry-run=server", "-f", "-"], text);
        assert!(answer.is_ok(), "{page}:\n{text}\n{}", answer.unwrap_err());
    }
    assert!(found.len() >= 3, "only {} examples were found", found.len());
}

#[test]
fn the_first_example_is_ten_lines_of_both_resources() {
    let readme = page("README.md");
    let block = readme.blocks("yaml").into_iter().next().expect("an example");
    assert!(block.contains("kind: Repository") && block.contains("kind: Environment"), "{block}");
    assert!(block.lines().count() <= 10, "{block}");
}
