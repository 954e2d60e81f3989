//! Walking trees in memory: links, limits and what is refused.

use std::{collections::BTreeMap, convert::Infallible};

use super::*;

/// Files in memory; `Err` is the text of a link, `Ok` the size of a file.
struct Memory(BTreeMap<String, Result<u64, &'static str>>);

fn memory(entries: impl IntoIterator<Item = (String, Result<u64, &'static str>)>) -> Memory {
    Memory(entries.into_iter().collect())
}

fn node(entry: &Result<u64, &'static str>) -> Node<()> {
    match entry {
        Ok(bytes) => Node::File { bytes: *bytes, content: () },
        Err(target) => Node::Link(target.as_bytes().to_vec()),
    }
}

impl Store for Memory {
    type Content = ();
    type Fault = Infallible;

    fn list(&self, directory: &RepoPath) -> Result<Vec<Listed<()>>, Infallible> {
        let mut listed = BTreeMap::new();
        for (path, entry) in &self.0 {
            let below = match directory.is_root() {
                true => Some(path.as_str()),
                false => path.strip_prefix(directory.as_str()).and_then(|rest| rest.strip_prefix('/')),
            };
            match below.map(|below| below.split_once('/').ok_or(below)) {
                Some(Ok((name, _))) => drop(listed.insert(name, Node::Directory)),
                Some(Err(name)) => drop(listed.insert(name, node(entry))),
                None => {}
            }
        }
        Ok(listed.into_iter().map(|(name, node)| Listed { name: name.as_bytes().to_vec(), node }).collect())
    }

    fn node(&self, path: &RepoPath) -> Result<Option<Node<()>>, Infallible> {
        if let Some(entry) = self.0.get(path.as_str()) {
            return Ok(Some(node(entry)));
        }
        let below = format!("{path}/");
        Ok(self.0.keys().any(|other| other.starts_with(&below)).then_some(Node::Directory))
    }

    fn content(&self, (): &()) -> Result<(TreeId, Arc<[u8]>), Infallible> {
        Ok((TreeId::parse(&"0".repeat(40)).expect("an id"), Arc::from([])))
    }
}

fn read_all(store: &Memory) -> Read {
    let Ok(read) = read(store, &RepoPath::root());
    read.expect("the root is a directory")
}

#[test]
fn every_limit_is_a_problem_and_none_is_a_hang() {
    let check = |store: Memory, expected: &str| {
        let problems = read_all(&store).problems;
        assert!(problems.iter().any(|problem| problem.message.contains(expected)), "{expected}: {problems:?}");
        assert!(problems.iter().all(|problem| !problem.remedy.is_empty()));
    };
    check(memory([("a".into(), Ok(MAX_FILE_BYTES + 1))]), "is larger than 16 MiB");
    let large = (0..=MAX_TOTAL_BYTES / MAX_FILE_BYTES).map(|number| (format!("{number}"), Ok(MAX_FILE_BYTES)));
    check(memory(large), "exceed 256 MiB");
    check(memory((0..=MAX_ENTRIES).map(|number| (format!("{number}"), Ok(1)))), "more than 100000 files");
    check(memory([(format!("{}a", "d/".repeat(MAX_DEPTH)), Ok(1))]), "deeper than 64");
    // Each directory holds ten links to the next: 10^9 files for whoever follows them all.
    let targets = ["../b", "../c", "../d", "../e", "../f", "../g", "../h", "../i", "../j"];
    let fans = ["a", "b", "c", "d", "e", "f", "g", "h", "i"];
    let bomb = fans
        .iter()
        .zip(targets)
        .flat_map(|(name, target)| (0..10).map(move |number| (format!("{name}/{number}"), Err(target))));
    check(memory(bomb.chain([("j/a".into(), Ok(1))])), "more than 100000 files");
    let chain = (0..50).map(|number| (format!("{number:02}"), Err(&*format!("{:02}", number + 1).leak())));
    check(memory(chain), "more than 40 others");
}

#[test]
fn names_that_no_path_can_hold_are_problems() {
    for name in [&b"\xff"[..], b"..", b".", b"", b"a/b"] {
        assert_eq!(usable(name), None, "{name:?}");
    }
    assert_eq!(usable("ä b".as_bytes()), Some("ä b"));
    let problems = read_all(&memory([("a\\b".into(), Ok(1))])).problems;
    assert!(problems[0].message.contains("unusable name"), "{problems:?}");
}

#[test]
fn files_come_sorted_by_path() {
    let store = memory(["b", "a.yaml", "a/x", "a-b"].map(|name| (name.to_owned(), Ok(1))));
    let paths: Vec<_> = read_all(&store).files.into_iter().map(|file| file.path.as_str().to_owned()).collect();
    assert_eq!(paths, ["a-b", "a.yaml", "a/x", "b"]);
}
