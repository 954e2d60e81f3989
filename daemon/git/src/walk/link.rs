//! Following a symbolic link by its text, never by the operating system.

use std::collections::{BTreeSet, VecDeque};

use plumb_core::{commit::RepoPath, problem::Problem};

use super::{Node, Store};

/// Most links on one way, as in Linux (`MAXSYMLINKS`): more is a loop.
const MAX_LINKS: usize = 40;

/// Longest text of a link, as in Linux (`PATH_MAX`).
pub(crate) const MAX_TARGET_BYTES: u64 = 4096;

/// Where a way ends.
pub(super) struct Found<C> {
    pub(super) path: RepoPath,
    pub(super) node: Node<C>,
}

/// Why a way leads nowhere.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum LinkFault {
    Absolute,
    Leaves,
    Missing(String),
    Loop,
    /// A directory that is being read already; the problem stands at its second appearance.
    Cycle,
    NotADirectory,
    Malformed,
    Submodule,
}

impl LinkFault {
    /// Returns the problem of the link that was seen at this path.
    pub(super) fn problem(self, seen: &RepoPath) -> Problem {
        let (message, remedy) = match self {
            Self::Absolute => ("is a link with an absolute target", "use a relative link inside the repository"),
            Self::Leaves => ("is a link that leaves the repository", "copy the target into the repository"),
            Self::Missing(target) => {
                let message = format!("is a link to {target}, which does not exist");
                return super::problem(seen, message, "correct or remove the link");
            }
            Self::Loop => {
                ("is a link that leads through more than 40 others, perhaps itself", "link to the target directly")
            }
            Self::Cycle => ("is reached through a link inside itself", "link to a smaller directory"),
            Self::NotADirectory => ("is a link through something that is not a directory", "correct the link"),
            Self::Malformed => ("is a link whose target is not a path", "make the link anew"),
            Self::Submodule => ("is a link into a submodule, which plumb does not fetch", "copy the files"),
        };
        super::problem(seen, message.to_owned(), remedy)
    }
}

/// Follows a target from a real directory to where it ends; links on the way go into `crossed`.
pub(super) fn resolve<S: Store>(
    store: &S,
    from: &RepoPath,
    target: &str,
    crossed: &mut BTreeSet<RepoPath>,
) -> Result<Result<Found<S::Content>, LinkFault>, S::Fault> {
    if target.starts_with('/') {
        return Ok(Err(LinkFault::Absolute));
    }
    let mut here: Vec<String> = from.as_str().split('/').filter(|part| !part.is_empty()).map(str::to_owned).collect();
    let mut ahead: VecDeque<String> = target.split('/').map(str::to_owned).collect();
    let mut links = 0;
    while let Some(part) = ahead.pop_front() {
        match part.as_str() {
            "" | "." => continue,
            ".." => {
                if here.pop().is_none() {
                    return Ok(Err(LinkFault::Leaves));
                }
                continue;
            }
            _ => here.push(part),
        }
        let Ok(path) = RepoPath::parse(&here.join("/")) else { return Ok(Err(LinkFault::Malformed)) };
        match store.node(&path)? {
            None => return Ok(Err(LinkFault::Missing(path.to_string()))),
            Some(Node::Directory) => {}
            Some(Node::Submodule) => return Ok(Err(LinkFault::Submodule)),
            Some(Node::Link(text)) => {
                links += 1;
                if links > MAX_LINKS {
                    return Ok(Err(LinkFault::Loop));
                }
                let Ok(text) = String::from_utf8(text) else { return Ok(Err(LinkFault::Malformed)) };
                if text.is_empty() {
                    return Ok(Err(LinkFault::Malformed));
                }
                if text.starts_with('/') {
                    return Ok(Err(LinkFault::Absolute));
                }
                crossed.insert(path);
                here.pop();
                for part in text.split('/').rev() {
                    ahead.push_front(part.to_owned());
                }
            }
            Some(node) if ahead.iter().all(|part| matches!(part.as_str(), "" | ".")) => {
                return Ok(Ok(Found { path, node }));
            }
            Some(_) => return Ok(Err(LinkFault::NotADirectory)),
        }
    }
    let path = RepoPath::parse(&here.join("/"));
    Ok(path.map(|path| Found { path, node: Node::Directory }).map_err(|_| LinkFault::Malformed))
}
