//! Bytes into text: byte-order marks, UTF-16, bytes and characters that are not text.

use std::borrow::Cow;

use super::{Position, Strictness};

/// What is wrong with the bytes of a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NotText {
    pub(super) at: Position,
    pub(super) message: String,
}

/// Returns the file's text without its byte-order mark.
pub(super) fn decode(bytes: &[u8], strictness: Strictness) -> Result<Cow<'_, str>, NotText> {
    match bytes {
        [0xff, 0xfe, rest @ ..] => utf16(rest, u16::from_le_bytes, strictness),
        [0xfe, 0xff, rest @ ..] => utf16(rest, u16::from_be_bytes, strictness),
        [0xef, 0xbb, 0xbf, rest @ ..] => utf8(rest, strictness),
        _ => utf8(bytes, strictness),
    }
}

fn utf8(bytes: &[u8], strictness: Strictness) -> Result<Cow<'_, str>, NotText> {
    match (std::str::from_utf8(bytes), strictness) {
        (Ok(text), _) => Ok(Cow::Borrowed(text)),
        (Err(_), Strictness::Lenient) => Ok(String::from_utf8_lossy(bytes)),
        (Err(error), Strictness::Strict) => {
            let good = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
            let message = format!("the byte 0x{:02x} is not UTF-8", bytes[error.valid_up_to()]);
            Err(NotText { at: end_of(&good), message })
        }
    }
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16, strictness: Strictness) -> Result<Cow<'_, str>, NotText> {
    let (pairs, rest) = bytes.as_chunks::<2>();
    let mut text = String::with_capacity(bytes.len());
    let mut broken = None;
    for unit in char::decode_utf16(pairs.iter().map(|pair| unit(*pair))) {
        text.push(unit.unwrap_or_else(|_| {
            broken.get_or_insert(text.len());
            char::REPLACEMENT_CHARACTER
        }));
    }
    if !rest.is_empty() {
        broken.get_or_insert(text.len());
        text.push(char::REPLACEMENT_CHARACTER);
    }
    match (broken, strictness) {
        (Some(offset), Strictness::Strict) => {
            Err(NotText { at: end_of(&text[..offset]), message: "the file is not valid UTF-16".to_owned() })
        }
        _ => Ok(Cow::Owned(text)),
    }
}

/// Finds the first character that YAML does not allow, as goyaml's reader does.
pub(super) fn control_character(text: &str) -> Option<NotText> {
    // All of them are ASCII controls, or start with one of these two bytes in UTF-8.
    let suspicious =
        |byte: u8| byte < 0x20 && !matches!(byte, b'\t' | b'\n' | b'\r') || matches!(byte, 0x7f | 0xc2 | 0xef);
    if !text.bytes().any(suspicious) {
        return None;
    }
    let forbidden = |character: char| match character {
        '\t' | '\n' | '\r' | '\u{85}' => false,
        '\u{fffe}' | '\u{ffff}' => true,
        _ => character.is_control(),
    };
    let offset = text.find(forbidden)?;
    let character = text[offset..].chars().next().map_or(0, u32::from);
    let message = format!("the control character U+{character:04X} is not allowed in YAML");
    Some(NotText { at: end_of(&text[..offset]), message })
}

/// Returns the position behind a text that starts a file.
fn end_of(text: &str) -> Position {
    let line = text.bytes().filter(|&byte| byte == b'\n').count() + 1;
    let column = text.rsplit('\n').next().map_or(0, |row| row.chars().count()) + 1;
    Position { line: u32::try_from(line).unwrap_or(u32::MAX), column: u32::try_from(column).unwrap_or(u32::MAX) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodings_are_told_by_their_mark() {
        let check = |bytes: &[u8], expected: &str| {
            assert_eq!(decode(bytes, Strictness::Strict).as_deref(), Ok(expected), "{bytes:?}");
        };
        check(b"a: 1", "a: 1");
        check(b"\xef\xbb\xbfa: \xc3\xa9", "a: é");
        check(b"\xff\xfea\x00:\x00\x3d\xd8\x00\xde", "a:😀");
        check(b"\xfe\xff\x00a\x00:", "a:");
        check(b"", "");
    }

    #[test]
    fn bytes_that_are_not_text_are_placed_or_replaced() {
        let check = |bytes: &[u8], line: u32, column: u32, lenient: &str| {
            let found = decode(bytes, Strictness::Strict).expect_err("not text");
            assert_eq!(found.at, Position { line, column }, "{bytes:?}");
            assert_eq!(decode(bytes, Strictness::Lenient).as_deref(), Ok(lenient), "{bytes:?}");
        };
        check(b"a: 1\nb: \xff", 2, 4, "a: 1\nb: \u{fffd}");
        check(b"\xff\xfea\x00\x00\xd8", 1, 2, "a\u{fffd}");
        check(b"\xfe\xff\x00a\x00", 1, 2, "a\u{fffd}");
    }

    #[test]
    fn control_characters_are_found() {
        let check = |text: &str, expected: Option<(u32, u32)>| {
            let found = control_character(text).map(|found| (found.at.line, found.at.column));
            assert_eq!(found, expected, "{text:?}");
        };
        check("a:\t1\r\n", None);
        check("é\u{85}\u{a0}\u{feff}", None);
        check("a\n b\u{1}", Some((2, 3)));
        check("\u{7f}", Some((1, 1)));
        check("é\u{80}", Some((1, 2)));
        check("\u{ffff}", Some((1, 1)));
        check("\0", Some((1, 1)));
    }
}
