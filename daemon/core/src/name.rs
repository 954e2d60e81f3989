//! What the API server takes as the name of an object that plumb deals in by name: Environments, namespaces, service accounts.

/// The longest name of an object (RFC 1123 subdomain).
const LENGTH_MAX: usize = 253;

/// Returns whether a text is a subdomain as RFC 1123 has it: labels of lower-case letters, digits and inner dashes, with dots
/// between them.
pub fn is_subdomain(text: &str) -> bool {
    text.len() <= LENGTH_MAX && text.split('.').all(is_label)
}

fn is_label(label: &str) -> bool {
    let bytes = label.as_bytes();
    let ends = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    let inside = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || *byte == b'-';
    ends(bytes.first()) && ends(bytes.last()) && bytes.iter().all(inside)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_from_other_texts() {
        for name in ["a", "staging", "shop-2", "eu.west", "0"] {
            assert!(is_subdomain(name), "{name:?}");
        }
        for text in ["", ".", "a.", "-a", "a-", "Staging", "a/b", "a b", "a_b", "ü", "a\u{1b}", &"a".repeat(254)] {
            assert!(!is_subdomain(text), "{text:?}");
        }
    }
}
