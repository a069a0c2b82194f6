//! Tables: a header, cells that say how good they are, no lines.

use super::{plain, put};
use comfy_table::{Attribute, Color, ColumnConstraint, ContentArrangement, Table, Width, presets};
use std::io::{self, IsTerminal as _};

/// Characters of a terminal's line below which nothing is broken to fit it.
const TERMINAL_WIDTH_MIN: u16 = 40;
/// Characters that the last column has at least.
const TEXT_WIDTH_MIN: u16 = 24;

/// How good what a cell says is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    /// Nothing to say of it.
    Plain,
    /// As it should be.
    Good,
    /// Under way, or worth a look.
    Busy,
    /// Not as it should be.
    Bad,
}

/// A cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cell {
    text: String,
    tone: Tone,
}

impl Cell {
    pub(crate) fn toned(text: impl AsRef<str>, tone: Tone) -> Self {
        Self { text: plain(text.as_ref()), tone }
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::toned(text, Tone::Plain)
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::toned(text, Tone::Plain)
    }
}

impl From<Option<String>> for Cell {
    fn from(text: Option<String>) -> Self {
        Self::from(text.unwrap_or_else(|| "-".to_owned()))
    }
}

/// A table.
#[derive(Debug)]
pub(crate) struct Grid {
    table: Table,
    colours: bool,
}

impl Grid {
    pub(super) fn new(columns: &[&str], colours: bool) -> Self {
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        let header = |text: &&str| {
            let cell = comfy_table::Cell::new(text);
            if colours { cell.add_attribute(Attribute::Bold) } else { cell }
        };
        table.set_header(columns.iter().map(header));
        Self { table, colours }
    }

    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = Cell>) {
        let cell = |cell: Cell| {
            let made = comfy_table::Cell::new(cell.text);
            match cell.tone {
                Tone::Good if self.colours => made.fg(Color::Green),
                Tone::Busy if self.colours => made.fg(Color::Yellow),
                Tone::Bad if self.colours => made.fg(Color::Red),
                Tone::Plain | Tone::Good | Tone::Busy | Tone::Bad => made,
            }
        };
        let cells: Vec<comfy_table::Cell> = cells.into_iter().map(cell).collect();
        self.table.add_row(cells);
    }

    /// The table's text; `empty` where it has no rows.
    pub(crate) fn text_or(mut self, empty: &str) -> String {
        if self.table.is_empty() {
            return empty.to_owned();
        }
        let last = self.table.column_count().saturating_sub(1);
        for (index, column) in self.table.column_iter_mut().enumerate() {
            column.set_padding((0, if index == last { 0 } else { 2 }));
            // Ids stay whole, to be copied; what is broken is the text at the end.
            let is_text = index == last;
            column.set_constraint(if is_text {
                ColumnConstraint::LowerBoundary(Width::Fixed(TEXT_WIDTH_MIN))
            } else {
                ColumnConstraint::ContentWidth
            });
        }
        // Lines are broken to fit a terminal, never in a file.
        let fits = io::stdout().is_terminal() && self.table.width().is_some_and(|width| width >= TERMINAL_WIDTH_MIN);
        let arrangement = if fits { ContentArrangement::Dynamic } else { ContentArrangement::Disabled };
        self.table.set_content_arrangement(arrangement);
        self.table.trim_fmt()
    }
}

/// Names and values, one a line, the values below one another; those without a value are left out.
pub(crate) fn fields<'a>(pairs: impl IntoIterator<Item = (&'a str, Option<String>)>) -> String {
    let pairs: Vec<(&str, String)> =
        pairs.into_iter().filter_map(|(name, value)| value.map(|value| (name, plain(&value)))).collect();
    let width = pairs.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    for (name, value) in pairs {
        put(&mut text, format_args!("{name:width$}  {value}\n"));
    }
    text
}
