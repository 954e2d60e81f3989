//! Who changed which field of an object, from what to what.
//!
//! Owns: the comparison of what was applied with what is live, and the reading of managedFields for a
//! culprit. May touch: values handed to it. Must never do: decide whether to correct; show a Secret's
//! values (`redact` hides them); name somebody without saying how sure it is.

mod compare;
#[cfg(test)]
mod tests;

use std::fmt;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use crate::{
    environment::FieldManager,
    fields::{
        FieldSet,
        managed::{self, ManagedBy, ManagedFields},
        path::FieldPath,
    },
    fingerprint,
    ignore::Ignored,
    redact, text,
};

/// Changes kept of one object; a report of more is not read, and the status holds reports of many objects.
pub const CHANGES_KEPT: usize = 20;

/// Characters shown of one value in a sentence.
const VALUE_SHOWN: usize = 80;

/// Managers that write to most objects all the time.
const CONTROL_PLANE: [&str; 4] = ["kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet"];

/// A write that managedFields tells of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Writer {
    /// The field manager, as it called itself.
    pub name: FieldManager,
    /// How it wrote.
    pub operation: ManagedBy,
    /// When its set of fields last changed, in whole seconds of the API server's clock.
    pub time: Option<Timestamp>,
    /// The subresource it wrote to, such as `scale`.
    pub subresource: Option<String>,
}

/// Who changed something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum Who {
    /// The one that owns the field now.
    Manager(Writer),
    /// Nobody owns it now, as after a removal, and this is the only one that wrote after us; or several own it, and this is
    /// the one that wrote last.
    Likely(Writer),
    /// It can't be known.
    Unknown {
        /// Why, as part of a sentence.
        why: String,
    },
}

/// One field that differs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Change {
    /// Which field.
    pub path: FieldPath,
    /// What was applied; absent if nothing was.
    pub before: Option<Value>,
    /// What is live; absent if it was removed.
    pub after: Option<Value>,
    /// Who changed this field.
    pub who: Who,
}

/// The answer for one object.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Attribution {
    /// Who made the most recent of the changes that have a known author.
    pub who: Who,
    /// What differs, in the order of paths, at most [`CHANGES_KEPT`].
    pub changes: Vec<Change>,
    /// How many more differ.
    pub more: usize,
}

impl Attribution {
    /// Compares what our last apply said (a manifest, or what it owned then) with the live object.
    ///
    /// Fields that only the live object has are not ours and are left out, and so is what is ignored.
    pub fn of(applied: &Value, live: &Value, ours: &FieldManager, ignored: &Ignored) -> Self {
        let gvk = fingerprint::gvk_of(live);
        let entries: Vec<ManagedFields> =
            managed::entries(live).iter().filter_map(|entry| ManagedFields::parse(entry).ok()).collect();
        let known = entries.iter().fold(FieldSet::default(), |all, entry| all.union(&entry.fields));
        let foreign: Vec<&ManagedFields> = entries.iter().filter(|entry| !entry.is_apply_of(ours)).collect();
        let differing = compare::compare(applied, live, ignored, &known, &gvk, &foreign);
        let mine = ManagedFields::find(&entries, ours);
        let culprits = Culprits { foreign, mine, since: mine.and_then(|entry| entry.time) };
        let mut changes: Vec<Change> = differing
            .into_iter()
            .map(|(path, before, after)| Change { who: culprits.of(&path), path, before, after })
            .collect();
        changes.sort_by(|a, b| a.path.cmp(&b.path));
        let who = overall(&changes);
        let more = changes.len().saturating_sub(CHANGES_KEPT);
        changes.truncate(CHANGES_KEPT);
        if redact::is_secret(live) {
            for change in &mut changes {
                (change.before, change.after) =
                    redact::change(&change.path, change.before.as_ref(), change.after.as_ref());
            }
        }
        Self { who, changes, more }
    }
}

/// The managers besides us, and when we last applied something new.
struct Culprits<'a> {
    foreign: Vec<&'a ManagedFields>,
    mine: Option<&'a ManagedFields>,
    since: Option<Timestamp>,
}

impl Culprits<'_> {
    fn of(&self, path: &FieldPath) -> Who {
        let owners: Vec<&&ManagedFields> = self.foreign.iter().filter(|entry| entry.fields.touches(path)).collect();
        match (owners.as_slice(), owners.iter().max_by_key(|entry| entry.time)) {
            ([owner], _) => return Who::Manager(Writer::of(owner)),
            // All of them want the value that is there; any may have been first.
            (_, Some(latest)) => return Who::Likely(Writer::of(latest)),
            (_, None) => {}
        }
        // A write through the API takes a changed field from everybody else.
        if self.mine.is_some_and(|mine| mine.fields.contains(path)) {
            let why = "nobody else owns the field: an admission webhook or the API server has changed it on its way";
            return Who::Unknown { why: why.to_owned() };
        }
        let later: Vec<&&ManagedFields> = self.foreign.iter().filter(|entry| self.may_have_removed(entry)).collect();
        match later.as_slice() {
            [only] => Who::Likely(Writer::of(only)),
            [] => Who::Unknown {
                why: "no manager owns the field now, and none is known to have written since".to_owned(),
            },
            several => {
                Who::Unknown { why: format!("no manager owns the field now, and {} have written since", several.len()) }
            }
        }
    }

    /// A manager's own entry shows that it wrote after us, not what it removed; writes of the status and of the control
    /// plane's controllers follow every apply and prove nothing.
    fn may_have_removed(&self, entry: &ManagedFields) -> bool {
        entry.time.is_some()
            && entry.time > self.since
            && entry.subresource.is_none()
            && !CONTROL_PLANE.contains(&entry.manager.as_str())
    }
}

impl Writer {
    fn of(entry: &ManagedFields) -> Self {
        Self {
            name: entry.manager.clone(),
            operation: entry.operation,
            time: entry.time,
            subresource: entry.subresource.clone(),
        }
    }
}

impl Who {
    /// Returns the write, sure or likely.
    pub fn writer(&self) -> Option<&Writer> {
        match self {
            Self::Manager(writer) | Self::Likely(writer) => Some(writer),
            Self::Unknown { .. } => None,
        }
    }
}

fn overall(changes: &[Change]) -> Who {
    let latest = |sure: bool| {
        let known = changes.iter().filter(|change| matches!(change.who, Who::Manager(_)) == sure);
        known
            .filter(|change| change.who.writer().is_some())
            .max_by_key(|change| change.who.writer().and_then(|w| w.time))
    };
    match latest(true).or_else(|| latest(false)).or_else(|| changes.first()) {
        Some(change) => change.who.clone(),
        None => Who::Unknown { why: "every field has the value that was applied".to_owned() },
    }
}

impl fmt::Display for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}", self.name, self.operation)?;
        if let Some(subresource) = &self.subresource {
            write!(f, " of {subresource}")?;
        }
        match self.time {
            Some(time) => write!(f, " at {time})"),
            None => f.write_str(")"),
        }
    }
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Manager(writer) => writer.fmt(f),
            Self::Likely(writer) => write!(f, "probably {writer}"),
            Self::Unknown { why } => write!(f, "unknown: {why}"),
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let short = |value: &Value| text::shortened(&value.to_string(), VALUE_SHOWN);
        write!(f, "{} ", self.path)?;
        match (&self.before, &self.after) {
            (Some(before), Some(after)) => write!(f, "from {} to {}", short(before), short(after)),
            (Some(before), None) => write!(f, "removed, was {}", short(before)),
            (None, Some(after)) => write!(f, "added: {}", short(after)),
            (None, None) => f.write_str("changed"),
        }
    }
}
