//! Patterns against a matcher that is slow and simple, and what is refused.

use proptest::prelude::*;

use super::*;

fn globs(patterns: &[&str]) -> Result<Globs, Vec<InvalidGlob>> {
    Globs::parse(&patterns.iter().map(|pattern| (*pattern).to_owned()).collect::<Vec<_>>())
}

fn paths(components: &[&[&str]]) -> Paths {
    let named = |(index, patterns): (usize, &&[&str])| {
        let name = ComponentName::parse(&format!("c{index}")).expect("a name");
        (name, globs(patterns).expect("patterns"))
    };
    Paths::new(&components.iter().enumerate().map(named).collect::<Vec<_>>()).expect("not too many")
}

fn readers(paths: &Paths, path: &str) -> Vec<usize> {
    let mut found = Vec::new();
    paths.each(&RepoPath::parse(path).expect("a path"), |index| found.push(index));
    found
}

#[test]
fn patterns_fit_what_they_look_like() {
    #[track_caller]
    fn check(patterns: &[&str], fits: &[&str], not: &[&str]) {
        let paths = paths(&[patterns]);
        for path in fits {
            assert_eq!(readers(&paths, path), [0], "{patterns:?} fits {path}");
        }
        for path in not {
            assert_eq!(readers(&paths, path), [] as [usize; 0], "{patterns:?} does not fit {path}");
        }
    }
    check(&[], &["a", "a/b/c", ".gitignore"], &[]);
    check(&["**"], &["a", "a/b/c", ".a"], &[]);
    check(&["*"], &["a", ".a"], &["a/b"]);
    check(
        &["services/cart/**"],
        &["services/cart/a", "services/cart/a/b"],
        &["services/cart", "services/cart2/a", "x"],
    );
    check(
        &["services/cart"],
        &["services/cart", "services/cart/a/b"],
        &["services/cart2", "services", "a/services/cart"],
    );
    check(&["docs/"], &["docs/a", "docs/a/b"], &["docs", "a/docs/b"]);
    check(&["**/docs/"], &["docs/a", "x/y/docs/a/b"], &["docs", "x/docs"]);
    check(&["services/*/Dockerfile"], &["services/a/Dockerfile"], &["services/Dockerfile", "services/a/b/Dockerfile"]);
    check(&["**/*.go"], &["a.go", "a/b.go", ".go"], &["a.gox", "a.go/b"]);
    check(&["a/**/b"], &["a/b", "a/x/b", "a/x/y/b"], &["ab", "a/xb", "x/a/b"]);
    check(&["docs/**.md"], &["docs/a.md", "docs/x/a.md", "docs/.md"], &["docs.md", "docs/a.txt"]);
    check(&["lib**"], &["lib", "libs", "libs/a/b", "lib/a"], &["a/lib", "li"]);
    check(&["a**/b"], &["a/b", "ax/b", "ax/y/b"], &["b", "ab"]);
    check(&["a**z"], &["az", "abz", "ab/cz", "a/b/z", "a/z"], &["a", "a/b"]);
    check(&["a?c"], &["abc", "a.c"], &["ac", "a/c", "abbc"]);
    check(&["[a-c]x"], &["ax", "cx"], &["dx", "x"]);
    check(&["[!a]x", "![b^]x"], &["cx"], &["ax", "bx", "^x"]);
    check(&["a[!b]c"], &["axc", "a-c"], &["abc", "a/c"]);
    check(&["a[!-b]c"], &["axc"], &["abc", "a-c", "a/c"]);
    check(&["a[!+-9]c"], &["axc"], &["a5c", "a/c"]);
    check(&["a[^b]c"], &["axc"], &["abc", "a/c"]);
    check(&["x.{yaml,yml}"], &["x.yaml", "x.yml"], &["x.yam", "x.{yaml,yml}"]);
    check(&["{a,b/{c,d}}/e{,f}"], &["a/e", "b/c/ef", "b/d/e"], &["b/e", "a/f"]);
    check(&["{a,**/b}"], &["a", "a/x", "b", "x/y/b"], &["x/a"]);
    check(&["\\*\\{\\!"], &["*{!"], &["a{!"]);
    check(&["\\!a"], &["!a"], &["a"]);
    check(&["!**/*.md"], &["a", "a/b.go"], &["a.md", "a/b.md"]);
    check(&["!a", "!b/**"], &["c"], &["a", "a/x", "b/c"]);
    check(&["a/**", "!**/*.md"], &["a/b"], &["a/b.md", "b"]);
    check(&["a/**", "!**/*.md", "a/keep.md"], &["a/keep.md", "a/b"], &["a/b.md"]);
    check(&["!**/*.md", "a/**"], &["a/b.md"], &["b", "b.md"]);
    check(&["a", "!a"], &[], &["a"]);
    check(&["ü/*"], &["ü/a"], &["u/a"]);
    check(&["{ä,ö}"], &["ä", "ö"], &["ü"]);
    check(&["a,b"], &["a,b"], &["a"]);
    check(&["a]"], &["a]"], &["a"]);
}

#[test]
fn what_can_not_be_told_is_refused() {
    #[track_caller]
    fn check(pattern: &str, fault: &Fault, remedy: &str) {
        for (takes, written) in [("", pattern.to_owned()), ("!", format!("!{pattern}"))] {
            let found = globs(&["ok", &written]).expect_err(pattern);
            assert_eq!(found, [InvalidGlob { position: 1, pattern: written, fault: fault.clone() }], "{takes}");
            let said = found[0].to_string();
            assert!(said.starts_with("pattern 2, \"") && said.contains(remedy), "{said}");
        }
    }
    check("", &Fault::Empty, "write \"**\"");
    check("/", &Fault::Absolute, "leave the slash out");
    check("/a/**", &Fault::Absolute, "leave the slash out");
    check("{a,/b}", &Fault::Absolute, "leave the slash out");
    check("./a", &Fault::Here, "leave \"./\" out");
    check(".", &Fault::Here, "\"**\" is every file");
    check("a/./b", &Fault::Here, "leave \"./\" out");
    check("../a", &Fault::Above, "from the root");
    check("a/..", &Fault::Above, "from the root");
    check("a//b", &Fault::DoubleSlash, "/**/");
    check("a//", &Fault::DoubleSlash, "/**/");
    check(" a", &Fault::Space, "leave it out");
    check("a\n", &Fault::Space, "leave it out");
    check("a\u{7}b", &Fault::Control, "write \"?\"");
    check("a\\b", &Fault::Backslash('b'), "separated by \"/\"");
    check("a\\", &Fault::Backslash(' '), "separated by \"/\"");
    check("a/***/b", &Fault::Stars, "\"**\" for any directories");
    check("a**b**c", &Fault::Stars, "\"**\" for any directories");
    check("{*,a}*", &Fault::Stars, "\"**\" for any directories");
    for class in ["[", "[a", "[]", "[!]", "[c-a]", "[]a]"] {
        check(class, &Fault::Class, "write \"[abc]\"");
    }
    check("a[/]b", &Fault::ClassSlash, "{a/b,c}");
    check("a[+-9]b", &Fault::ClassSlash, "{a/b,c}");
    check("[äö]", &Fault::ClassBeyondAscii, "{ä,ö}");
    for braces in ["{a", "a}", "{a,b", "{a,{b}", "a,b}"] {
        check(braces, &Fault::Braces, "{a,b}");
    }
    check("{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}", &Fault::Alternatives, "several patterns");
    check(&"{".repeat(400), &Fault::Alternatives, "several patterns");
    check(&format!("a{{{}}}", ",b".repeat(80)), &Fault::Alternatives, "several patterns");
    check(&"a**b/".repeat(7), &Fault::Alternatives, "several patterns");
    check(&"a".repeat(PATTERN_LENGTH_MAX + 1), &Fault::Length, "more than 512 bytes");
}

#[test]
fn every_pattern_that_is_wrong_is_told() {
    let found = globs(&["/a", "b", "..", "[c"]).expect_err("faults");
    assert_eq!(found.iter().map(|invalid| invalid.position).collect::<Vec<_>>(), [0, 2, 3]);
    let many = vec!["a".to_owned(); PATTERNS_MAX];
    assert!(Globs::parse(&many).is_ok());
    let [only] = &Globs::parse(&[many, vec!["b".to_owned(); 5]].concat()).expect_err("too many")[..] else {
        panic!("it is told once")
    };
    assert_eq!((only.position, &only.fault), (PATTERNS_MAX, &Fault::TooMany));
}

#[test]
fn what_all_components_have_together_is_bounded() {
    let of = |component: usize| {
        let patterns: Vec<String> = (0..PATTERNS_MAX).map(|file| format!("c{component}/f{file}/**")).collect();
        let name = ComponentName::parse(&format!("c{component}")).expect("a name");
        (name, Globs::parse(&patterns).expect("patterns"))
    };
    let components: Vec<_> = (0..GLOBS_MAX / PATTERNS_MAX).map(of).collect();
    assert!(Paths::new(&components).is_ok());
    // What several components share counts once.
    let twice = [components.clone(), components.clone()].concat();
    assert_eq!(readers(&Paths::new(&twice).expect("shared"), "c7/f9/x"), [7, 207]);
    let more = [components, vec![of(1000)]].concat();
    assert_eq!(Paths::new(&more).expect_err("too many"), TooManyGlobs::Number);
    let wild = |component: usize| {
        let patterns: Vec<String> =
            (0..PATTERNS_MAX).map(|n| format!("*{component}?{n}{}", "[!a]*b".repeat(60))).collect();
        let name = ComponentName::parse(&format!("c{component}")).expect("a name");
        (name, Globs::parse(&patterns).expect("patterns"))
    };
    let heavy: Vec<_> = (0..20).map(wild).collect();
    let error = Paths::new(&heavy).expect_err("too large");
    assert!(matches!(error, TooManyGlobs::Size(_)) && error.to_string().contains("split the trigger"), "{error}");
}

#[test]
fn each_component_is_asked_for_itself() {
    let paths = paths(&[&["a/**"], &[], &["a/**", "!a/x"], &["b/**", "a/x"], &["!a/**"]]);
    assert_eq!(paths.components(), 5);
    assert_eq!(readers(&paths, "a/x"), [0, 1, 3]);
    assert_eq!(readers(&paths, "a/y"), [0, 1, 2]);
    assert_eq!(readers(&paths, "b/y"), [1, 3, 4]);
}

/// Says what a pattern without classes and braces fits, by trying everything.
fn fits(pattern: &[u8], path: &[u8], begins: bool) -> bool {
    let tails = |path: &[u8], through: bool, rest: &[u8]| {
        let free = if through { path.len() } else { path.iter().position(|b| *b == b'/').unwrap_or(path.len()) };
        (0..=free).any(|end| fits(rest, &path[end..], false))
    };
    match pattern {
        [] => path.is_empty(),
        [b'*', b'*'] if begins => !path.is_empty(),
        [b'*', b'*', b'/', rest @ ..] if begins => {
            let starts = path.iter().enumerate().filter(|(_, b)| **b == b'/').map(|(at, _)| at + 1);
            std::iter::once(0).chain(starts).any(|start| fits(rest, &path[start..], true))
        }
        [b'*', b'*', rest @ ..] => tails(path, true, rest),
        [b'*', rest @ ..] => tails(path, false, rest),
        [b'?', rest @ ..] => path.first().is_some_and(|b| *b != b'/') && fits(rest, &path[1..], false),
        [literal, rest @ ..] => path.first() == Some(literal) && fits(rest, &path[1..], *literal == b'/'),
    }
}

/// Says the same of a pattern that may name a directory.
fn fits_whole(pattern: &str, path: &str) -> bool {
    let directory = format!("{}/**", pattern.trim_end_matches('/'));
    let names_one = pattern.ends_with('/') || !pattern.contains(['*', '?']);
    let itself = !pattern.ends_with('/') && fits(pattern.as_bytes(), path.as_bytes(), true);
    itself || names_one && fits(directory.as_bytes(), path.as_bytes(), true)
}

proptest! {
    #[test]
    fn the_last_pattern_that_fits_decides(
        components in prop::collection::vec(prop::collection::vec("!?([ab?]|\\*\\*?){1,3}(/([ab?]|\\*\\*?){1,3}){0,2}/?", 0..4), 1..4),
        files in prop::collection::vec("[ab]{1,3}(/[ab]{1,3}){0,3}", 1..12),
    ) {
        let usable = |patterns: &Vec<String>| Globs::parse(patterns).ok().map(|globs| (patterns.clone(), globs));
        let components: Vec<_> = components.iter().filter_map(usable).collect();
        let name = ComponentName::parse("c").expect("a name");
        let named: Vec<_> = components.iter().map(|(_, globs)| (name.clone(), globs.clone())).collect();
        let paths = Paths::new(&named).expect("not too many");
        for file in files {
            let takes = |patterns: &Vec<String>| {
                let begins = patterns.iter().all(|pattern| pattern.starts_with('!'));
                patterns.iter().fold(begins, |taken, pattern| {
                    let text = pattern.trim_start_matches('!');
                    if fits_whole(text, &file) { text.len() == pattern.len() } else { taken }
                })
            };
            let expected: Vec<usize> =
                (0..components.len()).filter(|index| takes(&components[*index].0)).collect();
            prop_assert_eq!(readers(&paths, &file), expected, "{} in {:?}", file, components);
        }
    }

    #[test]
    fn nothing_that_is_written_brings_it_down(pattern in "[-!*?a/{},\\[\\]\\\\^.ä ]{0,24}", file in "[-a*/ ]{1,8}") {
        let Ok(file) = RepoPath::parse(&file) else { return Ok(()) };
        if let Ok(globs) = Globs::parse(std::slice::from_ref(&pattern)) {
            let name = ComponentName::parse("c").expect("a name");
            let paths = Paths::new(&[(name, globs)]).expect("one pattern");
            paths.each(&file, |index| assert_eq!(index, 0));
        }
    }
}
