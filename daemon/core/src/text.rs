//! Texts that others have written, fit to be shown and kept: with a bound, and on one line.
//!
//! Must never do: cut within a character.

/// Returns a text up to so many characters, with an ellipsis behind them where that is not all of it.
pub fn shortened(text: &str, chars_max: usize) -> String {
    match text.char_indices().nth(chars_max) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// Returns the first so many characters of a text.
pub fn start(text: &str, chars_max: usize) -> &str {
    text.char_indices().nth(chars_max).map_or(text, |(end, _)| &text[..end])
}

/// Returns the first so many characters of a text on one line: a space for each control character.
pub fn line(text: &str, chars_max: usize) -> String {
    start(text, chars_max).replace(char::is_control, " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_between_characters() {
        #[track_caller]
        fn check(text: &str, expected: (&str, &str, &str)) {
            let found = (shortened(text, 3), start(text, 3), line(text, 3));
            assert_eq!((found.0.as_str(), found.1, found.2.as_str()), expected);
        }
        check("", ("", "", ""));
        check("äöü", ("äöü", "äöü", "äöü"));
        check("äöüß", ("äöü…", "äöü", "äöü"));
        check("a\nb", ("a\nb", "a\nb", "a b"));
        check("\u{1b}\r\u{85}\n", ("\u{1b}\r\u{85}…", "\u{1b}\r\u{85}", "   "));
    }
}
