//! What of a log may reach a terminal: text, tabs and colours.
//!
//! A log may be written by anybody whose change is built. A terminal obeys what it is sent: titles, clipboards, answers as if typed,
//! lines above that are written anew.

use std::{iter::Peekable, str::Chars};

const ESCAPE: char = '\u{1b}';
/// The longest colour: five numbers, twice.
const COLOUR_MAX: usize = 40;
/// Sets all colours back.
const RESET: &str = "\u{1b}[0m";

/// Returns the lines to show of one line of a log; where it goes back to its beginning, another one begins.
pub(super) fn shown(bytes: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(bytes);
    // The end of a line as Windows writes it.
    let text = text.strip_suffix('\r').unwrap_or(&text);
    text.split('\r').map(safe).collect()
}

fn safe(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    let mut coloured = false;
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            ESCAPE => {
                if let Some(colour) = colour(&mut letters) {
                    safe.push_str(&colour);
                    coloured = true;
                }
            }
            '\t' => safe.push('\t'),
            // C0 and C1; the latter hold a second way to write each escape.
            letter if letter.is_control() => {}
            letter => safe.push(letter),
        }
    }
    if coloured {
        safe.push_str(RESET);
    }
    safe
}

/// Takes what follows an escape off the text (ECMA-48), and returns it if it only sets colours.
fn colour(letters: &mut Peekable<Chars<'_>>) -> Option<String> {
    match letters.next()? {
        '[' => {
            let mut numbers = String::new();
            // Parameters and intermediates, up to the one letter that says what it is.
            while let Some(letter) = letters.next_if(|letter| (' '..='?').contains(letter)) {
                numbers.push(letter);
            }
            let end = letters.next_if(|letter| ('@'..='~').contains(letter))?;
            let only_numbers = numbers.chars().all(|letter| letter.is_ascii_digit() || matches!(letter, ';' | ':'));
            (end == 'm' && only_numbers && numbers.len() <= COLOUR_MAX).then(|| format!("{ESCAPE}[{numbers}m"))
        }
        // Texts for the terminal itself: titles, links, the clipboard. They end with a bell or with `ESC \`.
        ']' | 'P' | 'X' | '^' | '_' => {
            while let Some(letter) = letters.next() {
                if letter == '\u{7}' || letter == '\u{9c}' || (letter == ESCAPE && letters.next_if_eq(&'\\').is_some())
                {
                    break;
                }
            }
            None
        }
        // Which letters are meant: one more follows.
        ' '..='/' => {
            letters.next_if(|letter| ('0'..='~').contains(letter));
            None
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn colours_stay_and_what_steers_goes() {
        let check = |text: &str, expected: &[&str]| assert_eq!(shown(text.as_bytes()), expected, "{text:?}");
        check("", &[""]);
        check("a\tb", &["a\tb"]);
        check("\u{1b}[31mred\u{1b}[0m plain", &["\u{1b}[31mred\u{1b}[0m plain\u{1b}[0m"]);
        check("\u{1b}[38;5;1;48:2::1:2:3mx", &["\u{1b}[38;5;1;48:2::1:2:3mx\u{1b}[0m"]);
        check("\u{1b}]0;title\u{7}a", &["a"]);
        check("\u{1b}]52;c;aGk=\u{1b}\\a", &["a"]);
        check("\u{1b}]8;;http://example.com\u{1b}\\link\u{1b}]8;;\u{1b}\\", &["link"]);
        check("\u{1b}]0;never ended", &[""]);
        check("\u{1b}[2J\u{1b}[1;1Hover", &["over"]);
        check("\u{1b}[?1049h\u{1b}[>4;1mx\u{1b}[6n\u{1b}cy", &["xy"]);
        check("\u{1b}(0q\u{1b}[", &["q"]);
        check("\u{9b}2J\u{9d}0;t\u{9c}a\u{7}\u{8}b\u{7f}", &["2J0;tab"]);
        check("10%\r20%\r", &["10%", "20%"]);
        check("windows\r", &["windows"]);
        assert_eq!(shown(b"a\xffb"), ["a\u{fffd}b"]);
    }

    proptest! {
        #[test]
        fn nothing_but_colours_and_tabs_is_left(text in "[ -~\u{1b}\u{7}\u{9b}\u{9d}\t\\[\\]m0-9;]{0,60}") {
            for line in shown(text.as_bytes()) {
                let mut rest = line.as_str();
                while let Some((_, after)) = rest.split_once(ESCAPE) {
                    let (numbers, behind) = after.strip_prefix('[').and_then(|after| after.split_once('m')).expect("a colour");
                    prop_assert!(numbers.chars().all(|letter| letter.is_ascii_digit() || matches!(letter, ';' | ':')), "{line:?}");
                    rest = behind;
                }
                prop_assert!(line.chars().all(|letter| !letter.is_control() || matches!(letter, '\t' | ESCAPE)), "{line:?}");
            }
        }
    }
}
