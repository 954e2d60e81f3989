//! Choosing one ref from what a remote lists.

use plumb_core::{
    commit::{CommitId, RefName},
    version_range,
};

use crate::{
    error::GitError,
    remote::{Advertised, RefSelector, RemoteUrl},
};

/// How many branches or tags an error names: enough to see the typing mistake.
const NAMED: usize = 5;

const BRANCHES: &str = "refs/heads/";

const TAGS: &str = "refs/tags/";

/// How a list marks the commit behind a tag that has a message.
const PEELED: &str = "^{}";

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
    let names = || heads.iter().map(|head| head.name.as_str());
    let wanted = name(url, names(), selector)?;
    let find = |name: &str| heads.iter().find(|head| head.name == name);
    let Some(head) = find(&wanted) else { return Err(missing(url, names(), selector)) };
    let reference = match selector {
        RefSelector::Head => head.target.as_deref(),
        _ => Some(wanted.as_str()),
    };
    let reference = reference.map(RefName::parse).transpose().map_err(|error| not_git(url, &error))?;
    let id = find(&format!("{wanted}{PEELED}")).map_or(&head.id, |peeled| &peeled.id);
    let commit = CommitId::parse(id).map_err(|error| not_git(url, &error))?;
    Ok(Advertised { reference, commit })
}

/// Returns the name that the wanted ref has in a list, whether it is there or not.
pub(super) fn name<'a>(
    url: &RemoteUrl,
    names: impl Iterator<Item = &'a str> + Clone,
    selector: &RefSelector,
) -> Result<String, GitError> {
    match selector {
        RefSelector::Head => Ok("HEAD".to_owned()),
        RefSelector::Branch(name) | RefSelector::Tag(name) => Ok(name.as_str().to_owned()),
        RefSelector::Newest(range) => {
            let newest = range.newest(tags(names.clone()));
            newest.map(|tag| format!("{TAGS}{tag}")).ok_or_else(|| missing(url, names, selector))
        }
    }
}

fn tags<'a>(names: impl Iterator<Item = &'a str>) -> impl Iterator<Item = &'a str> {
    names.filter_map(|name| name.strip_prefix(TAGS)).filter(|name| !name.ends_with(PEELED))
}

/// Returns the error for a ref that is not there.
pub(super) fn missing<'a>(
    url: &RemoteUrl,
    names: impl Iterator<Item = &'a str> + Clone,
    selector: &RefSelector,
) -> GitError {
    let mut branches: Vec<_> = names.clone().filter_map(|name| name.strip_prefix(BRANCHES)).collect();
    branches.sort_unstable();
    let url = url.to_string();
    match selector {
        RefSelector::Head | RefSelector::Branch(_) if branches.is_empty() => GitError::Empty { url },
        RefSelector::Head => GitError::HeadUnborn { url, existing: listed(&branches) },
        RefSelector::Branch(name) => {
            let branch = name.as_str().strip_prefix(BRANCHES).unwrap_or(name.as_str()).to_owned();
            GitError::BranchNotFound { url, branch, existing: listed(&branches) }
        }
        RefSelector::Tag(name) => {
            let tag = name.as_str().strip_prefix(TAGS).unwrap_or(name.as_str()).to_owned();
            let mut existing: Vec<_> = tags(names).collect();
            existing.sort_unstable();
            let existing =
                if existing.is_empty() { "it has no tags".to_owned() } else { format!("it has {}", listed(&existing)) };
            GitError::TagNotFound { url, tag, existing }
        }
        RefSelector::Newest(range) => {
            let existing = version_range::versions(tags(names));
            let existing = match existing.as_slice() {
                [] => "none of its tags is a version such as v1.2.3".to_owned(),
                existing => format!("its newest are {}", listed(existing)),
            };
            GitError::NoTagInRange { url, range: range.to_string(), existing }
        }
    }
}

fn listed(names: &[&str]) -> String {
    let named = names[..names.len().min(NAMED)].join(", ");
    match names.len() - names.len().min(NAMED) {
        0 => named,
        more => format!("{named} and {more} more"),
    }
}

fn not_git(url: &RemoteUrl, error: &dyn std::fmt::Display) -> GitError {
    GitError::Server { url: url.to_string(), detail: error.to_string() }
}

#[cfg(test)]
mod tests {
    use plumb_core::version_range::VersionRange;

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
        let tag = RefSelector::tag("v1.2.0").expect("a good name");
        let behind = Head { id: "f".repeat(40), ..head("refs/tags/v1.2.0^{}", None) };
        let tagged =
            [head("refs/heads/a", None), head("refs/tags/v1.2.0", None), behind, head("refs/tags/v1.10.0", None)];
        check(&tagged, &tag, "refs/tags/v1.2.0");
        assert_eq!(select(&url, &tagged, &tag).expect("it is there").commit.as_str(), "f".repeat(40));
        check(&tagged[..1], &tag, "has no tag v1.2.0; it has no tags");
        check(&tagged[3..], &tag, "has no tag v1.2.0; it has v1.10.0");
        let range = |text: &str| RefSelector::Newest(VersionRange::parse(text).expect("a range"));
        check(&tagged, &range("1.x"), "refs/tags/v1.10.0");
        check(&tagged, &range("~1.2"), "refs/tags/v1.2.0");
        check(&tagged, &range(">=2"), "in the range \">=2\"; its newest are v1.10.0, v1.2.0");
        check(&tagged[..1], &range("*"), "none of its tags is a version");
        check(&[], &main, "no commit yet");
        check(&[head("refs/tags/main", None)], &main, "no commit yet");
        let many: Vec<_> = ('a'..='h').map(|c| head(&format!("refs/heads/{c}"), None)).collect();
        check(&many, &main, "it has a, b, c, d, e and 3 more");
        let sha256 = Head { name: "refs/heads/main".into(), id: "0".repeat(64), target: None };
        check(&[sha256], &main, "did not answer as a Git server");
    }
}
