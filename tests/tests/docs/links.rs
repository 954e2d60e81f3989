//! Links between documents lead somewhere.

use std::path::Path;

use crate::page::{Page, pages, root};

/// Returns the targets of all links that stay in the repository.
fn targets(page: &Page) -> Vec<String> {
    let text = page.prose();
    let targets = text.split("](").skip(1).filter_map(|part| Some(part.split_once(')')?.0.to_owned()));
    targets.filter(|target| !target.contains("://")).collect()
}

/// Returns the anchors that GitHub makes of a document's headings.
fn anchors(text: &str) -> Vec<String> {
    let headings = text.lines().filter(|line| line.starts_with('#'));
    let anchor = |heading: &str| {
        let words = heading.trim_start_matches('#').trim().to_lowercase();
        let kept = words.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    };
    headings.map(anchor).collect()
}

#[test]
fn every_link_leads_to_a_file_and_a_heading() {
    let mut checked = 0;
    for page in pages() {
        let folder = root().join(&page.path).parent().map(Path::to_owned).expect("a folder");
        for target in targets(&page) {
            let (path, anchor) = target.split_once('#').unwrap_or((&target, ""));
            let file = if path.is_empty() { root().join(&page.path) } else { folder.join(path) };
            assert!(file.exists(), "{}: {target} does not exist", page.path);
            if !anchor.is_empty() {
                let text = std::fs::read_to_string(&file).expect("a document");
                assert!(anchors(&text).iter().any(|found| found == anchor), "{}: no heading for {target}", page.path);
            }
            checked += 1;
        }
    }
    assert!(checked > 10, "only {checked} links were found");
}
