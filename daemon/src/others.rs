//! What others have to do with an environment's objects: it says what it desires, and hears what they desire and own.
//!
//! Owns: the exchange, under one lock, so that no word falls between saying and hearing. Must never do: decide what
//! becomes of an object.

use std::collections::{BTreeMap, BTreeSet};

use plumb_core::{
    claims::{Announcement, Claim, Stir},
    commit::CommitId,
    desired::Desired,
    environment::EnvironmentName,
    identity::Identity,
    live::Live,
    object::ObjectKey,
};

use crate::{context::Context, gather::Ahead, reconcile::Pass};

/// What others have to do with an environment's objects.
pub(crate) struct Others {
    /// What others desire or own of them.
    pub(crate) claims: BTreeMap<ObjectKey, Claim>,
    /// What others are handing over to this environment at this moment.
    pub(crate) incoming: BTreeSet<ObjectKey>,
    /// Who has yet to say what it desires.
    pub(crate) undecided: Vec<EnvironmentName>,
    /// Who of other repositories has yet to say so after this one's last word.
    pub(crate) unheard: Vec<EnvironmentName>,
    /// What it does not desire itself because its heir does.
    pub(crate) ceded: BTreeSet<ObjectKey>,
    /// What this environment's word changes for the others.
    pub(crate) stir: Stir,
}

/// Says what this environment desires, and returns what the others desire or own of the same objects, and who of them has
/// yet to say so.
pub(crate) fn others(
    context: &Context,
    pass: &Pass,
    (desired, ahead): (&Desired, &Ahead),
    (powerless, identity): (BTreeSet<ObjectKey>, &Identity),
    newest: &CommitId,
    live: &Live,
) -> Others {
    let name = &pass.settings.name;
    let owners = owners(context, pass, desired);
    // What could not be settled is desired all the same.
    let desired_now = desired.objects.keys().chain(&desired.unsettled).cloned().collect();
    let recorded = pass.memory.recorded.clone().filter(|_| pass.memory.annotated);
    let suspended = pass.settings.policy.suspended;
    let (commit, coming) = match ahead {
        Ahead::Same => (newest, BTreeSet::new()),
        Ahead::Wishes(coming) => (newest, coming.clone()),
        Ahead::Unreadable => (pass.commit(), BTreeSet::new()),
    };
    let mut claims = context.claims();
    let ceded = claims.ceded(name);
    let announcement = Announcement {
        desired: desired_now,
        coming,
        powerless: powerless.clone(),
        identity: identity.clone(),
        commit,
        suspended,
        now: context.clock.uptime(),
        recorded,
    };
    let stir = claims.announce(name, announcement);
    if matches!(ahead, Ahead::Unreadable) {
        claims.gave_up(name, Some(newest));
    }
    // Whoever may not write an object is told so by the API server, and nothing of others that may.
    let able = desired.objects.keys().filter(|key| !powerless.contains(*key));
    let ours: BTreeSet<&ObjectKey> = able.chain(live.objects.keys()).collect();
    let claimed = ours
        .into_iter()
        .filter_map(|key| Some((key.clone(), claims.claim(key, name, owners.get(key), Some(newest))?)))
        .collect();
    Others {
        claims: claimed,
        incoming: claims.incoming(name),
        undecided: claims.undecided(name, Some(newest)),
        unheard: claims.unheard(name),
        ceded,
        stir,
    }
}

/// Returns the other environments that own some of the objects which this one desires.
pub(crate) fn owners(context: &Context, pass: &Pass, desired: &Desired) -> BTreeMap<ObjectKey, EnvironmentName> {
    let own = pass.settings.name.applyset_id();
    let index = context.index();
    let owner = |key: &ObjectKey| {
        let id = index.owner(key).filter(|id| **id != own)?;
        // One that does not exist any more owns nothing.
        let name = pass.environments.get(&id.manager()).filter(|name| name.applyset_id() == *id)?;
        Some((key.clone(), name.clone()))
    };
    desired.objects.keys().filter_map(owner).collect()
}
