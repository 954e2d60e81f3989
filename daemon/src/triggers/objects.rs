//! The objects of the runs that a plan creates, with everything filled in that is known of what they build.

use std::sync::Arc;

use plumb_core::{
    class::Class,
    commit::{CommitId, RefName},
    operation::Failure,
    trigger::{
        inputs::{self, Entry},
        naming::Maker,
        plan::{Create, Plan},
        run::Build,
        template::{Variable, Variables},
    },
};
use plumb_git::{entries::Limits, error::GitError, mirror::Mirror};
use serde_json::Value;

use super::{gather::Gathered, pass::Pass, settings::Settings};
use crate::{chain::chain, source::Source};

/// Makes the objects that a plan creates; nothing for a commit that is not there any more.
///
/// # Errors
/// What is built can't be read.
pub(super) async fn make(
    settings: &Arc<Settings>,
    pass: &Pass,
    gathered: &Gathered,
    plan: &Plan,
) -> Result<Vec<(Create, Option<Value>)>, Failure> {
    let Ok(source) = pass.source.clone() else { return Ok(Vec::new()) };
    let before = |create: &Create| {
        let known = gathered.memory.components.get(&create.build.component)?;
        known.attempted.as_ref().map(|attempted| attempted.build.commit.clone())
    };
    let wanted: Vec<(Create, Option<CommitId>)> =
        plan.create.iter().map(|create| (create.clone(), before(create))).collect();
    let (settings, name, url) = (Arc::clone(settings), pass.name.clone(), pass.url.clone());
    let uid = pass.uid().to_owned();
    let made = tokio::task::spawn_blocking(move || -> Result<Vec<(Create, Option<Value>)>, GitError> {
        let mirror = Mirror::open_or_create(&source.mirror)?;
        let maker = Maker { name: &name, uid: &uid };
        let objects = wanted.iter().map(|(create, before)| {
            let Create { build, attempt } = create;
            let object = match variables(&settings, (&mirror, &source, &url), &maker, build, before.as_ref()) {
                Ok(variables) => Some(settings.run.object(&maker, build, *attempt, &variables)),
                // The history was rewritten, or the address is another: nobody can build it any more.
                Err(GitError::CommitMissing { .. }) => None,
                Err(error) => return Err(error),
            };
            Ok((create.clone(), object))
        });
        objects.collect()
    });
    let made = made.await.map_err(|error| Failure { class: Class::Bug, message: error.to_string() })?;
    made.map_err(|error| Failure { class: error.class(), message: chain(&error) })
}

fn variables(
    settings: &Settings,
    (mirror, source, url): (&Mirror, &Source, &str),
    maker: &Maker<'_>,
    build: &Build,
    before: Option<&CommitId>,
) -> Result<Variables, GitError> {
    let revision = mirror.revision(&build.commit)?;
    let reference = source.revision.reference.as_ref();
    let tag = reference.and_then(|name| name.as_str().strip_prefix("refs/tags/")).unwrap_or_default();
    let sender = revision.author.rsplit_once(" <").map_or(revision.author.as_str(), |(name, _)| name);
    let (repo_owner, repo_name) = project(url);
    Ok(Variables {
        revision: build.commit.to_string(),
        short_revision: build.commit.short().to_owned(),
        repo_url: url.to_owned(),
        repo_owner,
        repo_name,
        source_branch: reference.map(RefName::short).unwrap_or_default().to_owned(),
        git_tag: tag.to_owned(),
        sender: sender.to_owned(),
        target_namespace: maker.name.namespace.clone(),
        component: build.component.to_string(),
        changed_files: match settings.run.template().names().contains(&Variable::ChangedFiles) {
            true => changed(settings, mirror, build, before)?,
            false => String::new(),
        },
        committed_at: build.committed.to_string(),
        trigger: maker.name.name.clone(),
    })
}

/// Returns which files of the component differ from those of its last attempt; of the first one all.
fn changed(settings: &Settings, mirror: &Mirror, build: &Build, before: Option<&CommitId>) -> Result<String, GitError> {
    let Some(index) = settings.components.iter().position(|name| *name == build.component) else {
        return Ok(String::new());
    };
    let read = |commit: &CommitId| mirror.snapshot(commit)?.entries(Limits::default());
    let earlier: Vec<Entry> = match before {
        Some(before) if mirror.holds(before)? => read(before)?,
        Some(_) | None => Vec::new(),
    };
    Ok(inputs::changed(&settings.paths, index, &earlier, &read(&build.commit)?).to_string())
}

/// Returns what stands before the repository's name in its address, and that name.
fn project(url: &str) -> (String, String) {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    // A colon begins the path only where no scheme stands before it.
    let begins: &[char] = if url.contains("://") { &['/'] } else { &['/', ':'] };
    let path = rest.split_once(begins).map_or("", |(_, path)| path).trim_matches('/');
    let path = path.strip_suffix(".git").unwrap_or(path);
    let (owner, name) = path.rsplit_once('/').unwrap_or(("", path));
    (owner.to_owned(), name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owner_and_name_of_a_repository_are_in_its_address() {
        let check = |url: &str, owner: &str, name: &str| {
            assert_eq!(project(url), (owner.to_owned(), name.to_owned()), "{url}");
        };
        check("https://git.example.com/platform/shop.git", "platform", "shop");
        check("git@git.example.com:group/platform/shop", "group/platform", "shop");
        check("ssh://git@git.example.com:2222/platform/shop.git/", "platform", "shop");
        check("https://git.example.com/shop.git", "", "shop");
        check("file:///srv/git/shop.git", "srv/git", "shop");
    }
}
