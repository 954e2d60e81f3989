//! Events into one JSON value, by kubectl's rules for merges, aliases and duplicate keys.

use std::collections::BTreeMap;

use serde_json::{Map, Value, map::Entry};

use super::{
    Document, Position,
    event::{AnchorId, Event, Events},
    key::{self, Key},
    limits::Weight,
    reading::Reading,
    scalar::{self, Unreadable},
    written::Written,
};

/// What can't be read on; the reason is already among the problems.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// The rest of the document.
    Document,
    /// The rest of the file: it reaches a limit.
    File,
}

/// The key of a List whose elements are objects of their own, and so have origins of their own.
const ITEMS: &str = "items";

/// Reads one document and keeps it if it is not null and without problems; returns false if there is none.
///
/// `aliases` says whether anchors are worth remembering.
pub(super) fn document<'a>(
    reading: &mut Reading<'_>,
    events: &mut impl Events<'a>,
    aliases: bool,
) -> Result<bool, Stop> {
    match events.next().map_err(|error| reading.syntax(error))?.0 {
        Event::DocumentStart => {}
        _ => return Ok(false),
    }
    let problems = reading.problem_count();
    let mut builder = Builder::new(reading, events, aliases);
    let (event, at) = builder.next()?;
    if matches!(event, Event::DocumentEnd) {
        return Ok(true);
    }
    let value = builder.node(event, at)?;
    builder.next()?;
    let items = builder.items;
    if !value.is_null() && reading.problem_count() == problems {
        let origin = at.in_file(reading.file);
        reading.keep(Document { value, origin, items })?;
    }
    Ok(true)
}

/// Returns whether a text may hold an alias; most have none, and then no anchored value needs to be kept twice.
pub(super) fn has_alias(text: &str) -> bool {
    text.as_bytes().windows(2).any(|pair| pair[0] == b'*' && !matches!(pair[1], b' ' | b'\t' | b'\r' | b'\n' | b'*'))
}

/// An anchored value that is complete.
struct Anchored {
    value: Value,
    weight: Weight,
}

struct Builder<'b, 'r, E> {
    reading: &'b mut Reading<'r>,
    events: &'b mut E,
    aliases: bool,
    anchors: BTreeMap<usize, Anchored>,
    depth: usize,
    /// What was read of this document, aliases counted as what they repeat.
    read: Weight,
    /// What aliases repeated.
    repeated: Weight,
    /// What was kept for later aliases.
    kept: Weight,
    items: Vec<Position>,
}

impl<'b, 'r, 'a, E: Events<'a>> Builder<'b, 'r, E> {
    fn new(reading: &'b mut Reading<'r>, events: &'b mut E, aliases: bool) -> Self {
        Self {
            reading,
            events,
            aliases,
            anchors: BTreeMap::new(),
            depth: 0,
            read: Weight::default(),
            repeated: Weight::default(),
            kept: Weight::default(),
            items: Vec::new(),
        }
    }

    fn next(&mut self) -> Result<(Event<'a>, Position), Stop> {
        self.events.next().map_err(|error| self.reading.syntax(error))
    }

    fn value(&mut self) -> Result<Value, Stop> {
        let (event, at) = self.next()?;
        self.node(event, at)
    }

    fn node(&mut self, event: Event<'a>, at: Position) -> Result<Value, Stop> {
        let before = self.read;
        match event {
            Event::Scalar { text, style, tag, anchor } => {
                self.count(Weight { nodes: 1, bytes: text.len() }, at)?;
                let value = match scalar::value(text, style, tag, !self.reading.strict()) {
                    Ok(value) => value,
                    Err(unreadable) => self.unreadable(at, unreadable),
                };
                self.remember(anchor, &value, before, at)?;
                Ok(value)
            }
            Event::SequenceStart { anchor } => {
                let value = Value::Array(self.elements(at, |_| {})?);
                self.remember(anchor, &value, before, at)?;
                Ok(value)
            }
            Event::MappingStart { anchor } => {
                self.enter(at)?;
                let value = Value::Object(self.mapping()?);
                self.depth -= 1;
                self.remember(anchor, &value, before, at)?;
                Ok(value)
            }
            Event::Alias { anchor } => self.repeat(anchor, at),
            Event::UnknownAlias => {
                // Not named: it may be a password that starts with *.
                let message = "the alias repeats an anchor that this document does not have";
                self.reading.report(at, message, "define it before, or put a text that starts with * in quotes");
                Ok(Value::Null)
            }
            Event::DocumentStart | Event::DocumentEnd | Event::End | Event::SequenceEnd | Event::MappingEnd => {
                self.reading.report(at, "the document ends inside a value", "complete it");
                Err(Stop::Document)
            }
        }
    }

    fn mapping(&mut self) -> Result<Map<String, Value>, Stop> {
        let mut map = Map::new();
        let mut keys = Written::default();
        loop {
            let (event, at) = self.next()?;
            if matches!(event, Event::MappingEnd) {
                return Ok(map);
            }
            match self.key(event, at)? {
                Some(Key::Merge) => self.merge(&mut map, &mut keys, at)?,
                Some(Key::Name(name)) => {
                    let value = if self.depth == 1 && name == ITEMS { self.items()? } else { self.value()? };
                    self.insert(&mut map, &mut keys, name, None, value, at);
                }
                Some(Key::Converted { name, written }) => {
                    let value = self.value()?;
                    self.insert(&mut map, &mut keys, name, Some(written), value, at);
                }
                None => drop(self.value()?),
            }
        }
    }

    /// Reads the value of the top-level `items` and notes where its elements stand.
    fn items(&mut self) -> Result<Value, Stop> {
        let (event, at) = self.next()?;
        let Event::SequenceStart { anchor } = event else { return self.node(event, at) };
        let before = self.read;
        let mut items = Vec::new();
        let value = Value::Array(self.elements(at, |element| items.push(element))?);
        self.items = items;
        self.remember(anchor, &value, before, at)?;
        Ok(value)
    }

    fn elements(&mut self, at: Position, mut note: impl FnMut(Position)) -> Result<Vec<Value>, Stop> {
        self.enter(at)?;
        let mut elements = Vec::new();
        loop {
            let (event, at) = self.next()?;
            if matches!(event, Event::SequenceEnd) {
                self.depth -= 1;
                return Ok(elements);
            }
            note(at);
            elements.push(self.node(event, at)?);
        }
    }

    /// Reads a key; returns nothing for one that can't be a key, which is reported.
    fn key(&mut self, event: Event<'a>, at: Position) -> Result<Option<Key>, Stop> {
        let key = match event {
            Event::Scalar { text, style, tag, anchor: None } => {
                self.count(Weight { nodes: 1, bytes: text.len() }, at)?;
                Key::of_scalar(text, style, tag)
            }
            Event::SequenceStart { .. } | Event::MappingStart { .. } => {
                self.node(event, at)?;
                Err(key::collection())
            }
            Event::UnknownAlias => {
                self.node(event, at)?;
                return Ok(None);
            }
            event => Key::of_value(&self.node(event, at)?),
        };
        match key {
            Ok(key) => Ok(Some(key)),
            Err(unreadable) => {
                self.unreadable(at, unreadable);
                Ok(None)
            }
        }
    }

    fn insert(
        &mut self,
        map: &mut Map<String, Value>,
        keys: &mut Written,
        name: String,
        written: Option<String>,
        value: Value,
        at: Position,
    ) {
        match map.entry(name) {
            Entry::Vacant(entry) => {
                keys.note(entry.key(), at);
                entry.insert(value);
            }
            Entry::Occupied(mut entry) => {
                if keys.merged.remove(entry.key()) {
                    keys.note(entry.key(), at);
                } else if self.reading.strict() {
                    // The search is linear; past the limit problems are only counted.
                    let first = if self.reading.full() { 0 } else { keys.line(entry.key()) };
                    let message = match written {
                        Some(written) => {
                            format!("the key {written} is read as {:?}, which line {first} already has", entry.key())
                        }
                        None => format!(
                            "the key {:?} is already on line {first}; only the last one would count",
                            entry.key()
                        ),
                    };
                    self.reading.report(at, message, "remove one of them");
                }
                entry.insert(value);
            }
        }
    }

    /// Applies `<<` where it stands: what is written before it is overwritten, what comes after it overwrites.
    fn merge(&mut self, map: &mut Map<String, Value>, keys: &mut Written, at: Position) -> Result<(), Stop> {
        let (event, value_at) = self.next()?;
        let inline = matches!(event, Event::SequenceStart { .. });
        let sources = match self.node(event, value_at)? {
            Value::Array(sources) if inline => sources,
            source @ Value::Object(_) => vec![source],
            _ => {
                self.reading.report(
                    value_at,
                    "<< takes over mappings, and this is none",
                    "write an alias of a mapping, or a list of them",
                );
                return Ok(());
            }
        };
        if self.reading.strict() && keys.merge.replace(at.line).is_some() {
            self.reading.report(at, "the key << is there twice", "write it once, with a list: <<: [*a, *b]");
        }
        // The first of a list wins, so it is applied last.
        for source in sources.into_iter().rev() {
            let Value::Object(entries) = source else {
                self.reading.report(
                    value_at,
                    "<< takes over mappings, and the list holds something else",
                    "list only aliases of mappings",
                );
                continue;
            };
            for (name, value) in entries {
                if self.reading.strict() && map.contains_key(&name) && !keys.merged.contains(&name) {
                    let message = format!("the key {name:?} stands before << and would be overwritten by it");
                    self.reading.report(at, message, "write << first");
                }
                keys.merged.insert(name.clone());
                map.insert(name, value);
            }
        }
        Ok(())
    }

    fn remember(&mut self, anchor: AnchorId, value: &Value, before: Weight, at: Position) -> Result<(), Stop> {
        let Some(anchor) = anchor.filter(|_| self.aliases) else { return Ok(()) };
        let weight = self.read.since(before);
        self.kept.add(weight);
        let limits = &self.reading.options.limits;
        if !self.kept.within(limits.anchored_nodes, limits.anchored_bytes) {
            self.reading.report(at, "the document anchors too much", "anchor only what is repeated");
            return Err(Stop::Document);
        }
        self.anchors.insert(anchor, Anchored { value: value.clone(), weight });
        Ok(())
    }

    fn repeat(&mut self, anchor: usize, at: Position) -> Result<Value, Stop> {
        let Some(Anchored { value, weight }) = self.anchors.get(&anchor) else {
            self.reading.report(at, "the anchored value contains itself", "write the value out");
            return Ok(Value::Null);
        };
        self.repeated.add(*weight);
        let limits = &self.reading.options.limits;
        if !self.repeated.within(limits.aliased_nodes, limits.aliased_bytes) {
            self.reading.report(
                at,
                "the aliases of the document repeat too much",
                "write the values out, or repeat smaller ones",
            );
            return Err(Stop::Document);
        }
        let (value, weight) = (value.clone(), *weight);
        self.count(weight, at)?;
        Ok(value)
    }

    fn count(&mut self, weight: Weight, at: Position) -> Result<(), Stop> {
        self.read.add(weight);
        self.reading.nodes = self.reading.nodes.saturating_add(weight.nodes);
        if self.reading.nodes > self.reading.options.limits.nodes {
            let message = format!("the file has more than {} keys and values", self.reading.options.limits.nodes);
            self.reading.report(at, message, "split it into several files");
            return Err(Stop::File);
        }
        Ok(())
    }

    fn enter(&mut self, at: Position) -> Result<(), Stop> {
        self.depth += 1;
        if self.depth > self.reading.options.limits.depth {
            let message =
                format!("sequences and mappings are nested more than {} deep", self.reading.options.limits.depth);
            self.reading.report(at, message, "flatten the document");
            return Err(Stop::Document);
        }
        self.count(Weight { nodes: 1, bytes: 0 }, at)
    }

    fn unreadable(&mut self, at: Position, unreadable: Unreadable) -> Value {
        self.reading.report(at, unreadable.message, unreadable.remedy);
        Value::Null
    }
}
