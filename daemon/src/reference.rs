//! What a Repository's `spec.ref` means in plumb-git's words: parsed whole, so that a new field can't be forgotten.

use plumb_api::repository::Reference;
use plumb_core::{commit::CommitId, version_range::VersionRange};
use plumb_git::remote::{RefSelector, Wanted};

/// Reads what to follow; an error says which field is wrong and why.
pub(crate) fn wanted(reference: Option<&Reference>) -> Result<Wanted, String> {
    let Some(Reference { branch, tag, semver, commit }) = reference else { return Ok(Wanted::Ref(RefSelector::Head)) };
    let wrong = |field: &str, error: &dyn std::fmt::Display| format!("spec.ref.{field}: {error}");
    match (branch, tag, semver, commit) {
        (Some(branch), None, None, None) => {
            RefSelector::branch(branch).map(Wanted::Ref).map_err(|error| wrong("branch", &error))
        }
        (None, Some(tag), None, None) => RefSelector::tag(tag).map(Wanted::Ref).map_err(|error| wrong("tag", &error)),
        (None, None, Some(range), None) => {
            let range = VersionRange::parse(range).map_err(|error| wrong("semver", &error))?;
            Ok(Wanted::Ref(RefSelector::Newest(range)))
        }
        (None, None, None, Some(commit)) => {
            CommitId::parse(commit).map(Wanted::Commit).map_err(|error| wrong("commit", &error))
        }
        _ => Err("spec.ref: write exactly one of branch, tag, semver and commit".to_owned()),
    }
}
