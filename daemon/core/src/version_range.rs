//! Ranges of versions as Flux and Helm read them, and the newest tag in one.
//!
//! The rules are those of Masterminds/semver 3 (its README and table of tests), which differ from Cargo's and npm's: a
//! version without an operator may be partial (`1.2` is `~1.2`), and a pre-release counts where any constraint of the same
//! group names one, whatever its numbers. Tags must be whole versions (semver.org 2.0.0), with or without a leading `v`.

mod constraint;
#[cfg(test)]
mod tests;

use std::{cmp::Ordering, fmt};

use semver::Version;
use serde::{Deserialize, Serialize};

use self::constraint::Constraint;

/// A range such as `>=1.2 <2 || ^3.1`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct VersionRange {
    text: String,
    /// One of these groups has to be met.
    groups: Vec<Group>,
}

/// A range that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} is not a range of versions: {why}; write one such as \">=1.2 <2\", \"~1.2\", \"^1\", \"1.x\" or \"1.2 - 2.3\""
)]
pub struct InvalidRange {
    /// What was written.
    text: String,
    /// What is wrong with it.
    why: &'static str,
}

/// Constraints that all have to be met.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Group(Vec<Constraint>);

impl VersionRange {
    /// Parses a range.
    pub fn parse(text: &str) -> Result<Self, InvalidRange> {
        let groups: Result<_, _> = text.split("||").map(|group| constraint::all(group).map(Group)).collect();
        let invalid = |why| InvalidRange { text: text.to_owned(), why };
        Ok(Self { text: text.to_owned(), groups: groups.map_err(invalid)? })
    }

    /// Returns the range as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns the newest of the tags that are versions in this range; of equal versions the one with the greater build
    /// metadata, so that the choice does not depend on an order.
    pub fn newest<'a>(&self, tags: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
        let inside = tags.into_iter().filter_map(version).filter(|(version, _)| self.holds(version));
        inside.max_by(newer).map(|(_, tag)| tag)
    }

    fn holds(&self, version: &Version) -> bool {
        self.groups.iter().any(|group| group.holds(version))
    }
}

/// Returns the tags that are versions, newest first.
pub fn versions<'a>(tags: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let mut found: Vec<_> = tags.into_iter().filter_map(version).collect();
    found.sort_by(|one, other| newer(other, one));
    found.into_iter().map(|(_, tag)| tag).collect()
}

/// Reads a tag.
fn version(tag: &str) -> Option<(Version, &str)> {
    Version::parse(tag.strip_prefix('v').unwrap_or(tag)).ok().map(|version| (version, tag))
}

fn newer(one: &(Version, &str), other: &(Version, &str)) -> Ordering {
    one.cmp(other)
}

impl Group {
    fn holds(&self, version: &Version) -> bool {
        let wanted = version.pre.is_empty() || self.0.iter().any(Constraint::names_a_pre_release);
        wanted && self.0.iter().all(|constraint| constraint.holds(version))
    }
}

impl fmt::Display for VersionRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl TryFrom<String> for VersionRange {
    type Error = InvalidRange;
    fn try_from(text: String) -> Result<Self, InvalidRange> {
        Self::parse(&text)
    }
}

impl From<VersionRange> for String {
    fn from(range: VersionRange) -> Self {
        range.text
    }
}
