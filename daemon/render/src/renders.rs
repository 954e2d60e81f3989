//! Results of renders by their key, in memory. The seam for the store on disk: callers see keys and results only.

use std::{collections::BTreeMap, sync::Arc};

use plumb_core::object::Manifest;
use serde_json::Value;

use crate::{RenderKey, Rendered};

/// One result per environment, and the one before for each: more environments than one cluster has.
const RESULTS: usize = 2_000;

/// A thousand environments of ordinary size (50 KB of objects each) fit four times over.
const BYTES: usize = 256 << 20;

/// What one node of a value takes besides its text: the value and its place in its container.
const NODE_BYTES: usize = 72;

/// A bounded store of results; what was not used for longest leaves first.
#[derive(Debug)]
pub struct Renders {
    results: BTreeMap<RenderKey, Kept>,
    /// Keys by when they were used last.
    uses: BTreeMap<u64, RenderKey>,
    clock: u64,
    bytes: usize,
    limits: (usize, usize),
}

#[derive(Debug)]
struct Kept {
    rendered: Arc<Rendered>,
    bytes: usize,
    used: u64,
}

impl Default for Renders {
    fn default() -> Self {
        Self::bounded(RESULTS, BYTES)
    }
}

impl Renders {
    /// Makes a store of at most so many results and (about) so many bytes.
    pub fn bounded(results: usize, bytes: usize) -> Self {
        Self { results: BTreeMap::new(), uses: BTreeMap::new(), clock: 0, bytes: 0, limits: (results, bytes) }
    }

    /// Returns a result if it is kept.
    pub fn get(&mut self, key: &RenderKey) -> Option<Arc<Rendered>> {
        let kept = self.results.get_mut(key)?;
        self.clock += 1;
        self.uses.remove(&kept.used);
        self.uses.insert(self.clock, *key);
        kept.used = self.clock;
        Some(Arc::clone(&kept.rendered))
    }

    /// Keeps a result, unless it alone is larger than the store, and returns it.
    pub fn put(&mut self, rendered: Rendered) -> Arc<Rendered> {
        let rendered = Arc::new(rendered);
        let bytes = rendered.manifests.iter().map(weight).sum();
        let (most_results, most_bytes) = self.limits;
        if bytes > most_bytes || most_results == 0 {
            return rendered;
        }
        self.remove(&rendered.key);
        while self.results.len() >= most_results || self.bytes + bytes > most_bytes {
            let Some((_, oldest)) = self.uses.first_key_value() else { break };
            self.remove(&oldest.clone());
        }
        self.clock += 1;
        self.uses.insert(self.clock, rendered.key);
        self.results.insert(rendered.key, Kept { rendered: Arc::clone(&rendered), bytes, used: self.clock });
        self.bytes += bytes;
        rendered
    }

    fn remove(&mut self, key: &RenderKey) {
        if let Some(kept) = self.results.remove(key) {
            self.uses.remove(&kept.used);
            self.bytes -= kept.bytes;
        }
    }
}

/// Returns about how many bytes of memory a manifest takes.
fn weight(manifest: &Manifest) -> usize {
    size_of::<Manifest>() + manifest.origin.file.as_str().len() + value_weight(&manifest.value)
}

fn value_weight(value: &Value) -> usize {
    let content = match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        Value::String(text) => text.len(),
        Value::Array(elements) => elements.iter().map(value_weight).sum(),
        Value::Object(entries) => entries.iter().map(|(key, value)| key.len() + NODE_BYTES + value_weight(value)).sum(),
    };
    NODE_BYTES + content
}

#[cfg(test)]
mod tests {
    use plumb_core::{
        commit::{RepoPath, TreeId},
        object::{Gvk, ObjectKey, Origin},
        source::{Inputs, SourceTree},
    };

    use super::*;
    use crate::Parameters;

    /// A result whose one object holds so many bytes of text.
    fn rendered(seed: u8, bytes: usize) -> Rendered {
        let file = RepoPath::root();
        let tree = TreeId::parse(&format!("{seed:040x}")).expect("an id");
        let tree = SourceTree {
            root: file.clone(),
            inputs: Inputs([(file.clone(), tree)].into()),
            files: Vec::new(),
            problems: Vec::new(),
        };
        let key = ObjectKey { group: String::new(), kind: "A".to_owned(), namespace: None, name: "a".to_owned() };
        let manifest = Manifest {
            gvk: Gvk::new("v1", "A"),
            key,
            value: Arc::new(Value::String("x".repeat(bytes))),
            origin: Origin { file, line: 1, column: 1 },
        };
        Rendered { manifests: vec![manifest], key: RenderKey::of(&tree, &Parameters::default()) }
    }

    #[test]
    fn what_was_not_used_for_longest_leaves_first() {
        let mut renders = Renders::bounded(2, 1 << 20);
        let keys: Vec<RenderKey> = (0..3).map(|seed| rendered(seed, 10).key).collect();
        renders.put(rendered(0, 10));
        renders.put(rendered(1, 10));
        assert!(renders.get(&keys[0]).is_some());
        renders.put(rendered(2, 10));
        assert!(renders.get(&keys[0]).is_some());
        assert!(renders.get(&keys[1]).is_none());
        assert!(renders.get(&keys[2]).is_some());
    }

    #[test]
    fn the_store_stays_below_its_bytes() {
        let mut renders = Renders::bounded(100, 10_000);
        for seed in 0..50 {
            renders.put(rendered(seed, 3_000));
            assert!(renders.bytes <= 10_000);
        }
        assert!((1..=3).contains(&renders.results.len()));
        assert_eq!(renders.results.len(), renders.uses.len());
        let large = renders.put(rendered(60, 20_000));
        assert!(renders.get(&large.key).is_none());
        assert!(!renders.results.is_empty());
    }

    #[test]
    fn the_same_key_is_kept_once() {
        let mut renders = Renders::bounded(100, 1 << 20);
        let first = renders.put(rendered(1, 10));
        let bytes = renders.bytes;
        renders.put(rendered(1, 10));
        assert_eq!((renders.bytes, renders.results.len(), renders.uses.len()), (bytes, 1, 1));
        assert_eq!(renders.get(&first.key).as_deref(), Some(&*first));
    }
}
