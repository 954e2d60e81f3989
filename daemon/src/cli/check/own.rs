//! plumb's own resources among the files that are checked.

use plumb_api::{EnvironmentSpec, RepositorySpec};
use plumb_core::{
    commit::RepoPath,
    environment::GROUP,
    object::{Manifest, Origin},
    problem::Problem,
    source::SourceTree,
};
use plumb_git::remote::{FileUrls, RemoteUrl};
use plumb_render::position;
use serde::Deserialize as _;
use serde_json::Value;

use super::schema;
use crate::reference;
use crate::rules;

/// Returns what is wrong with an object of plumb's own kinds; nothing for all others.
pub(super) fn problems(tree: &SourceTree, manifest: &Manifest) -> Vec<Problem> {
    if manifest.gvk.group != GROUP {
        return Vec::new();
    }
    let place = |field: &str| -> Origin { position::origin_of(tree, manifest, field) };
    let Some(schema) = schema_of(manifest) else {
        return vec![Problem {
            origin: place("apiVersion"),
            message: format!("{}: plumb does not know {}", manifest.key, manifest.gvk),
            remedy: "write Environment or Repository at plumb.dev/v1alpha1".to_owned(),
        }];
    };
    let mut wrong = schema::faults(&schema, &manifest.value);
    if wrong.is_empty() {
        wrong = beyond_the_schema(manifest);
    }
    let problem = |fault: schema::Fault| Problem {
        origin: place(&fault.field),
        message: format!("{}: {}: {}", manifest.key, fault.field, fault.message),
        remedy: fault.remedy,
    };
    wrong.into_iter().map(problem).collect()
}

/// Returns the schema under which the API server would take the object.
fn schema_of(manifest: &Manifest) -> Option<Value> {
    let definition = plumb_api::definitions().into_iter().find(|found| found.spec.names.kind == manifest.gvk.kind)?;
    let version = definition.spec.versions.into_iter().find(|version| version.name == manifest.gvk.version)?;
    serde_json::to_value(version.schema?.open_api_v3_schema?).ok()
}

/// Finds what the API server leaves to CEL rules, and what the daemon would say later.
fn beyond_the_schema(manifest: &Manifest) -> Vec<schema::Fault> {
    let spec = &manifest.value["spec"];
    let mut faults = Vec::new();
    let mut add = |field: &str, message: String| {
        faults.push(schema::Fault { field: field.to_owned(), message, remedy: String::new() });
    };
    if let ("Environment", Ok(spec)) = (manifest.gvk.kind.as_str(), EnvironmentSpec::deserialize(spec)) {
        if let Err(error) = RepoPath::parse(&spec.path) {
            add("spec.path", error.to_string());
        }
        for (field, fault) in rules::compile(&spec.health).wrong {
            add(&field, fault);
        }
    } else if let ("Repository", Ok(spec)) = (manifest.gvk.kind.as_str(), RepositorySpec::deserialize(spec)) {
        if let Err(error) = RemoteUrl::parse(&spec.url, FileUrls::Allowed) {
            add("spec.url", error.to_string());
        }
        if let Err(message) = reference::wanted(spec.reference.as_ref()) {
            add("spec.ref", message.trim_start_matches("spec.ref: ").to_owned());
        }
    }
    faults
}
