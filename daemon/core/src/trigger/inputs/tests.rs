//! Digests and lists of changes: what they depend on, and what not.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::trigger::{globs::Globs, name::ComponentName};

fn paths(components: &[&[&str]]) -> Paths {
    let named = |patterns: &&[&str]| {
        let patterns: Vec<String> = patterns.iter().map(|pattern| (*pattern).to_owned()).collect();
        (ComponentName::parse("c").expect("a name"), Globs::parse(&patterns).expect("patterns"))
    };
    Paths::new(&components.iter().map(named).collect::<Vec<_>>()).expect("not too many")
}

fn path(text: &str) -> RepoPath {
    RepoPath::parse(text).expect("a path")
}

fn entry(name: &str, content: u32, mode: u32) -> Entry {
    Entry { path: path(name), id: TreeId::parse(&format!("{content:040x}")).expect("an id"), mode }
}

fn file(name: &str, content: u32) -> Entry {
    entry(name, content, 0o100_644)
}

#[test]
fn a_digest_is_of_mode_content_and_path() {
    let all = paths(&[&[]]);
    let of = |entries: &[Entry]| digests(&all, entries).remove(0);
    let first = of(&[file("a", 1), file("b", 2)]);
    // It is in statuses: where this changes, every component of every trigger is built.
    assert_eq!(first, Some(InputsDigest("b925e368d639467a484d9731f667dc3c".to_owned())));
    let others = [
        of(&[file("a", 1), file("b", 3)]),
        of(&[file("a", 1), file("c", 2)]),
        of(&[file("a", 1), entry("b", 2, 0o100_755)]),
        of(&[file("a", 1), entry("b", 2, 0o160_000)]),
        of(&[file("a", 2), file("b", 1)]),
        of(&[file("a", 1)]),
        of(&[file("a/b", 1), file("b", 2)]),
        None,
    ];
    for other in others {
        assert_ne!(other, first);
    }
    assert_eq!(of(&[]), None);
}

#[test]
fn each_component_has_a_digest_of_what_it_reads() {
    let entries = [file("a/x", 1), file("a/y.md", 2), file("lib/l", 3)];
    let found =
        digests(&paths(&[&["a/**"], &["lib/**"], &["a/**", "!**/*.md"], &["a/x"], &["none/**"], &[]]), &entries);
    assert_eq!(found[2], found[3], "other patterns that lead to the same files are no change");
    assert_eq!(found[4], None);
    assert_eq!([0, 1, 2, 5].map(|index| found[index].is_some()), [true; 4]);
    assert!(found[0] != found[1] && found[0] != found[2] && found[0] != found[5]);
}

#[test]
fn changes_are_named_and_what_is_too_much_is_counted() {
    let own = paths(&[&["b/**"], &["a/**", "!**/*.md"]]);
    let before = [file("a/1", 1), file("a/2", 2), file("a/3", 3), file("b/1", 1), file("a/x.md", 1)];
    let after = [file("a/4", 4), file("a/2", 9), entry("a/3", 3, 0o100_755), file("b/1", 2), file("a/x.md", 2)];
    let found = changed(&own, 1, &before, &after);
    assert_eq!(found, Changed { names: ["a/1", "a/2", "a/3", "a/4"].map(path).to_vec(), more: 0 });
    assert_eq!(found.to_string(), "a/1\na/2\na/3\na/4");
    assert_eq!(changed(&own, 0, &before, &after).to_string(), "b/1");
    assert_eq!(changed(&own, 1, &before, &before).to_string(), "");
    assert_eq!(changed(&own, 1, &[], &before).to_string(), "a/1\na/2\na/3");

    let all = paths(&[&[]]);
    let many: Vec<Entry> = (0..CHANGED_MAX + 5).map(|n| file(&format!("f{n:04}"), 1)).collect();
    let found = changed(&all, 0, &many, &[]);
    assert_eq!((found.names.len(), found.more), (CHANGED_MAX, 5));
    assert!(found.to_string().ends_with("f0199\nand 5 more"), "{found}");
    let long = "l".repeat(CHANGED_BYTES_MAX - 2);
    let found = changed(&all, 0, &[], &[file("a", 1), file("b", 1), file(&format!("b/{long}"), 1), file("c", 1)]);
    assert_eq!((found.names, found.more), (["a", "b"].map(path).to_vec(), 2));
    let found = changed(&all, 0, &[], &[file(&format!("{long}ll"), 1)]);
    assert_eq!(found.to_string(), "1 with long names");
}

type Tree = BTreeMap<String, (u32, bool)>;

fn tree() -> impl Strategy<Value = Tree> {
    prop::collection::btree_map("[ab](/[ab]){0,2}", (0..3u32, any::<bool>()), 0..8)
}

fn entries(tree: &Tree) -> Vec<Entry> {
    let mode = |executable| if executable { 0o100_755 } else { 0o100_644 };
    tree.iter().map(|(name, (content, executable))| entry(name, *content, mode(*executable))).collect()
}

proptest! {
    #[test]
    fn a_digest_tells_the_files_apart_and_nothing_else(one in tree(), other in tree(), seed in any::<prop::sample::Index>()) {
        let paths = paths(&[&["a/**"], &[], &["!b/**"]]);
        let (first, mut turned) = (entries(&one), entries(&one));
        if !turned.is_empty() {
            let length = turned.len();
            turned.rotate_left(seed.index(length));
            turned.swap(0, length / 2);
        }
        prop_assert_eq!(digests(&paths, &first), digests(&paths, &turned));
        let reads: [fn(&str) -> bool; 3] =
            [|name| name.starts_with("a/"), |_| true, |name| !name.starts_with("b/")];
        let second = entries(&other);
        let (known, found) = (digests(&paths, &first), digests(&paths, &second));
        for (component, reads) in reads.into_iter().enumerate() {
            let of = |tree: &Tree| tree.clone().into_iter().filter(|(name, _)| reads(name)).collect::<Tree>();
            let (mine, theirs) = (of(&one), of(&other));
            prop_assert_eq!(known[component] == found[component], mine == theirs);
            prop_assert_eq!(known[component].is_none(), mine.is_empty());
            let differs = |name: &&String| mine.get(*name) != theirs.get(*name);
            let mut expected: Vec<RepoPath> = mine.keys().chain(theirs.keys()).filter(differs).map(|name| path(name)).collect();
            expected.sort();
            expected.dedup();
            prop_assert_eq!(changed(&paths, component, &first, &second), Changed { names: expected, more: 0 });
        }
    }
}
