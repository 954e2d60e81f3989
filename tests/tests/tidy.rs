//! The repository's rules, as tests: what a reviewer would otherwise have to look for in every change.
//!
//! Owns: the rules. May touch: the files that Git tracks, read only. Must never do: judge generated or downloaded files.
//! Every message is `file:line: why`, so that it can be clicked.

use std::{fs, path::Path, process::Command};

/// Past this many lines a file holds two concepts.
const LINES_MAX: usize = 500;

/// One tracked file.
struct File {
    /// From the root, with `/`.
    path: String,
    text: String,
}

impl File {
    fn is_rust(&self) -> bool {
        Path::new(&self.path).extension().is_some_and(|extension| extension == "rs")
    }

    fn is_below(&self, folder: &str) -> bool {
        self.path.starts_with(folder)
    }

    fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }

    /// Returns the number of the line from which on everything is test code; 0 for a file of tests.
    fn tests_from(&self) -> usize {
        let all =
            self.path.split('/').any(|part| part == "tests" || part == "tests.rs") && !self.is_below("tests/lab/src");
        let inline = || self.text.lines().position(|line| line.trim() == "mod tests {").unwrap_or(usize::MAX);
        if all { 0 } else { inline() }
    }
}

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// Returns every tracked text file that still exists.
fn files() -> Vec<File> {
    let listed = Command::new("git").args(["ls-files", "-z"]).current_dir(root()).output().expect("git runs");
    assert!(listed.status.success(), "{}", String::from_utf8_lossy(&listed.stderr));
    let paths = String::from_utf8(listed.stdout).expect("paths are UTF-8");
    let read = |path: &str| Some(File { path: path.to_owned(), text: fs::read_to_string(root().join(path)).ok()? });
    paths.split('\0').filter(|path| !path.is_empty()).filter_map(read).collect()
}

/// Expects no file to break a rule; `broken` returns the lines (from 0) that do, and what is wrong there.
fn check(rule: &str, broken: impl Fn(&File) -> Vec<(usize, String)>) {
    let files = files();
    assert!(files.len() > 100, "only {} files are tracked", files.len());
    let said = |file: &File| {
        let lines = broken(file).into_iter();
        lines.map(|(line, what)| format!("{}:{}: {what}", file.path, line + 1)).collect::<Vec<_>>()
    };
    let found: Vec<String> = files.iter().flat_map(said).collect();
    assert!(found.is_empty(), "{rule}\n{}", found.join("\n"));
}

/// Returns the lines that hold one of these texts.
fn lines_with(file: &File, texts: &[String]) -> Vec<(usize, String)> {
    let hit = |line: &str| texts.iter().find(|text| line.contains(text.as_str())).cloned();
    file.text.lines().enumerate().filter_map(|(number, line)| Some((number, hit(line)?))).collect()
}

fn owned(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

#[test]
fn every_module_says_what_it_is() {
    check("a module opens with //!: what it owns, may touch, must never do (style 24)", |file| {
        let missing = file.is_rust() && !file.text.starts_with("//!");
        Vec::from_iter(missing.then(|| (0, "no //! at the top".to_owned())))
    });
}

#[test]
fn no_file_holds_two_concepts() {
    check("a file is one concept (style 8)", |file| {
        let lines = file.text.lines().count();
        let long = file.is_rust() && lines > LINES_MAX;
        Vec::from_iter(long.then(|| (LINES_MAX, format!("{lines} lines; split it at {LINES_MAX}"))))
    });
}

#[test]
fn names_say_what_is_inside() {
    const VAGUE: [&str; 9] = ["utils", "helpers", "common", "misc", "types", "manager", "handler", "service", "engine"];
    check("a thing without a name has no home yet (style 9)", |file| {
        let vague = file.path.split('/').find(|part| VAGUE.contains(&part.trim_end_matches(".rs")));
        let modern = file.is_rust() && file.name() == "mod.rs";
        let vague = vague.map(|part| (0, format!("{part:?} says nothing")));
        vague.into_iter().chain(modern.then(|| (0, "foo.rs beside foo/, no mod.rs (style 11)".to_owned()))).collect()
    });
}

/// Returns the crates that a manifest names as dependencies of any sort, with their lines.
fn dependencies(file: &File) -> Vec<(usize, String)> {
    let mut inside = false;
    let mut found = Vec::new();
    for (number, line) in file.text.lines().enumerate() {
        if let Some(section) = line.trim().strip_prefix('[') {
            inside = section.trim_end_matches(']').ends_with("dependencies");
        } else if inside && let Some(name) = line.split(['.', ' ', '=']).next().filter(|name| !name.is_empty()) {
            found.push((number, name.to_owned()));
        }
    }
    found
}

/// Expects the manifest in one folder to name none of these crates.
fn check_dependencies(why: &str, folder: &str, forbidden: impl Fn(&str) -> bool) {
    let manifest = format!("{folder}/Cargo.toml");
    assert!(root().join(&manifest).exists(), "{manifest} is gone: move its rule");
    check(why, |file| {
        let named = if file.path == manifest { dependencies(file) } else { Vec::new() };
        let bad = named.into_iter().filter(|(_, name)| forbidden(name));
        bad.map(|(line, name)| (line, format!("depends on {name}"))).collect()
    });
}

#[test]
fn the_core_can_not_reach_the_world() {
    const PURE: [&str; 13] = [
        "base64",
        "cel",
        "cronexpr",
        "globset",
        "jiff",
        "proptest",
        "semver",
        "serde",
        "serde_json",
        "sha2",
        "similar",
        "thiserror",
        "wildmatch",
    ];
    check_dependencies("core decides, it does nothing (style 2)", "daemon/core", |name| !PURE.contains(&name));
    let world = [
        "std::env",
        "std::fs",
        "std::io",
        "std::net",
        "std::process",
        "std::thread",
        "Instant",
        "SystemTime",
        "Timestamp::now",
        "Zoned::now",
        "async fn",
        "HashMap",
        "HashSet",
        "println!",
    ];
    let world = owned(&world);
    check("core has no clock, no I/O, and no order that changes from run to run (style 2, design 1)", |file| {
        if file.is_below("daemon/core/src/") && file.is_rust() { lines_with(file, &world) } else { Vec::new() }
    });
}

#[test]
fn signatures_are_judged_without_the_world() {
    const PURE: [&str; 11] = [
        "base64",
        "jiff",
        "lab",
        "openssl",
        "pgp",
        "proptest",
        "signature",
        "ssh-key",
        "tempfile",
        "thiserror",
        "wildmatch",
    ];
    check_dependencies("a verdict depends on bytes, keys and a time (style 2)", "daemon/signature", |name| {
        !PURE.contains(&name)
    });
    let world = ["std::env", "std::fs", "std::net", "std::process", "std::thread", "Instant", "SystemTime"];
    let world = [&world[..], &["Timestamp::now", "async fn", "HashMap", "HashSet", "println!"]].concat();
    check("a verdict has no clock and no I/O (style 2)", |file| {
        let ours = file.is_below("daemon/signature/src/") && file.is_rust();
        if ours { lines_with(file, &owned(&world)) } else { Vec::new() }
    });
}

#[test]
fn adapters_do_not_know_each_other() {
    const ADAPTERS: [&str; 3] = ["git", "render", "cluster"];
    for adapter in ADAPTERS {
        check_dependencies("adapters never see each other (design 7)", &format!("daemon/{adapter}"), |name| {
            name == "plumb" || ADAPTERS.iter().any(|other| *other != adapter && name == format!("plumb-{other}"))
        });
    }
    check_dependencies("resources know nobody (design 7)", "daemon/api", |name| name.starts_with("plumb"));
}

#[test]
fn each_outside_system_has_one_crate() {
    let everybody = [
        "daemon",
        "daemon/api",
        "daemon/core",
        "daemon/render",
        "daemon/cluster",
        "daemon/signature",
        "tests",
        "tests/lab",
    ];
    for folder in everybody {
        check_dependencies("plumb-git is the only user of git2 and notify (design 7)", folder, |name| {
            ["git2", "libgit2-sys", "notify"].contains(&name)
        });
    }
    for folder in ["daemon/git", "daemon/render", "daemon/signature"] {
        check_dependencies("plumb-cluster is the only user of kube (design 7)", folder, |name| {
            ["kube", "k8s-openapi"].contains(&name)
        });
    }
}

#[test]
fn the_daemon_asks_plumb_cluster() {
    const CLIENT: [&str; 5] = ["Api", "Client", "api", "client", "runtime"];
    check("plumb-cluster is the only user of kube's client and runtime (design 7)", |file| {
        if !(file.is_rust() && (file.is_below("daemon/src/") || file.is_below("daemon/api/"))) {
            return Vec::new();
        }
        let mut found = Vec::new();
        for (at, _) in file.text.match_indices("kube::") {
            let rest = &file.text[at + "kube::".len()..];
            let path =
                if rest.starts_with('{') { rest.split(';').next() } else { rest.split([';', '(', '<', ' ']).next() };
            let words = path.unwrap_or_default().split(|c: char| !c.is_alphanumeric() && c != '_');
            let line = file.text[..at].lines().count().saturating_sub(1);
            found.extend(words.filter(|word| CLIENT.contains(word)).map(|word| (line, format!("uses kube's {word}"))));
        }
        found
    });
}

#[test]
fn what_is_shipped_has_no_switch_that_aborts_it() {
    check("the release profile has no debug assertions (decision 27)", |file| {
        let of_cargo = file.name() == "Cargo.toml" || file.is_below(".cargo/");
        if of_cargo { lines_with(file, &owned(&["debug-assertions"])) } else { Vec::new() }
    });
    let switch = root().join("daemon/cluster/src/crash.rs");
    let text = fs::read_to_string(switch).expect("the switch");
    let (_, armed) =
        text.split_once("#[cfg(debug_assertions)]\nmod armed {").expect("what aborts is not compiled for release");
    assert_eq!(text.matches("abort()").count(), armed.matches("abort()").count(), "aborts elsewhere");
}

#[test]
fn nothing_is_left_to_do() {
    let markers: Vec<String> = ["todo", "unimplemented", "dbg"].iter().map(|name| format!("{name}!(")).collect();
    check("no stubs (style 38)", |file| if file.is_rust() { lines_with(file, &markers) } else { Vec::new() });
    let ignored = [format!("#[{}", "ignore"), format!(", {})]", "ignore")];
    check("a test runs or does not exist (style 32)", |file| {
        if file.is_rust() { lines_with(file, &ignored) } else { Vec::new() }
    });
}

/// Returns whether a line stands in a loop: a shorter indented line above it, of the same function, opens one.
fn in_loop(lines: &[&str], number: usize) -> bool {
    let depth = |line: &str| line.len() - line.trim_start().len();
    let mut inner = depth(lines[number]);
    for line in lines[..number].iter().rev().filter(|line| !line.trim().is_empty()) {
        if depth(line) >= inner {
            continue;
        }
        inner = depth(line);
        let opens = line.trim_start();
        if opens.contains("fn ") {
            return false;
        }
        if ["loop", "while ", "for "].iter().any(|word| opens.starts_with(word) || opens.contains("loop {")) {
            return true;
        }
    }
    false
}

#[test]
fn tests_wait_for_conditions_not_for_time() {
    check("a test polls in a loop with a deadline, or pauses time (style 32)", |file| {
        let from = file.tests_from();
        if !file.is_rust() || from == usize::MAX || paused(file) {
            return Vec::new();
        }
        let lines: Vec<&str> = file.text.lines().collect();
        let sleeps = |line: &str| line.contains("thread::sleep(") || line.contains("time::sleep(");
        let fixed = (from..lines.len()).filter(|number| {
            let code = !lines[*number].trim_start().starts_with("//") && !lines[*number].contains(".contains(");
            code && sleeps(lines[*number]) && !in_loop(&lines, *number)
        });
        fixed.map(|number| (number, "sleeps for a fixed time".to_owned())).collect()
    });
}

/// Returns whether the file's tests run under paused time, or the fakes of such tests are in it.
fn paused(file: &File) -> bool {
    let parent = || file.path.rsplit_once('/').map(|(folder, _)| root().join(format!("{folder}.rs")));
    let says = |text: &str| text.contains(concat!("start_paused", " = true"));
    says(&file.text) || parent().and_then(|path| fs::read_to_string(path).ok()).is_some_and(|text| says(&text))
}

#[test]
fn nothing_here_knows_the_machine_it_was_written_on() {
    let folders: Vec<String> = ["work", "root", "home", "Users"].iter().map(|name| format!("/{name}/")).collect();
    check("no absolute paths of a machine", |file| {
        let starts = |line: &str, folder: &str| {
            let before = line.split(folder).next().unwrap_or_default().chars().last();
            line.contains(folder) && before.is_none_or(|c| !c.is_alphanumeric() && !"./_-~*}$".contains(c))
        };
        let hit = |line: &str| folders.iter().find(|folder| starts(line, folder)).cloned();
        file.text.lines().enumerate().filter_map(|(number, line)| Some((number, hit(line)?))).collect()
    });
}

/// Hosts that documents and lock files may point to; everything else in a URL has to be made up.
const HOSTS: [&str; 10] = [
    "cel.dev",
    "github.com",
    "go.dev",
    "json-schema.org",
    "json.schemastore.org",
    "kubernetes.io",
    "kwok.x-k8s.io",
    "opensource.org",
    "rust-lang.org",
    "www.apache.org",
];

#[test]
fn urls_are_public_or_made_up() {
    check("no host of a registry, a mirror or a company (add a public document's host to HOSTS)", |file| {
        let mut found = Vec::new();
        for (number, line) in file.text.lines().enumerate() {
            for (at, _) in line.match_indices("://") {
                let authority: String =
                    line[at + 3..].chars().take_while(|c| !"/\"'`)> ,;|\\{}<".contains(*c)).collect();
                let host = authority.rsplit('@').next().unwrap_or_default();
                let host = host.split(':').next().unwrap_or_default().trim_end_matches('.').to_lowercase();
                if !(made_up(&host) || HOSTS.iter().any(|known| host == *known || host.ends_with(&format!(".{known}"))))
                {
                    found.push((number, format!("names the host {host}")));
                }
            }
        }
        found
    });
}

fn made_up(host: &str) -> bool {
    const RESERVED: [&str; 6] = [".example", ".test", ".invalid", ".localhost", ".svc", ".local"];
    let example = ["example.com", "example.org", "example.net"].iter().any(|name| host.ends_with(name));
    let loopback = host.starts_with("127.") || host.starts_with('[') || host == "0.0.0.0";
    !host.contains('.') || example || loopback || RESERVED.iter().any(|ending| host.ends_with(ending))
}

#[test]
fn decisions_are_numbered() {
    check("a decision is docs/decisions/NNNN-title.md (style 27)", |file| {
        let numbered = |name: &str| {
            name.split_once('-').is_some_and(|(number, title)| {
                number.len() == 4 && number.bytes().all(|digit| digit.is_ascii_digit()) && title.ends_with(".md")
            })
        };
        let bad = file.is_below("docs/decisions/") && !numbered(file.name());
        Vec::from_iter(bad.then(|| (0, "is not numbered".to_owned())))
    });
    let mut numbers: Vec<String> = files()
        .iter()
        .filter(|file| file.is_below("docs/decisions/"))
        .map(|file| file.name().chars().take(4).collect())
        .collect();
    let count = numbers.len();
    numbers.dedup();
    assert_eq!(numbers.len(), count, "two decisions have one number");
}
