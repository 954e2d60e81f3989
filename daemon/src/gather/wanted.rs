//! What a commit wants: its files read and rendered, its kinds resolved. The same inputs are worked through once.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, PoisonError},
};

use plumb_core::{
    class::Class,
    commit::{CommitId, RepoPath},
    desired::{self, Desired},
    operation::Failure,
    problem::Problem,
    source::{Inputs, SourceTree},
};
use plumb_git::{error::GitError, mirror::Mirror};
use plumb_render::{Parameters, RenderKey};

use super::NotGathered;
use crate::{
    chain::chain,
    context::{Context, Served},
    memory::{Known, Rendered, Resolved},
    settings::Settings,
    source::Source,
    trust::Doubt,
};

/// What a commit wants of the cluster.
pub(super) struct Wanted {
    pub(super) inputs: Inputs,
    pub(super) desired: Arc<Desired>,
    pub(super) served: Served,
}

/// Returns what a commit wants; `known` keeps what was worked out, for the next time.
pub(super) async fn wanted(
    context: &Context,
    settings: &Settings,
    source: &Source,
    known: &mut Known,
) -> Result<Wanted, NotGathered> {
    let rendered = render(context, settings, source, known).await?;
    let result = rendered.result.map_err(NotGathered::Files)?;
    let served = context.served(&result.manifests).await?;
    let namespace = settings.namespace.clone();
    let before = known.resolved.take().filter(|resolved| {
        resolved.inputs == rendered.inputs
            && resolved.namespace == namespace
            && resolved.kinds_version == served.version
    });
    let resolved = before.unwrap_or_else(|| {
        let kinds = served.kinds.as_ref().clone().with_definitions(&result.manifests);
        let id = settings.name.applyset_id();
        let desired = Arc::new(desired::resolve(&result.manifests, &kinds, &id, namespace.as_deref()));
        let ignored = BTreeMap::new();
        Resolved { inputs: rendered.inputs.clone(), namespace, kinds_version: served.version, desired, ignored }
    });
    let desired = Arc::clone(&resolved.desired);
    known.resolved = Some(resolved);
    Ok(Wanted { inputs: rendered.inputs, desired, served })
}

/// Returns an older commit of the same mirror, if it is still to be trusted.
///
/// # Errors
/// Why nothing is made from it, or put back, any more.
pub(super) async fn older(context: &Context, newest: &Source, commit: &CommitId) -> Result<Source, Failure> {
    if newest.revision.commit == *commit {
        return Ok(newest.clone());
    }
    let (mut source, wanted, now) = (newest.clone(), commit.clone(), context.clock.now());
    let read = move || {
        let mirror = Mirror::open_or_create(&source.mirror).map_err(Unusable::Unread)?;
        source.revision = mirror.revision(&wanted).map_err(Unusable::Unread)?;
        let signer = source.demand.judge(&source.mirror, &source.revision, now).map_err(Unusable::Doubted)?;
        source.revision.signer = signer.map(|signer| signer.to_string());
        Ok(source)
    };
    let failure = match blocking(read).await? {
        Ok(mut source) => {
            source.revision.reference.clone_from(&newest.revision.reference);
            return Ok(source);
        }
        Err(Unusable::Unread(error)) => unread(context, &newest.mirror, &error),
        Err(Unusable::Doubted(doubt)) => doubt.failure().clone(),
    };
    let (short, newest) = (commit.short(), newest.revision.commit.short());
    let message = format!(
        "{}\n{short} is what was begun before {newest}: until {newest} begins the cluster stays as it is, and nothing is corrected",
        failure.message
    );
    Err(Failure { message, ..failure })
}

/// Why an older commit is of no use.
enum Unusable {
    Unread(GitError),
    Doubted(Doubt),
}

/// What reading a commit gave.
enum Read {
    /// All that the last render read is as it was.
    Unchanged,
    Tree(Box<SourceTree>),
}

/// Reads the files of the commit and renders them, unless the same inputs were rendered before.
pub(super) async fn render(
    context: &Context,
    settings: &Settings,
    source: &Source,
    known: &mut Known,
) -> Result<Rendered, Failure> {
    let path = settings.path.clone();
    let commit = source.revision.commit.clone();
    let before = known.rendered.take().filter(|rendered| rendered.path == path);
    let rendered = match before {
        Some(rendered) if rendered.commit == commit => rendered,
        before => {
            let inputs = before.as_ref().map(|rendered| rendered.inputs.clone());
            let (mirror, wanted, below) = (source.mirror.clone(), commit.clone(), path.clone());
            let read = blocking(move || read(&mirror, &wanted, &below, inputs.as_ref())).await?;
            let read = read.map_err(|error| unread(context, &source.mirror, &error))?;
            match (read, before) {
                (Read::Unchanged, Some(rendered)) => Rendered { commit, ..rendered },
                (Read::Unchanged, None) => return Err(bug("a first read can't be unchanged".to_owned())),
                (Read::Tree(tree), _) => {
                    let inputs = tree.inputs.clone();
                    Rendered { commit, path, inputs, result: render_tree(context, *tree).await? }
                }
            }
        }
    };
    known.rendered = Some(rendered.clone());
    Ok(rendered)
}

fn read(mirror: &Path, commit: &CommitId, path: &RepoPath, inputs: Option<&Inputs>) -> Result<Read, GitError> {
    let snapshot = Mirror::open_or_create(mirror)?.snapshot(commit)?;
    if let Some(inputs) = inputs
        && snapshot.unchanged(inputs)?
    {
        return Ok(Read::Unchanged);
    }
    snapshot.read(path).map(|tree| Read::Tree(Box::new(tree)))
}

/// Returns why a commit can't be read, and has a damaged mirror made anew.
fn unread(context: &Context, mirror: &Path, error: &GitError) -> Failure {
    if matches!(error, GitError::Mirror { .. }) {
        context.mirrors.report(mirror);
    }
    Failure { class: error.class(), message: chain(error) }
}

/// Renders a tree, or takes the result of the same render from the store.
async fn render_tree(
    context: &Context,
    tree: SourceTree,
) -> Result<Result<Arc<plumb_render::Rendered>, Arc<Vec<Problem>>>, Failure> {
    if !tree.problems.is_empty() {
        return Ok(Err(Arc::new(tree.problems)));
    }
    let renders = || context.renders.lock().unwrap_or_else(PoisonError::into_inner);
    let parameters = Parameters::default();
    if let Some(rendered) = renders().get(&RenderKey::of(&tree, &parameters)) {
        return Ok(Ok(rendered));
    }
    let result = blocking(move || plumb_render::render(&tree, &parameters)).await?;
    Ok(match result {
        Ok(rendered) => Ok(renders().put(rendered)),
        Err(error) => Err(Arc::new(error.problems().to_vec())),
    })
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Failure> {
    tokio::task::spawn_blocking(work).await.map_err(|error| bug(format!("reading the commit failed: {error}")))
}

fn bug(message: String) -> Failure {
    Failure { class: Class::Bug, message }
}
