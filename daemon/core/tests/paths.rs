//! A large repository with many components: every file is held against the patterns of all of them, in time and rightly.
//!
//! The time is judged in the release profile alone: `cargo test --release -p plumb-core --test paths`.

use std::time::{Duration, Instant};

use plumb_core::{
    commit::{RepoPath, TreeId},
    trigger::{
        globs::{Globs, Paths},
        inputs::{Entry, digests},
        name::ComponentName,
    },
};

const FILES: usize = 10_000;
const COMPONENTS: usize = 200;
/// What matching one push may take.
const MATCHING_MAX: Duration = Duration::from_millis(50);
/// What reading the patterns may take; it is done when a trigger changes.
const COMPILING_MAX: Duration = Duration::from_millis(200);
/// What the digests of all components may take, matching included, where all of them read a thousand files.
const DIGESTS_MAX: Duration = Duration::from_millis(250);

fn component(index: usize) -> (ComponentName, Globs) {
    let own = format!("services/s{index:03}");
    let patterns = [
        format!("{own}/**"),
        format!("charts/*/values-s{index:03}.y{{a,}}ml"),
        "libs/**".to_owned(),
        "!**/*.md".to_owned(),
        format!("!{own}/**/testdata/**"),
        format!("{own}/docs/[A-Z]*.md"),
    ];
    let name = ComponentName::parse(&format!("s{index:03}")).expect("a name");
    (name, Globs::parse(&patterns).expect("patterns"))
}

/// Returns the files: of each service 40, and 1,000 that all of them read.
fn files() -> Vec<Entry> {
    let id = TreeId::parse(&"a".repeat(40)).expect("an id");
    let path = |index: usize| match index % 10 {
        0 => format!("libs/l{}/src/f{index}.go", index % 70),
        1 => format!("services/s{:03}/docs/f{index}.md", index / 10 % COMPONENTS),
        2 => format!("services/s{:03}/a/testdata/f{index}.json", index / 10 % COMPONENTS),
        3 => format!("web/pages/p{index}.html"),
        _ => format!("services/s{:03}/internal/d{}/f{index}.go", index / 10 % COMPONENTS, index % 7),
    };
    let entry = |index| Entry { path: RepoPath::parse(&path(index)).expect("a path"), id: id.clone(), mode: 0o100_644 };
    (0..FILES).map(entry).collect()
}

#[test]
fn a_push_to_many_components_is_matched_in_time() {
    let (components, files): (Vec<_>, _) = ((0..COMPONENTS).map(component).collect(), files());
    let begun = Instant::now();
    let paths = Paths::new(&components).expect("not too many");
    let compiled = begun.elapsed();
    let mut read = vec![0_usize; COMPONENTS];
    let matching = || {
        let begun = Instant::now();
        files.iter().for_each(|file| paths.each(&file.path, |index| read[index] += 1));
        begun.elapsed()
    };
    let matched = std::iter::repeat_with(matching).take(3).min().unwrap_or_default();
    // Of each service 30 files and the libraries, three times.
    assert_eq!(read, vec![3 * (30 + FILES / 10); COMPONENTS]);
    let begun = Instant::now();
    let found = digests(&paths, &files);
    let digested = begun.elapsed();
    assert!(found.iter().all(Option::is_some));
    if !cfg!(debug_assertions) {
        let times = format!("compiled in {compiled:?}, matched in {matched:?}, digests in {digested:?}");
        assert!(compiled <= COMPILING_MAX && matched <= MATCHING_MAX && digested <= DIGESTS_MAX, "{times}");
    }
}
