//! `plumb allow`: a person's word for what a limit holds back.

use clap::Args;
use plumb_api::{EnvironmentStatus, request};
use plumb_core::commit::CommitId;

use super::{
    Outcome,
    asking::{self, Wish},
    connection::{ConnectionArgs, Written, with_session},
    error::CliError,
    screen,
};

/// Digits below which an abbreviation says too little.
const SHORTEST: usize = 4;

/// Allow the deletions of one commit that a limit holds back
///
/// plumb deletes nothing when a commit would prune more than spec.sync.pruneLimit, or everything. Look at the deletions
/// with `plumb diff ENV`, then allow them for exactly that commit; the next one is judged anew.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  plumb allow staging --prune 1a2b3c4
  plumb allow staging --prune 1a2b3c4 --reason \"the old shop is gone for good\"")]
pub(crate) struct AllowArgs {
    /// Environment, as NAME or NAMESPACE/NAME
    #[arg(value_name = "ENV")]
    environment: Written,
    /// The commit; abbreviations of those that the Environment's status names are enough
    #[arg(long, value_name = "COMMIT")]
    prune: String,
    /// Why, for whoever looks next
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    #[command(flatten)]
    connection: ConnectionArgs,
}

/// Writes the request.
pub(crate) fn perform(arguments: &AllowArgs) -> Result<Outcome, CliError> {
    with_session(&arguments.connection, |session| async move {
        let name = session.name(&arguments.environment)?;
        let environment = session.environment(&name).await?;
        let status = environment.status.unwrap_or_default();
        let commit = resolve(&arguments.prune, &status)?;
        let wish = Wish { reason: arguments.reason.clone(), commit: Some(commit.to_string()), ..Wish::default() };
        asking::ask(&session, &name, request::ALLOW_PRUNE, wish).await?;
        screen::print(&format!("{name}: the deletions of {} are allowed\n", commit.short()))?;
        let attempted = status.last_attempted.map(|attempt| attempt.commit).unwrap_or_default();
        if attempted != commit.as_str() {
            let at = attempted.get(..7).unwrap_or("no commit");
            screen::remark(&format!(
                "note: the environment is at {at}, so nothing changes until it is at {}",
                commit.short()
            ))?;
        }
        Ok(Outcome::Yes)
    })
}

/// Returns the commit that a person means: any in full, or an abbreviation of one that the status names.
pub(crate) fn resolve(written: &str, status: &EnvironmentStatus) -> Result<CommitId, CliError> {
    let written = written.to_ascii_lowercase();
    if let Ok(commit) = CommitId::parse(&written) {
        return Ok(commit);
    }
    let known = commits(status);
    let mut meant = known.iter().filter(|commit| commit.as_str().starts_with(&written));
    match (meant.next(), meant.next()) {
        (Some(commit), None) if written.len() >= SHORTEST => Ok(commit.clone()),
        _ => {
            let known = known.iter().map(|commit| commit.short().to_owned()).collect();
            Err(CliError::NoCommit { written, known })
        }
    }
}

/// Returns the commits that a status names, newest first, each once.
fn commits(status: &EnvironmentStatus) -> Vec<CommitId> {
    let attempts = [&status.last_attempted, &status.last_applied].into_iter().flatten().map(|attempt| &attempt.commit);
    let texts = attempts.chain(status.history.iter().map(|entry| &entry.revision.commit));
    let mut known: Vec<CommitId> = Vec::new();
    for commit in texts.filter_map(|text| CommitId::parse(text).ok()) {
        if !known.contains(&commit) {
            known.push(commit);
        }
    }
    known
}

#[cfg(test)]
mod tests {
    use plumb_api::environment::Attempt;

    use super::*;

    #[test]
    fn commits_are_known_by_abbreviations_that_mean_one() {
        let attempt = |commit: &str| {
            Some(Attempt { commit: commit.to_owned(), inputs: String::new(), generation: 1, at: String::new() })
        };
        let (one, other) = ("abcd1".to_owned() + &"0".repeat(35), "abcd2".to_owned() + &"0".repeat(35));
        let status = EnvironmentStatus {
            last_attempted: attempt(&one),
            last_applied: attempt(&other),
            ..EnvironmentStatus::default()
        };
        let check = |written: &str, expected: Option<&str>| {
            let found = resolve(written, &status).ok();
            assert_eq!(found.as_ref().map(CommitId::as_str), expected, "{written}");
        };
        check("abcd1", Some(&one));
        check("ABCD2", Some(&other));
        check(&one, Some(&one));
        check(&"7".repeat(40), Some(&"7".repeat(40)));
        check("abcd", None);
        check("abc", None);
        check("feed", None);
        check("", None);
    }
}
