//! Record v1: a record as one line of a Git note (`docs/records.md`, `docs/schemas/record-v1.json`).
//!
//! A line is JSON without a line break, its fields in the order below; what does not apply is left out. Lines are written
//! once and never changed, so equal facts are equal bytes.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Record, RecordKind};
use crate::{
    attribution::{Change, Who},
    class::Class,
    commit::CommitId,
    object::ObjectKey,
    text,
};

/// The version of this form; a reader of another one keeps the line and says what it can't tell.
pub const VERSION: u32 = 1;

/// Objects that one line names: a note is read by people, and a prune of thousands is named by its first ones.
const OBJECTS_MAX: usize = 20;
/// Fields that one line shows of a drift.
const FIELDS_MAX: usize = 10;
/// Longest value of a field, in characters of its JSON.
const VALUE_CHARS_MAX: usize = 120;
/// Longest path of a field, in characters.
const PATH_CHARS_MAX: usize = 300;
/// Longest message, in characters: 64 lines have to fit into a status.
const MESSAGE_CHARS_MAX: usize = 700;
/// Longest name of a person or a program, and longest subject of a commit, in characters.
const NAME_CHARS_MAX: usize = 200;

/// One record as it stands in a note.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Line {
    /// The version of this form: 1.
    pub v: u32,
    /// When it happened, by the clock of the replica that saw it (RFC 3339).
    pub time: Timestamp,
    /// What happened.
    pub kind: RecordKind,
    /// The number of this record among those of this environment in this repository, from 1, without a gap.
    pub sequence: u64,
    /// The first number that this record stands for, where it stands for a range (`RolledUp`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<u64>,
    /// The cluster's name, as the notes ref has it.
    pub cluster: String,
    /// The UID of the Repository.
    pub repository: String,
    /// Whose record it is.
    pub environment: Subject,
    /// The commit concerned: the one that the note is on.
    pub commit: CommitId,
    /// `Name <email>` of the commit's author.
    pub author: String,
    /// The first line of the commit's message.
    pub subject: String,
    /// Who signed the commit, where that was verified.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signer: Option<String>,
    /// What happened, in words.
    pub message: String,
    /// The objects concerned, at most 20.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub objects: Vec<ObjectLine>,
    /// How many more objects.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub more_objects: usize,
    /// Fields that changed, at most 10; values of Secrets never.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<FieldLine>,
    /// How many more fields.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub more_fields: usize,
    /// Who did it: a field manager, or the user that a request claims.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub who: Option<String>,
    /// The commit that came of it, such as a revert, or that replaced this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub related: Option<CommitId>,
    /// How often it happened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// The records that this one stands for, by kind (`RolledUp`).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub kinds: BTreeMap<RecordKind, u64>,
    /// The time of the first of several that this record stands for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// Milliseconds that it took.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub took_ms: Option<u64>,
    /// What helps against a failure: Retry, Wait, Bug.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<Class>,
}

/// The Environment that a record is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Subject {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its UID: another Environment of the same name is another subject.
    pub uid: String,
}

/// One object that a record is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectLine {
    /// API group; absent for the core group.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub group: String,
    /// Kind.
    pub kind: String,
    /// Namespace; absent for cluster-scoped objects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Name.
    pub name: String,
}

/// One field of the first object that changed, its values as short JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldLine {
    /// The field, as the API server writes paths.
    pub path: String,
    /// What it was by Git; absent: nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// What was found; absent: nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

/// What a record needs besides itself to become a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The cluster's name.
    pub cluster: String,
    /// The UID of the Environment.
    pub environment: String,
    /// The UID of the Repository.
    pub repository: String,
}

/// What numbers count for. Each notes ref is complete in itself: a Repository has another one for each name of the cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Series {
    /// The UID of the Repository.
    pub repository: String,
    /// The name of the cluster; empty where an older plumb has not said it, and then whatever it is now.
    pub cluster: String,
}

impl Series {
    /// Returns whether numbers of `other` go on from these.
    pub fn is(&self, other: &Self) -> bool {
        self.repository == other.repository && (self.cluster.is_empty() || self.cluster == other.cluster)
    }
}

impl Origin {
    /// Returns what its numbers count for.
    pub fn series(&self) -> Series {
        Series { repository: self.repository.clone(), cluster: self.cluster.clone() }
    }
}

impl Line {
    /// Returns what its number counts for.
    pub fn series(&self) -> Series {
        Series { repository: self.repository.clone(), cluster: self.cluster.clone() }
    }

    /// Returns the line of a record; nothing for one that is about no commit, since there is none to carry the note.
    pub fn of(record: &Record, origin: &Origin, sequence: u64) -> Option<Self> {
        let Record {
            at,
            environment,
            revision,
            kind,
            objects,
            message,
            who,
            attribution,
            related,
            count,
            again: _,
            class,
            took,
        } = record;
        let revision = revision.as_ref()?;
        let changes = attribution.as_ref().map(|attribution| attribution.changes.as_slice()).unwrap_or_default();
        let more_changes = attribution.as_ref().map_or(0, |attribution| attribution.more);
        let culprit = attribution.as_ref().map(|attribution| culprit(&attribution.who));
        Some(Self {
            v: VERSION,
            time: *at,
            kind: *kind,
            sequence,
            from: None,
            cluster: origin.cluster.clone(),
            repository: origin.repository.clone(),
            environment: Subject {
                namespace: environment.namespace.clone(),
                name: environment.name.clone(),
                uid: origin.environment.clone(),
            },
            commit: revision.commit.clone(),
            author: text::shortened(&revision.author, NAME_CHARS_MAX),
            subject: text::shortened(&revision.subject, NAME_CHARS_MAX),
            signer: revision.signer.as_deref().map(|signer| text::shortened(signer, NAME_CHARS_MAX)),
            message: text::shortened(message, MESSAGE_CHARS_MAX),
            objects: objects.iter().take(OBJECTS_MAX).map(ObjectLine::of).collect(),
            more_objects: objects.len().saturating_sub(OBJECTS_MAX),
            fields: changes.iter().take(FIELDS_MAX).map(FieldLine::of).collect(),
            more_fields: changes.len().saturating_sub(FIELDS_MAX) + more_changes,
            who: who.clone().or(culprit).map(|who| text::shortened(&who, NAME_CHARS_MAX)),
            related: related.clone(),
            count: *count,
            kinds: BTreeMap::new(),
            since: None,
            took_ms: took.map(|took| u64::try_from(took.as_millis()).unwrap_or(u64::MAX)),
            class: *class,
        })
    }

    /// Returns the line that stands for this one and for an earlier `RolledUp` that ends just before it.
    pub(super) fn rolled_up(&self, before: Option<&Self>) -> Self {
        let (number, kind, time) = (self.sequence, self.kind, self.time);
        let (mut kinds, from, since) = match before {
            Some(before) => (before.kinds.clone(), before.from, before.since),
            None => (BTreeMap::new(), Some(number), Some(time)),
        };
        *kinds.entry(kind).or_default() += 1;
        let message = format!("too many records to keep until they could be published: {}", listed(&kinds));
        Self { kind: RecordKind::RolledUp, from, message, kinds, since, ..self.bare() }
    }

    /// Returns the line that stands for these, which follow each other, on the commit of the line after them; nothing for none.
    pub(super) fn standing_for(lines: &[Self], next: &Self) -> Option<Self> {
        let (first, last) = (lines.first()?, lines.last()?);
        let mut kinds: BTreeMap<RecordKind, u64> = BTreeMap::new();
        for line in lines {
            // A line that stands for others has what they were.
            let whole = BTreeMap::from([(line.kind, 1)]);
            for (kind, count) in if line.kinds.is_empty() { &whole } else { &line.kinds } {
                *kinds.entry(*kind).or_default() += count;
            }
        }
        let mut commits: Vec<String> = lines.iter().map(|line| line.commit.short().to_owned()).collect();
        commits.dedup();
        let message = format!("the note on {} takes no more: {}", commits.join(", "), listed(&kinds));
        Some(Self {
            time: last.time,
            kind: RecordKind::RolledUp,
            sequence: last.sequence,
            from: Some(first.first()),
            message: text::shortened(&message, MESSAGE_CHARS_MAX),
            kinds,
            since: Some(first.since.unwrap_or(first.time)),
            ..next.bare()
        })
    }

    /// Returns the line with another message.
    pub(super) fn with_message(&self, message: &str) -> Self {
        Self { message: text::shortened(message, MESSAGE_CHARS_MAX), ..self.clone() }
    }

    /// Returns a line that says no more than whose it is and which commit it is on.
    fn bare(&self) -> Self {
        Self {
            from: None,
            message: String::new(),
            objects: Vec::new(),
            more_objects: 0,
            fields: Vec::new(),
            more_fields: 0,
            who: None,
            related: None,
            count: None,
            kinds: BTreeMap::new(),
            since: None,
            took_ms: None,
            class: None,
            ..self.clone()
        }
    }

    /// Returns whether both stand for the same number.
    pub fn overlaps(&self, other: &Self) -> bool {
        let same = self.environment == other.environment && self.series() == other.series();
        same && self.first() <= other.sequence && other.first() <= self.sequence
    }

    /// Returns the first number that this line stands for.
    pub fn first(&self) -> u64 {
        self.from.unwrap_or(self.sequence)
    }

    /// Returns the line as it is written, without a line break at its end.
    pub fn text(&self) -> String {
        serde_json::to_string(self).expect("because a line holds texts and numbers only")
    }

    /// Reads a line.
    ///
    /// # Errors
    /// What is wrong with it, as part of a sentence.
    pub fn parse(text: &str) -> Result<Self, String> {
        let line: Self = serde_json::from_str(text).map_err(|error| error.to_string())?;
        if line.v == VERSION { Ok(line) } else { Err(format!("it is of version {}, and not {VERSION}", line.v)) }
    }
}

impl ObjectLine {
    fn of(key: &ObjectKey) -> Self {
        let ObjectKey { group, kind, namespace, name } = key.clone();
        Self { group, kind, namespace, name }
    }
}

impl FieldLine {
    fn of(change: &Change) -> Self {
        let value =
            |value: &Option<Value>| value.as_ref().map(|value| text::shortened(&value.to_string(), VALUE_CHARS_MAX));
        Self {
            path: text::shortened(&change.path.to_string(), PATH_CHARS_MAX),
            before: value(&change.before),
            after: value(&change.after),
        }
    }
}

fn culprit(who: &Who) -> String {
    match who {
        Who::Manager(writer) => writer.name.to_string(),
        Who::Likely(writer) => format!("{} (likely)", writer.name),
        Who::Unknown { why } => format!("unknown: {why}"),
    }
}

/// Returns how many records there are, and how many of each kind.
fn listed(kinds: &BTreeMap<RecordKind, u64>) -> String {
    let listed: Vec<String> = kinds.iter().map(|(kind, count)| format!("{count} {}", kind.label())).collect();
    format!("{} ({})", kinds.values().sum::<u64>(), listed.join(", "))
}

fn is_zero(number: &usize) -> bool {
    *number == 0
}

#[cfg(test)]
mod tests;
