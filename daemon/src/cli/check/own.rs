//! plumb's own resources among the files that are checked.

use jiff::Timestamp;
use plumb_api::{Environment, RepositorySpec};
use plumb_core::{
    dependency::{Dependencies, Progress, Unmet},
    environment::GROUP,
    object::{Manifest, Origin},
    problem::Problem,
    source::SourceTree,
    window::Opening,
};
use plumb_git::remote::{FileUrls, RemoteUrl};
use plumb_render::position;
use serde::Deserialize as _;
use serde_json::Value;

use super::schema;
use crate::{
    reference, rules,
    settings::{self, Fault},
};

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
    let fault = |field: String, message: String| schema::Fault { field, message, remedy: String::new() };
    match manifest.gvk.kind.as_str() {
        "Environment" => {
            let Ok(environment) = Environment::deserialize(manifest.value.as_ref()) else { return Vec::new() };
            let (settings, faults) = settings::understand(&environment, &rules::compile(&environment.spec.health));
            let never = settings.windows.at(Timestamp::now()) == Opening::Closed(None);
            let never = (never && faults.is_empty()).then(|| {
                fault("spec.sync.windows".to_owned(), "no window ever opens, so no commit ever begins".to_owned())
            });
            faults.into_iter().map(|Fault { field, message }| fault(field, message)).chain(never).collect()
        }
        "Repository" => {
            let Ok(spec) = RepositorySpec::deserialize(&manifest.value["spec"]) else { return Vec::new() };
            let url = RemoteUrl::parse(&spec.url, FileUrls::Allowed).err();
            let url = url.map(|error| fault("spec.url".to_owned(), error.to_string()));
            let reference = reference::wanted(spec.reference.as_ref()).err();
            let reference = reference
                .map(|message| fault("spec.ref".to_owned(), message.trim_start_matches("spec.ref: ").to_owned()));
            url.into_iter().chain(reference).collect()
        }
        _ => Vec::new(),
    }
}

/// Returns the Environments that wait for themselves, by way of others of the same files or directly.
///
/// What they depend on and is not among the files may be elsewhere: it is no problem.
pub(super) fn cycles(tree: &SourceTree, manifests: &[Manifest]) -> Vec<Problem> {
    let is_environment = |manifest: &&Manifest| manifest.gvk.group == GROUP && manifest.gvk.kind == "Environment";
    let read = manifests.iter().filter(is_environment).map(|manifest| (manifest, manifest.value.as_ref()));
    let environments: Vec<(&Manifest, Environment)> =
        read.filter_map(|(manifest, value)| Some((manifest, Environment::deserialize(value).ok()?))).collect();
    let mut dependencies = Dependencies::default();
    for (_, environment) in &environments {
        dependencies.see(&settings::name(environment), settings::depends_on(environment), Progress::default());
    }
    let problem = |(manifest, environment): &(&Manifest, Environment)| {
        let cycle = Unmet::Cycle(dependencies.cycle(&settings::name(environment))?);
        Some(Problem {
            origin: position::origin_of(tree, manifest, "spec.dependsOn"),
            message: format!("{}: {cycle}", manifest.key),
            remedy: String::new(),
        })
    };
    environments.iter().filter_map(problem).collect()
}
