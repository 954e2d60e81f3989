//! Servers that have more than Git: where the API of a repository's is, what a request to it looks like, and what a refusal means.
//!
//! Owns: all that GitHub, GitLab and Gitea have in common, so that each kind of request ([`proposal`]) says only what is its own.
//! Must never do: see a token but to put it into its header, or show more of an answer than the server's own message.

pub mod proposal;

use serde_json::Value;

use crate::{class::Class, operation::Failure, text};

/// Longest answer that is shown, in characters.
const SAID_MAX: usize = 200;

/// A program that has pull requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forge {
    /// GitHub, also on servers of one's own.
    GitHub,
    /// GitLab, where they are merge requests.
    GitLab,
    /// Gitea and Forgejo.
    Gitea,
}

/// Where a repository is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The address of the API, without a slash at its end.
    pub api: String,
    /// The repository there, such as `platform/environments`.
    pub project: String,
}

/// What is asked of a forge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The whole address.
    pub address: String,
    /// What is to be made there; nothing where it is only read.
    pub content: Option<Value>,
}

impl Place {
    /// Works out where it is from the repository's address, unless that is said.
    ///
    /// # Errors
    /// What is to be said, in words.
    pub fn of(forge: Forge, url: &str, api: Option<&str>, project: Option<&str>) -> Result<Self, String> {
        let Address { scheme, host, path } = Address::of(url).unwrap_or_default();
        let api = match api {
            Some(api) => api.trim_end_matches('/').to_owned(),
            None if host.is_empty() => {
                return Err("spec.url names no host: say where its API is in spec.pullRequests.url".into());
            }
            None => match forge {
                Forge::GitHub if host == "github.com" => "https://api.github.com".to_owned(),
                Forge::GitHub => format!("{scheme}://{host}/api/v3"),
                Forge::GitLab => format!("{scheme}://{host}/api/v4"),
                Forge::Gitea => format!("{scheme}://{host}/api/v1"),
            },
        };
        let project = project.unwrap_or_else(|| path.trim_matches('/').trim_end_matches(".git"));
        let parts = project.split('/').count();
        let fits = match forge {
            Forge::GitHub | Forge::Gitea => parts == 2,
            Forge::GitLab => parts >= 2,
        };
        if fits && project.split('/').all(is_name) {
            Ok(Self { api, project: project.to_owned() })
        } else {
            Err(format!("{project:?} is no OWNER/REPOSITORY: say which it is in spec.pullRequests.project"))
        }
    }
}

impl Forge {
    /// Returns its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::GitHub => "GitHub",
            Self::GitLab => "GitLab",
            Self::Gitea => "Gitea",
        }
    }

    /// Returns name and value of the header that carries a token.
    pub fn header(self, token: &str) -> (&'static str, String) {
        match self {
            Self::GitHub => ("authorization", format!("Bearer {token}")),
            Self::GitLab => ("private-token", token.to_owned()),
            Self::Gitea => ("authorization", format!("token {token}")),
        }
    }

    /// Returns what an answer means that is no success; `what` is what was not done, such as `opened no pull request`.
    fn failure(self, what: &str, status: u16, content: &Value) -> Failure {
        let class = if status == 429 || status >= 500 { Class::Retry } else { Class::Wait };
        let remedy = match status {
            401 => "; put a token into the Secret that it knows",
            403 => "; give the token the right to do so",
            404 => "; correct spec.pullRequests.project, or let the token see it",
            300..=399 => "; say its address in spec.pullRequests.url, no redirect is followed",
            _ => "",
        };
        let (name, said) = (self.name(), said(content));
        let said = if said.is_empty() { String::new() } else { format!(": {said}") };
        Failure { class, message: format!("{name} {what} ({status}{said}){remedy}") }
    }
}

/// An address of any form, taken apart.
#[derive(Default)]
struct Address<'a> {
    /// How its API is spoken to.
    scheme: &'a str,
    host: &'a str,
    path: &'a str,
}

impl<'a> Address<'a> {
    fn of(url: &'a str) -> Option<Self> {
        let (scheme, (authority, path)) = match url.split_once("://") {
            Some(("file", _)) => return None,
            Some((scheme, rest)) => (scheme, rest.split_once('/')?),
            None => ("ssh", url.split_once(':')?),
        };
        let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        Some(match scheme {
            "http" | "https" => Self { scheme, host, path },
            // The API of a server that speaks ssh is at its usual port.
            _ => Self { scheme: "https", host: host.split(':').next().unwrap_or_default(), path },
        })
    }
}

/// Returns whether it can be a part of a repository's name; anything else would change the address that it is put into.
fn is_name(part: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    !part.is_empty() && part.chars().all(allowed) && !part.chars().all(|c| c == '.')
}

/// Returns what a forge says, on one line: GitHub's list of errors, GitLab's texts or lists.
fn said(content: &Value) -> String {
    let mut texts = Vec::new();
    for key in ["message", "errors", "error"] {
        collect(&content[key], &mut texts);
    }
    text::line(&texts.join("; "), SAID_MAX)
}

fn collect(value: &Value, texts: &mut Vec<String>) {
    match value {
        Value::String(text) => texts.push(text.clone()),
        Value::Array(values) => values.iter().for_each(|value| collect(value, texts)),
        Value::Object(fields) => collect(fields.get("message").unwrap_or(&Value::Null), texts),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_place_follows_from_the_address_unless_it_is_said() {
        #[track_caller]
        fn check(
            forge: Forge,
            url: &str,
            (api, project): (Option<&str>, Option<&str>),
            expected: Result<(&str, &str), &str>,
        ) {
            match (Place::of(forge, url, api, project), expected) {
                (Ok(place), Ok(expected)) => {
                    assert_eq!((place.api.as_str(), place.project.as_str()), expected, "{url}");
                }
                (Err(found), Err(words)) => assert!(found.contains(words), "{found}"),
                (found, expected) => panic!("{url}: {found:?} instead of {expected:?}"),
            }
        }
        let nothing = (None, None);
        check(Forge::GitHub, "https://github.com/team/envs.git", nothing, Ok(("https://api.github.com", "team/envs")));
        check(Forge::GitHub, "git@github.com:team/envs.git", nothing, Ok(("https://api.github.com", "team/envs")));
        let own = Ok(("https://git.example.com:8443/api/v3", "team/envs"));
        check(Forge::GitHub, "https://git.example.com:8443/team/envs", nothing, own);
        let nested = Ok(("https://git.example.com/api/v4", "a/b/c"));
        check(Forge::GitLab, "ssh://git@git.example.com:2222/a/b/c.git", nothing, nested);
        let plain = Ok(("http://git.example.com:3000/api/v1", "team/envs"));
        check(Forge::Gitea, "http://git.example.com:3000/team/envs/", nothing, plain);
        check(Forge::Gitea, "https://git.example.com/a/b/c", nothing, Err("spec.pullRequests.project"));
        check(Forge::Gitea, "file:///srv/envs.git", nothing, Err("spec.pullRequests.url"));
        let said = (Some("http://127.0.0.1:3000/api/v1/"), Some("team/envs"));
        check(Forge::Gitea, "file:///srv/envs.git", said, Ok(("http://127.0.0.1:3000/api/v1", "team/envs")));
        // What would lead elsewhere.
        for path in ["team/..", "../admin", "team/a?b", "team//envs", "team/%2e%2e", "a b/c", ""] {
            let url = format!("https://git.example.com/{path}");
            check(Forge::GitLab, &url, nothing, Err("spec.pullRequests.project"));
            check(Forge::Gitea, "https://git.example.com/a/b", (None, Some(path)), Err("spec.pullRequests.project"));
        }
    }

    #[test]
    fn a_refusal_says_what_the_forge_says_and_what_to_do() {
        #[track_caller]
        fn check(status: u16, content: &Value, class: Class, expected: &str) {
            let message = format!("Gitea did nothing ({expected}");
            assert_eq!(Forge::Gitea.failure("did nothing", status, content), Failure { class, message });
        }
        let nothing = &Value::Null;
        let gone = "404: Not Found); correct spec.pullRequests.project, or let the token see it";
        check(404, &json!({ "message": "Not Found" }), Class::Wait, gone);
        check(401, nothing, Class::Wait, "401); put a token into the Secret that it knows");
        check(403, nothing, Class::Wait, "403); give the token the right to do so");
        let moved = "302); say its address in spec.pullRequests.url, no redirect is followed";
        check(302, nothing, Class::Wait, moved);
        check(429, nothing, Class::Retry, "429)");
        check(503, &json!("<html>"), Class::Retry, "503)");
        let listed = json!({ "message": "Validation Failed", "errors": [{ "message": "No commits\nbetween" }, "x"] });
        check(422, &listed, Class::Wait, "422: Validation Failed; No commits between; x)");
        check(400, &json!({ "error": "e".repeat(999) }), Class::Wait, &format!("400: {})", "e".repeat(SAID_MAX)));
    }
}
