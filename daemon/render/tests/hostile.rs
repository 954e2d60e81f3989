//! Input made to take the reader's memory, stack or time. Every case ends within a deadline, on the stack of a worker
//! thread, and with the answer that a limit gives.

use std::{
    fmt::Write as _,
    thread,
    time::{Duration, Instant},
};

use plumb_core::commit::RepoPath;
use plumb_render::yaml::{Options, read};

/// Tokio's worker threads have this much.
const STACK: usize = 2 << 20;

/// What grows with the square of its input takes much longer at these sizes, even on a slow machine without optimisation.
const DEADLINE: Duration = Duration::from_secs(60);

enum Expected {
    /// So many documents.
    Documents(usize),
    /// A problem whose message holds this text.
    Refused(&'static str),
}
use Expected::{Documents, Refused};

fn check(name: &str, text: String, expected: &Expected) {
    let bytes = text.len();
    let started = Instant::now();
    let file = RepoPath::parse("hostile.yaml").expect("a path");
    let run = move || read(&file, text.as_bytes(), &Options::default()).map(|documents| documents.len());
    let result = thread::Builder::new().stack_size(STACK).spawn(run).expect("a thread").join().expect("no panic");
    let elapsed = started.elapsed();
    assert!(elapsed < DEADLINE, "{name}: {bytes} bytes took {elapsed:?}");
    match (expected, result) {
        (Documents(expected), Ok(documents)) => assert_eq!(documents, *expected, "{name}"),
        (Refused(message), Err(problems)) => {
            assert!(problems.iter().any(|problem| problem.message.contains(message)), "{name}: {problems:?}");
            assert!(problems.len() <= 51, "{name}: {} problems", problems.len());
        }
        (Documents(_), Err(problems)) => panic!("{name}: refused: {}", problems[0]),
        (Refused(message), Ok(documents)) => panic!("{name}: {documents} documents instead of {message:?}"),
    }
}

/// Lines or items `0..count`, one after the other.
fn lines(count: usize, mut line: impl FnMut(&mut String, usize)) -> String {
    let mut text = String::new();
    for index in 0..count {
        line(&mut text, index);
    }
    text
}

#[test]
fn aliases_do_not_multiply() {
    let laughs = lines(9, |text, level| {
        let items = if level == 0 { vec!["lol".to_owned(); 9] } else { vec![format!("*a{}", level - 1); 9] };
        writeln!(text, "a{level}: &a{level} [{}]", items.join(",")).expect("text");
    });
    check("billion laughs", laughs, &Refused("repeat too much"));
    let mappings = lines(10, |text, level| {
        writeln!(text, "a{level}: &a{level}").expect("text");
        for key in 0..10 {
            let value = if level == 0 { "v".to_owned() } else { format!("*a{}", level - 1) };
            writeln!(text, "  k{key}: {value}").expect("text");
        }
    });
    check("nested mappings", mappings, &Refused("repeat too much"));
    let merges = lines(200, |text, level| {
        if level == 0 {
            text.push_str("a0: &a0 {k0: v}\n");
        } else {
            let sources = vec![format!("*a{}", level - 1); 50].join(", ");
            writeln!(text, "a{level}: &a{level}\n  <<: [{sources}]\n  x{level}: 1").expect("text");
        }
    });
    check("merges", merges, &Refused("repeat too much"));
    check(
        "a long list, repeated",
        format!("a: &a [{}x]\nb:\n{}", "x,".repeat(5_000), "- *a\n".repeat(5_000)),
        &Refused("repeat too much"),
    );
    check(
        "a long text, repeated",
        format!("a: &a {}\nb:\n{}", "x".repeat(1 << 20), "- *a\n".repeat(5_000)),
        &Refused("repeat too much"),
    );
    let nested = format!(
        "b: [*a0]\na: {}[{}]{}",
        lines(100, |text, level| write!(text, "&a{level} [").expect("text")),
        "x,".repeat(50_000),
        "]".repeat(100)
    );
    check("nested anchors", nested, &Refused("anchors too much"));
    check("itself", "a: &a\n  b: *a\n".to_owned(), &Refused("contains itself"));
    check("many anchors", lines(50_000, |text, index| writeln!(text, "- &a{index} x").expect("text")), &Documents(1));
    check("many aliases", format!("a: &a x\nb:\n{}", "- *a\n".repeat(90_000)), &Documents(1));
    check("too many aliases", format!("a: &a x\nb:\n{}", "- *a\n".repeat(110_000)), &Refused("repeat too much"));
}

#[test]
fn nesting_ends_at_a_limit() {
    check("[ without end", "[".repeat(1_000_000), &Refused("nested"));
    check("{ without end", "{".repeat(1_000_000), &Refused("a key in double quotes"));
    check("{ without end, as YAML", format!("---\n{}", "{".repeat(1_000_000)), &Refused("nested"));
    check("JSON objects", "{\"a\":".repeat(50_000), &Refused("nested"));
    check("JSON arrays", format!("{{\"a\":{}", "[".repeat(1_000_000)), &Refused("nested"));
    check("closed", format!("{}{}", "[".repeat(50_000), "]".repeat(50_000)), &Refused("nested"));
    check("flow mappings", format!("---\n{}1{}", "{a: ".repeat(50_000), "}".repeat(50_000)), &Refused("nested"));
    check("block sequences", format!("{}a\n", "- ".repeat(50_000)), &Refused("nested"));
    check("explicit keys", format!("{}a\n", "? ".repeat(50_000)), &Refused("nested"));
    let block = lines(2_000, |text, level| writeln!(text, "{}a:", " ".repeat(level)).expect("text"));
    check("block mappings", block, &Refused("nested"));
    check("as deep as allowed", format!("{}1{}", "[".repeat(128), "]".repeat(128)), &Documents(1));
    check("one deeper", format!("{}1{}", "[".repeat(129), "]".repeat(129)), &Refused("nested"));
    let both = lines(100, |text, level| writeln!(text, "{}a:", " ".repeat(level)).expect("text"));
    check(
        "block and flow",
        format!("{both}{}{}{}", " ".repeat(101), "[".repeat(100), "]".repeat(100)),
        &Refused("nested"),
    );
}

#[test]
fn sizes_end_at_a_limit() {
    check("more bytes than are read", " ".repeat((32 << 20) + 1), &Refused("at most"));
    check("more documents than are read", "a: 1\n---\n".repeat(100_001), &Refused("documents"));
    check("more nodes than are read", format!("[{}]", "1,".repeat(1_000_001)), &Refused("keys and values"));
    check("separators", "---\n".repeat(500_000), &Documents(0));
    check("null documents", "---\nnull\n".repeat(50_000), &Documents(0));
}

#[test]
fn time_grows_with_the_input_only() {
    check("a long line", format!("a: {}\n", "x".repeat(5 << 20)), &Documents(1));
    check("a long line without a key", format!("{}\n", "x".repeat(2 << 20)), &Documents(1));
    check("a long line of JSON", format!("{{\"a\":\"{}\"}}", "\\n".repeat(1 << 20)), &Documents(1));
    check("JSON on one line", format!("{{\"a\":[{}1]}}", "1,".repeat(200_000)), &Documents(1));
    check("spaces", format!("a:{}1\n", " ".repeat(2 << 20)), &Documents(1));
    check("tabs", format!("a:{}1\n", "\t".repeat(1 << 20)), &Documents(1));
    check("empty lines in quotes", format!("a: \"x{}\"\n", "\n".repeat(1 << 20)), &Documents(1));
    check("empty lines in a block", format!("a: |\n{}  x\n", "\n".repeat(1 << 20)), &Documents(1));
    check("a folded block", format!("a: >\n{}", "  word word word\n".repeat(50_000)), &Documents(1));
    check("comments", format!("{}a: 1\n", "# c\n".repeat(500_000)), &Documents(1));
    check("keys", lines(100_000, |text, index| writeln!(text, "k{index}: {index}").expect("text")), &Documents(1));
    check(
        "flow keys",
        format!("---\n{{{}}}", lines(100_000, |text, index| write!(text, "k{index},").expect("text"))),
        &Documents(1),
    );
    check(
        "explicit keys",
        lines(50_000, |text, index| writeln!(text, "? a{index}\n: b").expect("text")),
        &Documents(1),
    );
    check("duplicate keys", "k: v\n".repeat(100_000), &Refused("already on line 1"));
    let pairs = lines(100_000, |text, index| writeln!(text, "k{}: 1", index % 50_000).expect("text"));
    check("duplicate keys of many", pairs, &Refused("already on line"));
    check("single pairs", format!("[{}]", "a: b, ".repeat(50_000)), &Documents(1));
    check("keys without values", format!("---\n{{{}", "\"a\" ".repeat(100_000)), &Refused(""));
    check("colons", format!("{}\n", ":".repeat(500_000)), &Refused("mapping values"));
    check("tags", format!("b:\n{}", "- !local x\n".repeat(50_000)), &Documents(1));
    check("escapes", "- \"\\x41\\x41\\x41\"\n".repeat(50_000), &Documents(1));
    check("a long integer", format!("a: {}\n", "9".repeat(1 << 20)), &Documents(1));
    check("a long exponent", format!("a: 1e{}\n", "9".repeat(1 << 20)), &Documents(1));
    check("a long number of JSON", format!("{{\"a\": {}}}", "9".repeat(1 << 20)), &Refused("too large"));
    let directives = lines(200_000, |text, index| writeln!(text, "%TAG !e{index}! tag:x{index}").expect("text"));
    check("directives", format!("{directives}---\na: 1\n"), &Refused("directive"));
    check("a long directive", format!("%FOO {}\n---\na: 1\n", "x ".repeat(1 << 20)), &Refused("directive"));
    check("broken documents", "a: [\n---\n".repeat(50_000), &Refused("more problems"));
    check("control characters", "\u{1}".repeat(1 << 20), &Refused("control character"));
    check("lines without indentation", format!("a: '{}'\n", "x\n".repeat(100_000)), &Refused("indentation"));
    check("documents without indentation", "a: 'x\ny'\n---\n".repeat(5_000), &Documents(5_000));
    check("marks", "---\n\u{feff}a: 1\n".repeat(20_000), &Documents(20_000));
}
