//! Values of flags: what can't be meant is said before anything starts.

use std::time::Duration;

use anyhow::bail;
use plumb_api::duration::DurationText;
use plumb_core::{
    commit::RefName,
    identity::{InvalidServiceAccount, ServiceAccount},
    lease::Timing,
};

/// The shortest time between two lists of everything; below, they would be all that plumb does.
const RESYNC_SHORTEST: Duration = Duration::from_secs(1);

pub(super) fn resync(text: &str) -> anyhow::Result<Duration> {
    let every = DurationText::parse(text)?.get();
    if every < RESYNC_SHORTEST {
        bail!("everything can't be listed anew every {text}: write 1s or more");
    }
    Ok(every)
}

/// Longest name of a cluster: it is a part of a ref, and stands in each record.
const CLUSTER_NAME_BYTES_MAX: usize = 63;

pub(super) fn cluster_name(text: &str) -> anyhow::Result<String> {
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    let fits = (1..=CLUSTER_NAME_BYTES_MAX).contains(&text.len()) && text.chars().all(good);
    if !fits
        || !edge(text.chars().next())
        || !edge(text.chars().last())
        || RefName::parse(&format!("refs/{text}")).is_err()
    {
        bail!(
            "{text:?} is no name for a cluster: write at most {CLUSTER_NAME_BYTES_MAX} letters, digits, dots, dashes and underscores"
        );
    }
    Ok(text.to_owned())
}

pub(super) fn lease_duration(text: &str) -> anyhow::Result<Timing> {
    Ok(Timing::new(DurationText::parse(text)?.get())?)
}

/// Takes what can be the name of a service account, in whatever namespace.
pub(super) fn service_account(name: &str) -> Result<String, InvalidServiceAccount> {
    ServiceAccount::parse("default", name).map(|account| account.name().to_owned())
}
