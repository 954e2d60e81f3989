//! The message of a write-back: what people read, and the trailers by which plumb knows its own commits.
//!
//! Every image has three trailers that follow each other. All that stands in them was parsed, so that no name from outside can
//! add a line. Must never do: repeat a text of a commit of the source.

use std::{
    collections::BTreeSet,
    fmt::{self, Write as _},
};

use serde::Serialize;

use super::Wanted;
use crate::{
    commit::{CommitId, RefName},
    forge::proposal::Proposal,
    name::is_subdomain,
    rollback::{hold::RecordsEnd, revert::RECORDS_TRAILER},
    text,
    trigger::{
        image::{Image, ImageRef},
        name::ComponentName,
        skipping::{RUN_TRAILER, SOURCE_TRAILER},
    },
};

/// The trailer that names an image of a write-back, with its digest.
pub const IMAGE_TRAILER: &str = "Plumb-Image";
/// Characters of a subject: what Git's own tools show on one line.
const SUBJECT_CHARS_MAX: usize = 120;

/// Images of one message that are read: more are not written into one commit.
pub const IMAGES_MAX: usize = 500;

/// An image that a commit puts somewhere.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Put {
    /// The image.
    pub image: Image,
    /// The namespace of the Repository and of the run.
    pub namespace: String,
    /// The Repository that it was built from.
    pub repository: String,
    /// The commit that it was built from.
    pub commit: CommitId,
    /// The run that built it.
    pub run: String,
}

/// A name that is none of Kubernetes' and so stands in no message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no name of an object: it can't be written into a commit")]
pub struct InvalidPut(String);

impl Put {
    /// Takes of what is wanted what a commit says of it.
    ///
    /// # Errors
    /// A name is not as the API server takes it.
    pub fn of(wanted: &Wanted) -> Result<Self, InvalidPut> {
        let Wanted { namespace, repository, commit, run, image, .. } = wanted;
        let wrong = [namespace, repository, run].into_iter().find(|name| !is_subdomain(name));
        match wrong {
            Some(name) => Err(InvalidPut(text::shortened(name, SUBJECT_CHARS_MAX))),
            None => Ok(Self {
                image: image.clone(),
                namespace: namespace.clone(),
                repository: repository.clone(),
                commit: commit.clone(),
                run: run.clone(),
            }),
        }
    }
}

impl fmt::Display for Put {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { image, namespace, repository, commit, run } = self;
        writeln!(f, "{IMAGE_TRAILER}: {image}")?;
        writeln!(f, "{SOURCE_TRAILER}: {namespace}/{repository}@{commit}")?;
        writeln!(f, "{RUN_TRAILER}: {namespace}/{run}")
    }
}

/// Returns the message of the commit that puts these images into place; the same for the same images in any order.
pub fn message(puts: &[(ComponentName, Put)], records: Option<&RecordsEnd>) -> String {
    let puts: BTreeSet<&(ComponentName, Put)> = puts.iter().collect();
    let images: Vec<(&ComponentName, &Image)> = puts.iter().map(|(component, put)| (component, &put.image)).collect();
    let mut message = subject(&images);
    message.push_str("\n\n");
    for (component, put) in &puts {
        let Put { image, namespace, repository, commit, .. } = put;
        let _ = writeln!(message, "{component}: {image}\nbuilt from {namespace}/{repository} at {}", commit.short());
    }
    message.push('\n');
    for (_, put) in &puts {
        let _ = write!(message, "{put}");
    }
    if let Some(end) = records {
        let _ = writeln!(message, "{RECORDS_TRAILER}: {end}");
    }
    message
}

/// Returns the first line of a commit that puts these images in.
fn subject(images: &[(&ComponentName, &Image)]) -> String {
    let subject = match images {
        [(component, image)] => format!("{component}: {}", image.short()),
        several => format!("Update {} images", several.len()),
    };
    text::shortened(&subject, SUBJECT_CHARS_MAX)
}

/// Returns the pull request for a branch that puts these images in.
pub fn proposal(images: &[(&ComponentName, &Image)], branch: &RefName, base: &RefName) -> Proposal {
    let lines = images.iter().map(|(component, image)| format!("- {component}: `{image}`\n"));
    let text = format!(
        "plumb has built {}, and asks to deploy it:\n\n{}\nMerge this to do so. Whoever closes it decides against these images; the next build asks again.\n",
        if images.len() == 1 { "an image" } else { "images" },
        lines.collect::<String>()
    );
    Proposal { branch: branch.short().to_owned(), base: base.short().to_owned(), title: subject(images), text }
}

/// Returns the images that a message says it puts into place, also where somebody has added to it or merged it into another.
pub fn parse(message: &str) -> Vec<Put> {
    let mut lines = message.lines().filter_map(|line| line.split_once(": "));
    let mut puts = Vec::new();
    while let Some((key, image)) = lines.next() {
        if key != IMAGE_TRAILER || puts.len() == IMAGES_MAX {
            continue;
        }
        let (Some((SOURCE_TRAILER, source)), Some((RUN_TRAILER, run))) = (lines.next(), lines.next()) else { break };
        puts.extend(put(image, source, run));
    }
    puts
}

fn put(image: &str, source: &str, run: &str) -> Option<Put> {
    let ImageRef { name, tag, digest } = ImageRef::parse(image).ok()?;
    let (repository, commit) = source.split_once('@')?;
    let (namespace, repository) = repository.split_once('/')?;
    let (run_namespace, run) = run.split_once('/')?;
    if namespace != run_namespace || ![namespace, repository, run].into_iter().all(is_subdomain) {
        return None;
    }
    Some(Put {
        image: Image { name, tag, digest: digest? },
        namespace: namespace.to_owned(),
        repository: repository.to_owned(),
        commit: CommitId::parse(commit).ok()?,
        run: run.to_owned(),
    })
}
