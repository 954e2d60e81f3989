//! Files into documents, as k8s.io/apimachinery does it: at lines that start with `---`, before YAML is parsed.

use super::Position;

/// The text of one document, as a part of its file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Chunk<'a> {
    /// The text between two separators.
    pub(crate) text: &'a str,
    /// The line of the file on which it starts, counted from 1.
    pub(crate) line: u32,
    /// Its lines that were indented by [`super::indent`], counted from 1.
    pub(crate) indented: &'a [u32],
}

/// What splitting finds.
#[derive(Debug)]
pub(crate) enum Part<'a> {
    /// Text that may hold a document.
    Document(Chunk<'a>),
    /// A separator with text behind it.
    BadSeparator(Position),
    /// A directive in front of a document.
    Directive(Position),
}

/// Splits a file's text; chunks of nothing but white space are left out.
pub(crate) fn split(text: &str) -> impl Iterator<Item = Part<'_>> {
    let mut rest = text;
    let mut line = 1_u32;
    let mut pending: Option<Part<'_>> = None;
    std::iter::from_fn(move || {
        loop {
            if let Some(part) = pending.take() {
                return Some(part);
            }
            if rest.is_empty() {
                return None;
            }
            let chunk_line = line;
            let mut end = 0;
            let mut after = rest.len();
            for row in rest.split_inclusive('\n') {
                if let Some(tail) = row.strip_prefix("---") {
                    let tail = tail.trim();
                    if !tail.is_empty() && !tail.starts_with('#') {
                        pending = Some(Part::BadSeparator(Position { line, column: 4 }));
                    }
                    line = line.saturating_add(1);
                    after = end + row.len();
                    break;
                }
                end += row.len();
                line = line.saturating_add(1);
            }
            let chunk = Chunk { text: &rest[..end], line: chunk_line, indented: &[] };
            rest = &rest[after..];
            if let Some(part) = document(chunk) {
                return Some(part);
            }
        }
    })
}

/// Drops what stands before the first line with content: blank lines and a byte-order mark. Comments stay.
fn document(chunk: Chunk<'_>) -> Option<Part<'_>> {
    let text = chunk.text.trim_start_matches(['\n', '\r', ' ']);
    let (text, line) = match text.strip_prefix('\u{feff}') {
        Some(text) => {
            let skipped = chunk.text.len() - text.len();
            (text, chunk.line.saturating_add(breaks(&chunk.text[..skipped])))
        }
        None => (chunk.text, chunk.line),
    };
    let mut row_line = line;
    for row in text.split_inclusive('\n') {
        let content = row.trim();
        if row.starts_with('%') {
            return Some(Part::Directive(Position { line: row_line, column: 1 }));
        }
        if !content.is_empty() && !content.starts_with('#') {
            return Some(Part::Document(Chunk { text, line, indented: &[] }));
        }
        row_line = row_line.saturating_add(1);
    }
    None
}

fn breaks(text: &str) -> u32 {
    u32::try_from(text.bytes().filter(|&byte| byte == b'\n').count()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_end_at_lines_that_start_with_three_dashes() {
        let check = |text: &str, expected: &[(&str, u32)]| {
            let found: Vec<(String, u32)> = split(text)
                .map(|part| match part {
                    Part::Document(chunk) => (chunk.text.to_owned(), chunk.line),
                    Part::BadSeparator(at) => ("bad".to_owned(), at.line),
                    Part::Directive(at) => ("directive".to_owned(), at.line),
                })
                .collect();
            let expected: Vec<(String, u32)> =
                expected.iter().map(|(text, line)| ((*text).to_owned(), *line)).collect();
            assert_eq!(found, expected, "{text:?}");
        };
        check("", &[]);
        check("a: 1\n---\nb: 2\n", &[("a: 1\n", 1), ("b: 2\n", 3)]);
        check("---\n\n---\n# c\n---", &[]);
        check("--- # c\r\na: 1\r\n---  \r\nb: 2", &[("a: 1\r\n", 2), ("b: 2", 4)]);
        check("a: |\n  ---\n", &[("a: |\n  ---\n", 1)]);
        check("a: 1\n---x\nb: 2\n", &[("a: 1\n", 1), ("bad", 2), ("b: 2\n", 3)]);
        check("---\n\n\u{feff}a: 1\n", &[("a: 1\n", 3)]);
        check("# c\n%YAML 1.2\n---\na: 1\n", &[("directive", 2), ("a: 1\n", 4)]);
        check("a: 50\n%b\n", &[("a: 50\n%b\n", 1)]);
    }
}
