//! Quoted texts whose later lines are indented no deeper than their key, or with tabs: kubectl reads them, and JSON in
//! annotations is written so; the parser refuses them, as YAML does.
//!
//! The white space in front of such a line has no meaning, so more of it is added wherever the parser stops for it.

use super::{
    event::{Event, Events},
    granit::YamlEvents,
    split::Chunk,
};

/// Deeper than any block that is not nested beyond the limit on depth, at four columns a level.
pub(super) const ADDED: usize = 512;

/// How much text one file may make be parsed again, since each line needs another pass: a second or two at worst, and
/// enough for a thousand such lines in an ordinary document.
pub(super) const BYTES: usize = 32 << 20;

/// A chunk's text with more white space.
pub(crate) struct Indented {
    pub(super) text: String,
    /// The changed lines, counted from 1 in the chunk, in rising order.
    pub(super) lines: Vec<u32>,
}

impl Indented {
    /// Adds white space where the parser asks for it, as long as `budget` lasts; returns nothing if it asks for none.
    pub(crate) fn new(chunk: Chunk<'_>, depth: usize, budget: &mut usize) -> Option<Self> {
        let mut indented = Self { text: chunk.text.to_owned(), lines: Vec::new() };
        while let Some((line, offset)) = indented.refused(depth)
            && indented.text.len() <= *budget
            && indented.lines.last().is_none_or(|last| *last < line)
        {
            *budget -= indented.text.len();
            let start = indented.text[..offset].rfind(['\n', '\r']).map_or(0, |end| end + 1);
            indented.text.insert_str(start, &" ".repeat(ADDED));
            indented.lines.push(line);
        }
        (!indented.lines.is_empty()).then_some(indented)
    }

    /// Returns the chunk with this text.
    pub(crate) fn chunk(&self, line: u32) -> Chunk<'_> {
        Chunk { text: &self.text, line, indented: &self.lines }
    }

    /// Returns the line that the parser stops at for its indentation, and the offset of its first character.
    fn refused(&self, depth: usize) -> Option<(u32, usize)> {
        let mut events = YamlEvents::new(self.chunk(1), depth);
        loop {
            match events.next() {
                Ok((Event::End, _)) => return None,
                Ok(_) => {}
                Err(error) => return error.underindented.map(|offset| (error.at.line, offset)),
            }
        }
    }
}
