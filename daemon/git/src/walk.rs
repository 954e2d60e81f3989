//! Reading all files below one path, from a commit or from a directory alike.
//!
//! Owns: symbolic links (followed inside the repository, refused elsewhere), the limits, the problems. The content comes
//! from a [`Store`]; no link is ever followed by the operating system, so nothing outside the repository can be reached.

mod link;

use std::{collections::BTreeSet, sync::Arc};

use plumb_core::{
    commit::{RepoPath, TreeId},
    object::Origin,
    problem::Problem,
    source::SourceFile,
};

pub(crate) use self::link::MAX_TARGET_BYTES;
use self::link::{Found, LinkFault};

/// Largest file that is read. The API server takes objects up to about 1.5 MB; a file may hold many, or a chart's archive.
const MAX_FILE_BYTES: u64 = 16 << 20;

/// Most entries (files, directories and links, each counted as often as links lead to it) below one path: a repository of
/// 30,000 files passes, links that multiply each other do not.
const MAX_ENTRIES: usize = 100_000;

/// Most content below one path; it is held in memory while it is rendered.
const MAX_TOTAL_BYTES: u64 = 256 << 20;

/// How deep directories may lie in each other, links included: the walk is recursive.
const MAX_DEPTH: usize = 64;

/// Where files come from.
pub(crate) trait Store {
    /// What is needed to read a file's content.
    type Content;
    /// A failure of the store itself.
    type Fault;

    /// Returns the entries of a directory, in any order.
    fn list(&self, directory: &RepoPath) -> Result<Vec<Listed<Self::Content>>, Self::Fault>;
    /// Returns what stands at a path that is not the root, links not followed.
    fn node(&self, path: &RepoPath) -> Result<Option<Node<Self::Content>>, Self::Fault>;
    /// Returns a file's id and bytes.
    fn content(&self, content: &Self::Content) -> Result<(TreeId, Arc<[u8]>), Self::Fault>;
}

/// One entry of a directory.
pub(crate) struct Listed<C> {
    pub(crate) name: Vec<u8>,
    pub(crate) node: Node<C>,
}

/// What an entry is.
pub(crate) enum Node<C> {
    Directory,
    File {
        bytes: u64,
        content: C,
    },
    /// A symbolic link and its text; empty if that is too long to be a path.
    Link(Vec<u8>),
    Submodule,
    /// A socket, a device: only in directories.
    Special,
}

/// What a walk found.
#[derive(Debug)]
pub(crate) struct Read {
    /// Where the path really is, once links on the way are followed; absent if a problem says why not.
    pub(crate) root: Option<RepoPath>,
    pub(crate) files: Vec<SourceFile>,
    pub(crate) problems: Vec<Problem>,
    /// Links and their targets that are not below the root.
    pub(crate) links: BTreeSet<RepoPath>,
}

/// Why a path cannot be read at all.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    Missing,
    IsFile,
}

/// Reads every file below the path; problems with single files are returned, all of them.
pub(crate) fn read<S: Store>(store: &S, path: &RepoPath) -> Result<Result<Read, Refused>, S::Fault> {
    let mut crossed = BTreeSet::new();
    let mut read = Read { root: None, files: Vec::new(), problems: Vec::new(), links: BTreeSet::new() };
    let found = link::resolve(store, &RepoPath::root(), path.as_str(), &mut crossed)?;
    let real = match found {
        Ok(Found { path, node: Node::Directory }) => path,
        Ok(Found { .. }) | Err(LinkFault::NotADirectory) => return Ok(Err(Refused::IsFile)),
        Err(LinkFault::Missing(_)) if crossed.is_empty() => return Ok(Err(Refused::Missing)),
        Err(fault) => {
            read.problems.push(fault.problem(path));
            return Ok(Ok(read));
        }
    };
    read.root = Some(real.clone());
    let mut walk = Walk { store, read, crossed, active: Vec::new(), entries: 0, bytes: 0, full: false };
    walk.directory(path, &real)?;
    let Walk { mut read, crossed, .. } = walk;
    read.links = crossed.into_iter().filter(|link| !link.is_within(&real)).collect();
    read.files.sort_by(|one, other| one.path.cmp(&other.path));
    read.problems.sort();
    Ok(Ok(read))
}

/// One walk under way. Paths come in pairs: as seen from the root through links, and where they really are.
struct Walk<'store, S> {
    store: &'store S,
    read: Read,
    /// Every link that was followed, and its target.
    crossed: BTreeSet<RepoPath>,
    /// The real directories from the root down to here: meeting one again is a cycle.
    active: Vec<RepoPath>,
    entries: usize,
    bytes: u64,
    full: bool,
}

impl<S: Store> Walk<'_, S> {
    fn directory(&mut self, seen: &RepoPath, real: &RepoPath) -> Result<(), S::Fault> {
        if self.active.contains(real) {
            self.read.problems.push(LinkFault::Cycle.problem(seen));
            return Ok(());
        }
        if self.active.len() == MAX_DEPTH {
            self.problem(seen, &format!("is nested deeper than {MAX_DEPTH} directories"), "flatten it");
            return Ok(());
        }
        self.active.push(real.clone());
        for Listed { name, node } in self.store.list(real)? {
            self.entries += 1;
            if self.entries > MAX_ENTRIES && !self.full {
                self.full = true;
                let message = format!("holds more than {MAX_ENTRIES} files");
                self.problem(seen, &message, "name a smaller spec.path, or remove links to large directories");
            }
            if self.full {
                break;
            }
            let Some(name) = usable(&name) else {
                let shown = String::from_utf8_lossy(&name).into_owned();
                self.problem(seen, &format!("holds an entry with an unusable name, {shown:?}"), "rename it in UTF-8");
                continue;
            };
            let (Ok(seen), Ok(real_entry)) = (seen.join(name), real.join(name)) else {
                self.problem(seen, &format!("holds an entry with an unusable name, {name:?}"), "rename it");
                continue;
            };
            self.entry(&seen, &real_entry, real, node)?;
        }
        self.active.pop();
        Ok(())
    }

    fn entry(
        &mut self,
        seen: &RepoPath,
        real: &RepoPath,
        parent: &RepoPath,
        node: Node<S::Content>,
    ) -> Result<(), S::Fault> {
        match node {
            Node::Directory => self.directory(seen, real),
            Node::File { bytes, content } => self.file(seen, bytes, &content),
            Node::Link(target) => {
                self.crossed.insert(real.clone());
                self.follow(seen, parent, &target)
            }
            Node::Submodule => {
                let remedy =
                    "copy its files into this repository, or make it a Repository and an Environment of its own";
                self.problem(seen, "is a submodule, which plumb does not fetch", remedy);
                Ok(())
            }
            Node::Special => {
                self.problem(seen, "is neither a file nor a directory", "remove it");
                Ok(())
            }
        }
    }

    fn follow(&mut self, seen: &RepoPath, parent: &RepoPath, target: &[u8]) -> Result<(), S::Fault> {
        let found = match std::str::from_utf8(target) {
            Ok(target) if !target.is_empty() => link::resolve(self.store, parent, target, &mut self.crossed)?,
            _ => Err(LinkFault::Malformed),
        };
        match found {
            Ok(Found { path, node: Node::Directory }) => {
                self.crossed.insert(path.clone());
                self.directory(seen, &path)
            }
            Ok(Found { path, node: Node::File { bytes, content } }) => {
                self.crossed.insert(path);
                self.file(seen, bytes, &content)
            }
            Ok(Found { .. }) => {
                self.read.problems.push(LinkFault::NotADirectory.problem(seen));
                Ok(())
            }
            Err(fault) => {
                self.read.problems.push(fault.problem(seen));
                Ok(())
            }
        }
    }

    fn file(&mut self, seen: &RepoPath, bytes: u64, content: &S::Content) -> Result<(), S::Fault> {
        if bytes > MAX_FILE_BYTES {
            let message = format!("is larger than {} MiB", MAX_FILE_BYTES >> 20);
            self.problem(seen, &message, "split it, or move it out of spec.path");
            return Ok(());
        }
        if self.bytes + bytes > MAX_TOTAL_BYTES {
            self.full = true;
            let message = format!("is where the files below the path exceed {} MiB", MAX_TOTAL_BYTES >> 20);
            self.problem(seen, &message, "name a smaller spec.path");
            return Ok(());
        }
        self.bytes += bytes;
        let (blob, content) = self.store.content(content)?;
        self.read.files.push(SourceFile { path: seen.clone(), blob, content });
        Ok(())
    }

    fn problem(&mut self, file: &RepoPath, message: &str, remedy: &str) {
        self.read.problems.push(problem(file, message.to_owned(), remedy));
    }
}

fn problem(file: &RepoPath, message: String, remedy: &str) -> Problem {
    Problem { origin: Origin { file: file.clone(), line: 0, column: 0 }, message, remedy: remedy.to_owned() }
}

/// Returns the name if it is one component in UTF-8; a tree made by hand can hold anything.
fn usable(name: &[u8]) -> Option<&str> {
    std::str::from_utf8(name).ok().filter(|name| !matches!(*name, "" | "." | "..") && !name.contains('/'))
}

#[cfg(test)]
mod tests;
