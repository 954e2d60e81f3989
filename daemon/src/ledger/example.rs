//! Records for tests.

use plumb_core::{
    commit::{CommitId, Revision},
    environment::EnvironmentName,
    record::{Record, RecordKind, line::Origin},
};

/// Returns a record of `team/shop` about a commit.
pub(crate) fn record(message: &str) -> Record {
    let revision = Revision {
        reference: None,
        commit: CommitId::parse(&"a".repeat(40)).expect("an id"),
        author: "Ann <ann@example.com>".to_owned(),
        committed: jiff::Timestamp::UNIX_EPOCH,
        subject: "More".to_owned(),
        signer: None,
    };
    let environment = EnvironmentName::new("team", "shop");
    Record::new(jiff::Timestamp::UNIX_EPOCH, environment, Some(revision), RecordKind::Applied, message.to_owned())
}

/// Returns what makes it a line of a Repository.
pub(crate) fn origin(repository: &str) -> Origin {
    Origin { cluster: "lab".to_owned(), environment: "env".to_owned(), repository: repository.to_owned() }
}
