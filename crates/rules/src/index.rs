//! For each stretch of a column, the rows whose cell may hold there.

use crate::bits::{Bits, words};
use crate::point::{Cut, Point};
use crate::set::Set;
use std::collections::BTreeSet;

/// The index of a column: a value is looked up once for all rows.
#[derive(Debug, Clone)]
pub(crate) struct Column {
    /// Where a cell, or what the input can be, begins or ends.
    cuts: Vec<Cut>,
    /// The rows of each stretch: before the first cut, between each two, after the last.
    stretches: Vec<Bits>,
    null: Bits,
}

impl Column {
    /// Bytes that the index of these cells would take.
    pub(crate) fn bytes(cells: &[Option<&Set>], domain: &Set) -> usize {
        (cuts(cells, domain).len() + 2) * words(cells.len()) * size_of::<u64>()
    }

    /// The index of a column of cells; a cell without a set is an expression, which may hold for all but null.
    pub(crate) fn new(cells: &[Option<&Set>], domain: &Set) -> Self {
        let cuts: Vec<Cut> = cuts(cells, domain).into_iter().collect();
        let mut column =
            Self { stretches: vec![Bits::none(cells.len()); cuts.len() + 1], null: Bits::none(cells.len()), cuts };
        for (row, cell) in cells.iter().enumerate() {
            if cell.is_some_and(Set::has_null) {
                column.null.set(row);
            }
            match cell {
                Some(set) => set.spans().iter().for_each(|(low, high)| column.add(row, low, high)),
                None => column.add(row, &Cut::Low, &Cut::High),
            }
        }
        column
    }

    fn add(&mut self, row: usize, low: &Cut, high: &Cut) {
        let (from, to) = (self.after(low), self.after(high));
        let to = if *high == Cut::High { self.stretches.len() } else { to };
        for bits in self.stretches.iter_mut().take(to).skip(from) {
            bits.set(row);
        }
    }

    /// The number of the stretch that begins at a cut, which is one of the column's.
    fn after(&self, cut: &Cut) -> usize {
        self.cuts.partition_point(|other| other <= cut)
    }

    /// The rows whose cell may hold for a value; none is null.
    pub(crate) fn rows(&self, point: Option<&Point>) -> &Bits {
        let stretch = point.and_then(|point| self.stretches.get(self.after(&Cut::before(point.clone()))));
        stretch.unwrap_or(&self.null)
    }

    pub(crate) const fn null_rows(&self) -> &Bits {
        &self.null
    }

    /// Each stretch with its rows.
    pub(crate) fn stretches(&self) -> impl Iterator<Item = ((&Cut, &Cut), &Bits)> {
        let lows = std::iter::once(&Cut::Low).chain(&self.cuts);
        let highs = self.cuts.iter().chain(std::iter::once(&Cut::High));
        lows.zip(highs).zip(&self.stretches)
    }
}

fn cuts(cells: &[Option<&Set>], domain: &Set) -> BTreeSet<Cut> {
    let spans = cells.iter().flatten().flat_map(|set| set.spans()).chain(domain.spans());
    let ends = spans.flat_map(|(low, high)| [low, high]);
    ends.filter(|cut| !matches!(cut, Cut::Low | Cut::High)).cloned().collect()
}
