//! Records for tests: of any environment and commit, and otherwise all alike.

use super::{
    Record, RecordKind,
    line::{Line, Origin},
};
use crate::{
    commit::{CommitId, Revision},
    environment::EnvironmentName,
};

/// Returns a record about a commit.
pub(crate) fn record(environment: &str, commit: CommitId, message: &str) -> Record {
    let revision = Revision {
        reference: None,
        commit,
        author: "Ann <ann@example.com>".to_owned(),
        committed: jiff::Timestamp::UNIX_EPOCH,
        subject: "A commit".to_owned(),
        signer: None,
    };
    let environment = EnvironmentName::new("team", environment);
    Record::new(jiff::Timestamp::UNIX_EPOCH, environment, Some(revision), RecordKind::Applied, message.to_owned())
}

/// Returns what makes it a line; the UID of an environment is its name.
pub(crate) fn origin(environment: &str, repository: &str) -> Origin {
    let text = str::to_owned;
    Origin { cluster: text("eu-1"), environment: text(environment), repository: text(repository) }
}

/// Returns its line in the notes of the Repository `repo`.
pub(crate) fn line(environment: &str, commit: CommitId, sequence: u64) -> Line {
    let record = record(environment, commit, &format!("{environment} {sequence}"));
    Line::of(&record, &origin(environment, "repo"), sequence).expect("a record about a commit is a line")
}
