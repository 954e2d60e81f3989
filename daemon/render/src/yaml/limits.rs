//! How much of a file is read at most, so that no input can take the daemon's memory or time.

/// The largest API object is about 1.5 MiB in etcd and the largest bundles of CRDs in use are about 10 MiB of YAML.
const FILE_BYTES: usize = 32 << 20;

/// A directory of many small objects written into one file; empty documents are not counted.
const DOCUMENTS: usize = 100_000;

/// Real manifests stay below 30; JSON schemas inside CRDs below 60. Each level is a few hundred bytes of stack.
const DEPTH: usize = 128;

/// An ordinary manifest has about 16 bytes per node, so this is 16 MB of them in one file. A file of nothing but tiny
/// mappings takes up to 650 bytes of memory per mapping, key and value: about 200 MB at this limit.
const NODES: usize = 1_000_000;

/// Aliases repeat whole subtrees: without a limit 50 KB of text become gigabytes ("billion laughs"). Real manifests
/// repeat a few hundred nodes.
const ALIASED_NODES: usize = 100_000;

/// One long text, aliased often, has few nodes but many bytes.
const ALIASED_BYTES: usize = 16 << 20;

/// An anchored value is kept a second time for its aliases, and anchors nest; real files anchor a small part of
/// themselves, once.
const ANCHORED_NODES: usize = 500_000;

/// As for the nodes: what is kept for later aliases at most.
const ANCHORED_BYTES: usize = 32 << 20;

/// More problems than this help nobody; the rest is counted.
pub(super) const PROBLEMS: usize = 50;

/// Characters of a message: it ends up in a status and in an event, which holds 1,024.
pub(super) const MESSAGE: usize = 400;

/// Limits of one file, or of each of its documents where it says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the file.
    pub bytes: usize,
    /// Documents in the file.
    pub documents: usize,
    /// Nesting of sequences and mappings.
    pub depth: usize,
    /// Keys and values in the file, aliases counted as what they repeat.
    pub nodes: usize,
    /// Nodes that the aliases of one document repeat.
    pub aliased_nodes: usize,
    /// Bytes of text that the aliases of one document repeat.
    pub aliased_bytes: usize,
    /// Nodes that one document anchors, counted once for each enclosing anchor.
    pub anchored_nodes: usize,
    /// Bytes of text that one document anchors, counted likewise.
    pub anchored_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            bytes: FILE_BYTES,
            documents: DOCUMENTS,
            depth: DEPTH,
            nodes: NODES,
            aliased_nodes: ALIASED_NODES,
            aliased_bytes: ALIASED_BYTES,
            anchored_nodes: ANCHORED_NODES,
            anchored_bytes: ANCHORED_BYTES,
        }
    }
}

/// How much something weighs against the limits.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Weight {
    /// Keys and values.
    pub(super) nodes: usize,
    /// Bytes of text in them.
    pub(super) bytes: usize,
}

impl Weight {
    pub(super) fn add(&mut self, other: Self) {
        self.nodes = self.nodes.saturating_add(other.nodes);
        self.bytes = self.bytes.saturating_add(other.bytes);
    }

    pub(super) fn since(self, earlier: Self) -> Self {
        Self { nodes: self.nodes - earlier.nodes, bytes: self.bytes - earlier.bytes }
    }

    pub(super) fn within(self, nodes: usize, bytes: usize) -> bool {
        self.nodes <= nodes && self.bytes <= bytes
    }
}
