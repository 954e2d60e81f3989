//! Correlated trees: one random set of objects, perturbed once into what Git holds now and once into what became of
//! what was applied then.

use std::collections::BTreeMap;

use plumb_core::{
    claims::{Claim, Held, Stance},
    desired,
    foreign::{ForeignMode, ForeignPolicy},
    inventory::Inventory,
    live::PruneWish,
    object::ObjectKey,
    plan::Applied,
    policy::{DriftMode, OnError, Policy, PruneLimit},
};
use proptest::{prelude::*, sample::subsequence};
use serde_json::{Value, json};

use crate::{
    universe::{self, NAMESPACES, commit, holds, is_definition, is_namespace, keys, manifest, other, ours},
    world::{Object, World, fingerprint, is_ours, served},
};

/// How Git differs from the set that both trees come from.
#[derive(Debug, Clone, Copy)]
enum Edit {
    Keep,
    Change,
    Drop,
    Add,
}

/// What became of an object in the cluster.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fate {
    AsApplied,
    Drifted,
    Gone,
    Unlabelled,
    Deleting,
    Finalized,
    OtherTool,
    OtherEnvironment,
    Contested,
    Wanted,
    ForgedLabel,
    Owned,
    Protected,
    Malformed,
    Forced,
}

#[derive(Debug, Clone)]
struct Cell {
    base: Option<u8>,
    edit: Edit,
    fate: Fate,
    remembered: bool,
    healthy: bool,
}

/// How much goes wrong in a world.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Weather {
    /// All is known, all prunes are allowed, nothing is suspended: what can be done is done.
    Calm,
    /// Anything may be unknown, forbidden, claimed or lost.
    Rough,
}

/// What a commit removes at one go.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Shrinks {
    Nothing,
    ConfigMaps,
    Everything,
}

#[derive(Debug, Clone)]
struct Circumstances {
    prune: bool,
    limit: &'static str,
    allowed: Option<char>,
    drift: DriftMode,
    on_error: OnError,
    suspended: bool,
    shrinks: Shrinks,
    unknown: Vec<ObjectKey>,
    stale: bool,
    undecided: bool,
    announced: bool,
    /// The record: absent, exact, or wider than needed.
    recorded: u8,
    annotated: bool,
    scanned: bool,
    settled: bool,
    answers: bool,
}

fn cell() -> impl Strategy<Value = Cell> {
    let edit = prop_oneof![6 => Just(Edit::Keep), 2 => Just(Edit::Change), 2 => Just(Edit::Drop), 2 => Just(Edit::Add)];
    let fate = prop_oneof![
        24 => Just(Fate::AsApplied),
        2 => Just(Fate::Drifted),
        1 => Just(Fate::Gone),
        1 => Just(Fate::Unlabelled),
        1 => Just(Fate::Finalized),
        1 => prop_oneof![Just(Fate::Deleting), Just(Fate::Protected), Just(Fate::Malformed), Just(Fate::Forced)],
        2 => prop_oneof![Just(Fate::OtherTool), Just(Fate::OtherEnvironment), Just(Fate::Contested)],
        1 => prop_oneof![Just(Fate::ForgedLabel), Just(Fate::Owned), Just(Fate::Wanted)],
    ];
    let base = proptest::option::weighted(0.7, 0..3_u8);
    let known = (proptest::bool::weighted(0.6), proptest::bool::weighted(0.95));
    (base, edit, fate, known).prop_map(|(base, edit, fate, (remembered, healthy))| Cell {
        base,
        edit,
        fate,
        remembered,
        healthy,
    })
}

fn circumstances(weather: Weather) -> BoxedStrategy<Circumstances> {
    let calm = Circumstances {
        prune: true,
        limit: "100%",
        allowed: Some('1'),
        drift: DriftMode::Correct,
        on_error: OnError::Partial,
        suspended: false,
        shrinks: Shrinks::Nothing,
        unknown: Vec::new(),
        stale: false,
        undecided: false,
        announced: true,
        recorded: 1,
        annotated: true,
        scanned: true,
        settled: false,
        answers: true,
    };
    let shrinks = prop_oneof![
        8 => Just(Shrinks::Nothing),
        1 => Just(Shrinks::ConfigMaps),
        1 => Just(Shrinks::Everything),
    ];
    let on_error = prop_oneof![2 => Just(OnError::Partial), 1 => Just(OnError::Transactional)];
    let common = (shrinks, on_error, 0..4_u8, any::<bool>(), any::<bool>(), proptest::bool::weighted(0.8));
    let calm = common.prop_map(move |(shrinks, on_error, recorded, annotated, settled, answers)| Circumstances {
        shrinks,
        on_error,
        recorded,
        annotated,
        settled,
        answers,
        ..calm.clone()
    });
    if weather == Weather::Calm {
        return calm.boxed();
    }
    let unknown = prop_oneof![5 => Just(Vec::new()), 1 => subsequence(keys(), 0..3)];
    let limit = prop_oneof![Just("0%"), Just("25%"), Just("100%")];
    let allowed = prop_oneof![4 => Just(None), 1 => Just(Some('1')), 1 => Just(Some('2'))];
    let drift = prop_oneof![3 => Just(DriftMode::Correct), 1 => Just(DriftMode::Report)];
    let often = || proptest::bool::weighted(0.9);
    let policy = (often(), limit, allowed, drift, often());
    let known = (unknown, any::<bool>(), often(), any::<bool>(), often());
    (calm, policy, known)
        .prop_map(|(calm, (prune, limit, allowed, drift, running), (unknown, stale, decided, announced, scanned))| {
            Circumstances {
                prune,
                limit,
                allowed,
                drift,
                suspended: !running,
                unknown,
                stale,
                undecided: !decided,
                announced,
                scanned,
                ..calm
            }
        })
        .boxed()
}

/// Makes worlds.
pub(crate) fn worlds(weather: Weather) -> impl Strategy<Value = World> {
    let cells = proptest::collection::vec(cell(), keys().len());
    (cells, circumstances(weather)).prop_map(move |(cells, around)| build(&cells, &around))
}

fn build(cells: &[Cell], around: &Circumstances) -> World {
    let mut world = World {
        cluster: BTreeMap::new(),
        manifests: Vec::new(),
        recorded: None,
        annotated: around.annotated,
        scanned: around.scanned,
        memory: BTreeMap::new(),
        settled: around.settled,
        claims: BTreeMap::new(),
        undecided: if around.undecided { vec![other()] } else { Vec::new() },
        unknown: around.unknown.iter().map(ObjectKey::group_kind).collect(),
        stale: around.stale,
        answers: around.answers,
        policy: Policy {
            on_error: around.on_error,
            create_namespace: None,
            prune: around.prune,
            prune_limit: PruneLimit::parse(around.limit).expect("a limit"),
            prune_allowed: around.allowed.map(commit),
            drift: around.drift,
            ignore: Vec::new(),
            foreign: ForeignPolicy { mode: ForeignMode::Report, managers: Vec::new() },
            suspended: around.suspended,
            waiting: false,
            rolled_back: false,
        },
        next_uid: 1000,
    };
    for ((number, key), cell) in keys().iter().enumerate().zip(cells) {
        let wanted = match cell.edit {
            Edit::Keep => cell.base,
            Edit::Change => cell.base.map(|content| content + 1),
            Edit::Drop => None,
            Edit::Add => cell.base.or(Some(0)),
        };
        let removed = match around.shrinks {
            Shrinks::Nothing => false,
            Shrinks::ConfigMaps => key.kind == "ConfigMap",
            Shrinks::Everything => true,
        };
        let wanted = wanted.filter(|_| !removed);
        world.manifests.extend(wanted.map(|content| manifest(key, content)));
        if let Some(object) = live(number as u64, key, cell) {
            if cell.remembered && is_ours(&object) {
                world.memory.insert(key.clone(), applied(key, cell.base.unwrap_or_default()));
            }
            if around.announced || cell.fate == Fate::Wanted {
                world.claims.extend(claim(cell).map(|claim| (key.clone(), claim)));
            }
            world.cluster.insert(key.clone(), object);
        }
    }
    make_possible(&mut world);
    world.recorded = recorded(&world, around.recorded);
    world.annotated &= world.recorded.is_some();
    world
}

/// No object without its namespace, no instance without its definition.
fn make_possible(world: &mut World) {
    for name in NAMESPACES {
        let key = ObjectKey { group: String::new(), kind: "Namespace".into(), namespace: None, name: name.into() };
        let wanted = world.manifests.iter().any(|manifest| manifest.key == key);
        if !world.cluster.contains_key(&key) && !wanted {
            world.cluster.insert(key, object(500));
        }
    }
    for holder in keys().iter().filter(|key| is_namespace(key) || is_definition(key)) {
        if !world.cluster.contains_key(holder) {
            world.cluster.retain(|key, _| !holds(holder, key));
        }
    }
}

fn recorded(world: &World, how: u8) -> Option<Inventory> {
    let owned = world.cluster.iter().filter(|(_, object)| is_ours(object)).map(|(key, _)| key);
    let exact = Inventory::of(owned);
    match how {
        0 => None,
        1 | 2 => Some(exact),
        _ => Some(exact.union(&Inventory::of(&keys()))),
    }
}

fn object(uid: u64) -> Object {
    Object {
        uid,
        version: 1,
        owned: None,
        label: None,
        label_is_ours: false,
        claimants: Vec::new(),
        owners: Vec::new(),
        prune: PruneWish::Usual,
        finalizer: false,
        deleting: false,
        healthy: true,
    }
}

/// Returns what is in the cluster where `cell` was applied, or was not.
fn live(uid: u64, key: &ObjectKey, cell: &Cell) -> Option<Object> {
    let foreign = matches!(cell.fate, Fate::OtherTool | Fate::OtherEnvironment | Fate::ForgedLabel);
    if cell.base.is_none() && !foreign {
        return None;
    }
    let mut found = Object { healthy: cell.healthy, ..object(uid) };
    if !foreign {
        found.owned = Some(sent(key, cell.base.unwrap_or_default()));
        (found.label, found.label_is_ours) = (Some(ours().applyset_id()), true);
    }
    // A namespace or definition on its way out takes with it what cannot come back before it is gone.
    let fate = match cell.fate {
        Fate::Deleting | Fate::Gone if is_namespace(key) || is_definition(key) => Fate::AsApplied,
        fate => fate,
    };
    match fate {
        Fate::AsApplied | Fate::OtherTool | Fate::Wanted => {}
        Fate::Gone => return None,
        Fate::Drifted => found.owned.as_mut().expect("our object")["data"]["content"] = json!("drifted"),
        Fate::Unlabelled => (found.label, found.label_is_ours) = (None, false),
        Fate::Deleting => (found.deleting, found.finalizer) = (true, true),
        Fate::Finalized => found.finalizer = true,
        Fate::OtherEnvironment => found.label = Some(other().applyset_id()),
        Fate::Contested => found.claimants = vec![other().applyset_id().manager()],
        Fate::ForgedLabel => found.label = Some(ours().applyset_id()),
        Fate::Owned => found.owners = vec!["Database db".to_owned()],
        Fate::Protected => found.prune = PruneWish::Disabled,
        Fate::Malformed => found.prune = PruneWish::Malformed("no".to_owned()),
        Fate::Forced => found.prune = PruneWish::Force,
    }
    Some(found)
}

/// Returns what another environment has to do with an object, if it has.
fn claim(cell: &Cell) -> Option<Claim> {
    let held = (cell.fate == Fate::OtherEnvironment).then(|| Held { by: other(), stance: Stance::Keeps });
    let has = matches!(cell.fate, Fate::OtherEnvironment | Fate::Contested | Fate::Wanted);
    let powerless = !cell.remembered && !cell.healthy;
    has.then(|| Claim { by: [other()].into(), held, covered: cell.remembered, powerless })
}

/// Returns what the server made of the object when it was applied.
fn sent(key: &ObjectKey, content: u8) -> Value {
    served(&resolved(key, content))
}

fn applied(key: &ObjectKey, content: u8) -> Applied {
    Applied { manifest: fingerprint(&resolved(key, content)), left: fingerprint(&sent(key, content)) }
}

fn resolved(key: &ObjectKey, content: u8) -> Value {
    let manifests = [manifest(key, content)];
    let desired = desired::resolve(&manifests, &universe::kinds(true), &ours().applyset_id(), Some("shop"));
    desired.objects.values().next().expect("all kinds are served").manifest.as_ref().clone()
}
