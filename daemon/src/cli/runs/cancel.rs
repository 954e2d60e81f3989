//! `plumb runs cancel`: asks a run to end.

use clap::Args;
use plumb_api::request;
use plumb_core::{
    environment::FieldManager,
    text,
    trigger::{
        anatomy::Stage,
        manifest::{CANCELLED, cancellation},
    },
};
use serde_json::json;

use crate::cli::{
    Outcome,
    connection::{ConnectionArgs, with_session},
    error::CliError,
    screen,
    triggers::{WrittenName, kind, live},
};

/// Characters of a reason that are taken over, as of that of a request.
const REASON_MAX: usize = 200;

/// Ask a run to end now
///
/// Its Pods are ended by whoever runs them; Tekton removes them, and their logs with them. The run stays, with your name on it, and its
/// commit counts as attempted: it is built again when its files change, or by plumb build. Needs your own right to patch the run.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  plumb runs cancel build-cart-1a2b3c4-0123abcd
  plumb runs cancel shop/build-cart-1a2b3c4-0123abcd --reason \"wrong branch\"")]
pub(crate) struct CancelArgs {
    /// Run, as NAME or NAMESPACE/NAME
    #[arg(value_name = "RUN")]
    run: WrittenName,
    /// Why, for whoever looks next
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    #[command(flatten)]
    connection: ConnectionArgs,
}

/// Writes what makes the run end.
pub(super) fn perform(arguments: &CancelArgs) -> Result<Outcome, CliError> {
    with_session(&arguments.connection, |session| async move {
        let name = arguments.run.within(&session);
        let live = live::find(&session, &name).await?;
        let standing = live.anatomy().standing;
        if standing.stage.is_final() {
            let how = match standing.stage {
                Stage::Cancelled => "was cancelled before",
                _ => "has ended already",
            };
            screen::print(&format!("{name} {how}; plumb runs describe {name} tells how\n"))?;
            return Ok(Outcome::Yes);
        }
        let user = session.cluster.user().await?;
        let mut patch = cancellation(live.kind);
        // Another run of this name is not meant.
        patch["metadata"] =
            json!({ "uid": live.state().uid, "annotations": { CANCELLED: words(&user, arguments.reason.as_deref()) } });
        let (kind, key) = (kind(live.kind), live::key(live.kind, &name));
        session.cluster.merge_patch(&kind, &key, &patch, &FieldManager::new(request::MANAGER)).await?;
        screen::print(&format!("{name}: asked to end; plumb runs describe {name} shows how it goes\n"))?;
        Ok(Outcome::Yes)
    })
}

/// Returns who asked, and why.
fn words(user: &str, reason: Option<&str>) -> String {
    let reason = reason.map(str::trim).filter(|reason| !reason.is_empty());
    let because = reason.map(|reason| format!(": {}", text::line(reason, REASON_MAX))).unwrap_or_default();
    format!("by {}{because}", text::line(user, REASON_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_asked_is_told_with_the_reason() {
        assert_eq!(words("ada", None), "by ada");
        assert_eq!(words("ada", Some(" ")), "by ada");
        assert_eq!(words("a\nb", Some(" too\nslow ")), "by a b: too slow");
        assert_eq!(words("ada", Some(&"x".repeat(9_999))).len(), "by ada: ".len() + REASON_MAX);
    }
}
