//! Texts as YAML: in the notation that stood there, where the text allows it.

use crate::yaml::{
    granit::Notation,
    scalar::{self, Plain},
};

/// Returns a text in a notation; nothing for a block, in whose place no line can be put.
pub(super) fn written(text: &str, notation: Notation, json: bool) -> Option<String> {
    Some(match notation {
        Notation::Block => return None,
        Notation::Plain if !json && is_plain(text) => text.to_owned(),
        Notation::Plain | Notation::Double => double(text),
        Notation::Single => format!("'{}'", text.replace('\'', "''")),
    })
}

/// Returns a text in double quotes, which YAML and JSON read alike.
fn double(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// Returns whether every reader of YAML takes a text without quotes for that text, wherever it stands.
fn is_plain(text: &str) -> bool {
    let first = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'/');
    let inner = |byte: u8| first(byte) || matches!(byte, b'.' | b':' | b'@' | b'+' | b'-');
    // Numbers, times and dates of any dialect.
    let number = |byte: u8| {
        byte.is_ascii_hexdigit() || matches!(byte, b'.' | b'_' | b':' | b'+' | b'-' | b'x' | b'X' | b'o' | b'O')
    };
    let bytes = text.as_bytes();
    bytes.first().copied().is_some_and(first)
        && bytes.iter().copied().all(inner)
        && !text.ends_with(':')
        && scalar::plain(text) == Plain::Text
        && !(bytes[0].is_ascii_digit() && bytes.iter().copied().all(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_stand_where_a_reader_may_need_them() {
        let check = |text: &str, plain: &str| {
            assert_eq!(written(text, Notation::Plain, false).as_deref(), Some(plain), "{text}");
        };
        for text in ["v1.2", "r.io:5000/shop/cart@sha256:ab12", "a", "latest", "abc123", "v1+build", "/a"] {
            check(text, text);
        }
        for text in [
            "1.10",
            "0644",
            "123e4567",
            "2026-01-01",
            "1:30",
            "yes",
            "No",
            "null",
            "true",
            "~",
            "",
            "y",
            "0x1f",
            "1_000",
        ] {
            check(text, &format!("\"{text}\""));
        }
        for text in [
            "a b", "a:", "a: b", "a #b", "- a", "-a", "*a", "&a", "!a", "[a]", "{a}", "a,b", "@a", "%a", "`a", ".5",
            "ü",
        ] {
            check(text, &format!("\"{text}\""));
        }
        check("a\"b\\c", "\"a\\\"b\\\\c\"");
        assert_eq!(written("it's", Notation::Single, false).as_deref(), Some("'it''s'"));
        assert_eq!(written("v1", Notation::Double, false).as_deref(), Some("\"v1\""));
        assert_eq!(written("v1", Notation::Plain, true).as_deref(), Some("\"v1\""));
        assert_eq!(written("v1", Notation::Block, false), None);
    }
}
