//! Names of things in Git: commits, trees, refs, paths.
//!
//! Every value is checked when it is made, so the rest of the code never meets a malformed one.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A name that is not one of Git's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidName {
    /// Not 40 lower-case hexadecimal digits.
    #[error("{0:?} is not a full commit or tree id (40 hexadecimal digits)")]
    ObjectId(String),
    /// Not a full ref name.
    #[error("{0:?} is not a full ref name (it starts with refs/ and holds no space, \"..\", or any of ~^:?*[\\)")]
    RefName(String),
    /// A path that is absolute, leaves the repository or is not in its normal form.
    #[error("{0:?} is not a path inside the repository: write it relative to the root, without \"..\"")]
    RepoPath(String),
}

macro_rules! object_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Parses 40 lower-case hexadecimal digits (SHA-1; SHA-256 repositories are refused by plumb-git).
            pub fn parse(text: &str) -> Result<Self, InvalidName> {
                let valid = text.len() == 40 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
                if valid { Ok(Self(text.to_owned())) } else { Err(InvalidName::ObjectId(text.to_owned())) }
            }

            /// Returns all 40 digits.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// Returns the first 7 digits, as Git shows them to people.
            pub fn short(&self) -> &str {
                &self.0[..7]
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidName;
            fn try_from(text: String) -> Result<Self, InvalidName> {
                Self::parse(&text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0
            }
        }
    };
}

object_id!(
    /// The id of a commit.
    CommitId
);
object_id!(
    /// The id of a tree or a blob: equal ids mean equal content.
    TreeId
);

/// What the refs of plumb's notes begin with; the rest is the cluster's name.
pub const NOTES: &str = "refs/notes/plumb/";

/// A full ref name such as `refs/heads/main`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RefName(String);

impl RefName {
    /// Parses a full ref name by the rules of `git check-ref-format`.
    pub fn parse(text: &str) -> Result<Self, InvalidName> {
        let bad = |c: char| c.is_ascii_control() || " ~^:?*[\\\u{7f}".contains(c);
        let valid = text.starts_with("refs/")
            && !text.contains(bad)
            && !text.contains("..")
            && !text.contains("@{")
            && text.split('/').all(|part| !part.is_empty() && !part.starts_with('.') && !part.ends_with(".lock"))
            && !text.ends_with('.');
        if valid { Ok(Self(text.to_owned())) } else { Err(InvalidName::RefName(text.to_owned())) }
    }

    /// Returns the ref of a branch.
    pub fn branch(name: &str) -> Result<Self, InvalidName> {
        Self::parse(&format!("refs/heads/{name}"))
    }

    /// Returns the ref of a tag.
    pub fn tag(name: &str) -> Result<Self, InvalidName> {
        Self::parse(&format!("refs/tags/{name}"))
    }

    /// Returns the full name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns how people call it: a branch by its name alone, anything else by its full name.
    pub fn short(&self) -> &str {
        self.0.strip_prefix("refs/heads/").unwrap_or(&self.0)
    }
}

impl fmt::Display for RefName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for RefName {
    type Error = InvalidName;
    fn try_from(text: String) -> Result<Self, InvalidName> {
        Self::parse(&text)
    }
}

impl From<RefName> for String {
    fn from(name: RefName) -> String {
        name.0
    }
}

/// A path inside a repository: relative, `/`-separated, no `.`, no `..`; empty means the root.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RepoPath(String);

impl RepoPath {
    /// Parses a path; `.`, `./` and a trailing `/` are accepted and normalised away.
    pub fn parse(text: &str) -> Result<Self, InvalidName> {
        if text.starts_with('/') || text.contains(['\\', '\0']) {
            return Err(InvalidName::RepoPath(text.to_owned()));
        }
        let mut parts = Vec::new();
        for part in text.split('/') {
            match part {
                "" | "." => {}
                ".." => return Err(InvalidName::RepoPath(text.to_owned())),
                part => parts.push(part),
            }
        }
        Ok(Self(parts.join("/")))
    }

    /// Returns the root of the repository.
    pub fn root() -> Self {
        Self::default()
    }

    /// Returns the path below `self` named by one more component or several.
    pub fn join(&self, below: &str) -> Result<Self, InvalidName> {
        Self::parse(&format!("{}/{below}", if self.0.is_empty() { "." } else { &self.0 }))
    }

    /// Returns the path as written in Git's trees; empty for the root.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns what of this path is below a directory: nothing of the directory itself; absent where it is not within it.
    pub fn below(&self, directory: &Self) -> Option<&str> {
        if directory.is_root() {
            return Some(&self.0);
        }
        let rest = self.0.strip_prefix(&directory.0)?;
        if rest.is_empty() { Some(rest) } else { rest.strip_prefix('/') }
    }

    /// Returns whether this is a directory or lies below it.
    pub fn is_within(&self, directory: &Self) -> bool {
        self.below(directory).is_some()
    }

    /// Returns whether this is the root.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for RepoPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "." } else { &self.0 })
    }
}

impl TryFrom<String> for RepoPath {
    type Error = InvalidName;
    fn try_from(text: String) -> Result<Self, InvalidName> {
        Self::parse(&text)
    }
}

impl From<RepoPath> for String {
    fn from(path: RepoPath) -> String {
        path.0
    }
}

/// One commit as a person knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Revision {
    /// The ref it was found at; absent where a commit was named directly.
    #[serde(rename = "ref", default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<RefName>,
    /// The commit.
    pub commit: CommitId,
    /// `Name <email>` of its author.
    pub author: String,
    /// The committer's time.
    pub committed: jiff::Timestamp,
    /// The first line of its message.
    pub subject: String,
    /// Who signed it, where that was verified.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signer: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repository_paths_are_normalised_or_refused() {
        let check = |text: &str, expected: Option<&str>| {
            assert_eq!(RepoPath::parse(text).ok().as_ref().map(RepoPath::as_str), expected, "{text:?}");
        };
        check("", Some(""));
        check(".", Some(""));
        check("./a//b/", Some("a/b"));
        check("a/./b", Some("a/b"));
        check("..", None);
        check("a/../b", None);
        check("/a", None);
        check("a\\b", None);
    }

    #[test]
    fn a_branch_is_called_by_its_name_and_nothing_is_cut_twice() {
        let check = |text: &str, expected: &str| {
            assert_eq!(RefName::parse(text).expect("a ref").short(), expected);
        };
        check("refs/heads/main", "main");
        check("refs/heads/refs/heads/main", "refs/heads/main");
        check("refs/tags/v1", "refs/tags/v1");
    }

    #[test]
    fn a_path_is_below_whole_directories_only() {
        let check = |path: &str, directory: &str, expected: Option<&str>| {
            let (path, directory) =
                (RepoPath::parse(path).expect("a path"), RepoPath::parse(directory).expect("a path"));
            assert_eq!(path.below(&directory), expected, "{path} in {directory}");
            assert_eq!(path.is_within(&directory), expected.is_some());
        };
        check("a/b", "", Some("a/b"));
        check("", "", Some(""));
        check("", "a", None);
        check("a", "a", Some(""));
        check("a/b/c", "a", Some("b/c"));
        check("ab", "a", None);
        check("ab/c", "a", None);
        check("a", "a/b", None);
    }

    #[test]
    fn ref_names_follow_check_ref_format() {
        for good in ["refs/heads/main", "refs/notes/plumb/lab", "refs/heads/feature/a-b.c"] {
            assert!(RefName::parse(good).is_ok(), "{good}");
        }
        for bad in [
            "main",
            "refs/heads/",
            "refs/heads/a..b",
            "refs/heads/.a",
            "refs/heads/a.lock",
            "refs/heads/a b",
            "refs/heads/a@{1}",
            "refs/heads/a.",
        ] {
            assert!(RefName::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn ids_are_forty_digits() {
        assert!(CommitId::parse("0123456789abcdef0123456789abcdef01234567").is_ok());
        assert!(CommitId::parse("0123456789ABCDEF0123456789abcdef01234567").is_err());
        assert!(CommitId::parse("0123456").is_err());
    }
}
