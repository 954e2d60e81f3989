//! One constraint of a range: an operator and a version that may be partial.

use std::cmp::Ordering;

use semver::{BuildMetadata, Prerelease, Version};

/// An operator with its version.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Constraint {
    operator: Operator,
    /// What was left out counts as zero.
    bound: Version,
    given: Given,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Operator {
    /// None, or `=`: exactly this, or anything that begins like it if it is partial.
    Like,
    NotLike,
    Greater,
    Less,
    AtLeast,
    AtMost,
    /// `~`: the last number that is given may grow.
    Tilde,
    /// `^`: everything behind the first number that is not zero may grow.
    Caret,
}

/// How much of a version was written; `x`, `X` and `*` count as left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Given {
    Nothing,
    Major,
    Minor,
    All,
}

/// Reads constraints that are separated by blanks or commas; `1.2 - 2.3` is two of them.
pub(super) fn all(text: &str) -> Result<Vec<Constraint>, &'static str> {
    let mut rest = text.trim();
    let mut constraints: Vec<Constraint> = Vec::new();
    if rest.is_empty() {
        return Err("a part of it is empty");
    }
    while !rest.is_empty() {
        let (operator, after) = operator(rest)?;
        let (bound, given, after) = partial(after.trim_start())?;
        let separated = after.trim_start_matches([' ', '\t', ',']);
        if separated.len() == after.len() && !after.is_empty() {
            return Err("it holds something behind a version");
        }
        rest = separated;
        match separated.strip_prefix("- ") {
            Some(end) if operator == Operator::Like => {
                let (upper, upper_given, after) = partial(end.trim_start())?;
                rest = after.trim_start_matches([' ', '\t', ',']);
                if rest.len() == after.len() && !after.is_empty() {
                    return Err("it holds something behind a version");
                }
                constraints.push(Constraint { operator: Operator::AtLeast, bound, given });
                constraints.push(Constraint { operator: Operator::AtMost, bound: upper, given: upper_given });
            }
            _ => constraints.push(Constraint { operator, bound, given }),
        }
    }
    Ok(constraints)
}

fn operator(text: &str) -> Result<(Operator, &str), &'static str> {
    let end = text.find(|c: char| !"=!<>~^".contains(c)).unwrap_or(text.len());
    let operator = match &text[..end] {
        "" | "=" => Operator::Like,
        "!=" => Operator::NotLike,
        ">" => Operator::Greater,
        "<" => Operator::Less,
        ">=" | "=>" => Operator::AtLeast,
        "<=" | "=<" => Operator::AtMost,
        "~" | "~>" => Operator::Tilde,
        "^" => Operator::Caret,
        _ => return Err("it has an unknown operator"),
    };
    Ok((operator, &text[end..]))
}

/// Reads a version of which only the first number must be there.
fn partial(text: &str) -> Result<(Version, Given, &str), &'static str> {
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || ".*+-".contains(c))).unwrap_or(text.len());
    let (written, rest) = text.split_at(end);
    let written = written.strip_prefix('v').unwrap_or(written);
    let (written, build) = written.split_once('+').map_or((written, ""), |(before, build)| (before, build));
    let (numbers, pre) = written.split_once('-').map_or((written, ""), |(before, pre)| (before, pre));
    let mut read = Vec::new();
    for part in numbers.split('.') {
        read.push(match part {
            "x" | "X" | "*" => None,
            digits => Some(digits.parse().map_err(|_| "a part of a version is neither a number nor x")?),
        });
    }
    let number = |index: usize| read.get(index).copied().flatten();
    let (given, major, minor, patch) = match (number(0), number(1), number(2)) {
        _ if read.len() > 3 => return Err("a version has more than three numbers"),
        (None, ..) => (Given::Nothing, 0, 0, 0),
        (Some(major), None, _) => (Given::Major, major, 0, 0),
        (Some(major), Some(minor), None) => (Given::Minor, major, minor, 0),
        (Some(major), Some(minor), Some(patch)) => (Given::All, major, minor, patch),
    };
    let pre = Prerelease::new(pre).map_err(|_| "a pre-release is not identifiers with dots between")?;
    BuildMetadata::new(build).map_err(|_| "build metadata are not identifiers with dots between")?;
    Ok((Version { major, minor, patch, pre, build: BuildMetadata::EMPTY }, given, rest))
}

impl Constraint {
    /// Returns whether it asks for pre-releases.
    pub(super) fn names_a_pre_release(&self) -> bool {
        !self.bound.pre.is_empty()
    }

    /// Returns whether a version meets it.
    pub(super) fn holds(&self, version: &Version) -> bool {
        let order = version.cmp_precedence(&self.bound);
        match (self.operator, self.given) {
            (Operator::Like, Given::All) => order == Ordering::Equal,
            (Operator::Like, _) | (Operator::Tilde, _) => order != Ordering::Less && self.within_tilde(version),
            (Operator::NotLike, Given::All) => order != Ordering::Equal,
            (Operator::NotLike, _) => !self.begins_like(version) || self.differs_in_pre_release(version),
            (Operator::Greater, Given::Major | Given::Minor) => {
                order == Ordering::Greater && !self.begins_like(version)
            }
            (Operator::Greater, _) => order == Ordering::Greater,
            (Operator::Less, _) => order == Ordering::Less,
            (Operator::AtLeast, _) => order != Ordering::Less,
            (Operator::AtMost, Given::All) => order != Ordering::Greater,
            (Operator::AtMost, _) => order != Ordering::Greater || self.begins_like(version),
            (Operator::Caret, _) => order != Ordering::Less && self.within_caret(version),
        }
    }

    /// Returns whether a version has all numbers that are given.
    fn begins_like(&self, version: &Version) -> bool {
        let Version { major, minor, patch, .. } = &self.bound;
        match self.given {
            Given::Nothing => true,
            Given::Major => version.major == *major,
            Given::Minor => (version.major, version.minor) == (*major, *minor),
            Given::All => (version.major, version.minor, version.patch) == (*major, *minor, *patch),
        }
    }

    fn differs_in_pre_release(&self, version: &Version) -> bool {
        self.given == Given::Minor && version.pre != self.bound.pre
    }

    fn within_tilde(&self, version: &Version) -> bool {
        match self.given {
            // `~0.0.0` stands for any version, as `*` does.
            Given::All if (self.bound.major, self.bound.minor, self.bound.patch) == (0, 0, 0) => true,
            Given::All => (version.major, version.minor) == (self.bound.major, self.bound.minor),
            _ => self.begins_like(version),
        }
    }

    fn within_caret(&self, version: &Version) -> bool {
        let Version { major, minor, patch, .. } = &self.bound;
        match (self.given, major, minor) {
            (Given::Nothing, ..) => true,
            (Given::Major, ..) | (_, 1.., _) => version.major == *major,
            (Given::Minor, ..) | (_, _, 1..) => (version.major, version.minor) == (*major, *minor),
            (Given::All, 0, 0) => (version.major, version.minor, version.patch) == (0, 0, *patch),
        }
    }
}
