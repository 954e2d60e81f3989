//! One pattern of paths: what it may say, and how globset is told.
//!
//! globset takes `**` for `*` where it does not stand alone between slashes, lets a class such as `[!a]` fit a slash, and takes a
//! class apart into bytes. Here `{a,b}` is written out first, `**` may stand anywhere, and what can't be told is refused.

use std::{iter::Peekable, str::Chars};

use globset::{Glob, GlobBuilder};

use super::{PATTERN_LENGTH_MAX, PATTERNS_MAX};

/// Patterns that one becomes when its `{a,b}` are written out.
const ALTERNATIVES_MAX: usize = 64;
/// Braces within braces.
const DEPTH_MAX: usize = 8;
/// What has a meaning of its own in a pattern.
const META: &str = "*?[]{}!,";

/// What is wrong with a pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// There is nothing in it.
    #[error("it is empty: write \"**\" for every file")]
    Empty,
    /// It begins with a slash.
    #[error("it begins with a slash: paths begin at the root of the repository, so leave the slash out")]
    Absolute,
    /// It holds a step `.`.
    #[error("it holds \".\": paths begin at the root of the repository, so leave \"./\" out (\"**\" is every file)")]
    Here,
    /// It holds a step `..`.
    #[error("it holds \"..\": write the path from the root of the repository")]
    Above,
    /// It holds two slashes in a row.
    #[error("it holds \"//\": write one slash, or \"/**/\" for any directories in between")]
    DoubleSlash,
    /// There is space around it.
    #[error("there is space around it: leave it out, or write \"[ ]\" for a space that belongs to the name")]
    Space,
    /// It holds a control character.
    #[error("it holds a control character: write \"?\" for it")]
    Control,
    /// A backslash in front of a character that has no meaning of its own.
    #[error("it holds \"\\{0}\": directories are separated by \"/\", and only one of {META} needs a backslash")]
    Backslash(char),
    /// Three stars, or `**` twice in one name.
    #[error("it holds more stars than mean something: write \"*\" within a name and \"**\" for any directories")]
    Stars,
    /// A class that has no end, no begin or can't be read.
    #[error("its class is not one: write \"[abc]\", \"[a-z]\" or \"[!abc]\", and \"\\[\" for the character")]
    Class,
    /// A class that would fit a slash.
    #[error("a class can't hold \"/\": write \"{{a/b,c}}\" for either path")]
    ClassSlash,
    /// A class of characters that globset does not know as such.
    #[error("a class can only hold ASCII: write \"{{ä,ö}}\" instead of \"[äö]\"")]
    ClassBeyondAscii,
    /// Braces that do not fit together.
    #[error("its braces do not fit together: write \"{{a,b}}\" for either text, and \"\\{{\" for the character")]
    Braces,
    /// Too many combinations of braces.
    #[error(
        "its braces stand for more than {ALTERNATIVES_MAX} patterns, or {DEPTH_MAX} levels: write several patterns"
    )]
    Alternatives,
    /// Too long.
    #[error("it has more than {PATTERN_LENGTH_MAX} bytes: write a directory, or a shorter pattern with \"**\"")]
    Length,
    /// Too many of them.
    #[error("a component can have {PATTERNS_MAX} patterns: write directories instead of their files")]
    TooMany,
    /// Anything else that globset says.
    #[error("it can't be read: {0}")]
    Unreadable(String),
}

/// A part of a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Atom {
    /// This character.
    Literal(char),
    /// `?` or a class, as globset has it.
    Wild(String),
    /// `*`.
    Star,
    /// `**`.
    DoubleStar,
    /// What separates names.
    Slash,
}

/// Reads a pattern, without its `!`, into those that stand for it together.
pub(super) fn read(text: &str) -> Result<Vec<Glob>, Fault> {
    if text.len() > PATTERN_LENGTH_MAX {
        return Err(Fault::Length);
    }
    if text.trim() != text {
        return Err(Fault::Space);
    }
    if text.contains(char::is_control) {
        return Err(Fault::Control);
    }
    let mut reader = Reader { chars: text.chars().peekable(), depth: 0 };
    let mut plain = Vec::new();
    for atoms in reader.sequence()? {
        plain.extend(settled(&atoms)?);
    }
    if plain.len() > ALTERNATIVES_MAX {
        return Err(Fault::Alternatives);
    }
    let compiled = |text: &String| {
        let glob = GlobBuilder::new(text).literal_separator(true).backslash_escape(true).build();
        glob.map_err(|error| Fault::Unreadable(error.kind().to_string()))
    };
    plain.iter().map(compiled).collect()
}

/// Takes a pattern apart and writes its alternatives out.
struct Reader<'a> {
    chars: Peekable<Chars<'a>>,
    depth: usize,
}

impl Reader<'_> {
    /// Reads up to the end, or inside braces up to the comma or brace that ends an alternative, which stays.
    fn sequence(&mut self) -> Result<Vec<Vec<Atom>>, Fault> {
        let mut read: Vec<Vec<Atom>> = vec![Vec::new()];
        while let Some(next) = self.chars.peek().copied() {
            if self.depth > 0 && matches!(next, ',' | '}') {
                return Ok(read);
            }
            self.chars.next();
            let atom = match next {
                '{' => {
                    let alternatives = self.alternatives()?;
                    if read.len() * alternatives.len() > ALTERNATIVES_MAX {
                        return Err(Fault::Alternatives);
                    }
                    let joined = |start: &Vec<Atom>| {
                        alternatives.iter().map(|end| [start.as_slice(), end.as_slice()].concat()).collect::<Vec<_>>()
                    };
                    read = read.iter().flat_map(joined).collect();
                    continue;
                }
                '}' => return Err(Fault::Braces),
                '[' => Atom::Wild(self.class()?),
                '?' => Atom::Wild("?".to_owned()),
                '*' => self.stars()?,
                '/' => Atom::Slash,
                '\\' => match self.chars.next() {
                    Some(meta) if META.contains(meta) => Atom::Literal(meta),
                    other => return Err(Fault::Backslash(other.unwrap_or(' '))),
                },
                other => Atom::Literal(other),
            };
            read.iter_mut().for_each(|atoms| atoms.push(atom.clone()));
        }
        if self.depth > 0 { Err(Fault::Braces) } else { Ok(read) }
    }

    /// Reads what is behind an opening brace, up to the one that closes it.
    fn alternatives(&mut self) -> Result<Vec<Vec<Atom>>, Fault> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(Fault::Alternatives);
        }
        let mut all = Vec::new();
        loop {
            all.extend(self.sequence()?);
            if all.len() > ALTERNATIVES_MAX {
                return Err(Fault::Alternatives);
            }
            if self.chars.next() == Some('}') {
                self.depth -= 1;
                return Ok(all);
            }
        }
    }

    fn stars(&mut self) -> Result<Atom, Fault> {
        if self.chars.next_if_eq(&'*').is_none() {
            return Ok(Atom::Star);
        }
        if self.chars.peek() == Some(&'*') { Err(Fault::Stars) } else { Ok(Atom::DoubleStar) }
    }

    /// Reads what is behind an opening bracket; a class never fits a slash.
    fn class(&mut self) -> Result<String, Fault> {
        let negated = self.chars.next_if(|c| matches!(c, '!' | '^')).is_some();
        let mut inside = String::new();
        loop {
            match self.chars.next() {
                None => return Err(Fault::Class),
                Some(']') => break,
                Some('/') => return Err(Fault::ClassSlash),
                Some(c) if !c.is_ascii() => return Err(Fault::ClassBeyondAscii),
                Some(c) => inside.push(c),
            }
        }
        // `-` is itself at either end; one of a range has a neighbour on both sides.
        let bytes = inside.as_bytes();
        let dashes = (1..bytes.len().saturating_sub(1)).filter(|at| bytes[*at] == b'-');
        let ranges: Vec<(u8, u8)> = dashes.map(|at| (bytes[at - 1], bytes[at + 1])).collect();
        if inside.is_empty() || ranges.iter().any(|(first, last)| first > last) {
            return Err(Fault::Class);
        }
        let holds_slash = ranges.iter().any(|(first, last)| (*first..=*last).contains(&b'/'));
        match (negated, holds_slash) {
            (false, true) => Err(Fault::ClassSlash),
            (false, false) => Ok(format!("[{inside}]")),
            (true, true) => Ok(format!("[!{inside}]")),
            (true, false) => match inside.strip_prefix('-') {
                Some(rest) => Ok(format!("[!-/{rest}]")),
                None => Ok(format!("[!/{inside}]")),
            },
        }
    }
}

/// Returns what globset is given for a pattern without alternatives.
fn settled(atoms: &[Atom]) -> Result<Vec<String>, Fault> {
    let mut names: Vec<Vec<Atom>> = atoms.split(|atom| *atom == Atom::Slash).map(<[Atom]>::to_vec).collect();
    if atoms.is_empty() {
        return Err(Fault::Empty);
    }
    if names.first().is_some_and(Vec::is_empty) {
        return Err(Fault::Absolute);
    }
    let directory = names.last().is_some_and(Vec::is_empty);
    if directory {
        names.pop();
    }
    for name in &names {
        match name.as_slice() {
            [] => return Err(Fault::DoubleSlash),
            [Atom::Literal('.')] => return Err(Fault::Here),
            [Atom::Literal('.'), Atom::Literal('.')] => return Err(Fault::Above),
            _ => {}
        }
    }
    if directory {
        names.push(vec![Atom::DoubleStar]);
    }
    let mut settled = vec![Vec::new()];
    for (position, name) in names.iter().enumerate() {
        let ways = spread(name, position + 1 == names.len())?;
        settled = settled
            .iter()
            .flat_map(|start: &Vec<String>| ways.iter().map(|way| [start.as_slice(), way].concat()))
            .collect();
        if settled.len() > ALTERNATIVES_MAX {
            return Err(Fault::Alternatives);
        }
    }
    // A path that is spelled out is a file or a directory; nobody can say before the files are there.
    let spelled_out = names.iter().flatten().all(|atom| matches!(atom, Atom::Literal(_)));
    if spelled_out {
        let below: Vec<_> = settled.iter().map(|names| [names.as_slice(), &["**".to_owned()]].concat()).collect();
        settled.extend(below);
    }
    Ok(settled.iter().map(|names| names.join("/")).collect())
}

/// Returns in which ways a name of a pattern can be one name or several: `**` that does not stand alone may have directories
/// before, behind or between what is around it.
fn spread(name: &[Atom], last: bool) -> Result<Vec<Vec<String>>, Fault> {
    let star = |atom: &Atom| matches!(atom, Atom::Star | Atom::DoubleStar);
    if name.windows(2).any(|two| two.iter().all(star)) {
        return Err(Fault::Stars);
    }
    let mut parts = name.split(|atom| *atom == Atom::DoubleStar);
    let (before, after) = match (parts.next(), parts.next(), parts.next()) {
        (Some(all), None, _) => return Ok(vec![vec![written(all)]]),
        (Some(before), Some(after), None) => (written(before), written(after)),
        _ => return Err(Fault::Stars),
    };
    let any = || "**".to_owned();
    Ok(match (before.is_empty(), after.is_empty()) {
        (true, true) => vec![vec![any()]],
        (true, false) => vec![vec![any(), format!("*{after}")]],
        (false, true) if last => vec![vec![format!("{before}*")], vec![format!("{before}*"), any()]],
        (false, true) => vec![vec![format!("{before}*"), any()]],
        (false, false) => {
            vec![vec![format!("{before}*{after}")], vec![format!("{before}*"), any(), format!("*{after}")]]
        }
    })
}

fn written(atoms: &[Atom]) -> String {
    let mut text = String::new();
    for atom in atoms {
        match atom {
            Atom::Literal(c) if META.contains(*c) => text.extend(['\\', *c]),
            Atom::Literal(c) => text.push(*c),
            Atom::Wild(wild) => text.push_str(wild),
            Atom::Star => text.push('*'),
            Atom::DoubleStar => text.push_str("**"),
            Atom::Slash => text.push('/'),
        }
    }
    text
}
