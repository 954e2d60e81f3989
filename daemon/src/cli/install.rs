//! `plumb install`: what `manifests/` holds, from the program itself.

#[cfg(test)]
mod tests;

use clap::Args;
use serde_json::Value;

use super::{Outcome, error::CliError, screen, yaml};

/// Namespace, service account and rights; the same file as in `manifests/`.
const RIGHTS: &str = include_str!("../../../manifests/rbac.yaml");
/// The Deployment; the same file as in `manifests/`.
const DEPLOYMENT: &str = include_str!("../../../manifests/deployment.yaml");
/// The image that the Deployment names.
const IMAGE: &str = concat!("image: plumb:", env!("CARGO_PKG_VERSION"), "\n");

/// Print everything that a cluster needs to run plumb, as YAML
///
/// CustomResourceDefinitions, the namespace plumb-system, a service account with its rights, and a Deployment: the same
/// as the folder manifests/. Nothing is sent anywhere.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  plumb install | kubectl apply --server-side -f -
  plumb install --image registry.example.com/plumb:1.0 | kubectl apply --server-side -f -
  plumb install --crds-only | kubectl apply --server-side -f -   (plumb itself runs elsewhere)")]
pub(crate) struct InstallArgs {
    /// Image of the Deployment; without it the name and version of this program, which your registry must hold
    #[arg(long, value_name = "IMAGE", value_parser = image)]
    image: Option<String>,
    /// Print only the CustomResourceDefinitions
    #[arg(long, conflicts_with = "image")]
    crds_only: bool,
}

/// Prints the objects.
pub(crate) fn perform(arguments: &InstallArgs) -> Result<Outcome, CliError> {
    let mut text = definitions()?;
    if !arguments.crds_only {
        text.push_str(RIGHTS);
        text.push_str(&match &arguments.image {
            Some(image) => DEPLOYMENT.replacen(IMAGE, &format!("image: {image}\n"), 1),
            None => DEPLOYMENT.to_owned(),
        });
    }
    screen::print(&text)?;
    Ok(Outcome::Yes)
}

/// Returns the CustomResourceDefinitions as YAML: the content of `manifests/crds.yaml`.
fn definitions() -> Result<String, CliError> {
    let definitions = plumb_api::definitions();
    let values: Vec<Value> = definitions
        .iter()
        .map(|definition| serde_json::to_value(definition).expect("because a definition always becomes JSON"))
        .collect();
    yaml::documents(&values)
}

/// Takes what may stand in YAML without quotes and looks like an image's name.
fn image(text: &str) -> Result<String, String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.:/@".contains(c);
    let begins = text.starts_with(|c: char| c.is_ascii_alphanumeric());
    if begins && text.chars().all(allowed) && !text.ends_with(':') {
        Ok(text.to_owned())
    } else {
        Err("write it as registry/name:tag or registry/name@digest".to_owned())
    }
}
