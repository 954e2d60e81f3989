//! Choosing one ref from what a remote lists.

use plumb_core::commit::{CommitId, RefName};

use crate::{
    error::GitError,
    remote::{Advertised, RefSelector, RemoteUrl},
};

/// How many branches an error names: enough to see the typing mistake.
const NAMED_BRANCHES: usize = 5;

const BRANCHES: &str = "refs/heads/";

/// One line of a remote's list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) name: String,
    pub(super) id: String,
    /// Where a symbolic ref points.
    pub(super) target: Option<String>,
}

/// Returns the wanted ref, or an error that names those that exist.
pub(super) fn select(url: &RemoteUrl, heads: &[Head], selector: &RefSelector) -> Result<Advertised, GitError> {
    let find = |name: &str| heads.iter().find(|head| head.name == name);
    let found = match selector {
        RefSelector::Head => find("HEAD").map(|head| (head.target.as_deref(), head)),
        RefSelector::Branch(name) => find(name.as_str()).map(|head| (Some(name.as_str()), head)),
    };
    let Some((reference, head)) = found else {
        return Err(missing(url, heads.iter().map(|head| head.name.as_str()), selector));
    };
    let reference = reference.map(RefName::parse).transpose().map_err(|error| not_git(url, &error))?;
    let commit = CommitId::parse(&head.id).map_err(|error| not_git(url, &error))?;
    Ok(Advertised { reference, commit })
}

/// Returns the error for a ref that is not there.
pub(super) fn missing<'a>(url: &RemoteUrl, names: impl Iterator<Item = &'a str>, selector: &RefSelector) -> GitError {
    let mut branches: Vec<_> = names.filter_map(|name| name.strip_prefix(BRANCHES)).collect();
    branches.sort_unstable();
    let url = url.to_string();
    if branches.is_empty() {
        return GitError::Empty { url };
    }
    let existing = listed(&branches);
    match selector {
        RefSelector::Head => GitError::HeadUnborn { url, existing },
        RefSelector::Branch(name) => {
            let branch = name.as_str().strip_prefix(BRANCHES).unwrap_or(name.as_str()).to_owned();
            GitError::BranchNotFound { url, branch, existing }
        }
    }
}

fn listed(branches: &[&str]) -> String {
    let named = branches[..branches.len().min(NAMED_BRANCHES)].join(", ");
    match branches.len() - branches.len().min(NAMED_BRANCHES) {
        0 => named,
        more => format!("{named} and {more} more"),
    }
}

fn not_git(url: &RemoteUrl, error: &dyn std::fmt::Display) -> GitError {
    GitError::Server { url: url.to_string(), detail: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::remote::FileUrls;

    #[test]
    fn one_ref_is_chosen_or_the_error_names_those_that_exist() {
        let url = RemoteUrl::parse("https://git.example.com/a", FileUrls::Refused).expect("a good address");
        let id = "0123456789abcdef0123456789abcdef01234567";
        let head = |name: &str, target: Option<&str>| Head {
            name: name.to_owned(),
            id: id.to_owned(),
            target: target.map(str::to_owned),
        };
        let check = |heads: &[Head], selector: &RefSelector, expected: &str| {
            let shown = match select(&url, heads, selector) {
                Ok(found) => found.reference.map_or("detached".to_owned(), |name| name.to_string()),
                Err(error) => error.to_string(),
            };
            assert!(shown.contains(expected), "{heads:?} {selector:?}: {shown}");
        };
        let main = RefSelector::branch("main").expect("a good name");
        let all = [head("HEAD", Some("refs/heads/main")), head("refs/heads/main", None), head("refs/tags/main", None)];
        check(&all, &main, "refs/heads/main");
        check(&all, &RefSelector::Head, "refs/heads/main");
        check(&[head("HEAD", None), head("refs/heads/main", None)], &RefSelector::Head, "detached");
        check(&[head("refs/heads/a", None)], &main, "has no branch main; it has a");
        check(
            &[head("refs/heads/a", None)],
            &RefSelector::Head,
            "HEAD of https://git.example.com/a points at no commit",
        );
        check(&[], &main, "no commit yet");
        check(&[head("refs/tags/main", None)], &main, "no commit yet");
        let many: Vec<_> = ('a'..='h').map(|c| head(&format!("refs/heads/{c}"), None)).collect();
        check(&many, &main, "it has a, b, c, d, e and 3 more");
        let sha256 = Head { name: "refs/heads/main".into(), id: "0".repeat(64), target: None };
        check(&[sha256], &main, "did not answer as a Git server");
    }
}
