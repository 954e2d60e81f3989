//! Which image a run has built, as its results tell it.
//!
//! Read are: the results that the trigger names; then Tekton Chains' type hints `*IMAGE_URL` with `*IMAGE_DIGEST`, `IMAGES`,
//! `*ARTIFACT_OUTPUTS` (tektoncd/chains, docs/slsa-provenance.md); each of the run first, then of its TaskRuns.
//! Must never do: guess between two images, or take a success without an image for one with.

use std::collections::BTreeSet;

use serde_json::Value;

use super::image::{Image, ImageName, ImageRef, InvalidImage};
use crate::{commit::CommitId, text};

/// Most results of one object that are read: Tekton's limit on their size allows fewer.
const RESULTS_MAX: usize = 1000;

/// Most bytes of one result: what a termination message holds is 4 KiB, what a sidecar's log may hold is more.
const VALUE_BYTES_MAX: usize = 64 * 1024;

/// Most TaskRuns of one run that are looked into.
const TASK_RUNS_MAX: usize = 1000;

/// Names that an error lists.
const LISTED_MAX: usize = 10;

/// Characters of a name or a value that an error repeats.
const QUOTED_MAX: usize = 100;

/// The result, or parameter, by which a run tells which commit it has built.
const COMMIT: &str = "CHAINS-GIT_COMMIT";

/// The results that a trigger names.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ResultNames {
    /// Holds the reference of the image, with its digest or without.
    pub url: Option<String>,
    /// Holds the digest of the image.
    pub digest: Option<String>,
}

/// What is expected of a run.
#[derive(Debug, Clone, Copy)]
pub struct Expected<'a> {
    /// The image that is written back: counts where the run has built several.
    pub image: &'a ImageName,
    /// The results that the trigger names.
    pub names: &'a ResultNames,
    /// The commit that was to be built.
    pub commit: &'a CommitId,
}

/// Why no image is known of a run that succeeded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResultError {
    /// No result names an image.
    #[error(
        "the run succeeded but tells no image: {found}; let the task that pushes it emit the results IMAGE_URL and \
         IMAGE_DIGEST, and the Pipeline pass them on, or name the results in spec.writeBack"
    )]
    None {
        /// What there is instead.
        found: String,
    },
    /// A result that the trigger names is not there.
    #[error("the run has no result {name:?}, which spec.writeBack names: {found}")]
    Missing {
        /// The name.
        name: String,
        /// What there is instead.
        found: String,
    },
    /// A result is not what its name says.
    #[error("the result {name:?} of {of} can't be read: {detail}")]
    Malformed {
        /// The result.
        name: String,
        /// Whose it is.
        of: String,
        /// What is wrong.
        detail: String,
    },
    /// It can't be told which image is meant.
    #[error(
        "the run tells several images and it can't be known which is {wanted}: {found}; name its results in spec.writeBack"
    )]
    Ambiguous {
        /// The image that is written back.
        wanted: ImageName,
        /// Those that it tells.
        found: String,
    },
    /// It has built something else.
    #[error(
        "{of} says in {COMMIT} that it has built {told:?}, and the run is for {commit}: let it build what its parameter says"
    )]
    OtherCommit {
        /// Whose result it is.
        of: String,
        /// What it says.
        told: String,
        /// What was to be built.
        commit: CommitId,
    },
}

/// The results of a run or of a TaskRun.
struct Told<'a> {
    /// How it is called in an error.
    of: String,
    object: &'a Value,
    results: Vec<(&'a str, &'a Value)>,
}

/// Returns the image that a run, which has succeeded, has built.
///
/// `run` is a PipelineRun or TaskRun (`tekton.dev/v1`), `task_runs` are those of a PipelineRun; those that did not succeed are
/// passed over.
///
/// # Errors
/// None is told, or it can't be known which; a result is malformed; another commit was built.
pub fn image(run: &Value, task_runs: &[Value], expected: &Expected<'_>) -> Result<Image, ResultError> {
    let run = told("the run", run);
    let tasks: Vec<Told<'_>> =
        task_runs.iter().take(TASK_RUNS_MAX).filter(|task| succeeded(task)).map(of_task).collect();
    check_commit(&run, &tasks, expected.commit)?;
    let all = || std::iter::once(&run).chain(&tasks);
    if expected.names.url.is_some() || expected.names.digest.is_some() {
        return named(all(), expected);
    }
    let mut others = BTreeSet::new();
    for form in [pairs, list, artifacts] {
        for told in all() {
            let found: BTreeSet<Image> = form(told)?.into_iter().collect();
            let fitting: Vec<&Image> = found.iter().filter(|image| image.name == *expected.image).collect();
            match fitting.as_slice() {
                [] => others.extend(found),
                [image] => return Ok((*image).clone()),
                several => return Err(ambiguous(several.iter().copied(), expected)),
            }
        }
    }
    // The same content pushed with a tag and without is one image.
    let contents: BTreeSet<String> = others.iter().map(Image::pinned).collect();
    match (contents.len(), others.last()) {
        (1, Some(image)) => Ok(image.clone()),
        (0, _) | (_, None) => Err(ResultError::None { found: listing(all()) }),
        _ => Err(ambiguous(others.iter(), expected)),
    }
}

/// Returns the image by the results that the trigger names: nothing else counts then.
fn named<'a>(
    mut all: impl Iterator<Item = &'a Told<'a>> + Clone,
    expected: &Expected<'_>,
) -> Result<Image, ResultError> {
    let ResultNames { url, digest } = expected.names;
    let found = all.clone();
    let missing = |name: &str| ResultError::Missing { name: quoted(name), found: listing(found.clone()) };
    let has = |told: &&Told<'_>, name: &Option<String>| name.as_ref().is_none_or(|name| told.get(name).is_some());
    let Some(told) = all.find(|told| has(told, url) && has(told, digest)) else {
        let name = [url, digest].into_iter().flatten().find(|name| !found.clone().any(|told| told.get(name).is_some()));
        return Err(missing(name.or(url.as_ref()).or(digest.as_ref()).map_or("", String::as_str)));
    };
    let reference = match url {
        Some(name) => Some((name, told.reference(name, told.text(name)?)?)),
        None => None,
    };
    let digest = match digest {
        Some(name) => Some((name, told.text(name)?)),
        None => None,
    };
    match (reference, digest) {
        (Some((name, reference)), None) => told.complete(name, reference, None),
        (Some((_, reference)), Some((name, digest))) => told.complete(name, reference, Some(digest)),
        // Only the digest is named: the rest is what the trigger wants.
        (None, Some((name, digest))) => {
            let reference = ImageRef { name: expected.image.clone(), tag: None, digest: None };
            told.complete(name, reference, Some(digest))
        }
        (None, None) => Err(missing("")),
    }
}

/// `*IMAGE_URL` with the `*IMAGE_DIGEST` of the same beginning.
fn pairs(told: &Told<'_>) -> Result<Vec<Image>, ResultError> {
    let mut images = Vec::new();
    for (name, _) in &told.results {
        let Some(prefix) = name.strip_suffix("IMAGE_URL") else { continue };
        let digest = format!("{prefix}IMAGE_DIGEST");
        if told.get(&digest).is_none() {
            continue;
        }
        let (url, value) = (told.text(name)?, told.text(&digest)?);
        // Tekton replaces what a step did not write by nothing.
        if url.is_empty() && value.is_empty() {
            continue;
        }
        images.push(told.complete(&digest, told.reference(name, url)?, Some(value))?);
    }
    Ok(images)
}

/// `IMAGES`: references with digests, with commas or line breaks between them.
fn list(told: &Told<'_>) -> Result<Vec<Image>, ResultError> {
    const NAME: &str = "IMAGES";
    let Some(value) = told.get(NAME) else { return Ok(Vec::new()) };
    let texts: Vec<&str> = match value {
        Value::Array(elements) => elements.iter().filter_map(Value::as_str).collect(),
        _ => vec![told.text(NAME)?],
    };
    let entries = texts.into_iter().flat_map(|text| text.split([',', '\n'])).map(str::trim);
    entries
        .filter(|entry| !entry.is_empty())
        .map(|entry| told.complete(NAME, told.reference(NAME, entry)?, None))
        .collect()
}

/// `*ARTIFACT_OUTPUTS`: objects of uri and digest; those that are no image, or not what the build is for, are passed over.
fn artifacts(told: &Told<'_>) -> Result<Vec<Image>, ResultError> {
    let mut images = Vec::new();
    for (name, value) in told.results.iter().filter(|(name, _)| name.ends_with("ARTIFACT_OUTPUTS")) {
        let field = |key: &str| value.get(key).and_then(Value::as_str).map(trimmed);
        let is_built = field("isBuildArtifact").is_some_and(|word| word.eq_ignore_ascii_case("true"));
        let (Some(uri), Some(digest), true) = (field("uri"), field("digest"), is_built) else { continue };
        if uri.contains("://") || uri.starts_with("pkg:") {
            continue;
        }
        images.push(told.complete(name, told.reference(name, uri)?, Some(digest))?);
    }
    Ok(images)
}

/// Makes sure that what says which commit was built says this one.
fn check_commit(run: &Told<'_>, tasks: &[Told<'_>], commit: &CommitId) -> Result<(), ResultError> {
    let other =
        |(of, told): (String, &str)| ResultError::OtherCommit { of, told: quoted(told), commit: commit.clone() };
    let differs = |(_, told): &(String, &str)| *told != commit.as_str();
    if let Some(told) = run.commits().into_iter().find(differs) {
        return Err(other(told));
    }
    // A Pipeline may clone other repositories as well, each by a task of its own: one of them has to be this commit.
    let told: Vec<_> = tasks.iter().flat_map(Told::commits).collect();
    if told.iter().all(differs)
        && let Some(told) = told.into_iter().next()
    {
        return Err(other(told));
    }
    Ok(())
}

fn told<'a>(of: &str, object: &'a Value) -> Told<'a> {
    let results = object.pointer("/status/results").and_then(Value::as_array);
    let pair = |result: &'a Value| Some((result.get("name")?.as_str()?, result.get("value")?));
    Told {
        of: of.to_owned(),
        object,
        results: results.into_iter().flatten().take(RESULTS_MAX).filter_map(pair).collect(),
    }
}

fn of_task(object: &Value) -> Told<'_> {
    let name = object.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
    told(&format!("TaskRun {}", quoted(name)), object)
}

fn succeeded(object: &Value) -> bool {
    let conditions = object.pointer("/status/conditions").and_then(Value::as_array);
    conditions.into_iter().flatten().any(|condition| condition["type"] == "Succeeded" && condition["status"] == "True")
}

impl<'a> Told<'a> {
    fn get(&self, name: &str) -> Option<&'a Value> {
        self.results.iter().find(|(found, _)| *found == name).map(|(_, value)| *value)
    }

    /// Returns a result that is a text, without the line breaks that a shell leaves behind it.
    fn text(&self, name: &str) -> Result<&'a str, ResultError> {
        match self.get(name) {
            Some(Value::String(value)) if value.len() > VALUE_BYTES_MAX => {
                Err(self.malformed(name, format!("it has more than {VALUE_BYTES_MAX} bytes")))
            }
            Some(Value::String(value)) => Ok(trimmed(value)),
            _ => Err(self.malformed(name, "it is no text".to_owned())),
        }
    }

    fn reference(&self, name: &str, value: &str) -> Result<ImageRef, ResultError> {
        ImageRef::parse(value).map_err(|error| self.invalid(name, &error))
    }

    /// Returns the image of a reference, whose digest stands in it or beside it.
    fn complete(&self, name: &str, reference: ImageRef, beside: Option<&str>) -> Result<Image, ResultError> {
        let beside = beside.map(super::image::Digest::parse).transpose().map_err(|error| self.invalid(name, &error))?;
        let ImageRef { name: image, tag, digest } = reference;
        match (digest, beside) {
            (Some(one), Some(other)) if one != other => {
                Err(self.malformed(name, format!("it is {other}, and the reference says {one}")))
            }
            (Some(digest), _) | (None, Some(digest)) => Ok(Image { name: image, tag, digest }),
            (None, None) => Err(self.malformed(name, format!("{image} stands there without a digest"))),
        }
    }

    /// Returns the commits that it says it has built, in its results and its parameters.
    fn commits(&self) -> Vec<(String, &'a str)> {
        let parameters = self.object.pointer("/spec/params").and_then(Value::as_array);
        let pair = |parameter: &'a Value| Some((parameter.get("name")?.as_str()?, parameter.get("value")?));
        let parameters = parameters.into_iter().flatten().take(RESULTS_MAX).filter_map(pair);
        let told = self.results.iter().copied().chain(parameters).filter(|(name, _)| *name == COMMIT);
        told.filter_map(|(_, value)| Some((self.of.clone(), trimmed(value.as_str()?)))).collect()
    }

    fn invalid(&self, name: &str, error: &InvalidImage) -> ResultError {
        self.malformed(name, error.to_string())
    }

    fn malformed(&self, name: &str, detail: String) -> ResultError {
        ResultError::Malformed { name: quoted(name), of: self.of.clone(), detail }
    }
}

fn trimmed(value: &str) -> &str {
    value.trim_end_matches(['\n', '\r'])
}

fn quoted(value: &str) -> String {
    text::line(value, QUOTED_MAX)
}

fn ambiguous<'a>(images: impl Iterator<Item = &'a Image>, expected: &Expected<'_>) -> ResultError {
    let found: Vec<String> = images.take(LISTED_MAX).map(ToString::to_string).collect();
    ResultError::Ambiguous { wanted: expected.image.clone(), found: found.join(", ") }
}

/// Returns the names of the results that there are, in words.
fn listing<'a>(all: impl Iterator<Item = &'a Told<'a>>) -> String {
    let names: BTreeSet<&str> = all.flat_map(|told| &told.results).map(|(name, _)| *name).collect();
    if names.is_empty() {
        return "it has no results".to_owned();
    }
    let more = names.len().saturating_sub(LISTED_MAX);
    let listed: Vec<String> = names.into_iter().take(LISTED_MAX).map(quoted).collect();
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("its results are {}{more}", listed.join(", "))
}

#[cfg(test)]
mod tests;
