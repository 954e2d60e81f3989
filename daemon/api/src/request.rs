//! Requests of a person to the daemon: annotations on an Environment or a PipelineTrigger, written by manager `plumb-cli`.

use serde::{Deserialize, Serialize};

use crate::repository::is_false;

/// The field manager that writes requests.
pub const MANAGER: &str = "plumb-cli";
/// Asks for a reconcile now.
pub const SYNC: &str = "plumb.dev/sync";
/// Allows the prunes of one commit that a limit holds back.
pub const ALLOW_PRUNE: &str = "plumb.dev/allow-prune";
/// Asks for a content to be applied once more that was rolled back.
pub const RETRY: &str = "plumb.dev/retry";
/// Asks for an older commit to be applied again, and the commits since to be reverted as `spec.rollback.mode` says.
pub const ROLLBACK: &str = "plumb.dev/rollback";
/// Asks a PipelineTrigger for a run, whatever was built before.
pub const BUILD: &str = "plumb.dev/build";
/// Suspends the environment while it is there.
pub const SUSPENDED: &str = "plumb.dev/suspended";

/// Names the environment, as `NAMESPACE/NAME`, whose objects this one takes over: the same one under another name.
pub const ADOPT_FROM: &str = "plumb.dev/adopt-from";

/// Longest words of a request that are taken over, in characters: an annotation may have 256 KiB, and statuses and records repeat
/// who asked for what and why.
const WORDS_MAX: usize = 200;

/// The value of a request annotation, as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    /// Names this request; the status echoes it once it was carried out.
    pub id: String,
    /// Who asked, as SelfSubjectReview names them: a claim, since whoever may annotate may write anything.
    pub user: String,
    /// Why, in the person's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Whether the newest commit begins at once, whatever the sync windows say.
    #[serde(default, skip_serializing_if = "is_false")]
    pub now: bool,
    /// The commit that the request is about: for `plumb allow` and `plumb rollback`; for `plumb build` absent where it is the newest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// The component that is built: for `plumb build`; absent: all of the trigger.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub component: Option<String>,
}

impl Request {
    /// Reads a request; nothing if it is none. Words that are too long are cut, and each is one line.
    pub fn parse(text: &str) -> Option<Self> {
        let Self { id, user, reason, now, commit, component } = serde_json::from_str(text).ok()?;
        let short = |text: String| {
            text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(WORDS_MAX).collect::<String>()
        };
        let (reason, commit, component) = (reason.map(short), commit.map(short), component.map(short));
        Some(Self { id: short(id), user: short(user), reason, now, commit, component })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_a_request_are_bounded() {
        let long = "ä".repeat(100_000);
        let text =
            serde_json::json!({ "id": long, "user": "ann\nb", "reason": long, "commit": long, "component": long })
                .to_string();
        let asked = Request::parse(&text).expect("a request");
        assert_eq!((asked.id.chars().count(), asked.user.as_str()), (WORDS_MAX, "ann b"));
        assert!(
            [asked.reason, asked.commit, asked.component]
                .into_iter()
                .all(|text| text.is_some_and(|text| text.chars().count() == WORDS_MAX))
        );
        assert_eq!(Request::parse("true"), None);
    }
}
