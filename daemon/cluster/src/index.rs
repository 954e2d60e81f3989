//! What is known of every owned object of one cluster: fed by watches and by our own writes, read by plans.
//!
//! Owns: the rules of freshness (a newer answer is not undone by an older event, a list replaces what came before it)
//! and of silence (what nobody needs to look at again). Synchronous on purpose: no clock, no I/O, no await.
//! Must never do: forget a kind that is not fully known; report an object gone that merely was not listed yet.

pub mod change;
mod confines;
mod entry;
mod ignoring;
mod judgement;
mod owned;
mod resource_version;
mod scalers;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use plumb_core::{
    environment::ApplySetId,
    fingerprint::Fingerprint,
    health::rules::Rules,
    ignore::{Glob, Ignored},
    live::LiveObject,
    object::{GroupKind, Gvk, ObjectKey},
};
use serde_json::Value;

use change::{Change, What};
use confines::Confines;
use entry::{Entry, RawObject, Source};
use ignoring::Ignoring;
use scalers::Scalers;

/// Something that a watch has seen.
#[derive(Debug)]
pub enum Observation {
    /// A list has begun.
    Listing(Gvk),
    /// The list has this object.
    Listed(Gvk, Seen),
    /// The list is complete, as of this resourceVersion: what it did not have is gone.
    ListDone(Gvk, String),
    /// The watch goes on where it was interrupted, and has missed nothing.
    Resumed(Gvk),
    /// An object was made or changed, or has got a label.
    Changed(Gvk, Seen),
    /// An object was deleted, or has lost its label: the event can't tell.
    Vanished(Gvk, Seen),
    /// The kind can't be watched at the moment, for this reason.
    Lost(Gvk, String),
    /// The server no longer has the kind.
    KindGone(Gvk),
}

impl Observation {
    fn kind(&self) -> GroupKind {
        match self {
            Self::Listing(gvk)
            | Self::Listed(gvk, _)
            | Self::ListDone(gvk, _)
            | Self::Resumed(gvk)
            | Self::Changed(gvk, _)
            | Self::Vanished(gvk, _)
            | Self::Lost(gvk, _)
            | Self::KindGone(gvk) => gvk.group_kind(),
        }
    }
}

/// An object as a list or a watch shows it; never printed, since it may be a Secret.
pub struct Seen(pub Value);

impl std::fmt::Debug for Seen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Seen").field(&owned::key(&self.0)).finish()
    }
}

/// How well one kind at one version is known.
#[derive(Debug)]
enum Knowledge {
    /// Not at all, or no longer, for this reason.
    Unknown(String),
    /// Every object of it is in the index.
    Known,
    /// The server has no such kind.
    Gone,
}

/// A write of ours that is not answered yet.
#[derive(Debug, Default)]
struct Flight {
    /// What was known when it began.
    before: Option<LiveObject>,
    /// Whether an event came in the meantime.
    disturbed: bool,
    /// The resourceVersion at which the object vanished in the meantime, if it did.
    vanished: Option<String>,
}

/// The owned objects of one cluster.
#[derive(Debug, Default)]
pub struct Index {
    objects: BTreeMap<ApplySetId, BTreeMap<ObjectKey, Entry>>,
    /// Which environment's map holds a key: an object carries one label.
    owners: BTreeMap<ObjectKey, ApplySetId>,
    expected: BTreeMap<ObjectKey, Fingerprint>,
    /// UIDs of objects that we deleted: events about them are no news.
    deleted: BTreeMap<ObjectKey, String>,
    flights: BTreeMap<ObjectKey, Flight>,
    kinds: BTreeMap<Gvk, Knowledge>,
    /// The health rules of environments that have some.
    rules: BTreeMap<ApplySetId, Arc<Rules>>,
    /// The keys that lists under way have shown.
    listings: BTreeMap<Gvk, BTreeSet<ObjectKey>>,
    confines: Confines,
    ignoring: Ignoring,
    scalers: Scalers,
}

impl Index {
    /// Returns every environment whose label some object carries.
    pub fn environments(&self) -> impl Iterator<Item = &ApplySetId> {
        self.objects.keys()
    }

    /// Returns how many kinds are fully known, and how many are not.
    pub fn kinds(&self) -> (usize, usize) {
        let unknown = self.kinds.values().filter(|knowledge| matches!(knowledge, Knowledge::Unknown(_))).count();
        (self.kinds.len() - unknown, unknown)
    }

    /// Returns the environment to which an object belongs, by its label and that environment's manager.
    pub fn owner(&self, key: &ObjectKey) -> Option<&ApplySetId> {
        self.owners.get(key)
    }

    /// Returns the whole object, if it is not as expected; its only use is to say who changed what.
    pub fn object(&self, key: &ObjectKey) -> Option<Value> {
        self.entry(key)?.raw.as_ref()?.parse()
    }

    /// Returns why a kind is not fully known; nothing if it is.
    pub fn unknown(&self, kind: &GroupKind) -> Option<String> {
        let mut versions = self.kinds.iter().filter(|(gvk, _)| gvk.group_kind() == *kind).peekable();
        if versions.peek().is_none() {
            return Some(format!("{kind} is not watched yet"));
        }
        versions.find_map(|(_, knowledge)| match knowledge {
            Knowledge::Unknown(reason) => Some(reason.clone()),
            Knowledge::Known | Knowledge::Gone => None,
        })
    }

    /// Takes what is ignored of an environment's objects from now on, and returns those of which something else is
    /// ignored than before: what was expected of them is forgotten.
    pub fn ignore(&mut self, id: &ApplySetId, ignored: &BTreeMap<ObjectKey, Ignored>) -> BTreeSet<ObjectKey> {
        let changed = self.ignoring.set(id, ignored);
        for key in &changed {
            self.expected.remove(key);
            self.read_again(id, key);
        }
        changed
    }

    /// Takes the managers whose additions to an environment's objects are of interest from now on.
    pub fn attend(&mut self, id: &ApplySetId, managers: &[Glob]) {
        if self.ignoring.set_managers(id, managers) {
            let keys: Vec<_> = self.objects.get(id).into_iter().flatten().map(|(key, _)| key.clone()).collect();
            keys.iter().for_each(|key| self.read_again(id, key));
        }
    }

    /// Judges an object anew by other rules: at once where its content is in memory, else once it was read.
    fn read_again(&mut self, id: &ApplySetId, key: &ObjectKey) {
        let Some(entry) = self.entry(key).filter(|entry| entry.live.part_of == *id) else { return };
        let object = entry.raw.as_ref().and_then(RawObject::parse);
        match object.and_then(|object| self.read(key, &object)) {
            Some(live) => {
                if let Some(entry) = self.entry_mut(key) {
                    entry.live = live;
                }
            }
            None => self.ignoring.mark_stale(id, key.clone()),
        }
    }

    /// Returns the environment's objects that have to be read anew, since something else is ignored of them than when
    /// they were seen.
    pub fn stale(&self, id: &ApplySetId) -> Vec<ObjectKey> {
        self.ignoring.stale(id)
    }

    /// Returns whether a HorizontalPodAutoscaler drives an object, or may do so.
    pub fn is_scaled(&self, key: &ObjectKey) -> bool {
        self.scalers.drive(key)
    }

    /// Returns whether the autoscalers were listed, or nobody wants to know.
    pub fn scalers_known(&self) -> bool {
        self.scalers.are_known()
    }

    /// Notes that the autoscalers are going to be listed.
    pub fn scalers_begin(&mut self) {
        self.scalers.begin();
    }

    /// Takes what the watch of the autoscalers has seen and returns what has to be looked at again.
    pub fn observe_scaler(&mut self, observation: Observation) -> Vec<Change> {
        let (kind, known) = (observation.kind(), self.scalers_known());
        let targets = self.scalers.observe(observation);
        let owned = targets.into_iter().filter_map(|key| {
            let environment = self.owners.get(&key)?.clone();
            Some(Change::Object { environment, key, what: What::Changed })
        });
        let mut changes: Vec<_> = owned.collect();
        changes.extend((!known && self.scalers_known()).then_some(Change::Known { kind }));
        changes
    }

    /// Notes what the last apply left, or would leave: events that show just this are dropped.
    pub fn expect(&mut self, key: &ObjectKey, fingerprint: Fingerprint) {
        self.expected.insert(key.clone(), fingerprint);
        if let Some(entry) = self.entry_mut(key)
            && entry.live.fingerprint == Some(fingerprint)
        {
            entry.raw = None;
        }
    }

    /// Notes that a write or a delete of ours begins: until it is answered, what events show of the object may be our
    /// own doing.
    /// Every call is followed by one of [`Index::answer`], [`Index::write_failed`] and [`Index::forget`].
    pub fn write_begins(&mut self, key: &ObjectKey) {
        let before = self.entry(key).map(|entry| entry.live.clone());
        self.flights.insert(key.clone(), Flight { before, ..Flight::default() });
    }

    /// Takes the answer to a write of ours, unless a newer state is known, and returns what has to be looked at again.
    ///
    /// *Guarantees:* the object's fingerprint is expected from now on.
    pub fn answer(&mut self, object: &Value) -> Vec<Change> {
        let mut changes = self.take_answer(object);
        // That it is as expected again is our own doing.
        changes.retain(|change| !matches!(change, Change::Object { what: What::Restored, .. }));
        changes
    }

    fn take_answer(&mut self, object: &Value) -> Vec<Change> {
        let Some(key) = owned::key(object) else { return Vec::new() };
        let flight = self.flights.remove(&key).unwrap_or_default();
        self.deleted.remove(&key);
        let Some(live) = self.read(&key, object) else { return self.land(&key, &flight) };
        if let Some(fingerprint) = live.fingerprint {
            self.expect(&key, fingerprint);
        }
        let known = self.entry(&key).map(|entry| &entry.live.resource_version).or(flight.vanished.as_ref());
        if known.is_none_or(|known| resource_version::is_newer(&live.resource_version, known)) {
            self.put(live, object, Source::Answer);
            return if flight.disturbed { self.judge(&key, flight.before.as_ref()) } else { Vec::new() };
        }
        if self.entry(&key).is_none() {
            return vec![Change::missing(live.part_of, &key)];
        }
        self.land(&key, &flight)
    }

    /// Notes that a write of ours failed, and returns what events have shown in the meantime.
    pub fn write_failed(&mut self, key: &ObjectKey) -> Vec<Change> {
        let flight = self.flights.remove(key).unwrap_or_default();
        self.land(key, &flight)
    }

    /// Returns what events have shown during a write.
    fn land(&self, key: &ObjectKey, flight: &Flight) -> Vec<Change> {
        match (&flight.before, self.entry(key)) {
            _ if !flight.disturbed => Vec::new(),
            (_, Some(_)) => self.judge(key, flight.before.as_ref()),
            (Some(before), None) => vec![Change::missing(before.part_of.clone(), key)],
            (None, None) => Vec::new(),
        }
    }

    /// Notes that we deleted, or let go of, the object with this UID: its vanishing is no news.
    pub fn forget(&mut self, key: &ObjectKey, uid: &str) {
        self.flights.remove(key);
        self.expected.remove(key);
        self.remove(key);
        self.deleted.insert(key.clone(), uid.to_owned());
    }

    /// Drops a kind at one version that is no longer watched; what it held is unknown from then on.
    pub fn drop_kind(&mut self, gvk: &Gvk) {
        self.kinds.remove(gvk);
        self.listings.remove(gvk);
        let kind = gvk.group_kind();
        if !self.kinds.keys().any(|other| other.group_kind() == kind) {
            for key in self.keys_of(&kind) {
                self.remove(&key);
            }
            self.expected.retain(|key, _| key.group_kind() != kind);
            self.deleted.retain(|key, _| key.group_kind() != kind);
        }
    }

    /// Takes what a watch has seen and returns what has to be looked at again.
    pub fn observe(&mut self, observation: Observation) -> Vec<Change> {
        match observation {
            Observation::Listing(gvk) => {
                self.listings.insert(gvk.clone(), BTreeSet::new());
                // From here on, what the list shows is newer than every answer before it.
                for key in self.keys_of(&gvk.group_kind()) {
                    if let Some(entry) = self.entry_mut(&key) {
                        entry.source = Source::Event;
                    }
                }
                self.kinds.entry(gvk.clone()).or_insert_with(|| Knowledge::Unknown(format!("{gvk} is being listed")));
                Vec::new()
            }
            Observation::Listed(gvk, Seen(object)) => {
                let Some(key) = owned::key(&object) else { return Vec::new() };
                if let Some(listed) = self.listings.get_mut(&gvk) {
                    listed.insert(key.clone());
                }
                self.see(&gvk, &key, &object)
            }
            Observation::Changed(gvk, Seen(object)) => {
                let Some(key) = owned::key(&object) else { return Vec::new() };
                self.see(&gvk, &key, &object)
            }
            Observation::Vanished(_, Seen(object)) => self.vanish(&object),
            Observation::ListDone(gvk, at) => self.finish_list(gvk, &at),
            Observation::Resumed(gvk) => self.know(gvk, Knowledge::Known),
            Observation::Lost(gvk, reason) => self.know(gvk, Knowledge::Unknown(reason)),
            Observation::KindGone(gvk) => {
                let kind = gvk.group_kind();
                let keys = self.keys_of(&kind);
                let mut changes: Vec<_> = keys.iter().flat_map(|key| self.missing(key, "")).collect();
                changes.extend(self.know(gvk, Knowledge::Gone));
                changes
            }
        }
    }

    /// Takes one object as a list or an event shows it.
    fn see(&mut self, gvk: &Gvk, key: &ObjectKey, object: &Value) -> Vec<Change> {
        let Some(live) = self.read(key, object) else {
            let at = object["metadata"]["resourceVersion"].as_str().unwrap_or_default();
            return self.missing(key, at);
        };
        if self.deleted.get(key) == Some(&live.uid) {
            return Vec::new();
        }
        self.deleted.remove(key);
        if self.is_better_read_elsewhere(gvk, object, &live) || self.is_answered_newer(key, &live) {
            return Vec::new();
        }
        let before = self.put(live, object, Source::Event);
        if let Some(flight) = self.flights.get_mut(key) {
            flight.disturbed = true;
            return Vec::new();
        }
        self.judge(key, before.as_ref())
    }

    /// Returns whether the answer to a write of ours is newer than what an event shows.
    fn is_answered_newer(&self, key: &ObjectKey, seen: &LiveObject) -> bool {
        self.entry(key).is_some_and(|entry| {
            entry.source == Source::Answer
                && resource_version::is_newer(&entry.live.resource_version, &seen.resource_version)
        })
    }

    /// Managed fields hold for the version that they were applied at; where that version is watched too, its watch
    /// shows them as they are.
    fn is_better_read_elsewhere(&self, gvk: &Gvk, object: &Value, live: &LiveObject) -> bool {
        let Some(applied_at) = owned::applied_at(object, &live.part_of.manager()) else { return false };
        let applied_at = Gvk::new(&applied_at, &gvk.kind);
        applied_at != *gvk && self.kinds.get(&applied_at).is_some_and(|knowledge| matches!(knowledge, Knowledge::Known))
    }

    fn vanish(&mut self, object: &Value) -> Vec<Change> {
        let Some(key) = owned::key(object) else { return Vec::new() };
        let uid = object["metadata"]["uid"].as_str().unwrap_or_default();
        if self.deleted.get(&key).is_some_and(|deleted| deleted == uid) {
            self.deleted.remove(&key);
            return Vec::new();
        }
        // Another UID: the answer to our own write already shows its successor.
        if self.entry(&key).is_some_and(|entry| entry.live.uid != uid) {
            return Vec::new();
        }
        self.missing(&key, object["metadata"]["resourceVersion"].as_str().unwrap_or_default())
    }

    fn finish_list(&mut self, gvk: Gvk, at: &str) -> Vec<Change> {
        let listed = self.listings.remove(&gvk).unwrap_or_default();
        let kind = gvk.group_kind();
        let is_absent = |key: &ObjectKey| {
            let written_since = self.entry(key).is_some_and(|entry| {
                entry.source == Source::Answer && resource_version::is_newer(&entry.live.resource_version, at)
            });
            !listed.contains(key) && !written_since
        };
        let gone: Vec<_> = self.keys_of(&kind).into_iter().filter(is_absent).collect();
        let mut changes: Vec<_> = gone.iter().flat_map(|key| self.missing(key, at)).collect();
        // A deletion of ours that the list confirms will have no event.
        self.deleted.retain(|key, _| key.group_kind() != kind || listed.contains(key));
        changes.extend(self.know(gvk, Knowledge::Known));
        changes
    }

    fn know(&mut self, gvk: Gvk, knowledge: Knowledge) -> Vec<Change> {
        let kind = gvk.group_kind();
        let before = self.unknown(&kind);
        let was_gone = matches!(self.kinds.get(&gvk), Some(Knowledge::Gone));
        let is_gone = matches!(knowledge, Knowledge::Gone);
        self.kinds.insert(gvk, knowledge);
        match (before, self.unknown(&kind)) {
            (Some(_), None) => vec![Change::Known { kind }],
            (None, Some(reason)) => vec![Change::Unknown { kind, reason }],
            _ if was_gone != is_gone => vec![Change::Known { kind }],
            _ => Vec::new(),
        }
    }

    /// Takes out an object that vanished at this resourceVersion and tells its environment, unless we are just
    /// writing it.
    fn missing(&mut self, key: &ObjectKey, at: &str) -> Vec<Change> {
        let environment = self.remove(key).map(|entry| entry.live.part_of);
        if let Some(flight) = self.flights.get_mut(key) {
            flight.disturbed = true;
            flight.vanished = Some(at.to_owned());
            return Vec::new();
        }
        environment.map(|environment| Change::missing(environment, key)).into_iter().collect()
    }

    /// Compares an object with what is expected of it and with what was known before.
    fn judge(&self, key: &ObjectKey, before: Option<&LiveObject>) -> Vec<Change> {
        let entry = self.entry(key);
        entry.map(|entry| change::between(before, &entry.live, self.expected.get(key))).unwrap_or_default()
    }

    fn read(&self, key: &ObjectKey, object: &Value) -> Option<LiveObject> {
        let attention = |id: &ApplySetId| (self.ignoring.of(id, key), self.ignoring.managers(id));
        owned::read(key, object, attention, &self.rules)
    }

    /// Takes a state of an object and returns the one that was known before.
    fn put(&mut self, live: LiveObject, object: &Value, source: Source) -> Option<LiveObject> {
        let key = live.key.clone();
        self.ignoring.is_fresh(&key);
        let as_expected = live.fingerprint.is_some() && self.expected.get(&key) == live.fingerprint.as_ref();
        let raw = (!as_expected).then(|| RawObject::of(object));
        let before = self.remove(&key);
        self.owners.insert(key.clone(), live.part_of.clone());
        self.objects.entry(live.part_of.clone()).or_default().insert(key, Entry { live, raw, source, is_judged: true });
        before.map(|entry| entry.live)
    }

    fn remove(&mut self, key: &ObjectKey) -> Option<Entry> {
        self.ignoring.is_fresh(key);
        let environment = self.owners.remove(key)?;
        let objects = self.objects.get_mut(&environment)?;
        let entry = objects.remove(key);
        if objects.is_empty() {
            self.objects.remove(&environment);
        }
        entry
    }

    fn entry(&self, key: &ObjectKey) -> Option<&Entry> {
        self.objects.get(self.owners.get(key)?)?.get(key)
    }

    fn entry_mut(&mut self, key: &ObjectKey) -> Option<&mut Entry> {
        self.objects.get_mut(self.owners.get(key)?)?.get_mut(key)
    }

    fn keys_of(&self, kind: &GroupKind) -> Vec<ObjectKey> {
        // Keys sort by group and kind first, so this is one range.
        let first =
            ObjectKey { group: kind.group.clone(), kind: kind.kind.clone(), namespace: None, name: String::new() };
        let same = |key: &&ObjectKey| key.group == kind.group && key.kind == kind.kind;
        self.owners.range(first..).map(|(key, _)| key).take_while(same).cloned().collect()
    }
}
