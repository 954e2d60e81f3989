//! Commands in the documents exist, with their flags, and every command and flag is in `docs/configuration.md`.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    process::Command,
};

use crate::page::{check_same, page, pages, read, rows};

/// The flags that every command has, described once.
const EVERYWHERE: [&str; 2] = ["--help", "--version"];

/// Returns what a program prints about itself or one of its commands, which may be a command of a command.
fn help(program: &Path, command: Option<&str>) -> String {
    let words = command.into_iter().flat_map(str::split_whitespace);
    let answer = Command::new(program).args(words).arg("--help").env("COLUMNS", "120").output().expect("a help");
    assert!(answer.status.success(), "{} {command:?}: {answer:?}", program.display());
    String::from_utf8(answer.stdout).expect("text")
}

/// Returns the commands that a help lists.
fn commands(help: &str) -> BTreeSet<String> {
    let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let names = listed.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    names.filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help").map(str::to_owned).collect()
}

/// Returns whether a command does something without a command of its own behind it, as its usage says.
fn is_whole(help: &str) -> bool {
    help.lines()
        .find_map(|line| line.strip_prefix("Usage: "))
        .is_some_and(|usage| !usage.trim_end().ends_with("<COMMAND>"))
}

/// Returns the commands of a program that do something themselves: `audit verify` and not `audit`, but `runs` and `runs describe`.
fn leaves(program: &Path) -> BTreeSet<String> {
    let of = |command: String| {
        let help = help(program, Some(&command));
        let below = commands(&help).into_iter().map(|name| format!("{command} {name}"));
        let mut named: Vec<String> = below.collect();
        if is_whole(&help) {
            named.push(command);
        }
        named
    };
    commands(&help(program, None)).into_iter().flat_map(of).collect()
}

/// Returns the long flags that a help lists, each with what is said about it on one line.
fn flags(help: &str) -> BTreeMap<String, String> {
    let mut found: BTreeMap<String, String> = BTreeMap::new();
    let mut current = None;
    for line in help.lines() {
        let text = line.trim_start();
        if line.starts_with(' ') && text.starts_with('-') && !text.starts_with("- ") {
            let words = text.split([' ', ',']).find(|word| word.starts_with("--"));
            current = words.map(str::to_owned);
        } else if !line.starts_with(' ') {
            current = None;
        }
        if let Some(flag) = &current {
            let said = found.entry(flag.clone()).or_default();
            said.push(' ');
            said.push_str(text);
        }
    }
    found.retain(|flag, _| !EVERYWHERE.contains(&flag.as_str()));
    found
}

/// Returns the default that a help names.
fn default(said: &str) -> Option<&str> {
    Some(said.split_once("[default: ")?.1.split_once(']')?.0)
}

#[test]
fn every_flag_of_every_command_is_described_with_its_default() {
    let plumb = lab::process::plumb();
    let page = page("docs/configuration.md");
    let commands = leaves(&plumb);
    let headings = page.text.lines().filter_map(|line| line.strip_prefix("### plumb "));
    check_same("commands of plumb", &headings.map(str::to_owned).collect(), &commands);
    for command in commands {
        let flags = flags(&help(&plumb, Some(&command)));
        let described: BTreeMap<String, Vec<String>> = rows(page.section(&format!("### plumb {command}")))
            .into_iter()
            .map(|(code, cells)| (code.split(' ').next().unwrap_or_default().to_owned(), cells))
            .collect();
        if flags.is_empty() && described.is_empty() {
            continue;
        }
        let what = format!("flags of plumb {command}");
        check_same(&what, &described.keys().cloned().collect(), &flags.keys().cloned().collect());
        for (flag, said) in &flags {
            let Some(default) = default(said) else { continue };
            let cell = described[flag][0].replace('`', "");
            assert!(cell.contains(default), "plumb {command} {flag}: the default is {default:?}, not {cell:?}");
        }
    }
}

/// Returns the commands of the `sh` blocks: a pipe or a comment ends one, a line may hold several.
fn written() -> Vec<(String, Vec<String>)> {
    let mut found = Vec::new();
    for page in pages() {
        for line in page.blocks("sh").iter().flat_map(|block| block.lines()) {
            let line = line.split(" #").next().unwrap_or_default();
            let mut quoted = false;
            let ends = |character| {
                quoted ^= character == '\'';
                !quoted && matches!(character, '|' | ';')
            };
            for part in line.split(ends) {
                let words: Vec<String> = part.split_whitespace().map(str::to_owned).collect();
                if !words.is_empty() {
                    found.push((page.path.clone(), words));
                }
            }
        }
    }
    found
}

/// Expects a program to have the command that was written, with its flags.
fn check(page: &str, program: &Path, known: &BTreeSet<String>, words: &[String]) {
    let Some(first) = words.first().filter(|word| !word.starts_with('-')) else { return };
    let below = words.get(1).map(|second| format!("{first} {second}")).filter(|both| known.contains(both));
    let command = below.unwrap_or_else(|| first.clone());
    assert!(known.contains(&command), "{page}: there is no command {command:?}; there are {known:?}");
    let known = flags(&help(program, Some(&command)));
    for flag in words.iter().filter(|word| word.starts_with("--") && *word != "--") {
        let flag = flag.split('=').next().unwrap_or_default();
        assert!(known.contains_key(flag) || EVERYWHERE.contains(&flag), "{page}: {command} has no flag {flag}");
    }
}

#[test]
fn every_command_in_the_documents_exists() {
    let plumb = lab::process::plumb();
    let laboratory = lab::process::built("lab").expect("the laboratory's program");
    let (of_plumb, of_laboratory) = (leaves(&plumb), leaves(&laboratory));
    let aliases = read(".cargo/config.toml");
    let mut checked = 0;
    for (page, words) in written() {
        let program = words[0].rsplit('/').next().unwrap_or_default();
        match (program, words.get(1).map(String::as_str)) {
            ("plumb", _) => check(&page, &plumb, &of_plumb, &words[1..]),
            ("cargo", Some(alias @ ("demo" | "lab"))) => {
                assert!(aliases.contains(&format!("\n{alias} = ")), "{page}: no alias {alias}");
                let skipped = if alias == "lab" { 2 } else { 1 };
                check(&page, &laboratory, &of_laboratory, &words[skipped..]);
            }
            ("cargo", Some("test" | "build" | "run" | "fmt" | "clippy" | "doc" | "deny"))
            | ("kubectl" | "git" | "jq" | "kill" | "ssh-keygen" | "ssh-keyscan", _) => {}
            _ => panic!("{page}: nothing is known of the command {words:?}"),
        }
        checked += 1;
    }
    assert!(checked > 10, "only {checked} commands were found");
}
