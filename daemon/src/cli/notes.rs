//! The notes that plumb leaves in a clone, as `plumb history` and `plumb audit` read them: no cluster, no daemon.

use std::path::{Path, PathBuf};

use clap::Args;
use plumb_core::{
    commit::{CommitId, NOTES, RefName},
    record::line::Line,
};
use plumb_git::{archive::Archive, error::GitError};

use super::{error::CliError, screen};

/// Which notes.
#[derive(Debug, Args)]
pub(super) struct NotesArgs {
    /// Clone of the environment repository, bare or not, with the notes of plumb in it
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub(super) repo: PathBuf,
    /// Notes of this cluster only, by its name in refs/notes/plumb/
    #[arg(long, value_name = "NAME")]
    pub(super) cluster: Option<String>,
}

/// The notes of one cluster.
pub(super) struct Chain {
    pub(super) cluster: String,
    pub(super) reference: RefName,
    pub(super) head: CommitId,
}

/// Returns a clone and the chains of notes in it, at least one.
pub(super) fn open(directory: &Path, cluster: Option<&str>) -> Result<(Archive, Vec<Chain>), CliError> {
    let archive = Archive::open(directory).map_err(|error| unreadable(directory, error))?;
    let all = archive.chains().map_err(|error| unreadable(directory, error))?;
    let all = all.into_iter().map(|(reference, head)| Chain {
        cluster: reference.as_str().strip_prefix(NOTES).unwrap_or_default().to_owned(),
        reference,
        head,
    });
    let (chosen, others): (Vec<Chain>, Vec<Chain>) =
        all.partition(|chain| cluster.is_none_or(|cluster| cluster == chain.cluster));
    if chosen.is_empty() {
        return Err(CliError::NoNotes {
            path: directory.to_owned(),
            cluster: cluster.map(str::to_owned),
            others: others.into_iter().map(|chain| chain.cluster).collect(),
        });
    }
    Ok((archive, chosen))
}

/// Returns every record of a chain, in no order that means anything; lines that are none are counted and said.
pub(super) fn lines(directory: &Path, archive: &Archive, chain: &Chain) -> Result<Vec<Line>, CliError> {
    let (mut lines, mut strange) = (Vec::new(), 0_u64);
    let read = archive.notes(&chain.head, |_, content| {
        for text in String::from_utf8_lossy(content).lines().filter(|text| !text.is_empty()) {
            match Line::parse(text) {
                Ok(line) => lines.push(line),
                Err(_) => strange += 1,
            }
        }
    });
    read.map_err(|error| unreadable(directory, error))?;
    if strange > 0 {
        let reference = &chain.reference;
        screen::remark(&format!("{reference} has {strange} lines that are no records: plumb audit verify names them"))?;
    }
    Ok(lines)
}

pub(super) fn unreadable(directory: &Path, error: GitError) -> CliError {
    CliError::Unreadable { path: directory.to_owned(), source: Box::new(error) }
}
