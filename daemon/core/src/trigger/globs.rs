//! Which files a component reads: patterns of paths, of which the last one that fits decides.
//!
//! `*` and `?` stay within one name, `**` goes through any number of directories, `[a-z]` is one character of a class and `{a,b}`
//! either text; `\` takes the character behind it as it stands. A pattern that names a directory (`services/cart`, `docs/`) is about
//! everything below it, and `!` takes away. No patterns are all files; a list that only takes away begins with all of them.
//! Must never do: compile what has no bound, or take a pattern for another one than it looks like.

mod pattern;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, btree_map::Entry};

use globset::{Candidate, Glob, GlobSet, GlobSetBuilder};

pub use self::pattern::Fault;
use super::name::ComponentName;
use crate::{commit::RepoPath, text};

/// Patterns of one component: more of them are written as a directory.
pub const PATTERNS_MAX: usize = 100;
/// Bytes of one pattern: the longest paths that are written by hand have half of that.
pub const PATTERN_LENGTH_MAX: usize = 512;
/// Patterns of all components of a trigger after `{a,b}` was written out, each counted once: what is compiled takes memory.
pub const GLOBS_MAX: usize = 20_000;

/// Characters of a pattern that an error repeats.
const SHOWN_MAX: usize = 100;

/// The patterns of one component, in their order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Globs(Vec<Rule>);

/// One pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Rule {
    /// Whether what fits is taken, or taken away.
    takes: bool,
    /// One of these fits.
    globs: Vec<Glob>,
}

/// A pattern that can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("pattern {}, {:?}: {fault}", position + 1, text::shortened(pattern, SHOWN_MAX))]
pub struct InvalidGlob {
    /// Where it stands in its list, from 0.
    pub position: usize,
    /// What was written.
    pub pattern: String,
    /// What is wrong with it, and what to write instead.
    pub fault: Fault,
}

impl Globs {
    /// Reads the patterns of one component.
    ///
    /// # Errors
    /// Every pattern that can't be used.
    pub fn parse(patterns: &[String]) -> Result<Self, Vec<InvalidGlob>> {
        let (mut rules, mut invalid) = (Vec::new(), Vec::new());
        for (position, pattern) in patterns.iter().enumerate() {
            let read = if position < PATTERNS_MAX { rule(pattern) } else { Err(Fault::TooMany) };
            let beyond = position >= PATTERNS_MAX;
            match read {
                Ok(rule) => rules.push(rule),
                Err(fault) => invalid.push(InvalidGlob { position, pattern: pattern.clone(), fault }),
            }
            if beyond {
                break;
            }
        }
        if invalid.is_empty() { Ok(Self(rules)) } else { Err(invalid) }
    }

    /// Returns whether a file counts that no pattern fits.
    fn begins_with_all(&self) -> bool {
        self.0.iter().all(|rule| !rule.takes)
    }
}

fn rule(pattern: &str) -> Result<Rule, Fault> {
    let (takes, text) = match pattern.strip_prefix('!') {
        Some(rest) => (false, rest),
        None => (true, pattern),
    };
    Ok(Rule { takes, globs: pattern::read(text)? })
}

/// The patterns of all components together, ready to be held against many paths.
#[derive(Debug, Clone)]
pub struct Paths {
    /// Each different pattern once.
    set: GlobSet,
    /// For each pattern of the set who has it.
    holders: Vec<Vec<Holder>>,
    /// For each component whether a file counts that none of its patterns fits.
    begins: Vec<bool>,
}

/// A component that has a pattern.
#[derive(Debug, Clone, Copy)]
struct Holder {
    component: usize,
    /// Its place among the patterns of that component, from 1.
    order: usize,
    takes: bool,
}

/// The patterns of all components together are more than what is compiled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TooManyGlobs {
    /// By their number.
    #[error(
        "the components of the trigger have more than {GLOBS_MAX} different patterns: write directories instead of their \
         files, or split the trigger"
    )]
    Number,
    /// By what they take when they are compiled.
    #[error(
        "the patterns of all components together are too large to compile ({0}): write directories instead of their files, \
         or split the trigger"
    )]
    Size(String),
}

impl Paths {
    /// Puts the patterns of all components together; a component is called by its index from then on.
    ///
    /// # Errors
    /// Patterns that are too many together.
    pub fn new(components: &[(ComponentName, Globs)]) -> Result<Self, TooManyGlobs> {
        let mut known: BTreeMap<&str, usize> = BTreeMap::new();
        let (mut builder, mut holders) = (GlobSetBuilder::new(), Vec::<Vec<Holder>>::new());
        for (component, (_, globs)) in components.iter().enumerate() {
            for (order, rule) in (1..).zip(&globs.0) {
                for glob in &rule.globs {
                    let index = match known.entry(glob.glob()) {
                        Entry::Occupied(known) => *known.get(),
                        Entry::Vacant(new) => {
                            builder.add(glob.clone());
                            holders.push(Vec::new());
                            *new.insert(holders.len() - 1)
                        }
                    };
                    holders[index].push(Holder { component, order, takes: rule.takes });
                }
            }
            if holders.len() > GLOBS_MAX {
                return Err(TooManyGlobs::Number);
            }
        }
        let set = builder.build().map_err(|error| TooManyGlobs::Size(error.kind().to_string()))?;
        Ok(Self { set, holders, begins: components.iter().map(|(_, globs)| globs.begins_with_all()).collect() })
    }

    /// Returns how many components there are.
    pub fn components(&self) -> usize {
        self.begins.len()
    }

    /// Calls back with the index of each component that reads a file, in their order.
    pub fn each(&self, path: &RepoPath, mut reads: impl FnMut(usize)) {
        let fitting = self.set.matches_candidate(&Candidate::from_bytes(path.as_str()));
        let mut last: Vec<(usize, bool)> = self.begins.iter().map(|begins| (0, *begins)).collect();
        for holder in fitting.into_iter().flat_map(|index| &self.holders[index]) {
            let known = &mut last[holder.component];
            if known.0 < holder.order {
                *known = (holder.order, holder.takes);
            }
        }
        for (component, (_, takes)) in last.into_iter().enumerate() {
            if takes {
                reads(component);
            }
        }
    }
}
