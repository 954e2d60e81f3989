//! The key of a render: equal keys mean equal results, so a result can be kept under it, in memory or on disk.

use std::fmt;

use plumb_core::source::{Inputs, SourceTree};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::Parameters;

/// Counted up whenever the same files give other manifests than before, so that no older result is taken for a new one.
const PLAIN_VERSION: u32 = 1;

/// A digest of the inputs, the renderer and its version, and the parameters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RenderKey([u8; 32]);

/// Everything that a result depends on, in a fixed order.
#[derive(Serialize)]
struct Ingredients<'a> {
    root: &'a str,
    inputs: &'a Inputs,
    renderer: &'static str,
    version: u32,
    parameters: &'a Parameters,
}

impl RenderKey {
    /// Returns the key of rendering a tree.
    pub fn of(tree: &SourceTree, parameters: &Parameters) -> Self {
        let ingredients = Ingredients {
            root: tree.root.as_str(),
            inputs: &tree.inputs,
            renderer: "plain",
            version: PLAIN_VERSION,
            parameters,
        };
        let text = serde_json::to_vec(&ingredients).expect("because maps with text keys always become JSON");
        Self(Sha256::digest(text).into())
    }
}

impl fmt::Display for RenderKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for RenderKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RenderKey({self})")
    }
}
