//! Pull requests: whether there is one for a branch, and the one request that opens it.
//!
//! Forms: GitHub's `/repos/{owner}/{repo}/pulls`, GitLab's `/projects/{id}/merge_requests`, Gitea's
//! `/repos/{owner}/{repo}/pulls`. One that somebody has closed counts as well: that is their decision.

use serde_json::{Value, json};

use super::{Forge, Place, Request, SAID_MAX};
use crate::{operation::Failure, text};

/// Longest title that each of them takes is 255 characters.
const TITLE_MAX: usize = 250;

/// A pull request that is wished for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    /// The branch that is to be merged.
    pub branch: String,
    /// The branch that it is for.
    pub base: String,
    /// Its title.
    pub title: String,
    /// What it says.
    pub text: String,
}

/// One that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Opened {
    /// By this request.
    Now(Option<String>),
    /// Before: by a request whose answer nobody has heard, or by somebody else.
    Before(Option<String>),
}

impl Opened {
    /// Returns what it is, in words.
    pub fn words(&self, forge: Forge) -> String {
        let what = forge.pull_request();
        match self {
            Self::Now(Some(address)) | Self::Before(Some(address)) => format!("{what} {address}"),
            Self::Now(None) => format!("the {what} is open"),
            Self::Before(None) => format!("the {what} is there already"),
        }
    }
}

impl Forge {
    /// Returns what it calls them.
    pub fn pull_request(self) -> &'static str {
        match self {
            Self::GitHub | Self::Gitea => "pull request",
            Self::GitLab => "merge request",
        }
    }

    /// Returns the request that looks for one of the branch.
    pub fn look_for(self, place: &Place, Proposal { branch, base, .. }: &Proposal) -> Request {
        let (pulls, branch, base) = (self.pulls(place), escaped(branch), escaped(base));
        let address = match self {
            Self::GitHub => {
                let owner = place.project.split('/').next().unwrap_or_default();
                format!("{pulls}?state=all&head={owner}:{branch}&base={base}")
            }
            Self::GitLab => format!("{pulls}?state=all&source_branch={branch}&target_branch={base}"),
            // Some proxies take no escaped slash in a path, and Gitea takes a plain one at its end.
            Self::Gitea => format!("{pulls}/{base}/{}", branch.replace("%2F", "/")),
        };
        Request { address, content: None }
    }

    /// Reads the answer to [`Forge::look_for`].
    ///
    /// # Errors
    /// It can't be told whether there is one.
    pub fn found(self, status: u16, content: &Value, branch: &str) -> Result<Option<Opened>, Failure> {
        let of_branch = |one: &&Value| {
            let head = one["head"]["ref"].as_str().or(one["source_branch"].as_str());
            // A server that knows no such filter gives others, too.
            head == Some(branch)
        };
        match (self, status, content) {
            (Self::Gitea, 404, _) => Ok(None),
            (Self::Gitea, 200..=299, one) if one.is_object() => Ok(Some(Opened::Before(address(one)))),
            (Self::GitHub | Self::GitLab, 200..=299, Value::Array(all)) => {
                Ok(all.iter().find(of_branch).map(|one| Opened::Before(address(one))))
            }
            _ => {
                Err(self.failure(&format!("does not say whether there is a {}", self.pull_request()), status, content))
            }
        }
    }

    /// Returns the request that opens one.
    pub fn open(self, place: &Place, Proposal { branch, base, title, text }: &Proposal) -> Request {
        let title = text::start(title, TITLE_MAX);
        let content = match self {
            Self::GitHub | Self::Gitea => json!({ "title": title, "body": text, "head": branch, "base": base }),
            Self::GitLab => {
                json!({ "title": title, "description": text, "source_branch": branch, "target_branch": base })
            }
        };
        Request { address: self.pulls(place), content: Some(content) }
    }

    /// Reads the answer to [`Forge::open`].
    ///
    /// # Errors
    /// None was opened.
    pub fn opened(self, status: u16, content: &Value) -> Result<Opened, Failure> {
        match (self, status) {
            (_, 200..=299) => Ok(Opened::Now(address(content))),
            (Self::GitLab | Self::Gitea, 409) => Ok(Opened::Before(None)),
            (Self::GitHub, 422) if super::said(content).contains("already exists") => Ok(Opened::Before(None)),
            _ => Err(self.failure(&format!("opened no {}", self.pull_request()), status, content)),
        }
    }

    fn pulls(self, Place { api, project }: &Place) -> String {
        match self {
            Self::GitHub | Self::Gitea => format!("{api}/repos/{project}/pulls"),
            Self::GitLab => format!("{api}/projects/{}/merge_requests", escaped(project)),
        }
    }
}

/// Returns where people look at one, if that is an address that they can follow.
fn address(one: &Value) -> Option<String> {
    let address = one["html_url"].as_str().or(one["web_url"].as_str())?;
    let is_one = ["https://", "http://"].iter().any(|scheme| address.starts_with(scheme));
    (is_one && !address.contains(char::is_whitespace)).then(|| text::line(address, SAID_MAX))
}

/// Returns a text that is one part of a path, or a value of a query (RFC 3986).
fn escaped(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::class::Class;

    fn proposal() -> Proposal {
        let text = str::to_owned;
        Proposal { branch: text("plumb/revert"), base: text("main"), title: text("t"), text: text("x") }
    }

    #[test]
    fn each_forge_is_asked_in_its_own_words() {
        #[track_caller]
        fn check(forge: Forge, look_for: &str, open: &str, content: Value) {
            let place = Place { api: "https://api".to_owned(), project: "a/b".to_owned() };
            let at = |path: &str| format!("https://api/{path}");
            assert_eq!(forge.look_for(&place, &proposal()), Request { address: at(look_for), content: None });
            assert_eq!(forge.open(&place, &proposal()), Request { address: at(open), content: Some(content) });
        }
        let pulls = || json!({ "title": "t", "body": "x", "head": "plumb/revert", "base": "main" });
        let filtered = "repos/a/b/pulls?state=all&head=a:plumb%2Frevert&base=main";
        check(Forge::GitHub, filtered, "repos/a/b/pulls", pulls());
        check(Forge::Gitea, "repos/a/b/pulls/main/plumb/revert", "repos/a/b/pulls", pulls());
        let merges =
            json!({ "title": "t", "description": "x", "source_branch": "plumb/revert", "target_branch": "main" });
        let filtered = "projects/a%2Fb/merge_requests?state=all&source_branch=plumb%2Frevert&target_branch=main";
        check(Forge::GitLab, filtered, "projects/a%2Fb/merge_requests", merges);
    }

    #[test]
    fn a_title_is_no_longer_than_they_take() {
        let place = Place { api: "https://api".to_owned(), project: "a/b".to_owned() };
        let request = Forge::GitLab.open(&place, &Proposal { title: "ü".repeat(999), ..proposal() });
        let content = request.content.expect("what is to be made");
        assert_eq!(content["title"].as_str().map(|title| title.chars().count()), Some(TITLE_MAX));
    }

    #[test]
    fn one_of_the_branch_is_found_whoever_has_closed_it() {
        #[track_caller]
        fn check(forge: Forge, status: u16, content: &Value, expected: Result<Option<Option<&str>>, Class>) {
            let expected = expected.map(|found| found.map(|address| Opened::Before(address.map(str::to_owned))));
            let found = forge.found(status, content, "plumb/revert").map_err(|failure| failure.class);
            assert_eq!(found, expected, "{forge:?} {status} {content}");
        }
        let pull = json!({ "html_url": "https://h/7", "state": "closed", "head": { "ref": "plumb/revert" } });
        let other = json!({ "html_url": "https://h/8", "head": { "ref": "theirs" } });
        let merge = json!({ "web_url": "https://h/1", "source_branch": "plumb/revert" });
        check(Forge::GitHub, 200, &json!([other, pull]), Ok(Some(Some("https://h/7"))));
        check(Forge::GitHub, 200, &json!([other]), Ok(None));
        check(Forge::GitHub, 404, &Value::Null, Err(Class::Wait));
        check(Forge::GitHub, 200, &Value::Null, Err(Class::Wait));
        check(Forge::GitLab, 200, &json!([]), Ok(None));
        check(Forge::GitLab, 200, &json!([merge]), Ok(Some(Some("https://h/1"))));
        check(Forge::GitLab, 502, &Value::Null, Err(Class::Retry));
        check(Forge::Gitea, 200, &pull, Ok(Some(Some("https://h/7"))));
        check(Forge::Gitea, 404, &json!({ "message": "not found" }), Ok(None));
        check(Forge::Gitea, 403, &Value::Null, Err(Class::Wait));
    }

    #[test]
    fn what_is_there_already_is_as_good_as_opened() {
        #[track_caller]
        fn check(forge: Forge, status: u16, content: &Value, expected: Result<&Opened, &str>) {
            let found = forge.opened(status, content).map_err(|failure| failure.message);
            assert_eq!(found.as_ref().map_err(String::as_str), expected, "{status} {content}");
        }
        let at = |address: &str| Opened::Now(Some(address.to_owned()));
        let nothing = &Value::Null;
        check(Forge::GitHub, 201, &json!({ "html_url": "https://h/7" }), Ok(&at("https://h/7")));
        check(Forge::GitLab, 201, &json!({ "web_url": "https://h/1" }), Ok(&at("https://h/1")));
        for no_address in ["javascript:x", "https://h/ (see there)"] {
            check(Forge::Gitea, 201, &json!({ "html_url": no_address }), Ok(&Opened::Now(None)));
        }
        check(Forge::Gitea, 201, nothing, Ok(&Opened::Now(None)));
        let exists = json!({ "errors": [{ "message": "A pull request already exists for a:b." }] });
        check(Forge::GitHub, 422, &exists, Ok(&Opened::Before(None)));
        check(Forge::GitHub, 422, nothing, Err("GitHub opened no pull request (422)"));
        check(Forge::GitLab, 409, nothing, Ok(&Opened::Before(None)));
        check(Forge::Gitea, 409, nothing, Ok(&Opened::Before(None)));
        check(Forge::GitHub, 409, nothing, Err("GitHub opened no pull request (409)"));
        check(Forge::GitLab, 503, nothing, Err("GitLab opened no merge request (503)"));
    }

    #[test]
    fn what_is_said_names_it() {
        let address = || Some("https://h/7".to_owned());
        assert_eq!(Opened::Now(address()).words(Forge::GitHub), "pull request https://h/7");
        assert_eq!(Opened::Before(address()).words(Forge::GitLab), "merge request https://h/7");
        assert_eq!(Opened::Now(None).words(Forge::Gitea), "the pull request is open");
        assert_eq!(Opened::Before(None).words(Forge::GitLab), "the merge request is there already");
    }
}
