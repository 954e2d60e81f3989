//! What was left to a person in Git: whether it is planned anew for the same state of the branch, as `core::rollback::stalling` says.

use k8s_openapi::api::core::v1::Secret;
use plumb_api::{repository::SecretReference, request};
use plumb_cluster::resources;
use plumb_core::rollback::stalling::{Grounds, Look, Stall};

use super::Judged;
use crate::{context::Context, reconcile::Pass, settings};

/// Returns whether it is planned anew; else it is looked at again in time. A process that has just begun knows of no plan.
pub(super) async fn is_over(context: &Context, pass: &mut Pass, judged: &mut Judged) -> bool {
    let (grounds, now) = (grounds(pass), context.clock.now());
    let Some(mut stall) = pass.memory.stall.clone() else { return true };
    if stall.look(&grounds, now) == Look::Secrets {
        if stall.compare(secrets(context, pass).await, now) {
            return true;
        }
        pass.memory.stall = Some(stall.clone());
    }
    match stall.look(&grounds, now) {
        Look::Later(again) => {
            judged.again = judged.again.into_iter().chain([again]).min();
            false
        }
        Look::Anew | Look::Secrets => true,
    }
}

/// Makes a note of what a plan is made from.
pub(super) async fn note(context: &Context, pass: &mut Pass, until: Option<jiff::Timestamp>) {
    let (secrets, grounds) = (secrets(context, pass).await, grounds(pass));
    pass.memory.stall = Some(Stall::new(grounds, secrets, context.clock.now(), until));
}

fn grounds(pass: &Pass) -> Grounds {
    let repository = pass.repository.as_ref().map(|repository| &repository.metadata);
    let repository = repository.map(|of| (of.uid.clone().unwrap_or_default(), of.generation.unwrap_or_default()));
    let synced = settings::request(&pass.resource, request::SYNC).filter(|_| pass.synced).map(|asked| asked.id);
    Grounds { generation: pass.resource.metadata.generation.unwrap_or_default(), repository, synced }
}

/// Returns the versions of the Secrets on which a push and the trust in it depend; nothing while they can't be read.
async fn secrets(context: &Context, pass: &Pass) -> Option<Vec<String>> {
    let repository = pass.repository.as_ref()?;
    let (namespace, spec) = (repository.metadata.namespace.clone().unwrap_or_default(), &repository.spec);
    let signing = spec.commit.as_ref().and_then(|commit| commit.signing_secret_ref.as_ref());
    let named = [spec.secret_ref.as_ref(), signing, spec.verify.as_ref().map(|verify| &verify.secret_ref)];
    let mut versions = Vec::new();
    for SecretReference { name } in named.into_iter().flatten() {
        let secret = resources::get::<Secret>(&context.cluster, &namespace, name).await.ok()?;
        // One that is not there is as good as a version.
        versions.push(secret.and_then(|secret| secret.metadata.resource_version).unwrap_or_default());
    }
    Some(versions)
}
