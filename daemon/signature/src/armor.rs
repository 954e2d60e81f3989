//! Base64 between a `-----BEGIN …-----` and an `-----END …-----` line, exactly one block.

use base64::{Engine as _, engine::general_purpose::STANDARD};

/// Returns the bytes of a text that is one block with this label and nothing else.
pub(crate) fn decode(text: &str, label: &str) -> Option<Vec<u8>> {
    let inside = text.trim().strip_prefix(&format!("-----BEGIN {label}-----"))?;
    let inside = inside.strip_suffix(&format!("-----END {label}-----"))?;
    let encoded: String = inside.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    STANDARD.decode(encoded).ok()
}
