//! Tables like kubectl's: no borders, upper-case headers, three spaces between columns.

use comfy_table::{ContentArrangement, TableStyle};

use super::screen::{self, Tone};

/// What stands in a cell where nothing is known.
pub(crate) const NOTHING: &str = "-";

/// Spaces between columns, as kubectl has them.
const GAP: u16 = 3;

/// A table that is being filled.
pub(crate) struct Table {
    table: comfy_table::Table,
}

/// One cell.
pub(crate) struct Cell {
    text: String,
    tone: Tone,
}

impl Cell {
    /// Makes a cell in a colour; only the first line of the text is shown.
    pub(crate) fn toned(text: impl AsRef<str>, tone: Tone) -> Self {
        let line = screen::first_line(text.as_ref()).replace('\t', " ");
        Self { text: if line.is_empty() { NOTHING.to_owned() } else { line }, tone }
    }
}

impl<T: AsRef<str>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::toned(text, Tone::Plain)
    }
}

impl From<Cell> for comfy_table::Cell {
    fn from(cell: Cell) -> Self {
        let made = Self::new(cell.text);
        match cell.tone {
            Tone::Good => made.fg(comfy_table::Color::Green),
            Tone::Waiting => made.fg(comfy_table::Color::Yellow),
            Tone::Bad => made.fg(comfy_table::Color::Red),
            Tone::Plain => made,
        }
    }
}

impl Table {
    /// Makes an empty table with these headers.
    pub(crate) fn new(headers: &[&str]) -> Self {
        let mut table = comfy_table::Table::new();
        table.load_style(TableStyle::new());
        table.set_content_arrangement(ContentArrangement::Disabled);
        // Colours are always made here; writing to the screen removes them where they do not belong.
        table.enforce_styling();
        table.style_text_only();
        table.set_header(headers.iter().copied());
        for column in table.column_iter_mut() {
            column.set_padding((0, GAP));
        }
        Self { table }
    }

    /// Adds a row.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = Cell>) {
        self.table.add_row(cells.into_iter().map(comfy_table::Cell::from));
    }

    /// Returns the text, each line ended.
    pub(crate) fn text(&self) -> String {
        self.table.trim_fmt() + "\n"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(rows: &[&[&str]], expected: &str) {
        let mut table = Table::new(&["NAME", "READY", "STATUS"]);
        for row in rows {
            table.row(row.iter().map(Cell::from));
        }
        assert_eq!(table.text(), expected);
    }

    #[test]
    fn tables_look_like_kubectls() {
        check(&[], "NAME   READY   STATUS\n");
        check(
            &[&["staging", "True", "all is well"], &["p", "", "first\nsecond"]],
            "NAME      READY   STATUS\nstaging   True    all is well\np         -       first\n",
        );
        check(&[&["größe", "日本", "x"]], "NAME    READY   STATUS\ngröße   日本    x\n");
        let long = "x".repeat(300);
        check(&[&["a", "b", &long]], &format!("NAME   READY   STATUS\na      b       {long}\n"));
    }

    #[test]
    fn colours_do_not_move_columns() {
        let mut table = Table::new(&["NAME", "READY"]);
        table.row([Cell::from("a"), Cell::toned("True", Tone::Good)]);
        table.row([Cell::toned("b", Tone::Bad), Cell::from("False")]);
        let text = table.text();
        assert!(text.contains("\u{1b}["), "{text:?}");
        assert_eq!(anstream::adapter::strip_str(&text).to_string(), "NAME   READY\na      True\nb      False\n");
    }
}
