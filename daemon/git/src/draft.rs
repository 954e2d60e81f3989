//! Commits of plumb's own: reverts, notes. They are written into a mirror first and then pushed.
//!
//! Owns: the bytes of a commit and where its signature stands. Must never do: see a private key (it is handed a function).

use git2::{Oid, Repository, Signature, Time};
use jiff::Timestamp;
use plumb_core::{
    commit::{CommitId, TreeId},
    person::Person,
};

use crate::{error::GitError, mirror::Mirror};

/// The header under which Git finds a signature, whatever its format (gitformat-signature).
const SIGNATURE_HEADER: &str = "gpgsig";

/// A commit that is to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// Its files.
    pub tree: TreeId,
    /// The commits that it follows.
    pub parents: Vec<CommitId>,
    /// Who wrote it.
    pub author: Person,
    /// Who made it.
    pub committer: Person,
    /// When, for both.
    pub at: Timestamp,
    /// The message, with a line break at its end.
    pub message: String,
}

/// Signs the bytes of a commit; the answer is an armored signature, or why there is none.
pub type Sign<'a> = dyn Fn(&[u8]) -> Result<String, String> + 'a;

impl Mirror {
    /// Writes a commit, signed where a function for that is given, and returns its id; no ref is moved.
    ///
    /// *Guarantees:* the same draft with the same signature is the same commit. What was written and is not pushed stays
    /// behind as an object that nothing leads to.
    ///
    /// *Errors:* the tree or a parent is not in the mirror; `NotSigned` if the function fails.
    pub fn write_commit(&self, draft: &Draft, sign: Option<&Sign<'_>>) -> Result<CommitId, GitError> {
        let content = self.with(|repository| content(repository, draft))?;
        let signature = match sign {
            // libgit2 would turn the line break at the end into an empty line of the header.
            Some(sign) => Some(sign(content.as_bytes()).map_err(|detail| GitError::NotSigned { detail })?),
            None => None,
        };
        self.with(|repository| {
            let id = match &signature {
                Some(signature) => repository.commit_signed(&content, signature.trim_end(), Some(SIGNATURE_HEADER))?,
                None => repository.odb()?.write(git2::ObjectType::Commit, content.as_bytes())?,
            };
            CommitId::parse(&id.to_string()).map_err(|error| git2::Error::from_str(&error.to_string()))
        })
    }
}

/// Returns the commit without its signature.
fn content(repository: &Repository, draft: &Draft) -> Result<String, git2::Error> {
    let Draft { tree, parents, author, committer, at, message } = draft;
    let tree = repository.find_tree(Oid::from_str(tree.as_str())?)?;
    let parents = parents.iter().map(|id| repository.find_commit(Oid::from_str(id.as_str())?));
    let parents = parents.collect::<Result<Vec<_>, git2::Error>>()?;
    let parents: Vec<&git2::Commit<'_>> = parents.iter().collect();
    let (author, committer) = (identity(author, *at)?, identity(committer, *at)?);
    let buffer = repository.commit_create_buffer(&author, &committer, message, &tree, &parents)?;
    String::from_utf8(buffer.to_vec()).map_err(|error| git2::Error::from_str(&error.to_string()))
}

fn identity(person: &Person, at: Timestamp) -> Result<Signature<'static>, git2::Error> {
    Signature::new(person.name(), person.email(), &Time::new(at.as_second(), 0))
}
